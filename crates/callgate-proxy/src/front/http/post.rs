//! One POST: framed, placed in its era, judged, forwarded, answered.

use super::Worker;
use super::batch;
use super::body;
use super::headers;
use super::held::{self, At};
use super::hosted;
use super::reply;
use crate::answer::{self, Reply};
use crate::asking::{Owner, Patience, confirm};
use crate::errors::Cause;
use crate::exchange::{Exchange, Opened, Way};
use crate::forward::Failure;
use crate::gate::{Figures, Gate};
use crate::judge::{Caller, Denial};
use crate::mirrored;
use crate::opening;
use crate::pinned;
use crate::reach;
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::translate;
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::{
    Batches, Era, FrameError, Incoming, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Message, MessageKind, Method, Opening,
    Revision, check_headers, detect, parse_client,
};
use callgate_policy::Client;
use http::HeaderMap;
use std::pin::Pin;
use std::sync::Arc;

/// Why a POST is answered by the gateway itself.
pub(super) enum Stop {
    /// The message can't be read, or contradicts its headers.
    Frame { error: FrameError, method: String },
    /// For this cause.
    Cause { cause: Cause, id: Option<Box<[u8]>>, method: String },
    /// The answer is made, and what it is about is recorded.
    Answered(Box<Reply>),
}

/// Where a message stands.
struct Place {
    era: Era,
    session: Option<Arc<Session>>,
    client: Option<Client>,
    /// It opens a session.
    initialize: bool,
}

pub(super) async fn post(
    worker: &Arc<Worker>,
    entry: Arc<GrantEntry>,
    head: &HeaderMap,
    incoming: hyper::body::Incoming,
) -> Reply {
    match posted(worker, &entry, head, incoming).await {
        Ok(reply) => reply,
        Err(stop) => stopped(&worker.gate, &entry, stop).await,
    }
}

/// Records and answers what is answered by the gateway itself.
pub(super) async fn stopped(gate: &Gate, entry: &GrantEntry, stop: Stop) -> Reply {
    let caller = Caller { entry, session: None, client: None, trace: None };
    match stop {
        Stop::Answered(reply) => *reply,
        Stop::Frame { error, method } => {
            gate.refuse_frame(caller, &method, &error).await;
            answer::frame(&error)
        }
        Stop::Cause { cause, id, method } => {
            gate.refuse_cause(caller, &method, &cause).await;
            answer::cause(&cause, id.as_deref())
        }
    }
}

/// A call that waited, once more and from the start: what counts is the configuration of now. `body` holds it and
/// nothing else.
pub(super) fn again(
    worker: &Arc<Worker>,
    entry: &Arc<GrantEntry>,
    head: &HeaderMap,
    body: &Bytes,
    patience: Patience,
) -> Pin<Box<dyn Future<Output = Reply> + Send>> {
    let (worker, entry, head, body) = (Arc::clone(worker), Arc::clone(entry), head.clone(), body.clone());
    Box::pin(async move {
        let carried = async {
            let entry = worker.gate.renewed(&entry)?;
            let parsed = parse_client(&body, &worker.gate.limits, Batches::Refused);
            match parsed.map_err(|error| Stop::Frame { error, method: String::new() })? {
                Incoming::One(message) => one(&worker, &entry, &head, &message, body.clone(), patience).await,
                Incoming::Batch(_) => Ok(answer::bare(http::StatusCode::BAD_REQUEST)),
            }
        };
        match carried.await {
            Ok(reply) => reply,
            Err(stop) => stopped(&worker.gate, &entry, stop).await,
        }
    })
}

