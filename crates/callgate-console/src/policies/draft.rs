//! A draft: the text of the editor, perhaps with a click of the builder, and what both views show of it then.

use super::page::{self, Sheet};
use super::parts::{Parts, PartsOf};
use super::tools::Tools;
use super::{Place, read};
use crate::Console;
use crate::builder::{Action, Draft, EntryKey};
use crate::form::Form;
use crate::shell::{self, Section};
use crate::visit::{Posted, Visit};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use std::sync::Arc;

/// What came of a draft.
struct Done {
    text: String,
    parts: Parts,
}

/// Reads a draft, does what was clicked, and shows both.
pub(super) async fn draft(State(console): State<Console>, place: Place, posted: Posted) -> Response {
    let Posted { visit, form } = posted;
    let shown = match read::maybe_shown(&visit, &place).await {
        Ok(shown) => shown,
        Err(problem) => return shell::failed(&visit, Section::Policies, problem),
    };
    let tools = tools(&console, &visit, &place, &form).await;
    let before = shown.as_ref().and_then(|shown| shown.value.document.clone()).unwrap_or_default();
    let newer = newer(&form, shown.as_ref().map(|shown| &shown.value));
    let work = {
        let form = form.clone();
        move || done(form, before, tools)
    };
    let mut done = match console.work.turn(&visit.me.who, work).await {
        Ok(done) => done,
        Err(problem) => return shell::failed(&visit, Section::Policies, problem),
    };
    done.parts.newer = newer;
    if visit.is_part {
        return shell::html(StatusCode::OK, &done.parts);
    }
    let sheet = Sheet { shown, text: done.text, form, said: Vec::new(), refusal: None, problem: None };
    page::render(&console, &visit, &place, sheet, Some(done.parts)).await
}

/// The tools that a policy is looked at with: those of its server, or of the one that is named beside the baseline.
pub(super) async fn tools(console: &Console, visit: &Visit, place: &Place, form: &Form) -> Arc<Tools> {
    let server = place.server.as_deref().or_else(|| form.word("with"));
    let Some(server) = server else { return Arc::default() };
    match console.tools.of(visit, server).await {
        Ok(tools) => tools,
        Err(problem) => {
            Arc::new(Tools { origin: super::tools::Origin::Unknown(crate::seen(problem.detail)), ..Tools::default() })
        }
    }
}

/// The text of a form: browsers write line ends as they like.
pub(super) fn text(form: &Form) -> String {
    form.text("text").replace("\r\n", "\n")
}

fn done(form: Form, before: String, tools: Arc<Tools>) -> Done {
    let text = text(&form);
    let (text, said) = match form.word("do") {
        None => (text, Vec::new()),
        Some(button) => clicked(text, &form, button, &tools),
    };
    let is_new = text != self::text(&form);
    let mut parts = Parts::of(&PartsOf { text: text.clone(), before, form, tools });
    parts.said = said;
    parts.next = is_new.then(|| text.clone());
    Done { text, parts }
}

/// The text after a click, and what there is to say about it.
fn clicked(text: String, form: &Form, button: &str, tools: &Tools) -> (String, Vec<String>) {
    let mut button = Form::parse(button.as_bytes());
    if let Some(field) = button.word("from") {
        // What is done is chosen in another field: for whom.
        button = Form::parse(form.text(field).as_bytes());
    }
    let fields = match button.word("part") {
        Some(part) => form.part(part, &button),
        None => button.clone(),
    };
    let action = match fields.word("pattern_entry") {
        // A pattern is typed without the word that forms put before it.
        Some(pattern) => Action::AddEntry { entry: EntryKey::Tool(pattern.to_owned()) },
        None => match Action::of_form(&fields) {
            Ok(action) => action,
            Err(bad) => return (text, vec![bad.to_string()]),
        },
    };
    applied(text, &action, tools)
}

/// The same for the click itself.
pub(super) fn applied(text: String, action: &Action, tools: &Tools) -> (String, Vec<String>) {
    match Draft::read(&text).apply(action, &tools.facts) {
        Err(refused) => (text, vec![refused.to_string()]),
        Ok(applied) => {
            let said = applied.left.iter().map(|left| format!("{} stays as it is: {}", left.tool, left.why));
            (applied.text, said.collect())
        }
    }
}

/// The version that was published after the draft was begun, and who did.
fn newer(form: &Form, shown: Option<&read::Shown>) -> Option<(i64, i64, String)> {
    let base: i64 = form.word("base")?.parse().ok()?;
    let shown = shown.filter(|shown| shown.version > base)?;
    Some((base, shown.version, shown.by().to_owned()))
}
