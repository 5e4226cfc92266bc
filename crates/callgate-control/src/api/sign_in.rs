//! The pages for signing in and out: HTML forms, no script, nothing from elsewhere.

mod html;

use super::authenticate::{DEFAULT_ORGANISATION, authenticate, session_cookie};
use super::body::collect_up_to;
use super::sessions::{cookie, sign_in};
use super::via::Via;
use super::{ApiState, csrf};
use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::sessions::{LONGEST, SignIn};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use html::Page;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
};
use http::{Method, StatusCode, Uri};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub(super) use html::{Escaped, FOOT, alert, head};

/// What the pages may load and send: their own style sheet, and forms to themselves.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// How long a form may be, in bytes: no password is longer.
const MAX_FORM: usize = 8 << 10;

/// The pages.
pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/sign-in", get(form).post(submit))
        .route("/sign-out", post(leave))
        .route("/sign-in/style.css", get(style))
}

/// The form; behind a one-time link a button, because a look at the page (by a mail scanner, say) must not use it up.
async fn form(via: Via, uri: Uri) -> Response {
    if !via.is_private() {
        return failed(&plain_http());
    }
    let mut fields = fields(uri.query().unwrap_or_default().as_bytes());
    if let Some(link) = fields.remove("link") {
        return page(StatusCode::OK, &Page::Link { link: link.reveal() });
    }
    let next = fields.get("next").map(Secret::reveal).filter(|next| is_own_page(next));
    page(StatusCode::OK, &Page::Form { login: "", organisation: DEFAULT_ORGANISATION, next, problem: None })
}

async fn submit(State(state): State<ApiState>, via: Via, request: Request) -> Response {
    let mut fields = match posted(request, via).await {
        Ok(fields) => fields,
        Err(refusal) => return refusal,
    };
    let take = |fields: &mut BTreeMap<String, Secret>, name: &str| {
        fields.remove(name).map(|value| value.reveal().to_owned()).unwrap_or_default()
    };
    let (login, organisation) = (take(&mut fields, "login"), take(&mut fields, "organisation"));
    let next = Some(take(&mut fields, "next")).filter(|next| is_own_page(next));
    let with = match (fields.remove("link"), fields.remove("password")) {
        (Some(link), _) => SignIn::Link(link),
        (None, Some(password)) => {
            SignIn::Password { organisation: organisation.clone(), login: login.clone(), password }
        }
        (None, None) => return elsewhere("/sign-in"),
    };
    match sign_in(&state, via, with).await {
        Ok((_, session)) => {
            let mut response = elsewhere(next.as_deref().unwrap_or("/"));
            let cookie = cookie(via, session.secret.reveal(), LONGEST / 1000);
            response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
            response
        }
        Err(error) if matches!(error.kind, Kind::Unauthenticated | Kind::TooMany { .. }) => {
            let (problem, next) = (Some(&error), next.as_deref());
            let form = Page::Form { login: &login, organisation: &organisation, next, problem };
            let mut response = page(status(&error), &form);
            if let Kind::TooMany { retry_after } = error.kind {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
            }
            response
        }
        Err(error) => failed(&error),
    }
}

async fn leave(State(state): State<ApiState>, via: Via, request: Request) -> Response {
    let headers = request.headers().clone();
    let fields = match posted(request, via).await {
        Ok(fields) => fields,
        Err(refusal) => return refusal,
    };
    let Some(secret) = session_cookie(&headers, via) else { return elsewhere("/sign-in") };
    let given = fields.get("csrf").map(Secret::reveal).unwrap_or_default();
    if let Err(problem) = csrf::check_token(&state.control().inner.tokens, secret.reveal(), given.as_bytes()) {
        return problem.into_response();
    }
    // Safe by the token above; what is not signed in any more is where it wants to be.
    if let Ok(signed) = authenticate(&state, via, &Method::GET, &headers).await
        && let Some(session) = signed.session
        && let Err(error) = state.control().sign_out(&signed.caller, &session, fields.contains_key("everywhere")).await
    {
        return failed(&error);
    }
    let mut response = elsewhere("/sign-in");
    response.headers_mut().extend(cookie(via, "", 0).map(|cookie| (SET_COOKIE, cookie)));
    response
}

/// Whether a path is a page of this gateway, so that signing in may lead there: a path and a query, as they come in a
/// URL, and nothing that a browser could take for another host.
fn is_own_page(next: &str) -> bool {
    let printable = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    next.starts_with('/')
        && !["//", "/api/", "/sign-", "/mcp/"].iter().any(|elsewhere| next.starts_with(elsewhere))
        && !next.contains("..")
        && next.len() <= 2_000
        && next.bytes().all(printable)
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("sign_in/style.css")).into_response()
}

/// The fields of a form that our own page posted.
async fn posted(request: Request, via: Via) -> Result<BTreeMap<String, Secret>, Response> {
    Ok(fields(&posted_form(request, via).await?))
}

/// The form that our own page posted.
pub(super) async fn posted_form(request: Request, via: Via) -> Result<Bytes, Response> {
    if !via.is_private() {
        return Err(failed(&plain_http()));
    }
    csrf::check_origin(request.headers(), via).map_err(IntoResponse::into_response)?;
    let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !kind.starts_with(b"application/x-www-form-urlencoded") {
        let problem = super::problem::Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "CG3143",
            "this page takes a form",
            "use it in a browser; programs sign in with `POST /api/v1/sessions`",
        );
        return Err(problem.into_response());
    }
    collect_up_to(request.into_body(), MAX_FORM).await.map_err(IntoResponse::into_response)
}

/// The fields of a query or a form; of two with one name the last.
fn fields(bytes: &[u8]) -> BTreeMap<String, Secret> {
    let pairs = url::form_urlencoded::parse(bytes);
    pairs.map(|(name, value)| (name.into_owned(), Secret::new(value.into_owned()))).collect()
}

/// Leads to another page.
pub(super) fn elsewhere(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, path.to_owned())]).into_response()
}

/// A page that says what is in the way.
pub(super) fn failed(error: &Error) -> Response {
    page(status(error), &Page::Problem { error })
}

/// The status of an error.
pub(super) fn status(error: &Error) -> StatusCode {
    // The problem knows the status of each kind.
    super::problem::Problem::from(error.clone()).into_response().status()
}

fn plain_http() -> Error {
    let message = "signing in over plain http beyond this machine would show the password to everybody on the way";
    Error::new(Kind::Forbidden, "CG3154", message, "use https")
}

fn page(status: StatusCode, page: &Page<'_>) -> Response {
    html_page(status, &Zeroizing::new(page.to_string()))
}

/// A page, with the headers of all pages.
pub(super) fn html_page(status: StatusCode, text: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // Not `no-referrer`: that would make browsers post the forms with `Origin: null`.
        (REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, text.as_bytes().to_vec()).into_response()
}