async fn posted(
    worker: &Arc<Worker>,
    entry: &Arc<GrantEntry>,
    head: &HeaderMap,
    incoming: hyper::body::Incoming,
) -> Result<Reply, Stop> {
    let gate = &worker.gate;
    body::check_type(head)?;
    let body = body::read(incoming, gate.options.max_body, gate.options.body_timeout).await?;
    // It may have taken its time.
    let entry = &gate.renewed(entry)?;
    let batches = if may_batch(worker, entry, head, &body) { Batches::Allowed } else { Batches::Refused };
    let parsed = parse_client(&body, &gate.limits, batches);
    match parsed.map_err(|error| Stop::Frame { error, method: String::new() })? {
        Incoming::One(message) => one(worker, entry, head, &message, body.clone(), Patience::Fresh).await,
        Incoming::Batch(messages) => batch::batch(worker, entry, head, &messages, &body).await,
    }
}

/// Batches are allowed where 2025-03-26 was negotiated, and nowhere else.
fn may_batch(worker: &Worker, entry: &GrantEntry, head: &HeaderMap, body: &[u8]) -> bool {
    let array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let header = head.get(MCP_PROTOCOL_VERSION);
    let version = header.is_none_or(|value| value.as_bytes() == Revision::V2025_03_26.as_str().as_bytes());
    let session = head.get(MCP_SESSION_ID).filter(|_| array && version);
    session
        .and_then(|id| worker.gate.sessions.find(id.as_bytes(), entry).ok())
        .is_some_and(|session| session.revision.has_batches())
}

/// One message, also one of a batch. `body` holds it and nothing else.
pub(super) async fn one(
    worker: &Arc<Worker>,
    entry: &Arc<GrantEntry>,
    head: &HeaderMap,
    message: &Message<'_>,
    body: Bytes,
    patience: Patience,
) -> Result<Reply, Stop> {
    let frame_error = |error| Stop::Frame { error, method: message.method_name().unwrap_or_default().to_owned() };
    let opening = detect(head, message).map_err(frame_error)?;
    let place = place(worker, entry, head, message, opening)?;
    headers::accepts_both(head, place.era).map_err(|cause| Stop::about(cause, message))?;
    let kept = match (message.kind(), place.era) {
        (MessageKind::Response, _) => {
            let owner = place.session.as_ref().map(|session| Owner::Session(session.id.clone()));
            if owner.is_some_and(|owner| worker.gate.waiting.confirmed(&owner, message)) {
                return Ok(answer::bare(http::StatusCode::ACCEPTED));
            }
            reach::response(entry, unasked(&place, message)?, message).map(Bytes::from)
        }
        (_, Era::Modern) => {
            let brought = confirm::brought(&worker.gate, entry, message).await;
            brought.map_err(|cause| Stop::about(cause, message))?
        }
        _ => None,
    };
    let again = kept.as_ref().map(|kept| parse_client(kept, &worker.gate.limits, Batches::Refused)).transpose();
    let again = again.map_err(frame_error)?;
    let (message, body) = match (&again, &kept) {
        (Some(Incoming::One(message)), Some(kept)) => (message, kept.clone()),
        _ => (message, body),
    };
    placed(worker, entry, head, &place, (message, body), patience).await
}

