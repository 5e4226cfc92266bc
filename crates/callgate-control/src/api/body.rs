//! JSON bodies, read strictly: one media type, a limit, no key twice, no unknown member; errors say the place and never
//! a value, because a value may be a password.

use super::problem::{Problem, short};
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use bytes::Bytes;
use callgate_json::{Limits, Pointer, Value, line_column};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

/// How long a body may be, in bytes.
pub(super) const MAX_BODY: usize = 1 << 20;

/// How long the longest body of any route may be, in bytes: whole directories of policies.
pub(super) const LONGEST_BODY: usize = 16 << 20;

/// A JSON body of at most `LIMIT` bytes. `T` has `#[serde(deny_unknown_fields)]`; `Option<Json<T>>` takes a request
/// without a body, too.
#[derive(Debug)]
pub(crate) struct Json<T, const LIMIT: usize = MAX_BODY>(pub(crate) T);

/// The same where leaving the body out, or sending `null`, says nothing: what it would be by itself.
#[derive(Debug)]
pub(crate) struct Maybe<T>(pub(crate) T);

/// A JSON body that is read by whoever takes it, of a type that is looked at first.
#[derive(Debug)]
pub(crate) struct Document(pub(crate) axum::body::Body);

impl<S: Sync> FromRequest<S> for Document {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        Ok(Self(request.into_body()))
    }
}

impl<T: DeserializeOwned, S: Sync, const LIMIT: usize> FromRequest<S> for Json<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        read(&collect_up_to(request.into_body(), LIMIT).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for Maybe<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = <Json<Option<T>> as OptionalFromRequest<S>>::from_request(request, state).await?;
        Ok(Self(body.and_then(|Json(body)| body).unwrap_or_default()))
    }
}

impl<T: DeserializeOwned, S: Sync, const LIMIT: usize> OptionalFromRequest<S> for Json<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Option<Self>, Problem> {
        let headers = request.headers();
        let empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
            && !headers.contains_key(TRANSFER_ENCODING)
            && !headers.contains_key(CONTENT_TYPE);
        if empty {
            return Ok(None);
        }
        check_type(headers)?;
        read(&collect_up_to(request.into_body(), LIMIT).await?).map(Self).map(Some)
    }
}

/// The whole body, up to a limit in bytes.
pub(super) async fn collect_up_to(body: axum::body::Body, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "CG3142",
            format!("the body is longer than {limit} bytes"),
            "send less at once",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "CG3144",
            "the body ended before it was complete",
            "send it again",
        )),
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = given.split_once(';').unwrap_or((given, ""));
    let parameters = parameters.trim();
    let utf8 = parameters.is_empty() || parameters.eq_ignore_ascii_case("charset=utf-8");
    if kind.trim().eq_ignore_ascii_case("application/json") && utf8 {
        return Ok(());
    }
    let detail = if given.is_empty() {
        "the body has no `Content-Type`".to_owned()
    } else {
        format!("the body is `{}`", short(given))
    };
    let remedy = "send JSON with `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "CG3143", detail, remedy))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let limits = Limits { max_bytes: bytes.len(), ..Limits::default() };
    let tree = callgate_json::parse(bytes, &limits).map_err(|error| {
        let (line, column) = line_column(bytes, error.offset);
        let detail = format!("the body is not JSON as it has to be: line {line}, column {column}: {}", error.kind);
        Problem::new(StatusCode::BAD_REQUEST, "CG3144", detail, "send one JSON value, every key once, in UTF-8")
    })?;
    if let Some(place) = nul(&tree, &Pointer::root()) {
        return Err(misfit(place.as_str(), "the character U+0000 can't be kept"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let offset = offset(bytes, error.line(), error.column());
        misfit(place(&tree, offset).as_str(), &what(&error))
    })
}

fn misfit(place: &str, what: &str) -> Problem {
    let place = if place.is_empty() { "the body".to_owned() } else { format!("`{}` of the body", short(place)) };
    let remedy = "`/api/v1/openapi.json` says what it has to be";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "CG3145", format!("{place}: {what}"), remedy)
}

/// What serde says, without the value that it says it about.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let expected = text.find("expected ").and_then(|at| text.get(at..));
    match expected {
        // `invalid type: string "hunter2", expected a boolean`; ``unknown variant `x`, expected one of …``
        Some(expected) if !text.starts_with("unknown field") => expected.to_owned(),
        _ => text.to_owned(),
    }
}

/// The byte offset of serde's line (from 1) and column (bytes).
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let start: usize = bytes.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    start + column.saturating_sub(1)
}

/// The innermost value that an offset is in.
fn place(value: &Value<'_>, offset: usize) -> Pointer {
    let mut place = Pointer::root();
    let mut value = value;
    loop {
        let within = |start: usize, end: usize| start <= offset && offset < end;
        let mut members = value.members().iter();
        let member = members.find(|member| within(member.key_span.start, member.value.span.end));
        let mut items = value.as_array().unwrap_or_default().iter().enumerate();
        let item = items.find(|(_, item)| within(item.span.start, item.span.end));
        match (member, item) {
            (Some(member), _) => {
                place = place.key(&member.key);
                value = &member.value;
            }
            (None, Some((index, item))) => {
                place = place.index(index);
                value = item;
            }
            (None, None) => return place,
        }
    }
}

/// Where a string or a key holds U+0000, which a database can't keep.
fn nul(value: &Value<'_>, place: &Pointer) -> Option<Pointer> {
    if value.as_str().is_some_and(|text| text.contains('\0')) {
        return Some(place.clone());
    }
    let member = value.members().iter().find_map(|member| {
        if member.key.contains('\0') { Some(place.clone()) } else { nul(&member.value, &place.key(&member.key)) }
    });
    let items = value.as_array().unwrap_or_default().iter().enumerate();
    member.or_else(|| items.into_iter().find_map(|(index, item)| nul(item, &place.index(index))))
}

#[cfg(test)]
mod tests;
