//! The server behind every contender: answers MCP as fast as it can, with as little thought as it can.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::catalogue;

const CALL: &str = r#""result":{"content":[{"type":"text","text":"total 0"}]}}"#;
const LIST: &str = r#""result":{"tools":[{"name":"exec_command","inputSchema":{"type":"object","properties":{"command":{"type":"string"},"args":{"type":"array","items":{"type":"string"}}},"required":["command"]}}]}}"#;
const INITIALIZE: &str = r#""result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench-upstream","version":"1.0.0"}}}"#;
const DISCOVER: &str = r#""result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"bench-upstream","version":"1.0.0"},"ttlMs":60000,"cacheScope":"private"}}"#;

/// Serves on a free port of loopback until it is killed; says on standard error where. It has one tool, or so many made-up
/// ones.
pub(crate) fn serve(tools: Option<usize>) -> Result<()> {
    let list = tools.map_or_else(|| LIST.to_owned(), |count| format!("\"result\":{}}}", catalogue::tool_list(count)));
    let list: Arc<str> = list.into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let list = Arc::clone(&list);
            let service = service_fn(move |request| answer(request, Arc::clone(&list)));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(request: Request<Incoming>, list: Arc<str>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let text = String::from_utf8_lossy(&body);
    let Some(id) = number_after(&text, "\"id\":") else {
        return Ok(response(StatusCode::ACCEPTED, String::new()));
    };
    let result = [("\"initialize\"", INITIALIZE), ("\"server/discover\"", DISCOVER), ("\"tools/list\"", &*list)];
    let result = result.into_iter().find(|(method, _)| text.contains(method)).map_or(CALL, |(_, result)| result);
    Ok(response(StatusCode::OK, format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{result}")))
}

fn response(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// The JSON value after a key, where it is a number or a short string: enough for ids.
fn number_after<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(key)?;
    let rest = rest.trim_start();
    let end = rest.find([',', '}'])?;
    rest.get(..end)
}
