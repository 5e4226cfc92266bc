//! GET and DELETE: the stream of a legacy session, and its end.

use super::headers;
use super::hosted;
use super::reply;
use super::{Worker, refuse, status_only};
use crate::answer::Reply;
use crate::errors::Cause;
use crate::exchange::{Way, is_type};
use crate::forward::{Answer, Ask, Failure, forward_http};
use crate::judge::Caller;
use crate::relay::{Messages, Relay, Source};
use crate::reopen;
use crate::sessions::{FarEnd, Session, Why};
use crate::snapshot::GrantEntry;
use crate::upstream::{HttpUpstream, UpstreamConfig};
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::{Era, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Revision};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::sync::Arc;

/// Opens the stream of a session.
pub(super) async fn get(worker: &Arc<Worker>, entry: &Arc<GrantEntry>, head: &HeaderMap) -> Reply {
    let opened = async {
        let session = session_of(worker, entry, head)?;
        headers::accepts_events(head)?;
        let caller = Caller { entry, session: Some(&session.id), client: session.client.as_ref(), trace: None };
        let permit = worker.gate.judge_stream(caller, "(stream)").await?;
        if hosted::is_host(&session) {
            // Nothing leaves, so there is nothing to settle but the permit itself.
            drop(permit);
            return hosted::get(worker, entry, &session, headers::last_event_id(head)?);
        }
        let (FarEnd::Http(_), UpstreamConfig::Http(upstream)) = (&session.far, &session.server.upstream) else {
            return Err(Cause::SessionUnknown);
        };
        let relay = Relay::new(&worker.gate, entry, Some(&session), Era::Legacy);
        let far = session.far_id();
        let answer = follow(worker, entry, upstream, permit, headers::of_get(head), far.clone()).await?;
        // What was to be resumed is lost with the session; a stream that only begins is not.
        let lost = far.filter(|_| answer.status == StatusCode::NOT_FOUND && !resumes(head));
        let Some(far) = lost else { return stream(worker, entry, &session, relay, answer) };
        if !reopen(worker, entry, &session, &far).await {
            return stream(worker, entry, &session, relay, answer);
        }
        let permit = worker.gate.judge_stream(caller, "(stream)").await?;
        let answer = follow(worker, entry, upstream, permit, headers::of_get(head), session.far_id()).await?;
        stream(worker, entry, &session, relay, answer)
    };
    match opened.await {
        Ok(reply) => reply,
        Err(cause) => refuse(&worker.gate, entry, "(stream)", &cause).await,
    }
}

async fn follow(
    worker: &Worker,
    entry: &GrantEntry,
    upstream: &HttpUpstream,
    permit: Permit,
    mut headers: HeaderMap,
    id: Option<HeaderValue>,
) -> Result<Answer, Cause> {
    if let Some(id) = id {
        headers.insert(MCP_SESSION_ID, id);
    }
    let connect = entry.server.timeouts.connect;
    let ask = Ask { method: Method::GET, headers, body: Bytes::new(), connect, silence: None };
    let sent = forward_http(permit, &worker.pool, upstream, ask).await;
    let (flight, answer) = sent.map_err(|failure| failure.cause(entry.server.name.as_str()))?;
    flight.accepted();
    Ok(answer)
}

fn resumes(head: &HeaderMap) -> bool {
    head.contains_key("last-event-id")
}

async fn reopen(worker: &Worker, entry: &Arc<GrantEntry>, session: &Arc<Session>, far: &HeaderValue) -> bool {
    let (gate, pool) = (&worker.gate, &worker.pool);
    let way =
        Way { gate, pool, entry, session: Some(session), era: Era::Legacy, trace: None, cancel: false, streams: true };
    reopen::reopen(way, session, far).await
}

fn stream(
    worker: &Worker,
    entry: &GrantEntry,
    session: &Arc<Session>,
    relay: Relay,
    answer: Answer,
) -> Result<Reply, Cause> {
    let Answer { status, headers, body } = answer;
    let events = headers.get(CONTENT_TYPE).is_some_and(|kind| is_type(kind.as_bytes(), b"text/event-stream"));
    if status.is_success() && events {
        let source = Source::sse(body, worker.gate.options.max_message);
        return Ok(reply::stream(Messages::new(source, relay), None, Some(session)));
    }
    if status.is_success() {
        let why = "it answers a GET with something that is no event stream".to_owned();
        return Err(Failure::Unreadable(why).cause(entry.server.name.as_str()));
    }
    if status == StatusCode::NOT_FOUND && matches!(&session.far, FarEnd::Http(Some(_))) {
        worker.gate.sessions.end_because(session, Why::Lost);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return Err(Cause::HttpMethod { method: "GET".to_owned(), allowed: "POST, DELETE" });
    }
    Ok(status_only(status))
}

/// Ends a session, here and at the upstream.
pub(super) async fn delete(worker: &Arc<Worker>, entry: &Arc<GrantEntry>, head: &HeaderMap) -> Reply {
    let session = match session_of(worker, entry, head) {
        Ok(session) => session,
        Err(cause) => return refuse(&worker.gate, entry, "(end of session)", &cause).await,
    };
    let caller = Caller { entry, session: Some(&session.id), client: session.client.as_ref(), trace: None };
    let permit = worker.gate.judge_stream(caller, "(end of session)").await;
    // The session ends whatever the upstream or the journal says.
    worker.gate.sessions.end(&session);
    let (Some(id), UpstreamConfig::Http(upstream), Ok(permit)) = (session.far_id(), &session.server.upstream, permit)
    else {
        return status_only(StatusCode::NO_CONTENT);
    };
    let mut headers = headers::of_delete(head);
    headers.insert(MCP_SESSION_ID, id);
    let timeouts = &entry.server.timeouts;
    let ask = Ask {
        method: Method::DELETE,
        headers,
        body: Bytes::new(),
        connect: timeouts.connect,
        silence: Some(timeouts.silence),
    };
    match forward_http(permit, &worker.pool, upstream, ask).await {
        Ok((flight, _)) => flight.accepted(),
        Err(failure) => tracing::debug!("the upstream was not told that a session ended: {failure:?}"),
    }
    status_only(StatusCode::NO_CONTENT)
}

/// The session of a GET or DELETE. The modern revision has neither.
fn session_of(worker: &Worker, entry: &GrantEntry, head: &HeaderMap) -> Result<Arc<Session>, Cause> {
    let version = head.get(MCP_PROTOCOL_VERSION).and_then(|value| value.to_str().ok());
    let modern = version.and_then(Revision::parse).is_some_and(|revision| revision.era() == Era::Modern);
    let Some(id) = head.get(MCP_SESSION_ID).filter(|_| !modern) else {
        if modern {
            return Err(Cause::HttpMethod { method: "GET or DELETE".to_owned(), allowed: "POST" });
        }
        return Err(Cause::SessionMissing);
    };
    worker.gate.sessions.find(id.as_bytes(), entry)
}
