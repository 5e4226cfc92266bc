//! One call against any version of a policy: what would become of it, and why. Nothing is called and nothing is charged.

mod fields;
mod trace;

use crate::Console;
use crate::api::{Problem, path};
use crate::form::Form;
use crate::policies::{Place, Tools};
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use fields::Field;
use http::StatusCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use trace::{Asked, Document, Trace};

/// So many servers, policies and grants can be chosen from.
const MOST: usize = 1_000;

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// A grant as the API lists it.
#[derive(Deserialize)]
struct Grant {
    id: String,
    label: String,
    policy: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    revoked: Option<String>,
}

#[derive(Deserialize)]
struct Shown {
    version: i64,
    document: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    document: String,
}

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/try", get(show))
}

async fn show(State(console): State<Console>, visit: Visit) -> Response {
    let query = visit.query.clone();
    let mut form = match Choices::of(&console, &visit).await {
        Ok(form) => form,
        Err(problem) => return shell::failed(&visit, Section::Try, problem),
    };
    if query.has("was") {
        // Every try is a URL: what the fields say goes into it as JSON.
        match fields::arguments(&form.fields, &query) {
            Some(args) => return Redirect::to(&again(&query, &args)).into_response(),
            // Into this JSON nothing goes: it is shown with what is wrong with it, and what was typed beside it.
            None => form.fields.iter_mut().for_each(|field| query.text(&field.key()).clone_into(&mut field.value)),
        }
    }
    let (trace, refused) = match form.is_complete(&query) {
        false => (None, None),
        true => match tried(&console, &visit, &form, &query).await {
            Ok(trace) => (Some(trace), None),
            Err(refused) => (None, Some(refused)),
        },
    };
    let status = refused.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = TryPage { shell: Shell::new(&visit, Section::Try).with(refused), query: &query, form, trace };
    shell::html(status, &page)
}

/// What can be chosen, and what was.
struct Choices {
    servers: Vec<String>,
    policies: Vec<String>,
    grants: Vec<Grant>,
    tools: Arc<Tools>,
    fields: Vec<Field>,
}

impl Choices {
    async fn of(console: &Console, visit: &Visit) -> Result<Self, Problem> {
        let servers: Vec<Named> = visit.api.all("/servers", MOST).await?;
        let servers = servers.into_iter().map(|server| server.name).collect();
        let Some(server) = visit.query.word("server") else {
            let none = (Vec::new(), Vec::new(), Arc::default(), Vec::new());
            return Ok(Self { servers, policies: none.0, grants: none.1, tools: none.2, fields: none.3 });
        };
        let policies: Vec<Named> = visit.api.all(&path(&["servers", server, "policies"], &[]), MOST).await?;
        // Whose role shows no grants tries policies.
        let grants: Vec<Grant> =
            visit.api.all(&path(&["grants"], &[("server", server)]), MOST).await.unwrap_or_default();
        let tools = console.tools.of(visit, server).await?;
        let tool = visit.query.text("tool");
        let facts = tools.facts.iter().find(|facts| facts.name == tool);
        let fields = facts.and_then(|facts| facts.input_schema.as_deref()).map(|schema| {
            // The fields that were sent had been filled from these.
            let given = if visit.query.has("was") { "was" } else { "args" };
            Field::all(schema, visit.query.text(given))
        });
        Ok(Self {
            servers,
            policies: policies.into_iter().map(|policy| policy.name).collect(),
            grants: grants.into_iter().filter(|grant| grant.revoked.is_none()).collect(),
            fields: fields.unwrap_or_default(),
            tools,
        })
    }

    fn is_complete(&self, query: &Form) -> bool {
        let has = |name: &str| query.word(name).is_some();
        has("server") && has("tool") && (has("policy") || has("grant"))
    }
}

