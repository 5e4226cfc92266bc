//! How a held session comes to stand: the handshake of the legacy era, in the name of the client.

use super::table::HeldSession;
use crate::eras::probe::{self, OWN_NAME};
use crate::exchange::Way;
use crate::forward::{Asked, Failure, Far, Flight, Peer, forward_note, forward_request};
use crate::judge::Caller;
use crate::opening;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::bridge::up::{self, Told};
use callgate_mcp::{Batches, Incoming, Limits, Message, outcome, parse_client, parse_server};
use http::StatusCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const INITIALIZED: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";

/// Opens a session for the client of this request.
pub(super) async fn open(way: Way<'_>, message: &Message<'_>) -> Result<HeldSession, Failure> {
    let params = up::initialize_params(message, OWN_NAME);
    let request = callgate_mcp::request(b"1", "initialize", Some(&params));
    let (peer, initialized) = connect(way, &request).await?;
    let timeouts = &way.entry.server.timeouts;
    let permit = way.gate.judge_stream(caller(way), "(initialized)").await.map_err(Failure::Refused)?;
    let limits = Limits::default();
    if let Ok(Incoming::One(note)) = parse_client(INITIALIZED, &limits, Batches::Refused) {
        forward_note(permit, &peer, &note, timeouts).await?;
    }
    Ok(HeldSession::new(peer, way, initialized))
}

