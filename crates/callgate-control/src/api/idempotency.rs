//! `Idempotency-Key`: a POST that is sent again does nothing again, and is answered as the first time.
//!
//! The key is claimed before the work and has its answer after it: two gateways never both do the work, and where one
//! ends in between, nobody does it again without knowing. A refusal changed nothing, so that its key is free again; after
//! an error of the gateway's own (5xx) something may be changed. An answer may hold a token that is shown once, so it is
//! sealed. The work goes on when the client goes away in the middle, because that client is the one that will ask again.

use super::ApiState;
use super::authenticate::Signed;
use super::body::{LONGEST_BODY, collect_up_to};
use super::problem::Problem;
use crate::caller::{Caller, Who};
use crate::error::{Error, Kind};
use crate::vault::{Place, Sealed};
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callgate_store::Claim;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// What a key looks like, as a regular expression.
pub(super) const PATTERN: &str = "^[A-Za-z0-9_.:-]{8,128}$";

/// Where the key stands.
const HEADER: &str = "idempotency-key";

/// Says that an answer is one of before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The headers that belong to an answer.
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, ETAG, LOCATION];

/// The keys whose requests are being worked on in this process.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashSet<String>>>);

/// One key that is being worked on.
struct Turn {
    key: String,
    all: UnderWay,
}

/// An answer, as it is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Runs a request, or answers as it was answered before.
pub(super) async fn pass(state: &ApiState, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Signed>().map(|signed| signed.caller.clone());
    let (Some(caller), &Method::POST, true) = (caller, request.method(), request.headers().contains_key(HEADER)) else {
        return next.run(request).await;
    };
    let state = state.clone();
    let work =
        tokio::spawn(
            async move { once(&state, &caller, request, next).await.unwrap_or_else(IntoResponse::into_response) },
        );
    work.await.unwrap_or_else(|_| {
        let error = Error::new(Kind::Unavailable, "CG3159", "the request was not finished", "see the log");
        error.into_response()
    })
}

async fn once(state: &ApiState, caller: &Caller, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key(request.headers(), caller)?;
    let (parts, body) = request.into_parts();
    // Each route has its own limit, and reads the body again.
    let body = collect_up_to(body, LONGEST_BODY).await?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(parts.uri.to_string().as_bytes()).update(&[0]);
    // Each begins with a byte of its own: one that is empty is not the same as none.
    for revision in parts.headers.get_all(IF_MATCH) {
        hasher.update(&[1]).update(revision.as_bytes());
    }
    hasher.update(&[0]).update(&body);
    let digest = hasher.finalize().to_hex().to_string();
    let _turn = Turn::take(&state.inner.under_way, &key)?;
    let store = &state.control().inner.store;
    state.purge().await?;
    let place = Place { organisation: caller.organisation(), table: "idempotency", record: &key, field: "answer" };
    match store.claim(&key, &digest, state.control().now()).await.map_err(Error::from)? {
        Claim::Taken => {}
        Claim::There { digest: before, .. } if before != digest => {
            return Err(conflict("this `Idempotency-Key` was sent with another request", "choose a new key for it"));
        }
        Claim::There { answer: None, .. } => return Err(unknown()),
        Claim::There { answer: Some(sealed), .. } => {
            return replay(state, place, &sealed).ok_or_else(|| {
                conflict(
                    "the answer to this `Idempotency-Key` can't be read any more",
                    "look what is there; then use a new key",
                )
            });
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let json = response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind == "application/json");
    if !response.status().is_success() || !json {
        if !response.status().is_server_error() {
            store.unclaim(&key, &digest).await.map_err(Error::from)?;
        }
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let remembered = Remembered {
        status: parts.status.as_u16(),
        headers: KEPT.iter().filter_map(|name| Some((name.to_string(), text(parts.headers.get(name)?)?))).collect(),
        body: STANDARD.encode(&body),
    };
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&remembered).unwrap_or_default());
    let sealed = state.control().inner.vault.seal(place, &plain)?;
    if let Err(error) = store.remember(&key, &digest, &sealed.to_bytes()).await {
        // The work is done, and this answer is the only one: it may hold a token. The claim stays without an answer.
        tracing::warn!("the answer to a request with an `Idempotency-Key` could not be remembered: {error}");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(state: &ApiState, place: Place<'_>, sealed: &[u8]) -> Option<Response> {
    let sealed = Sealed::from_bytes(sealed)?;
    let plain = state.control().inner.vault.open(place, sealed.version, &sealed.bytes).ok()?;
    let remembered: Remembered = serde_json::from_slice(&plain).ok()?;
    let mut response = Response::new(Body::from(STANDARD.decode(remembered.body).ok()?));
    *response.status_mut() = StatusCode::from_u16(remembered.status).ok()?;
    for (name, value) in remembered.headers {
        response.headers_mut().insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Some(response)
}

/// The key of this caller: two callers never meet.
fn key(headers: &HeaderMap, caller: &Caller) -> Result<String, Problem> {
    let mut given = headers.get_all(HEADER).iter();
    let (first, second) = (given.next().and_then(text), given.next());
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    let key = first.filter(|key| second.is_none() && (8..=128).contains(&key.len()) && key.bytes().all(usable));
    let key = key.ok_or_else(|| {
        let remedy = "send 8 to 128 letters, digits, `_`, `.`, `:` and `-`: a UUID, say";
        Problem::malformed("`Idempotency-Key` is none", remedy)
    })?;
    let who = match caller.who() {
        Who::Member { id, .. } | Who::Token { id, .. } => id,
        other => &other.word(),
    };
    let text = format!("{}\0{who}\0{key}", caller.organisation());
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

fn text(value: &HeaderValue) -> Option<String> {
    value.to_str().ok().map(str::to_owned)
}

fn conflict(message: &str, remedy: &str) -> Problem {
    Error::new(Kind::Conflict, "CG3147", message, remedy).into()
}

/// It was begun, and nobody knows how it ended.
fn unknown() -> Problem {
    let message = "a request with this `Idempotency-Key` was begun, and whether it was carried out is not known: \
                   another process works on it, or the gateway ended or failed in the middle";
    let remedy = "look what is there; if the change is missing, send it with a new key";
    Error::new(Kind::Conflict, "CG3149", message, remedy).into()
}

impl Turn {
    fn take(all: &UnderWay, key: &str) -> Result<Self, Problem> {
        if all.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned()) {
            return Ok(Self { key: key.to_owned(), all: all.clone() });
        }
        Err(conflict("a request with this `Idempotency-Key` is still being worked on", "ask again in a moment"))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
