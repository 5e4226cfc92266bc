//! The routes of the organisation's baseline policy: every server's policies are combined with it, the stricter wins.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::{Json, Maybe};
use super::condition::Condition;
use super::page::{List, PageQuery, Paging, Query};
use super::policies::{DiffQuery, MAX_BODY, PublishQuery, PublishRequest, RollbackRequest, published};
use super::problem::Problem;
use crate::caller::Caller;
use crate::policies::{Compared, PolicyAt, PolicyShown, Published, VersionRow, VersionShown};
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(show, publish, delete))
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(difference))
        .routes(routes!(roll_back))
}

/// The baseline as it is in force, with its document.
#[utoipa::path(
    get,
    path = "/baseline",
    tag = "baseline",
    operation_id = "baseline_show",
    responses((status = 200, description = "The baseline.", body = PolicyShown)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn show(State(state): State<ApiState>, caller: Caller) -> Result<Answer<PolicyShown>, Problem> {
    let shown = state.control().show_policy(&caller, PolicyAt::Baseline).await?;
    let revision = shown.policy.revision;
    Ok(Answer::ok(shown).revision(revision))
}

/// Publishes a document as a new version of the baseline, if its check and its own tests pass: it is in force for the
/// next call, on every server.
#[utoipa::path(
    put,
    path = "/baseline",
    tag = "baseline",
    operation_id = "baseline_publish",
    params(PublishQuery, Condition),
    request_body = PublishRequest,
    responses(
        (status = 200, description = "What is in force now; in a dry run what would be.", body = Published),
        (status = 201, description = "The baseline is new.", body = Published),
    ),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn publish(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<PublishQuery>,
    Condition(precondition): Condition,
    Json(body): Json<PublishRequest, MAX_BODY>,
) -> Result<Answer<Published>, Problem> {
    let publication = body.publication(&query);
    let done = state.control().publish_policy(&caller, PolicyAt::Baseline, &publication, precondition).await?;
    Ok(published(done, publication.dry_run, format!("{}/baseline", super::BASE)))
}

/// Deletes the baseline with its versions: from the next call on, policies stand alone.
#[utoipa::path(
    delete,
    path = "/baseline",
    tag = "baseline",
    operation_id = "baseline_delete",
    params(IfMatch),
    responses((status = 204, description = "It is deleted.")),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    IfMatch(precondition): IfMatch,
) -> Result<Answer<()>, Problem> {
    state.control().delete_policy(&caller, PolicyAt::Baseline, false, precondition).await?;
    Ok(Answer::done())
}

/// The versions of the baseline, newest first.
#[utoipa::path(
    get,
    path = "/baseline/versions",
    tag = "baseline",
    operation_id = "baseline_versions",
    params(PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<VersionRow>)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn versions(
    State(state): State<ApiState>,
    caller: Caller,
    paging: Paging,
) -> Result<Answer<List<VersionRow>>, Problem> {
    let listed = state.control().policy_versions(&caller, PolicyAt::Baseline, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// One version of the baseline, with its document.
#[utoipa::path(
    get,
    path = "/baseline/versions/{version}",
    tag = "baseline",
    operation_id = "baseline_version",
    params(("version" = i64, Path, description = "Counted from 1.", minimum = 1)),
    responses((status = 200, description = "The version.", body = VersionShown)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn version(
    State(state): State<ApiState>,
    caller: Caller,
    Path(version): Path<i64>,
) -> Result<Answer<VersionShown>, Problem> {
    Ok(Answer::ok(state.control().policy_version(&caller, PolicyAt::Baseline, version).await?))
}

/// How two versions of the baseline differ: line by line, and rule by rule.
#[utoipa::path(
    get,
    path = "/baseline/diff",
    tag = "baseline",
    operation_id = "baseline_diff",
    params(DiffQuery),
    responses((status = 200, description = "The difference.", body = Compared)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn difference(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<DiffQuery>,
) -> Result<Answer<Compared>, Problem> {
    Ok(Answer::ok(state.control().policy_difference(&caller, PolicyAt::Baseline, query.versions()).await?))
}

/// Publishes an earlier version of the baseline again, as a new one.
#[utoipa::path(
    post,
    path = "/baseline/rollback",
    tag = "baseline",
    operation_id = "baseline_rollback",
    params(IfMatch),
    request_body = Option<RollbackRequest>,
    responses((status = 200, description = "What is in force now.", body = Published)),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn roll_back(
    State(state): State<ApiState>,
    caller: Caller,
    IfMatch(precondition): IfMatch,
    Maybe(RollbackRequest { to }): Maybe<RollbackRequest>,
) -> Result<Answer<Published>, Problem> {
    let control = state.control();
    let done = control.roll_back_policy(&caller, PolicyAt::Baseline, to, precondition).await?;
    let revision = done.policy.revision;
    Ok(Answer::ok(done).revision(revision))
}
