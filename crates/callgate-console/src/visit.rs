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
use url::{Position, Url};

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

/// Back to the page that was asked for, once signed in; to the page that asked, where it asked for a part.
fn sign_in(parts: &Parts) -> Response {
    let page = match parts.method {
        _ if is_part(&parts.headers) => asking_page(&parts.headers).unwrap_or_else(|| "/".to_owned()),
        Method::GET => parts.uri.path_and_query().map_or("/", |page| page.as_str()).to_owned(),
        _ => "/".to_owned(),
    };
    let next: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
    let target = if page == "/" { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") };
    let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes).unwrap_or_default();
    if parts.method == Method::GET && matches!(site, b"cross-site" | b"same-site") {
        // A browser that comes from elsewhere keeps its cookie back (`SameSite=Strict`), and sends it when one of our
        // pages leads on.
        return shell::leading_to(&page);
    }
    if is_part(&parts.headers) {
        // htmx would put the form into a part of the page.
        return ([("hx-redirect", target)], "").into_response();
    }
    Redirect::to(&target).into_response()
}

/// The path and query of the page that htmx asks for; only of one of ours, and never what a browser would take for
/// another host.
fn asking_page(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let page = Url::parse(text("hx-current-url")?).ok()?;
    let (host, own) = (page.host_str()?, text("host")?);
    let is_own = match page.port() {
        Some(port) => own == format!("{host}:{port}"),
        None => own == host,
    };
    let target = &page[Position::BeforePath..Position::AfterQuery];
    (is_own && !target.starts_with("//")).then(|| target.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn led(method: Method, uri: &str, headers: &[(&'static str, &str)]) -> String {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sign_in(&request.body(()).unwrap().into_parts().0);
        let target = response.headers().get("hx-redirect").or_else(|| response.headers().get("location"));
        target.unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn who_signs_in_comes_back_to_the_page_and_not_to_a_part_of_it() {
        let part = |page: &str| {
            let headers = [("hx-request", "true"), ("host", "gate.test:7070"), ("hx-current-url", page)];
            led(Method::GET, "/servers/files/standing", &headers)
        };
        assert_eq!(part("http://gate.test:7070/servers?done=added#x"), "/sign-in?next=%2Fservers%3Fdone%3Dadded");
        for elsewhere in [
            "https://evil.test/servers",
            "http://gate.test:7070//evil.test/x",
            "http://gate.test:7071/servers",
            "?",
            "",
        ] {
            assert_eq!(part(elsewhere), "/sign-in", "{elsewhere}");
        }
        let posted = [("hx-request", "true"), ("host", "gate.test"), ("hx-current-url", "https://gate.test/approvals")];
        assert_eq!(led(Method::POST, "/approvals", &posted), "/sign-in?next=%2Fapprovals");
        assert_eq!(led(Method::GET, "/limits?server=a", &[]), "/sign-in?next=%2Flimits%3Fserver%3Da");
        assert_eq!(led(Method::POST, "/limits/reset", &[]), "/sign-in");
    }
}
