//! The admin API as pages use it: in this process, with the visitor's own session.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use callgate_control::api::Via;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, ETAG, HOST, HeaderName, IF_MATCH, ORIGIN};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write;
use tower::ServiceExt;

/// Where the API is.
const ROOT: &str = "/api/v1";

/// The largest answer that is read.
const MAX_ANSWER: usize = 64 << 20;

/// What the API needs to know of the browser's request, besides its cookie: where it comes from.
const PASSED_ON: [HeaderName; 4] = [COOKIE, HOST, ORIGIN, HeaderName::from_static("sec-fetch-site")];

/// The header that proves that a change was made on one of our pages.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Where a browser that lost a stream goes on (HTML, section 9.2.4).
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The API, for one request of one visitor.
#[derive(Clone)]
pub(crate) struct Api {
    router: Router,
    headers: HeaderMap,
    extensions: Extensions,
}

/// What an object is, and its revision (the `ETag`, quotes included).
#[derive(Clone, Debug)]
pub(crate) struct Revised<T> {
    pub(crate) value: T,
    pub(crate) revision: String,
}

/// A part of a list.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Part<T> {
    /// What is in it.
    pub(crate) items: Vec<T>,
    /// The cursor of the next part; none at the end.
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// Why the API did not do it (RFC 9457): shown as it is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) remedy: String,
    /// The single problems of a document, where there are several.
    #[serde(default)]
    pub(crate) problems: Box<[Value]>,
}

/// A path of the API below its root: segments and a query, escaped. Pairs without a value are left out.
pub(crate) fn path(segments: &[&str], query: &[(&str, &str)]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        escape(&mut path, segment);
    }
    let given = query.iter().filter(|(_, value)| !value.is_empty());
    for (index, (name, value)) in given.enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        escape(&mut path, value);
    }
    path
}

/// RFC 3986 section 2.3: what is not unreserved is escaped.
fn escape(path: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

impl Api {
    /// The API for whoever sent a request with these headers, which came in as these extensions say.
    pub(crate) fn of(router: Router, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let mut passed = HeaderMap::new();
        for name in PASSED_ON {
            passed.extend(headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
        }
        // Nothing else: a router keeps the path that it matched among the extensions, and the API's would add to it.
        let mut own = Extensions::new();
        if let Some(via) = extensions.get::<Via>() {
            own.insert(*via);
        }
        Self { router, headers: passed, extensions: own }
    }

    /// The origin of the page that a form came from, for links that people send on; empty where the browser says none.
    pub(crate) fn origin(&self) -> &str {
        let origin = self.headers.get(ORIGIN).and_then(|value| value.to_str().ok());
        origin.filter(|origin| *origin != "null").unwrap_or_default()
    }

    /// The same, for changes: with the token that the form carried.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        let mut api = self.clone();
        if let Ok(value) = HeaderValue::from_str(token) {
            api.headers.insert(CSRF, value);
        }
        api
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        Ok(self.read(path).await?.value)
    }

    /// Reads an object with its revision.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Revised<T>, Problem> {
        let response = self.send(Method::GET, path, None, None).await?;
        decode(response).await
    }

    /// All entries of a list, at most so many.
    pub(crate) async fn all<T: DeserializeOwned>(&self, path: &str, at_most: usize) -> Result<Vec<T>, Problem> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let part: Part<T> = self.get(&format!("{path}{separator}limit=200{cursor}")).await?;
            items.extend(part.items);
            match part.next {
                Some(next) if items.len() < at_most => {
                    cursor = "&cursor=".to_owned();
                    escape(&mut cursor, &next);
                }
                _ => return Ok(items),
            }
        }
    }

    /// Makes or does something.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Problem> {
        Ok(decode(self.send(Method::POST, path, Some(body), None).await?).await?.value)
    }

    /// Changes something: only where it still has this revision (`*` for any).
    pub(crate) async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        revision: Option<&str>,
        body: Option<&Value>,
    ) -> Result<T, Problem> {
        Ok(decode(self.send(method, path, body, revision).await?).await?.value)
    }

    /// An answer that is read as it comes: a stream of events.
    pub(crate) async fn stream(&self, path: &str) -> Result<Response, Problem> {
        self.send(Method::GET, path, None, None).await
    }

    /// The same, from behind an event that was seen.
    pub(crate) async fn stream_after(&self, path: &str, seen: Option<&str>) -> Result<Response, Problem> {
        let mut api = self.clone();
        if let Some(value) = seen.and_then(|seen| HeaderValue::from_str(seen).ok()) {
            api.headers.insert(LAST_EVENT_ID, value);
        }
        api.stream(path).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        revision: Option<&str>,
    ) -> Result<Response, Problem> {
        let mut request = Request::builder().method(method).uri(format!("{ROOT}{path}"));
        if let Some(revision) = revision {
            request = request.header(IF_MATCH, revision);
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let mut request = request.body(body).map_err(|error| Problem::own(&error.to_string()))?;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
        *request.extensions_mut() = self.extensions.clone();
        let Ok(response) = self.router.clone().oneshot(request).await;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = collect(response).await?;
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| Problem::unreadable(status)))
    }
}

