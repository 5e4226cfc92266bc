//! The fixture over Streamable HTTP, at every path.

pub(crate) mod headers;
pub(crate) mod reply;

use crate::call::{Call, Kind, MODERN};
use crate::exchange::{Ending, Exchange};
use crate::fixture::Fixture;
use crate::options::Eras;
use crate::outlet::{Framing, Outlet};
use crate::peer::Peer;
use headers::{SESSION, VERSION, mismatch, session};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reply::{Guard, Reply, begin, events, plain, refusal, refused, whole};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The number of a session's stream that belongs to no request.
const STANDALONE: u64 = 0;

/// Serves until the future is dropped, which closes every connection.
pub async fn serve_http(listener: TcpListener, fixture: Fixture) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let stream = next(&listener, &mut connections).await?;
        let fixture = fixture.clone();
        connections.spawn(async move {
            let service = service_fn(|request| respond(&fixture, request));
            let mut server = hyper::server::conn::http1::Builder::new();
            // A client that goes away in the middle is its own affair.
            let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The next connection. Small answers go out at once on it.
pub(crate) async fn next(listener: &TcpListener, connections: &mut JoinSet<()>) -> io::Result<TcpStream> {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn respond(fixture: &Fixture, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(plain(400, "the body broke off")) };
    let body = body.to_bytes();
    if fixture.log().note(parts.method.as_str(), Some(&parts.headers), &body).is_err() {
        return Ok(plain(500, "the message log can't be written"));
    }
    let has_sessions = fixture.options().eras != Eras::Modern;
    Ok(match parts.method {
        Method::POST => post(fixture, &parts.headers, &body).await,
        Method::GET if has_sessions => get(fixture, &parts.headers),
        Method::DELETE if has_sessions => match session(fixture, &parts.headers) {
            Ok(peer) => {
                fixture.end_session(&peer.id);
                plain(200, "")
            }
            Err((status, code, why)) => refusal(status, code, why),
        },
        _ => plain(405, "this method is not served here"),
    })
}

async fn post(fixture: &Fixture, headers: &HeaderMap, body: &[u8]) -> Response<Reply> {
    let message: Value = match serde_json::from_slice(body) {
        Ok(message) => message,
        Err(error) => return refusal(400, -32700, &error.to_string()),
    };
    if let Value::Array(messages) = message {
        return batch(fixture, headers, messages).await;
    }
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let takes_events = accepts.is_some_and(|accept| accept.contains("text/event-stream"));
    let call = Call { message, takes_events };
    let eras = fixture.options().eras;
    let modern = call.version() == Some(MODERN) && eras != Eras::Legacy;
    let says_modern = headers.get(VERSION).is_some_and(|version| version == MODERN);
    if eras != Eras::Legacy
        && (call.version().is_some() || (eras == Eras::Modern && says_modern))
        && let Some(why) = mismatch(fixture, headers, &call)
    {
        return refused(400, &call.id(), &json!({"code": -32020, "message": why}));
    }
    let needs_session = !modern && call.method() != "initialize" && eras != Eras::Modern;
    let peer = match session(fixture, headers) {
        Ok(peer) if needs_session => Some(peer),
        Err((status, code, why)) if needs_session => return refusal(status, code, why),
        _ => None,
    };
    match call.kind() {
        Kind::Notification | Kind::Response => {
            if let Some(peer) = &peer {
                fixture.take(peer, call);
            }
            plain(202, "")
        }
        Kind::Other => refusal(400, -32600, "no JSON-RPC message"),
        Kind::Request => request(fixture, peer, call, modern).await,
    }
}

async fn request(fixture: &Fixture, session: Option<Arc<Peer>>, call: Call, modern: bool) -> Response<Reply> {
    let opens = call.method() == "initialize";
    let framing = match &session {
        Some(peer) => Framing::Numbered { stream: peer.next_stream(), primes: peer.takes_priming() },
        None => Framing::Events,
    };
    let (outlet, mut pieces) = Outlet::new(framing, true);
    let outlet = Arc::new(outlet);
    let peer = match session {
        Some(peer) => {
            peer.keep(Arc::clone(&outlet));
            peer
        }
        None if opens => {
            let standalone = Framing::Numbered { stream: STANDALONE, primes: true };
            fixture.new_session(Outlet::detached(standalone, true))
        }
        None => Arc::new(Peer::new(String::new(), Arc::clone(&outlet))),
    };
    let running = fixture.spawn(Exchange::new(fixture, &peer, outlet, call, modern));
    // In the legacy era a request outlives its connection, and the answer is there for whoever comes back.
    let guard = modern.then(|| Guard(running));
    let Some(first) = pieces.recv().await else {
        let none = pieces;
        return events(none);
    };
    let mut response = begin(first, pieces, guard);
    if opens && !modern && peer.is_introduced() {
        peer.listen();
        fixture.open_session(&peer);
        if let Ok(id) = HeaderValue::from_str(&peer.id) {
            response.headers_mut().insert(SESSION, id);
        }
    }
    response
}

async fn batch(fixture: &Fixture, headers: &HeaderMap, messages: Vec<Value>) -> Response<Reply> {
    let peer = match session(fixture, headers) {
        Ok(peer) => peer,
        Err((status, code, why)) => return refusal(status, code, why),
    };
    let mut answers = Vec::new();
    for message in messages {
        let call = Call::new(message);
        let Some(call) = fixture.take(&peer, call) else { continue };
        let id = call.id();
        let outlet = Arc::new(Outlet::detached(Framing::Events, true));
        let mut exchange = Exchange::new(fixture, &peer, outlet, call, false);
        let ending: Ending = crate::answer::answer(&mut exchange).await;
        answers.extend(ending.message(&id).map(|(_, json)| json));
    }
    if answers.is_empty() {
        return plain(202, "");
    }
    whole(200, format!("[{}]", answers.join(",")))
}

/// Opens the stream of a session that belongs to no request, or picks one up again.
fn get(fixture: &Fixture, headers: &HeaderMap) -> Response<Reply> {
    let peer = match session(fixture, headers) {
        Ok(peer) => peer,
        Err((status, code, why)) => return refusal(status, code, why),
    };
    let Some(last) = headers.get("last-event-id").and_then(|id| id.to_str().ok()) else {
        return events(peer.standalone.attach(None));
    };
    let found = last.split_once('-').and_then(|(stream, index)| {
        let stream = peer.stream(stream.parse().ok()?)?;
        Some(stream.attach(Some(index.parse().ok()?)))
    });
    found.map_or_else(|| refusal(400, -32600, "Invalid event ID"), events)
}
