//! Members and API tokens: who may come in, and what they may do.

mod member;
mod roles;
#[cfg(test)]
mod tests;
mod tokens;

use crate::Console;
use crate::api::{Problem, path};
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use roles::{Roles, RolesForm, Servers};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// So many members are shown.
const MOST: usize = 5_000;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/members", get(list))
        .route("/members/add", get(adding).post(add))
        .route("/members/tokens", get(tokens::list))
        .route("/members/tokens/create", get(tokens::creating).post(tokens::create))
        .route("/members/tokens/{token}/revoke", get(tokens::confirm).post(tokens::revoke))
        .route("/members/{member}", get(member::show).post(member::save))
        .route("/members/{member}/standing", post(member::standing))
        .route("/members/{member}/link", post(member::link))
        .route("/members/{member}/remove", get(member::confirm).post(member::remove))
}

/// A member.
#[derive(Clone, Debug, Deserialize)]
struct Member {
    id: String,
    login: String,
    name: String,
    #[serde(default)]
    roles: Roles,
    password: bool,
    created: String,
    #[serde(default)]
    disabled: Option<String>,
    #[serde(default)]
    link: Option<Link>,
}

/// A one-time link.
#[derive(Clone, Debug, Deserialize)]
struct Link {
    path: String,
    expires: String,
}

/// A member in the list.
struct Row {
    href: String,
    login: String,
    name: String,
    roles: String,
    password: bool,
    disabled: Option<Moment>,
}

async fn list(visit: Visit) -> Response {
    let members: Vec<Member> = match visit.api.all("/members", MOST).await {
        Ok(members) => members,
        Err(problem) => return shell::failed(&visit, Section::Members, problem),
    };
    let servers = Servers::read(&visit).await;
    let row = |member: Member| Row {
        href: path(&["members", &member.id], &[]),
        roles: member.roles.words(&servers),
        disabled: Moment::maybe(member.disabled.as_deref()),
        login: member.login,
        name: member.name,
        password: member.password,
    };
    let page = ListPage {
        rows: members.into_iter().map(row).collect(),
        may_not: visit.me.may.not("manage_members", None),
        shell: Shell::new(&visit, Section::Members),
    };
    shell::html(StatusCode::OK, &page)
}

async fn adding(visit: Visit) -> Response {
    add_page(&visit, None, "", "", &Roles::viewer()).await
}

/// Adds a member, and shows the one-time link.
async fn add(Posted { visit, form }: Posted) -> Response {
    let mut body = Map::from_iter([("login".to_owned(), json!(form.text("login").trim()))]);
    if let Some(name) = form.word("name") {
        body.insert("name".to_owned(), json!(name));
    }
    body.insert("roles".to_owned(), roles::of(&form));
    let added: Result<Member, Problem> = visit.api.post("/members", &Value::Object(body)).await;
    match added {
        Ok(member) => linked(&visit, &member, member.link.clone(), "Added"),
        Err(problem) => {
            let typed = Roles::typed(&form);
            add_page(&visit, Some(problem), form.text("login"), form.text("name"), &typed).await
        }
    }
}

/// The page with a one-time link.
fn linked(visit: &Visit, member: &Member, link: Option<Link>, what: &'static str) -> Response {
    let page = LinkPage {
        shell: Shell::new(visit, Section::Members),
        what,
        login: &member.login,
        href: path(&["members", &member.id], &[]),
        expires: Moment::maybe(link.as_ref().map(|link| link.expires.as_str())),
        url: link.map(|link| format!("{}{}", visit.api.origin(), link.path)),
    };
    shell::html(StatusCode::OK, &page)
}

async fn add_page(visit: &Visit, problem: Option<Problem>, login: &str, name: &str, typed: &Roles) -> Response {
    let servers = Servers::read(visit).await;
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = AddPage {
        shell: Shell::new(visit, Section::Members).with(problem),
        login,
        name,
        roles: RolesForm::of(typed, servers),
        may_not: visit.me.may.not("manage_members", None),
    };
    shell::html(status, &page)
}

#[derive(Template)]
#[template(path = "members/list.html")]
struct ListPage<'v> {
    shell: Shell<'v>,
    rows: Vec<Row>,
    may_not: Option<String>,
}

#[derive(Template)]
#[template(path = "members/add.html")]
struct AddPage<'v> {
    shell: Shell<'v>,
    login: &'v str,
    name: &'v str,
    roles: RolesForm,
    may_not: Option<String>,
}

#[derive(Template)]
#[template(path = "members/link.html")]
struct LinkPage<'v> {
    shell: Shell<'v>,
    what: &'static str,
    login: &'v str,
    href: String,
    url: Option<String>,
    expires: Option<Moment>,
}
