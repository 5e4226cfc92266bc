//! A server, a tool, an attack of the catalogue: the published pages, in the console's frame.

use super::super::document::{Judged, Providers, ServerDocument};
use super::super::site::Site;
use super::super::view::{AttackView, ServerView, ToolRow, ToolView};
use crate::Console;
use crate::api::{Part, Problem, path};
use crate::servers::ToolPath;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use callgate_catalog::Attack;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

/// So many related tools, and servers with a tool of the same name, are asked for.
const RELATED: &str = "11";

/// A tool, as the API tells of it.
#[derive(Deserialize)]
struct ToolDetails {
    server: ServerRef,
    category: String,
    definition: Box<RawValue>,
}

#[derive(Deserialize)]
struct ServerRef {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    category: String,
    risk: String,
    server: ServerRef,
}

/// What can be done with a server of the catalogue.
struct Ways {
    /// Its page, where it is registered.
    registered: Option<String>,
    /// Where its recommended policy is published.
    policy: Option<String>,
    /// Where it is registered.
    add: Option<String>,
}

pub(super) async fn server(State(console): State<Console>, visit: Visit, Path(entry): Path<String>) -> Response {
    let document: ServerDocument = match visit.api.get(&path(&["catalogue", "servers", &entry], &[])).await {
        Ok(document) => document,
        Err(problem) => return shell::failed(&visit, Section::Catalogue, problem),
    };
    let ways = Ways::of(&document);
    let changes = path(&["catalogue", "changes"], &[("server", &document.id)]);
    // All its tools are judged: with many that takes its time.
    let judge = move || Judged::of(&document).map(|judged| ServerView::of(&judged, Site::Console));
    let server = match console.work.turn(&visit.me.who, judge).await {
        Ok(Ok(server)) => server,
        Ok(Err(unreadable)) => return shell::failed(&visit, Section::Catalogue, Problem::own(&unreadable.to_string())),
        Err(problem) => return shell::failed(&visit, Section::Catalogue, problem),
    };
    let shell = Shell::new(&visit, Section::Catalogue);
    shell::html(StatusCode::OK, &ServerPage { shell, server: &server, ways, changes })
}

pub(super) async fn tool(visit: Visit, ToolPath(entry, tool): ToolPath) -> Response {
    let details: ToolDetails = match visit.api.get(&path(&["catalogue", "servers", &entry, "tools", &tool], &[])).await
    {
        Ok(details) => details,
        Err(problem) => return shell::failed(&visit, Section::Catalogue, problem),
    };
    let server = details.server;
    let query = [("server", server.id.as_str()), ("category", details.category.as_str()), ("limit", RELATED)];
    let words = format!("\"{tool}\"");
    let same_name = [("q", if tool.contains('"') { tool.as_str() } else { words.as_str() }), ("limit", "50")];
    // Both are only beside it: what can't be had is left out.
    let related = listed(&visit, &query).await;
    let same = listed(&visit, &same_name).await;
    let mut providers = Providers::default();
    same.iter().filter(|row| row.name == tool).for_each(|row| providers.add(&tool, &row.server.id, &row.server.name));
    let document = ServerDocument::of_tool(server.id, server.name, details.definition);
    let judged = match Judged::of(&document) {
        Ok(judged) => judged,
        Err(unreadable) => return shell::failed(&visit, Section::Catalogue, Problem::own(&unreadable.to_string())),
    };
    let Some(mut view) = ToolView::of(&judged, 0, &providers, Site::Console) else {
        return shell::failed(&visit, Section::Catalogue, Problem::own("the definition has no tool"));
    };
    let others = related.into_iter().filter(|row| row.name != tool).take(10);
    view.related = others.map(|row| ToolRow::related(row.name, &row.category, &row.risk, &document.id)).collect();
    let back = Site::Console.server(&document.id);
    let shell = Shell::new(&visit, Section::Catalogue);
    let name = Site::Console.text(&document.name);
    let server = ServerName { name: &name, title: &name };
    shell::html(StatusCode::OK, &ToolPage { shell, server, tool: &view, back })
}

pub(super) async fn attacks(visit: Visit) -> Response {
    let shell = Shell::new(&visit, Section::Catalogue);
    shell::html(StatusCode::OK, &AttacksPage { shell, attacks: callgate_catalog::attacks() })
}

pub(super) async fn attack(visit: Visit, Path(id): Path<String>) -> Response {
    let Some(attack) = callgate_catalog::attack(&id) else {
        let problem =
            Problem::missing("there is no attack of this name", "the list of attacks has those that are known");
        return shell::failed(&visit, Section::Catalogue, problem);
    };
    let shell = Shell::new(&visit, Section::Catalogue);
    shell::html(StatusCode::OK, &AttackPage { shell, view: AttackView::of(attack) })
}

async fn listed(visit: &Visit, query: &[(&str, &str)]) -> Vec<Listed> {
    let part: Result<Part<Listed>, Problem> = visit.api.get(&path(&["catalogue", "tools"], query)).await;
    part.map(|part| part.items).unwrap_or_default()
}

impl Ways {
    fn of(document: &ServerDocument) -> Self {
        let fronted = document.own && document.origin == "gateway";
        let has_tools = document.tools.is_some_and(|tools| tools > 0);
        let policy = path(&["servers", &document.name, "policies", "default"], &[]);
        let anywhere =
            |key: &str| document.about.get(key).and_then(|list| list.as_array()).is_some_and(|list| !list.is_empty());
        let can_be_added = !fronted && (anywhere("remotes") || anywhere("packages"));
        Self {
            registered: fronted.then(|| path(&["servers", &document.name], &[])),
            policy: (fronted && has_tools).then(|| format!("{policy}?recommended")),
            add: can_be_added.then(|| path(&["add", "server"], &[("entry", &document.id)])),
        }
    }
}

/// A server, as far as the page of a tool names it.
struct ServerName<'v> {
    name: &'v str,
    title: &'v str,
}

#[derive(Template)]
#[template(path = "catalogue/live_server.html")]
struct ServerPage<'v> {
    shell: Shell<'v>,
    server: &'v ServerView,
    ways: Ways,
    changes: String,
}

#[derive(Template)]
#[template(path = "catalogue/live_tool.html")]
struct ToolPage<'v> {
    shell: Shell<'v>,
    server: ServerName<'v>,
    tool: &'v ToolView,
    back: String,
}

#[derive(Template)]
#[template(path = "catalogue/live_attacks.html")]
struct AttacksPage<'v> {
    shell: Shell<'v>,
    attacks: &'static [Attack],
}

impl AttacksPage<'_> {
    fn attack(&self, id: &str) -> String {
        Site::Console.attack(id)
    }
}

#[derive(Template)]
#[template(path = "catalogue/live_attack.html")]
struct AttackPage<'v> {
    shell: Shell<'v>,
    view: AttackView,
}
