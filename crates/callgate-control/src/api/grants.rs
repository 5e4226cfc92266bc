//! The routes of grants.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::{Json, Maybe};
use super::page::{List, PageQuery, Paging, Query};
use super::problem::Problem;
use crate::caller::Caller;
use crate::error::{Error, Kind};
use crate::grants::{GrantEdit, GrantRow, Minted, Wish};
use crate::moment;
use axum::extract::{Path, State};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A grant to mint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantMint, example = json!({
    "server": "kernel", "label": "laptop", "policy": "default", "expires": "2030-01-01T00:00:00Z", "tags": {"team": "a"}
}))]
struct MintRequest {
    /// The name or identity of the server that it opens.
    server: String,
    /// What it is called in lists and records.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// The name of its policy; where it is left out `default`, else the server's only one, else none: then every call is
    /// denied.
    policy: Option<String>,
    /// When it ends by itself (RFC 3339); never where it is left out.
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// Tags that rules can look at: at most 32.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// What to change of a grant; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantPatch, example = json!({"label": "desktop", "expires": null}))]
struct EditRequest {
    /// The label.
    #[schema(min_length = 1, max_length = 100)]
    label: Option<String>,
    /// All tags, in place of those before: at most 32.
    tags: Option<BTreeMap<String, String>>,
    /// When it ends by itself (RFC 3339); null is never.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Option<String>>,
}

/// A policy to attach.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantPolicy, example = json!({"policy": "readonly"}))]
struct AttachRequest {
    /// The name of a policy of the grant's server.
    policy: String,
}

/// How to rotate.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantRotation, example = json!({"overlap_seconds": 3600}))]
struct RotateRequest {
    /// How long the token before works on, in seconds: not at all where it is left out, at most 366 days.
    #[serde(default)]
    #[schema(maximum = 31_622_400)]
    overlap_seconds: u64,
}

/// Which grants to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct GrantQuery {
    /// Only those of this server: its name or identity.
    server: Option<String>,
    /// Only the live ones with this label.
    label: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, mint))
        .routes(routes!(show, edit, revoke))
        .routes(routes!(attach, detach))
        .routes(routes!(rotate))
}

/// The grants that the caller may see, without their tokens; revoked ones too.
#[utoipa::path(
    get,
    path = "/grants",
    tag = "grants",
    operation_id = "grant_list",
    params(GrantQuery, PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<GrantRow>)),
    extensions(("x-permission" = json!("read_grants")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<GrantQuery>,
    paging: Paging,
) -> Result<Answer<List<GrantRow>>, Problem> {
    let wanted = (query.server.as_deref(), query.label.as_deref());
    let listed = state.control().list_grants(&caller, wanted, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// Mints a grant. Its token is in the answer and nowhere else.
#[utoipa::path(
    post,
    path = "/grants",
    tag = "grants",
    operation_id = "grant_mint",
    request_body = MintRequest,
    responses((status = 201, description = "The grant and its token.", body = Minted)),
    extensions(("x-permission" = json!("manage_grants")))
)]
async fn mint(
    State(state): State<ApiState>,
    caller: Caller,
    Json(body): Json<MintRequest>,
) -> Result<Answer<Minted>, Problem> {
    let MintRequest { server, label, policy, expires, tags } = body;
    let expires = expires.as_deref().map(parse).transpose()?;
    let minted = state.control().mint_grant(&caller, Wish { server, label, policy, expires, tags }).await?;
    let (location, revision) = (format!("{}/grants/{}", super::BASE, minted.id), minted.revision);
    Ok(Answer::created(location, minted).revision(revision))
}

/// A grant, without its token.
#[utoipa::path(
    get,
    path = "/grants/{grant}",
    tag = "grants",
    operation_id = "grant_show",
    params(("grant" = String, Path, description = "The grant's identity, or its label where one live grant has it.")),
    responses((status = 200, description = "The grant.", body = GrantRow)),
    extensions(("x-permission" = json!("read_grants")))
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Answer<GrantRow>, Problem> {
    Ok(shown(state.control().show_grant(&caller, &grant).await?))
}

/// Changes the label, the tags or the end of a grant.
#[utoipa::path(
    patch,
    path = "/grants/{grant}",
    tag = "grants",
    operation_id = "grant_edit",
    params(
        ("grant" = String, Path, description = "The grant's identity, or its label where one live grant has it."),
        IfMatch,
    ),
    request_body = EditRequest,
    responses((status = 200, description = "The grant now.", body = GrantRow)),
    extensions(("x-permission" = json!("manage_grants")))
)]
async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    Path(grant): Path<String>,
    IfMatch(precondition): IfMatch,
    Json(body): Json<EditRequest>,
) -> Result<Answer<GrantRow>, Problem> {
    let EditRequest { label, tags, expires } = body;
    let expires = expires.map(|expires| expires.as_deref().map(parse).transpose()).transpose()?;
    let edit = GrantEdit { label, tags, expires };
    Ok(shown(state.control().edit_grant(&caller, &grant, edit, precondition).await?))
}

