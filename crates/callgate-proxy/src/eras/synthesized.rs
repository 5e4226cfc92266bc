//! A legacy client in front of a modern upstream: the gateway keeps the session, and `input_required` becomes requests
//! to the client.
//!
//! What the session knows goes into every request; what has no counterpart is not offered, and refused.

mod events;
mod leg;
mod questions;
mod rounds;

pub(crate) use events::listen;

use crate::errors::Cause;
use crate::exchange::{Exchange, Opened, Way};
use crate::forward::{Failure, Peer};
use crate::gate::Gate;
use crate::opening;
use crate::relay::Item;
use crate::sessions::FarEnd;
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_json::Value;
use callgate_mcp::bridge::down::{Discovered, LegacyClient, LogLevel, Offers, discover};
use callgate_mcp::{
    Batches, Incoming, Limits, Message, MessageKind, Method, Revision, codes, error_response, parse_server,
    result_response,
};
use events::{Events, Subscriptions};
use http::StatusCode;
use leg::Road;
use questions::Questions;
use rounds::{Rounds, Running};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the gateway keeps of a session that its upstream knows nothing of.
#[derive(Debug)]
pub(crate) struct Synthesized {
    client: LegacyClient,
    offers: Offers,
    /// A process that is this session's alone.
    process: Option<Peer>,
    level: Mutex<Option<LogLevel>>,
    questions: Questions,
    running: Running,
    subscriptions: Subscriptions,
    /// Ids of the gateway's own: questions, later legs, subscriptions.
    ids: AtomicU64,
}

/// What such a session says to its client.
pub(crate) enum Said {
    /// The answers to one request, and what is asked on the way.
    Call(Box<Rounds>),
    /// What happens on the server.
    Events(Box<Events>),
}

