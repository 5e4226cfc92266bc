//! A tool of a registered server: what it does and why that is thought, what it is pinned as, and what a person says.

use super::definitions::{Line, lines};
use super::tool_path::{ToolPath, tool_segment};
use super::wire::{Definition, DefinitionDetail, Server};
use crate::api::{Problem, Revised, path};
use crate::catalogue::{ToolView, tool_view};
use crate::form::Form;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// What a person can say that a tool does.
const CATEGORIES: [&str; 5] = ["read", "write", "execute", "destructive", "financial"];

/// What a person can say that attacks could use it for.
const LABELS: [&str; 6] = ["reads_untrusted", "reads_private", "egress", "credentials", "free_form_code", "bulk"];

/// What the gateway keeps of a tool.
struct Pinned {
    row: Definition,
    said: Said,
    revision: String,
    definition: String,
    diff: Vec<Line>,
}

/// What a person says that a tool does, in the fields of the page.
struct Said {
    /// None where that is left to the catalogue.
    category: Option<String>,
    labels: Vec<String>,
    /// Whether the labels stand in place of what the catalogue finds.
    labels_are_set: bool,
}

#[derive(Deserialize)]
struct Known {
    definition: Box<RawValue>,
}

pub(super) async fn show(visit: Visit, ToolPath(server, tool): ToolPath) -> Response {
    page(&visit, &server, &tool, None, None).await
}

/// Saves what a person says about the tool.
pub(super) async fn save(ToolPath(server, tool): ToolPath, Posted { visit, form }: Posted) -> Response {
    let wanted = path(&["servers", &server, "definitions", &tool], &[]);
    let revision = Some(form.text("revision"));
    let changed: Result<Value, Problem> = visit.api.change(Method::PATCH, &wanted, revision, Some(&patch(&form))).await;
    match changed {
        Ok(_) => {
            let page = path(&["servers", &server, "tools", &tool_segment(&tool)], &[("done", "saved")]);
            Redirect::to(&page).into_response()
        }
        Err(problem) => {
            // Beside what somebody else has said meanwhile, what was chosen would undo it unseen.
            let typed = (!problem.is_stale()).then_some(&form);
            page(&visit, &server, &tool, Some(problem), typed).await
        }
    }
}

fn patch(form: &Form) -> Value {
    let category = form.word("category").map_or(Value::Null, Value::from);
    let labels: Vec<&str> = form.values("label").collect();
    let labels = if form.has("labels") { json!(labels) } else { Value::Null };
    Value::Object(Map::from_iter([("category".to_owned(), category), ("labels".to_owned(), labels)]))
}

async fn page(visit: &Visit, server: &str, tool: &str, problem: Option<Problem>, typed: Option<&Form>) -> Response {
    let server: Server = match visit.api.get(&path(&["servers", server], &[])).await {
        Ok(server) => server,
        Err(problem) => return shell::failed(visit, Section::Servers, problem),
    };
    let (mut pinned, text) = match found(visit, &server.name, tool).await {
        Ok(found) => found,
        Err(problem) => return shell::failed(visit, Section::Servers, problem),
    };
    if let (Some(pinned), Some(typed)) = (&mut pinned, typed) {
        pinned.said = Said::typed(typed);
    }
    // One that the catalogue can't read is still shown as it is.
    let view = tool_view(&server.name, &text);
    let of = |rest: &[&str]| path(&[&["servers", &server.name, "tools", &tool_segment(tool)], rest].concat(), &[]);
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = ToolPage {
        back: path(&["servers", &server.name], &[]),
        action: of(&[]),
        approve: of(&["approve"]),
        forget: of(&["forget"]),
        policy: path(
            &["servers", &server.name, "policies", server.policies.first().map_or("default", |name| name)],
            &[],
        ),
        decisions: crate::search::decisions(&[("server", &server.name), ("tool", tool)]),
        why_not: visit.me.may.not("manage_servers", Some(&server.uuid)),
        shell: Shell::new(visit, Section::Servers).with(problem),
        server: &server.name,
        name: tool,
        view,
        pinned,
    };
    shell::html(status, &page)
}

/// What is kept of a tool, and its definition: of what is pinned, else as the catalogue has it.
async fn found(visit: &Visit, server: &str, tool: &str) -> Result<(Option<Pinned>, String), Problem> {
    let pinned: Result<Revised<DefinitionDetail>, Problem> =
        visit.api.read(&path(&["servers", server, "definitions", tool], &[])).await;
    let missing = match pinned {
        Ok(Revised { value, revision }) => {
            let DefinitionDetail { row, definition, candidate_definition, diff } = value;
            let diff = if row.waits() { lines(&diff) } else { Vec::new() };
            let listed = candidate_definition.unwrap_or_else(|| definition.clone());
            let said = Said::kept(&row);
            return Ok((Some(Pinned { row, said, revision, definition, diff }), listed));
        }
        Err(problem) if problem.status == 404 => problem,
        Err(problem) => return Err(problem),
    };
    let known = path(&["catalogue", "servers", server, "tools", tool], &[]);
    let known: Known = visit.api.get(&known).await.map_err(|_| missing)?;
    Ok((None, known.definition.get().to_owned()))
}

impl Said {
    fn kept(row: &Definition) -> Self {
        let category = row.category.clone().filter(|_| row.category_is_set);
        Self { category, labels: row.labels.clone(), labels_are_set: row.labels_are_set }
    }

    fn typed(form: &Form) -> Self {
        Self {
            category: form.word("category").map(str::to_owned),
            labels: form.values("label").map(str::to_owned).collect(),
            labels_are_set: form.has("labels"),
        }
    }

    fn has(&self, label: &str) -> bool {
        self.labels.iter().any(|said| said == label)
    }

    fn is(&self, category: &str) -> bool {
        self.category.as_deref() == Some(category)
    }
}

#[derive(Template)]
#[template(path = "servers/tool.html")]
struct ToolPage<'v> {
    shell: Shell<'v>,
    server: &'v str,
    name: &'v str,
    view: Option<ToolView>,
    pinned: Option<Pinned>,
    back: String,
    action: String,
    approve: String,
    forget: String,
    policy: String,
    decisions: String,
    why_not: Option<String>,
}
