//! A modern client in front of a legacy upstream: the gateway holds the session, and what the server asks becomes
//! `input_required` (MCP 2026-07-28 "Multi Round-Trip Requests").

mod answers;
mod listen;
mod open;
mod park;
mod table;

pub(crate) use answers::Answers;
pub(crate) use listen::Subscription;
pub(crate) use open::may_be_sse;
pub(crate) use table::Held;

use crate::errors::Cause;
use crate::exchange::{Exchange, Way, first_of};
use crate::forward::{Failure, forward_note, forward_request};
use crate::relay::{Messages, Relay, Source};
use answers::Live;
use bytes::Bytes;
use callgate_decision::{Cover, Permit};
use callgate_mcp::bridge::up::{self, Askable};
use callgate_mcp::{Batches, Era, Incoming, Message, MessageKind, Method, parse_client};
use http::StatusCode;
use park::Resumed;
use std::sync::Arc;
use table::Lease;

/// Carries a modern client's message to a legacy upstream.
pub(crate) async fn carry(way: Way<'_>, permit: Permit, message: &Message<'_>) -> Result<Exchange, Failure> {
    if message.kind() != MessageKind::Request {
        return note(way, permit, message).await;
    }
    if let Some(why) = up::has_no_counterpart(message) {
        let method = message.method_name().unwrap_or_default().to_owned();
        return Err(Failure::Refused(Cause::NoCounterpart { method, why }));
    }
    match message.method() {
        Method::Discover => {
            // The gateway answers itself; where a session has to be opened for it, that is permitted on its own.
            drop(permit);
            discover(way, message).await
        }
        Method::SubscriptionsListen => {
            drop(permit);
            listen::open(way, message).await
        }
        method if may_ask(method) => match park::resume(way, message).await? {
            Some(Resumed::Exchange { live, answers }) => go_on(way, permit, message, *live, answers).await,
            Some(Resumed::Again) | None => ask(way, permit, message).await,
        },
        _ => ask(way, permit, message).await,
    }
}

/// Whether a server may want input before it answers (MCP 2026-07-28 "Supported Requests").
fn may_ask(method: Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

/// Sends a request in a held session. One that the server no longer knows is opened anew: nothing ran in it.
async fn ask(way: Way<'_>, permit: Permit, message: &Message<'_>) -> Result<Exchange, Failure> {
    let askable = Askable::of(message);
    let alone = may_ask(message.method()) && askable.any();
    let (lease, permit, entry) = match table::free(way, message, alone) {
        Some(lease) => (lease, permit, Arc::clone(way.entry)),
        None => {
            // A session has to be opened, or waited for, before anything leaves.
            let lease = table::acquire(way, message, alone).await?;
            match way.decided_again(permit, message).await {
                Ok((permit, entry)) => (lease, permit, entry),
                Err(answer) => return Ok(answer),
            }
        }
    };
    let way = Way { entry: &entry, ..way };
    match ask_in(way, permit, message, lease).await {
        Err(Failure::Gone) => {}
        answered => return answered,
    }
    let lease = table::acquire(way, message, alone).await?;
    // Nothing ran, and time has passed: what counts is the configuration of now.
    let entry = way.now().map_err(Failure::Refused)?;
    let way = Way { entry: &entry, ..way };
    let permit = match way.judge(message).await {
        Ok(permit) => permit,
        Err(answer) => return Ok(answer),
    };
    ask_in(way, permit, message, lease).await.map_err(|failure| match failure {
        // The session is none of the client's.
        Failure::Gone => Failure::Unreachable("it forgets its sessions at once".to_owned()),
        failure => failure,
    })
}

async fn ask_in(way: Way<'_>, permit: Permit, message: &Message<'_>, lease: Lease) -> Result<Exchange, Failure> {
    let level = open::set_level(way, message, lease.session()).await;
    let body = up::request(message);
    let timeouts = &way.entry.server.timeouts;
    let cover = permit.cover().map(Cover::for_legs);
    let asked = {
        // It is made of what was read a moment ago, so it can be read again.
        let Ok(Incoming::One(legacy)) = parse_client(&body, &way.gate.limits, Batches::Refused) else {
            return Err(Failure::Unreadable("the request can't be written for it".to_owned()));
        };
        forward_request(permit, lease.peer(), &legacy, timeouts, true).await
    };
    let (flight, asked) = asked?;
    let mut live = Live::new(asked, lease, Askable::of(message), message.method(), level);
    live.cover = cover;
    let answers = Answers::new(way, message, live);
    first_of(Messages::new(Source::Held(Box::new(answers)), relay(way).of(message, flight))).await
}

/// Gives the server its answers, and goes on with the call that asked.
async fn go_on(
    way: Way<'_>,
    permit: Permit,
    message: &Message<'_>,
    mut live: Live,
    answers: Vec<Vec<u8>>,
) -> Result<Exchange, Failure> {
    let timeouts = &way.entry.server.timeouts;
    // What this leg leaves under, the next one does.
    live.cover = permit.cover().map(Cover::for_legs);
    let flight = crate::forward::forward_answers(permit, live.peer(), answers, timeouts).await?;
    let answers = Answers::new(way, message, live);
    first_of(Messages::new(Source::Held(Box::new(answers)), relay(way).of(message, flight))).await
}

fn relay(way: Way<'_>) -> Relay {
    Relay::new(way.gate, way.entry, None, Era::Modern)
}

/// Answers `server/discover` in the name of the server.
async fn discover(way: Way<'_>, message: &Message<'_>) -> Result<Exchange, Failure> {
    let lease = table::acquire(way, message, false).await?;
    let id = message.id_bytes().unwrap_or(b"null");
    let answer = lease.session().initialized(|initialized| up::discover(initialized, id)).flatten();
    let answer = answer.ok_or_else(|| Failure::Unreadable("its answer to `initialize` is no object".to_owned()))?;
    Ok(Exchange::Whole { status: StatusCode::OK, message: Bytes::from(answer) })
}

/// A notification of a modern client. To cancel over HTTP is to disconnect; on standard streams the one client that
/// there is may say it.
async fn note(way: Way<'_>, permit: Permit, message: &Message<'_>) -> Result<Exchange, Failure> {
    let timeouts = &way.entry.server.timeouts;
    if message.method() == Method::Cancelled {
        drop(permit);
        return Ok(Exchange::Accepted);
    }
    let lease = table::acquire(way, message, false).await?;
    let body = up::request(message);
    let Ok(Incoming::One(legacy)) = parse_client(&body, &way.gate.limits, Batches::Refused) else {
        return Err(Failure::Unreadable("the notification can't be written for it".to_owned()));
    };
    forward_note(permit, lease.peer(), &legacy, timeouts).await?;
    Ok(Exchange::Accepted)
}
