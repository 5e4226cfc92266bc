//! The fourth step: a grant; and the fifth right after it, as long as the token can be shown.

use super::connect::ConnectPage;
use super::{Mark, Step, of};
use crate::api::{Problem, path};
use crate::connecting::choices;
use crate::form::Form;
use crate::grants::{Minted, Token};
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) async fn show(visit: Visit, Path(server): Path<String>) -> Response {
    page(&visit, &server, None, &visit.query).await
}

/// Mints it, and shows at once what to do with it: the token is in this answer and nowhere else.
pub(super) async fn mint(Path(server): Path<String>, Posted { visit, form }: Posted) -> Response {
    let minted: Result<Minted, Problem> = visit.api.post("/grants", &body(&server, &form)).await;
    let minted = match minted {
        Ok(minted) => minted,
        Err(problem) => return page(&visit, &server, Some(problem), &form).await,
    };
    let call = path(&["start", &server, "call"], &[("grant", &minted.id)]);
    let grant = path(&["grants", &minted.id], &[]);
    let url = minted.url.clone();
    let token = Token::of(minted, &server, form.text("client"));
    let page = ConnectPage {
        shell: Shell::new(&visit, Section::Overview),
        marks: Step::Connect.marks(Some(&server)),
        server: &server,
        url,
        token: Some(token),
        ways: Vec::new(),
        grant: Some(grant),
        call: Some(call),
        mint: path(&["start", &server, "grant"], &[]),
    };
    shell::html(StatusCode::OK, &page)
}

/// A new one, under the policy that was chosen.
fn body(server: &str, form: &Form) -> Value {
    let mut body = json!({ "server": server, "label": form.text("label").trim() });
    if let (Some(policy), Some(body)) = (form.word("policy"), body.as_object_mut()) {
        body.insert("policy".to_owned(), json!(policy));
    }
    body
}

async fn page(visit: &Visit, server: &str, problem: Option<Problem>, typed: &Form) -> Response {
    let server = match of(visit, server).await {
        Ok(server) => server,
        Err(problem) => return shell::failed(visit, Section::Overview, problem),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = GrantPage {
        marks: Step::Grant.marks(Some(&server.name)),
        action: path(&["start", &server.name, "connect"], &[]),
        connect: (server.grants > 0).then(|| path(&["start", &server.name, "connect"], &[])),
        may_not: visit.me.may.not("manage_grants", Some(&server.uuid)),
        shell: Shell::new(visit, Section::Overview).with(problem),
        server: server.name,
        policies: server.policies,
        policy: typed.text("policy"),
        label: typed.text("label"),
        client: typed.text("client"),
        clients: choices(),
    };
    shell::html(status, &page)
}

#[derive(Template)]
#[template(path = "start/grant.html")]
struct GrantPage<'v> {
    shell: Shell<'v>,
    marks: Vec<Mark>,
    server: String,
    action: String,
    connect: Option<String>,
    policies: Vec<String>,
    policy: &'v str,
    label: &'v str,
    client: &'v str,
    clients: Vec<(&'static str, &'static str)>,
    may_not: Option<String>,
}