/// This page again, with these arguments.
fn again(query: &Form, args: &str) -> String {
    let kept = ["server", "policy", "version", "grant", "tool", "calls", "at", "label", "tags", "baseline"];
    let pairs = kept.iter().map(|name| (*name, query.text(name)));
    let pairs: Vec<(&str, &str)> = pairs.chain([("args", args)]).collect();
    let page = path(&["try"], &pairs);
    // The grant's own policy is a choice as well, and not the same as none yet.
    if query.has("policy") && query.text("policy").is_empty() { format!("{page}&policy=") } else { page }
}

/// Reads what has to be read, and asks the engine.
async fn tried(console: &Console, visit: &Visit, choices: &Choices, query: &Form) -> Result<Trace, Problem> {
    let server = query.text("server");
    let grant = query.word("grant").map(|wanted| known_grant(choices, wanted)).transpose()?;
    let policy = query.word("policy").map(str::to_owned).or_else(|| grant.and_then(|grant| grant.policy.clone()));
    let document = match &policy {
        Some(name) => Some(document(visit, Place::new(Some(server), name), query.word("version")).await?),
        None => None,
    };
    let (baseline, notes) = baseline(visit, query).await?;
    let tool = query.text("tool");
    let facts = choices.tools.facts.iter().find(|facts| facts.name == tool);
    let mut definition = facts.map(|facts| facts.definition());
    if let Some(definition) = &mut definition {
        definition.quarantined = choices.tools.set_aside.contains(tool);
    }
    let label = query.word("label").or(grant.map(|grant| grant.label.as_str())).unwrap_or("try");
    let tags = match query.word("tags") {
        Some(typed) => trace::tags(typed)?,
        None => grant.map(|grant| grant.tags.clone()).unwrap_or_default(),
    };
    let asked = Asked {
        document,
        baseline,
        tool: tool.to_owned(),
        arguments: query.word("args").unwrap_or("{}").to_owned(),
        definition,
        label: label.to_owned(),
        tags,
        calls: query.text("calls").to_owned(),
        at: query.text("at").to_owned(),
        notes,
    };
    console.work.turn(&visit.me.who, move || asked.explain()).await?
}

fn known_grant<'c>(choices: &'c Choices, wanted: &str) -> Result<&'c Grant, Problem> {
    let found = choices.grants.iter().find(|grant| grant.id == wanted || grant.label == wanted);
    found.ok_or_else(|| trace::bad(format!("this server has no live grant `{wanted}`"), "choose one of the list"))
}

async fn document(visit: &Visit, place: Place, version: Option<&str>) -> Result<Document, Problem> {
    let text = match version {
        Some(version) => {
            let read: Version = visit.api.get(&place.api(&["versions", version], &[])).await?;
            (version.parse().unwrap_or_default(), Some(read.document))
        }
        None => {
            let shown: Shown = visit.api.get(&place.api(&[], &[])).await?;
            (shown.version, shown.document)
        }
    };
    Ok(Document { place, version: text.0, text: text.1.unwrap_or_default() })
}

/// The organisation's baseline, which holds on top of every policy; and what to say where it is not looked at.
async fn baseline(visit: &Visit, query: &Form) -> Result<(Option<Document>, Vec<String>), Problem> {
    if query.text("baseline") == "no" {
        return Ok((None, vec!["The baseline was left out, as you asked.".to_owned()]));
    }
    match document(visit, Place::new(None, Place::BASELINE), None).await {
        Ok(document) => Ok((Some(document), Vec::new())),
        Err(problem) if problem.status == 404 => Ok((None, Vec::new())),
        Err(problem) if problem.status == 403 => {
            let note = "Your role does not show the organisation's baseline, which may be stricter: it is left out.";
            Ok((None, vec![note.to_owned()]))
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "trying/try.html")]
struct TryPage<'v> {
    shell: Shell<'v>,
    query: &'v Form,
    form: Choices,
    trace: Option<Trace>,
}

#[cfg(test)]
mod tests;
