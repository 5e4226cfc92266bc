//! The routes of members.

use super::ApiState;
use super::answer::{Answer, IfMatch};
use super::body::Json;
use super::page::{List, PageQuery, Paging};
use super::problem::Problem;
use crate::caller::Caller;
use crate::members::{Link, MemberEdit, NewMember};
use crate::moment;
use crate::secret::Secret;
use axum::extract::{Path, State};
use callgate_store::{Member, Role, Roles, Stored};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a one-time link lasts where nothing is said, in seconds.
const LINK_SECONDS: i64 = 86_400;

/// What somebody may do.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleView {
    /// Reads servers, policies, grant labels and decisions.
    Viewer,
    /// Also creates, edits, deletes, attaches and detaches policies, and decides approvals.
    PolicyManager,
    /// Also handles servers, upstream credentials, grants and members, and reads the change log.
    Admin,
}

/// Roles in the whole organisation and for single servers.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolesView {
    /// In the whole organisation; null for none.
    #[serde(default)]
    organisation: Option<RoleView>,
    /// For single servers, by identity; requests can name them, too.
    #[serde(default)]
    servers: BTreeMap<String, RoleView>,
}

/// A member.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    /// Its identity.
    id: String,
    /// What it signs in with.
    login: String,
    /// How it is shown.
    name: String,
    /// What it may do.
    roles: RolesView,
    /// Whether it has a password.
    password: bool,
    /// When it was added.
    #[schema(format = DateTime)]
    created: String,
    /// Since when it is shut out; null where it is not.
    #[schema(format = DateTime)]
    disabled: Option<String>,
    /// The revision: the `ETag`.
    revision: i64,
    /// Its one-time link, where one was made; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkView>,
}

/// A one-time link.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkView {
    /// The page that signs in, once, below the root of the gateway.
    path: String,
    /// The secret in it, for `POST /api/v1/sessions`.
    secret: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberNew {
    /// What it signs in with: an e-mail address or a name; kept in lower case.
    #[schema(min_length = 1, max_length = 254)]
    login: String,
    /// How it is shown; the login where nothing is said.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// What it may do.
    #[serde(default)]
    roles: RolesView,
    /// A password: at least 12 characters. Without one the answer holds a one-time link.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    password: Option<Secret>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberPatch {
    /// How it is shown.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// What it may do, as a whole.
    #[serde(default)]
    roles: Option<RolesView>,
    /// Whether it is shut out; that ends its sessions.
    #[serde(default)]
    disabled: Option<bool>,
    /// Its password; null takes it away. Both end its sessions.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, write_only)]
    password: Option<Option<Secret>>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LinkNew {
    /// How long it lasts, in seconds.
    #[serde(default)]
    #[schema(minimum = 900, maximum = 86400, default = 86400)]
    expires_in: Option<u32>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, edit, remove)).routes(routes!(link))
}

/// The members.
#[utoipa::path(
    get,
    path = "/members",
    tag = "members",
    operation_id = "member_list",
    params(PageQuery),
    responses((status = 200, description = "A part of them.", body = List<MemberView>)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    paging: Paging,
) -> Result<Answer<List<MemberView>>, Problem> {
    let rows = state.control().members(&caller, &paging.page(None)).await?;
    Ok(Answer::ok(paging.list(rows, |row| row.record.id.clone(), |row| view(row, None))))
}

/// Adds a member.
#[utoipa::path(
    post,
    path = "/members",
    tag = "members",
    operation_id = "member_add",
    request_body = MemberNew,
    responses((status = 201, description = "Added.", body = MemberView)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    Json(new): Json<MemberNew>,
) -> Result<Answer<MemberView>, Problem> {
    let link = new.password.is_none().then_some(LINK_SECONDS * 1000);
    let new = NewMember { login: new.login, name: new.name, roles: new.roles.into(), password: new.password, link };
    let (stored, link) = state.control().add_member(&caller, new).await?;
    let (revision, path) = (stored.changed, format!("/api/v1/members/{}", stored.record.id));
    Ok(Answer::created(path, view(stored, link)).revision(revision))
}

