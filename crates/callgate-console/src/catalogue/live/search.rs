//! Searching the catalogue, and its feed of changes.

use crate::api::{Part, path};
use crate::form::Form;
use crate::moment::Moment;
use crate::servers::tool_segment;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// So many entries stand on one page.
const PER_PAGE: &str = "50";

/// What can be chosen, each with its words: what the API's filters take.
const FACETS: [(&str, &str, &[&str]); 5] = [
    ("category", "Does", &["read", "write", "execute", "destructive", "financial"]),
    ("risk", "Risk", &["low", "medium", "high", "critical"]),
    ("label", "Label", &["reads_untrusted", "reads_private", "egress", "credentials", "free_form_code", "bulk"]),
    ("grade", "Grade", &["A", "B", "C", "D", "F"]),
    (
        "finding",
        "Finding",
        &[
            "hidden_instruction",
            "invisible_character",
            "bidi_control",
            "cross_tool_reference",
            "secret_requested",
            "exfiltration",
            "look_alike",
            "unlistable_name",
        ],
    ),
];

/// A facet, with what is chosen.
struct Facet<'v> {
    name: &'static str,
    title: &'static str,
    words: &'static [&'static str],
    chosen: &'v str,
}

#[derive(Deserialize)]
struct ServerRow {
    id: String,
    name: String,
    title: String,
    description: String,
    grade: Option<String>,
    risk: Option<String>,
    tools: Option<i64>,
    own: bool,
}

#[derive(Deserialize)]
struct ToolRow {
    name: String,
    description: String,
    category: String,
    risk: String,
    labels: Vec<String>,
    findings: usize,
    server: ServerRef,
}

#[derive(Deserialize)]
struct ServerRef {
    id: String,
    name: String,
    grade: Option<String>,
}

#[derive(Deserialize)]
struct ChangeRow {
    at: String,
    server: String,
    server_id: String,
    tool: Option<String>,
    what: String,
    #[serde(default)]
    details: Value,
}

/// A change, as it is shown.
struct Told {
    at: Moment,
    what: String,
    server: String,
    href: String,
    tool: Option<(String, String)>,
    details: String,
}

/// The search, and what it finds.
pub(super) async fn show(visit: Visit) -> Response {
    let tools = visit.query.text("kind") == "tools";
    let cursor = visit.query.text("cursor");
    let mut query = vec![("q", visit.query.text("q").trim()), ("limit", PER_PAGE), ("cursor", cursor)];
    let facets: Vec<Facet<'_>> = FACETS.iter().map(|facet| Facet::of(facet, &visit.query)).collect();
    query.extend(facets.iter().map(|facet| (facet.name, facet.chosen)));
    if visit.query.has("own") {
        query.push(("own", "true"));
    }
    let (mut found_servers, mut found_tools, next);
    if tools {
        let part: Part<ToolRow> = match visit.api.get(&path(&["catalogue", "tools"], &query)).await {
            Ok(part) => part,
            Err(problem) => return shell::failed(&visit, Section::Catalogue, problem),
        };
        (found_servers, found_tools, next) = (Vec::new(), part.items, part.next);
    } else {
        let part: Part<ServerRow> = match visit.api.get(&path(&["catalogue", "servers"], &query)).await {
            Ok(part) => part,
            Err(problem) => return shell::failed(&visit, Section::Catalogue, problem),
        };
        (found_servers, found_tools, next) = (part.items, Vec::new(), part.next);
    }
    found_servers.iter_mut().for_each(|server| server.description = super::super::view::short(&server.description));
    found_tools.iter_mut().for_each(|tool| tool.description = super::super::view::short(&tool.description));
    let next = next.map(|next| more(&visit.query, &next));
    let filtered = facets.iter().any(|facet| !facet.chosen.is_empty()) || visit.query.word("q").is_some();
    let found = Found { servers: found_servers, tools: found_tools, next, by_tool: tools, filtered };
    if visit.is_part {
        return shell::html(StatusCode::OK, &found);
    }
    let shell = Shell::new(&visit, Section::Catalogue);
    let page = SearchPage { shell, q: visit.query.text("q"), own: visit.query.has("own"), facets, found };
    shell::html(StatusCode::OK, &page)
}

/// What was new, changed and removed.
pub(super) async fn changes(visit: Visit) -> Response {
    let query = [
        ("server", visit.query.text("server").trim()),
        ("since", visit.query.text("since").trim()),
        ("limit", PER_PAGE),
        ("cursor", visit.query.text("cursor")),
    ];
    let part: Part<ChangeRow> = match visit.api.get(&path(&["catalogue", "changes"], &query)).await {
        Ok(part) => part,
        Err(problem) => return shell::failed(&visit, Section::Catalogue, problem),
    };
    let [(_, server), (_, since), ..] = query;
    let pairs =
        |cursor: &str| path(&["catalogue", "changes"], &[("server", server), ("since", since), ("cursor", cursor)]);
    let page = ChangesPage {
        shell: Shell::new(&visit, Section::Catalogue),
        rows: part.items.into_iter().map(Told::of).collect(),
        next: part.next.as_deref().map(pairs),
        server,
        since,
    };
    shell::html(StatusCode::OK, &page)
}

impl<'v> Facet<'v> {
    fn of(&(name, title, words): &(&'static str, &'static str, &'static [&'static str]), query: &'v Form) -> Self {
        let asked = query.text(name);
        // Only what can be chosen: the list would not show another one.
        let chosen = if words.contains(&asked) { asked } else { "" };
        Self { name, title, words, chosen }
    }
}

impl ServerRow {
    fn href(&self) -> String {
        path(&["catalogue", &self.id], &[])
    }

    fn shown(&self) -> &str {
        if self.title.trim().is_empty() { &self.name } else { &self.title }
    }
}

impl ToolRow {
    fn href(&self) -> String {
        path(&["catalogue", &self.server.id, "tools", &tool_segment(&self.name)], &[])
    }

    fn server_href(&self) -> String {
        path(&["catalogue", &self.server.id], &[])
    }
}

impl Told {
    fn of(row: ChangeRow) -> Self {
        let tool =
            row.tool.map(|tool| (path(&["catalogue", &row.server_id, "tools", &tool_segment(&tool)], &[]), tool));
        let details = row.details.as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let details: Vec<String> = details.map(|(name, value)| format!("{name}: {}", text(value))).collect();
        Self {
            at: Moment::of(&row.at),
            what: row.what,
            href: path(&["catalogue", &row.server_id], &[]),
            server: row.server,
            tool,
            details: details.join(", "),
        }
    }
}

/// The next part of the same search.
fn more(query: &Form, cursor: &str) -> String {
    let names = ["kind", "q", "category", "risk", "label", "grade", "finding", "own"];
    let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (*name, query.text(name))).collect();
    pairs.push(("cursor", cursor));
    path(&["catalogue"], &pairs)
}

/// What was found: the part that changes as one types.
#[derive(Template)]
#[template(path = "catalogue/found.html")]
struct Found {
    servers: Vec<ServerRow>,
    tools: Vec<ToolRow>,
    next: Option<String>,
    by_tool: bool,
    filtered: bool,
}

#[derive(Template)]
#[template(path = "catalogue/search.html")]
struct SearchPage<'v> {
    shell: Shell<'v>,
    q: &'v str,
    own: bool,
    facets: Vec<Facet<'v>>,
    found: Found,
}

#[derive(Template)]
#[template(path = "catalogue/changes.html")]
struct ChangesPage<'v> {
    shell: Shell<'v>,
    rows: Vec<Told>,
    next: Option<String>,
    server: &'v str,
    since: &'v str,
}
