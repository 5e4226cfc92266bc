//! A member's page.

use super::roles::{self, Roles, RolesForm, Servers};
use super::{Link, Member, linked};
use crate::api::{Problem, Revised, path};
use crate::moment::Moment;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

pub(super) async fn show(visit: Visit, Path(member): Path<String>) -> Response {
    page(&visit, &member, None, None).await
}

/// Saves name and roles.
pub(super) async fn save(Path(member): Path<String>, Posted { visit, form }: Posted) -> Response {
    let name = form.text("name").trim();
    let body = json!({ "name": name, "roles": roles::of(&form) });
    match change(&visit, &member, form.text("revision"), &body).await {
        Ok(_) => done(&member, "saved"),
        Err(problem) => {
            // Beside what somebody else has set meanwhile, what was typed would undo it unseen.
            let typed = (!problem.is_stale()).then(|| (name, Roles::typed(&form)));
            page(&visit, &member, Some(problem), typed.as_ref()).await
        }
    }
}

/// Shuts it out, or lets it in again.
pub(super) async fn standing(Path(member): Path<String>, Posted { visit, form }: Posted) -> Response {
    let body = json!({ "disabled": form.text("disabled") == "true" });
    match change(&visit, &member, form.text("revision"), &body).await {
        Ok(_) => done(&member, "saved"),
        Err(problem) => page(&visit, &member, Some(problem), None).await,
    }
}

/// Makes a new one-time link; the one before stops working.
pub(super) async fn link(Path(member): Path<String>, Posted { visit, form: _ }: Posted) -> Response {
    let known: Member = match visit.api.get(&path(&["members", &member], &[])).await {
        Ok(known) => known,
        Err(problem) => return shell::failed(&visit, Section::Members, problem),
    };
    let link: Result<Link, Problem> = visit.api.post(&path(&["members", &member, "link"], &[]), &json!({})).await;
    match link {
        Ok(link) => linked(&visit, &known, Some(link), "A new link"),
        Err(problem) => page(&visit, &member, Some(problem), None).await,
    }
}

/// Asks whether it is meant.
pub(super) async fn confirm(visit: Visit, Path(member): Path<String>) -> Response {
    confirmation(&visit, &member, None).await
}

/// Removes it, with its sessions.
pub(super) async fn remove(Path(member): Path<String>, Posted { visit, form }: Posted) -> Response {
    let wanted = path(&["members", &member], &[]);
    let revision = Some(form.text("revision"));
    let removed: Result<Value, Problem> = visit.api.change(Method::DELETE, &wanted, revision, None).await;
    match removed {
        Ok(_) => Redirect::to(&path(&["members"], &[("done", "removed")])).into_response(),
        Err(problem) => confirmation(&visit, &member, Some(problem)).await,
    }
}

async fn change(visit: &Visit, member: &str, revision: &str, body: &Value) -> Result<Member, Problem> {
    visit.api.change(Method::PATCH, &path(&["members", member], &[]), Some(revision), Some(body)).await
}

async fn page(visit: &Visit, member: &str, problem: Option<Problem>, typed: Option<&(&str, Roles)>) -> Response {
    let read: Result<Revised<Member>, Problem> = visit.api.read(&path(&["members", member], &[])).await;
    let Revised { value: member, revision } = match read {
        Ok(read) => read,
        Err(problem) => return shell::failed(visit, Section::Members, problem),
    };
    let servers = Servers::read(visit).await;
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = MemberPage {
        shell: Shell::new(visit, Section::Members).with(problem),
        href: path(&["members", &member.id], &[]),
        standing: path(&["members", &member.id, "standing"], &[]),
        link: path(&["members", &member.id, "link"], &[]),
        remove: path(&["members", &member.id, "remove"], &[]),
        changes: path(&["changes"], &[("q", &format!("object:member/{}", member.login))]),
        created: Moment::of(&member.created),
        disabled: Moment::maybe(member.disabled.as_deref()),
        name: typed.map_or(&member.name, |(name, _)| name),
        roles: RolesForm::of(typed.map_or(&member.roles, |(_, roles)| roles), servers),
        may_not: visit.me.may.not("manage_members", None),
        member: &member,
        revision,
    };
    shell::html(status, &page)
}

async fn confirmation(visit: &Visit, member: &str, problem: Option<Problem>) -> Response {
    let read: Result<Revised<Member>, Problem> = visit.api.read(&path(&["members", member], &[])).await;
    let Revised { value: member, revision } = match read {
        Ok(read) => read,
        Err(problem) => return shell::failed(visit, Section::Members, problem),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = RemovePage {
        shell: Shell::new(visit, Section::Members).with(problem),
        href: path(&["members", &member.id], &[]),
        action: path(&["members", &member.id, "remove"], &[]),
        may_not: visit.me.may.not("manage_members", None),
        member: &member,
        revision,
    };
    shell::html(status, &page)
}

fn done(member: &str, word: &str) -> Response {
    Redirect::to(&path(&["members", member], &[("done", word)])).into_response()
}

#[derive(Template)]
#[template(path = "members/member.html")]
struct MemberPage<'v> {
    shell: Shell<'v>,
    member: &'v Member,
    name: &'v str,
    revision: String,
    href: String,
    standing: String,
    link: String,
    remove: String,
    changes: String,
    created: Moment,
    disabled: Option<Moment>,
    roles: RolesForm,
    may_not: Option<String>,
}

#[derive(Template)]
#[template(path = "members/remove.html")]
struct RemovePage<'v> {
    shell: Shell<'v>,
    member: &'v Member,
    revision: String,
    href: String,
    action: String,
    may_not: Option<String>,
}
