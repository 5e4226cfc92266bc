//! The route of `apply`: what should be there, in one request.

use super::ApiState;
use super::answer::Answer;
use super::body::{Json, LONGEST_BODY};
use super::problem::Problem;
use crate::apply::{Applied, Applying, Desired, DesiredDocument, DesiredGrant, DesiredPolicy, DesiredServer};
use crate::caller::Caller;
use crate::error::{Error, Kind};
use crate::moment;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::target::{Target, TargetSchema};
use axum::extract::State;
use http::HeaderMap;
use http::header::IF_MATCH;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What should be there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApplyBody {
    /// Only says what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Removes what was applied once and is not named any more.
    #[serde(default)]
    prune: bool,
    /// Servers.
    #[serde(default)]
    servers: Vec<ServerBody>,
    /// Policies of servers.
    #[serde(default)]
    policies: Vec<PolicyBody>,
    /// The organisation's baseline policy.
    baseline: Option<DocumentBody>,
    /// Grants.
    #[serde(default)]
    grants: Vec<GrantBody>,
}

/// A server that should be registered.
#[derive(Deserialize, ToSchema)]
#[schema(as = DesiredServer)]
#[serde(deny_unknown_fields)]
struct ServerBody {
    /// Its name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Where it is, with its secrets.
    #[schema(value_type = TargetSchema)]
    target: Target,
    /// How it is treated.
    #[serde(default)]
    settings: Settings,
    /// Where that is said, for messages.
    file: Option<String>,
}

/// A policy that should be in force.
#[derive(Deserialize, ToSchema)]
#[schema(as = DesiredPolicy)]
#[serde(deny_unknown_fields)]
struct PolicyBody {
    /// The name of its server.
    server: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// The document.
    document: String,
    /// Where it is, for messages.
    file: Option<String>,
}

/// A document that should be in force.
#[derive(Deserialize, ToSchema)]
#[schema(as = DesiredBaseline)]
#[serde(deny_unknown_fields)]
struct DocumentBody {
    /// The document.
    document: String,
    /// Where it is, for messages.
    file: Option<String>,
}

/// A grant that should be there.
#[derive(Deserialize, ToSchema)]
#[schema(as = DesiredGrant)]
#[serde(deny_unknown_fields)]
struct GrantBody {
    /// The name of its server.
    server: String,
    /// Its label, unique among the live grants of its server.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// The name of its policy; without one every call is denied.
    policy: Option<String>,
    /// Tags that rules can look at.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "moment_of")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<i64>,
    /// Its token; without one a new grant gets one of its own, and one that is there keeps its.
    #[serde(default, deserialize_with = "secret_of")]
    #[schema(value_type = Option<String>, min_length = 32, max_length = 512)]
    token: Option<Secret>,
    /// Where that is said, for messages.
    file: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(apply))
}

/// Make what is there what should be there.
///
/// All of it in one step: nothing is done unless all of it can be. What isn't named stays as it is, unless `prune` says
/// that what was applied once goes. What the configuration file keeps can't be named. With the `ETag` of a dry run as
/// `If-Match`, nothing is done where the plan is another one by then.
#[utoipa::path(
    post,
    path = "/apply",
    tag = "apply",
    operation_id = "apply",
    params((
        "If-Match" = Option<String>, Header, description = "The `ETag` of a dry run; `*` for whatever the plan is.",
        pattern = r#"^(\*|"[0-9a-f]{32}")$"#
    )),
    request_body = ApplyBody,
    responses((status = 200, description = "What was done, or in a dry run would be.", body = Applied)),
    extensions(("x-permission" = json!("manage_servers+manage_grants+edit_policies")))
)]
async fn apply(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<ApplyBody, LONGEST_BODY>,
) -> Result<Answer<Applied>, Problem> {
    let (desired, applying) = body.read();
    let applied = state.control().apply(&caller, desired, applying, only(&headers)?).await?;
    let id = applied.plan_id.clone();
    Ok(Answer::ok(applied).tag(id))
}

/// The only plan that is meant; none where any is. A tag that no plan has is one that no plan matches.
fn only(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut given = headers.get_all(IF_MATCH).iter();
    let (Some(value), second) = (given.next(), given.next()) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let id = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match (text, id.filter(|id| !id.contains('"')), second) {
        ("*", _, None) => Ok(None),
        (_, Some(id), None) => Ok(Some(id.to_owned())),
        _ => {
            let message = "`If-Match` is neither `*` nor the `ETag` of one plan";
            Err(Error::new(Kind::Malformed, "CG3146", message, "send the `ETag` as it came, with its quotes"))
        }
    }
}

impl ApplyBody {
    fn read(self) -> (Desired, Applying) {
        let Self { dry_run, prune, servers, policies, baseline, grants } = self;
        let document = |text: String, file: Option<String>, or: String| DesiredDocument {
            text: Ok(text.into()),
            file: file.unwrap_or(or),
        };
        let servers = servers.into_iter().map(|server| {
            let ServerBody { name, target, settings, file } = server;
            DesiredServer { file: file.unwrap_or_else(|| format!("server/{name}")), name, target, settings }
        });
        let policies = policies.into_iter().map(|policy| {
            let PolicyBody { server, name, document: text, file } = policy;
            let document = document(text, file, format!("server/{server}/policy/{name}"));
            DesiredPolicy { server, name, document }
        });
        let grants = grants.into_iter().map(|grant| {
            let GrantBody { server, label, policy, tags, expires, token, file } = grant;
            let file = file.unwrap_or_else(|| format!("server/{server}/grant/{label}"));
            DesiredGrant { label, server, policy, tags, expires, token, file }
        });
        let desired = Desired {
            servers: servers.collect(),
            policies: policies.collect(),
            baseline: baseline.map(|baseline| document(baseline.document, baseline.file, "baseline".to_owned())),
            grants: grants.collect(),
        };
        (desired, Applying { dry_run, prune })
    }
}

fn moment_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let read =
        |text: String| moment::parse(&text).ok_or_else(|| serde::de::Error::custom("`expires` is no RFC 3339 time"));
    text.map(read).transpose()
}

/// A message of the reader would quote what it stumbles over.
fn secret_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Option::<Secret>::deserialize(deserializer).map_err(|_| serde::de::Error::custom("`token` is no text"))
}
