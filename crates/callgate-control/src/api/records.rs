//! The routes of records: decisions, changes, refusals, the export, and the journal's retention.

mod query;
mod tail;

pub(super) use tail::STREAMS;

use super::ApiState;
use super::answer::Answer;
use super::body::Json;
use super::page::{List, PageQuery, Paging, Query};
use super::problem::Problem;
use crate::caller::Caller;
use crate::error::Error;
use crate::export::{Format, Wanted};
use crate::listing::{Listed, Part};
use crate::records::{
    Change, Decision, Deletion, Pruning, Refusal, Subject, Summary, Term, Terms, Wanted as Summed, moment_of, parse,
};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use query::{ChangeQuery, DecisionQuery, ExportQuery, FormatWord, Moment, RefusalQuery, SummaryQuery};
use std::collections::BTreeMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(decisions))
        .routes(routes!(tail::events))
        .routes(routes!(decision))
        .routes(routes!(summary))
        .routes(routes!(changes))
        .routes(routes!(refusals))
        .routes(routes!(export))
        .routes(routes!(prune))
}

/// Decisions, newest first. A part can be short, or empty, and still have a next one.
#[utoipa::path(
    get,
    path = "/decisions",
    tag = "records",
    operation_id = "decision_list",
    params(DecisionQuery, PageQuery),
    responses((status = 200, description = "Decisions.", body = List<Decision>)),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn decisions(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<BTreeMap<String, String>>,
    paging: Paging,
) -> Result<Answer<List<Decision>>, Problem> {
    let terms = terms(&state, Subject::Decisions, &query)?;
    let listed = state.control().decisions(&caller, &terms, &part(&paging)).await?;
    Ok(Answer::ok(list(&paging, listed)))
}

/// One decision.
#[utoipa::path(
    get,
    path = "/decisions/{id}",
    tag = "records",
    operation_id = "decision_show",
    params(("id" = String, Path, description = "Its identity.")),
    responses((status = 200, description = "The decision.", body = Decision)),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn decision(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<Decision>, Problem> {
    Ok(Answer::ok(state.control().decision(&caller, &id).await?))
}

/// What was decided in a span of time, counted by moment, server and rule. What is counted is whole parts: from the
/// beginning of the one that `since` is in to the end of the one that `until` is in.
#[utoipa::path(
    get,
    path = "/summary",
    tag = "records",
    operation_id = "decision_summary",
    params(SummaryQuery),
    responses((status = 200, description = "The counts.", body = Summary)),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn summary(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<SummaryQuery>,
) -> Result<Answer<Summary>, Problem> {
    let now = state.control().now();
    let moment = |name: &str, given: Option<Moment>| given.map(|given| moment_of(name, &given.0, now)).transpose();
    let since = moment("since", query.since).map_err(Error::from)?;
    let until = moment("until", query.until).map_err(Error::from)?;
    let wanted = Summed { since, until, server: query.server };
    Ok(Answer::ok(state.control().summary(&caller, &wanted).await?))
}

/// Changes of the configuration, newest first.
#[utoipa::path(
    get,
    path = "/changes",
    tag = "records",
    operation_id = "change_list",
    params(ChangeQuery, PageQuery),
    responses((status = 200, description = "Changes.", body = List<Change>)),
    extensions(("x-permission" = json!("read_changes")))
)]
async fn changes(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<BTreeMap<String, String>>,
    paging: Paging,
) -> Result<Answer<List<Change>>, Problem> {
    let terms = terms(&state, Subject::Changes, &query)?;
    let listed = state.control().changes(&caller, &terms, &part(&paging)).await?;
    Ok(Answer::ok(list(&paging, listed)))
}

/// What was refused before a grant was known, counted by source and reason, and what was withheld from clients.
#[utoipa::path(
    get,
    path = "/refusals",
    tag = "records",
    operation_id = "refusal_list",
    params(RefusalQuery, PageQuery),
    responses((status = 200, description = "Refusals.", body = List<Refusal>)),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn refusals(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<BTreeMap<String, String>>,
    paging: Paging,
) -> Result<Answer<List<Refusal>>, Problem> {
    let terms = terms(&state, Subject::Refusals, &query)?;
    let listed = state.control().refusals(&caller, &terms, &part(&paging)).await?;
    Ok(Answer::ok(list(&paging, listed)))
}

/// The journal's records, oldest first, as they are read.
#[utoipa::path(
    get,
    path = "/export",
    tag = "records",
    operation_id = "export",
    params(ExportQuery),
    responses((status = 200, description = "One JSON object a line.", body = String, content_type = "application/x-ndjson")),
    extensions(("x-permission" = json!("read_decisions")))
)]
async fn export(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let ExportQuery { format, since, until, server } = query;
    let control = state.control();
    let wanted = Wanted::read(since.map(|since| since.0), until.map(|until| until.0), server, control.now())
        .map_err(Error::from)?;
    let (format, name) = match format {
        FormatWord::Jsonl => (Format::Jsonl, "attachment; filename=\"callgate.jsonl\""),
        FormatWord::Ocsf => (Format::Ocsf, "attachment; filename=\"callgate.ocsf.jsonl\""),
    };
    let stream = control.export(&caller, format, wanted).await?;
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CONTENT_DISPOSITION, name)];
    Ok((headers, axum::body::Body::from_stream(stream)).into_response())
}

/// Deletes old segments of the journal, as retention does.
#[utoipa::path(
    post,
    path = "/journal/prune",
    tag = "records",
    operation_id = "journal_prune",
    request_body = Pruning,
    responses((status = 200, description = "What was deleted.", body = Deletion)),
    extensions(("x-permission" = json!("manage_instance")))
)]
async fn prune(
    State(state): State<ApiState>,
    caller: Caller,
    Json(pruning): Json<Pruning>,
) -> Result<Answer<Deletion>, Problem> {
    Ok(Answer::ok(state.control().prune_journal(&caller, &pruning).await?))
}

/// What is searched for: the text, and the parameters of their own.
fn terms(state: &ApiState, subject: Subject, query: &BTreeMap<String, String>) -> Result<Terms, Error> {
    let mut terms = parse(query.get("q").map_or("", String::as_str))?;
    let own = query.iter().filter(|(name, _)| subject.keys().contains(&name.as_str()));
    terms.extend(own.map(|(name, value)| Term { key: Some(name), value: value.clone(), at: 0 }));
    Ok(Terms::understand(subject, &terms, state.control().now())?)
}

fn part(paging: &Paging) -> Part {
    Part { limit: paging.limit, after: paging.after().map(str::to_owned) }
}

fn list<T>(paging: &Paging, listed: Listed<T>) -> List<T> {
    let next = listed.next.map(|place| paging.cursor(&place));
    List { items: listed.items, next }
}
