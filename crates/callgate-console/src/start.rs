//! The first run: a server, its tools, a policy, a grant, a client, the first call. A page for each step.

mod connect;
mod grant;
mod policy;
mod server;
#[cfg(test)]
mod tests;
mod tools;

use crate::Console;
use crate::api::{Part, Problem, path};
use crate::grants::Grant;
use crate::servers::Server;
use crate::shell::{self, Section};
use crate::visit::Visit;
use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/start", get(go_on))
        .route("/start/server", get(server::show).post(server::add))
        .route("/start/{server}/tools", get(tools::show))
        .route("/start/{server}/tools/ask", get(tools::asked))
        .route("/start/{server}/policy", get(policy::show).post(policy::publish))
        .route("/start/{server}/grant", get(grant::show))
        .route("/start/{server}/connect", get(connect::show).post(grant::mint))
        .route("/start/{server}/call", get(connect::call))
}

/// The steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Server,
    Tools,
    Policy,
    Grant,
    Connect,
}

/// A step, as it stands over every page.
pub(crate) struct Mark {
    title: &'static str,
    href: Option<String>,
    is_here: bool,
    is_done: bool,
}

impl Step {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Server, "Server"),
        (Self::Tools, "Tools"),
        (Self::Policy, "Policy"),
        (Self::Grant, "Grant"),
        (Self::Connect, "Connect"),
    ];

    /// Its page; without a server only the first has one.
    fn href(self, server: Option<&str>) -> Option<String> {
        let word = match self {
            Self::Server => return Some("/start/server".to_owned()),
            Self::Tools => "tools",
            Self::Policy => "policy",
            Self::Grant => "grant",
            Self::Connect => "connect",
        };
        server.map(|server| path(&["start", server, word], &[]))
    }

    /// All steps, seen from this one.
    fn marks(self, server: Option<&str>) -> Vec<Mark> {
        let mark = |(step, title): (Self, &'static str)| Mark {
            title,
            // What comes later is reached by what comes before.
            href: step.href(server).filter(|_| step < self),
            is_here: step == self,
            is_done: step < self,
        };
        Self::ALL.map(mark).into_iter().collect()
    }
}

/// To the step where one stopped.
async fn go_on(visit: Visit) -> Response {
    match next(&visit).await {
        Ok(page) => Redirect::to(&page).into_response(),
        Err(problem) => shell::failed(&visit, Section::Overview, problem),
    }
}

/// What is not done yet, of the server that was registered last.
async fn next(visit: &Visit) -> Result<String, Problem> {
    let servers: Vec<Server> = visit.api.all("/servers", 1_000).await?;
    let to = |step: Step, server: Option<&str>| step.href(server).unwrap_or_else(|| "/start/server".to_owned());
    // One that lacks something goes on; where none does, all is done.
    let lacks = |server: &&Server| server.policies.is_empty() || server.grants == 0;
    let Some(server) = servers.iter().find(lacks).or(servers.last()) else { return Ok(to(Step::Server, None)) };
    let step = match server {
        server if server.policies.is_empty() => Step::Tools,
        server if server.grants == 0 => Step::Grant,
        _ => Step::Connect,
    };
    Ok(to(step, Some(&server.name)))
}

/// The server that the steps are about.
async fn of(visit: &Visit, server: &str) -> Result<Server, Problem> {
    visit.api.get(&path(&["servers", server], &[])).await
}

/// The grant that the steps are about: the one that was asked for, else the server's newest live one.
async fn grant_of(visit: &Visit, server: &str, asked: &str) -> Result<Option<Grant>, Problem> {
    if !asked.is_empty() {
        return visit.api.get(&path(&["grants", asked], &[])).await.map(Some);
    }
    let part: Part<Grant> = visit.api.get(&path(&["grants"], &[("server", server), ("limit", "200")])).await?;
    let live = part.items.into_iter().filter(|grant| grant.revoked.is_none());
    Ok(live.max_by(|one, other| one.created.cmp(&other.created)))
}
