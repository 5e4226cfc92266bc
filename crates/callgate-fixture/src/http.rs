//! The fixture over Streamable HTTP, at every path.

use crate::answer::{Answer, Fixture, failure};
use crate::call::{Call, Kind, LEGACY, MODERN};
use crate::options::Eras;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

/// Serves until the future is dropped, which closes every connection.
pub async fn serve_http(listener: TcpListener, fixture: Fixture) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            Some(_) = connections.join_next() => continue,
        };
        // Small answers go out at once.
        stream.set_nodelay(true)?;
        let fixture = fixture.clone();
        connections.spawn(async move {
            let service = service_fn(|request| respond(&fixture, request));
            let mut server = hyper::server::conn::http1::Builder::new();
            // A client that goes away in the middle is its own affair.
            let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A body that is there, or that comes event by event.
enum Reply {
    Whole(Option<Bytes>),
    Events(UnboundedReceiver<String>),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(receiver) => receiver.poll_recv(cx).map(|message| {
                message.map(|json| Ok(Frame::data(Bytes::from(format!("event: message\ndata: {json}\n\n")))))
            }),
        }
    }
}

async fn respond(fixture: &Fixture, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(plain(StatusCode::BAD_REQUEST, "the body broke off"));
    };
    let body = body.to_bytes();
    if fixture.log().note(parts.method.as_str(), Some(&parts.headers), &body).is_err() {
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "the message log can't be written"));
    }
    Ok(match parts.method {
        Method::POST => post(fixture, &parts.headers, &body).await,
        Method::GET => get(fixture, &parts.headers),
        Method::DELETE => match session(fixture, &parts.headers) {
            Ok(id) => {
                fixture.end_session(id);
                plain(StatusCode::OK, "")
            }
            Err((status, why)) => plain(status, why),
        },
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "POST, GET or DELETE"),
    })
}

async fn post(fixture: &Fixture, headers: &HeaderMap, body: &[u8]) -> Response<Reply> {
    let message: Value = match serde_json::from_slice(body) {
        Ok(message) => message,
        Err(error) => {
            let error = json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": error.to_string()}});
            return whole(StatusCode::BAD_REQUEST, error.to_string());
        }
    };
    if let Value::Array(messages) = message {
        return batch(fixture, headers, messages).await;
    }
    let call = Call { message };
    let eras = fixture.options().eras;
    let modern = call.version() == Some(MODERN) && eras != Eras::Legacy;
    if let Some(refusal) = check_headers(headers, &call).filter(|_| eras != Eras::Legacy) {
        return answer(refusal);
    }
    let needs_session = !modern && call.method() != "initialize" && eras != Eras::Modern;
    if let Some((status, why)) = session(fixture, headers).err().filter(|_| needs_session) {
        return plain(status, why);
    }
    match call.kind() {
        Kind::Notification | Kind::Response => plain(StatusCode::ACCEPTED, ""),
        Kind::Other => plain(StatusCode::BAD_REQUEST, "no JSON-RPC message"),
        Kind::Request if modern && call.method() == "subscriptions/listen" => {
            events(fixture.listeners().add(Some(call.id())))
        }
        Kind::Request => request(fixture, headers, &call).await,
    }
}

async fn request(fixture: &Fixture, headers: &HeaderMap, call: &Call) -> Response<Reply> {
    let answered = fixture.answer(call).await;
    let opens = call.method() == "initialize" && answered.status == 200;
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let streams = fixture.options().sse && accepts.is_some_and(|accept| accept.contains("text/event-stream"));
    let mut response = if streams && answered.status == 200 {
        let (sender, receiver) = unbounded_channel();
        if let Some(token) = call.progress_token() {
            let params = json!({"progressToken": token, "progress": 1, "total": 1});
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
            // The receiver is in this function: sending can't fail.
            let _ = sender.send(progress.to_string());
        }
        let _ = sender.send(answered.json);
        events(receiver)
    } else {
        answer(answered)
    };
    if opens && let Ok(id) = http::HeaderValue::from_str(&fixture.open_session()) {
        response.headers_mut().insert(SESSION, id);
    }
    response
}

async fn batch(fixture: &Fixture, headers: &HeaderMap, messages: Vec<Value>) -> Response<Reply> {
    if let Err((status, why)) = session(fixture, headers) {
        return plain(status, why);
    }
    let mut answers = Vec::new();
    for message in messages {
        let call = Call { message };
        if call.kind() == Kind::Request {
            answers.push(fixture.answer(&call).await.json);
        }
    }
    if answers.is_empty() {
        return plain(StatusCode::ACCEPTED, "");
    }
    whole(StatusCode::OK, format!("[{}]", answers.join(",")))
}

fn get(fixture: &Fixture, headers: &HeaderMap) -> Response<Reply> {
    match session(fixture, headers) {
        Ok(_) => events(fixture.listeners().add(None)),
        Err((status, why)) => plain(status, why),
    }
}

/// The session that the request belongs to, or why there is none.
fn session<'h>(fixture: &Fixture, headers: &'h HeaderMap) -> Result<&'h str, (StatusCode, &'static str)> {
    let version = headers.get(VERSION).map(|version| version.to_str().unwrap_or_default());
    if version.is_some_and(|version| !LEGACY.contains(&version)) {
        return Err((StatusCode::BAD_REQUEST, "unsupported protocol version"));
    }
    let Some(id) = headers.get(SESSION).and_then(|id| id.to_str().ok()) else {
        return Err((StatusCode::BAD_REQUEST, "the session id is missing"));
    };
    if fixture.has_session(id) { Ok(id) } else { Err((StatusCode::NOT_FOUND, "no such session")) }
}

/// The checks that a modern server owes (headers equal the body), in the plain cases.
fn check_headers(headers: &HeaderMap, call: &Call) -> Option<Answer> {
    call.version()?;
    let name = match call.method() {
        "tools/call" | "prompts/get" => call.param("name"),
        "resources/read" => call.param("uri"),
        _ => None,
    };
    let mirrored =
        [(VERSION, call.version()), ("mcp-method", Some(call.method())), ("mcp-name", name.and_then(Value::as_str))];
    for (header, body) in mirrored {
        let value = headers.get(header).and_then(|value| value.to_str().ok());
        let encoded = value.is_some_and(|value| value.starts_with("=?base64?"));
        if body.is_some() && value != body && !encoded {
            let error = json!({"code": -32020, "message": format!("header mismatch: {header}")});
            return Some(failure(call, 400, &error));
        }
    }
    None
}

fn answer(answer: Answer) -> Response<Reply> {
    whole(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK), answer.json)
}

fn whole(status: StatusCode, json: String) -> Response<Reply> {
    build(status, "application/json", Reply::Whole(Some(json.into())))
}

fn plain(status: StatusCode, text: &'static str) -> Response<Reply> {
    build(status, "text/plain", Reply::Whole(Some(text.into()).filter(|text: &Bytes| !text.is_empty())))
}

fn events(receiver: UnboundedReceiver<String>) -> Response<Reply> {
    build(StatusCode::OK, "text/event-stream", Reply::Events(receiver))
}

fn build(status: StatusCode, kind: &'static str, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
