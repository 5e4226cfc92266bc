//! The first step: a server.

use super::{Mark, Step};
use crate::api::{Problem, path};
use crate::servers::{NewServer, Server, of_catalogue};
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Entry {
    name: String,
    about: Value,
}

/// A server that is there already.
struct Known {
    name: String,
    href: String,
}

pub(super) async fn show(visit: Visit) -> Response {
    let mut typed = NewServer::by(visit.query.text("by"));
    let entry = visit.query.text("entry");
    if !entry.is_empty()
        && let Ok(known) = visit.api.get::<Entry>(&path(&["catalogue", "servers", entry], &[])).await
    {
        typed = of_catalogue(&known.name, &known.about).unwrap_or(typed);
    }
    page(&visit, None, &typed).await
}

/// Registers it, and leads to its tools.
pub(super) async fn add(Posted { visit, form }: Posted) -> Response {
    let typed = NewServer::of(&form);
    let added: Result<Server, Problem> = match typed.body(&form) {
        Ok(body) => visit.api.post("/servers", &body).await,
        Err(problem) => Err(problem),
    };
    match added {
        Ok(added) => Redirect::to(&path(&["start", &added.name, "tools"], &[])).into_response(),
        Err(problem) => page(&visit, Some(problem), &typed).await,
    }
}

async fn page(visit: &Visit, problem: Option<Problem>, typed: &NewServer) -> Response {
    let servers: Vec<Server> = match visit.api.all("/servers", 200).await {
        Ok(servers) => servers,
        Err(problem) => return shell::failed(visit, Section::Overview, problem),
    };
    let known = |server: Server| Known { href: path(&["start", &server.name, "tools"], &[]), name: server.name };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = ServerPage {
        shell: Shell::new(visit, Section::Overview).with(problem),
        marks: Step::Server.marks(None),
        known: servers.into_iter().map(known).collect(),
        typed,
        may_not: visit.me.may.not("manage_servers", None),
    };
    shell::html(status, &page)
}

#[derive(Template)]
#[template(path = "start/server.html")]
struct ServerPage<'v> {
    shell: Shell<'v>,
    marks: Vec<Mark>,
    known: Vec<Known>,
    typed: &'v NewServer,
    may_not: Option<String>,
}
