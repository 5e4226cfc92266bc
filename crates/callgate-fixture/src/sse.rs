//! The fixture over HTTP+SSE, the transport of 2024-11-05: a GET opens a stream, which first says where to POST.

use crate::call::Call;
use crate::exchange::Exchange;
use crate::fixture::Fixture;
use crate::http::next;
use crate::http::reply::{Reply, events, plain, refusal};
use crate::outlet::{Framing, Outlet};
use crate::peer::Peer;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const MESSAGES: &str = "/messages";

/// Serves until the future is dropped, which closes every connection.
pub async fn serve_sse(listener: TcpListener, fixture: Fixture) -> io::Result<()> {
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

async fn respond(fixture: &Fixture, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(plain(400, "the body broke off")) };
    let body = body.to_bytes();
    if fixture.log().note(parts.method.as_str(), Some(&parts.headers), &body).is_err() {
        return Ok(plain(500, "the message log can't be written"));
    }
    Ok(match (parts.method, parts.uri.path()) {
        (Method::GET, _) => open(fixture),
        (Method::POST, MESSAGES) => {
            let query = parts.uri.query().unwrap_or_default();
            let peer = query.strip_prefix("session=").and_then(|id| fixture.session(id));
            peer.map_or_else(|| refusal(404, -32600, "Session not found"), |peer| post(fixture, &peer, &body))
        }
        _ => plain(405, "this method is not served here"),
    })
}

/// A session that lasts as long as its stream is read, or until it is forgotten.
fn open(fixture: &Fixture) -> Response<Reply> {
    let (outlet, pieces) = Outlet::new(Framing::Events, false);
    let peer = fixture.new_session(outlet);
    fixture.open_session(&peer);
    peer.standalone.note(format!("event: endpoint\ndata: {MESSAGES}?session={}\n\n", peer.id));
    events(pieces)
}

fn post(fixture: &Fixture, peer: &Arc<Peer>, body: &[u8]) -> Response<Reply> {
    if peer.standalone.is_closed() {
        fixture.end_session(&peer.id);
        return refusal(404, -32600, "Session not found");
    }
    let call = match serde_json::from_slice(body) {
        Ok(message) => Call::new(message),
        Err(error) => return refusal(400, -32700, &error.to_string()),
    };
    if let Some(call) = fixture.take(peer, call) {
        fixture.spawn(Exchange::new(fixture, peer, Arc::clone(&peer.standalone), call, false));
    }
    plain(202, "Accepted")
}
