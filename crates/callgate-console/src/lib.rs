//! The web console: pages over the admin API.
//!
//! A page is a client of the API like any other: what it shows and what it does goes through [`api::Api`], in this
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
mod assets;
pub mod catalogue;
mod form;
mod moment;
mod overview;
mod shell;
mod visit;

use axum::Router;
use axum::middleware::from_fn;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("../assets/style.css");

/// What the pages share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Console {
    /// The admin API.
    api: Router,
}

/// The console, over the router of the admin API. Requests carry the same extensions as those for the API.
pub fn router(api: Router) -> Router {
    Router::new()
        .merge(assets::routes())
        .merge(overview::routes())
        .layer(from_fn(shell::headers))
        .with_state(Console { api })
}
