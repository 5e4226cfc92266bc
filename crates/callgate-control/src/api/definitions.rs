//! The routes of what the tools of a server are pinned as.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::Json;
use super::page::{List, PageQuery, Paging, Query};
use super::problem::Problem;
use crate::caller::Caller;
use crate::definitions::{
    Approval, Approvals, Approved, DefinitionDetail, DefinitionListed, DefinitionPatch, DefinitionRow,
};
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What is wanted of each.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Also the definitions themselves.
    definitions: Option<bool>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, edit, forget))
        .routes(routes!(approve))
        .routes(routes!(approve_several))
}

/// What the tools of a server are pinned as, and which of them somebody has to look at.
#[utoipa::path(
    get,
    path = "/servers/{server}/definitions",
    tag = "servers",
    operation_id = "definition_list",
    params(("server" = String, Path, description = "Its name or identity."), ListQuery, PageQuery),
    responses((status = 200, description = "A part of the list, by the tools' names.", body = List<DefinitionListed>)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
    Query(query): Query<ListQuery>,
    paging: Paging,
) -> Result<Answer<List<DefinitionListed>>, Problem> {
    let listed = state
        .control()
        .list_definitions(&caller, &server, query.definitions.unwrap_or_default(), &paging.part())
        .await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// What one tool is pinned as, what its server lists now, and what differs.
#[utoipa::path(
    get,
    path = "/servers/{server}/definitions/{tool}",
    tag = "servers",
    operation_id = "definition_show",
    params(
        ("server" = String, Path, description = "Its name or identity."),
        ("tool" = String, Path, description = "The tool's name."),
    ),
    responses((status = 200, description = "The definition.", body = DefinitionDetail)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, tool)): Path<(String, String)>,
) -> Result<Answer<DefinitionDetail>, Problem> {
    let detail = state.control().show_definition(&caller, &server, &tool).await?;
    let revision = detail.row.revision;
    Ok(Answer::ok(detail).revision(revision))
}

/// Says what a tool does, in place of what the catalogue finds.
#[utoipa::path(
    patch,
    path = "/servers/{server}/definitions/{tool}",
    tag = "servers",
    operation_id = "definition_edit",
    params(
        ("server" = String, Path, description = "Its name or identity."),
        ("tool" = String, Path, description = "The tool's name."),
        IfMatch,
    ),
    request_body = DefinitionPatch,
    responses((status = 200, description = "The definition as it is now.", body = DefinitionRow)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, tool)): Path<(String, String)>,
    IfMatch(condition): IfMatch,
    Json(patch): Json<DefinitionPatch>,
) -> Result<Answer<DefinitionRow>, Problem> {
    Ok(answer(state.control().edit_definition(&caller, &server, &tool, condition, patch).await?))
}

/// Forgets what a tool is pinned as: listed again, it is new.
#[utoipa::path(
    delete,
    path = "/servers/{server}/definitions/{tool}",
    tag = "servers",
    operation_id = "definition_forget",
    params(
        ("server" = String, Path, description = "Its name or identity."),
        ("tool" = String, Path, description = "The tool's name."),
        IfMatch,
    ),
    responses((status = 204, description = "It is forgotten.")),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn forget(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, tool)): Path<(String, String)>,
    IfMatch(condition): IfMatch,
) -> Result<Answer<()>, Problem> {
    state.control().forget_definition(&caller, &server, &tool, condition).await?;
    Ok(Answer::done())
}

/// Approves what a server lists of a tool now: from the next call on it is what is pinned.
#[utoipa::path(
    post,
    path = "/servers/{server}/definitions/{tool}/approve",
    tag = "servers",
    operation_id = "definition_approve",
    params(
        ("server" = String, Path, description = "Its name or identity."),
        ("tool" = String, Path, description = "The tool's name."),
    ),
    request_body = Approval,
    responses((status = 200, description = "The definition as it is now.", body = DefinitionRow)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn approve(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, tool)): Path<(String, String)>,
    Json(approval): Json<Approval>,
) -> Result<Answer<DefinitionRow>, Problem> {
    Ok(answer(state.control().approve_definition(&caller, &server, &tool, approval).await?))
}

/// Approves what a server lists of several tools now: all that is named, or nothing of it.
#[utoipa::path(
    post,
    path = "/servers/{server}/approve-definitions",
    tag = "servers",
    operation_id = "definition_approve_several",
    params(("server" = String, Path, description = "Its name or identity.")),
    request_body = Approvals,
    responses((status = 200, description = "What was approved.", body = Approved)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn approve_several(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
    Json(approvals): Json<Approvals>,
) -> Result<Answer<Approved>, Problem> {
    Ok(Answer::ok(state.control().approve_definitions(&caller, &server, approvals).await?))
}

fn answer(row: DefinitionRow) -> Answer<DefinitionRow> {
    let revision = row.revision;
    Answer::ok(row).revision(revision)
}
