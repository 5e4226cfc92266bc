//! The last step: a client is connected, and its first call arrives.

use super::{Mark, Step, grant_of, of};
use crate::api::{Part, Problem, path};
use crate::connecting::{NO_TOKEN, Way, ways};
use crate::grants::Token;
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

/// A decision.
#[derive(Deserialize)]
struct Decision {
    #[serde(default)]
    id: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    tool: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    client: String,
}

/// What to do, gone on with: the token is not shown any more.
pub(super) async fn show(visit: Visit, Path(server): Path<String>) -> Response {
    let server = match of(&visit, &server).await {
        Ok(server) => server,
        Err(problem) => return shell::failed(&visit, Section::Overview, problem),
    };
    let grant = match grant_of(&visit, &server.name, visit.query.text("grant")).await {
        Ok(grant) => grant,
        Err(problem) => return shell::failed(&visit, Section::Overview, problem),
    };
    let page = ConnectPage {
        shell: Shell::new(&visit, Section::Overview),
        marks: Step::Connect.marks(Some(&server.name)),
        server: &server.name,
        url: server.url.clone(),
        token: None,
        ways: ways(&server.name, &server.url, NO_TOKEN, visit.query.text("client")),
        grant: grant.as_ref().map(|grant| grant.href()),
        call: grant.map(|grant| path(&["start", &server.name, "call"], &[("grant", &grant.id)])),
        mint: path(&["start", &server.name, "grant"], &[]),
    };
    shell::html(StatusCode::OK, &page)
}

/// The first call of a grant, once it is there: the part that asks again and again.
pub(super) async fn call(visit: Visit, Path(server): Path<String>) -> Response {
    let grant = visit.query.text("grant");
    let query = [("server", server.as_str()), ("grant", grant), ("limit", "5")];
    let found: Result<Part<Decision>, Problem> = visit.api.get(&path(&["decisions"], &query)).await;
    let (rows, problem) = match found {
        Ok(part) => (part.items, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let again = path(&["start", &server, "call"], &[("grant", grant)]);
    let all = path(&["decisions"], &[("q", &format!("grant:{grant}"))]);
    let part = CallPart { rows, problem, again, all };
    if visit.is_part {
        return shell::html(StatusCode::OK, &part);
    }
    let shell = Shell::new(&visit, Section::Overview);
    let marks = Step::Connect.marks(Some(&server));
    shell::html(StatusCode::OK, &CallPage { shell, marks, server: &server, calls: part })
}

impl Decision {
    fn href(&self) -> String {
        path(&["decisions", &self.id], &[])
    }

    fn at(&self) -> Moment {
        Moment::of(&self.time)
    }

    fn what(&self) -> &str {
        if self.tool.is_empty() { &self.method } else { &self.tool }
    }
}

#[derive(Template)]
#[template(path = "start/connect.html")]
pub(super) struct ConnectPage<'v> {
    pub(super) shell: Shell<'v>,
    pub(super) marks: Vec<Mark>,
    pub(super) server: &'v str,
    pub(super) url: String,
    /// The token, where it was minted just now.
    pub(super) token: Option<Token>,
    pub(super) ways: Vec<Way>,
    pub(super) grant: Option<String>,
    pub(super) call: Option<String>,
    pub(super) mint: String,
}

#[derive(Template)]
#[template(path = "start/call.html")]
struct CallPart {
    rows: Vec<Decision>,
    problem: Option<Problem>,
    again: String,
    all: String,
}

#[derive(Template)]
#[template(path = "start/call_page.html")]
struct CallPage<'v> {
    shell: Shell<'v>,
    marks: Vec<Mark>,
    server: &'v str,
    calls: CallPart,
}
