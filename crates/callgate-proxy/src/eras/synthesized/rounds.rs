//! One request of a legacy client, through as many rounds as the server wants input in.
//!
//! Every leg is judged and charged: what is permitted now was decided now.

use super::leg::Road;
use super::questions::{Asking, Turn};
use super::{Said, Synthesized, Work, limits, read, whole};
use crate::answer::denial_message;
use crate::errors::Cause;
use crate::exchange::{Exchange, Way};
use crate::forward::Failure;
use crate::gate::until;
use crate::judge::Caller;
use crate::relay::{Item, Messages, Relay, Source};
use crate::sessions::Session;
use bytes::Bytes;
use callgate_decision::{Cover, Permit};
use callgate_mcp::bridge::down::{Answers, Leg, Reply, reply, request};
use callgate_mcp::{Batches, Era, Incoming, Message, MessageKind, Method, RequestId, parse_client, parse_server};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How often a server may want input for one request.
const MAX_ROUNDS: u32 = 16;
/// Before the next leg, where the server asks nothing but to come again; doubled with each round.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The requests of one session that are under way.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<RequestId, Arc<Notify>>>);

/// One request that is under way, until it is dropped.
struct Ticket {
    far: Arc<Synthesized>,
    id: Option<RequestId>,
    cancelled: Arc<Notify>,
}

/// One request, with all its legs.
pub(crate) struct Rounds {
    road: Road,
    far: Arc<Synthesized>,
    session: Arc<Session>,
    ticket: Ticket,
    /// The client's message, as it came.
    original: Bytes,
    method: Method,
    /// The client's id, as JSON.
    id: Box<[u8]>,
    /// The yes under which it left, and its legs continue.
    cover: Option<Cover>,
    round: u32,
    stage: Stage,
}

enum Stage {
    /// The server's answer comes.
    Leg(Box<Messages>),
    /// The client is asked.
    Asking(Box<Asking>),
    /// The next leg is on its way.
    Sending(Work<'static, Result<Sent, Failure>>),
    /// Nothing more comes.
    Over,
}

enum Sent {
    Carried(Exchange),
    /// The policy denies this leg; the answer that says so.
    Denied(Bytes),
}

/// Carries a request. A lone answer is a whole message; anything before it makes a stream.
pub(super) async fn call(
    way: Way<'_>,
    far: &Arc<Synthesized>,
    permit: Permit,
    message: &Message<'_>,
) -> Result<Exchange, Failure> {
    let Some(session) = way.session else { return Err(Failure::Refused(Cause::SessionUnknown)) };
    let mut rounds = Rounds {
        road: Road::of(way),
        far: Arc::clone(far),
        session: Arc::clone(session),
        ticket: Ticket::new(far, message),
        original: Bytes::copy_from_slice(message.bytes()),
        method: message.method(),
        id: message.id_bytes().unwrap_or(b"null").into(),
        cover: permit.cover().map(Cover::for_legs),
        round: 0,
        stage: Stage::Over,
    };
    let leg = Leg { id: &rounds.id, client: &far.client, level: far.level(), answers: None };
    let first = request(message, &leg);
    let cancelled = Arc::clone(&rounds.ticket.cancelled);
    let mut ended = session.ended();
    let sent = tokio::select! {
        biased;
        () = cancelled.notified() => Err(Failure::Refused(Cause::Cancelled)),
        () = until(&mut ended, |ended| *ended) => Err(Failure::Refused(Cause::SessionUnknown)),
        sent = rounds.road.send(permit, first.into()) => sent,
    };
    if let Some(response) = rounds.carried(sent?)? {
        return Ok(whole(response));
    }
    let mut relay = Relay::new(way.gate, way.entry, Some(session), Era::Legacy);
    (relay.method, relay.id) = (Some(message.method()), message.id());
    let source = Source::Synthesized(Said::Call(Box::new(rounds)));
    Ok(Exchange::Stream(Box::new(Messages::new(source, relay))))
}

impl Rounds {
    /// The next message to the client. May be dropped at any await and called again.
    pub(super) async fn next(&mut self) -> Option<Result<Item, Failure>> {
        let cancelled = Arc::clone(&self.ticket.cancelled);
        let step = tokio::select! {
            biased;
            () = cancelled.notified() => Err(Failure::Refused(Cause::Cancelled)),
            step = self.step() => step,
        };
        if step.is_err() {
            self.stage = Stage::Over;
        }
        step.transpose()
    }

    async fn step(&mut self) -> Result<Option<Item>, Failure> {
        loop {
            let response = match &mut self.stage {
                Stage::Over => return Ok(None),
                Stage::Leg(messages) => match next_of(messages).await? {
                    Some(Item::Message { message, is_response: true, .. }) => self.answered(&message)?,
                    Some(Item::Message { message, .. }) if self.is_notification(&message) => {
                        return Ok(Some(Item::Message { message, event: None, is_response: false }));
                    }
                    Some(_) => None,
                    None => return Err(Failure::Broken("its stream ended before the response".to_owned())),
                },
                Stage::Asking(asking) => match asking.next().await? {
                    Turn::Question(message) => {
                        return Ok(Some(Item::Message { message, event: None, is_response: false }));
                    }
                    Turn::Answered(answers) => {
                        self.stage = Stage::Sending(self.next_leg(answers));
                        None
                    }
                },
                Stage::Sending(sending) => match sending.as_mut().await? {
                    Sent::Carried(exchange) => self.carried(exchange)?,
                    Sent::Denied(response) => Some(response),
                },
            };
            if let Some(message) = response {
                self.stage = Stage::Over;
                return Ok(Some(Item::Message { message, event: None, is_response: true }));
            }
        }
    }