/// A member.
#[utoipa::path(
    get,
    path = "/members/{member}",
    tag = "members",
    operation_id = "member_show",
    params(("member" = String, Path, description = "Its identity or login.")),
    responses((status = 200, description = "The member.", body = MemberView)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(member): Path<String>,
) -> Result<Answer<MemberView>, Problem> {
    let stored = state.control().member(&caller, &member).await?;
    let revision = stored.changed;
    Ok(Answer::ok(view(stored, None)).revision(revision))
}

/// Changes a member; what is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/members/{member}",
    tag = "members",
    operation_id = "member_edit",
    params(("member" = String, Path, description = "Its identity or login."), IfMatch),
    request_body = MemberPatch,
    responses((status = 200, description = "Changed.", body = MemberView)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn edit(
    State(state): State<ApiState>,
    caller: Caller,
    Path(member): Path<String>,
    IfMatch(expected): IfMatch,
    Json(patch): Json<MemberPatch>,
) -> Result<Answer<MemberView>, Problem> {
    let MemberPatch { name, roles, disabled, password } = patch;
    let wanted = MemberEdit { name, roles: roles.map(Roles::from), disabled, password };
    let stored = state.control().edit_member(&caller, &member, expected, wanted).await?;
    let revision = stored.changed;
    Ok(Answer::ok(view(stored, None)).revision(revision))
}

/// Removes a member and ends its sessions.
#[utoipa::path(
    delete,
    path = "/members/{member}",
    tag = "members",
    operation_id = "member_remove",
    params(("member" = String, Path, description = "Its identity or login."), IfMatch),
    responses((status = 204, description = "Removed.")),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    Path(member): Path<String>,
    IfMatch(expected): IfMatch,
) -> Result<Answer<()>, Problem> {
    state.control().remove_member(&caller, &member, expected).await?;
    Ok(Answer::done())
}

/// Makes a one-time link that signs the member in; the one before stops working.
#[utoipa::path(
    post,
    path = "/members/{member}/link",
    tag = "members",
    operation_id = "member_link",
    params(("member" = String, Path, description = "Its identity or login.")),
    request_body = Option<LinkNew>,
    responses((status = 201, description = "Made; shown once.", body = LinkView)),
    extensions(("x-permission" = json!("manage_members")))
)]
async fn link(
    State(state): State<ApiState>,
    caller: Caller,
    Path(member): Path<String>,
    new: Option<Json<LinkNew>>,
) -> Result<Answer<LinkView>, Problem> {
    let seconds = new.and_then(|Json(new)| new.expires_in).map_or(LINK_SECONDS, i64::from);
    let link = state.control().link_member(&caller, &member, seconds * 1000).await?;
    Ok(Answer::created("/sign-in".to_owned(), link.into()))
}

fn view(stored: Stored<Member>, link: Option<Link>) -> MemberView {
    let Stored { record, changed, .. } = stored;
    MemberView {
        id: record.id,
        login: record.login,
        name: record.name,
        roles: record.roles.into(),
        password: record.password.is_some(),
        created: moment::rfc3339(record.created),
        disabled: record.disabled.map(moment::rfc3339),
        revision: changed,
        link: link.map(LinkView::from),
    }
}

impl From<Link> for LinkView {
    fn from(link: Link) -> Self {
        Self {
            path: link.path().reveal().to_owned(),
            secret: link.secret.reveal().to_owned(),
            expires: moment::rfc3339(link.expires),
        }
    }
}

impl From<RolesView> for Roles {
    fn from(roles: RolesView) -> Self {
        let role = |role| match role {
            RoleView::Viewer => Role::Viewer,
            RoleView::PolicyManager => Role::PolicyManager,
            RoleView::Admin => Role::Admin,
        };
        let servers = roles.servers.into_iter().map(|(server, given)| (server, role(given))).collect();
        Self { organisation: roles.organisation.map(role), servers }
    }
}

impl From<Roles> for RolesView {
    fn from(roles: Roles) -> Self {
        let view = |role| match role {
            Role::Viewer => RoleView::Viewer,
            Role::PolicyManager => RoleView::PolicyManager,
            Role::Admin => RoleView::Admin,
        };
        let servers = roles.servers.into_iter().map(|(server, role)| (server, view(role))).collect();
        Self { organisation: roles.organisation.map(view), servers }
    }
}

/// Tells a null from nothing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Secret>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
