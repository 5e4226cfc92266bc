//! The routes of questions to people: what waits for a yes, and the answers.

use super::ApiState;
use super::answer::Answer;
use super::authenticate::{credential, is_still};
use super::body::Maybe;
use super::page::{List, PageQuery, Paging, Query};
use super::problem::Problem;
use super::via::Via;
use crate::approvals::{ApprovalView, Remember, Verdict, Watch};
use crate::caller::Caller;
use crate::error::{Error, Kind};
use crate::listing::Part;
use crate::moment;
use crate::records::News;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a stream of events is silent before it shows that it lives.
const SILENCE: Duration = Duration::from_secs(15);

/// How often it is looked whether who follows a stream is still signed in, where nothing tells.
const LOOK: Duration = Duration::from_secs(5);

/// How long a stream of events lasts: whoever follows it asks again, and proves again who it is.
const LONGEST: Duration = Duration::from_secs(300);

/// One stream of events, and who follows it.
struct Stream {
    state: ApiState,
    watch: Watch,
    caller: Caller,
    via: Via,
    /// The credential that it was opened with.
    headers: HeaderMap,
    news: watch::Receiver<News>,
    /// How often something was changed, at the last look at who follows.
    changed: u64,
    /// When that has to be looked at again.
    due: Instant,
    end: Instant,
    first: Option<String>,
}

/// Which questions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ApprovalQuery {
    /// Only those that stand so.
    #[param(pattern = "^(pending|approved|refused|expired|withdrawn|used)$")]
    state: Option<String>,
    /// Only those of this server: its name or identity.
    server: Option<String>,
}

/// A yes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApprovalYes, example = json!({"reason": "agreed", "remember": {"for": "15m", "arguments": ["path"]}}))]
struct Yes {
    /// For a yes that stays; only where the rule allows it.
    remember: Option<RememberRequest>,
    /// What is said about it.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

/// How long a yes stays, and for which calls.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApprovalRemember)]
struct RememberRequest {
    /// How long, at most as long as the rule allows: `90s`, `15m`, `12h`, `30d`.
    #[serde(rename = "for")]
    #[schema(rename = "for", pattern = "^[0-9]+[smhdw]$")]
    lasts: String,
    /// The top-level arguments that have to be equal; all of them where it is left out.
    arguments: Option<Vec<String>>,
}

/// A no.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApprovalNo, example = json!({"reason": "not today"}))]
struct No {
    /// What the caller is told.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(events))
        .routes(routes!(show))
        .routes(routes!(approve))
        .routes(routes!(deny))
        .routes(routes!(revoke))
}

/// Questions, newest first, without their arguments. What is over is deleted after 30 days.
#[utoipa::path(
    get,
    path = "/approvals",
    tag = "approvals",
    operation_id = "approval_list",
    params(ApprovalQuery, PageQuery),
    responses((status = 200, description = "A part of the list.", body = List<ApprovalView>)),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ApprovalQuery>,
    paging: Paging,
) -> Result<Answer<List<ApprovalView>>, Problem> {
    let wanted = (query.state.as_deref(), query.server.as_deref());
    let part = Part { limit: paging.limit, after: paging.after().map(str::to_owned) };
    let listed = state.control().list_approvals(&caller, wanted, &part).await?;
    let next = listed.next.map(|place| paging.cursor(&place));
    Ok(Answer::ok(List { items: listed.items, next }))
}

