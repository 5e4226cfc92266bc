//! Every answer that is not what was asked for: problem details (RFC 9457) with a code and a remedy.

use crate::error::{Error, Kind};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of problem details.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not answered with what it asked for (RFC 9457).
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Details>);

/// Why a request was not answered with what it asked for (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// The code as a URN: `urn:callgate:error:CG3041`.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:callgate:error:CG3140")]
    kind: String,
    /// The name of the status.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened, and where.
    detail: String,
    /// The code: `callgate explain CG3041` says more.
    #[schema(example = "CG3140", pattern = "^CG[0-9]{4}$")]
    code: String,
    /// What to do about it; empty where the detail says it all.
    remedy: String,
    /// The single problems, where there are several (of a policy document, of a directory that is applied).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<serde_json::Value>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem with a status that no [`Kind`] stands for.
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind: format!("urn:callgate:error:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            remedy: remedy.into(),
            problems: Vec::new(),
            retry_after: None,
        }))
    }

    /// The same with its single problems.
    pub(crate) fn with(mut self, problems: Vec<serde_json::Value>) -> Self {
        self.0.problems = problems;
        self
    }

    /// There is no such route.
    pub(super) fn no_route() -> Self {
        let remedy = "`/api/v1/openapi.json` lists the routes";
        Self::new(StatusCode::NOT_FOUND, "CG3140", "there is no such route", remedy)
    }

    /// The route has no such method.
    pub(super) fn no_method(method: &Method, allowed: &str) -> Self {
        let detail = format!("this route has no method `{}`", short(method.as_str()));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "CG3141", detail, format!("it has {allowed}"))
    }

    /// The path, the query or a header can't be read.
    pub(super) fn malformed(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "CG3146", detail, remedy)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problems = error.problems.iter().filter_map(|problem| serde_json::to_value(problem).ok()).collect();
        let mut problem = Self::new(status(error.kind), error.code, error.message, error.remedy).with(problems);
        if let Kind::TooMany { retry_after } = error.kind {
            problem.0.retry_after = Some(retry_after);
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"callgate\""));
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// The status of each kind: the one table of the API.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Changed => StatusCode::PRECONDITION_FAILED,
        Kind::NeedsRevision => StatusCode::PRECONDITION_REQUIRED,
        Kind::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// At most 64 characters of what somebody sent, without control characters.
pub(super) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
