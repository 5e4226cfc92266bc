//! The policies of all servers, and the baseline: what is in force, since when, by whom.

use super::Place;
use crate::Console;
use crate::api::{Problem, path};
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

/// So many policies and servers are shown at most.
const MOST: usize = 2_000;

/// A policy as the API lists it.
#[derive(Deserialize)]
struct Listed {
    server: Option<String>,
    name: String,
    version: i64,
    published: Option<String>,
    repeats: Option<i64>,
    by: Option<String>,
    declared: bool,
    #[serde(default)]
    grants: usize,
}

#[derive(Deserialize)]
struct Server {
    name: String,
    uuid: String,
}

/// A policy as the page lists it.
struct Row {
    place: Place,
    version: i64,
    published: Option<Moment>,
    repeats: Option<i64>,
    by: String,
    is_declared: bool,
    grants: usize,
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/policies", get(list)).route("/policies/new", get(new))
}

async fn list(visit: Visit) -> Response {
    match rows(&visit).await {
        Ok(page) => shell::html(StatusCode::OK, &page),
        Err(problem) => shell::failed(&visit, Section::Policies, problem),
    }
}

async fn rows(visit: &Visit) -> Result<ListPage<'_>, Problem> {
    let only = visit.query.text("server");
    let listed: Vec<Listed> = match only {
        "" => visit.api.all("/policies", MOST).await?,
        server => visit.api.all(&path(&["servers", server, "policies"], &[]), MOST).await?,
    };
    // Whoever has a role for single servers only does not see the baseline; where there is none, the page says so.
    let baseline = visit.api.get::<Listed>("/baseline").await.ok();
    let servers: Vec<Server> = visit.api.all("/servers", MOST).await?;
    let may_edit = |server: &&Server| visit.me.may.not("edit_policies", Some(&server.uuid)).is_none();
    let names = servers.iter().filter(may_edit).map(|server| server.name.clone()).collect();
    let why_not = (!visit.me.may.anywhere("edit_policies")).then(|| visit.me.may.not("edit_policies", None)).flatten();
    let mut rows: Vec<Row> = listed.into_iter().map(Row::of).collect();
    rows.sort_by(|one, other| (&one.place.server, &one.place.name).cmp(&(&other.place.server, &other.place.name)));
    Ok(ListPage {
        shell: Shell::new(visit, Section::Policies),
        rows,
        baseline: baseline.map(Row::of),
        may_baseline: visit.me.may.not("read_policies", None).is_none(),
        has_servers: !servers.is_empty(),
        servers: names,
        only: only.to_owned(),
        why_not,
    })
}

/// Leads to the page of a policy that need not be there yet: publishing makes it.
async fn new(visit: Visit) -> Response {
    let (Some(server), Some(name)) = (visit.query.word("server"), visit.query.word("name")) else {
        return Redirect::to("/policies").into_response();
    };
    Redirect::to(&Place::new(Some(server), name).href("")).into_response()
}

impl Row {
    fn of(listed: Listed) -> Self {
        let by = listed.by.unwrap_or_default();
        Self {
            place: Place::new(listed.server.as_deref(), &listed.name),
            version: listed.version,
            published: Moment::maybe(listed.published.as_deref()),
            repeats: listed.repeats,
            by: by.strip_prefix("member:").unwrap_or(&by).to_owned(),
            is_declared: listed.declared,
            grants: listed.grants,
        }
    }
}

#[derive(Template)]
#[template(path = "policies/list.html")]
struct ListPage<'v> {
    shell: Shell<'v>,
    rows: Vec<Row>,
    baseline: Option<Row>,
    may_baseline: bool,
    has_servers: bool,
    servers: Vec<String>,
    only: String,
    why_not: Option<String>,
}