/// Revokes a grant for good: the next call with its token is refused, and its streams end.
#[utoipa::path(
    delete,
    path = "/grants/{grant}",
    tag = "grants",
    operation_id = "grant_revoke",
    params(
        ("grant" = String, Path, description = "The grant's identity, or its label where one live grant has it."),
        IfMatch,
    ),
    responses((status = 200, description = "The grant now.", body = GrantRow)),
    extensions(("x-permission" = json!("manage_grants")))
)]
async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path(grant): Path<String>,
    IfMatch(precondition): IfMatch,
) -> Result<Answer<GrantRow>, Problem> {
    Ok(shown(state.control().revoke_grant(&caller, &grant, precondition).await?))
}

/// Attaches a policy in place of the one that the grant has.
#[utoipa::path(
    put,
    path = "/grants/{grant}/policy",
    tag = "grants",
    operation_id = "grant_attach",
    params(
        ("grant" = String, Path, description = "The grant's identity, or its label where one live grant has it."),
        IfMatch,
    ),
    request_body = AttachRequest,
    responses((status = 200, description = "The grant now.", body = GrantRow)),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn attach(
    State(state): State<ApiState>,
    caller: Caller,
    Path(grant): Path<String>,
    IfMatch(precondition): IfMatch,
    Json(body): Json<AttachRequest>,
) -> Result<Answer<GrantRow>, Problem> {
    let policy = Some(body.policy.as_str());
    Ok(shown(state.control().attach_policy(&caller, &grant, policy, precondition).await?))
}

/// Takes a grant's policy away: then every call is denied.
#[utoipa::path(
    delete,
    path = "/grants/{grant}/policy",
    tag = "grants",
    operation_id = "grant_detach",
    params(
        ("grant" = String, Path, description = "The grant's identity, or its label where one live grant has it."),
        IfMatch,
    ),
    responses((status = 200, description = "The grant now.", body = GrantRow)),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn detach(
    State(state): State<ApiState>,
    caller: Caller,
    Path(grant): Path<String>,
    IfMatch(precondition): IfMatch,
) -> Result<Answer<GrantRow>, Problem> {
    Ok(shown(state.control().attach_policy(&caller, &grant, None, precondition).await?))
}

/// Gives a grant a new token, which is in the answer and nowhere else.
#[utoipa::path(
    post,
    path = "/grants/{grant}/rotate",
    tag = "grants",
    operation_id = "grant_rotate",
    params(
        ("grant" = String, Path, description = "The grant's identity, or its label where one live grant has it."),
        IfMatch,
    ),
    request_body = Option<RotateRequest>,
    responses((status = 200, description = "The grant and its new token.", body = Minted)),
    extensions(("x-permission" = json!("manage_grants")))
)]
async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(grant): Path<String>,
    IfMatch(precondition): IfMatch,
    Maybe(RotateRequest { overlap_seconds }): Maybe<RotateRequest>,
) -> Result<Answer<Minted>, Problem> {
    let minted = state.control().rotate_grant(&caller, &grant, overlap_seconds, precondition).await?;
    let revision = minted.revision;
    Ok(Answer::ok(minted).revision(revision))
}

fn shown(grant: GrantRow) -> Answer<GrantRow> {
    let revision = grant.revision;
    Answer::ok(grant).revision(revision)
}

fn parse(text: &str) -> Result<i64, Error> {
    moment::parse(text).ok_or_else(|| {
        let message = format!("`expires`: `{}` is no RFC 3339 time", text.chars().take(80).collect::<String>());
        Error::new(Kind::Invalid, "CG3051", message, "for example `2026-11-21T09:00:00Z`")
    })
}

/// What is there, `null` too; what is left out stays at the default.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
