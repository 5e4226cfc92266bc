//! The second step: what the server's tools can do.

use super::{Mark, Step, of};
use crate::Console;
use crate::api::{Problem, path};
use crate::servers::{Asked, Server, ask};
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

pub(super) async fn show(visit: Visit, Path(server): Path<String>) -> Response {
    let server = match of(&visit, &server).await {
        Ok(server) => server,
        Err(problem) => return shell::failed(&visit, Section::Overview, problem),
    };
    let page = ToolsPage {
        marks: Step::Tools.marks(Some(&server.name)),
        asked: path(&["start", &server.name, "tools", "ask"], &[]),
        shell: Shell::new(&visit, Section::Overview),
        server: &server,
    };
    shell::html(StatusCode::OK, &page)
}

/// Its tools, asked of it right now: a part of the page, or a page of its own.
pub(super) async fn asked(State(console): State<Console>, visit: Visit, Path(server): Path<String>) -> Response {
    let (asked, problem) = match ask(&console, &visit, &server).await {
        Ok(asked) => (Some(asked), None),
        Err(problem) => (None, Some(problem)),
    };
    let part = AskedPart {
        asked,
        problem,
        next: path(&["start", &server, "policy"], &[]),
        again: path(&["start", &server, "tools"], &[]),
        settings: path(&["servers", &server, "settings"], &[]),
    };
    if visit.is_part {
        return shell::html(StatusCode::OK, &part);
    }
    let status = part.problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let shell = Shell::new(&visit, Section::Overview);
    let marks = Step::Tools.marks(Some(&server));
    shell::html(status, &AskedPage { shell, marks, server: &server, list: part })
}

#[derive(Template)]
#[template(path = "start/tools.html")]
struct ToolsPage<'v> {
    shell: Shell<'v>,
    marks: Vec<Mark>,
    server: &'v Server,
    asked: String,
}

#[derive(Template)]
#[template(path = "start/asked.html")]
struct AskedPart {
    asked: Option<Asked>,
    problem: Option<Problem>,
    next: String,
    again: String,
    settings: String,
}

#[derive(Template)]
#[template(path = "start/asked_page.html")]
struct AskedPage<'v> {
    shell: Shell<'v>,
    marks: Vec<Mark>,
    server: &'v str,
    list: AskedPart,
}
