//! Which headers of a client travel to the upstream, and what it says that it accepts. Everything else ends here:
//! `Authorization` and `Cookie` first of all.

use crate::errors::Cause;
use crate::translate::{TRACEPARENT, trace_id};
use callgate_mcp::{Era, MCP_METHOD, MCP_NAME, MCP_PARAM_PREFIX, MCP_PROTOCOL_VERSION};
use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};

const BOTH: &str = "application/json, text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The headers of a POST that travel.
pub(super) fn of_post(headers: &HeaderMap, era: Era) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(8);
    out.insert(ACCEPT, HeaderValue::from_static(BOTH));
    copy(headers, MCP_PROTOCOL_VERSION, &mut out);
    if era == Era::Legacy {
        return out;
    }
    copy(headers, MCP_METHOD, &mut out);
    copy(headers, MCP_NAME, &mut out);
    for (name, value) in headers {
        if name.as_str().starts_with(MCP_PARAM_PREFIX) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

/// The headers of a GET that travel.
pub(super) fn of_get(headers: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(6);
    out.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    copy(headers, MCP_PROTOCOL_VERSION, &mut out);
    if let Some(id) = headers.get(&LAST_EVENT_ID) {
        out.insert(LAST_EVENT_ID, id.clone());
    }
    out
}

/// The id of the last event that a client saw before its stream broke off.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<&[u8]>, Cause> {
    let mut values = headers.get_all(&LAST_EVENT_ID).iter();
    let first = values.next().map(HeaderValue::as_bytes).filter(|id| !id.is_empty());
    if values.next().is_some() { Err(Cause::EventUnknown) } else { Ok(first) }
}

/// The id of the trace that a request names; none where it names none, several, or nothing that is one.
pub(super) fn trace(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let first = values.next()?.to_str().ok()?;
    if values.next().is_some() { None } else { trace_id(first) }
}

/// The headers of a DELETE that travel.
pub(super) fn of_delete(headers: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(4);
    copy(headers, MCP_PROTOCOL_VERSION, &mut out);
    out
}

fn copy(from: &HeaderMap, name: &'static str, to: &mut HeaderMap) {
    if let Some(value) = from.get(name) {
        to.insert(HeaderName::from_static(name), value.clone());
    }
}

/// A POST may be answered with JSON or with events, as the upstream chooses, so both have to be accepted. Old clients
/// that say nothing are taken to accept both.
pub(super) fn accepts_both(headers: &HeaderMap, era: Era) -> Result<(), Cause> {
    let both = lists(headers, "application/json") && lists(headers, "text/event-stream");
    let silent = era == Era::Legacy && !headers.contains_key(ACCEPT);
    if both || silent { Ok(()) } else { Err(Cause::Accept("`application/json` and `text/event-stream`")) }
}

/// Whether a client says that an answer may be an event stream. Old ones that say nothing are not asked to wait.
pub(super) fn names_events(headers: &HeaderMap) -> bool {
    lists(headers, "text/event-stream")
}

/// A GET is answered with events.
pub(super) fn accepts_events(headers: &HeaderMap) -> Result<(), Cause> {
    if lists(headers, "text/event-stream") { Ok(()) } else { Err(Cause::Accept("`text/event-stream`")) }
}

fn lists(headers: &HeaderMap, media_type: &str) -> bool {
    let kind = media_type.split('/').next().unwrap_or_default();
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            range.eq_ignore_ascii_case(media_type)
                || range == "*/*"
                || range.strip_suffix("/*").is_some_and(|any| any.eq_ignore_ascii_case(kind))
        },
    )
}
