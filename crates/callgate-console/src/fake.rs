//! An API that answers what a test says, and pages read as a browser reads them.

use crate::policies::Told;
use crate::work::Work;
use crate::{Console, of};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// What may not become markup anywhere.
pub(crate) const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=\"alert(1)",
    "</title></pre></code></textarea><svg/onload=alert(1)>",
    "<!-- ]]>",
    "{{ 7*7 }} {% raw %}",
    "javascript:alert(1)",
    "\u{202e}gnp\r\ndata: <b>\r\n\r\nevent: x",
];

/// The console over an API that is made up.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    answers: HashMap<String, (u16, Value)>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    work: Work,
}

/// What a page answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) location: String,
}

impl Fake {
    /// A visitor who may do everything, and nothing else.
    pub(crate) fn new() -> Self {
        Self::for_one_who_may(&[
            "read_servers",
            "read_policies",
            "read_grants",
            "read_decisions",
            "read_changes",
            "edit_policies",
            "decide_approvals",
        ])
    }

    /// A visitor with these permissions.
    pub(crate) fn for_one_who_may(words: &[&str]) -> Self {
        Self::default().with("/session", Self::session(words))
    }

    /// Who is signed in, with these permissions.
    pub(crate) fn session(words: &[&str]) -> Value {
        json!({ "organisation": "default", "who": "member:ada", "csrf": "the-token",
            "may": { "organisation": words, "servers": {} } })
    }

    /// The same, with an answer for a path (below `/api/v1`, without its query), or for one method of it (`PATCH /x`). A
    /// text is sent as it is.
    pub(crate) fn with(mut self, path: &str, answer: Value) -> Self {
        self.answers.insert(path.to_owned(), (200, answer));
        self
    }

    /// The same, with a list.
    pub(crate) fn with_list(self, path: &str, items: Value) -> Self {
        self.with(path, json!({ "items": items, "next": null }))
    }

    /// The same, with a problem.
    pub(crate) fn with_problem(mut self, path: &str, status: u16, code: &str, detail: &str) -> Self {
        let problem = json!({ "type": "urn:x", "title": "No", "status": status, "code": code, "detail": detail,
            "remedy": "" });
        self.answers.insert(path.to_owned(), (status, problem));
        self
    }

    /// The same, where nobody's turn comes for what takes its time.
    pub(crate) fn busy(mut self) -> Self {
        self.work = Work::of(0);
        self
    }

    /// What the API was asked: `GET /decisions?q=…` with the body, the newest last.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    /// Whether the API was asked this.
    pub(crate) fn was_asked(&self, what: &str) -> bool {
        self.asked().iter().any(|(asked, _)| asked == what)
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// As htmx asks.
    pub(crate) async fn part(&self, path: &str) -> Answered {
        self.send(Request::get(path).header("hx-request", "true").body(Body::empty()).unwrap()).await
    }

    /// A stream, from behind what was seen.
    pub(crate) async fn follow(&self, path: &str, seen: &str) -> Answered {
        self.send(Request::get(path).header("last-event-id", seen).body(Body::empty()).unwrap()).await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)], is_part: bool) -> Answered {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = if is_part { request.header("hx-request", "true") } else { request };
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn send(&self, request: Request) -> Answered {
        let this = self.clone();
        let api = Router::new().fallback(move |request: Request| {
            let this = this.clone();
            async move { this.answer(request).await }
        });
        let console = Console { api, tools: Told::default(), work: self.work.clone() };
        let response = of(console).oneshot(request).await.unwrap();
        let header =
            |name| response.headers().get(name).map(|value: &http::HeaderValue| value.to_str().unwrap().to_owned());
        let (status, location) = (response.status(), header(LOCATION).unwrap_or_default());
        let text = to_bytes(response.into_body(), 64 << 20).await.unwrap();
        Answered { status, text: String::from_utf8(text.to_vec()).unwrap(), location }
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let uri = parts.uri.to_string();
        let asked = uri.strip_prefix("/api/v1").unwrap();
        if parts.method != "GET" {
            assert_eq!(parts.headers["x-csrf-token"], "the-token", "{asked}");
        }
        let seen = parts.headers.get("last-event-id").map(|seen| format!(" after {}", seen.to_str().unwrap()));
        self.asked.lock().unwrap().push((format!("{} {asked}{}", parts.method, seen.unwrap_or_default()), body));
        let path = asked.split('?').next().unwrap();
        let of_method = self.answers.get(&format!("{} {path}", parts.method));
        match of_method.or_else(|| self.answers.get(path)) {
            Some((_, Value::String(text))) => text.clone().into_response(),
            Some((status, value)) => (StatusCode::from_u16(*status).unwrap(), value.to_string()).into_response(),
            None => (
                StatusCode::NOT_FOUND,
                json!({ "status": 404, "code": "CG3140", "detail": "there is no such route" }).to_string(),
            )
                .into_response(),
        }
    }
}

/// The tags of a page with the names of their attributes, as a browser reads them: what a text that is in it has no
/// influence on.
pub(crate) fn shape(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let mut tag = String::new();
        let mut quote = None;
        let mut characters = after.char_indices();
        rest = "";
        for (at, c) in characters.by_ref() {
            match quote {
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if matches!(c, '"' | '\'') => quote = Some(c),
                None if c == '>' => {
                    rest = &after[at + 1..];
                    break;
                }
                None => tag.push(c),
            }
        }
        tags.push(tag);
    }
    tags
}

/// Checks that a page has the same tags whatever the text in it is, and no link that runs something.
pub(crate) fn assert_inert(text: &str, plain: &str, hostile: &str) {
    assert_eq!(shape(plain), shape(hostile), "{text:?} becomes markup:\n{hostile}");
    for attribute in ["href", "action", "src", "hx-get", "hx-post", "sse-connect"] {
        assert!(!hostile.contains(&format!("{attribute}=\"javascript:")), "{text:?} becomes a link:\n{hostile}");
    }
    // In a field it stays as it was typed.
    let shown = hostile.split('>').filter_map(|piece| piece.split('<').next()).any(|shown| shown.contains('\u{202e}'));
    assert!(!shown, "{text:?} hides something:\n{hostile}");
}
