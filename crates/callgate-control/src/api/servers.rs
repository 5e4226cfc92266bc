//! The routes of servers.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::Json;
use super::page::{List, PageQuery, Paging};
use super::problem::Problem;
use crate::caller::Caller;
use crate::servers::{Credentials, Health, NewServer, Removed, ServerPatch, ServerRow, Tools};
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, edit, remove))
        .routes(routes!(set_credentials))
        .routes(routes!(tools))
        .routes(routes!(health))
}

/// The servers that the caller may see, without their credentials.
#[utoipa::path(
    get,
    path = "/servers",
    tag = "servers",
    operation_id = "server_list",
    params(PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<ServerRow>)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    paging: Paging,
) -> Result<Answer<List<ServerRow>>, Problem> {
    let listed = state.control().list_servers(&caller, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// Registers a server. Its credentials are kept sealed, and no answer ever has them.
#[utoipa::path(
    post,
    path = "/servers",
    tag = "servers",
    operation_id = "server_add",
    request_body = NewServer,
    responses((status = 201, description = "The server.", body = ServerRow)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    Json(new): Json<NewServer>,
) -> Result<Answer<ServerRow>, Problem> {
    let row = state.control().add_server(&caller, new).await?;
    let (location, revision) = (format!("{}/servers/{}", super::BASE, row.uuid), row.revision);
    Ok(Answer::created(location, row).revision(revision))
}

/// A server, without its credentials.
#[utoipa::path(
    get,
    path = "/servers/{server}",
    tag = "servers",
    operation_id = "server_show",
    params(("server" = String, Path, description = "Its name or identity.")),
    responses((status = 200, description = "The server.", body = ServerRow)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
) -> Result<Answer<ServerRow>, Problem> {
    Ok(answer(state.control().show_server(&caller, &server).await?))
}

/// What the gateway knows of a server from the calls that it forwards: whether they reach it. The server itself is not
/// asked, and of several gateways on one database each knows what it forwarded.
#[utoipa::path(
    get,
    path = "/servers/{server}/health",
    tag = "servers",
    operation_id = "server_health",
    params(("server" = String, Path, description = "Its name or identity.")),
    responses((status = 200, description = "What is known.", body = Health)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn health(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
) -> Result<Answer<Health>, Problem> {
    Ok(Answer::ok(state.control().server_health(&caller, &server).await?))
}

/// Changes where a server is, and how it is treated; not its name, and not its credentials.
#[utoipa::path(
    patch,
    path = "/servers/{server}",
    tag = "servers",
    operation_id = "server_edit",
    params(("server" = String, Path, description = "Its name or identity."), IfMatch),
    request_body = ServerPatch,
    responses((status = 200, description = "The server as it is now.", body = ServerRow)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
    IfMatch(condition): IfMatch,
    Json(patch): Json<ServerPatch>,
) -> Result<Answer<ServerRow>, Problem> {
    Ok(answer(state.control().edit_server(&caller, &server, condition, patch).await?))
}

/// Removes a server, its policies and its grants.
#[utoipa::path(
    delete,
    path = "/servers/{server}",
    tag = "servers",
    operation_id = "server_remove",
    params(("server" = String, Path, description = "Its name or identity."), IfMatch),
    responses((status = 200, description = "What was removed.", body = Removed)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
    IfMatch(condition): IfMatch,
) -> Result<Answer<Removed>, Problem> {
    Ok(Answer::ok(state.control().remove_server(&caller, &server, condition).await?))
}

/// Sets all credentials of a server, in place of those before: headers of a URL, variables of a command.
#[utoipa::path(
    put,
    path = "/servers/{server}/credentials",
    tag = "servers",
    operation_id = "server_credentials",
    params(("server" = String, Path, description = "Its name or identity."), IfMatch),
    request_body = Credentials,
    responses((status = 200, description = "The server as it is now, without them.", body = ServerRow)),
    extensions(("x-permission" = json!("manage_servers")))
)]
async fn set_credentials(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
    IfMatch(condition): IfMatch,
    Json(credentials): Json<Credentials>,
) -> Result<Answer<ServerRow>, Problem> {
    Ok(answer(state.control().set_credentials(&caller, &server, condition, credentials).await?))
}

/// Asks the server itself for its tools.
#[utoipa::path(
    get,
    path = "/servers/{server}/tools",
    tag = "servers",
    operation_id = "server_tools",
    params(("server" = String, Path, description = "Its name or identity.")),
    responses((status = 200, description = "Its complete list.", body = Tools)),
    extensions(("x-permission" = json!("read_servers")))
)]
async fn tools(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
) -> Result<Answer<Tools>, Problem> {
    Ok(Answer::ok(state.control().server_tools(&caller, &server).await?))
}

fn answer(row: ServerRow) -> Answer<ServerRow> {
    let revision = row.revision;
    Answer::ok(row).revision(revision)
}

#[cfg(test)]
mod tests;
