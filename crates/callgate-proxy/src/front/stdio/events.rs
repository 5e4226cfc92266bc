//! What a server says to a stdio client beside its answers.

use super::{Connection, call, inbox};
use crate::errors::Cause;
use crate::exchange::is_type;
use crate::forward::{Answer, Ask, forward_http};
use crate::gate::until;
use crate::judge::Caller;
use crate::relay::{Item, Messages, Relay, Source};
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::{Era, MCP_SESSION_ID, SseLimits, SseReader};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// Before a stream that ended is opened again; doubled while it can't be.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Passes on what a server process says to nobody in particular.
pub(super) async fn pass_on_said(connection: Arc<Connection>, entry: Arc<GrantEntry>, session: Arc<Session>) {
    if let FarEnd::Process(process) = &session.far {
        let messages = inbox(&connection, &entry, &session, process);
        connection.write_all(messages, None).await;
    }
}

/// Follows the stream of a session on an HTTP upstream, and opens it again where it left off.
pub(super) async fn follow(connection: Arc<Connection>, entry: Arc<GrantEntry>, session: Arc<Session>) {
    let mut ended = session.ended();
    let mut last: Option<HeaderValue> = None;
    let mut wait = FIRST_WAIT;
    loop {
        let before = last.clone();
        tokio::select! {
            again = once(&connection, &entry, &session, &mut last) => if !again { return },
            () = until(&mut ended, |ended| *ended) => return,
        }
        wait = if last == before { (wait * 2).min(LONGEST_WAIT) } else { FIRST_WAIT };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = until(&mut ended, |ended| *ended) => return,
        }
    }
}

/// One stream to its end. False where there is no use in another one.
async fn once(
    connection: &Connection,
    entry: &Arc<GrantEntry>,
    session: &Arc<Session>,
    last: &mut Option<HeaderValue>,
) -> bool {
    let (FarEnd::Http(id), UpstreamConfig::Http(upstream)) = (&session.far, &session.server.upstream) else {
        return false;
    };
    let caller = Caller { entry, session: Some(&session.id), client: None };
    let Ok(permit) = connection.gate.judge_stream(caller, "(stream)").await else { return true };
    let mut headers = call::legacy_headers(connection);
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(id) = id {
        headers.insert(MCP_SESSION_ID, id.clone());
    }
    if let Some(last) = last {
        headers.insert(HeaderName::from_static("last-event-id"), last.clone());
    }
    let connect = entry.server.timeouts.connect;
    let ask = Ask { method: http::Method::GET, headers, body: Bytes::new(), connect, silence: None };
    let Ok((flight, answer)) = forward_http(permit, &connection.pool, upstream, ask).await else { return true };
    flight.accepted();
    let Answer { status, headers, body } = answer;
    let events = headers.get(CONTENT_TYPE).is_some_and(|kind| is_type(kind.as_bytes(), b"text/event-stream"));
    if !status.is_success() || !events {
        return status.is_server_error();
    }
    let relay = Relay::new(&connection.gate, entry, Some(session), Era::Legacy);
    let mut messages = Messages::new(Source::sse(body, connection.gate.options.max_message), relay);
    while let Some(item) = messages.next().await {
        match item {
            Ok(Item::Message { message, event, .. }) => {
                if let Some(id) = event.as_ref().and_then(event_id) {
                    *last = Some(id);
                }
                if !connection.lines.write(&message).await {
                    return false;
                }
            }
            Ok(Item::Aside(event)) => *last = event_id(&event).or(last.take()),
            Ok(Item::Quiet) => {}
            Err(cause) => return matches!(cause, Cause::Broken { .. } | Cause::Unreachable { .. }),
        }
    }
    true
}

fn event_id(event: &Bytes) -> Option<HeaderValue> {
    let mut reader = SseReader::new(SseLimits { max_line: usize::MAX, max_event: usize::MAX });
    reader.push(event);
    let id = reader.next_event().ok()??.id?;
    HeaderValue::from_bytes(&id).ok().filter(|id| !id.is_empty())
}
