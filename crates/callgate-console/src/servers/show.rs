//! A server's page: where it is, what its tools are, and what waits to be looked at.

use super::ask::{Asked, ask};
use super::tool_path::tool_segment;
use super::wire::{Definition, Server, Target};
use crate::Console;
use crate::api::{Problem, path};
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use std::collections::HashMap;

/// So many tools of one server are shown.
const MOST_TOOLS: usize = 10_000;

/// A tool, as the catalogue knows it.
#[derive(Deserialize)]
struct Known {
    name: String,
    description: String,
    category: String,
    risk: String,
    labels: Vec<String>,
    findings: usize,
    server: KnownServer,
}

#[derive(Deserialize)]
struct KnownServer {
    id: String,
    name: String,
    grade: Option<String>,
}

/// A tool of the server.
pub(super) struct ToolRow {
    name: String,
    href: String,
    description: String,
    category: String,
    category_is_set: bool,
    risk: String,
    labels: String,
    findings: usize,
    state: &'static str,
    waits: bool,
}

pub(super) async fn show(visit: Visit, Path(server): Path<String>) -> Response {
    let server: Server = match visit.api.get(&path(&["servers", &server], &[])).await {
        Ok(server) => server,
        Err(problem) => return shell::failed(&visit, Section::Servers, problem),
    };
    let (definitions, known) = match tools(&visit, &server.name).await {
        Ok(found) => found,
        Err(problem) => return shell::failed(&visit, Section::Servers, problem),
    };
    let entry = known.first().map(|tool| tool.server.id.clone());
    let grade = known.first().and_then(|tool| tool.server.grade.clone());
    let rows = rows(&server.name, definitions, known);
    let of = |rest: &[&str]| path(&[&["servers", &server.name], rest].concat(), &[]);
    let page = ShowPage {
        waiting: rows.iter().filter(|row| row.waits).count(),
        asked: of(&["ask"]),
        standing: of(&["standing"]),
        settings: of(&["settings"]),
        definitions: of(&["definitions"]),
        policy: of(&["policies", "default"]),
        policies: server.policies.iter().map(|name| (of(&["policies", name]), name.clone())).collect(),
        grants: path(&["grants"], &[("server", &server.name)]),
        mint: path(&["grants", "mint"], &[("server", &server.name)]),
        decisions: path(&["decisions"], &[("q", &format!("server:{}", server.name))]),
        catalogue: entry.map(|entry| path(&["catalogue", &entry], &[])),
        shell: Shell::new(&visit, Section::Servers),
        grade,
        rows,
        server: &server,
    };
    shell::html(StatusCode::OK, &page)
}

/// Its tools, asked of it right now: a part of its page.
pub(super) async fn asked(State(console): State<Console>, visit: Visit, Path(server): Path<String>) -> Response {
    let (asked, problem) = match ask(&console, &visit, &server).await {
        Ok(asked) => (Some(asked), None),
        Err(problem) => (None, Some(problem)),
    };
    let again = path(&["servers", &server, "ask"], &[]);
    if visit.is_part {
        return shell::html(StatusCode::OK, &AskedPart { asked, problem, again });
    }
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let shell = Shell::new(&visit, Section::Servers);
    let back = path(&["servers", &server], &[]);
    shell::html(status, &AskedPage { shell, server: &server, back, list: AskedPart { asked, problem, again } })
}

/// How a server does, and what waits to be looked at: a part of the list, or a page of its own.
pub(super) async fn standing(visit: Visit, Path(server): Path<String>) -> Response {
    // A gateway that does not tell has nothing to show here.
    let health: Option<Health> = visit.api.get(&path(&["servers", &server, "health"], &[])).await.ok();
    let definitions = path(&["servers", &server, "definitions"], &[]);
    let rows: Vec<Definition> = visit.api.all(&definitions, MOST_TOOLS).await.unwrap_or_default();
    let waiting = rows.iter().filter(|row| row.waits()).count();
    let riskiest = riskiest(&rows).map(|row| row.tool.clone());
    let standing = Standing { health, waiting, definitions, riskiest };
    if visit.is_part {
        return shell::html(StatusCode::OK, &StandingPart { standing });
    }
    let shell = Shell::new(&visit, Section::Servers);
    let back = path(&["servers", &server], &[]);
    shell::html(StatusCode::OK, &StandingPage { shell, server: &server, back, standing })
}

/// What is pinned, and what the catalogue knows; the catalogue is only beside it.
async fn tools(visit: &Visit, server: &str) -> Result<(Vec<Definition>, Vec<Known>), Problem> {
    let definitions = visit.api.all(&path(&["servers", server, "definitions"], &[]), MOST_TOOLS).await?;
    let known = path(&["catalogue", "tools"], &[("server", server), ("own", "true"), ("origin", "gateway")]);
    let known: Vec<Known> = visit.api.all(&known, MOST_TOOLS).await.unwrap_or_default();
    // The name of a server elsewhere in the catalogue is not this server.
    let known = known.into_iter().filter(|tool| tool.server.name == server).collect();
    Ok((definitions, known))
}

