//! What a server says to a client beside its answers.

use super::{Connection, call, inbox};
use crate::answer;
use crate::eras::synthesized;
use crate::errors::Cause;
use crate::exchange::is_type;
use crate::forward::{Answer, AnswerBody, Ask, forward_http};
use crate::gate::until;
use crate::judge::Caller;
use crate::place::Place;
use crate::relay::{Item, Messages, Relay, Source};
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::{Era, MCP_SESSION_ID};
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// Before a stream that ended is opened again; doubled while it can't be.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Passes on what the other end of a connection of its own says to nobody in particular.
pub(super) async fn pass_on_said(connection: Arc<Connection>, entry: Arc<GrantEntry>, session: Arc<Session>) {
    if let FarEnd::Peer(process) = &session.far {
        let mut messages = inbox(&connection, &entry, &session, process);
        connection.write_all(&mut messages, None).await;
    }
}

/// Passes on what happens on a modern server.
pub(super) async fn pass_on_events(connection: Arc<Connection>, entry: Arc<GrantEntry>, session: Arc<Session>) {
    if let Some(mut messages) = synthesized::listen(connection.way(&entry, Some(&session), Era::Legacy)) {
        connection.write_all(&mut messages, None).await;
    }
}

/// Follows the stream of a session on an HTTP upstream, and opens it again where it left off.
pub(super) async fn follow(connection: Arc<Connection>, entry: Arc<GrantEntry>, session: Arc<Session>) {
    let mut ended = session.ended();
    let mut place = Place::default();
    let mut wait = FIRST_WAIT;
    loop {
        let before = place.clone();
        tokio::select! {
            again = once(&connection, &entry, &session, &mut place) => if !again { return },
            () = until(&mut ended, |ended| *ended) => return,
        }
        wait = if place == before { (wait * 2).min(LONGEST_WAIT) } else { place.wait() };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = until(&mut ended, |ended| *ended) => return,
        }
    }
}

/// Writes the answer to a request. A stream that an HTTP upstream ends before its response is taken up again; an error
/// takes the place of a response that will not come.
pub(super) async fn write_answer(
    connection: &Connection,
    session: Option<&Arc<Session>>,
    mut messages: Messages,
    id: Option<&[u8]>,
) {
    messages.will_resume();
    loop {
        if connection.write_all(&mut messages, id).await {
            return;
        }
        let cause = match again(connection, session, &mut messages).await {
            Ok(()) => continue,
            Err(cause) => cause,
        };
        if id.is_some() {
            connection.lines.write(&answer::cause_message(&cause, id)).await;
        }
        return;
    }
}

/// Takes a stream up again that ended before its response.
async fn again(connection: &Connection, session: Option<&Arc<Session>>, messages: &mut Messages) -> Result<(), Cause> {
    loop {
        let over = "its stream ended before the response";
        let (Some(session), Some(place)) = (session, messages.missed()) else {
            return Err(messages.give_up(over));
        };
        let Some(entry) = connection.gate.snapshot().grant_by_id(&connection.grant).cloned() else {
            return Err(Cause::GrantEnded);
        };
        tokio::time::sleep(place.wait()).await;
        match get(connection, &entry, session, &place).await {
            Got::Stream(body) => return messages.resume(body, place),
            Got::Nothing(Some(status)) if !status.is_server_error() => {
                return Err(messages.give_up(&format!("{over}, and could not be taken up again ({status})")));
            }
            // It may be back soon.
            Got::Nothing(_) => messages.still_waits()?,
        }
    }
}

/// One stream to its end. False where there is no use in another one.
async fn once(connection: &Connection, entry: &Arc<GrantEntry>, session: &Arc<Session>, place: &mut Place) -> bool {
    let Ok(entry) = &connection.gate.renewed(entry) else { return false };
    let body = match get(connection, entry, session, place).await {
        Got::Stream(body) => body,
        // A session that its upstream forgot is followed again once the next request has opened it there anew.
        Got::Nothing(Some(StatusCode::NOT_FOUND)) => {
            *place = Place::default();
            return session.far_id().is_some();
        }
        Got::Nothing(status) => return status.is_none_or(|status| status.is_server_error()),
    };
    let relay = Relay::new(&connection.gate, entry, Some(session), Era::Legacy);
    let mut messages = Messages::new(Source::sse(body, connection.gate.options.max_message), relay);
    while let Some(item) = messages.next().await {
        *place = messages.place().cloned().unwrap_or_else(|| place.clone());
        match item {
            Ok(Item::Message { message, .. }) => {
                if !connection.lines.write(&message).await {
                    return false;
                }
            }
            Ok(Item::Aside(_) | Item::Quiet) => {}
            Err(cause) => return matches!(cause, Cause::Broken { .. } | Cause::Unreachable { .. }),
        }
    }
    true
}

/// What came of asking for a stream.
enum Got {
    Stream(AnswerBody),
    /// Nothing, or no stream.
    Nothing(Option<StatusCode>),
}

/// Asks for the stream of a session, from a place on.
async fn get(connection: &Connection, entry: &Arc<GrantEntry>, session: &Session, place: &Place) -> Got {
    let (FarEnd::Http(_), UpstreamConfig::Http(upstream)) = (&session.far, &session.server.upstream) else {
        return Got::Nothing(Some(StatusCode::METHOD_NOT_ALLOWED));
    };
    let caller = Caller { entry, session: Some(&session.id), client: None, trace: None };
    let Ok(permit) = connection.gate.judge_stream(caller, "(stream)").await else { return Got::Nothing(None) };
    let mut headers = call::legacy_headers(connection);
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(id) = session.far_id() {
        headers.insert(MCP_SESSION_ID, id);
    }
    place.write(&mut headers);
    let connect = entry.server.timeouts.connect;
    let ask = Ask { method: http::Method::GET, headers, body: Bytes::new(), connect, silence: None };
    let sent = forward_http(permit, &connection.pool, upstream, ask).await;
    let Ok((flight, Answer { status, headers, body })) = sent else { return Got::Nothing(None) };
    flight.accepted();
    let events = headers.get(CONTENT_TYPE).is_some_and(|kind| is_type(kind.as_bytes(), b"text/event-stream"));
    if status.is_success() && events { Got::Stream(body) } else { Got::Nothing(Some(status)) }
}
