//! The first page: what happens now.

use crate::Console;
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/", get(show))
}

async fn show(visit: Visit) -> Response {
    shell::html(StatusCode::OK, &OverviewPage { shell: Shell::new(&visit, Section::Overview) })
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'v> {
    shell: Shell<'v>,
}
