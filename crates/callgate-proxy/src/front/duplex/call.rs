//! One message of a client on a connection of its own: judged at once, answered when the upstream does.

use super::{Connection, era_of, events, held};
use crate::answer;
use crate::asking::{Patience, confirm, takes_forms};
use crate::errors::{Cause, UPSTREAM_FAILED};
use crate::exchange::{Exchange, Opened, Way};
use crate::forward::{Ask, forward_http};
use crate::gate::Figures;
use crate::judge::{Caller, Denial};
use crate::mirrored;
use crate::opening;
use crate::pinned;
use crate::reach;
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::translate;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::{
    Batches, Era, HeaderParams, Incoming, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Message, MessageKind, Method,
    RequestId, parse_client,
};
use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::task::JoinSet;

/// A call that may leave: by which grant, and what it repeats in headers.
type Repeated = (Permit, Arc<GrantEntry>, Option<Arc<HeaderParams>>);

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
    let caller = Caller { entry, session: known.map(|session| &*session.id), client: client.as_ref(), trace: None };
    let Ok(kept) = kept(connection, era, session.as_deref(), caller, message).await else { return };
    let again = kept.as_ref().map(|kept| parse_client(kept, &connection.gate.limits, Batches::Refused));
    let (message, line) = match (&again, &kept) {
        (Some(Ok(Incoming::One(message))), Some(kept)) => (message, kept.clone()),
        (Some(Err(error)), _) => return connection.refuse_frame(entry, "(response)", error).await,
        _ => (message, line),
    };
    if connection.gate.wants_list(entry, message) {
        return later(connection, entry, message, era, line, tasks);
    }
    let permit = match connection.gate.judge(caller, message).await {
        Ok(permit) => permit,
        Err(Denial::Asked(asked)) if asked.is_open() && message.kind() == MessageKind::Request => {
            return Box::pin(held::asked(connection, entry, era, (message, line), asked, tasks)).await;
        }
        Err(denial) => {
            if message.kind() == MessageKind::Request {
                connection.lines.write(&answer::denial_message(&denial, message.id_bytes(), era)).await;
            }
            return;
        }
    };
    if message.kind() != MessageKind::Request {
        return Box::pin(note(connection, entry, message, era, permit, line, tasks)).await;
    }
    if initialize {
        return Box::pin(open(connection, entry, message, permit, line, tasks)).await;
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

/// What takes the place of a message: a response as its server may have it, a request without the answer that it
/// brought. Whatever ends here has been told, and is an error.
async fn kept(
    connection: &Connection,
    era: Era,
    session: Option<&Session>,
    caller: Caller<'_>,
    message: &Message<'_>,
) -> Result<Option<Bytes>, ()> {
    let gate = &connection.gate;
    let refused = async |method: &str, cause: &Cause, id: Option<&[u8]>| {
        gate.refuse_cause(caller, method, cause).await;
        connection.lines.write(&answer::cause_message(cause, id)).await;
    };
    if message.kind() == MessageKind::Response {
        if gate.waiting.confirmed(&connection.owner, message) {
            return Err(());
        }
        let Some(asked) = was_asked(session, message) else {
            refused("(response)", &Cause::ResponseUnasked, None).await;
            return Err(());
        };
        return Ok(reach::response(caller.entry, asked, message).map(Bytes::from));
    }
    if era == Era::Legacy {
        return Ok(None);
    }
    match confirm::brought(gate, caller.entry, message).await {
        Ok(brought) => Ok(brought),
        Err(cause) => {
            refused(message.method_name().unwrap_or_default(), &cause, message.id_bytes()).await;
            Err(())
        }
    }
}

/// A call that is decided about once the server's list is known: others don't wait for that.
fn later(
    connection: &Arc<Connection>,
    entry: &Arc<GrantEntry>,
    message: &Message<'_>,
    era: Era,
    line: Bytes,
    tasks: &mut JoinSet<()>,
) {
    let Some(id) = message.id() else { return };
    let (own, entry, waited) = (Arc::clone(connection), Arc::clone(entry), id.clone());
    let mut waiting = connection.waiting();
    let task = tasks.spawn(async move {
        ask_once_known(&own, &entry, era, line).await;
        own.waiting().remove(&waited);
    });
    waiting.insert(id, task);
}

async fn ask_once_known(connection: &Arc<Connection>, entry: &Arc<GrantEntry>, era: Era, line: Bytes) {
    // It was read a moment ago, so it can be read again.
    let Ok(Incoming::One(message)) = parse_client(&line, &connection.gate.limits, Batches::Refused) else { return };
    match judged(connection, entry, era, &message).await {
        Ok((permit, entry)) => ask(connection, &entry, era, permit, line.clone()).await,
        Err(Some((Denial::Asked(asked), entry))) if asked.is_open() => {
            let begun = held::begin(connection, &entry, era, Patience::Fresh, &message, asked).await;
            if let Some(begun) = begun {
                held::wait(connection, entry, era, line.clone(), begun).await;
            }
        }
        Err(Some((denial, _))) => {
            connection.lines.write(&answer::denial_message(&denial, message.id_bytes(), era)).await;
        }
        Err(None) => {}
    }
}

/// Decides about a call once the server's list is known, where it has to be. What that fails for has been told: then
/// there is no denial.
pub(super) async fn judged(
    connection: &Connection,
    entry: &Arc<GrantEntry>,
    era: Era,
    message: &Message<'_>,
) -> Result<(Permit, Arc<GrantEntry>), Option<(Denial, Arc<GrantEntry>)>> {
    let session = session_for(connection, era);
    let way = connection.way(entry, session.as_ref(), era);
    let client = translate::client(message);
    let known = session.as_ref().filter(|_| era == Era::Legacy);
    let caller = Caller { entry, session: known.map(|session| &*session.id), client: client.as_ref(), trace: None };
    let entry = match pinned::known_first(way, caller, message).await {
        Ok(now) => now.unwrap_or_else(|| Arc::clone(entry)),
        Err(cause) => {
            Figures::count(&connection.gate.figures.failed);
            connection.gate.refuse_cause(caller, message.method_name().unwrap_or_default(), &cause).await;
            connection.lines.write(&answer::cause_message(&cause, message.id_bytes())).await;
            return Err(None);
        }
    };
    match connection.gate.judge(Caller { entry: &entry, ..caller }, message).await {
        Ok(permit) => Ok((permit, entry)),
        Err(denial) => Err(Some((denial, entry))),
    }
}

/// Tells an HTTP upstream that the session is over.
pub(super) async fn end_session(connection: &Connection, session: &Session) {
    let (Some(id), UpstreamConfig::Http(upstream)) = (session.far_id(), &session.server.upstream) else {
        return;
    };
    let Some(entry) = connection.gate.snapshot().grant_by_id(&connection.grant).cloned() else { return };
    let caller = Caller { entry: &entry, session: Some(&session.id), client: None, trace: None };
    let Ok(permit) = connection.gate.judge_stream(caller, "(end of session)").await else { return };
    let mut headers = legacy_headers(connection);
    headers.insert(MCP_SESSION_ID, id);
    let wait = connection.gate.options.grace;
    let ask = Ask { method: http::Method::DELETE, headers, body: Bytes::new(), connect: wait, silence: Some(wait) };
    if let Ok((flight, _)) = forward_http(permit, &connection.pool, upstream, ask).await {
        flight.accepted();
    }
}

pub(super) async fn ask(connection: &Connection, entry: &Arc<GrantEntry>, era: Era, permit: Permit, line: Bytes) {
    // It was read a moment ago, so it can be read again.
    let Ok(Incoming::One(message)) = parse_client(&line, &connection.gate.limits, Batches::Refused) else { return };
    let session = session_for(connection, era);
    let way = connection.way(entry, session.as_ref(), era);
    let id = message.id_bytes();
    let kept = session.as_ref().filter(|_| era == Era::Legacy);
    let (permit, entry, params) = match repeated(way, permit, &message).await {
        Ok(Ok(found)) => found,
        Ok(Err(answer)) => return write(connection, kept, answer, id).await,
        Err(cause) => {
            Figures::count(&connection.gate.figures.failed);
            connection.lines.write(&answer::cause_message(&cause, id)).await;
            return;
        }
    };
    let way = Way { entry: &entry, ..way };
    let headers = headers(connection, &message, era, params.as_deref());
    match way.cross(permit, &message, line.clone(), headers).await {
        Ok(exchange) => write(connection, kept, exchange, id).await,
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
    // The server never heard of a call that waits for a person.
    if message.method() == Method::Cancelled && connection.gate.waiting.cancel(&connection.owner, message) {
        return;
    }
    // To drop a modern request is to cancel it, however the server is told.
    if message.method() == Method::Cancelled && connection.revision().is_none() {
        let id = message.cancelled_id().and_then(RequestId::from_value);
        if let Some(task) = id.and_then(|id| connection.waiting().remove(&id)) {
            task.abort();
        }
        return;
    }
    let session = session_for(connection, era);
    let way = connection.way(entry, session.as_ref(), era);
    let headers = headers(connection, message, era, None);
    if let Err(failure) = way.cross(permit, message, line, headers).await {
        Figures::count(&connection.gate.figures.failed);
        tracing::warn!("a notification came to nothing: {}", failure.cause(entry.server.name.as_str()));
        return;
    }
    let Some(session) = session.filter(|_| message.method() == Method::Initialized) else { return };
    match &session.far {
        FarEnd::Http(_) => tasks.spawn(events::follow(Arc::clone(connection), Arc::clone(entry), session)),
        FarEnd::Synthesized(_) => {
            tasks.spawn(events::pass_on_events(Arc::clone(connection), Arc::clone(entry), session))
        }
        FarEnd::Peer(_) => return,
    };
}

async fn open(
    connection: &Arc<Connection>,
    entry: &Arc<GrantEntry>,
    message: &Message<'_>,
    permit: Permit,
    line: Bytes,
    tasks: &mut JoinSet<()>,
) {
    connection.elicits.store(takes_forms(message.params().and_then(|params| params.get("capabilities"))), Relaxed);
    let session = connection.session();
    let way = connection.way(entry, session.as_ref(), Era::Legacy);
    // A session is made on the process that the connection has.
    let own_process = session.as_ref().is_some_and(|session| matches!(session.far, FarEnd::Peer(_)));
    let way = Way { session: way.session.filter(|_| own_process || !way.speaks(Era::Legacy)), ..way };
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let opened = match way.cross_open(permit, message, line, headers).await {
        Ok(Opened { exchange, far: Some(far) }) => {
            opening::open_session(&connection.gate, entry, message, exchange, far).await.map(|(exchange, session)| {
                if let Some(session) = session {
                    connection.set_revision(session.revision);
                    connection.set_session(Arc::clone(&session));
                    tasks.spawn(events::pass_on_said(Arc::clone(connection), Arc::clone(entry), session));
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
        Ok(exchange) => write(connection, None, exchange, message.id_bytes()).await,
        Err(cause) => {
            connection.lines.write(&answer::cause_message(&cause, message.id_bytes())).await;
        }
    }
}

async fn write(connection: &Connection, session: Option<&Arc<Session>>, exchange: Exchange, id: Option<&[u8]>) {
    let status = match exchange {
        Exchange::Whole { message, .. } => {
            connection.lines.write(&message).await;
            return;
        }
        Exchange::Stream(messages) => return events::write_answer(connection, session, *messages, id).await,
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

fn was_asked(session: Option<&Session>, message: &Message<'_>) -> Option<Method> {
    match (session, message.id()) {
        (Some(session), Some(id)) => match &session.far {
            FarEnd::Peer(process) => process.was_asked(&id),
            FarEnd::Http(_) | FarEnd::Synthesized(_) => session.was_asked(&id),
        },
        _ => None,
    }
}

/// The session that a message goes to: modern messages have none at an HTTP upstream, and share the process else.
fn session_for(connection: &Connection, era: Era) -> Option<Arc<Session>> {
    connection.session().filter(|session| era == Era::Legacy || matches!(session.far, FarEnd::Peer(_)))
}

/// What lets a call leave, and the arguments that it has to repeat in headers where it leaves over HTTP. Where the
/// server had to be asked for them, the call is decided again.
async fn repeated(way: Way<'_>, permit: Permit, message: &Message<'_>) -> Result<Result<Repeated, Exchange>, Cause> {
    let over_http = matches!(way.entry.server.upstream, UpstreamConfig::Http(_));
    let known = if over_http { mirrored::known(way, message) } else { Some(None) };
    if let Some(params) = known {
        return Ok(Ok((permit, Arc::clone(way.entry), params)));
    }
    let client = translate::client(message);
    let caller = Caller { entry: way.entry, session: None, client: client.as_ref(), trace: None };
    let params = mirrored::params_of(way, caller, message).await?;
    Ok(way.decided_again(permit, message).await.map(|(permit, entry)| (permit, entry, params)))
}

/// The headers that a message needs over HTTP, derived from its body.
fn headers(connection: &Connection, message: &Message<'_>, era: Era, params: Option<&HeaderParams>) -> HeaderMap {
    if era == Era::Modern {
        return mirrored::derived(message, params);
    }
    let mut headers = legacy_headers(connection);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers
}

pub(super) fn legacy_headers(connection: &Connection) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(revision) = connection.revision().filter(|revision| revision.has_version_header()) {
        headers.insert(HeaderName::from_static(MCP_PROTOCOL_VERSION), HeaderValue::from_static(revision.as_str()));
    }
    headers
}
