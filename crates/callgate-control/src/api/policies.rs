//! The routes of servers' policies.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::{Json, Maybe};
use super::condition::Condition;
use super::page::{List, PageQuery, Paging, Query};
use super::problem::Problem;
use crate::caller::Caller;
use crate::listing::{Listed, Part};
use crate::policies::{
    Compared, PolicyAt, PolicyListed, PolicyShown, Publication, Published, VersionRow, VersionShown,
};
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a body may be, in bytes: a document of a mebibyte, written as a JSON string, fits.
pub(super) const MAX_BODY: usize = 4 << 20;

/// A document to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyPublication, example = json!({"document": "{ \"version\": \"1\", \"default\": \"deny\" }", "file": "policy.json"}))]
pub(super) struct PublishRequest {
    /// The policy.json document, byte for byte as it is to be kept: at most a mebibyte.
    document: String,
    /// What messages call it; `policy.json` where it is left out.
    file: Option<String>,
}

/// A version to go back to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyRollback, example = json!({"to": 1}))]
pub(super) struct RollbackRequest {
    /// The version; the one before the current where it is left out.
    #[schema(minimum = 1)]
    pub(super) to: Option<i64>,
}

/// How to publish.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PublishQuery {
    /// Only check the document and say what would be done.
    dry_run: Option<bool>,
}

/// How to delete.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// Take the policy off the grants that carry it: then they are denied everything.
    detach: Option<bool>,
}

/// What to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The older version; the one before `to` where it is left out.
    #[param(minimum = 1)]
    from: Option<i64>,
    /// The newer version; the current one where it is left out.
    #[param(minimum = 1)]
    to: Option<i64>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_all))
        .routes(routes!(list))
        .routes(routes!(show, publish, delete))
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(difference))
        .routes(routes!(roll_back))
}

impl PublishRequest {
    /// What is to be published.
    pub(super) fn publication(self, query: &PublishQuery) -> Publication {
        let file = self.file.unwrap_or_else(|| "policy.json".to_owned());
        let file = file.chars().filter(|c| !c.is_control()).take(200).collect();
        Publication { document: self.document.into(), file, dry_run: query.dry_run.unwrap_or_default() }
    }
}

impl DeleteQuery {
    /// Whether grants lose the policy.
    pub(super) fn detach(&self) -> bool {
        self.detach.unwrap_or_default()
    }
}

impl DiffQuery {
    /// The versions, as asked for.
    pub(super) fn versions(&self) -> (Option<i64>, Option<i64>) {
        (self.from, self.to)
    }
}

impl Paging {
    /// Which part of a list is asked for.
    pub(super) fn part(&self) -> Part {
        Part { limit: self.limit, after: self.after().map(str::to_owned) }
    }

    /// A part of a list as the answer has it.
    pub(super) fn listed<T>(&self, listed: Listed<T>) -> List<T> {
        let next = listed.next.map(|place| self.cursor(&place));
        List { items: listed.items, next }
    }
}

/// The answer to publishing: 201 where the policy is new.
pub(super) fn published(published: Published, dry_run: bool, location: String) -> Answer<Published> {
    let revision = published.policy.revision;
    if dry_run {
        return Answer::ok(published);
    }
    let is_new = published.changed && published.policy.version == 1;
    let answer = if is_new { Answer::created(location, published) } else { Answer::ok(published) };
    answer.revision(revision)
}

/// The policies of all servers that the caller may see.
#[utoipa::path(
    get,
    path = "/policies",
    tag = "policies",
    operation_id = "policy_list_all",
    params(PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<PolicyListed>)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn list_all(
    State(state): State<ApiState>,
    caller: Caller,
    paging: Paging,
) -> Result<Answer<List<PolicyListed>>, Problem> {
    let listed = state.control().list_policies(&caller, None, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// The policies of one server.
#[utoipa::path(
    get,
    path = "/servers/{server}/policies",
    tag = "policies",
    operation_id = "policy_list",
    params(("server" = String, Path, description = "The server's name or identity."), PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<PolicyListed>)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(server): Path<String>,
    paging: Paging,
) -> Result<Answer<List<PolicyListed>>, Problem> {
    let listed = state.control().list_policies(&caller, Some(&server), &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// A policy as it is in force, with its document.
#[utoipa::path(
    get,
    path = "/servers/{server}/policies/{policy}",
    tag = "policies",
    operation_id = "policy_show",
    params(
        ("server" = String, Path, description = "The server's name or identity."),
        ("policy" = String, Path, description = "The policy's name."),
    ),
    responses((status = 200, description = "The policy.", body = PolicyShown)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, name)): Path<(String, String)>,
) -> Result<Answer<PolicyShown>, Problem> {
    let at = PolicyAt::Server { server: &server, name: &name };
    let shown = state.control().show_policy(&caller, at).await?;
    let revision = shown.policy.revision;
    Ok(Answer::ok(shown).revision(revision))
}

/// Publishes a document as a new version, if its check and its own tests pass: it is in force for the next call.
#[utoipa::path(
    put,
    path = "/servers/{server}/policies/{policy}",
    tag = "policies",
    operation_id = "policy_publish",
    params(
        ("server" = String, Path, description = "The server's name or identity."),
        ("policy" = String, Path, description = "The policy's name."),
        PublishQuery,
        Condition,
    ),
    request_body = PublishRequest,
    responses(
        (status = 200, description = "What is in force now; in a dry run what would be.", body = Published),
        (status = 201, description = "The policy is new.", body = Published),
    ),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn publish(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, name)): Path<(String, String)>,
    Query(query): Query<PublishQuery>,
    Condition(precondition): Condition,
    Json(body): Json<PublishRequest, MAX_BODY>,
) -> Result<Answer<Published>, Problem> {
    let at = PolicyAt::Server { server: &server, name: &name };
    let publication = body.publication(&query);
    let done = state.control().publish_policy(&caller, at, &publication, precondition).await?;
    let server = done.policy.server.as_deref().unwrap_or_default();
    let location = format!("{}/servers/{server}/policies/{name}", super::BASE);
    Ok(published(done, publication.dry_run, location))
}

