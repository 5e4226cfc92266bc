//! The page of a policy: the builder, the text, what the edit changes, the tests.

use super::parts::{Parts, PartsOf};
use super::publish::Refusal;
use super::read::{self, Shown};
use super::tools::Tools;
use super::{Place, draft, recommended};
use crate::Console;
use crate::api::{Problem, Revised};
use crate::builder::NEW;
use crate::form::Form;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;

/// So many servers can be chosen from, for the tools to look at the baseline with.
const MOST: usize = 1_000;

/// What the page of a policy shows.
pub(super) struct Sheet {
    /// What is in force; none where nothing is published yet.
    pub(super) shown: Option<Revised<Shown>>,
    /// The text, with `\n` as its line ends.
    pub(super) text: String,
    /// What was typed, asked and opened beside it.
    pub(super) form: Form,
    /// What there is to say about the text.
    pub(super) said: Vec<String>,
    /// Why it was not published.
    pub(super) refusal: Option<Refusal>,
    /// What went wrong with what was asked.
    pub(super) problem: Option<Problem>,
}

#[derive(Deserialize)]
struct Server {
    name: String,
}

/// The page, for the first time: the text as it is in force, or `?version=`; with `?recommended` what is recommended put
/// into it. Its parts are asked for by the page itself.
pub(super) async fn show(State(console): State<Console>, place: Place, visit: Visit) -> Response {
    match first(&console, &visit, &place).await {
        Ok(sheet) => render(&console, &visit, &place, sheet, None).await,
        Err(problem) => shell::failed(&visit, Section::Policies, problem),
    }
}

async fn first(console: &Console, visit: &Visit, place: &Place) -> Result<Sheet, Problem> {
    let shown = read::maybe_shown(visit, place).await?;
    let text = match visit.query.word("version") {
        Some(version) => read::version(visit, place, version).await?,
        None => shown.as_ref().and_then(|shown| shown.value.document.clone()).unwrap_or_else(|| NEW.to_owned()),
    };
    let newline = if is_crlf(&text) { "crlf" } else { "" };
    let tool = visit.query.text("tool");
    let open = if tool.is_empty() { String::new() } else { format!("tool:{tool}") };
    let form = Form::of([
        ("newline", newline.to_owned()),
        ("with", visit.query.text("with").to_owned()),
        ("line", visit.query.text("line").to_owned()),
        ("q", tool.to_owned()),
        ("open", open),
    ]);
    let text = text.replace("\r\n", "\n");
    let (text, said) = if visit.query.has("recommended") {
        let tools = draft::tools(console, visit, place, &form).await;
        let is_published = shown.as_ref().is_some_and(|shown| shown.value.document.is_some());
        let begun = recommended::begin(console, &visit.me.who, text, tools, is_published).await;
        let Some(begun) = begun else { return Err(Problem::own("the recommended policy was not made")) };
        begun
    } else {
        (text, Vec::new())
    };
    Ok(Sheet { shown, text, form, said, refusal: None, problem: None })
}

/// Whether every line ends as Windows has it: only then may all of them be written so again.
fn is_crlf(text: &str) -> bool {
    let ends = text.matches('\n').count();
    ends > 0 && ends == text.matches("\r\n").count()
}

/// The page; with the parts of a draft where no script asks for them.
pub(super) async fn render(
    console: &Console,
    visit: &Visit,
    place: &Place,
    sheet: Sheet,
    parts: Option<Parts>,
) -> Response {
    let why_not = read::why_not(visit, place, sheet.shown.as_ref().map(|shown| &shown.value)).await;
    let servers = match &place.server {
        Some(_) => Vec::new(),
        None => visit.api.all::<Server>("/servers", MOST).await.unwrap_or_default(),
    };
    let parts = match parts {
        Some(parts) => Some(parts),
        // What was refused is shown with everything around it: whoever has no script sees it at once.
        None if sheet.refusal.is_some() => parts_of(console, visit, place, &sheet).await,
        None => None,
    };
    let (status, problem) = match (&sheet.refusal, &sheet.problem) {
        (Some(refusal), _) => (refusal.problem.status(), None),
        (None, Some(problem)) => (problem.status(), Some(problem.clone())),
        (None, None) => (StatusCode::OK, None),
    };
    let page = BuildPage {
        shell: Shell::new(visit, Section::Policies).with(problem),
        place,
        text: &sheet.text,
        shown: sheet.shown.as_ref().map(|shown| &shown.value),
        revision: sheet.shown.as_ref().map(|shown| shown.revision.as_str()).unwrap_or_default(),
        form: &sheet.form,
        said: &sheet.said,
        refusal: sheet.refusal.as_ref(),
        servers: servers.into_iter().map(|server| server.name).collect(),
        parts,
        why_not,
    };
    shell::html(status, &page)
}

/// The parts; none where that failed: the page asks for them itself then.
async fn parts_of(console: &Console, visit: &Visit, place: &Place, sheet: &Sheet) -> Option<Parts> {
    let tools: Arc<Tools> = draft::tools(console, visit, place, &sheet.form).await;
    let before = sheet.shown.as_ref().and_then(|shown| shown.value.document.clone()).unwrap_or_default();
    let of = PartsOf { text: sheet.text.clone(), before, form: sheet.form.clone(), tools };
    console.work.run(&visit.me.who, move || Parts::of(&of)).await
}

#[derive(Template)]
#[template(path = "policies/build.html")]
struct BuildPage<'v> {
    shell: Shell<'v>,
    place: &'v Place,
    text: &'v str,
    shown: Option<&'v Shown>,
    revision: &'v str,
    form: &'v Form,
    said: &'v [String],
    refusal: Option<&'v Refusal>,
    servers: Vec<String>,
    parts: Option<Parts>,
    why_not: Option<String>,
}

impl BuildPage<'_> {
    /// The version that the draft began with; 0 where nothing was published.
    fn base(&self) -> String {
        match self.form.word("base") {
            Some(base) => base.to_owned(),
            None => self.shown.map_or(0, |shown| shown.version).to_string(),
        }
    }

    /// The revision that the draft began with.
    fn revision(&self) -> &str {
        if self.form.has("revision") { self.form.text("revision") } else { self.revision }
    }
}
