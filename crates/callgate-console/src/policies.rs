//! The pages of policies: the list, the builder beside the text, publishing, the history.
//!
//! The draft lives in the page: every request brings its whole text along, and what comes back is made from that text
//! alone ([`crate::builder`]), beside what is in force.

mod draft;
mod history;
mod list;
mod page;
mod parts;
mod place;
mod publish;
mod read;
mod recommended;
mod sections;
mod tools;
mod widgets;

pub(crate) use place::Place;
pub(crate) use tools::{Told, Tools};

use crate::Console;
use axum::Router;
use axum::routing::{get, post};

/// Where the pages of a policy are: of one of a server, and of the baseline.
const BASES: [&str; 2] = ["/servers/{server}/policies/{policy}", "/baseline"];

pub(crate) fn routes() -> Router<Console> {
    BASES.into_iter().fold(list::routes(), |router, base| {
        router
            .route(base, get(page::show))
            .route(&format!("{base}/draft"), post(draft::draft))
            .route(&format!("{base}/publish"), post(publish::publish))
            .route(&format!("{base}/history"), get(history::history))
            .route(&format!("{base}/diff"), get(history::diff))
            .route(&format!("{base}/rollback"), get(history::ask_roll_back).post(history::roll_back))
    })
}

#[cfg(test)]
pub(crate) mod tests;