fn caller(way: Way<'_>) -> Caller<'_> {
    Caller { entry: way.entry, session: None, client: None, trace: None }
}

/// A peer that has answered `initialize`, and what it answered.
async fn connect(way: Way<'_>, request: &[u8]) -> Result<(Peer, Bytes), Failure> {
    let upstream = match &way.entry.server.upstream {
        UpstreamConfig::Stdio(command) => {
            let peer = way.gate.processes.start(&way.entry.server, command, &way.gate.options)?;
            return initialize(way, peer, request).await;
        }
        UpstreamConfig::Http(upstream) => upstream,
    };
    let far = || Far {
        gate: Arc::clone(way.gate),
        pool: Arc::clone(way.pool),
        entry: Arc::clone(way.entry),
        upstream: upstream.clone(),
    };
    let standing = way.gate.standings.of(&way.entry.server);
    if standing.is_sse.load(Ordering::Relaxed) {
        return initialize(way, Peer::sse(far()).await?, request).await;
    }
    let refused = match initialize(way, Peer::session(far()), request).await {
        Err(Failure::Status(status, body)) if may_be_sse(status, &body) => Failure::Status(status, body),
        other => return other,
    };
    let Ok(peer) = Peer::sse(far()).await else { return Err(refused) };
    let opened = initialize(way, peer, request).await?;
    standing.is_sse.store(true, Ordering::Relaxed);
    Ok(opened)
}

/// Whether the answer to a POST is one that an HTTP+SSE server gives (MCP 2026-07-28 "HTTP+SSE Transport").
pub(crate) fn may_be_sse(status: StatusCode, body: &[u8]) -> bool {
    let plain = matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
    plain
        && match parse_server(body, &Limits::default(), Batches::Refused) {
            Ok(Incoming::One(message)) => up::told(&message, Some(status.as_u16())) == Told::Nothing,
            _ => true,
        }
}

async fn initialize(way: Way<'_>, peer: Peer, request: &[u8]) -> Result<(Peer, Bytes), Failure> {
    peer.hold();
    let permit = way.gate.judge_stream(caller(way), "(initialize)").await.map_err(Failure::Refused)?;
    let limits = Limits::default();
    let Ok(Incoming::One(message)) = parse_client(request, &way.gate.limits, Batches::Refused) else {
        return Err(Failure::Unreadable("`initialize` can't be written for it".to_owned()));
    };
    let timeouts = &way.entry.server.timeouts;
    let (flight, asked) = forward_request(permit, &peer, &message, timeouts, false).await?;
    let (flight, bytes) = response(flight, asked, timeouts.silence).await.inspect_err(|failure| {
        if let Failure::Status(_, body) = failure
            && let Ok(Incoming::One(error)) = parse_server(body, &limits, Batches::Refused)
            && up::may_be_modern_only(&error)
        {
            probe::forget(way);
        }
    })?;
    let Ok(Incoming::One(answer)) = parse_server(&bytes, &limits, Batches::Refused) else {
        return Err(flight.fail(Failure::Unreadable("its answer to `initialize` can't be read".to_owned())));
    };
    flight.answered(outcome(&answer));
    if let Some(error) = answer.error() {
        if up::may_be_modern_only(&answer) {
            probe::forget(way);
        }
        let text = error.get("message").and_then(callgate_json::Value::as_str).unwrap_or_default();
        let text: String = text.chars().take(200).filter(|ch| !ch.is_control()).collect();
        return Err(Failure::Unreadable(format!("it refuses `initialize`: {text}")));
    }
    if opening::agreed(&bytes).is_none() {
        return Err(Failure::Unreadable("its answer to `initialize` names no protocol version".to_owned()));
    }
    Ok((peer, bytes))
}

/// The response to a request of the gateway's own.
pub(super) async fn response(flight: Flight, mut asked: Asked, silence: Duration) -> Result<(Flight, Bytes), Failure> {
    let heard = tokio::time::timeout(silence, async {
        loop {
            match asked.next().await {
                Some(Ok((bytes, true))) => return Ok(bytes),
                Some(Ok((_, false))) => {}
                Some(Err(failure)) => return Err(failure),
                None => return Err(Failure::Broken("it gave no answer".to_owned())),
            }
        }
    });
    match heard.await {
        Ok(Ok(bytes)) => Ok((flight, bytes)),
        Ok(Err(failure)) => Err(flight.fail(failure)),
        Err(_) => Err(flight.fail(Failure::Silent(silence))),
    }
}

/// Asks the server for log messages from the level on that the request wants, where it has not been asked for them.
/// Gives that level; without one, the request gets no log messages.
pub(super) async fn set_level(way: Way<'_>, message: &Message<'_>, session: &HeldSession) -> Option<up::Level> {
    let level = up::Level::of(message)?;
    let has_logging = session
        .initialized(|answer| answer.result().and_then(|result| result.get("capabilities")?.get("logging")).is_some());
    if has_logging != Some(true) {
        return None;
    }
    {
        let mut known = session.level.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some_and(|known| known <= level) {
            return Some(level);
        }
        *known = Some(level);
    }
    let params = format!("{{\"level\":\"{}\"}}", level.as_str());
    if let Err(failure) = tell(way, session, "logging/setLevel", "(log level)", params.as_bytes()).await {
        tracing::debug!(server = way.entry.server.name.as_str(), "its log level could not be set: {failure:?}");
    }
    Some(level)
}

/// Sends a request of the gateway's own in a held session, and waits for the answer; an error of the server is one.
pub(super) async fn tell(
    way: Way<'_>,
    session: &HeldSession,
    method: &str,
    what: &'static str,
    params: &[u8],
) -> Result<(), Failure> {
    let permit = way.gate.judge_stream(caller(way), what).await.map_err(Failure::Refused)?;
    let request = callgate_mcp::request(b"1", method, Some(params));
    let Ok(Incoming::One(message)) = parse_client(&request, &way.gate.limits, Batches::Refused) else {
        return Err(Failure::Unreadable(format!("`{method}` can't be written for it")));
    };
    let timeouts = &way.entry.server.timeouts;
    let (flight, asked) = forward_request(permit, &session.peer, &message, timeouts, false).await?;
    let (flight, bytes) = response(flight, asked, timeouts.silence).await?;
    let limits = Limits::default();
    let answer = match parse_server(&bytes, &limits, Batches::Refused) {
        Ok(Incoming::One(answer)) => answer,
        _ => return Err(flight.fail(Failure::Unreadable(format!("its answer to `{method}` can't be read")))),
    };
    flight.answered(outcome(&answer));
    if answer.error().is_some() { Err(Failure::Unreadable(format!("it refuses `{method}`"))) } else { Ok(()) }
}
