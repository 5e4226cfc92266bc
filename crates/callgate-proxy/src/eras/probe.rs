//! Which era an upstream speaks, found out by asking it (MCP 2026-07-28 "Backward Compatibility").

use super::Speaks;
use crate::exchange::{Way, is_type};
use crate::forward::{Answer, AnswerBody, Ask, Collected, Failure, forward_http, forward_request};
use crate::judge::Caller;
use crate::snapshot::UpstreamEra;
use crate::upstream::{HttpUpstream, StdioUpstream, UpstreamConfig};
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::bridge::up::{Told, told};
use callgate_mcp::{
    Batches, Incoming, Limits, Message, MessageKind, SseLimits, SseReader, mirror_headers, outcome, parse_server,
};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::time::Duration;

/// What the gateway calls itself, as JSON.
pub(crate) const OWN_NAME: &str = concat!("{\"name\":\"callgate\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}");

/// For a process to answer the question; what is silent longer does not know it.
const PROBE_WAIT: Duration = Duration::from_secs(10);

/// The question.
const DISCOVER: &str = concat!(
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{\"_meta\":{",
    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",",
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"callgate\",\"version\":\"",
    env!("CARGO_PKG_VERSION"),
    "\"},\"io.modelcontextprotocol/clientCapabilities\":{}}}}"
);

/// What the upstream speaks: known, or found out now. One asks, and whoever wants to know meanwhile waits for it.
/// What can't be reached teaches nothing.
pub(crate) async fn speaks(way: Way<'_>) -> Result<Speaks, Failure> {
    let standing = way.gate.standings.of(&way.entry.server);
    if let Some(speaks) = standing.speaks() {
        return Ok(speaks);
    }
    let _one_at_a_time = standing.probing.lock().await;
    if let Some(speaks) = standing.speaks() {
        return Ok(speaks);
    }
    let speaks = ask(way).await?;
    tracing::debug!(server = way.entry.server.name.as_str(), "it speaks {speaks:?}");
    standing.learn(Some(speaks));
    Ok(speaks)
}

/// Forgets what was learned: it turned out wrong. What the configuration says stays.
pub(crate) fn forget(way: Way<'_>) {
    if way.entry.server.era == UpstreamEra::Auto {
        way.gate.standings.of(&way.entry.server).learn(None);
    }
}

async fn ask(way: Way<'_>) -> Result<Speaks, Failure> {
    let caller = Caller { entry: way.entry, session: None, client: None, trace: None };
    let permit = way.gate.judge_stream(caller, "(probe)").await.map_err(Failure::Refused)?;
    match &way.entry.server.upstream {
        UpstreamConfig::Http(upstream) => ask_http(way, permit, upstream).await,
        UpstreamConfig::Stdio(command) => ask_process(way, permit, command).await,
    }
}

async fn ask_http(way: Way<'_>, permit: Permit, upstream: &HttpUpstream) -> Result<Speaks, Failure> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if let Ok(Incoming::One(message)) = callgate_mcp::parse_client(DISCOVER.as_bytes(), &way.gate.limits, NO_BATCH) {
        for (name, value) in mirror_headers(&message, None) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                headers.insert(name, value);
            }
        }
    }
    let timeouts = &way.entry.server.timeouts;
    let (connect, silence) = (timeouts.connect, Some(timeouts.silence));
    let ask = Ask { method: Method::POST, headers, body: DISCOVER.into(), connect, silence };
    let (flight, answer) = forward_http(permit, way.pool, upstream, ask).await?;
    let status = answer.status;
    if teaches_nothing(status) {
        return Err(flight.fail(Failure::Broken(format!("it answered with HTTP {status}"))));
    }
    let body = match read(answer, way.gate.options.max_message).await {
        Ok(body) => body,
        Err(failure) => return Err(flight.fail(failure)),
    };
    let limits = Limits::default();
    let message = body.as_ref().and_then(|body| whole(body, &limits));
    flight.answered(message.as_ref().and_then(outcome));
    Ok(message.map_or(Speaks::Legacy, |message| from_told(told(&message, Some(status.as_u16())))))
}

