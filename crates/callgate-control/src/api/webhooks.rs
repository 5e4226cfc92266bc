//! The routes of webhooks.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::Json;
use super::page::{List, PageQuery, Paging};
use super::problem::Problem;
use crate::caller::Caller;
use crate::webhooks::{DeliveryRow, NewWebhook, Rotated, Tested, WebhookPatch, WebhookRow};
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, edit, remove))
        .routes(routes!(test))
        .routes(routes!(rotate))
        .routes(routes!(deliveries))
}

/// The endpoints that are told of what happens, without their addresses and secrets.
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "webhooks",
    operation_id = "webhook_list",
    params(PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<WebhookRow>)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    paging: Paging,
) -> Result<Answer<List<WebhookRow>>, Problem> {
    let listed = state.control().list_webhooks(&caller, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// Adds an endpoint. Its address is kept sealed.
#[utoipa::path(
    post,
    path = "/webhooks",
    tag = "webhooks",
    operation_id = "webhook_add",
    request_body = NewWebhook,
    responses((status = 201, description = "The endpoint; its secret is shown once.", body = WebhookRow)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    Json(new): Json<NewWebhook>,
) -> Result<Answer<WebhookRow>, Problem> {
    let row = state.control().add_webhook(&caller, new).await?;
    let (location, revision) = (format!("{}/webhooks/{}", super::BASE, row.id), row.revision);
    Ok(Answer::created(location, row).revision(revision))
}

/// An endpoint, without its address and its secret.
#[utoipa::path(
    get,
    path = "/webhooks/{webhook}",
    tag = "webhooks",
    operation_id = "webhook_show",
    params(("webhook" = String, Path, description = "Its identity or name.")),
    responses((status = 200, description = "The endpoint.", body = WebhookRow)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<Answer<WebhookRow>, Problem> {
    Ok(answer(state.control().show_webhook(&caller, &webhook).await?))
}

/// Changes an endpoint.
#[utoipa::path(
    patch,
    path = "/webhooks/{webhook}",
    tag = "webhooks",
    operation_id = "webhook_edit",
    params(("webhook" = String, Path, description = "Its identity or name."), IfMatch),
    request_body = WebhookPatch,
    responses((status = 200, description = "The endpoint as it is now.", body = WebhookRow)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    Path(webhook): Path<String>,
    IfMatch(condition): IfMatch,
    Json(patch): Json<WebhookPatch>,
) -> Result<Answer<WebhookRow>, Problem> {
    Ok(answer(state.control().edit_webhook(&caller, &webhook, condition, patch).await?))
}

/// Removes an endpoint; what it was still to be told is not told.
#[utoipa::path(
    delete,
    path = "/webhooks/{webhook}",
    tag = "webhooks",
    operation_id = "webhook_remove",
    params(("webhook" = String, Path, description = "Its identity or name."), IfMatch),
    responses((status = 204, description = "Removed.")),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    Path(webhook): Path<String>,
    IfMatch(condition): IfMatch,
) -> Result<Answer<()>, Problem> {
    state.control().remove_webhook(&caller, &webhook, condition).await?;
    Ok(Answer::done())
}

/// Sends an endpoint a message that says nothing (`webhook.test`), and says what became of it.
#[utoipa::path(
    post,
    path = "/webhooks/{webhook}/test",
    tag = "webhooks",
    operation_id = "webhook_test",
    params(("webhook" = String, Path, description = "Its identity or name.")),
    responses((status = 200, description = "What became of it.", body = Tested)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn test(
    State(state): State<ApiState>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<Answer<Tested>, Problem> {
    Ok(Answer::ok(state.control().test_webhook(&caller, &webhook).await?))
}

/// Makes a new secret; the one before signs beside it for 24 hours.
#[utoipa::path(
    post,
    path = "/webhooks/{webhook}/secret",
    tag = "webhooks",
    operation_id = "webhook_rotate",
    params(("webhook" = String, Path, description = "Its identity or name."), IfMatch),
    responses((status = 200, description = "The new secret, shown once.", body = Rotated)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(webhook): Path<String>,
    IfMatch(condition): IfMatch,
) -> Result<Answer<Rotated>, Problem> {
    let rotated = state.control().rotate_webhook(&caller, &webhook, condition).await?;
    let revision = rotated.revision;
    Ok(Answer::ok(rotated).revision(revision))
}

/// What an endpoint was told and is to be told, the newest first.
#[utoipa::path(
    get,
    path = "/webhooks/{webhook}/deliveries",
    tag = "webhooks",
    operation_id = "webhook_deliveries",
    params(("webhook" = String, Path, description = "Its identity or name."), PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<DeliveryRow>)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn deliveries(
    State(state): State<ApiState>,
    caller: Caller,
    Path(webhook): Path<String>,
    paging: Paging,
) -> Result<Answer<List<DeliveryRow>>, Problem> {
    let listed = state.control().webhook_deliveries(&caller, &webhook, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

fn answer(row: WebhookRow) -> Answer<WebhookRow> {
    let revision = row.revision;
    Answer::ok(row).revision(revision)
}
