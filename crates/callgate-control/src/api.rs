//! The admin API: HTTP and JSON in front of the services.
//!
//! ```text
//! headers → gate (operation of the OpenAPI document, credential, permission, query) → idempotency → route → service
//! ```
//! A route is a function with `#[utoipa::path]` that takes a [`Caller`](crate::Caller) and gives an
//! `Answer` or a `Problem`; `sessions.rs` is the shortest example.

mod answer;
mod apply;
mod approval_page;
mod approvals;
#[cfg(test)]
mod asking;
mod authenticate;
mod backup;
mod baseline;
mod body;
mod catalogue;
mod condition;
mod csrf;
mod definitions;
mod gate;
mod grants;
mod headers;
mod idempotency;
mod instance;
mod limits;
mod members;
mod openapi;
mod organisations;
mod page;
mod policies;
mod problem;
mod records;
mod servers;
mod sessions;
mod sign_in;
mod tokens;
mod via;
mod webhooks;

pub use via::Via;

use crate::attempts::Attempts;
use crate::control::Control;
use crate::error::Error;
use axum::middleware::{from_fn, from_fn_with_state};
use gate::Operations;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the API is.
const BASE: &str = "/api/v1";

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiState {
    inner: Arc<Shared>,
}

struct Shared {
    control: Control,
    operations: Operations,
    document: String,
    attempts: Attempts,
    under_way: idempotency::UnderWay,
    purged: AtomicI64,
    /// A place for each stream of decisions.
    streams: Arc<Semaphore>,
}

impl ApiState {
    /// The services.
    pub(crate) fn control(&self) -> &Control {
        &self.inner.control
    }

    fn streams(&self) -> Arc<Semaphore> {
        Arc::clone(&self.inner.streams)
    }

    fn attempts(&self) -> &Attempts {
        &self.inner.attempts
    }

    /// Forgets what has ended, at most once an hour.
    async fn purge(&self) -> Result<(), Error> {
        let (now, last) = (self.control().now(), self.inner.purged.load(Ordering::Relaxed));
        if now - last >= 3_600_000 {
            self.inner.purged.store(now, Ordering::Relaxed);
            self.control().inner.store.purge(now).await?;
        }
        Ok(())
    }

    fn operations(&self) -> &Operations {
        &self.inner.operations
    }

    fn document(&self) -> &str {
        &self.inner.document
    }
}

/// The routes of `/api/v1`, and the pages for signing in. Each request carries a [`Via`] as an extension; one without is
/// treated as from anywhere in plain text.
pub fn router(control: Control) -> axum::Router {
    let (routes, mut document) = all_routes().split_for_parts();
    openapi::complete(&mut document);
    let operations = Operations::of(&document);
    let document = openapi::text(&document);
    let shared = Shared {
        control,
        operations,
        document,
        attempts: Attempts::new(),
        under_way: idempotency::UnderWay::default(),
        purged: AtomicI64::new(0),
        streams: Arc::new(Semaphore::new(records::STREAMS)),
    };
    let state = ApiState { inner: Arc::new(shared) };
    routes
        .layer(from_fn_with_state(state.clone(), gate::pass))
        .merge(sign_in::routes())
        .merge(approval_page::routes())
        .fallback(|| async { problem::Problem::no_route() })
        .layer(from_fn(headers::pass))
        .with_state(state)
}

/// The OpenAPI document, as text (`docs/openapi.json`).
pub fn document() -> String {
    let (_, mut document) = all_routes().split_for_parts();
    openapi::complete(&mut document);
    openapi::text(&document)
}

fn all_routes() -> OpenApiRouter<ApiState> {
    let routes = OpenApiRouter::new()
        .routes(routes!(openapi::get_document))
        .merge(sessions::routes())
        .merge(servers::routes())
        .merge(definitions::routes())
        .merge(instance::routes())
        .merge(backup::routes())
        .merge(policies::routes())
        .merge(baseline::routes())
        .merge(grants::routes())
        .merge(apply::routes())
        .merge(catalogue::routes())
        .merge(members::routes())
        .merge(tokens::routes())
        .merge(organisations::routes())
        .merge(webhooks::routes())
        .merge(records::routes())
        .merge(limits::routes())
        .merge(approvals::routes());
    OpenApiRouter::with_openapi(openapi::empty()).nest(BASE, routes)
}

#[cfg(test)]
mod tests;
