//! Publishing a draft: in force from the next call on, or said why not, with the draft kept.

use super::page::{self, Sheet};
use super::read::{self, Shown};
use super::{Place, draft};
use crate::Console;
use crate::api::{Problem, Revised};
use crate::moment::Moment;
use crate::shell::{self, Section};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

/// Why a draft was not published.
#[derive(Debug)]
pub(super) struct Refusal {
    /// As the API says it.
    pub(super) problem: Problem,
    /// The single problems of the document.
    pub(super) rows: Vec<Flaw>,
    /// What is in force now, where somebody else was faster.
    pub(super) now: Option<Now>,
}

/// A problem of the document as the API says it.
#[derive(Debug, Deserialize)]
pub(super) struct Flaw {
    pub(super) code: String,
    pub(super) severity: String,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) message: String,
    #[serde(default)]
    pub(super) hint: String,
}

/// What somebody else published meanwhile.
#[derive(Debug)]
pub(super) struct Now {
    /// What changed since the draft was begun; none where nothing was published then.
    pub(super) changes: Option<String>,
    pub(super) version: i64,
    pub(super) by: String,
    pub(super) published: Option<Moment>,
    pub(super) revision: String,
}

/// What came of it.
#[derive(Deserialize)]
struct Published {
    changed: bool,
}

pub(super) async fn publish(State(console): State<Console>, place: Place, posted: Posted) -> Response {
    let Posted { visit, form } = posted;
    let text = draft::text(&form);
    // Line ends stay as they were published before, where all were of one kind.
    let document = if form.text("newline") == "crlf" { text.replace('\n', "\r\n") } else { text.clone() };
    // Whoever has seen what was published meanwhile says so with the button.
    let revision = form.word("over").or_else(|| form.word("revision"));
    let body = json!({ "document": document, "file": "policy.json" });
    let done: Result<Published, Problem> =
        visit.api.change(Method::PUT, &place.api(&[], &[]), revision, Some(&body)).await;
    let problem = match done {
        Ok(done) => {
            let word = if done.changed { "published" } else { "same" };
            return lead(&visit, &format!("{}?done={word}", place.href("")));
        }
        Err(problem) => problem,
    };
    let shown = match read::maybe_shown(&visit, &place).await {
        Ok(shown) => shown,
        Err(problem) => return shell::failed(&visit, Section::Policies, problem),
    };
    let refusal = Refusal::of(&place, problem, form.text("base"), shown.as_ref());
    if visit.is_part {
        return shell::html(StatusCode::OK, &RefusedPart { place: &place, refusal: &refusal });
    }
    let sheet = Sheet { shown, text, form, said: Vec::new(), refusal: Some(refusal), problem: None };
    page::render(&console, &visit, &place, sheet, None).await
}

/// To another page, whoever asks.
fn lead(visit: &Visit, page: &str) -> Response {
    if visit.is_part {
        return ([("hx-redirect", page.to_owned())], "").into_response();
    }
    Redirect::to(page).into_response()
}

impl Refusal {
    fn of(place: &Place, mut problem: Problem, base: &str, shown: Option<&Revised<Shown>>) -> Self {
        let rows = std::mem::take(&mut problem.problems).into_iter();
        let rows: Vec<Flaw> = rows.filter_map(|row| serde_json::from_value(row).ok()).collect();
        if !rows.is_empty() {
            // They follow one by one.
            problem.detail = "the policy is not published".to_owned();
        }
        let is_faster = problem.is_stale();
        let base: Option<i64> = base.parse().ok().filter(|base| *base > 0);
        let now = shown.filter(|_| is_faster).map(|shown| Now {
            changes: base.map(|base| place.diff_href(base, shown.value.version)),
            version: shown.value.version,
            by: shown.value.by().to_owned(),
            published: shown.value.published(),
            revision: shown.revision.clone(),
        });
        Self { problem, rows, now }
    }
}

#[derive(Template)]
#[template(path = "policies/refused.html")]
struct RefusedPart<'v> {
    place: &'v Place,
    refusal: &'v Refusal,
}
