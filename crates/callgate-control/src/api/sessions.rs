//! The routes of sessions: who am I, signing in and out, one's own password.

use super::ApiState;
use super::answer::Answer;
use super::authenticate::{DEFAULT_ORGANISATION, Signed, cookie_name};
use super::body::Json;
use super::csrf;
use super::page::Query;
use super::problem::Problem;
use super::via::Via;
use crate::caller::{Caller, Permission, Scope, Who};
use crate::error::{Error, Kind};
use crate::moment;
use crate::secret::Secret;
use crate::sessions::{LONGEST, Session, SignIn};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use callgate_store::Roles;
use http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a body of somebody unknown may be, in bytes: they cost nothing, and their memory does. No password is longer.
const MAX_SIGN_IN: usize = 8 << 10;

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// The organisation.
    organisation: String,
    /// How change records name it: `member:ada`, `token:ci`, `local`.
    who: String,
    /// The identity of the member; null for others.
    member: Option<String>,
    /// Its roles.
    roles: super::members::RolesView,
    /// What they allow.
    may: May,
    /// The token that a browser's changes carry as `X-CSRF-Token`; null without a session.
    csrf: Option<String>,
    /// When the session ends at the latest; null without a session.
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// The session as a bearer token, where it was asked for as one; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// The permissions that somebody has, by their words (`x-permission`).
#[derive(Debug, Serialize, ToSchema)]
struct May {
    /// In the whole organisation.
    organisation: Vec<&'static str>,
    /// For single servers, by identity.
    servers: BTreeMap<String, Vec<&'static str>>,
}

impl May {
    fn of(caller: &Caller) -> Self {
        let words = |scope: Scope<'_>| {
            let has = |permission: &&Permission| caller.clear(**permission, scope).is_ok();
            Permission::ALL.iter().filter(has).map(|permission| permission.as_str()).collect()
        };
        let servers = caller.roles().servers.keys();
        Self {
            organisation: words(Scope::Organisation),
            servers: servers.map(|server| (server.clone(), words(Scope::Server(server)))).collect(),
        }
    }
}

/// Either `login` and `password`, or `link`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSession {
    /// The organisation of the login.
    #[serde(default)]
    #[schema(default = "default")]
    organisation: Option<String>,
    /// Who signs in.
    #[serde(default)]
    login: Option<String>,
    /// The password.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    password: Option<Secret>,
    /// The secret of a one-time link: what stands behind `?link=`.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    link: Option<Secret>,
    /// How the session is kept; without it a cookie, and on the local socket a token.
    #[serde(default, rename = "as")]
    #[schema(rename = "as")]
    kept: Option<Kept>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kept {
    /// In a cookie that scripts can't read.
    Cookie,
    /// By the caller, who gets it as a bearer token.
    Token,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The password that there is; not needed where there is none.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    old: Option<Secret>,
    /// The password from now on: at least 12 characters, at most 1024 bytes.
    #[schema(value_type = String, write_only)]
    new: Secret,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Everywhere {
    /// Ends all sessions of the member, not only this one.
    #[serde(default)]
    #[param(default = false)]
    everywhere: bool,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(show, end)).routes(routes!(set_password))
}

