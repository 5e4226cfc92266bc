//! The arguments that a modern call repeats in headers: the tool's schema says which, and is asked for where it is not
//! known yet (MCP 2026-07-28 "Custom Headers from Tool Parameters").

use crate::crossing;
use crate::errors::Cause;
use crate::exchange::Way;
use crate::forward::Failure;
use crate::judge::Caller;
use crate::opening;
use crate::sessions::FarEnd;
use crate::standing::{HeaderTable, Known};
use bytes::Bytes;
use callgate_json::{Value, write_string};
use callgate_mcp::{
    Batches, CacheScope, Era, HeaderParams, Incoming, Limits, META_CLIENT_CAPABILITIES, META_CLIENT_INFO,
    META_PROTOCOL_VERSION, Message, Method, filter_tools, mirror_headers, parse_client, parse_server, request,
};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// Pages of a list that are asked for.
pub(crate) const MAX_PAGES: usize = 64;

/// The arguments that a call has to repeat; none for other messages, and for tools that want none repeated. Asks the
/// server for its list where the tool is not known.
///
/// A server that has no list, or does not name the tool in it, wants nothing repeated: what it does not say nobody can
/// follow, and what is decided is decided about the body. Where the list can't be had, the call is refused.
pub(crate) async fn params_of(
    way: Way<'_>,
    caller: Caller<'_>,
    message: &Message<'_>,
) -> Result<Option<Arc<HeaderParams>>, Cause> {
    if let Some(known) = known(way, message) {
        return Ok(known);
    }
    let standing = way.gate.standings.of(&way.entry.server);
    let _asking = standing.headers.asking.lock().await;
    if let Some(known) = known(way, message) {
        return Ok(known);
    }
    // A server without a list wants nothing repeated.
    let _: Listing = ask(way, caller, message).await?;
    Ok(known(way, message).flatten())
}

/// The same, where nobody has to be asked for it; `None` where the server has.
pub(crate) fn known(way: Way<'_>, message: &Message<'_>) -> Option<Option<Arc<HeaderParams>>> {
    let Some(call) = message.tool_call().filter(|_| way.era == Era::Modern) else { return Some(None) };
    params(&way.gate.standings.of(&way.entry.server).headers, call.name)
}

/// What is known of the tool; `None` where nothing is.
pub(crate) fn params(table: &HeaderTable, tool: &str) -> Option<Option<Arc<HeaderParams>>> {
    match table.of(tool) {
        Known::Nothing => None,
        Known::Plain => Some(None),
        Known::Params(params) => Some(Some(params)),
    }
}

/// What came of asking for the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Listing {
    /// All of it was seen.
    Whole,
    /// The server does not give it, or not to its end.
    Withheld,
}

/// Has every page of the list pass by, where it is learned from. Whoever calls it holds the table's `asking`.
pub(crate) async fn ask(way: Way<'_>, caller: Caller<'_>, message: &Message<'_>) -> Result<Listing, Cause> {
    let server = way.entry.server.name.as_str();
    let standing = way.gate.standings.of(&way.entry.server);
    // A modern message has no session but the process that it shares.
    let session = way.session.filter(|session| way.era == Era::Legacy || matches!(session.far, FarEnd::Peer(_)));
    let way = Way { session, streams: false, ..way };
    let changes = standing.list.changes();
    let mut cursor = None;
    for page in 0..MAX_PAGES {
        let body = Bytes::from(list_request(message, page, cursor.as_deref()));
        let Ok(Incoming::One(list)) = parse_client(&body, &way.gate.limits, Batches::Refused) else {
            return Ok(Listing::Withheld);
        };
        let permit = way.gate.judge_stream(caller, "(tools/list)").await?;
        let headers = match (way.era, session) {
            (Era::Legacy, Some(session)) => crossing::headers(session),
            _ => derived(&list, None),
        };
        let exchange = Box::pin(way.cross(permit, &list, body.clone(), headers)).await;
        let (_, response) = opening::response(exchange.map_err(|failure| failure.cause(server))?).await?;
        cursor = response.as_deref().and_then(next_cursor);
        if cursor.is_some() {
            continue;
        }
        standing.headers.seen_all();
        if !response.as_deref().is_some_and(is_page) {
            standing.list.was_withheld();
            return Ok(Listing::Withheld);
        }
        standing.list.seen_all(changes);
        return Ok(Listing::Whole);
    }
    let why = format!("its list of tools has more than {MAX_PAGES} pages");
    Err(Failure::Unreadable(why).cause(server))
}

/// The headers that a modern message needs over HTTP, derived from its body.
pub(crate) fn derived(message: &Message<'_>, params: Option<&HeaderParams>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    for (name, value) in mirror_headers(message, params) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    headers
}

/// The headers with the type of a body.
pub(crate) fn with_type(mut headers: HeaderMap) -> HeaderMap {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// A `tools/list` in the name of whoever sent this message.
pub(crate) fn list_request(message: &Message<'_>, page: usize, cursor: Option<&str>) -> Vec<u8> {
    let mut params = String::from("{\"_meta\":{");
    let keys = [META_PROTOCOL_VERSION, META_CLIENT_INFO, META_CLIENT_CAPABILITIES];
    let present = keys.into_iter().filter_map(|key| Some((key, message.meta(key)?)));
    for (index, (key, value)) in present.enumerate() {
        if index > 0 {
            params.push(',');
        }
        write_string(key, &mut params);
        params.push(':');
        // What was read strictly is UTF-8.
        params.push_str(std::str::from_utf8(message.bytes_of(value)).unwrap_or("null"));
    }
    params.push('}');
    if let Some(cursor) = cursor {
        params.push_str(",\"cursor\":");
        write_string(cursor, &mut params);
    }
    params.push('}');
    request(format!("\"callgate-tools-{page}\"").as_bytes(), "tools/list", Some(params.as_bytes()))
}

/// Where the list goes on; `None` at its end, and where there is none.
pub(crate) fn next_cursor(response: &[u8]) -> Option<String> {
    let Ok(Incoming::One(message)) = parse_server(response, &lenient(response), Batches::Refused) else { return None };
    message.result()?.get("nextCursor").and_then(Value::as_str).map(str::to_owned)
}

/// Whether a response is a page of the list, and no error.
fn is_page(response: &[u8]) -> bool {
    match parse_server(response, &lenient(response), Batches::Refused) {
        Ok(Incoming::One(message)) => message.result().is_some_and(|result| result.get("tools").is_some()),
        _ => false,
    }
}

/// Learns from an answer to `tools/list` that nothing is taken out of.
pub(crate) fn learn(table: &HeaderTable, response: &[u8]) {
    let _ = filter_tools(response, &lenient(response), CacheScope::AsIs, |tool| {
        if let Err(why) = table.learn(tool) {
            tracing::warn!("the arguments of the tool `{}` can't be repeated in headers: {why}", tool.name());
        }
        true
    });
}

/// Whether the message says that the list has changed.
pub(crate) fn is_list_changed(message: &[u8]) -> bool {
    match parse_server(message, &lenient(message), Batches::Refused) {
        Ok(Incoming::One(message)) => message.method() == Method::ToolsListChanged,
        _ => false,
    }
}

fn lenient(bytes: &[u8]) -> Limits {
    let mut limits = Limits::default();
    limits.json.max_bytes = bytes.len();
    limits.json.max_values = usize::MAX;
    limits
}