    /// Takes what came back for a leg. The last word is given back; before it there is more to do.
    fn carried(&mut self, exchange: Exchange) -> Result<Option<Bytes>, Failure> {
        match exchange {
            Exchange::Whole { message, .. } => self.answered(&message),
            Exchange::Stream(messages) => {
                self.stage = Stage::Leg(messages);
                Ok(None)
            }
            Exchange::Bare(status) => Err(Failure::Broken(format!("it answered with HTTP {status} and no message"))),
            Exchange::Accepted | Exchange::Large(_) => Err(Failure::Broken("it gave no answer".to_owned())),
        }
    }

    /// Takes the response of a leg.
    fn answered(&mut self, response: &Bytes) -> Result<Option<Bytes>, Failure> {
        let (method, id) = (self.method, self.id.clone());
        let taken = read(&self.road.gate, response, |message| {
            Ok(match reply(message, method, &id).map_err(|error| error.to_string())? {
                Reply::Final(Cow::Borrowed(bytes)) => Ok(Bytes::copy_from_slice(bytes)),
                Reply::Final(Cow::Owned(bytes)) => Ok(bytes.into()),
                Reply::InputRequired(required) => Err(required),
            })
        });
        let required = match taken? {
            Ok(response) => return Ok(Some(response)),
            Err(required) => required,
        };
        self.round += 1;
        if self.round > MAX_ROUNDS {
            return Err(Failure::Refused(Cause::TooManyRounds { server: self.road.server(), limit: MAX_ROUNDS }));
        }
        let asking = Asking::new(&self.far, &self.session, self.road.server(), required)?;
        self.stage = Stage::Asking(Box::new(asking));
        Ok(None)
    }

    /// A modern server sends nothing else before a response; what it sends all the same reaches nobody.
    fn is_notification(&self, bytes: &[u8]) -> bool {
        let message = parse_server(bytes, &limits(&self.road.gate), Batches::Refused);
        matches!(message, Ok(Incoming::One(message)) if message.kind() == MessageKind::Notification)
    }

    fn next_leg(&self, answers: Answers) -> Work<'static, Result<Sent, Failure>> {
        let (road, session) = (self.road.clone(), Arc::clone(&self.session));
        let (far, original) = (Arc::clone(&self.far), self.original.clone());
        let cover = self.cover.as_ref().map(Cover::for_legs);
        let pause = FIRST_PAUSE.saturating_mul(1 << (self.round - 1).min(8)).min(LONGEST_PAUSE);
        Box::pin(async move {
            if !answers.has_responses() {
                tokio::time::sleep(pause).await;
            }
            next_leg(&road, &session, &far, &original, (&answers, cover)).await
        })
    }
}

/// Judges the request again, by the configuration of this moment, and sends it with the answers.
async fn next_leg(
    road: &Road,
    session: &Session,
    far: &Synthesized,
    original: &Bytes,
    (answers, cover): (&Answers, Option<Cover>),
) -> Result<Sent, Failure> {
    let now = road.gate.snapshot().grant_by_digest(&road.entry.token).cloned();
    let Some(entry) = now.filter(|_| road.gate.still_holds(&road.entry)) else {
        return Err(Failure::Refused(Cause::GrantEnded));
    };
    // It was read when it came, so it can be read again.
    let Ok(Incoming::One(message)) = parse_client(original, &road.gate.limits, Batches::Refused) else {
        return Err(Failure::Unreadable("the request can't be read again".to_owned()));
    };
    let caller = Caller {
        entry: &entry,
        session: Some(&session.id),
        client: session.client.as_ref(),
        trace: road.trace.as_deref(),
    };
    let permit = match road.gate.judge_under(caller, &message, cover).await {
        Ok(permit) => permit,
        Err(denial) => return Ok(Sent::Denied(denial_message(&denial, message.id_bytes(), Era::Legacy).into())),
    };
    // Every leg is a request of its own, and has an id of its own.
    let id = RequestId::String(far.own_id().into()).to_json();
    let leg = Leg { id: id.as_bytes(), client: &far.client, level: far.level(), answers: Some(answers) };
    let road = Road { entry: Arc::clone(&entry), ..road.clone() };
    road.send(permit, request(&message, &leg).into()).await.map(Sent::Carried)
}

pub(super) fn next_of(messages: &mut Messages) -> Work<'_, Result<Option<Item>, Failure>> {
    Box::pin(messages.next_failing())
}

impl Running {
    /// Cancels the request that a `notifications/cancelled` names.
    pub(super) fn cancel(&self, message: &Message<'_>) {
        let id = message.cancelled_id().and_then(RequestId::from_value);
        let running = id.and_then(|id| self.all().get(&id).cloned());
        if let Some(running) = running {
            running.notify_one();
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<RequestId, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn new(far: &Arc<Synthesized>, message: &Message<'_>) -> Self {
        let (id, cancelled) = (message.id(), Arc::new(Notify::new()));
        if let Some(id) = &id {
            far.running.all().insert(id.clone(), Arc::clone(&cancelled));
        }
        Self { far: Arc::clone(far), id, cancelled }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(id) = &self.id else { return };
        let mut running = self.far.running.all();
        if running.get(id).is_some_and(|cancelled| Arc::ptr_eq(cancelled, &self.cancelled)) {
            running.remove(id);
        }
    }
}
