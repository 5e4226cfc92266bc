//! An API that answers what a test says, and remembers what it was asked.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// What was asked: `METHOD /path?query`, `If-Match`, the body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) revision: Option<String>,
    pub(crate) body: Value,
}

/// The API, and the console over it.
#[derive(Clone)]
pub(crate) struct Fake {
    answers: Arc<BTreeMap<String, (u16, Value)>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What the console answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Fake {
    /// Answers `METHOD /path` below the API's root, with a query or without it.
    pub(crate) fn new(answers: &[(&str, u16, Value)]) -> Self {
        let known = answers.iter().map(|(line, status, body)| ((*line).to_owned(), (*status, body.clone())));
        Self { answers: Arc::new(known.collect()), asked: Arc::default() }
    }

    /// Who is signed in.
    pub(crate) fn session(permissions: &[&str]) -> (&'static str, u16, Value) {
        let me = json!({
            "organisation": "default", "who": "member:ada", "csrf": "t0ken",
            "may": { "organisation": permissions, "servers": {} },
        });
        ("GET /session", 200, me)
    }

    /// What was asked so far, but for who is signed in.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.line != "GET /session").cloned().collect()
    }

    /// A page.
    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    /// A form, sent by a browser or, as a part, by htmx.
    pub(crate) async fn post(&self, uri: &str, is_part: bool, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = Request::post(uri).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if is_part {
            request = request.header("hx-request", "true");
        }
        self.send(request.body(Body::from(form.finish())).unwrap()).await
    }

    async fn send(&self, request: Request) -> Answer {
        let api = Router::new().fallback(answer).with_state(self.clone());
        let response = crate::router(api).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

async fn answer(State(fake): State<Fake>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().as_str().strip_prefix("/api/v1").unwrap();
    let line = format!("{} {path}", parts.method);
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let revision = parts.headers.get(IF_MATCH).map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    fake.asked.lock().unwrap().push(Asked { line: line.clone(), revision, body });
    let bare = line.split('?').next().unwrap();
    let missing = || {
        let problem = json!({ "status": 404, "title": "Not Found", "code": "CG3043", "detail": format!("no {line}") });
        (404, problem)
    };
    let known = fake.answers.get(&line).or_else(|| fake.answers.get(bare)).cloned();
    let (status, body) = known.unwrap_or_else(missing);
    let revision = body["revision"].as_i64().unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, format!("\"{revision}\""))];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}
