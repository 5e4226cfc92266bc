//! `initialize` of a legacy client, sent as it is; where the upstream refuses it, it may speak the modern era alone, or
//! be an HTTP+SSE server (MCP 2026-07-28 "Backward Compatibility").

use super::{Exchange, Opened, Way};
use crate::answer;
use crate::eras::held::may_be_sse;
use crate::eras::{probe, synthesized};
use crate::forward::{Failure, Far, Peer};
use crate::judge::Caller;
use crate::sessions::FarEnd;
use crate::translate;
use crate::upstream::{HttpUpstream, UpstreamConfig};
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::bridge::up;
use callgate_mcp::{Batches, Era, Incoming, MCP_SESSION_ID, Message, parse_server};
use http::StatusCode;
use http::header::HeaderMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Carries `initialize` to whatever the upstream turns out to be.
pub(super) async fn open(
    way: Way<'_>,
    permit: Permit,
    message: &Message<'_>,
    body: Bytes,
    headers: HeaderMap,
) -> Result<Opened, Failure> {
    let upstream = match &way.entry.server.upstream {
        UpstreamConfig::Http(upstream) => Some(upstream),
        UpstreamConfig::Stdio(_) => None,
    };
    let standing = way.gate.standings.of(&way.entry.server);
    if let Some(upstream) = upstream.filter(|_| standing.is_sse.load(Ordering::Relaxed)) {
        let peer = Peer::sse(far(way, upstream)).await?;
        return speak(way, permit, peer, message).await;
    }
    let opened = attempt(way, permit, message, body, headers).await?;
    let Some((status, answer)) = refusal(&opened.exchange) else { return Ok(opened) };
    if is_modern_refusal(&answer) && standing.speaks().is_none() && !probe::speaks(way).await?.includes(Era::Legacy) {
        return match again(way, message).await {
            Ok(permit) => synthesized::open(way, permit, message).await,
            Err(denied) => Ok(denied),
        };
    }
    let Some(upstream) = upstream.filter(|_| may_be_sse(status, &answer)) else { return Ok(opened) };
    // What is no HTTP+SSE server either has said what it had to say.
    let Ok(peer) = Peer::sse(far(way, upstream)).await else { return Ok(opened) };
    standing.is_sse.store(true, Ordering::Relaxed);
    match again(way, message).await {
        Ok(permit) => speak(way, permit, peer, message).await,
        Err(denied) => Ok(denied),
    }
}

async fn attempt(
    way: Way<'_>,
    permit: Permit,
    message: &Message<'_>,
    body: Bytes,
    headers: HeaderMap,
) -> Result<Opened, Failure> {
    match &way.entry.server.upstream {
        UpstreamConfig::Http(upstream) => {
            let (flight, answer) = way.post(permit, upstream, body, headers).await?;
            let id = answer.headers.get(MCP_SESSION_ID).cloned();
            let far = answer.status.is_success().then_some(FarEnd::Http(id));
            Ok(Opened { exchange: way.read(message, flight, answer).await?, far })
        }
        UpstreamConfig::Stdio(command) => {
            // A connection that has a process of its own has a session on it already.
            if let Some(FarEnd::Peer(process)) = way.session.map(|session| &session.far) {
                return Ok(Opened { exchange: way.speak(permit, process, message).await?, far: None });
            }
            let process = way.gate.processes.for_session(way.entry, command, &way.gate.options)?;
            speak(way, permit, process, message).await
        }
    }
}

async fn speak(way: Way<'_>, permit: Permit, peer: Peer, message: &Message<'_>) -> Result<Opened, Failure> {
    let exchange = way.speak(permit, &peer, message).await?;
    Ok(Opened { exchange, far: Some(FarEnd::Peer(peer)) })
}

fn far(way: Way<'_>, upstream: &HttpUpstream) -> Far {
    let (gate, pool) = (Arc::clone(way.gate), Arc::clone(way.pool));
    Far { gate, pool, entry: Arc::clone(way.entry), upstream: upstream.clone() }
}

/// Status and body of an answer that is no agreement; `None` for one that may be.
fn refusal(exchange: &Exchange) -> Option<(StatusCode, Bytes)> {
    match exchange {
        Exchange::Bare(status) if !status.is_success() => Some((*status, Bytes::new())),
        Exchange::Whole { status, message } => {
            let refused = !status.is_success() || is_error(message);
            refused.then(|| (*status, message.clone()))
        }
        _ => None,
    }
}

fn is_error(answer: &[u8]) -> bool {
    let limits = callgate_mcp::Limits::default();
    matches!(parse_server(answer, &limits, Batches::Refused), Ok(Incoming::One(message)) if message.error().is_some())
}

fn is_modern_refusal(answer: &[u8]) -> bool {
    let limits = callgate_mcp::Limits::default();
    matches!(parse_server(answer, &limits, Batches::Refused),
        Ok(Incoming::One(message)) if up::may_be_modern_only(&message))
}

/// Another permit for the same message: the first one has left. What is denied now is answered so.
async fn again(way: Way<'_>, message: &Message<'_>) -> Result<Permit, Opened> {
    let client = translate::client(message);
    let caller = Caller { entry: way.entry, session: None, client: client.as_ref(), trace: None };
    way.gate.judge(caller, message).await.map_err(|denial| {
        let message = answer::denial_message(&denial, message.id_bytes(), Era::Legacy).into();
        Opened { exchange: Exchange::Whole { status: answer::denial_status(&denial), message }, far: None }
    })
}
