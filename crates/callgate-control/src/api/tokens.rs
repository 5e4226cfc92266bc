//! The routes of API tokens.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::Json;
use super::members::RolesView;
use super::page::{List, PageQuery, Paging};
use super::problem::Problem;
use crate::caller::Caller;
use crate::error::{Error, Kind};
use crate::moment;
use crate::secret::Secret;
use crate::tokens::NewToken;
use axum::extract::{Path, State};
use callgate_store::{Credential, Stored};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// An API token, without itself.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    /// Its identity.
    id: String,
    /// What it is called.
    label: String,
    /// What it may do.
    roles: RolesView,
    /// Whether it may handle the whole instance: organisations, keys, backups.
    instance: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When it ends by itself; null where it does not.
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// When it was last used, to the minute; null before.
    #[schema(format = DateTime)]
    used: Option<String>,
    /// The revision: the `ETag`.
    revision: i64,
    /// The token itself, in the answer that made it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenNew {
    /// What it is called; unique among the organisation's tokens.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// What it may do: at most what the caller may.
    #[serde(default)]
    roles: RolesView,
    /// When it ends by itself (RFC 3339); left out, it lasts until it is revoked.
    #[serde(default)]
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// Whether it may handle the whole instance; the caller has to, too.
    #[serde(default)]
    #[schema(default = false)]
    instance: bool,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// The API tokens, without themselves.
#[utoipa::path(
    get,
    path = "/tokens",
    tag = "tokens",
    operation_id = "token_list",
    params(PageQuery),
    responses((status = 200, description = "A part of them.", body = List<TokenView>)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    paging: Paging,
) -> Result<Answer<List<TokenView>>, Problem> {
    let rows = state.control().tokens(&caller, &paging.page(None)).await?;
    Ok(Answer::ok(paging.list(rows, |row| row.record.id.clone(), |row| view(row, None))))
}

/// Makes an API token.
#[utoipa::path(
    post,
    path = "/tokens",
    tag = "tokens",
    operation_id = "token_create",
    request_body = TokenNew,
    responses((status = 201, description = "Made; the token itself is shown once.", body = TokenView)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Json(new): Json<TokenNew>,
) -> Result<Answer<TokenView>, Problem> {
    let expires = new.expires.map(|text| {
        let message = "`expires` is no moment as RFC 3339 writes one";
        let error = || Error::new(Kind::Invalid, "CG3158", message, "for example `2027-01-31T12:00:00Z`");
        moment::parse(&text).ok_or_else(error)
    });
    let expires = expires.transpose()?;
    let new = NewToken { label: new.label, roles: new.roles.into(), expires, instance: new.instance };
    let (stored, secret) = state.control().add_token(&caller, new).await?;
    let (revision, path) = (stored.changed, format!("/api/v1/tokens/{}", stored.record.id));
    Ok(Answer::created(path, view(stored, Some(secret))).revision(revision))
}

/// Revokes an API token: the next request with it is refused.
#[utoipa::path(
    delete,
    path = "/tokens/{token}",
    tag = "tokens",
    operation_id = "token_revoke",
    params(("token" = String, Path, description = "Its identity or label."), IfMatch),
    responses((status = 204, description = "Revoked.")),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path(token): Path<String>,
    IfMatch(expected): IfMatch,
) -> Result<Answer<()>, Problem> {
    state.control().remove_token(&caller, &token, expected).await?;
    Ok(Answer::done())
}

fn view(stored: Stored<Credential>, token: Option<Secret>) -> TokenView {
    let Stored { record, changed, .. } = stored;
    TokenView {
        id: record.id,
        label: record.label,
        roles: record.roles.into(),
        instance: record.instance,
        created: moment::rfc3339(record.created),
        expires: record.expires.map(moment::rfc3339),
        used: record.used.map(moment::rfc3339),
        revision: changed,
        token: token.map(|token| token.reveal().to_owned()),
    }
}
