//! The admin API as commands use it: one request, one answer, wherever the gateway is.

mod credential;
mod login;
mod place;
mod problem;
mod way;

use crate::data;
use crate::environment::Environment;
use crate::failure::Failure;
use axum::body::Body;
use bytes::Bytes;
use credential::Credentials;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH};
use hyper::{Method, Response};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt::Write;
use std::time::Duration;
use way::Way;

pub(crate) use credential::admin_token_remains;
pub(crate) use login::{Login, Logins};
pub(crate) use place::Place;
pub(crate) use way::{broken, serve_connection, to_its_end};

/// Where the API is below the gateway's root.
const ROOT: &str = "/api/v1";

/// The organisation that a reader on the local socket asks about.
const ORGANISATION: &str = "callgate-organisation";

/// The largest answer that is read: a list of 200 policies of 1 MiB would not fit, and none is listed with documents.
const MAX_ANSWER: usize = 64 << 20;

/// What makes a request that is sent again the same one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How often the answer to a request that was sent again is waited for while the first one is being worked on.
const AGAIN: (u32, Duration) = (40, Duration::from_millis(250));

/// How many entries of a list are asked for at once.
const PAGE: &str = "200";

/// One request.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    body: Option<Bytes>,
    revision: Option<String>,
    credential: bool,
    key: Option<String>,
}

/// Why there is no answer that can be used.
struct Unanswered {
    failure: Failure,
    /// The connection was lost, and nobody knows whether the request was carried out.
    is_lost: bool,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The answer as the gateway wrote it.
    pub value: Box<RawValue>,
    /// The revision of the object that it is about.
    pub revision: Option<String>,
}

/// The API of one gateway, with what stands for the caller.
pub(crate) struct Api {
    way: Way,
    credentials: Credentials,
    organisation: Option<String>,
}

/// A path below the root of the API: segments and a query, escaped.
pub(crate) fn path(segments: &[&str], query: &[(&str, &str)]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        escape(&mut path, segment);
    }
    for (index, (name, value)) in query.iter().enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        escape(&mut path, value);
    }
    path
}

impl Request {
    /// Reads; goes without a credential where nobody gave one.
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None, revision: None, credential: false, key: None }
    }

    /// Changes something.
    pub(crate) fn of(method: Method, path: String, body: Option<&Value>) -> Self {
        let body = body.map(|body| body.to_string().into());
        Self { method, path, body, revision: None, credential: true, key: None }
    }

    /// Makes something.
    pub(crate) fn post(path: String, body: &Value) -> Self {
        Self::of(Method::POST, path, Some(body))
    }

    /// Sends a JSON document as it is.
    pub(crate) fn document(path: String, document: Vec<u8>) -> Self {
        let body = Some(document.into());
        Self { method: Method::POST, path, body, revision: None, credential: true, key: None }
    }

    /// Removes something, whatever its revision.
    pub(crate) fn delete(path: String) -> Self {
        Self::of(Method::DELETE, path, None).at("*")
    }

    /// Only where the object has this revision; `*` for any.
    pub(crate) fn at(mut self, revision: &str) -> Self {
        self.revision = Some(revision.to_owned());
        self
    }

    /// Needs a credential although it only reads.
    pub(crate) fn privileged(mut self) -> Self {
        self.credential = true;
        self
    }

    /// Needs none although it does more than read: it brings its own.
    pub(crate) fn anonymous(mut self) -> Self {
        self.credential = false;
        self
    }
}

impl Reply {
    /// The answer as a tree.
    pub(crate) fn tree(&self) -> Value {
        serde_json::from_str(self.value.get()).unwrap_or_default()
    }
}

impl Api {
    /// The API of the gateway at this place. Where none runs on a data directory, this process is it for a moment.
    pub(crate) async fn open(place: Place, environment: &Environment) -> Result<Self, Failure> {
        let organisation = environment.text("CALLGATE_ORGANISATION").map(str::to_owned);
        let credentials = Credentials::of(&place, environment)?;
        Ok(Self { way: Way::find(place, environment).await?, credentials, organisation })
    }

    /// The API that this process itself serves, as the caller with this token.
    pub(crate) fn here(router: axum::Router, token: String) -> Self {
        Self {
            way: Way::Here(Box::new(way::Here::serving(router))),
            credentials: Credentials::only(token),
            organisation: None,
        }
    }

