//! One message of a stdio client: judged at once, answered when the upstream does.

use super::{Connection, era_of, events};
use crate::answer;
use crate::errors::{Cause, UPSTREAM_FAILED};
use crate::exchange::{Exchange, Opened};
use crate::forward::{Ask, forward_http};
use crate::gate::Figures;
use crate::judge::Caller;
use crate::opening;
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::translate;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::{
    Batches, Era, Incoming, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Message, MessageKind, Method, RequestId,
    mirror_headers, parse_client,
};
use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Judges a message and sends it on its way. `line` holds it and nothing else.
pub(super) async fn message(
    connection: &Arc<Connection>,
    entry: &Arc<GrantEntry>,
    message: &Message<'_>,
    line: Bytes,
    tasks: &mut JoinSet<()>,
) {
    let (era, initialize) = match era_of(message) {
        Ok(found) => found,
        Err(error) => return connection.refuse_frame(entry, message.method_name().unwrap_or_default(), &error).await,
    };
    let session = connection.session();
    // The modern revision has no sessions, also where a process of its own stands behind it.
    let known = session.as_ref().filter(|_| era == Era::Legacy);
    let client = translate::client(message);
    let caller = Caller { entry, session: known.map(|session| &*session.id), client: client.as_ref() };
    if message.kind() == MessageKind::Response && !was_asked(session.as_deref(), message) {
        let cause = Cause::ResponseUnasked;
        connection.gate.refuse_cause(caller, "(response)", &cause).await;
        connection.lines.write(&answer::cause_message(&cause, None)).await;
        return;
    }
    let permit = match connection.gate.judge(caller, message).await {
        Ok(permit) => permit,
        Err(denial) => {
            if message.kind() == MessageKind::Request {
                connection.lines.write(&answer::denial_message(&denial, message.id_bytes(), era)).await;
            }
            return;
        }
    };
    if message.kind() != MessageKind::Request {
        return note(connection, entry, message, era, permit, line, tasks).await;
    }
    if initialize {
        return open(connection, entry, message, permit, line).await;
    }
    let Some(id) = message.id() else { return };
    let own = Arc::clone(connection);
    let entry = Arc::clone(entry);
    let waited = id.clone();
    let mut waiting = connection.waiting();
    let task = tasks.spawn(async move {
        ask(&own, &entry, era, permit, line).await;
        own.waiting().remove(&waited);
    });
    waiting.insert(id, task);
}

/// Tells an HTTP upstream that the session is over.
pub(super) async fn end_session(connection: &Connection, session: &Session) {
    let (FarEnd::Http(Some(id)), UpstreamConfig::Http(upstream)) = (&session.far, &session.server.upstream) else {
        return;
    };
    let Some(entry) = connection.gate.snapshot().grant_by_id(&connection.grant).cloned() else { return };
    let caller = Caller { entry: &entry, session: Some(&session.id), client: None };
    let Ok(permit) = connection.gate.judge_stream(caller, "(end of session)").await else { return };
    let mut headers = legacy_headers(connection);
    headers.insert(MCP_SESSION_ID, id.clone());
    let wait = connection.gate.options.grace;
    let ask = Ask { method: http::Method::DELETE, headers, body: Bytes::new(), connect: wait, silence: Some(wait) };
    if let Ok((flight, _)) = forward_http(permit, &connection.pool, upstream, ask).await {
        flight.accepted();
    }
}

async fn ask(connection: &Connection, entry: &Arc<GrantEntry>, era: Era, permit: Permit, line: Bytes) {
    // It was read a moment ago, so it can be read again.
    let Ok(Incoming::One(message)) = parse_client(&line, &connection.gate.limits, Batches::Refused) else { return };
    let session = session_for(connection, era);
    let way = connection.way(entry, session.as_ref(), era);
    let headers = headers(connection, &message, era);
    let id = message.id_bytes();
    match way.carry(permit, &message, line.clone(), headers).await {
        Ok(exchange) => write(connection, exchange, id).await,
        Err(failure) => {
            Figures::count(&connection.gate.figures.failed);
            let cause = failure.cause(entry.server.name.as_str());
            connection.lines.write(&answer::cause_message(&cause, id)).await;
        }
    }
}

