//! The stream of new decisions, as server-sent events.

use super::super::ApiState;
use super::super::authenticate::{credential, is_still};
use super::super::page::Query;
use super::super::problem::Problem;
use super::super::via::Via;
use super::query::DecisionQuery;
use crate::caller::Caller;
use crate::error::{Error, Kind};
use crate::records::{Decision, Subject, Tail};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::Instant;

/// How many streams of decisions there can be at once.
pub(in crate::api) const STREAMS: usize = 64;

/// How long a stream is silent before it shows that it lives.
const SILENCE: Duration = Duration::from_secs(15);

/// How often it looks, where nothing tells it to: what other gateways on the database wrote, and whether who reads it is
/// still signed in.
const LOOK: Duration = Duration::from_secs(5);

/// Where the client goes on: the identity of the last decision that it saw.
const LAST: &str = "last-event-id";

/// One stream, and who reads it.
struct Stream {
    state: ApiState,
    tail: Tail,
    caller: Caller,
    via: Via,
    /// The credential that it was opened with.
    headers: HeaderMap,
    sender: Sender<String>,
    _place: OwnedSemaphorePermit,
}

/// Each new decision as it is indexed, as server-sent events: `event: decision`, `id:` its identity, `data:` the decision
/// as in the list; what becomes of its call comes later, and is in the list. With `Last-Event-ID` it begins behind that
/// decision, at most 10,000 records ago. Ends with the session, with a change of the caller's roles, and when the gateway
/// stops.
#[utoipa::path(
    get,
    path = "/decisions/events",
    tag = "records",
    operation_id = "decision_events",
    params(DecisionQuery, ("Last-Event-ID" = Option<String>, Header, description = "The identity of the last decision seen.")),
    responses((status = 200, description = "Events.", body = String, content_type = "text/event-stream")),
    extensions(("x-permission" = json!("read_decisions")))
)]
pub(super) async fn events(
    State(state): State<ApiState>,
    caller: Caller,
    via: Via,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let terms = super::terms(&state, Subject::Decisions, &query)?;
    let place = state.streams().try_acquire_owned().map_err(|_| {
        let message = format!("{STREAMS} streams of decisions are open already");
        Error::new(Kind::TooMany { retry_after: 5 }, "CG3251", message, "close one, or ask for the list instead")
    })?;
    let last = headers.get(LAST).and_then(|value| value.to_str().ok());
    let tail = state.control().tail(&caller, terms, last).await?;
    // One is on its way while the next is made.
    let (sender, receiver) = mpsc::channel(1);
    let runtime = state.control().inner.runtime.clone();
    runtime.spawn(Stream { state, tail, caller, via, headers: credential(&headers), sender, _place: place }.run());
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        let text: String = receiver.recv().await?;
        Some((Ok::<_, Infallible>(text), receiver))
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response())
}

impl Stream {
    async fn run(mut self) {
        let mut text = ": new decisions follow\nretry: 1000\n\n".to_owned();
        let mut spoke = Instant::now();
        loop {
            if !text.is_empty() {
                if self.sender.send(text).await.is_err() {
                    return;
                }
                spoke = Instant::now();
            }
            let is_due = tokio::select! {
                () = self.sender.closed() => return,
                // What is indexed is looked at at once; for whom, only where there is something to say.
                moved = self.tail.moved() => match moved {
                    Some(moved) => moved.may_concern_callers,
                    None => return,
                },
                () = tokio::time::sleep(LOOK) => true,
            };
            let Ok(decisions) = self.tail.look().await else { return };
            let is_due = is_due || !decisions.is_empty();
            if is_due && !is_still(&self.state, self.via, &self.headers, &self.caller).await {
                return;
            }
            text = decisions.iter().map(event).collect();
            if text.is_empty() && spoke.elapsed() >= SILENCE {
                text.push_str(": nothing new\n\n");
            }
        }
    }
}

fn event(decision: &Decision) -> String {
    let mut text = String::new();
    if let Ok(data) = serde_json::to_string(decision) {
        // Writing to a string can't fail.
        let _ = write!(text, "id: {}\nevent: decision\ndata: {data}\n\n", decision.id);
    }
    text
}