/// Work that goes on where it was left, whoever waits for it.
type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Synthesized {
    /// The process that is this session's alone.
    pub(crate) fn process(&self) -> Option<&Peer> {
        self.process.as_ref()
    }

    /// An id that no other request of this session has, in either direction.
    fn own_id(&self) -> String {
        format!("callgate-{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn level(&self) -> Option<LogLevel> {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    /// The next message. May be dropped at any await and called again.
    pub(crate) async fn next(&mut self) -> Option<Result<Item, Failure>> {
        match self {
            Self::Call(rounds) => rounds.next().await,
            Self::Events(events) => events.next().await,
        }
    }
}

/// Answers `initialize` in the name of a modern upstream, with what it says to `server/discover`.
pub(crate) async fn open(way: Way<'_>, permit: Permit, message: &Message<'_>) -> Result<Opened, Failure> {
    let client = LegacyClient::of(message);
    let id = message.id_bytes().unwrap_or(b"0");
    let exchange = Road::of(way).send(permit, discover(id, &client).into()).await?;
    let status = match &exchange {
        Exchange::Bare(status) => *status,
        _ => StatusCode::OK,
    };
    let (_, response) = opening::response(exchange).await.map_err(Failure::Refused)?;
    let Some(response) = response else {
        return Err(Failure::Broken(format!("it answered `server/discover` with HTTP {status} and no message")));
    };
    let discovered = read(way.gate, &response, |message| Discovered::read(message).map_err(|error| error.to_string()))?;
    let requested = message.params().and_then(|params| params.get("protocolVersion")).and_then(Value::as_str);
    let revision = Revision::negotiate(requested.unwrap_or_default());
    let answer = discovered.initialize_response(id, revision, way.entry.server.name.as_str());
    let far = Synthesized {
        client,
        offers: discovered.offers,
        process: way.session.and_then(|session| session.far.process().cloned()),
        level: Mutex::default(),
        questions: Questions::default(),
        running: Running::default(),
        subscriptions: Subscriptions::new(discovered.offers),
        ids: AtomicU64::new(1),
    };
    Ok(Opened { exchange: whole(answer), far: Some(FarEnd::Synthesized(Arc::new(far))) })
}

/// Carries a legacy client's message to a modern upstream, or answers it in its name.
pub(crate) async fn carry(
    way: Way<'_>,
    far: &Arc<Synthesized>,
    permit: Permit,
    message: &Message<'_>,
) -> Result<Exchange, Failure> {
    match message.kind() {
        MessageKind::Request => request(way, far, permit, message).await,
        MessageKind::Notification => match (message.method(), message.method_name()) {
            (Method::Cancelled, _) => {
                far.running.cancel(message);
                Ok(Exchange::Accepted)
            }
            // The modern revision has no such notification.
            (Method::Initialized | Method::Progress, _) | (_, Some("notifications/roots/list_changed")) => {
                Ok(Exchange::Accepted)
            }
            _ => Road::of(way).note(permit, message).await.map(|_| Exchange::Accepted),
        },
        MessageKind::Response => {
            far.questions.answered(message);
            Ok(Exchange::Accepted)
        }
    }
}

async fn request(
    way: Way<'_>,
    far: &Arc<Synthesized>,
    permit: Permit,
    message: &Message<'_>,
) -> Result<Exchange, Failure> {
    match message.method() {
        Method::Ping => Ok(done(message)),
        Method::SetLevel if far.offers.logging => Ok(set_level(far, message)),
        Method::ResourcesSubscribe if far.offers.subscribe => Ok(far.subscriptions.subscribe(message).await),
        Method::ResourcesUnsubscribe if far.offers.subscribe => Ok(far.subscriptions.unsubscribe(message)),
        Method::SetLevel
        | Method::ResourcesSubscribe
        | Method::ResourcesUnsubscribe
        | Method::Discover
        | Method::SubscriptionsListen
        | Method::TasksGet
        | Method::TasksResult
        | Method::TasksList
        | Method::TasksUpdate
        | Method::TasksCancel => {
            let method = message.method_name().unwrap_or_default().to_owned();
            Err(Failure::Refused(Cause::NotBridged { server: way.entry.server.name.as_str().to_owned(), method }))
        }
        _ => rounds::call(way, far, permit, message).await,
    }
}

fn set_level(far: &Synthesized, message: &Message<'_>) -> Exchange {
    let level = message.params().and_then(|params| params.get("level")).and_then(Value::as_str);
    match level.and_then(LogLevel::parse) {
        Some(level) => {
            *far.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(level);
            done(message)
        }
        None => invalid(message, "`params.level` has to be one of the eight levels, from `debug` to `emergency`"),
    }
}

/// The answer of a request that needs none.
fn done(message: &Message<'_>) -> Exchange {
    whole(result_response(message.id_bytes().unwrap_or(b"null"), b"{}"))
}

fn invalid(message: &Message<'_>, why: &str) -> Exchange {
    whole(error_response(message.id_bytes(), codes::INVALID_PARAMS, why, None))
}

fn whole(message: impl Into<Bytes>) -> Exchange {
    // Whatever status a modern server gives to an error, a session has one for all answers.
    Exchange::Whole { status: StatusCode::OK, message: message.into() }
}

/// How much of a message of the server is read.
fn limits(gate: &Gate) -> Limits {
    let mut limits = Limits::default();
    limits.json.max_bytes = gate.options.max_message;
    limits.json.max_values = usize::MAX;
    limits
}

/// Reads a message of the server, and makes something of it.
fn read<T>(gate: &Gate, bytes: &Bytes, made: impl FnOnce(&Message<'_>) -> Result<T, String>) -> Result<T, Failure> {
    match parse_server(bytes, &limits(gate), Batches::Refused) {
        Ok(Incoming::One(message)) => made(&message).map_err(Failure::Unreadable),
        Ok(Incoming::Batch(_)) => Err(Failure::Unreadable("it is a batch".to_owned())),
        Err(error) => Err(Failure::Unreadable(error.to_string())),
    }
}
