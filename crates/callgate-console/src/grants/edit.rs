//! Changes of a grant: label, tags and end, its policy, its token, its end.

use super::fields::{Minted, expiry, overlap, tags};
use super::mint::token_page;
use super::{Grant, show};
use crate::api::{Problem, path};
use crate::form::Form;
use crate::shell::{self, Section};
use crate::visit::Posted;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use serde_json::{Value, json};

/// Saves label, tags and end.
pub(super) async fn save(Path(grant): Path<String>, Posted { visit, form }: Posted) -> Response {
    let saved: Result<Grant, Problem> = match patch(&form) {
        Ok(body) => {
            let revision = Some(form.text("revision"));
            visit.api.change(Method::PATCH, &path(&["grants", &grant], &[]), revision, Some(&body)).await
        }
        Err(problem) => Err(problem),
    };
    match saved {
        Ok(_) => done(&grant, "saved"),
        Err(problem) => show::page(&visit, &grant, Some(problem), &form).await,
    }
}

/// Attaches a policy, or takes it away.
pub(super) async fn policy(Path(grant): Path<String>, Posted { visit, form }: Posted) -> Response {
    let wanted = path(&["grants", &grant, "policy"], &[]);
    let revision = Some(form.text("revision"));
    let detach = form.has("detach");
    let changed: Result<Grant, Problem> = if detach {
        visit.api.change(Method::DELETE, &wanted, revision, None).await
    } else {
        let body = json!({ "policy": form.text("policy") });
        visit.api.change(Method::PUT, &wanted, revision, Some(&body)).await
    };
    match changed {
        Ok(_) => done(&grant, if detach { "detached" } else { "attached" }),
        Err(problem) => show::page(&visit, &grant, Some(problem), &form).await,
    }
}

/// Gives it a new token, which is in this answer and nowhere else.
pub(super) async fn rotate(Path(grant): Path<String>, Posted { visit, form }: Posted) -> Response {
    let known: Grant = match visit.api.get(&path(&["grants", &grant], &[])).await {
        Ok(known) => known,
        Err(problem) => return shell::failed(&visit, Section::Grants, problem),
    };
    let rotated: Result<Minted, Problem> = match overlap(&form) {
        Ok(seconds) => {
            let wanted = path(&["grants", &grant, "rotate"], &[]);
            let revision = Some(form.text("revision"));
            let body = json!({ "overlap_seconds": seconds });
            visit.api.change(Method::POST, &wanted, revision, Some(&body)).await
        }
        Err(problem) => Err(problem),
    };
    match rotated {
        Ok(minted) => token_page(&visit, minted, &known.server, form.text("client"), "A new token"),
        Err(problem) => show::page(&visit, &grant, Some(problem), &form).await,
    }
}

/// Revokes it for good.
pub(super) async fn revoke(Path(grant): Path<String>, Posted { visit, form }: Posted) -> Response {
    let revision = Some(form.text("revision"));
    let revoked: Result<Grant, Problem> =
        visit.api.change(Method::DELETE, &path(&["grants", &grant], &[]), revision, None).await;
    match revoked {
        Ok(_) => done(&grant, "revoked"),
        Err(problem) => show::confirmation(&visit, &grant, Some(problem)).await,
    }
}

fn patch(form: &Form) -> Result<Value, Problem> {
    Ok(json!({ "label": form.text("label").trim(), "tags": tags(form)?, "expires": expiry(form)? }))
}

fn done(grant: &str, word: &str) -> Response {
    Redirect::to(&path(&["grants", grant], &[("done", word)])).into_response()
}
