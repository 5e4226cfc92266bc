//! A session that its upstream forgot, opened there again where nobody can tell the difference.

use crate::crossing;
use crate::exchange::{Exchange, Way, is_type};
use crate::forward::{Answer, Ask, Collected, Flight, forward_http};
use crate::judge::Caller;
use crate::opening;
use crate::relay::{Messages, Relay, Source};
use crate::sessions::Session;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::{Batches, Era, Incoming, MCP_SESSION_ID, Message, notification, parse_client};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Opens the session again at its upstream, which refused `far` as unknown. True where it is open: this call, or another
/// one meanwhile, brought it a new id.
pub(crate) async fn reopen(way: Way<'_>, session: &Arc<Session>, far: &HeaderValue) -> bool {
    let _one = session.reopening.lock().await;
    match session.far_id() {
        Some(now) if now != far => return true,
        _ => {}
    }
    let Some(hello) = session.can_reopen() else { return false };
    let Some(id) = open(way, session, hello).await else { return false };
    if !begin(way, session, &id).await {
        return false;
    }
    session.renew(id);
    way.gate.sessions.reopened.fetch_add(1, Ordering::Relaxed);
    true
}

/// Repeats the client's `initialize`. The new id, where the upstream agrees to what it agreed to before.
async fn open(way: Way<'_>, session: &Arc<Session>, hello: Bytes) -> Option<HeaderValue> {
    let (flight, answer) = send(way, session, "(initialize again)", hello.clone(), None).await?;
    let id = answer.headers.get(MCP_SESSION_ID).cloned();
    let Ok(Incoming::One(message)) = parse_client(&hello, &way.gate.limits, Batches::Refused) else { return None };
    let response = response(way, &message, flight, answer).await?;
    id.filter(|_| opening::agreed(&response) == Some(session.revision))
}

async fn begin(way: Way<'_>, session: &Arc<Session>, id: &HeaderValue) -> bool {
    let body = notification("notifications/initialized", None);
    match send(way, session, "(initialized again)", body.into(), Some(id)).await {
        Some((flight, answer)) if answer.status.is_success() => {
            flight.accepted();
            true
        }
        _ => false,
    }
}

async fn send(
    way: Way<'_>,
    session: &Session,
    what: &'static str,
    body: Bytes,
    id: Option<&HeaderValue>,
) -> Option<(Flight, Answer)> {
    let UpstreamConfig::Http(upstream) = &way.entry.server.upstream else { return None };
    let caller = Caller { entry: way.entry, session: Some(&session.id), client: session.client.as_ref(), trace: None };
    let permit = way.gate.judge_stream(caller, what).await.ok()?;
    let mut headers = match id {
        // `initialize` comes before any version is agreed on.
        None => HeaderMap::with_capacity(4),
        Some(_) => crossing::headers(session),
    };
    headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(id) = id {
        headers.insert(MCP_SESSION_ID, id.clone());
    }
    let timeouts = &way.entry.server.timeouts;
    let ask =
        Ask { method: http::Method::POST, headers, body, connect: timeouts.connect, silence: Some(timeouts.silence) };
    forward_http(permit, way.pool, upstream, ask).await.ok()
}

/// The response to `initialize`, as JSON or as the event of a stream.
async fn response(way: Way<'_>, message: &Message<'_>, flight: Flight, answer: Answer) -> Option<Bytes> {
    let Answer { status, headers, mut body } = answer;
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if !status.is_success() {
        return None;
    }
    if is_type(kind, b"text/event-stream") {
        let relay = Relay::new(way.gate, way.entry, None, Era::Legacy).of(message, flight);
        let messages = Messages::new(Source::sse(body, way.gate.options.max_message), relay);
        return opening::response(Exchange::Stream(Box::new(messages))).await.ok()?.1;
    }
    match body.collect(way.gate.options.max_message).await.ok()? {
        Collected::Whole(bytes) => {
            flight.accepted();
            Some(bytes)
        }
        Collected::Beginning(_) => None,
    }
}
