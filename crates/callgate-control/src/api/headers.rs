//! Headers of every answer: nothing is kept by caches, guessed at by browsers, or shown in somebody's frame.

use super::problem::{PROBLEM_JSON, Problem};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// Each with its value; a route that says something else of its own keeps it.
const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The outermost layer.
pub(super) async fn pass(request: Request, next: Next) -> Response {
    let mut response = as_problem(next.run(request).await);
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// What the framework refuses by itself (a path that is no UTF-8, say) gets the shape of all errors.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !status.is_client_error() && !status.is_server_error()
        || kind == PROBLEM_JSON.as_bytes()
        || kind.starts_with(b"text/html")
    {
        return response;
    }
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::no_route(),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status, "CG3141", "this page has no such method", "see the header `Allow`")
        }
        _ => {
            Problem::new(status, "CG3146", "the request can't be read", "`/api/v1/openapi.json` says what it has to be")
        }
    };
    let allow = response.headers().get(ALLOW).cloned();
    let mut response = problem.into_response();
    response.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
    response
}
