//! A grant's page.

use super::Grant;
use crate::api::{Problem, Revised, path};
use crate::connecting::{NO_TOKEN, Way, ways};
use crate::form::Form;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

/// What the page needs of the grant's server.
#[derive(Deserialize)]
struct Server {
    uuid: String,
    url: String,
    policies: Vec<String>,
}

/// What stands in the fields of the page.
struct Fields {
    policy: Option<String>,
    label: String,
    expires: String,
    tags: String,
    overlap: String,
}

pub(super) async fn show(visit: Visit, Path(grant): Path<String>) -> Response {
    page(&visit, &grant, None, &Form::default()).await
}

/// Asks whether it is meant.
pub(super) async fn confirm(visit: Visit, Path(grant): Path<String>) -> Response {
    confirmation(&visit, &grant, None).await
}

/// The page, with what went wrong and what was typed then.
pub(super) async fn page(visit: &Visit, grant: &str, problem: Option<Problem>, typed: &Form) -> Response {
    let (Revised { value: grant, revision }, server) = match read(visit, grant).await {
        Ok(read) => read,
        Err(problem) => return shell::failed(visit, Section::Grants, problem),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let query = format!("grant:{}", grant.id);
    let page = ShowPage {
        server_href: path(&["servers", &grant.server], &[]),
        policy_href: grant.policy.as_ref().map(|policy| path(&["servers", &grant.server, "policies", policy], &[])),
        decisions: path(&["decisions"], &[("q", &query)]),
        may_not_manage: visit.me.may.not("manage_grants", Some(&server.uuid)),
        may_not_attach: visit.me.may.not("edit_policies", Some(&server.uuid)),
        ways: ways(&grant.server, &server.url, NO_TOKEN, ""),
        fields: Fields::of(&grant, typed, problem.as_ref().is_some_and(Problem::is_stale)),
        shell: Shell::new(visit, Section::Grants).with(problem),
        grant: &grant,
        server,
        revision,
    };
    shell::html(status, &page)
}

/// The question, with what went wrong.
pub(super) async fn confirmation(visit: &Visit, grant: &str, problem: Option<Problem>) -> Response {
    let (Revised { value: grant, revision }, server) = match read(visit, grant).await {
        Ok(read) => read,
        Err(problem) => return shell::failed(visit, Section::Grants, problem),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = RevokePage {
        shell: Shell::new(visit, Section::Grants).with(problem),
        why_not: visit.me.may.not("manage_grants", Some(&server.uuid)),
        action: path(&["grants", &grant.id, "revoke"], &[]),
        grant: &grant,
        revision,
    };
    shell::html(status, &page)
}

async fn read(visit: &Visit, grant: &str) -> Result<(Revised<Grant>, Server), Problem> {
    let read: Revised<Grant> = visit.api.read(&path(&["grants", grant], &[])).await?;
    let server = visit.api.get(&path(&["servers", &read.value.server], &[])).await;
    // A grant stays to be seen where its server is gone.
    let gone = Server { uuid: String::new(), url: String::new(), policies: Vec::new() };
    Ok((read, server.unwrap_or(gone)))
}

impl Fields {
    /// As the grant is, but for what was typed. Beside what somebody else has set meanwhile (`is_stale`) nothing stays of
    /// it: that would undo the other's change unseen.
    fn of(grant: &Grant, typed: &Form, is_stale: bool) -> Self {
        let typed = (!is_stale).then_some(typed);
        let edited = typed.filter(|typed| typed.has("label"));
        let text = |name: &str, kept: String| edited.map_or(kept, |typed| typed.text(name).to_owned());
        Self {
            policy: typed.and_then(|typed| typed.word("policy")).map(str::to_owned).or_else(|| grant.policy.clone()),
            label: text("label", grant.label.clone()),
            expires: text("expires", grant.expires.clone().unwrap_or_default()),
            tags: text("tags", grant.tags.iter().map(|(name, value)| format!("{name}={value}\n")).collect()),
            overlap: typed.map(|typed| typed.text("overlap").to_owned()).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "grants/show.html")]
struct ShowPage<'v> {
    shell: Shell<'v>,
    grant: &'v Grant,
    server: Server,
    revision: String,
    server_href: String,
    policy_href: Option<String>,
    decisions: String,
    fields: Fields,
    ways: Vec<Way>,
    may_not_manage: Option<String>,
    may_not_attach: Option<String>,
}

impl ShowPage<'_> {
    /// Where a form of this page goes.
    fn at(&self, rest: &str) -> String {
        path(&["grants", &self.grant.id, rest], &[])
    }
}

#[derive(Template)]
#[template(path = "grants/revoke.html")]
struct RevokePage<'v> {
    shell: Shell<'v>,
    grant: &'v Grant,
    revision: String,
    action: String,
    why_not: Option<String>,
}