/// Signs in.
#[utoipa::path(
    post,
    path = "/sessions",
    tag = "sessions",
    operation_id = "session_start",
    request_body = NewSession,
    responses((status = 201, description = "Signed in.", body = Me)),
    extensions(("x-permission" = json!("none")))
)]
async fn start(
    State(state): State<ApiState>,
    via: Via,
    headers: HeaderMap,
    Json(new): Json<NewSession, MAX_SIGN_IN>,
) -> Result<Response, Problem> {
    csrf::check_origin(&headers, via)?;
    let kept = new.kept.unwrap_or(if via == Via::LocalSocket { Kept::Token } else { Kept::Cookie });
    let unusable = |message: &str, remedy: &str| Error::new(Kind::Invalid, "CG3158", message, remedy);
    if kept == Kept::Cookie && via == Via::LocalSocket {
        return Err(unusable("the local socket keeps no cookies", "ask for the session `as: token`").into());
    }
    let organisation = new.organisation.unwrap_or_else(|| DEFAULT_ORGANISATION.to_owned());
    let with = match (new.login, new.password, new.link) {
        (Some(login), Some(password), None) => SignIn::Password { organisation, login, password },
        (None, None, Some(link)) => SignIn::Link(link),
        _ => return Err(unusable("neither a login with its password nor a link", "send one of them").into()),
    };
    let (caller, session) = sign_in(&state, via, with).await?;
    let cookie = (kept == Kept::Cookie).then(|| cookie(via, session.secret.reveal(), LONGEST / 1000)).flatten();
    let mut me = me(&state, &caller, Some(&session));
    me.token = (kept == Kept::Token).then(|| session.secret.reveal().to_owned());
    let mut response = Answer::created("/api/v1/session".to_owned(), me).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// Signs somebody in where nobody reads along. CG3154.
pub(super) async fn sign_in(state: &ApiState, via: Via, with: SignIn) -> Result<(Caller, Session), Error> {
    if !via.is_private() {
        let message = "signing in over plain http beyond this machine would show the password to everybody on the way";
        let remedy = "use https: `tls_cert` and `tls_key`, or a `trusted_proxy` that has them";
        return Err(Error::new(Kind::Forbidden, "CG3154", message, remedy));
    }
    state.purge().await?;
    state.control().sign_in(state.attempts(), via.source(), with).await
}

/// Who is asking.
#[utoipa::path(
    get,
    path = "/session",
    tag = "sessions",
    operation_id = "session_show",
    responses((status = 200, description = "Who it is.", body = Me)),
    extensions(("x-permission" = json!("signed_in")))
)]
async fn show(State(state): State<ApiState>, signed: Signed) -> Answer<Me> {
    Answer::ok(me(&state, &signed.caller, signed.session.as_ref()))
}

/// Signs out.
#[utoipa::path(
    delete,
    path = "/session",
    tag = "sessions",
    operation_id = "session_end",
    params(Everywhere),
    responses((status = 204, description = "Signed out.")),
    extensions(("x-permission" = json!("signed_in")))
)]
async fn end(
    State(state): State<ApiState>,
    via: Via,
    Query(query): Query<Everywhere>,
    signed: Signed,
) -> Result<Response, Problem> {
    let session = signed.session.ok_or_else(no_session)?;
    state.control().sign_out(&signed.caller, &session, query.everywhere).await?;
    let mut response = Answer::done().into_response();
    response.headers_mut().extend(cookie(via, "", 0).map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// Changes one's own password, and ends one's other sessions.
#[utoipa::path(
    put,
    path = "/session/password",
    tag = "sessions",
    operation_id = "session_password",
    request_body = NewPassword,
    responses((status = 204, description = "Changed.")),
    extensions(("x-permission" = json!("signed_in")))
)]
async fn set_password(
    State(state): State<ApiState>,
    via: Via,
    signed: Signed,
    Json(new): Json<NewPassword>,
) -> Result<Answer<()>, Problem> {
    let session = signed.session.ok_or_else(no_session)?;
    let control = state.control();
    control.change_password(state.attempts(), via.source(), (&signed.caller, &session), (new.old, new.new)).await?;
    Ok(Answer::done())
}

/// The session's cookie, for this many seconds; `None` where cookies are not accepted.
pub(super) fn cookie(via: Via, value: &str, seconds: i64) -> Option<HeaderValue> {
    let name = cookie_name(via)?;
    let secure = if via.is_https() { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut cookie = HeaderValue::from_str(&text).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

fn me(state: &ApiState, caller: &Caller, session: Option<&Session>) -> Me {
    let member = match caller.who() {
        Who::Member { id, .. } => Some(id.clone()),
        _ => None,
    };
    let roles: &Roles = caller.roles();
    Me {
        organisation: caller.organisation().to_owned(),
        who: caller.who().word(),
        member,
        roles: roles.clone().into(),
        may: May::of(caller),
        csrf: session.map(|session| csrf::token(&state.control().inner.tokens, session.secret.reveal())),
        expires: session.map(|session| moment::rfc3339(session.expires)),
        token: None,
    }
}

fn no_session() -> Error {
    let message = "this is no session, so there is nothing to sign out of and no password to change";
    Error::new(Kind::Conflict, "CG3158", message, "an API token is revoked with `DELETE /api/v1/tokens/{token}`")
}