const NO_BATCH: Batches = Batches::Refused;

/// Trouble that says nothing about what a server speaks.
fn teaches_nothing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The message of an answer: its body, or the first response of its stream.
async fn read(answer: Answer, max: usize) -> Result<Option<Bytes>, Failure> {
    let Answer { headers, mut body, .. } = answer;
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if is_type(kind, b"text/event-stream") {
        return first_response(body, max).await;
    }
    if !is_type(kind, b"application/json") {
        return Ok(None);
    }
    match body.collect(max).await? {
        Collected::Whole(bytes) => Ok(Some(bytes)),
        Collected::Beginning(_) => Err(Failure::TooLarge(max)),
    }
}

async fn first_response(mut body: AnswerBody, max: usize) -> Result<Option<Bytes>, Failure> {
    let mut reader = SseReader::new(SseLimits { max_line: max, max_event: max });
    while let Some(chunk) = body.next().await.transpose()? {
        reader.push(&chunk);
        while let Some(event) = reader.next_event().map_err(|error| Failure::Unreadable(error.to_string()))? {
            if let Some(data) = event.data.filter(|data| whole(data, &Limits::default()).is_some()) {
                return Ok(Some(data));
            }
        }
    }
    Ok(None)
}

/// The response that these bytes are; `None` for anything else.
fn whole<'b>(bytes: &'b [u8], limits: &Limits) -> Option<Message<'b>> {
    match parse_server(bytes, limits, NO_BATCH) {
        Ok(Incoming::One(message)) if message.kind() == MessageKind::Response => Some(message),
        _ => None,
    }
}

/// A process that answers anything but a modern answer, or nothing, speaks the legacy era; it was spoken to in a way
/// that it does not know, and is ended.
async fn ask_process(way: Way<'_>, permit: Permit, command: &StdioUpstream) -> Result<Speaks, Failure> {
    let peer = way.gate.processes.shared(way.entry, command, &way.gate.options)?;
    let limits = Limits::default();
    let Ok(Incoming::One(message)) = callgate_mcp::parse_client(DISCOVER.as_bytes(), &limits, NO_BATCH) else {
        return Ok(Speaks::Legacy);
    };
    let timeouts = &way.entry.server.timeouts;
    let (mut flight, mut asked) = match forward_request(permit, &peer, &message, timeouts, false).await {
        Ok(asked) => asked,
        Err(failure) => return Err(failure),
    };
    let wait = PROBE_WAIT.min(timeouts.silence);
    let answer = tokio::time::timeout(wait, async {
        while let Some(said) = asked.next().await {
            if let Ok((bytes, true)) = &said {
                return Some(bytes.clone());
            }
            said.ok()?;
        }
        None
    });
    let speaks = match answer.await {
        Ok(Some(bytes)) => {
            flight.count(bytes.len());
            let message = whole(&bytes, &limits);
            flight.answered(message.as_ref().and_then(outcome));
            message.map_or(Speaks::Legacy, |message| from_told(told(&message, None)))
        }
        Ok(None) => {
            // Some servers end when the first message is not `initialize`.
            let _ = flight.fail(Failure::Ended("it ended when it was asked".to_owned()));
            way.gate.processes.forgive(&way.entry.server);
            Speaks::Legacy
        }
        Err(_) => {
            let _ = flight.fail(Failure::Silent(wait));
            Speaks::Legacy
        }
    };
    // Who has a process of its own has no use for a second one.
    if speaks == Speaks::Legacy || way.session.is_some() {
        peer.stop();
        peer.ended().await;
        way.gate.processes.forgive(&way.entry.server);
    }
    Ok(speaks)
}

fn from_told(told: Told) -> Speaks {
    match told {
        Told::Modern { legacy: true } => Speaks::Both,
        Told::Modern { legacy: false } => Speaks::Modern,
        Told::Legacy | Told::Nothing => Speaks::Legacy,
    }
}
