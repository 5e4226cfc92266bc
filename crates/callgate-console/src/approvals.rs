//! The inbox: calls that wait for a person's yes, live, and what became of the others.
//!
//! Looking at it answers nothing; a form does, with the session's token in it. The page of one question (`/approvals/{id}`)
//! stands beside it: messages lead there, and a yes that stays is given there.

pub(crate) mod ask;

use crate::Console;
use crate::api::{Api, Part, Problem, path};
use crate::events::{self, Event};
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use ask::{Ask, Over, Question};
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// So many questions are shown that wait, and so many that are over.
const WAITING: usize = 100;
const OVER: &str = "30";

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/approvals", get(inbox).post(answer)).route("/approvals/events", get(live))
}

async fn inbox(visit: Visit) -> Response {
    page(&visit, None).await
}

async fn page(visit: &Visit, problem: Option<Problem>) -> Response {
    let cursor = visit.query.text("cursor");
    let waiting = match waiting(visit).await {
        Ok(waiting) => waiting,
        Err(problem) => return shell::failed(visit, Section::Approvals, problem),
    };
    let over = visit.api.get::<Part<Question>>(&path(&["approvals"], &[("limit", OVER), ("cursor", cursor)])).await;
    let (over, older) = match over {
        Ok(part) => {
            let older = part.next.map(|next| path(&["approvals"], &[("cursor", &next)]));
            (part.items.iter().filter(|question| question.state != "pending").map(Over::of).collect(), older)
        }
        Err(problem) => return shell::failed(visit, Section::Approvals, problem),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let shell = Shell::new(visit, Section::Approvals).with(problem);
    shell::html(status, &InboxPage { csrf: visit.csrf(), waiting, over, older, shell })
}

/// What waits, oldest first: new ones come to the end, so that nothing moves under a finger.
async fn waiting(visit: &Visit) -> Result<Vec<Ask>, Problem> {
    let listed: Vec<Question> = visit.api.all("/approvals?state=pending", WAITING).await?;
    let mut asks = Vec::with_capacity(listed.len());
    for question in listed.into_iter().rev() {
        // The list has no arguments. One that was answered meanwhile waits no longer.
        let question = one(&visit.api, &question.id).await.unwrap_or(question);
        if question.state == "pending" {
            asks.push(Ask::of(&question, visit.me.may.not("decide_approvals", Some(&question.server_id))));
        }
    }
    Ok(asks)
}

async fn one(api: &Api, id: &str) -> Result<Question, Problem> {
    api.get(&path(&["approvals", id], &[])).await
}

/// Says yes or no.
async fn answer(posted: Posted) -> Response {
    let Posted { visit, form } = posted;
    let (id, reason) = (form.text("id"), form.text("reason"));
    let (verb, done) = match form.text("answer") {
        "approve" => ("approve", "approved"),
        "deny" => ("deny", "denied"),
        _ => {
            let problem = Problem { status: 422, ..Problem::own("the form says neither yes nor no") };
            return page(&visit, Some(problem)).await;
        }
    };
    let place = path(&["approvals", id, verb], &[]);
    let answered = visit.api.post::<Question>(&place, &json!({ "reason": reason })).await;
    match (answered, visit.is_part) {
        (Ok(question), true) => {
            shell::html(StatusCode::OK, &OverPart { over: &Over::of(&question), is_out_of_band: false })
        }
        (Ok(_), false) => Redirect::to(&path(&["approvals"], &[("done", done)])).into_response(),
        (Err(problem), true) => refused(&visit, id, reason, problem).await,
        (Err(problem), false) => page(&visit, Some(problem)).await,
    }
}

/// The question as it stands, with why the answer did not count. Always 200: htmx puts nothing else into the page.
async fn refused(visit: &Visit, id: &str, reason: &str, problem: Problem) -> Response {
    match one(&visit.api, id).await {
        Ok(question) if question.state == "pending" => {
            let mut ask = Ask::of(&question, visit.me.may.not("decide_approvals", Some(&question.server_id)));
            ask.reason = reason.to_owned();
            ask.problem = Some(problem);
            shell::html(StatusCode::OK, &AskPart { ask: &ask, csrf: visit.csrf() })
        }
        Ok(question) => shell::html(StatusCode::OK, &OverPart { over: &Over::of(&question), is_out_of_band: false }),
        Err(_) => shell::html(StatusCode::OK, &ProblemPart { problem: &problem }),
    }
}

/// What happens to questions: each that is asked (`asked`), and each that is over (`over`, in place of what stands there).
async fn live(visit: Visit) -> Response {
    let source = match visit.api.stream("/approvals/events").await {
        Ok(source) => source,
        Err(problem) => return (problem.status(), problem.detail).into_response(),
    };
    let visit = Arc::new(visit);
    events::relay(source, move |event| {
        let visit = visit.clone();
        async move { happened(&visit, &event).await }
    })
}

async fn happened(visit: &Visit, event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        id: String,
    }
    let told: Told = serde_json::from_str(&event.data).ok()?;
    let question = one(&visit.api, &told.id).await.ok()?;
    if question.state == "pending" {
        let ask = Ask::of(&question, visit.me.may.not("decide_approvals", Some(&question.server_id)));
        let html = AskPart { ask: &ask, csrf: visit.csrf() }.render().ok()?;
        return Some(events::part("asked", &ask.element, &html));
    }
    let over = Over::of(&question);
    let html = OverPart { over: &over, is_out_of_band: true }.render().ok()?;
    Some(events::part("over", &over.element, &html))
}

#[derive(Template)]
#[template(path = "approvals/inbox.html")]
struct InboxPage<'v> {
    shell: Shell<'v>,
    csrf: &'v str,
    waiting: Vec<Ask>,
    over: Vec<Over>,
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "approvals/ask.html")]
struct AskPart<'v> {
    ask: &'v Ask,
    csrf: &'v str,
}

#[derive(Template)]
#[template(path = "approvals/over.html")]
struct OverPart<'v> {
    over: &'v Over,
    is_out_of_band: bool,
}

#[derive(Template)]
#[template(source = "{% import \"components.html\" as part %}{{ part::problem(problem) }}", ext = "html")]
struct ProblemPart<'v> {
    problem: &'v Problem,
}

#[cfg(test)]
mod tests;