/// What happens to questions, as server-sent events: first those that are open, then each that is asked, answered or
/// over (`event: approval`, `data: {"id", "state"}`). Ends after some minutes, with the session, with a change of the
/// caller's roles, and when the gateway stops; ask again.
#[utoipa::path(
    get,
    path = "/approvals/events",
    tag = "approvals",
    operation_id = "approval_events",
    responses((status = 200, description = "Events.", body = String, content_type = "text/event-stream")),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn events(
    State(state): State<ApiState>,
    caller: Caller,
    via: Via,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let news = state.control().inner.news.subscribe();
    let changed = news.borrow().changed;
    let watch = state.control().watch_approvals(&caller).await?;
    let (now, first) = (Instant::now(), Some(": this is what waits for a yes\nretry: 1000\n\n".to_owned()));
    let (due, end, headers) = (now + LOOK, now + LONGEST, credential(&headers));
    let begin = Stream { state, watch, caller, via, headers, news, changed, due, end, first };
    let stream = futures_util::stream::unfold(begin, async |mut stream| {
        let text = stream.next().await?;
        Some((Ok::<_, Infallible>(text), stream))
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response())
}

impl Stream {
    /// The next event as text; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let silence = Instant::now() + SILENCE;
        loop {
            let told = tokio::select! {
                told = self.watch.next() => Some(told.ok()?),
                news = self.news.changed() => {
                    news.ok()?;
                    None
                }
                () = tokio::time::sleep_until(silence.min(self.due).min(self.end)) => None,
            };
            let (news, now) = (*self.news.borrow_and_update(), Instant::now());
            if news.ends || (told.is_none() && now >= self.end) {
                return None;
            }
            // What is indexed is news, too, and has nothing to do with who follows.
            if told.is_some() || now >= self.due || news.changed != self.changed {
                (self.due, self.changed) = (now + LOOK, news.changed);
                if !is_still(&self.state, self.via, &self.headers, &self.caller).await {
                    return None;
                }
            }
            if let Some(told) = told {
                let data = serde_json::to_string(&told).ok()?;
                return Some(format!("event: approval\ndata: {data}\n\n"));
            }
            if now >= silence {
                return Some(": nothing new\n\n".to_owned());
            }
        }
    }
}

/// A question; with its exact arguments for who may answer it, as long as it is open.
#[utoipa::path(
    get,
    path = "/approvals/{approval}",
    tag = "approvals",
    operation_id = "approval_show",
    params(("approval" = String, Path, description = "The question's identity.")),
    responses((status = 200, description = "The question.", body = ApprovalView)),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(approval): Path<String>,
) -> Result<Answer<ApprovalView>, Problem> {
    Ok(Answer::ok(state.control().show_approval(&caller, &approval).await?))
}

/// Says yes: exactly this call may be made once, until the yes is over.
#[utoipa::path(
    post,
    path = "/approvals/{approval}/approve",
    tag = "approvals",
    operation_id = "approval_approve",
    params(("approval" = String, Path, description = "The question's identity.")),
    request_body = Option<Yes>,
    responses((status = 200, description = "The question now.", body = ApprovalView)),
    extensions(("x-permission" = json!("decide_approvals")))
)]
async fn approve(
    State(state): State<ApiState>,
    caller: Caller,
    Path(approval): Path<String>,
    Maybe(Yes { remember, reason }): Maybe<Yes>,
) -> Result<Answer<ApprovalView>, Problem> {
    let remember = remember.map(remembered).transpose()?;
    let verdict = Verdict { yes: true, reason, remember };
    Ok(Answer::ok(state.control().answer_approval(&caller, &approval, verdict).await?))
}

/// Says no: identical calls are refused until the question is over.
#[utoipa::path(
    post,
    path = "/approvals/{approval}/deny",
    tag = "approvals",
    operation_id = "approval_deny",
    params(("approval" = String, Path, description = "The question's identity.")),
    request_body = Option<No>,
    responses((status = 200, description = "The question now.", body = ApprovalView)),
    extensions(("x-permission" = json!("decide_approvals")))
)]
async fn deny(
    State(state): State<ApiState>,
    caller: Caller,
    Path(approval): Path<String>,
    Maybe(No { reason }): Maybe<No>,
) -> Result<Answer<ApprovalView>, Problem> {
    let verdict = Verdict { yes: false, reason, remember: None };
    Ok(Answer::ok(state.control().answer_approval(&caller, &approval, verdict).await?))
}

/// Takes a yes back that was not used up, also one that stays: the next call is asked about again.
#[utoipa::path(
    post,
    path = "/approvals/{approval}/revoke",
    tag = "approvals",
    operation_id = "approval_revoke",
    params(("approval" = String, Path, description = "The question's identity.")),
    responses((status = 200, description = "The question now.", body = ApprovalView)),
    extensions(("x-permission" = json!("decide_approvals")))
)]
async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path(approval): Path<String>,
) -> Result<Answer<ApprovalView>, Problem> {
    Ok(Answer::ok(state.control().revoke_approval(&caller, &approval).await?))
}

fn remembered(request: RememberRequest) -> Result<Remember, Error> {
    let RememberRequest { lasts, arguments } = request;
    let milliseconds = moment::milliseconds(&lasts).ok_or_else(|| {
        let lasts = super::problem::short(&lasts);
        let remedy = "write a whole number and a unit: `90s`, `15m`, `12h`, `30d` or `4w`";
        Error::new(Kind::Invalid, "CG3051", format!("`remember.for`: `{lasts}` is no duration"), remedy)
    })?;
    Ok(Remember { milliseconds, arguments })
}
