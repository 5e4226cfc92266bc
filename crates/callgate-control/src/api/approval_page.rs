//! The page on which a signed-in member answers a question. Looking at it never answers anything; a form does, with the
//! session's token in it.

mod html;

use super::authenticate::{Signed, authenticate, session_cookie};
use super::sign_in::{elsewhere, failed, html_page, posted_form, status};
use super::via::Via;
use super::{ApiState, csrf};
use crate::approvals::{Remember, Verdict};
use crate::error::{Error, Kind};
use crate::moment;
use crate::secret::Secret;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use html::{Asked, Passing};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

/// For browsers that don't know `frame-ancestors`.
const FRAMES: HeaderName = HeaderName::from_static("x-frame-options");

/// The page.
pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/approvals/{approval}", get(show).post(answer))
}

/// Whether a path is one of these pages.
fn is_page(path: &str) -> bool {
    let id = path.strip_prefix("/approvals/a_").unwrap_or_default();
    id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

async fn show(State(state): State<ApiState>, via: Via, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match known(&state, via, &headers).await {
        Some((signed, secret)) => shown(&state, &signed, &secret, &id, None).await,
        None => not_signed_in(&id, &headers),
    }
}

async fn answer(State(state): State<ApiState>, via: Via, Path(id): Path<String>, request: Request) -> Response {
    let headers = request.headers().clone();
    let form = match posted_form(request, via).await {
        Ok(form) => Form::of(&form),
        Err(refusal) => return refusal,
    };
    let Some((signed, secret)) = known(&state, via, &headers).await else { return not_signed_in(&id, &headers) };
    if let Err(problem) = csrf::check_token(&state.control().inner.tokens, secret.reveal(), form.csrf.as_bytes()) {
        return problem.into_response();
    }
    let answered = match form.verdict() {
        Ok(verdict) => state.control().answer_approval(&signed.caller, &id, verdict).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(_) if is_page(&format!("/approvals/{id}")) => elsewhere(&format!("/approvals/{id}")),
        Ok(_) => elsewhere("/"),
        Err(error) => shown(&state, &signed, &secret, &id, Some(&error)).await,
    }
}

/// What a form says.
#[derive(Default)]
struct Form {
    csrf: String,
    answer: String,
    reason: String,
    remember: String,
    same: Vec<String>,
}

impl Form {
    fn of(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            let field = match name.as_ref() {
                "csrf" => &mut form.csrf,
                "answer" => &mut form.answer,
                "reason" => &mut form.reason,
                "remember" => &mut form.remember,
                "same" => {
                    form.same.push(value.into_owned());
                    continue;
                }
                _ => continue,
            };
            *field = value.into_owned();
        }
        form
    }

    fn verdict(self) -> Result<Verdict, Error> {
        let unusable = |message: &str| Error::new(Kind::Invalid, "CG3214", message, "use the buttons of the page");
        let yes = match self.answer.as_str() {
            "approve" => true,
            "deny" => false,
            _ => return Err(unusable("the form says neither yes nor no")),
        };
        let remember = match self.remember.as_str() {
            "" => None,
            _ if !yes => None,
            lasts => {
                let milliseconds = moment::milliseconds(lasts).ok_or_else(|| unusable("the time is none"))?;
                Some(Remember { milliseconds, arguments: Some(self.same) })
            }
        };
        Ok(Verdict { yes, reason: self.reason, remember })
    }
}

/// Who is signed in with the session's cookie: no other credential opens a page.
async fn known(state: &ApiState, via: Via, headers: &HeaderMap) -> Option<(Signed, Secret)> {
    let secret = session_cookie(headers, via)?;
    // A change is proven by the form's token.
    let signed = authenticate(state, via, &Method::GET, headers).await.ok()?;
    signed.session.as_ref()?;
    Some((signed, secret))
}

async fn shown(state: &ApiState, signed: &Signed, secret: &Secret, id: &str, problem: Option<&Error>) -> Response {
    let control = state.control();
    let facts = match control.approval_facts(&signed.caller, id).await {
        Ok(facts) => facts,
        Err(error) => return framed(failed(&error)),
    };
    let csrf = csrf::token(&control.inner.tokens, secret.reveal());
    let who = signed.caller.who().word();
    let page = Asked { facts: &facts, csrf: &csrf, who: &who, now: control.now(), problem };
    framed(html_page(problem.map_or(StatusCode::OK, status), &page.to_string()))
}

/// A browser that comes from elsewhere keeps its cookie back (`SameSite=Strict`) and sends it when the page itself leads
/// on; whatever else asks gets the page for signing in.
fn not_signed_in(id: &str, headers: &HeaderMap) -> Response {
    let path = format!("/approvals/{id}");
    if !is_page(&path) {
        return elsewhere("/sign-in");
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes).unwrap_or_default();
    if matches!(site, b"cross-site" | b"same-site") {
        return framed(html_page(StatusCode::OK, &Passing { path: &path }.to_string()));
    }
    elsewhere(&format!("/sign-in?next={path}"))
}

fn framed(mut response: Response) -> Response {
    response.headers_mut().insert(FRAMES, HeaderValue::from_static("DENY"));
    response
}
