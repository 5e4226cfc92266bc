//! The routes that are about the whole instance.

use super::ApiState;
use super::answer::Answer;
use super::problem::Problem;
use crate::caller::Caller;
use crate::vault::Rotated;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(rotate_keys))
}

/// Seals all credentials of servers with the newest key of the vault; a key file gets a new one first.
#[utoipa::path(
    post,
    path = "/keys/rotate",
    tag = "instance",
    operation_id = "keys_rotate",
    responses((status = 200, description = "What was done.", body = Rotated)),
    extensions(("x-permission" = json!("manage_instance")))
)]
async fn rotate_keys(State(state): State<ApiState>, caller: Caller) -> Result<Answer<Rotated>, Problem> {
    Ok(Answer::ok(state.control().rotate_keys(&caller).await?))
}