/// One row a tool, the riskiest first, what waits before all others.
fn rows(server: &str, definitions: Vec<Definition>, known: Vec<Known>) -> Vec<ToolRow> {
    let mut by_name: HashMap<String, Known> = known.into_iter().map(|tool| (tool.name.clone(), tool)).collect();
    let href = |tool: &str| path(&["servers", server, "tools", &tool_segment(tool)], &[]);
    let mut rows: Vec<ToolRow> = definitions
        .into_iter()
        .map(|definition| {
            let description = by_name.remove(&definition.tool).map(|known| known.description).unwrap_or_default();
            ToolRow {
                href: href(&definition.tool),
                description: crate::catalogue::beginning(&description),
                state: definition.state_words(),
                waits: definition.waits(),
                category: definition.category.unwrap_or_default(),
                category_is_set: definition.category_is_set,
                risk: definition.risk.unwrap_or_default(),
                labels: definition.labels.join(", "),
                findings: definition.findings,
                name: definition.tool,
            }
        })
        .collect();
    rows.extend(by_name.into_values().map(|known| ToolRow {
        href: href(&known.name),
        description: crate::catalogue::beginning(&known.description),
        state: "listed, not called yet",
        waits: false,
        category: known.category,
        category_is_set: false,
        risk: known.risk,
        labels: known.labels.join(", "),
        findings: known.findings,
        name: known.name,
    }));
    rows.sort_by(|one, other| {
        let key = |row: &ToolRow| (!row.waits, std::cmp::Reverse(level(&row.risk)));
        key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
    });
    rows
}

fn riskiest(rows: &[Definition]) -> Option<&Definition> {
    rows.iter().filter(|row| row.risk.is_some()).max_by_key(|row| level(row.risk.as_deref().unwrap_or_default()))
}

/// The order of risks.
fn level(risk: &str) -> u8 {
    match risk {
        "critical" => 4,
        "high" => 3,
        "medium" => 2,
        "low" => 1,
        _ => 0,
    }
}

/// What the data plane knows of a server (`GET /servers/{server}/health`).
#[derive(Deserialize)]
struct Health {
    state: String,
    #[serde(default)]
    breaker: String,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    last_error: Option<LastError>,
    #[serde(default)]
    in_flight: u64,
    #[serde(default)]
    sessions: u64,
    #[serde(default)]
    processes: u64,
}

#[derive(Deserialize)]
struct LastError {
    at: String,
    what: String,
}

/// How a server does, and what waits to be looked at.
struct Standing {
    health: Option<Health>,
    waiting: usize,
    definitions: String,
    riskiest: Option<String>,
}

impl Health {
    /// How it does, and the class of the word.
    fn word(&self) -> (&'static str, &'static str) {
        match (self.breaker.as_str(), self.state.as_str()) {
            ("open", _) => ("not asked: it could not be reached", "risk-critical"),
            ("half_open", _) => ("tried again", "risk-medium"),
            (_, "ok") => ("answers", "risk-low"),
            (_, "failing") => ("can't be reached", "risk-high"),
            _ => ("not called yet", "plain"),
        }
    }

    fn moment(&self) -> Option<Moment> {
        Moment::maybe(self.since.as_deref())
    }

    /// What went wrong last, while it goes wrong.
    fn error(&self) -> Option<(Moment, &str)> {
        let error = self.last_error.as_ref().filter(|_| self.state != "ok")?;
        Some((Moment::of(&error.at), &error.what))
    }

    /// What is open with it.
    fn load(&self) -> String {
        let counts = [(self.in_flight, "in flight"), (self.sessions, "sessions"), (self.processes, "processes")];
        let some = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        some.collect::<Vec<_>>().join(", ")
    }
}

#[derive(Template)]
#[template(path = "servers/show.html")]
struct ShowPage<'v> {
    shell: Shell<'v>,
    server: &'v Server,
    rows: Vec<ToolRow>,
    waiting: usize,
    grade: Option<String>,
    asked: String,
    standing: String,
    settings: String,
    definitions: String,
    policy: String,
    policies: Vec<(String, String)>,
    grants: String,
    mint: String,
    decisions: String,
    catalogue: Option<String>,
}

#[derive(Template)]
#[template(path = "servers/asked_page.html")]
struct AskedPage<'v> {
    shell: Shell<'v>,
    server: &'v str,
    back: String,
    list: AskedPart,
}

#[derive(Template)]
#[template(path = "servers/asked.html")]
struct AskedPart {
    asked: Option<Asked>,
    problem: Option<Problem>,
    again: String,
}

#[derive(Template)]
#[template(path = "servers/standing_page.html")]
struct StandingPage<'v> {
    shell: Shell<'v>,
    server: &'v str,
    back: String,
    standing: Standing,
}

#[derive(Template)]
#[template(path = "servers/standing.html")]
struct StandingPart {
    standing: Standing,
}
