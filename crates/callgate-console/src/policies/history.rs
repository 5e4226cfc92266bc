//! The versions of a policy, how two of them differ, and the way back to one.

use super::Place;
use super::read::{self, Shown};
use crate::api::Problem;
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// So many versions are listed at most.
const MOST: usize = 1_000;

/// A version as the API lists it.
#[derive(Deserialize)]
struct Version {
    version: i64,
    published: String,
    repeats: Option<i64>,
    by: String,
}

impl Version {
    fn moment(&self) -> Moment {
        Moment::of(&self.published)
    }

    fn by(&self) -> &str {
        self.by.strip_prefix("member:").unwrap_or(&self.by)
    }
}

/// How two versions differ, as the API says.
#[derive(Deserialize)]
struct Compared {
    from: Version,
    to: Version,
    text: String,
    rules: Option<Vec<RuleDifference>>,
}

#[derive(Deserialize)]
struct RuleDifference {
    change: String,
    part: String,
    rule: String,
    effect: String,
    before: Option<Value>,
    before_line: Option<u32>,
    after: Option<Value>,
    after_line: Option<u32>,
}

/// A version on the page.
struct Row {
    number: i64,
    published: Moment,
    repeats: Option<i64>,
    by: String,
    is_current: bool,
}

/// A line of a unified difference.
struct Line {
    class: &'static str,
    text: String,
}

/// Lists the versions.
pub(super) async fn history(visit: Visit, place: Place) -> Response {
    history_page(&visit, &place, None).await
}

async fn history_page(visit: &Visit, place: &Place, refused: Option<Problem>) -> Response {
    let shown = match read::shown(visit, place).await {
        Ok(shown) => shown,
        Err(problem) => return shell::failed(visit, Section::Policies, problem),
    };
    let listed: Vec<Version> = match visit.api.all(&place.api(&["versions"], &[]), MOST).await {
        Ok(listed) => listed,
        Err(problem) => return shell::failed(visit, Section::Policies, problem),
    };
    let current = shown.value.version;
    let row = |version: Version| Row {
        number: version.version,
        published: version.moment(),
        repeats: version.repeats,
        by: version.by().to_owned(),
        is_current: version.version == current,
    };
    let why_not = read::why_not(visit, place, Some(&shown.value)).await;
    let status = refused.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = HistoryPage {
        shell: Shell::new(visit, Section::Policies).with(refused),
        rows: listed.into_iter().map(row).collect(),
        place,
        current,
        why_not,
    };
    shell::html(status, &page)
}

/// Compares two versions: `?from=&to=`, the current one with the one before where they are not named.
pub(super) async fn diff(visit: Visit, place: Place) -> Response {
    let query = [("from", visit.query.text("from")), ("to", visit.query.text("to"))];
    match visit.api.get::<Compared>(&place.api(&["diff"], &query)).await {
        Ok(compared) => {
            let lines = compared.text.lines().map(Line::of).collect();
            let page = DiffPage { shell: Shell::new(&visit, Section::Policies), place: &place, lines, compared };
            shell::html(StatusCode::OK, &page)
        }
        Err(problem) => shell::failed(&visit, Section::Policies, problem),
    }
}

/// Asks before a version is in force again, and says what that changes.
pub(super) async fn ask_roll_back(visit: Visit, place: Place) -> Response {
    let to = visit.query.text("to");
    let shown = match read::shown(&visit, &place).await {
        Ok(shown) => shown,
        Err(problem) => return shell::failed(&visit, Section::Policies, problem),
    };
    let current = shown.value.version.to_string();
    match visit.api.get::<Compared>(&place.api(&["diff"], &[("from", &current), ("to", to)])).await {
        Ok(compared) => {
            let why_not = read::why_not(&visit, &place, Some(&shown.value)).await;
            let lines = compared.text.lines().map(Line::of).collect();
            let page = RollBackPage {
                shell: Shell::new(&visit, Section::Policies),
                place: &place,
                to: compared.to.version,
                current: shown.value.version,
                revision: shown.revision,
                lines,
                compared,
                why_not,
            };
            shell::html(StatusCode::OK, &page)
        }
        Err(problem) => shell::failed(&visit, Section::Policies, problem),
    }
}

/// Puts an earlier version in force again.
pub(super) async fn roll_back(place: Place, posted: Posted) -> Response {
    let Posted { visit, form } = posted;
    let body = json!({ "to": form.text("to").parse::<i64>().ok() });
    let (path, revision) = (place.api(&["rollback"], &[]), form.text("revision"));
    match visit.api.change::<Shown>(http::Method::POST, &path, Some(revision), Some(&body)).await {
        Ok(_) => Redirect::to(&format!("{}?done=rolled-back", place.href(""))).into_response(),
        Err(problem) => history_page(&visit, &place, Some(problem)).await,
    }
}

impl Line {
    fn of(text: &str) -> Self {
        let class = match text.as_bytes().first() {
            _ if text.starts_with("---") || text.starts_with("+++") => "diff-at",
            Some(b'@') => "diff-at",
            Some(b'-') => "diff-old",
            Some(b'+') => "diff-new",
            _ => "diff-same",
        };
        Self { class, text: text.to_owned() }
    }
}

impl RuleDifference {
    /// What it does by itself, as a sentence goes on.
    fn effect(&self) -> &str {
        match self.effect.as_str() {
            "either" => "stricter or looser",
            "none" => "no effect on calls",
            word => word,
        }
    }

    fn texts(&self) -> (String, String) {
        let text = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        (text(&self.before), text(&self.after))
    }
}

#[derive(Template)]
#[template(path = "policies/history.html")]
struct HistoryPage<'v> {
    shell: Shell<'v>,
    place: &'v Place,
    rows: Vec<Row>,
    current: i64,
    why_not: Option<String>,
}

#[derive(Template)]
#[template(path = "policies/diff.html")]
struct DiffPage<'v> {
    shell: Shell<'v>,
    place: &'v Place,
    lines: Vec<Line>,
    compared: Compared,
}

#[derive(Template)]
#[template(path = "policies/rollback.html")]
struct RollBackPage<'v> {
    shell: Shell<'v>,
    place: &'v Place,
    to: i64,
    current: i64,
    revision: String,
    lines: Vec<Line>,
    compared: Compared,
    why_not: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_difference_say_what_became_of_them() {
        let classes = ["--- a", "+++ b", "@@ -1 +1 @@", "-x", "+y", " z", ""].map(|line| Line::of(line).class);
        assert_eq!(classes, ["diff-at", "diff-at", "diff-at", "diff-old", "diff-new", "diff-same", "diff-same"]);
    }
}