    /// Whether a gateway runs, rather than this process for a moment.
    pub(crate) fn is_served(&self) -> bool {
        !matches!(self.way, Way::Here(_))
    }

    /// Sends a request and reads its answer. What makes something is sent once more where the connection is lost: the
    /// answer may hold what is shown once, and with its key it is made once.
    pub(crate) async fn send(&self, mut request: Request) -> Result<Reply, Failure> {
        if request.method == Method::POST && self.is_served() {
            request.key = Some(hex::encode(data::random::<16>()?));
        }
        let (mut was_lost, mut waits) = (false, 0);
        loop {
            let Unanswered { failure, is_lost } = match self.answer(&request).await {
                Ok(reply) => return Ok(reply),
                Err(unanswered) => unanswered,
            };
            // The first one is still being worked on: its answer is the answer.
            let is_under_way = was_lost && failure.code == "CG3147" && waits < AGAIN.0;
            if is_under_way {
                waits += 1;
                tokio::time::sleep(AGAIN.1).await;
            } else if !is_lost || was_lost || request.key.is_none() {
                return Err(failure);
            }
            was_lost = true;
        }
    }

    async fn answer(&self, request: &Request) -> Result<Reply, Unanswered> {
        let response = self.response(request).await?;
        let revision = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = self.read(response).await?;
        let text = if bytes.is_empty() { "null" } else { std::str::from_utf8(&bytes).unwrap_or_default() };
        let value = RawValue::from_string(text.to_owned()).map_err(|error| self.way.unanswered(&error.to_string()));
        let value = value.map_err(Unanswered::from)?;
        Ok(Reply { value, revision })
    }

    /// Sends a request whose answer is read piece by piece.
    pub(crate) async fn exchange(&self, request: Request) -> Result<Response<Body>, Failure> {
        self.response(&request).await.map_err(|unanswered| unanswered.failure)
    }

    async fn response(&self, request: &Request) -> Result<Response<Body>, Unanswered> {
        let (request, presented) = self.made(request)?;
        let response = self.way.exchange(request).await.map_err(Unanswered::lost)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = self.read(response).await?;
        Err(problem::failure(status, &body, &self.credentials, presented).into())
    }

    /// The request as it is sent, and whether a credential is presented with it.
    fn made(&self, request: &Request) -> Result<(hyper::Request<Full<Bytes>>, bool), Failure> {
        let Request { method, path, body, revision, credential, key } = request;
        let mut builder = hyper::Request::builder().method(method.clone()).uri(format!("{ROOT}{path}"));
        builder = builder.header(ACCEPT, "application/json, application/problem+json");
        if body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        if let Some(revision) = revision {
            builder = builder.header(IF_MATCH, revision);
        }
        if let Some(key) = key {
            builder = builder.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(organisation) = &self.organisation {
            builder = builder.header(ORGANISATION, organisation);
        }
        let token = self.credentials.present(*credential)?;
        if let Some(token) = &token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
                .map_err(|_| credential::unusable("it has characters that no token has"))?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        let body = Full::new(body.clone().unwrap_or_default());
        let request = builder.body(body).map_err(|error| self.way.unanswered(&error.to_string()))?;
        Ok((request, token.is_some()))
    }

    /// All entries of a list, page by page.
    pub(crate) async fn list(&self, request: Request) -> Result<Vec<Value>, Failure> {
        let Request { path, credential, .. } = request;
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit={PAGE}");
        let mut entries = Vec::new();
        let mut next = Some(first.clone());
        while let Some(path) = next.take() {
            let mut page = self.send(Request { credential, ..Request::get(path) }).await?.tree();
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                entries.extend(items);
            }
            if let Some(cursor) = page.get("next").and_then(Value::as_str) {
                let mut path = format!("{first}&cursor=");
                escape(&mut path, cursor);
                next = Some(path);
            }
        }
        Ok(entries)
    }

    async fn read(&self, response: Response<Body>) -> Result<Bytes, Unanswered> {
        let read = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        Ok(read.map_err(|error| Unanswered::lost(self.way.unanswered(&error.to_string())))?.to_bytes())
    }
}

impl Unanswered {
    fn lost(failure: Failure) -> Self {
        Self { failure, is_lost: true }
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { failure, is_lost: false }
    }
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

#[cfg(test)]
mod tests;