/// A message in its place: decided about, and carried.
async fn placed(
    worker: &Arc<Worker>,
    entry: &Arc<GrantEntry>,
    head: &HeaderMap,
    place: &Place,
    (message, body): (&Message<'_>, Bytes),
    patience: Patience,
) -> Result<Reply, Stop> {
    let about = |cause| Stop::about(cause, message);
    if place.initialize {
        worker.gate.sessions.admit(&entry.grant.id).map_err(about)?;
    }
    let session = place.session.as_ref();
    let hosted = session.filter(|session| message.kind() == MessageKind::Request && hosted::is_host(session));
    if let Some(session) = hosted {
        session.log.admit().map_err(about)?;
    }
    let caller = Caller {
        entry,
        session: session.map(|session| &*session.id),
        client: place.client.as_ref().or_else(|| session?.client.as_ref()),
        trace: headers::trace(head),
    };
    let asked = match place.era {
        Era::Modern => repeated(worker, caller, entry, head, message).await?,
        Era::Legacy => None,
    };
    let entry = asked.as_ref().unwrap_or(entry);
    let way = Way { session, trace: caller.trace, ..way(worker, entry, place.era) };
    let known = match worker.gate.wants_list(entry, message) {
        true => Box::pin(pinned::known_first(way, Caller { entry, ..caller }, message)).await,
        false => Ok(None),
    };
    let known = known.map_err(about)?;
    let entry = known.as_ref().unwrap_or(entry);
    let permit = match worker.gate.judge(Caller { entry, ..caller }, message).await {
        Ok(permit) => permit,
        Err(Denial::Asked(asked)) if asked.is_open() => {
            let at = At { worker, entry, session, era: place.era, patience };
            return Ok(held::answer(&at, asked, (message, head)));
        }
        Err(denial) => return Err(Stop::denied(&denial, message, place.era)),
    };
    if message.method() == Method::Cancelled && ends_a_wait(worker, session, message) {
        // The server never heard of the call.
        drop(permit);
        return Ok(answer::bare(http::StatusCode::ACCEPTED));
    }
    if let Some(session) = hosted.filter(|session| hosted::streams_from_the_start(session, message)) {
        return Ok(hosted::answer(worker, entry, session, permit, (message, body, head)));
    }
    // What follows on an open stream is no body that could be passed on in pieces.
    let streams = !matches!(patience, Patience::Until(_));
    let headers = headers::of_post(head, place.era);
    carry(worker, Way { entry, streams, ..way }, permit, (message, body, headers), place.initialize).await
}

/// Carries a message, and answers with what came back.
async fn carry(
    worker: &Arc<Worker>,
    way: Way<'_>,
    permit: Permit,
    (message, body, headers): (&Message<'_>, Bytes, HeaderMap),
    initialize: bool,
) -> Result<Reply, Stop> {
    let carried = if initialize {
        way.cross_open(permit, message, body, headers).await
    } else {
        way.cross(permit, message, body, headers).await.map(|exchange| Opened { exchange, far: None })
    };
    match carried {
        Ok(Opened { exchange, far: Some(far) }) => open_session(worker, way.entry, message, exchange, far).await,
        Ok(Opened { exchange, far: None }) => Ok(respond(worker, way.entry, exchange, message, way.session)),
        Err(failure) => Err(failed(worker, way.entry, message, failure)),
    }
}

/// Whether a `notifications/cancelled` is about a call that still waits for a person.
fn ends_a_wait(worker: &Worker, session: Option<&Arc<Session>>, message: &Message<'_>) -> bool {
    let owner = session.map(|session| Owner::Session(session.id.clone()));
    owner.is_some_and(|owner| worker.gate.waiting.cancel(&owner, message))
}

/// Counts and answers what could not be carried.
fn failed(worker: &Worker, entry: &GrantEntry, message: &Message<'_>, failure: Failure) -> Stop {
    Figures::count(&worker.gate.figures.failed);
    let cause = failure.cause(entry.server.name.as_str());
    Stop::Answered(Box::new(answer::cause(&cause, message.id_bytes())))
}

/// The way of a message without a session.
fn way<'a>(worker: &'a Worker, entry: &'a Arc<GrantEntry>, era: Era) -> Way<'a> {
    let (gate, pool) = (&worker.gate, &worker.pool);
    Way { gate, pool, entry, session: None, era, trace: None, cancel: era == Era::Modern, streams: true }
}

/// The arguments of a modern call have to be repeated in headers as the tool's schema says. Where the server had to be
/// asked for it, the grant comes back as it is now.
async fn repeated(
    worker: &Worker,
    caller: Caller<'_>,
    entry: &Arc<GrantEntry>,
    head: &HeaderMap,
    message: &Message<'_>,
) -> Result<Option<Arc<GrantEntry>>, Stop> {
    // Without a policy every call is refused, whatever its headers say.
    if entry.policy.is_none() {
        return Ok(None);
    }
    let way = way(worker, entry, Era::Modern);
    let (params, now) = match mirrored::known(way, message) {
        Some(known) => (known, None),
        None => {
            let about = |cause| Stop::about(cause, message);
            let params = Box::pin(mirrored::params_of(way, caller, message)).await.map_err(about)?;
            (params, Some(worker.gate.renewed(entry).map_err(about)?))
        }
    };
    let Some(params) = params else { return Ok(now) };
    let method = || message.method_name().unwrap_or_default().to_owned();
    let checked = check_headers(head, message, Some(&params));
    checked.map(|()| now).map_err(|error| Stop::Frame { error, method: method() })
}

/// Era and session of a message.
fn place(
    worker: &Worker,
    entry: &GrantEntry,
    head: &HeaderMap,
    message: &Message<'_>,
    opening: Opening<'_>,
) -> Result<Place, Stop> {
    match opening {
        Opening::Modern(_) => {
            let method = || message.method_name().unwrap_or_default().to_owned();
            check_headers(head, message, None).map_err(|error| Stop::Frame { error, method: method() })?;
            Ok(Place { era: Era::Modern, session: None, client: translate::client(message), initialize: false })
        }
        Opening::Initialize(_) => {
            Ok(Place { era: Era::Legacy, session: None, client: translate::client(message), initialize: true })
        }
        Opening::Session { session, .. } => {
            let found = worker.gate.sessions.find(session, entry).map_err(|cause| Stop::about(cause, message))?;
            Ok(Place { era: Era::Legacy, session: Some(found), client: None, initialize: false })
        }
        Opening::Sessionless(_) => Err(Stop::about(Cause::SessionMissing, message)),
    }
}

/// What a response answers; one that nobody asked for is refused.
fn unasked(place: &Place, message: &Message<'_>) -> Result<Method, Stop> {
    let asked = match (&place.session, message.id()) {
        (Some(session), Some(id)) => match &session.far {
            FarEnd::Peer(process) => process.was_asked(&id),
            FarEnd::Http(_) | FarEnd::Synthesized(_) => session.was_asked(&id),
        },
        _ => None,
    };
    asked.ok_or_else(|| Stop::Cause { cause: Cause::ResponseUnasked, id: None, method: "(response)".into() })
}

async fn open_session(
    worker: &Worker,
    entry: &Arc<GrantEntry>,
    message: &Message<'_>,
    exchange: Exchange,
    far: FarEnd,
) -> Result<Reply, Stop> {
    let opened = opening::open_session(&worker.gate, entry, message, exchange, far).await;
    let (exchange, session) = opened.map_err(|cause| Stop::about(cause, message))?;
    let answered = respond(worker, entry, exchange, message, session.as_ref());
    Ok(match session {
        Some(session) => reply::with_session(answered, &session),
        None => answered,
    })
}

/// The answer that is made of what came back.
fn respond(
    worker: &Worker,
    entry: &Arc<GrantEntry>,
    exchange: Exchange,
    message: &Message<'_>,
    session: Option<&Arc<Session>>,
) -> Reply {
    match (exchange, session.filter(|session| hosted::is_host(session))) {
        (Exchange::Stream(messages), Some(session)) => {
            hosted::stream(worker, entry, session, *messages, message.id_bytes())
        }
        (exchange, _) => reply::reply(exchange, message.id_bytes(), session),
    }
}

impl Stop {
    fn denied(denial: &Denial, message: &Message<'_>, era: Era) -> Self {
        let told = answer::denial_message(denial, message.id_bytes(), era);
        Self::Answered(Box::new(answer::json(answer::denial_status(denial), told)))
    }

    pub(super) fn about(cause: Cause, message: &Message<'_>) -> Self {
        let id = message.id_bytes().filter(|_| message.kind() == MessageKind::Request).map(Into::into);
        Self::Cause { cause, id, method: message.method_name().unwrap_or("(response)").to_owned() }
    }
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Cause { cause, id: None, method: String::new() }
    }
}