/// Deletes a policy with its versions. Refused while grants carry it, unless `detach=true`.
#[utoipa::path(
    delete,
    path = "/servers/{server}/policies/{policy}",
    tag = "policies",
    operation_id = "policy_delete",
    params(
        ("server" = String, Path, description = "The server's name or identity."),
        ("policy" = String, Path, description = "The policy's name."),
        DeleteQuery,
        IfMatch,
    ),
    responses((status = 204, description = "It is deleted.")),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, name)): Path<(String, String)>,
    Query(query): Query<DeleteQuery>,
    IfMatch(precondition): IfMatch,
) -> Result<Answer<()>, Problem> {
    let at = PolicyAt::Server { server: &server, name: &name };
    state.control().delete_policy(&caller, at, query.detach(), precondition).await?;
    Ok(Answer::done())
}

/// The versions of a policy, newest first.
#[utoipa::path(
    get,
    path = "/servers/{server}/policies/{policy}/versions",
    tag = "policies",
    operation_id = "policy_versions",
    params(
        ("server" = String, Path, description = "The server's name or identity."),
        ("policy" = String, Path, description = "The policy's name."),
        PageQuery,
    ),
    responses((status = 200, description = "A part of the list.", body = List<VersionRow>)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn versions(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, name)): Path<(String, String)>,
    paging: Paging,
) -> Result<Answer<List<VersionRow>>, Problem> {
    let at = PolicyAt::Server { server: &server, name: &name };
    let listed = state.control().policy_versions(&caller, at, &paging.part()).await?;
    Ok(Answer::ok(paging.listed(listed)))
}

/// One version of a policy, with its document.
#[utoipa::path(
    get,
    path = "/servers/{server}/policies/{policy}/versions/{version}",
    tag = "policies",
    operation_id = "policy_version",
    params(
        ("server" = String, Path, description = "The server's name or identity."),
        ("policy" = String, Path, description = "The policy's name."),
        ("version" = i64, Path, description = "Counted from 1.", minimum = 1),
    ),
    responses((status = 200, description = "The version.", body = VersionShown)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn version(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, name, version)): Path<(String, String, i64)>,
) -> Result<Answer<VersionShown>, Problem> {
    let at = PolicyAt::Server { server: &server, name: &name };
    Ok(Answer::ok(state.control().policy_version(&caller, at, version).await?))
}

/// How two versions of a policy differ: line by line, and rule by rule.
#[utoipa::path(
    get,
    path = "/servers/{server}/policies/{policy}/diff",
    tag = "policies",
    operation_id = "policy_diff",
    params(
        ("server" = String, Path, description = "The server's name or identity."),
        ("policy" = String, Path, description = "The policy's name."),
        DiffQuery,
    ),
    responses((status = 200, description = "The difference.", body = Compared)),
    extensions(("x-permission" = json!("read_policies")))
)]
async fn difference(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, name)): Path<(String, String)>,
    Query(query): Query<DiffQuery>,
) -> Result<Answer<Compared>, Problem> {
    let at = PolicyAt::Server { server: &server, name: &name };
    Ok(Answer::ok(state.control().policy_difference(&caller, at, query.versions()).await?))
}

/// Publishes an earlier version again, as a new one.
#[utoipa::path(
    post,
    path = "/servers/{server}/policies/{policy}/rollback",
    tag = "policies",
    operation_id = "policy_rollback",
    params(
        ("server" = String, Path, description = "The server's name or identity."),
        ("policy" = String, Path, description = "The policy's name."),
        IfMatch,
    ),
    request_body = Option<RollbackRequest>,
    responses((status = 200, description = "What is in force now.", body = Published)),
    extensions(("x-permission" = json!("edit_policies")))
)]
async fn roll_back(
    State(state): State<ApiState>,
    caller: Caller,
    Path((server, name)): Path<(String, String)>,
    IfMatch(precondition): IfMatch,
    Maybe(RollbackRequest { to }): Maybe<RollbackRequest>,
) -> Result<Answer<Published>, Problem> {
    let at = PolicyAt::Server { server: &server, name: &name };
    let done = state.control().roll_back_policy(&caller, at, to, precondition).await?;
    let revision = done.policy.revision;
    Ok(Answer::ok(done).revision(revision))
}

#[cfg(test)]
mod tests;
