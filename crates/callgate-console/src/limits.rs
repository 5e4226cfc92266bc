//! Limits: the live counters, nearest to exhaustion first, and the page on which one is reset.

pub(crate) mod counter;

use crate::Console;
use crate::api::{Part, Problem, path};
use crate::part::servers;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use callgate_control::approvals::visible::visible;
use counter::{Counter, Row};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// So many counters stand on a page.
const ROWS: &str = "100";

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/limits", get(list)).route("/limits/reset", get(ask).post(reset))
}

/// The counters: of a server, of a grant, or all that the visitor may see.
async fn list(visit: Visit) -> Response {
    let (server, grant, cursor) = (visit.query.text("server"), visit.query.text("grant"), visit.query.text("cursor"));
    let wanted = [("server", server), ("grant", grant), ("limit", ROWS), ("cursor", cursor)];
    let part: Part<Counter> = match visit.api.get(&path(&["limits"], &wanted)).await {
        Ok(part) => part,
        Err(problem) => return shell::failed(&visit, Section::Limits, problem),
    };
    let next = part.next.map(|next| path(&["limits"], &[("server", server), ("grant", grant), ("cursor", &next)]));
    let mut rows: Vec<Row> = part.items.into_iter().map(Row::of).collect();
    // The API's order, kept also where several say that they are near.
    rows.sort_by(|a, b| b.share.total_cmp(&a.share));
    let found = Found {
        refresh: path(&["limits"], &[("server", server), ("grant", grant), ("cursor", cursor)]),
        is_everything: server.is_empty() && grant.is_empty(),
        rows,
        next,
    };
    if visit.is_part {
        return shell::html(StatusCode::OK, &FoundPart { found: &found });
    }
    let shown = |name: String| (name.clone(), visible(&name));
    let servers = servers(&visit.api).await.into_iter().map(shown).collect();
    shell::html(
        StatusCode::OK,
        &LimitsPage { server, grant, servers, found, shell: Shell::new(&visit, Section::Limits) },
    )
}

/// Asks whether a counter shall be reset, and why.
async fn ask(visit: Visit) -> Response {
    let query = &visit.query;
    let wish = Wish::of(query.text("server"), query.text("rule"), query.text("grant"));
    asked(&visit, &wish, "", None).await
}

/// Resets a counter.
async fn reset(posted: Posted) -> Response {
    let Posted { visit, form } = posted;
    let wish = Wish::of(form.text("server"), form.text("rule"), form.text("grant"));
    let mut body = json!({ "server": wish.server, "rule": wish.rule, "reason": form.text("reason") });
    if let (false, Some(fields)) = (wish.grant.is_empty(), body.as_object_mut()) {
        fields.insert("grant".to_owned(), wish.grant.as_str().into());
    }
    match visit.api.post::<Value>("/limits/reset", &body).await {
        Ok(_) => {
            let place = path(&["limits"], &[("server", &wish.server), ("grant", &wish.grant), ("done", "reset")]);
            Redirect::to(&place).into_response()
        }
        Err(problem) => asked(&visit, &wish, form.text("reason"), Some(problem)).await,
    }
}

/// Which counter is to be reset.
struct Wish {
    server: String,
    rule: String,
    grant: String,
}

/// Roles for single servers go by identity.
#[derive(Deserialize)]
struct Server {
    uuid: String,
}

impl Wish {
    fn of(server: &str, rule: &str, grant: &str) -> Self {
        let [server, rule, grant] = [server, rule, grant].map(str::to_owned);
        Self { server, rule, grant }
    }
}

async fn asked(visit: &Visit, wish: &Wish, reason: &str, problem: Option<Problem>) -> Response {
    let wanted = [("server", wish.server.as_str()), ("grant", wish.grant.as_str())];
    let counters: Vec<Counter> = match visit.api.all(&path(&["limits"], &wanted), 1_000).await {
        Ok(counters) => counters,
        Err(problem) => return shell::failed(visit, Section::Limits, problem),
    };
    let rows = counters.into_iter().filter(|counter| counter.rule == wish.rule).map(Row::of).collect();
    let server: Option<Server> = visit.api.get(&path(&["servers", &wish.server], &[])).await.ok();
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = ResetPage {
        why_not: visit.me.may.not("edit_policies", server.as_ref().map(|server| server.uuid.as_str())),
        shell: Shell::new(visit, Section::Limits).with(problem),
        rows,
        wish,
        reason,
    };
    shell::html(status, &page)
}

/// The table of the counters.
struct Found {
    rows: Vec<Row>,
    /// Where the same is, newer.
    refresh: String,
    next: Option<String>,
    is_everything: bool,
}

#[derive(Template)]
#[template(path = "limits/list.html")]
struct LimitsPage<'v> {
    shell: Shell<'v>,
    server: &'v str,
    grant: &'v str,
    /// Names, as they are sent and as they are shown.
    servers: Vec<(String, String)>,
    found: Found,
}

#[derive(Template)]
#[template(path = "limits/found.html")]
struct FoundPart<'v> {
    found: &'v Found,
}

#[derive(Template)]
#[template(path = "limits/reset.html")]
struct ResetPage<'v> {
    shell: Shell<'v>,
    wish: &'v Wish,
    rows: Vec<Row>,
    reason: &'v str,
    why_not: Option<String>,
}

#[cfg(test)]
mod tests;
