//! Definitions that a person has to look at: what changed, and saying yes to it.

use super::tool_path::{ToolPath, tool_segment};
use super::wire::{Definition, DefinitionDetail};
use crate::api::{Problem, path};
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// So many definitions stand on one page, each with what changed.
const PER_PAGE: usize = 20;

/// A definition to look at.
struct Waiting {
    row: Definition,
    href: String,
    approve: String,
    diff: Vec<Line>,
}

/// A line of what changed.
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) text: String,
}

pub(super) async fn show(visit: Visit, Path(server): Path<String>) -> Response {
    page(&visit, &server, None).await
}

/// Approves what was shown of several tools: all that is named, or nothing of it.
pub(super) async fn approve_all(Path(server): Path<String>, Posted { visit, form }: Posted) -> Response {
    let fingerprints = form.values("fingerprint");
    let tools: Map<String, Value> = form
        .values("tool")
        .zip(fingerprints)
        .map(|(tool, fingerprint)| (tool.to_owned(), json!(fingerprint)))
        .collect();
    let wanted = path(&["servers", &server, "approve-definitions"], &[]);
    let approved: Result<Value, Problem> = visit.api.post(&wanted, &json!({ "tools": tools })).await;
    match approved {
        Ok(_) => done(&["servers", &server, "definitions"], "approved"),
        Err(problem) => page(&visit, &server, Some(problem)).await,
    }
}

/// Approves one: exactly what was shown.
pub(super) async fn approve(ToolPath(server, tool): ToolPath, Posted { visit, form }: Posted) -> Response {
    let wanted = path(&["servers", &server, "definitions", &tool, "approve"], &[]);
    let body = json!({ "fingerprint": form.text("fingerprint") });
    let approved: Result<Value, Problem> = visit.api.post(&wanted, &body).await;
    match approved {
        Ok(_) if form.text("from") == "list" => done(&["servers", &server, "definitions"], "approved"),
        Ok(_) => done(&["servers", &server, "tools", &tool_segment(&tool)], "approved"),
        Err(problem) => shell::failed(&visit, Section::Servers, problem),
    }
}

/// Forgets what a tool is pinned as.
pub(super) async fn forget(ToolPath(server, tool): ToolPath, Posted { visit, form }: Posted) -> Response {
    let wanted = path(&["servers", &server, "definitions", &tool], &[]);
    let revision = Some(form.text("revision"));
    let forgotten: Result<Value, Problem> = visit.api.change(Method::DELETE, &wanted, revision, None).await;
    match forgotten {
        Ok(_) => done(&["servers", &server], "removed"),
        Err(problem) => shell::failed(&visit, Section::Servers, problem),
    }
}

async fn page(visit: &Visit, server: &str, problem: Option<Problem>) -> Response {
    let uuid: Uuid = match visit.api.get(&path(&["servers", server], &[])).await {
        Ok(uuid) => uuid,
        Err(problem) => return shell::failed(visit, Section::Servers, problem),
    };
    let all: Vec<Definition> = match visit.api.all(&path(&["servers", server, "definitions"], &[]), usize::MAX).await {
        Ok(all) => all,
        Err(problem) => return shell::failed(visit, Section::Servers, problem),
    };
    let waiting: Vec<Definition> = all.into_iter().filter(Definition::waits).collect();
    let count = waiting.len();
    let mut shown = Vec::new();
    for row in waiting.into_iter().take(PER_PAGE) {
        let detail = path(&["servers", server, "definitions", &row.tool], &[]);
        let detail: DefinitionDetail = match visit.api.get(&detail).await {
            Ok(detail) => detail,
            // Approved or gone in the meantime.
            Err(problem) if problem.status == 404 => continue,
            Err(problem) => return shell::failed(visit, Section::Servers, problem),
        };
        shown.push(Waiting {
            href: path(&["servers", server, "tools", &tool_segment(&row.tool)], &[]),
            approve: path(&["servers", server, "tools", &tool_segment(&row.tool), "approve"], &[]),
            diff: lines(&detail.diff),
            row: detail.row,
        });
    }
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = DefinitionsPage {
        shell: Shell::new(visit, Section::Servers).with(problem),
        server,
        back: path(&["servers", server], &[]),
        action: path(&["servers", server, "definitions"], &[]),
        why_not: visit.me.may.not("manage_servers", Some(&uuid.uuid)),
        shown,
        count,
    };
    shell::html(status, &page)
}

/// The lines of a difference, each with what it is.
pub(super) fn lines(diff: &str) -> Vec<Line> {
    let class = |line: &str| match line.as_bytes().first() {
        _ if line.starts_with("--- ") || line.starts_with("+++ ") || line.starts_with("@@") => "diff-at",
        Some(b'+') => "diff-new",
        Some(b'-') => "diff-old",
        _ => "diff-same",
    };
    diff.lines().map(|line| Line { class: class(line), text: line.to_owned() }).collect()
}

fn done(segments: &[&str], word: &str) -> Response {
    Redirect::to(&path(segments, &[("done", word)])).into_response()
}

#[derive(serde::Deserialize)]
struct Uuid {
    uuid: String,
}

#[derive(Template)]
#[template(path = "servers/definitions.html")]
struct DefinitionsPage<'v> {
    shell: Shell<'v>,
    server: &'v str,
    back: String,
    action: String,
    why_not: Option<String>,
    shown: Vec<Waiting>,
    count: usize,
}
