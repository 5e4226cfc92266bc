//! The third step: a policy, shown before it is published.

use super::{Mark, Step, of};
use crate::Console;
use crate::api::{Problem, path};
use crate::servers::ask;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// The name of the policy that grants get where nothing is said.
const NAME: &str = "default";

/// What the policy does with the tools of one category.
struct Rule {
    category: &'static str,
    tools: usize,
    says: &'static str,
}

pub(super) async fn show(State(console): State<Console>, visit: Visit, Path(server): Path<String>) -> Response {
    page(&console, &visit, &server, None, None).await
}

/// Publishes exactly what was shown.
pub(super) async fn publish(
    State(console): State<Console>,
    Path(server): Path<String>,
    Posted { visit, form }: Posted,
) -> Response {
    let document = form.text("document").replace("\r\n", "\n");
    let body = json!({ "document": document, "file": "recommended.json" });
    let wanted = path(&["servers", &server, "policies", NAME], &[]);
    let published: Result<Value, Problem> = visit.api.change(Method::PUT, &wanted, None, Some(&body)).await;
    match published {
        Ok(_) => Redirect::to(&path(&["start", &server, "grant"], &[("done", "published")])).into_response(),
        Err(problem) => page(&console, &visit, &server, Some(problem), Some(&document)).await,
    }
}

async fn page(
    console: &Console,
    visit: &Visit,
    server: &str,
    problem: Option<Problem>,
    typed: Option<&str>,
) -> Response {
    let server = match of(visit, server).await {
        Ok(server) => server,
        Err(problem) => return shell::failed(visit, Section::Overview, problem),
    };
    let (kinds, recommended, unasked) = match ask(console, visit, &server.name).await {
        Ok(asked) => (asked.kinds(), asked.policy, None),
        Err(problem) => (Vec::new(), None, Some(problem)),
    };
    let document = typed.map(str::to_owned).or(recommended);
    // Without its tools there is still one that lets nothing through.
    let none = document.is_none();
    let status = problem.as_ref().or(unasked.as_ref()).map_or(StatusCode::OK, Problem::status);
    let page = PolicyPage {
        marks: Step::Policy.marks(Some(&server.name)),
        action: path(&["start", &server.name, "policy"], &[]),
        next: path(&["start", &server.name, "grant"], &[]),
        builder: format!("{}?recommended", path(&["servers", &server.name, "policies", NAME], &[])),
        rules: kinds.into_iter().map(Rule::of).collect(),
        published: server.policies.clone(),
        may_not: visit.me.may.not("edit_policies", Some(&server.uuid)),
        shell: Shell::new(visit, Section::Overview).with(problem.or(unasked)),
        server: server.name,
        document: document.unwrap_or_else(|| NOTHING.to_owned()),
        none,
    };
    shell::html(status, &page)
}

/// A policy that lets nothing through.
const NOTHING: &str = "{\n  \"version\": \"1\",\n  \"default\": \"deny\"\n}\n";

impl Rule {
    fn of((category, tools): (&'static str, usize)) -> Self {
        let says = match category {
            "read" => "allowed",
            "write" => "allowed, a limited number a minute",
            "execute" => "allowed, a few times a minute; arguments that can be checked are",
            "destructive" => "hidden, or only after a person said yes",
            "financial" => "only after a person said yes, up to a spending limit",
            _ => "denied",
        };
        Self { category, tools, says }
    }
}

#[derive(Template)]
#[template(path = "start/policy.html")]
struct PolicyPage<'v> {
    shell: Shell<'v>,
    marks: Vec<Mark>,
    server: String,
    action: String,
    next: String,
    builder: String,
    rules: Vec<Rule>,
    document: String,
    none: bool,
    published: Vec<String>,
    may_not: Option<String>,
}
