//! A server behind a URL: Streamable HTTP.

use super::connect::Connector;
use super::{ClientError, MAX_MESSAGE, MODERN, answer_to};
use bytes::Bytes;
use callgate_control::Secret;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A client of one MCP endpoint.
pub(crate) struct HttpClient {
    connector: Connector,
    target: Uri,
    authority: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    session: Option<HeaderValue>,
    version: Option<String>,
    next: u64,
}

impl HttpClient {
    /// A client of this endpoint that sends these headers.
    pub(crate) fn new(url: &str, headers: &BTreeMap<String, Secret>) -> Result<Self, ClientError> {
        let mut parsed = Vec::new();
        for (name, value) in headers {
            let wrong = || ClientError::Connection(format!("the header `{name}` can't be sent"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            parsed.push((key, value));
        }
        let uri: Uri = url.parse().map_err(|error| ClientError::Connection(format!("`{url}` is no URL: {error}")))?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        let target = target.parse().map_err(|_| ClientError::Connection(format!("`{url}` has no usable path")))?;
        Ok(Self {
            connector: Connector::new(&uri)?,
            target,
            authority,
            headers: parsed,
            session: None,
            version: None,
            next: 1,
        })
    }

    /// A client of this endpoint with this bearer token.
    pub(crate) fn with_token(url: &str, token: &str) -> Result<Self, ClientError> {
        let headers = BTreeMap::from([(AUTHORIZATION.to_string(), Secret::new(format!("Bearer {token}")))]);
        Self::new(url, &headers)
    }

    /// Shakes hands: agrees on a revision, and opens a session where the server has them.
    pub(crate) async fn initialize(&mut self) -> Result<(), ClientError> {
        let answer = self.request("initialize", super::hello()).await?;
        let answer: Value =
            serde_json::from_str(answer.get()).map_err(|error| ClientError::Unreadable(error.to_string()))?;
        let version = answer.get("protocolVersion").and_then(Value::as_str);
        self.version = version.map(str::to_owned);
        self.notify("notifications/initialized").await
    }

    /// Sends a request of the handshake era and waits for its answer.
    pub(crate) async fn request(&mut self, method: &str, parameters: Value) -> Result<Box<RawValue>, ClientError> {
        self.exchange(method, parameters, &[]).await
    }

    /// Sends a request of the era without a handshake; the parameters carry `_meta`.
    pub(crate) async fn request_modern(
        &mut self,
        method: &str,
        parameters: Value,
    ) -> Result<Box<RawValue>, ClientError> {
        self.version = Some(MODERN.to_owned());
        let mut extra = vec![("mcp-method", method.to_owned())];
        if let Some(name) = parameters.get("name").and_then(Value::as_str) {
            extra.push(("mcp-name", name.to_owned()));
        }
        self.exchange(method, parameters, &extra).await
    }

    /// Sends a notification.
    pub(crate) async fn notify(&mut self, method: &str) -> Result<(), ClientError> {
        let body = json!({ "jsonrpc": "2.0", "method": method }).to_string();
        self.post(body, &[]).await.map(drop)
    }

    /// Ends the session, where there is one.
    pub(crate) async fn close(self) {
        if self.session.is_none() {
            return;
        }
        if let Ok(request) = self.build(Method::DELETE, String::new(), &[]) {
            // A server that keeps it will end it by itself.
            drop(self.connector.send(request).await);
        }
    }

    async fn exchange(
        &mut self,
        method: &str,
        parameters: Value,
        extra: &[(&'static str, String)],
    ) -> Result<Box<RawValue>, ClientError> {
        let id = self.next;
        self.next += 1;
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }).to_string();
        let response = self.post(body, extra).await?;
        let streamed = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        if let Some(session) = response.headers().get("mcp-session-id") {
            self.session = Some(session.clone());
        }
        if streamed { event(id, response).await } else { plain(id, response).await }
    }

    async fn post(&self, body: String, extra: &[(&'static str, String)]) -> Result<Response<Incoming>, ClientError> {
        let request = self.build(Method::POST, body, extra)?;
        let response = self.connector.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), 64 << 10).collect().await;
        let text = body.map(|body| body.to_bytes()).unwrap_or_default();
        // A JSON-RPC error says more than the status.
        #[derive(serde::Deserialize)]
        struct Body {
            error: super::RpcError,
        }
        match serde_json::from_slice::<Body>(&text) {
            Ok(Body { error }) => Err(ClientError::Answer { code: error.code, message: error.message }),
            Err(_) => Err(ClientError::Status(status)),
        }
    }

    fn build(
        &self,
        method: Method,
        body: String,
        extra: &[(&'static str, String)],
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut builder = Request::builder()
            .method(method)
            .uri(&self.target)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in extra {
            builder = builder.header(*name, value);
        }
        if let Some(session) = &self.session {
            builder = builder.header("mcp-session-id", session);
        }
        if let Some(version) = &self.version {
            builder = builder.header("mcp-protocol-version", version);
        }
        builder.body(Full::new(Bytes::from(body))).map_err(|error| ClientError::Connection(error.to_string()))
    }
}

async fn plain(id: u64, response: Response<Incoming>) -> Result<Box<RawValue>, ClientError> {
    let body = Limited::new(response.into_body(), MAX_MESSAGE).collect().await;
    let body = body.map_err(|error| ClientError::Unreadable(error.to_string()))?.to_bytes();
    let text = std::str::from_utf8(&body).map_err(|error| ClientError::Unreadable(error.to_string()))?;
    answer_to(id, text)?.ok_or_else(|| ClientError::Unreadable("it answers another request".to_owned()))
}

/// Reads events until the answer is among them.
async fn event(id: u64, response: Response<Incoming>) -> Result<Box<RawValue>, ClientError> {
    let mut body = response.into_body();
    let mut buffer = Vec::new();
    let mut data = String::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ClientError::Connection(error.to_string()))?;
        buffer.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let line = std::str::from_utf8(&line).map_err(|error| ClientError::Unreadable(error.to_string()))?;
            let line = line.trim_end_matches(['\n', '\r']);
            if let Some(more) = line.strip_prefix("data:") {
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(more.strip_prefix(' ').unwrap_or(more));
            } else if line.is_empty()
                && !data.is_empty()
                && let Some(result) = answer_to(id, &std::mem::take(&mut data))?
            {
                return Ok(result);
            }
        }
        if buffer.len() + data.len() > MAX_MESSAGE {
            return Err(ClientError::Unreadable(format!("an event is longer than {MAX_MESSAGE} bytes")));
        }
    }
    Err(ClientError::Connection("the stream ended before the answer".to_owned()))
}
