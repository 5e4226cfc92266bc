//! Decisions: searched, followed as they are made, and one of them in full.
//!
//! ```text
//! row    a decision in a list
//! trace  a decision in full: the rule with its line, the result, the limits, the rules in shadow mode
//! text   the text of a policy, with the line of a rule marked
//! ```

mod row;
mod text;
mod trace;

use crate::Console;
use crate::api::{LAST_EVENT_ID, Part, Problem, path};
use crate::events;
use crate::part::servers;
use crate::search::{self, Condition, Qualifier, Suggestion};
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use callgate_control::records::Subject;
use http::{HeaderMap, StatusCode};
use row::{Decision, Row};

/// So many decisions stand on a page.
const ROWS: &str = "50";

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/decisions", get(list))
        .route("/decisions/events", get(live))
        .route("/decisions/explain", get(explain))
        .route("/decisions/{id}", get(trace::show))
}

/// A list of decisions: `?q=` is the search, `?cursor=` where to go on.
async fn list(visit: Visit) -> Response {
    let search = visit.query.text("q");
    let cursor = visit.query.text("cursor");
    let place = path(&["decisions"], &[("q", search), ("limit", ROWS), ("cursor", cursor)]);
    let (rows, older, problem) = match visit.api.get::<Part<Decision>>(&place).await {
        Ok(part) => {
            let older = part.next.map(|next| path(&["decisions"], &[("q", search), ("cursor", &next)]));
            (part.items.into_iter().map(Row::of).collect(), older, None)
        }
        // What was typed wrongly is shown with what was typed; everything else is a page that failed.
        Err(problem) if problem.code == "CG3190" || problem.code == "CG3051" => (Vec::new(), None, Some(problem)),
        Err(problem) => return shell::failed(&visit, Section::Decisions, problem),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let is_live = problem.is_none() && cursor.is_empty() && search::value_of(DECISIONS, search, "until").is_none();
    let page = ListPage {
        found: Found {
            newest: (!cursor.is_empty()).then(|| path(&["decisions"], &[("q", search)])),
            events: is_live.then(|| path(&["decisions", "events"], &[("q", search)])),
            is_everything: search.trim().is_empty(),
            rows,
            older,
        },
        searching: Searching::of(search, Vec::new()),
        outcomes: choices(
            search,
            "outcome",
            &[("", "all"), ("allow", "allowed"), ("deny", "denied"), ("approve", "asked")],
        ),
        times: choices(
            search,
            "since",
            &[("", "always"), ("1h", "last hour"), ("24h", "last day"), ("7d", "last week")],
        ),
        qualifiers: search::qualifiers(DECISIONS),
        search,
        shell: Shell::new(&visit, Section::Decisions).with(problem),
    };
    match visit.is_part {
        true => shell::html(status, &FoundPart { found: &page.found }),
        false => shell::html(status, &page),
    }
}

const DECISIONS: Subject = Subject::Decisions;

/// The decisions that meet a search, as they are made: each as a row of the table.
async fn live(visit: Visit, headers: HeaderMap) -> Response {
    // What the browser saw last is a row of ours.
    let seen = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()?.strip_prefix(row::ELEMENT));
    let place = path(&["decisions", "events"], &[("q", visit.query.text("q"))]);
    match visit.api.stream_after(&place, seen).await {
        Ok(source) => events::relay(source, async |event| {
            if event.name != "decision" {
                return None;
            }
            let row = Row::of(serde_json::from_str(&event.data).ok()?);
            let html = RowPart { row: &row }.render().ok()?;
            Some(events::part("decision", &row.element, &html))
        }),
        Err(problem) => (problem.status(), problem.detail).into_response(),
    }
}

/// What a search means, and how it could go on: for the field, as it is typed into. Who comes here by the address has
/// the whole page, with the same search.
async fn explain(visit: Visit) -> Response {
    if !visit.is_part {
        return list(visit).await;
    }
    let search = visit.query.text("q");
    let names = servers(&visit.api).await.into_iter().map(|name| ("server", name)).collect::<Vec<_>>();
    shell::html(StatusCode::OK, &SearchingPart { searching: &Searching::of(search, names) })
}

/// What is said about the text in the field for searching.
struct Searching {
    conditions: Vec<(Condition, String)>,
    suggestions: Vec<(Suggestion, String)>,
}

impl Searching {
    fn of(search: &str, names: Vec<(&str, String)>) -> Self {
        let href = |search: &str| path(&["decisions"], &[("q", search)]);
        let conditions = search::explain(DECISIONS, search);
        let suggestions = search::suggest(DECISIONS, search, &names);
        Self {
            conditions: conditions.into_iter().map(|found| (found.clone(), href(&found.without))).collect(),
            suggestions: suggestions.into_iter().map(|found| (found.clone(), href(&found.search))).collect(),
        }
    }
}

/// One of the values that a qualifier can be set to by a click.
struct Choice {
    name: &'static str,
    href: String,
    is_here: bool,
}

fn choices(search: &str, key: &str, values: &[(&str, &'static str)]) -> Vec<Choice> {
    let now = search::value_of(DECISIONS, search, key).unwrap_or_default();
    let choice = |(value, name): &(&str, &'static str)| {
        let href = path(&["decisions"], &[("q", &search::with(DECISIONS, search, key, value))]);
        Choice { name, href, is_here: *value == now }
    };
    values.iter().map(choice).collect()
}

struct Found {
    rows: Vec<Row>,
    /// Where the older ones are.
    older: Option<String>,
    /// Where the newest ones are, where these are not.
    newest: Option<String>,
    /// Where new ones come from.
    events: Option<String>,
    /// Whether nothing was searched for.
    is_everything: bool,
}

#[derive(Template)]
#[template(path = "decisions/list.html")]
struct ListPage<'v> {
    shell: Shell<'v>,
    search: &'v str,
    searching: Searching,
    outcomes: Vec<Choice>,
    times: Vec<Choice>,
    qualifiers: &'static [Qualifier],
    found: Found,
}

#[derive(Template)]
#[template(path = "decisions/found.html")]
struct FoundPart<'v> {
    found: &'v Found,
}

#[derive(Template)]
#[template(path = "decisions/searching.html")]
struct SearchingPart<'v> {
    searching: &'v Searching,
}

#[derive(Template)]
#[template(path = "decisions/row.html")]
struct RowPart<'v> {
    row: &'v Row,
}

#[cfg(test)]
mod tests;
