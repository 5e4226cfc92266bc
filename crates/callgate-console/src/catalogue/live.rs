//! The catalogue in the console: searched, with a page for each server, tool and attack, and what changed.

mod pages;
mod search;
#[cfg(test)]
mod tests;

use crate::Console;
use axum::Router;
use axum::routing::get;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/catalogue", get(search::show))
        .route("/catalogue/changes", get(search::changes))
        .route("/catalogue/attacks", get(pages::attacks))
        .route("/catalogue/attacks/{attack}", get(pages::attack))
        .route("/catalogue/{entry}", get(pages::server))
        .route("/catalogue/{entry}/tools/{tool}", get(pages::tool))
}
