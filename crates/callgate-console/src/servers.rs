//! Servers: the list, adding one, its page, its tools and their definitions, its settings.

mod add;
mod ask;
mod definitions;
mod place;
mod settings;
mod show;
#[cfg(test)]
mod tests;
mod tool;
mod tool_path;
mod wire;

use crate::Console;
use crate::api::{Part, path};
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;
use std::collections::HashMap;

pub(crate) use add::of_catalogue;
pub(crate) use ask::{Asked, ask};
pub(crate) use place::{NewServer, pairs};
pub(crate) use tool_path::{ToolPath, tool_segment};
pub(crate) use wire::Server;

/// So many servers stand on one page.
const PER_PAGE: &str = "100";

/// So many entries of the catalogue are looked through for what the tools of servers are like.
const MOST_ENTRIES: usize = 2_000;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/servers", get(list))
        .route("/add/server", get(add::show).post(add::add))
        .route("/servers/{server}", get(show::show))
        .route("/servers/{server}/ask", get(show::asked))
        .route("/servers/{server}/standing", get(show::standing))
        .route("/servers/{server}/settings", get(settings::show).post(settings::save))
        .route("/servers/{server}/credentials", post(settings::credentials))
        .route("/servers/{server}/remove", get(settings::confirm).post(settings::remove))
        .route("/servers/{server}/definitions", get(definitions::show).post(definitions::approve_all))
        .route("/servers/{server}/tools/{tool}", get(tool::show).post(tool::save))
        .route("/servers/{server}/tools/{tool}/approve", post(definitions::approve))
        .route("/servers/{server}/tools/{tool}/forget", post(definitions::forget))
}

/// What the catalogue knows of a server.
#[derive(Deserialize)]
struct Entry {
    name: String,
    grade: Option<String>,
    risk: Option<String>,
    tools: Option<i64>,
}

/// A server in the list.
struct Row {
    server: Server,
    href: String,
    standing: String,
    known: Option<Entry>,
}

/// The servers that the visitor may see.
async fn list(visit: Visit) -> Response {
    let query = [("limit", PER_PAGE), ("cursor", visit.query.text("cursor"))];
    let part: Part<Server> = match visit.api.get(&path(&["servers"], &query)).await {
        Ok(part) => part,
        Err(problem) => return shell::failed(&visit, Section::Servers, problem),
    };
    let own = path(&["catalogue", "servers"], &[("own", "true"), ("origin", "gateway")]);
    // Only beside it: without the catalogue the list is still one.
    let entries: Vec<Entry> = visit.api.all(&own, MOST_ENTRIES).await.unwrap_or_default();
    let mut known: HashMap<String, Entry> = entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let row = |server: Server| Row {
        href: path(&["servers", &server.name], &[]),
        standing: path(&["servers", &server.name, "standing"], &[]),
        known: known.remove(&server.name),
        server,
    };
    let rows = part.items.into_iter().map(row).collect();
    let page = ListPage {
        rows,
        next: part.next.map(|next| path(&["servers"], &[("cursor", &next)])),
        may_not_add: visit.me.may.not("manage_servers", None),
        shell: Shell::new(&visit, Section::Servers),
    };
    shell::html(StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "servers/list.html")]
struct ListPage<'v> {
    shell: Shell<'v>,
    rows: Vec<Row>,
    next: Option<String>,
    may_not_add: Option<String>,
}
