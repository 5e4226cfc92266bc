//! The routes of limits: what counts now, and setting counters to zero.

use super::ApiState;
use super::answer::Answer;
use super::body::Json;
use super::page::{List, PageQuery, Paging, Query};
use super::problem::Problem;
use crate::caller::Caller;
use crate::limits::{Limit, LimitFilter, LimitReset, ResetRequest};
use crate::listing::Part;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Which limits to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LimitQuery {
    /// Only those of this server: its name or identity.
    #[param(min_length = 1)]
    server: Option<String>,
    /// Only those of this grant: its label or identity.
    #[param(min_length = 1)]
    grant: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(reset))
}

/// Limits that count something now, nearest to exhaustion first. The list is in motion: its parts go by place. What
/// identities and the whole organisation use is shown to who may see all servers.
#[utoipa::path(
    get,
    path = "/limits",
    tag = "limits",
    operation_id = "limit_list",
    params(LimitQuery, PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<Limit>)),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<LimitQuery>,
    paging: Paging,
) -> Result<Answer<List<Limit>>, Problem> {
    let LimitQuery { server, grant } = query;
    let part = Part { limit: paging.limit, after: paging.after().map(str::to_owned) };
    let listed = state.control().limits(&caller, LimitFilter { server, grant }, &part).await?;
    let next = listed.next.map(|place| paging.cursor(&place));
    Ok(Answer::ok(List { items: listed.items, next }))
}

/// Sets the counters of a limit to zero from now on: those of all its grants, or of one. On record with the reason.
/// Calls in flight give nothing back to them.
#[utoipa::path(
    post,
    path = "/limits/reset",
    tag = "limits",
    operation_id = "limit_reset",
    request_body = ResetRequest,
    responses((status = 200, description = "What was set to zero.", body = LimitReset)),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn reset(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<ResetRequest>,
) -> Result<Answer<LimitReset>, Problem> {
    Ok(Answer::ok(state.control().reset_limit(&caller, &request).await?))
}
