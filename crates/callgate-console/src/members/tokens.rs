//! API tokens: for programs that use the admin API.

use super::roles::{self, Roles, RolesForm, Servers};
use crate::api::{Problem, path};
use crate::grants::expiry;
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// So many tokens are shown.
const MOST: usize = 5_000;

#[derive(Deserialize)]
struct ApiToken {
    id: String,
    label: String,
    #[serde(default)]
    roles: Roles,
    #[serde(default)]
    instance: bool,
    created: String,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    used: Option<String>,
    #[serde(default)]
    token: Option<String>,
    revision: i64,
}

/// A token in the list.
struct Row {
    label: String,
    roles: String,
    instance: bool,
    created: Moment,
    expires: Option<Moment>,
    used: Option<Moment>,
    revoke: String,
}

pub(super) async fn list(visit: Visit) -> Response {
    let tokens: Vec<ApiToken> = match visit.api.all("/tokens", MOST).await {
        Ok(tokens) => tokens,
        Err(problem) => return shell::failed(&visit, Section::Members, problem),
    };
    let servers = Servers::read(&visit).await;
    let row = |token: ApiToken| Row {
        roles: token.roles.words(&servers),
        instance: token.instance,
        created: Moment::of(&token.created),
        expires: Moment::maybe(token.expires.as_deref()),
        used: Moment::maybe(token.used.as_deref()),
        revoke: path(&["members", "tokens", &token.id, "revoke"], &[]),
        label: token.label,
    };
    let page = TokensPage {
        rows: tokens.into_iter().map(row).collect(),
        may_not: visit.me.may.not("manage_members", None),
        shell: Shell::new(&visit, Section::Members),
    };
    shell::html(StatusCode::OK, &page)
}

pub(super) async fn creating(visit: Visit) -> Response {
    form_page(&visit, None, "", "", &Roles::viewer()).await
}

/// Makes one. It is in this answer and nowhere else.
pub(super) async fn create(Posted { visit, form }: Posted) -> Response {
    let made: Result<ApiToken, Problem> = match expiry(&form) {
        Ok(expires) => {
            let mut body = Map::from_iter([("label".to_owned(), json!(form.text("label").trim()))]);
            body.insert("roles".to_owned(), roles::of(&form));
            body.insert("instance".to_owned(), json!(form.has("instance")));
            body.insert("expires".to_owned(), expires);
            visit.api.post("/tokens", &Value::Object(body)).await
        }
        Err(problem) => Err(problem),
    };
    match made {
        Ok(made) => {
            let shell = Shell::new(&visit, Section::Members);
            let token = made.token.unwrap_or_default();
            shell::html(StatusCode::OK, &MadePage { shell, label: made.label, token })
        }
        Err(problem) => {
            let typed = Roles::typed(&form);
            form_page(&visit, Some(problem), form.text("label"), form.text("expires"), &typed).await
        }
    }
}

/// Asks whether it is meant.
pub(super) async fn confirm(visit: Visit, Path(token): Path<String>) -> Response {
    confirmation(&visit, &token, None).await
}

/// Revokes it: the next request with it is refused.
pub(super) async fn revoke(Path(token): Path<String>, Posted { visit, form }: Posted) -> Response {
    let wanted = path(&["tokens", &token], &[]);
    let revision = Some(form.text("revision"));
    let revoked: Result<Value, Problem> = visit.api.change(Method::DELETE, &wanted, revision, None).await;
    match revoked {
        Ok(_) => Redirect::to(&path(&["members", "tokens"], &[("done", "revoked")])).into_response(),
        Err(problem) => confirmation(&visit, &token, Some(problem)).await,
    }
}

async fn confirmation(visit: &Visit, token: &str, problem: Option<Problem>) -> Response {
    let tokens: Vec<ApiToken> = match visit.api.all("/tokens", MOST).await {
        Ok(tokens) => tokens,
        Err(problem) => return shell::failed(visit, Section::Members, problem),
    };
    let Some(found) = tokens.into_iter().find(|known| known.id == token) else {
        let missing = Problem::missing("there is no such token", "the list of tokens has those that are there");
        return shell::failed(visit, Section::Members, missing);
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = RevokePage {
        shell: Shell::new(visit, Section::Members).with(problem),
        label: found.label,
        revision: format!("\"{}\"", found.revision),
        action: path(&["members", "tokens", &found.id, "revoke"], &[]),
        may_not: visit.me.may.not("manage_members", None),
    };
    shell::html(status, &page)
}

async fn form_page(visit: &Visit, problem: Option<Problem>, label: &str, expires: &str, typed: &Roles) -> Response {
    let servers = Servers::read(visit).await;
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = CreatePage {
        shell: Shell::new(visit, Section::Members).with(problem),
        label,
        expires,
        roles: RolesForm::of(typed, servers),
        may_not: visit.me.may.not("manage_members", None),
        may_not_instance: visit.me.may.not("manage_instance", None),
    };
    shell::html(status, &page)
}

#[derive(Template)]
#[template(path = "members/tokens.html")]
struct TokensPage<'v> {
    shell: Shell<'v>,
    rows: Vec<Row>,
    may_not: Option<String>,
}

#[derive(Template)]
#[template(path = "members/create.html")]
struct CreatePage<'v> {
    shell: Shell<'v>,
    label: &'v str,
    expires: &'v str,
    roles: RolesForm,
    may_not: Option<String>,
    may_not_instance: Option<String>,
}

#[derive(Template)]
#[template(path = "members/made.html")]
struct MadePage<'v> {
    shell: Shell<'v>,
    label: String,
    token: String,
}

#[derive(Template)]
#[template(path = "members/revoke.html")]
struct RevokePage<'v> {
    shell: Shell<'v>,
    label: String,
    revision: String,
    action: String,
    may_not: Option<String>,
}
