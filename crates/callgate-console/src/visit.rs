//! Who looks at a page, and what they may do: every page begins with a [`Visit`].

use crate::api::{Api, Problem};
use crate::form::Form;
use crate::{Console, shell};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Who is asking, as the API says (`GET /api/v1/session`).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Me {
    /// The organisation.
    pub(crate) organisation: String,
    /// How records name the visitor: `member:ada`.
    pub(crate) who: String,
    /// What may be done.
    pub(crate) may: May,
    /// The token that changes carry; none without a session.
    #[serde(default)]
    pub(crate) csrf: Option<String>,
}

/// The words of permissions, for the organisation and for single servers.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct May {
    organisation: Vec<String>,
    servers: BTreeMap<String, Vec<String>>,
}

/// One request for a page by somebody who is signed in.
pub(crate) struct Visit {
    /// The API, as this visitor.
    pub(crate) api: Api,
    /// Who it is.
    pub(crate) me: Me,
    /// What the query says.
    pub(crate) query: Form,
    /// Whether htmx asks: then only the part that changes is wanted.
    pub(crate) is_part: bool,
}

/// A form that was sent, and who sent it.
pub(crate) struct Posted {
    /// Who sent it; its `api` makes changes.
    pub(crate) visit: Visit,
    /// What it says.
    pub(crate) form: Form,
}

impl May {
    /// Why this visitor may not do something, for the title of the button that is disabled; none where they may.
    /// `server` is the identity of the server that it is about; none for the organisation.
    pub(crate) fn not(&self, permission: &str, server: Option<&str>) -> Option<String> {
        let has = |words: &Vec<String>| words.iter().any(|word| word == permission);
        let may = has(&self.organisation) || server.and_then(|server| self.servers.get(server)).is_some_and(has);
        (!may).then(|| format!("your role does not have `{permission}`: ask an admin of the organisation"))
    }

    /// Whether it may be done anywhere.
    pub(crate) fn anywhere(&self, permission: &str) -> bool {
        self.organisation.iter().chain(self.servers.values().flatten()).any(|word| word == permission)
    }
}

impl Visit {
    /// The visitor of a request; what is shown instead where nobody is signed in.
    pub(crate) async fn of(console: &Console, parts: &Parts) -> Result<Self, Response> {
        let api = Api::of(console.api.clone(), &parts.headers, &parts.extensions);
        let me = match api.get("/session").await {
            Ok(me) => me,
            Err(problem) if problem.is_unknown_visitor() => return Err(sign_in(parts)),
            Err(problem) => return Err(shell::bare(&problem)),
        };
        let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self { api, me, query, is_part: is_part(&parts.headers) })
    }

    /// The token that forms carry.
    pub(crate) fn csrf(&self) -> &str {
        self.me.csrf.as_deref().unwrap_or_default()
    }
}

/// Back to the page that was asked for, once signed in.
fn sign_in(parts: &Parts) -> Response {
    let page = match parts.method {
        Method::GET => parts.uri.path_and_query().map_or("/", |page| page.as_str()),
        _ => "/",
    };
    let next: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
    let target = if page == "/" { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") };
    let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes).unwrap_or_default();
    if parts.method == Method::GET && matches!(site, b"cross-site" | b"same-site") {
        // A browser that comes from elsewhere keeps its cookie back (`SameSite=Strict`), and sends it when one of our
        // pages leads on.
        return shell::leading_to(page);
    }
    if is_part(&parts.headers) {
        // htmx would put the form into a part of the page.
        return ([("hx-redirect", target)], "").into_response();
    }
    Redirect::to(&target).into_response()
}

fn is_part(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request") && !headers.contains_key("hx-boosted")
}

impl FromRequestParts<Console> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        Self::of(console, parts).await
    }
}

impl FromRequest<Console> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let mut visit = Visit::of(console, &parts).await?;
        let too_long = || shell::bare(&Problem { status: 413, ..Problem::own("the form is too long, or broke off") });
        let form = Form::read(body).await.ok_or_else(too_long)?;
        // Without a token, or with another session's, the API refuses what is changed.
        visit.api = visit.api.with_token(form.text("csrf"));
        Ok(Self { visit, form })
    }
}
