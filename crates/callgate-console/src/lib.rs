//! The web console: pages over the admin API.
//!
//! A page is a client of the API like any other: what it shows and what it does goes through `Api`, in this
//! process and with the visitor's own session, so the API's authorisation, its errors and its records are the pages',
//! too. Pages are templates (`templates/`, compiled in) over plain structures; everything in them that comes from
//! servers, clients and users is escaped by the templates. They keep to one style sheet (tokens, then a small closed set
//! of components), and have neither inline styles nor inline scripts, so that a strict content security policy holds.
//!
//! ```text
//! request → Visit (who is it? else /sign-in) → page → Api → view → template → Shell::page
//! form    → Visit::posted (the session's token, our own origin: checked by the API) → Api → redirect, or the page again
//! ```

mod api;
mod approvals;
mod assets;
mod builder;
pub mod catalogue;
mod changes;
mod chart;
mod connecting;
mod decisions;
mod events;
#[cfg(test)]
mod fake;
mod figure;
mod form;
mod grants;
mod limits;
mod members;
mod moment;
mod overview;
mod part;
mod policies;
mod search;
mod seen;
mod servers;
mod shell;
mod start;
mod trying;
mod visit;
mod work;

use axum::Router;
use axum::middleware::from_fn;

pub(crate) use seen::seen;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("../assets/style.css");

/// What the pages share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Console {
    /// The admin API.
    api: Router,
    /// What servers told of their tools a moment ago.
    tools: policies::Told,
    /// Where what takes its time is done.
    work: work::Work,
}

/// The console, over the router of the admin API. Requests carry the same extensions as those for the API.
pub fn router(api: Router) -> Router {
    of(Console { api, tools: policies::Told::default(), work: work::Work::default() })
}

fn of(console: Console) -> Router {
    Router::new()
        .merge(assets::routes())
        .merge(overview::routes())
        .merge(decisions::routes())
        .merge(approvals::routes())
        .merge(limits::routes())
        .merge(changes::routes())
        .merge(catalogue::routes())
        .merge(servers::routes())
        .merge(grants::routes())
        .merge(start::routes())
        .merge(members::routes())
        .merge(policies::routes())
        .merge(trying::routes())
        .layer(from_fn(shell::headers))
        .with_state(console)
}