async fn note(
    connection: &Arc<Connection>,
    entry: &Arc<GrantEntry>,
    message: &Message<'_>,
    era: Era,
    permit: Permit,
    line: Bytes,
    tasks: &mut JoinSet<()>,
) {
    let over_http = matches!(&entry.server.upstream, UpstreamConfig::Http(_));
    // Over modern HTTP, to disconnect is to cancel; the notification has no place there.
    if over_http && message.method() == Method::Cancelled && connection.revision().is_none() {
        let id = message.cancelled_id().and_then(RequestId::from_value);
        if let Some(task) = id.and_then(|id| connection.waiting().remove(&id)) {
            task.abort();
        }
        return;
    }
    let session = session_for(connection, era);
    let way = connection.way(entry, session.as_ref(), era);
    let headers = headers(connection, message, era);
    if let Err(failure) = way.carry(permit, message, line, headers).await {
        Figures::count(&connection.gate.figures.failed);
        tracing::warn!("a notification came to nothing: {}", failure.cause(entry.server.name.as_str()));
        return;
    }
    if let (Method::Initialized, true, Some(session)) = (message.method(), over_http, session) {
        tasks.spawn(events::follow(Arc::clone(connection), Arc::clone(entry), session));
    }
}

async fn open(
    connection: &Arc<Connection>,
    entry: &Arc<GrantEntry>,
    message: &Message<'_>,
    permit: Permit,
    line: Bytes,
) {
    let session = connection.session();
    let own_process = session.as_ref().is_some_and(|session| matches!(session.far, FarEnd::Process(_)));
    let way = connection.way(entry, session.as_ref(), Era::Legacy);
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let carried = if own_process {
        way.carry(permit, message, line, headers).await.map(|exchange| Opened { exchange, far: None })
    } else {
        let way = crate::exchange::Way { session: None, ..way };
        way.open(permit, message, line, headers).await
    };
    let opened = match carried {
        Ok(Opened { exchange, far: Some(far) }) => {
            opening::open_session(&connection.gate, entry, message, exchange, far).await.map(|(exchange, session)| {
                if let Some(session) = session {
                    connection.set_revision(session.revision);
                    connection.set_session(session);
                }
                exchange
            })
        }
        Ok(Opened { exchange, far: None }) => opening::response(exchange).await.map(|(exchange, response)| {
            if let Some(revision) = response.as_deref().and_then(opening::agreed) {
                connection.set_revision(revision);
            }
            exchange
        }),
        Err(failure) => Err(failure.cause(entry.server.name.as_str())),
    };
    match opened {
        Ok(exchange) => write(connection, exchange, message.id_bytes()).await,
        Err(cause) => {
            connection.lines.write(&answer::cause_message(&cause, message.id_bytes())).await;
        }
    }
}

async fn write(connection: &Connection, exchange: Exchange, id: Option<&[u8]>) {
    let status = match exchange {
        Exchange::Whole { message, .. } => {
            connection.lines.write(&message).await;
            return;
        }
        Exchange::Stream(messages) => return connection.write_all(*messages, id).await,
        Exchange::Bare(status) => status,
        Exchange::Large(message) => message.status,
        Exchange::Accepted => http::StatusCode::ACCEPTED,
    };
    if let Some(id) = id {
        let text = format!("the server answered with HTTP {status} and no message");
        let error = callgate_mcp::error_response(Some(id), UPSTREAM_FAILED, &text, Some("{\"code\":\"CG2041\"}"));
        connection.lines.write(&error).await;
    }
}

fn was_asked(session: Option<&Session>, message: &Message<'_>) -> bool {
    match (session, message.id()) {
        (Some(session), Some(id)) => match &session.far {
            FarEnd::Process(process) => process.was_asked(&id),
            FarEnd::Http(_) => session.was_asked(&id),
        },
        _ => false,
    }
}

/// The session that a message goes to: modern messages have none at an HTTP upstream, and share the process else.
fn session_for(connection: &Connection, era: Era) -> Option<Arc<Session>> {
    connection.session().filter(|session| era == Era::Legacy || matches!(session.far, FarEnd::Process(_)))
}

/// The headers that a message needs over HTTP, derived from its body.
fn headers(connection: &Connection, message: &Message<'_>, era: Era) -> HeaderMap {
    let mut headers = match era {
        Era::Legacy => legacy_headers(connection),
        Era::Modern => HeaderMap::with_capacity(8),
    };
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if era == Era::Modern {
        for (name, value) in mirror_headers(message, None) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                headers.insert(name, value);
            }
        }
    }
    headers
}

pub(super) fn legacy_headers(connection: &Connection) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(revision) = connection.revision().filter(|revision| revision.has_version_header()) {
        headers.insert(HeaderName::from_static(MCP_PROTOCOL_VERSION), HeaderValue::from_static(revision.as_str()));
    }
    headers
}