impl Problem {
    /// Whether somebody else was faster.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.code.as_str(), "CG3118" | "CG3148")
    }

    /// Whether nobody is signed in.
    pub(crate) fn is_unknown_visitor(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED.as_u16()
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A fault of the console.
    pub(crate) fn own(detail: &str) -> Self {
        Self {
            status: 500,
            title: "Internal Server Error".to_owned(),
            detail: detail.to_owned(),
            code: "CG3260".to_owned(),
            remedy: "load the page again; if it stays, report it with the log of the gateway".to_owned(),
            problems: Box::default(),
        }
    }

    /// What a page is about is not there.
    pub(crate) fn missing(detail: &str, remedy: &str) -> Self {
        Self {
            status: 404,
            title: "Not Found".to_owned(),
            detail: detail.to_owned(),
            code: "CG3265".to_owned(),
            remedy: remedy.to_owned(),
            problems: Box::default(),
        }
    }

    /// What was typed can't be used.
    pub(crate) fn unusable(detail: String, remedy: &str) -> Self {
        Self {
            status: 422,
            title: "Unprocessable Content".to_owned(),
            detail,
            code: "CG3266".to_owned(),
            remedy: remedy.to_owned(),
            problems: Box::default(),
        }
    }

    /// There is more to do than can be done now.
    pub(crate) fn busy() -> Self {
        Self {
            status: 503,
            title: "Service Unavailable".to_owned(),
            detail: "the gateway has more to look at than it can at the moment".to_owned(),
            code: "CG3267".to_owned(),
            remedy: "try again in a moment; calls of clients are not held up by this".to_owned(),
            problems: Box::default(),
        }
    }

    /// One visitor asks for too much at once.
    pub(crate) fn waits_already(places: usize) -> Self {
        Self {
            status: 429,
            title: "Too Many Requests".to_owned(),
            detail: format!("{places} of your requests wait for their turn already"),
            code: "CG3268".to_owned(),
            remedy: "wait for them, then try again; close pages that you don't need".to_owned(),
            problems: Box::default(),
        }
    }

    fn unreadable(status: StatusCode) -> Self {
        Self { status: status.as_u16(), ..Self::own("the API gave no reason") }
    }
}

async fn collect(response: Response) -> Result<bytes::Bytes, Problem> {
    let read = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    Ok(read.map_err(|error| Problem::own(&error.to_string()))?.to_bytes())
}

async fn decode<T: DeserializeOwned>(response: Response) -> Result<Revised<T>, Problem> {
    let revision = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = collect(response).await?;
    let text: &[u8] = if body.is_empty() { b"null" } else { &body };
    let value = serde_json::from_slice(text).map_err(|error| Problem::own(&error.to_string()))?;
    Ok(Revised { value, revision })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_what_is_typed_apart_from_their_own_signs() {
        assert_eq!(
            path(&["servers", "a/b c"], &[("q", "x&y=ü"), ("no", ""), ("n", "1")]),
            "/servers/a%2Fb%20c?q=x%26y%3D%C3%BC&n=1"
        );
    }
}
