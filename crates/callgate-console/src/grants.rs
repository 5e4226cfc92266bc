//! Grants: the list, minting one, its page, a new token, its end.

mod edit;
mod fields;
mod mint;
mod show;
#[cfg(test)]
mod tests;

use crate::Console;
use crate::api::{Part, path};
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(crate) use fields::{Minted, Token, expiry};

/// So many grants stand on one page.
const PER_PAGE: &str = "100";

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/grants", get(list))
        .route("/grants/mint", get(mint::show).post(mint::mint))
        .route("/grants/{grant}", get(show::show).post(edit::save))
        .route("/grants/{grant}/policy", post(edit::policy))
        .route("/grants/{grant}/rotate", post(edit::rotate))
        .route("/grants/{grant}/revoke", get(show::confirm).post(edit::revoke))
}

/// A grant.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) server: String,
    pub(crate) label: String,
    #[serde(default)]
    pub(crate) policy: Option<String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) expires: Option<String>,
    #[serde(default)]
    pub(crate) last_used: Option<String>,
    #[serde(default)]
    pub(crate) previous_until: Option<String>,
    #[serde(default)]
    pub(crate) revoked: Option<String>,
    pub(crate) declared: bool,
}

impl Grant {
    /// Where its page is.
    pub(crate) fn href(&self) -> String {
        path(&["grants", &self.id], &[])
    }

    fn made(&self) -> Moment {
        Moment::of(&self.created)
    }

    fn used(&self) -> Option<Moment> {
        Moment::maybe(self.last_used.as_deref())
    }

    fn ends(&self) -> Option<Moment> {
        Moment::maybe(self.expires.as_deref())
    }

    fn over(&self) -> Option<Moment> {
        Moment::maybe(self.revoked.as_deref())
    }

    fn overlap(&self) -> Option<Moment> {
        Moment::maybe(self.previous_until.as_deref())
    }

    /// Whether it ended by itself.
    fn is_expired(&self) -> bool {
        let moment = self.expires.as_deref().and_then(|moment| moment.parse::<jiff::Timestamp>().ok());
        moment.is_some_and(|moment| moment <= jiff::Timestamp::now())
    }

    /// The tags in one line.
    fn tag_line(&self) -> String {
        self.tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    }
}

/// The grants that the visitor may see.
async fn list(visit: Visit) -> Response {
    let (server, label) = (visit.query.text("server").trim(), visit.query.text("label").trim());
    let query = [("server", server), ("label", label), ("limit", PER_PAGE), ("cursor", visit.query.text("cursor"))];
    let part: Part<Grant> = match visit.api.get(&path(&["grants"], &query)).await {
        Ok(part) => part,
        Err(problem) => return shell::failed(&visit, Section::Grants, problem),
    };
    let live = visit.query.text("state") != "all";
    let rows: Vec<Grant> = part.items.into_iter().filter(|grant| !live || grant.revoked.is_none()).collect();
    let state = if live { "" } else { "all" };
    let again = |cursor: String| {
        path(&["grants"], &[("server", server), ("label", label), ("state", state), ("cursor", &cursor)])
    };
    let page = ListPage {
        next: part.next.map(again),
        rows,
        server,
        label,
        live,
        mint: path(&["grants", "mint"], &[("server", server)]),
        may_not_mint: (!visit.me.may.anywhere("manage_grants"))
            .then(|| visit.me.may.not("manage_grants", None).unwrap_or_default()),
        shell: Shell::new(&visit, Section::Grants),
    };
    shell::html(StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "grants/list.html")]
struct ListPage<'v> {
    shell: Shell<'v>,
    rows: Vec<Grant>,
    next: Option<String>,
    server: &'v str,
    label: &'v str,
    live: bool,
    mint: String,
    may_not_mint: Option<String>,
}
