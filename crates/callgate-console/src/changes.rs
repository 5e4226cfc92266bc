//! Changes of the configuration: who did what, and what was there before and after.

mod difference;

use crate::Console;
use crate::api::{Part, Problem, path};
use crate::moment::Moment;
use crate::search::{self, Condition, Qualifier};
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use callgate_control::approvals::visible::visible;
use callgate_control::records::Subject;
use difference::{Field, fields};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// So many changes stand on a page.
const ROWS: &str = "50";

/// So many fields of a change are shown at once; the rest is one click away.
const SHOWN: usize = 4;

const CHANGES: Subject = Subject::Changes;

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/changes", get(list))
}

/// A list of changes: `?q=` is the search, `?cursor=` where to go on.
async fn list(visit: Visit) -> Response {
    let (search, cursor) = (visit.query.text("q"), visit.query.text("cursor"));
    let place = path(&["changes"], &[("q", search), ("limit", ROWS), ("cursor", cursor)]);
    let (rows, older, problem) = match visit.api.get::<Part<Change>>(&place).await {
        Ok(part) => {
            let older = part.next.map(|next| path(&["changes"], &[("q", search), ("cursor", &next)]));
            (part.items.into_iter().map(Row::of).collect(), older, None)
        }
        Err(problem) if problem.code == "CG3190" => (Vec::new(), None, Some(problem)),
        Err(problem) => return shell::failed(&visit, Section::Changes, problem),
    };
    let without = |found: Condition| (path(&["changes"], &[("q", &found.without)]), found);
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = ChangesPage {
        conditions: search::explain(CHANGES, search).into_iter().map(without).collect(),
        qualifiers: search::qualifiers(CHANGES),
        newest: (!cursor.is_empty()).then(|| path(&["changes"], &[("q", search)])),
        is_everything: search.trim().is_empty(),
        shell: Shell::new(&visit, Section::Changes).with(problem),
        search,
        rows,
        older,
    };
    shell::html(status, &page)
}

/// A change, as the API shows it.
#[derive(Deserialize)]
struct Change {
    time: String,
    seq: u64,
    who: String,
    what: String,
    object: String,
    before: Value,
    after: Value,
}

/// A change on the page.
struct Row {
    element: String,
    moment: Moment,
    who: String,
    who_href: String,
    what: String,
    what_href: String,
    object: String,
    object_href: String,
    /// Where the two texts are compared, where there are two.
    difference_href: Option<String>,
    shown: Vec<Field>,
    more: Vec<Field>,
}

impl Row {
    fn of(change: Change) -> Self {
        let only = |key: &str, value: &str| path(&["changes"], &[("q", &search::condition(key, value))]);
        let mut shown = fields(&change.before, &change.after);
        let more = if shown.len() > SHOWN + 2 { shown.split_off(SHOWN) } else { Vec::new() };
        Self {
            element: format!("change-{}", change.seq),
            moment: Moment::of(&change.time),
            who_href: only("who", &change.who),
            what_href: only("what", &change.what),
            object_href: only("object", &change.object),
            difference_href: difference_href(&change),
            who: visible(&change.who),
            what: visible(&change.what),
            object: visible(&change.object),
            shown,
            more,
        }
    }
}

/// The difference between two versions of a policy, for the step from one to the other.
fn difference_href(change: &Change) -> Option<String> {
    let version = |value: &Value| value.get("version").and_then(Value::as_u64).filter(|version| *version > 0);
    let (from, to) = (version(&change.before)?, version(&change.after)?);
    let mut parts = change.object.split('/');
    let (Some("server"), Some(server), Some("policy"), Some(policy), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some(path(
        &["servers", server, "policies", policy, "diff"],
        &[("from", &from.to_string()), ("to", &to.to_string())],
    ))
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage<'v> {
    shell: Shell<'v>,
    search: &'v str,
    conditions: Vec<(String, Condition)>,
    qualifiers: &'static [Qualifier],
    rows: Vec<Row>,
    older: Option<String>,
    newest: Option<String>,
    is_everything: bool,
}

#[cfg(test)]
mod tests;
