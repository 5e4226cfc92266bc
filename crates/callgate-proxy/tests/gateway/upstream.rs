//! An HTTP upstream that answers as the test says, and remembers what reached it.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What reached the upstream.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What it answers.
pub enum Say {
    /// A status, headers and a body.
    Plain(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A JSON body in these pieces.
    Pieces(Vec<Vec<u8>>),
    /// An event stream: what is sent on the channel, until it is dropped.
    Events(Vec<(&'static str, String)>, mpsc::UnboundedReceiver<String>),
    /// The beginning of an event stream, then the connection breaks.
    Broken(String),
    /// Nothing: the connection closes.
    Nothing,
    /// Nothing, and the connection stays.
    Silence,
}

type Script = dyn Fn(&Seen) -> Say + Send + Sync;

pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub async fn new(script: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, &script, &log));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, seen, task }
    }

    /// One that does what a decent server does: sessions where asked for, echoes, a list of three tools.
    pub async fn decent() -> Self {
        Self::new(decent).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The `tools/call`s that reached it.
    pub fn calls(&self) -> usize {
        self.seen().iter().filter(|seen| String::from_utf8_lossy(&seen.body).contains("tools/call")).count()
    }
}

pub const TOOLS: &str = r#"[ {"name":"echo","inputSchema":{"type":"object"}, "execution" : {"x":1.50}} , {"name":"delete_all","inputSchema":{}}, {"name":"safe"} ]"#;

pub fn decent(seen: &Seen) -> Say {
    let message = seen.json();
    let id = &message["id"];
    match (seen.method.as_str(), message["method"].as_str()) {
        ("DELETE", _) => Say::Plain(200, vec![], vec![]),
        ("GET", _) => Say::Plain(405, vec![], vec![]),
        (_, Some("initialize")) => {
            let version = &message["params"]["protocolVersion"];
            let result = json!({"jsonrpc":"2.0","id":id,"result":{"protocolVersion":version,"capabilities":{},"serverInfo":{"name":"u","version":"1"}}});
            Say::Plain(200, vec![("mcp-session-id", "upstream-session".into()), json_type()], result.to_string().into())
        }
        (_, Some("server/discover")) => json_answer(
            &json!({"jsonrpc":"2.0","id":id,"result":{"resultType":"complete","supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{},"ttlMs":1000,"cacheScope":"public"}})
                .to_string(),
        ),
        (_, Some("tools/list")) => json_answer(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":{TOOLS},"cacheScope":"public","ttlMs":5}}}}"#
        )),
        (_, Some("tools/call")) => json_answer(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"done"}}],"extra":1.50}}}}"#
        )),
        (_, Some("missing/method")) => {
            let body = json!({"jsonrpc":"2.0","id":id,"error":{"code":-32601,"message":"no such method"}});
            Say::Plain(404, vec![json_type()], body.to_string().into())
        }
        _ if id.is_null() || !message["method"].is_string() => Say::Plain(202, vec![], vec![]),
        _ => json_answer(&json!({"jsonrpc":"2.0","id":id,"result":{}}).to_string()),
    }
}

pub fn json_answer(body: &str) -> Say {
    Say::Plain(200, vec![json_type()], body.as_bytes().to_vec())
}

pub fn json_type() -> (&'static str, String) {
    ("content-type", "application/json".to_owned())
}

/// An event stream of these events, then its end.
pub fn events(events: &[String]) -> Say {
    let (sender, receiver) = mpsc::unbounded_channel();
    for event in events {
        sender.send(event.clone()).unwrap();
    }
    Say::Events(vec![], receiver)
}

fn whole(body: Vec<u8>) -> BoxBody<Bytes, std::io::Error> {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed()
}

async fn answer(
    request: Request<Incoming>,
    script: &Arc<Script>,
    log: &Mutex<Vec<Seen>>,
) -> Result<Response<BoxBody<Bytes, std::io::Error>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    let seen = Seen { path: head.uri.path().to_owned(), method: head.method, headers: head.headers, body };
    log.lock().unwrap().push(seen.clone());
    let (status, headers, body) = match script(&seen) {
        Say::Silence => return std::future::pending().await,
        Say::Nothing => return Err(std::io::Error::other("closed")),
        Say::Plain(status, headers, body) => (status, headers, whole(body)),
        Say::Pieces(pieces) => {
            let frames = stream::iter(pieces).map(|piece| Ok(Frame::data(Bytes::from(piece))));
            (200, vec![json_type()], BodyExt::boxed(StreamBody::new(frames)))
        }
        Say::Broken(events) => {
            let broken = stream::once(async {
                // What was said before is on its way first.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("broken off"))
            });
            let frames = stream::iter([Ok(Frame::data(Bytes::from(events)))]).chain(broken);
            (200, vec![("content-type", "text/event-stream".to_owned())], BodyExt::boxed(StreamBody::new(frames)))
        }
        Say::Events(mut headers, receiver) => {
            headers.push(("content-type", "text/event-stream".to_owned()));
            let events = stream::unfold(receiver, |mut receiver| async move {
                let event = receiver.recv().await?;
                Some((event, receiver))
            });
            let frames = events.map(|event| Ok(Frame::data(Bytes::from(event))));
            (200, headers, BodyExt::boxed(StreamBody::new(frames)))
        }
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body).unwrap())
}
