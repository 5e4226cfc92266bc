//! The API over its router, without a socket.

mod applying;
mod approving;
mod documents;
mod frame;
mod isolation;
mod matrix;
mod people;
mod pruning;
mod seed;
mod signing_in;
mod watching;

use super::*;
use crate::organisations::FirstUse;
use crate::trial::Trial;
use axum::body::Body;
use axum::extract::Request;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// A gateway's API, and the trial that it stands on.
struct Site {
    trial: Trial,
    router: axum::Router,
    first: FirstUse,
}

/// A request to be.
struct Ask {
    request: http::request::Builder,
    via: Via,
    body: Vec<u8>,
}

/// What was answered.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// Plain http on this machine.
const LOOPBACK: Via = Via::Tcp { peer: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), tls: false };

impl Site {
    async fn new() -> Self {
        let trial = Trial::new().await;
        let first = trial.control.first_use().await.unwrap().unwrap();
        trial.control.count_with(Arc::new(crate::limits::trial::Fake::default()));
        let router = router(trial.control.clone());
        Self { trial, router, first }
    }

    async fn send(&self, ask: Ask) -> Answered {
        let mut request = ask.request.body(Body::from(ask.body)).unwrap();
        request.extensions_mut().insert(ask.via);
        let request: Request = request;
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream of events has no end that a test could wait for.
        let is_stream = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream { Body::empty() } else { body };
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answered { status: parts.status, headers: parts.headers, text }
    }

    /// With the credential of the instance.
    async fn root(&self, method: Method, path: &str, body: Option<Value>) -> Answered {
        let ask = Ask::new(method, path).bearer(self.first.credential.reveal()).header("if-match", "*");
        self.send(match body {
            Some(body) => ask.json(&body),
            None => ask,
        })
        .await
    }

    /// Makes an API token with these roles.
    async fn token(&self, label: &str, roles: Value) -> String {
        let body = serde_json::json!({ "label": label, "roles": roles });
        let made = self.root(Method::POST, "/api/v1/tokens", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["token"].as_str().unwrap().to_owned()
    }
}

impl Ask {
    fn new(method: Method, path: &str) -> Self {
        Self { request: Request::builder().method(method).uri(path), via: LOOPBACK, body: Vec::new() }
    }

    fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    fn via(self, via: Via) -> Self {
        Self { via, ..self }
    }

    fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    fn json(self, body: &Value) -> Self {
        Self { body: body.to_string().into_bytes(), ..self.header("content-type", "application/json") }
    }

    fn form(self, body: &str) -> Self {
        Self { body: body.as_bytes().to_vec(), ..self.header("content-type", "application/x-www-form-urlencoded") }
    }
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// `NAME=VALUE` of the cookie that was set.
    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

/// Status and code, where there is one.
fn outcome(answered: &Answered) -> String {
    match answered.status {
        status if status.is_success() || status.is_redirection() => status.as_str().to_owned(),
        status => format!("{} {}", status.as_str(), answered.code()),
    }
}
