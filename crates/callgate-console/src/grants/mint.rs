//! Minting a grant.

use super::fields::{Minted, Token, expiry, tags};
use crate::api::{Problem, path};
use crate::connecting::choices;
use crate::form::Form;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// So many servers can be chosen from.
const MOST_SERVERS: usize = 5_000;

#[derive(Deserialize)]
struct Choice {
    name: String,
    uuid: String,
    policies: Vec<String>,
}

pub(super) async fn show(visit: Visit) -> Response {
    if visit.is_part {
        // Another server was chosen: it has other policies.
        let wanted = path(&["servers", visit.query.text("server")], &[]);
        let policies = visit.api.get(&wanted).await.map(|server: Choice| server.policies).unwrap_or_default();
        return shell::html(StatusCode::OK, &PolicyPart { policies, policy: "" });
    }
    page(&visit, None, &visit.query).await
}

/// Mints it. The token is in this answer and nowhere else, so nothing leads on from here.
pub(super) async fn mint(Posted { visit, form }: Posted) -> Response {
    let server = form.text("server");
    let minted: Result<Minted, Problem> = match body(&form) {
        Ok(body) => visit.api.post("/grants", &body).await,
        Err(problem) => Err(problem),
    };
    match minted {
        Ok(minted) => token_page(&visit, minted, server, form.text("client"), "Minted"),
        Err(problem) => page(&visit, Some(problem), &form).await,
    }
}

/// The page with a token.
pub(super) fn token_page(visit: &Visit, minted: Minted, server: &str, client: &str, what: &'static str) -> Response {
    let grant = path(&["grants", &minted.id], &[]);
    let shell = Shell::new(visit, Section::Grants);
    let token = Token::of(minted, server, client);
    shell::html(StatusCode::OK, &TokenPage { shell, server, grant, what, token })
}

/// What the API takes.
pub(crate) fn body(form: &Form) -> Result<Value, Problem> {
    let mut body = Map::new();
    body.insert("server".to_owned(), json!(form.text("server")));
    body.insert("label".to_owned(), json!(form.text("label").trim()));
    if let Some(policy) = form.word("policy") {
        body.insert("policy".to_owned(), json!(policy));
    }
    match expiry(form)? {
        Value::Null => {}
        expires => drop(body.insert("expires".to_owned(), expires)),
    }
    body.insert("tags".to_owned(), tags(form)?);
    Ok(Value::Object(body))
}

async fn page(visit: &Visit, problem: Option<Problem>, typed: &Form) -> Response {
    let mut servers: Vec<Choice> = match visit.api.all("/servers", MOST_SERVERS).await {
        Ok(servers) => servers,
        Err(problem) => return shell::failed(visit, Section::Grants, problem),
    };
    let asked = typed.text("server");
    let may = |server: &Choice| visit.me.may.not("manage_grants", Some(&server.uuid)).is_none();
    if servers.iter().any(may) {
        // Who may mint for some servers chooses among them; who may for none is told so.
        servers.retain(|server| may(server) || server.name == asked);
    }
    let chosen = servers.iter().find(|server| server.name == asked).or(servers.first());
    let why_not = chosen.and_then(|server| visit.me.may.not("manage_grants", Some(&server.uuid)));
    let policies = chosen.map(|server| server.policies.clone()).unwrap_or_default();
    let chosen = chosen.map(|server| server.name.clone()).unwrap_or_default();
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = MintPage {
        shell: Shell::new(visit, Section::Grants).with(problem),
        servers: servers.into_iter().map(|server| server.name).collect(),
        chosen,
        choice: PolicyPart { policies, policy: typed.text("policy") },
        label: typed.text("label"),
        expires: typed.text("expires"),
        tags: typed.text("tags"),
        client: typed.text("client"),
        clients: choices(),
        why_not,
    };
    shell::html(status, &page)
}

#[derive(Template)]
#[template(path = "grants/mint.html")]
struct MintPage<'v> {
    shell: Shell<'v>,
    servers: Vec<String>,
    chosen: String,
    choice: PolicyPart<'v>,
    label: &'v str,
    expires: &'v str,
    tags: &'v str,
    client: &'v str,
    clients: Vec<(&'static str, &'static str)>,
    why_not: Option<String>,
}

#[derive(Template)]
#[template(path = "grants/policies.html")]
struct PolicyPart<'v> {
    policies: Vec<String>,
    policy: &'v str,
}

#[derive(Template)]
#[template(path = "grants/token.html")]
struct TokenPage<'v> {
    shell: Shell<'v>,
    server: &'v str,
    grant: String,
    what: &'static str,
    token: Token,
}
