//! What happens on a modern server, told on the stream of a legacy session.
//!
//! One `subscriptions/listen` names all that the session wants to hear of. When that changes, a second one is opened
//! before the first one ends, so that nothing is missed between them.

use super::leg::Road;
use super::rounds::next_of;
use super::{Said, Synthesized, Work, done, invalid, read};
use crate::exchange::{Exchange, Way};
use crate::forward::Failure;
use crate::gate::until;
use crate::judge::Caller;
use crate::relay::{Item, Messages, Relay, Source};
use crate::sessions::{FarEnd, Session};
use bytes::Bytes;
use callgate_json::Value;
use callgate_mcp::bridge::down::{Filter, Heard, Offers, heard};
use callgate_mcp::{Era, Message, RequestId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Resources that one session may subscribe to.
const MAX_SUBSCRIPTIONS: usize = 1024;
/// For a server to acknowledge a subscription.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);
/// Before a subscription that broke off is opened again; doubled while it can't be.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a session wants to hear of, and how far that is agreed.
#[derive(Debug)]
pub(super) struct Subscriptions {
    wanted: watch::Sender<Wanted>,
    agreed: watch::Sender<Agreed>,
    /// Counts the streams that ever listened; the last one is the one that is served.
    listeners: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Wanted {
    version: u64,
    filter: Filter,
}

#[derive(Debug, Default)]
struct Agreed {
    listening: bool,
    version: u64,
    uris: BTreeSet<String>,
    /// Why there is no subscription.
    refused: Option<String>,
}

/// The stream of a session.
pub(crate) struct Events {
    road: Road,
    far: Arc<Synthesized>,
    session: Arc<Session>,
    number: u64,
    newest: watch::Receiver<u64>,
    wanted: watch::Receiver<Wanted>,
    /// What was asked for last.
    version: Option<u64>,
    current: Option<Box<Messages>>,
    opening: Option<Work<'static, Result<Subscribed, Closed>>>,
    again: Option<Instant>,
    wait: Duration,
}

/// A subscription that the server acknowledged.
struct Subscribed {
    messages: Box<Messages>,
    uris: BTreeSet<String>,
}

/// Why there is no subscription.
enum Closed {
    /// The server does not want to.
    Refused(String),
    /// It may work another time.
    Failed(Failure),
}

enum Turn {
    Replaced,
    Wanted,
    Opened(Result<Subscribed, Closed>),
    Heard(Result<Option<Item>, Failure>),
    Again,
}

/// The stream of such a session; an earlier one ends. `None` where it is another kind of session.
pub(crate) fn listen(way: Way<'_>) -> Option<Messages> {
    let session = way.session?;
    let FarEnd::Synthesized(far) = &session.far else { return None };
    let subscriptions = &far.subscriptions;
    let mut number = 0;
    subscriptions.listeners.send_modify(|listeners| {
        *listeners += 1;
        number = *listeners;
    });
    subscriptions.agreed.send_modify(|agreed| *agreed = Agreed { listening: true, ..Agreed::default() });
    let events = Events {
        road: Road::of(way),
        far: Arc::clone(far),
        session: Arc::clone(session),
        number,
        newest: subscriptions.listeners.subscribe(),
        wanted: subscriptions.wanted.subscribe(),
        version: None,
        current: None,
        opening: None,
        again: None,
        wait: FIRST_WAIT,
    };
    let relay = Relay::new(way.gate, way.entry, Some(session), Era::Legacy);
    Some(Messages::new(Source::Synthesized(Said::Events(Box::new(events))), relay))
}

impl Subscriptions {
    pub(super) fn new(offers: Offers) -> Self {
        Self {
            wanted: watch::Sender::new(Wanted { version: 1, filter: Filter::of(offers) }),
            agreed: watch::Sender::default(),
            listeners: watch::Sender::default(),
        }
    }

    /// Answers `resources/subscribe`, once the server agreed; at once where nobody listens yet.
    pub(super) async fn subscribe(&self, message: &Message<'_>) -> Exchange {
        let Some(uri) = uri(message) else { return invalid(message, "`params.uri` has to be a string") };
        if self.wanted.borrow().filter.subscriptions() >= MAX_SUBSCRIPTIONS {
            return invalid(message, "too many resources are subscribed to; unsubscribe from some");
        }
        let version = self.want(|filter| filter.subscribe(uri));
        let mut agreed = self.agreed.subscribe();
        let agreed = agreed.wait_for(|agreed| !agreed.listening || agreed.version >= version);
        let why = match tokio::time::timeout(ACKNOWLEDGED_WITHIN, agreed).await {
            Ok(Ok(agreed)) if agreed.listening => match &agreed.refused {
                None if agreed.uris.contains(uri) => return done(message),
                None => "it does not tell of changes of this resource".to_owned(),
                Some(why) => why.clone(),
            },
            Ok(_) => return done(message),
            Err(_) => "it did not acknowledge in time".to_owned(),
        };
        self.want(|filter| filter.unsubscribe(uri));
        invalid(message, &format!("the server refuses the subscription: {why}"))
    }

    /// Answers `resources/unsubscribe`.
    pub(super) fn unsubscribe(&self, message: &Message<'_>) -> Exchange {
        let Some(uri) = uri(message) else { return invalid(message, "`params.uri` has to be a string") };
        self.want(|filter| filter.unsubscribe(uri));
        done(message)
    }

    /// Changes what is wanted; the version that it has then.
    fn want(&self, change: impl FnOnce(&mut Filter) -> bool) -> u64 {
        self.wanted.send_if_modified(|wanted| {
            let changed = change(&mut wanted.filter);
            wanted.version += u64::from(changed);
            changed
        });
        self.wanted.borrow().version
    }
}

impl Events {
    /// The next message. May be dropped at any await and called again.
    pub(super) async fn next(&mut self) -> Option<Result<Item, Failure>> {
        loop {
            self.begin();
            let failed = match self.turn().await {
                Turn::Replaced => return None,
                Turn::Wanted => None,
                Turn::Again => {
                    (self.again, self.version) = (None, None);
                    None
                }
                Turn::Opened(opened) => self.opened(opened),
                Turn::Heard(Ok(Some(Item::Message { message, is_response: false, .. }))) => match self.told(&message) {
                    Some(message) => return Some(Ok(Item::Message { message, event: None, is_response: false })),
                    None => None,
                },
                Turn::Heard(Ok(Some(Item::Aside(_) | Item::Quiet))) => None,
                Turn::Heard(Ok(Some(Item::Message { .. }) | None)) => self.lost(None),
                Turn::Heard(Err(failure)) => self.lost(Some(failure)),
            };
            if let Some(failure) = failed {
                return Some(Err(failure));
            }
        }
    }

    /// Opens what is wanted, where it is not what was asked for last.
    fn begin(&mut self) {
        let wanted = self.wanted.borrow_and_update().clone();
        if self.opening.is_some() || self.version == Some(wanted.version) {
            return;
        }
        (self.version, self.again) = (Some(wanted.version), None);
        if wanted.filter.is_empty() {
            self.current = None;
            self.agree(BTreeSet::new(), None);
            return;
        }
        // A grant that has ended ends the stream.
        if let Ok(entry) = self.road.gate.renewed(&self.road.entry) {
            self.road.entry = entry;
        }
        let (road, far, session) = (self.road.clone(), Arc::clone(&self.far), Arc::clone(&self.session));
        self.opening = Some(Box::pin(async move {
            let opened = subscribe(&road, &far, &session, &wanted.filter);
            match tokio::time::timeout(ACKNOWLEDGED_WITHIN, opened).await {
                Ok(opened) => opened,
                Err(_) => Err(Closed::Failed(Failure::Silent(ACKNOWLEDGED_WITHIN))),
            }
        }));
    }

    async fn turn(&mut self) -> Turn {
        let Self { number, newest, wanted, current, opening, again, .. } = self;
        let (own, again, idle) = (*number, *again, opening.is_none());
        tokio::select! {
            () = until(newest, |newest| *newest != own) => Turn::Replaced,
            opened = opened(opening) => Turn::Opened(opened),
            item = heard_of(current) => Turn::Heard(item),
            Ok(()) = wanted.changed(), if idle => Turn::Wanted,
            () = at(again) => Turn::Again,
        }
    }

    fn opened(&mut self, opened: Result<Subscribed, Closed>) -> Option<Failure> {
        match opened {
            Ok(Subscribed { messages, uris }) => {
                self.current = Some(messages);
                self.wait = FIRST_WAIT;
                self.agree(uris, None);
                None
            }
            Err(Closed::Refused(why)) => {
                tracing::warn!(server = self.road.server(), "no subscription: {why}");
                self.agree(BTreeSet::new(), Some(why));
                None
            }
            Err(Closed::Failed(failure)) => {
                let why = failure.clone().cause(&self.road.server()).to_string();
                self.agree(BTreeSet::new(), Some(why));
                self.lost(Some(failure))
            }
        }
    }

    /// The subscription is over. What ended it for good is given back; else it is opened again.
    fn lost(&mut self, failure: Option<Failure>) -> Option<Failure> {
        self.current = None;
        if matches!(failure, Some(Failure::Refused(_))) {
            return failure;
        }
        self.again = Some(Instant::now() + self.wait);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        None
    }

    /// What the client is told of a message of the server.
    fn told(&self, message: &Bytes) -> Option<Bytes> {
        match read(&self.road.gate, message, |message| Ok(heard(message))) {
            Ok(Heard::Notification(message)) => Some(message.into()),
            _ => None,
        }
    }

    fn agree(&self, uris: BTreeSet<String>, refused: Option<String>) {
        let version = self.version.unwrap_or_default();
        self.far.subscriptions.agreed.send_modify(|agreed| {
            *agreed = Agreed { listening: agreed.listening, version, uris, refused };
        });
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let subscriptions = &self.far.subscriptions;
        if *subscriptions.listeners.borrow() == self.number {
            subscriptions.agreed.send_modify(|agreed| agreed.listening = false);
        }
    }
}

/// Opens a subscription, and waits until the server acknowledged it.
async fn subscribe(road: &Road, far: &Synthesized, session: &Session, filter: &Filter) -> Result<Subscribed, Closed> {
    let caller =
        Caller { entry: &road.entry, session: Some(&session.id), client: session.client.as_ref(), trace: None };
    let permit = road.gate.judge_stream(caller, "(subscriptions)").await;
    let permit = permit.map_err(|cause| Closed::Failed(Failure::Refused(cause)))?;
    let id = RequestId::String(far.own_id().into()).to_json();
    let request = filter.listen(id.as_bytes(), &far.client);
    let mut messages = match road.send(permit, request.into()).await.map_err(Closed::Failed)? {
        Exchange::Stream(messages) => messages,
        Exchange::Whole { message, .. } => return Err(Closed::Refused(refusal(road, &message))),
        Exchange::Bare(status) => return Err(Closed::Refused(format!("it answered with HTTP {status}"))),
        Exchange::Accepted | Exchange::Large(_) => return Err(Closed::Refused("it gave no answer".to_owned())),
    };
    loop {
        match next_of(&mut messages).await.map_err(Closed::Failed)? {
            Some(Item::Message { message, is_response: false, .. }) => {
                let heard = read(&road.gate, &message, |message| Ok(heard(message)));
                if let Ok(Heard::Acknowledged(uris)) = heard {
                    return Ok(Subscribed { messages, uris });
                }
            }
            Some(Item::Message { message, .. }) => return Err(Closed::Refused(refusal(road, &message))),
            Some(Item::Aside(_) | Item::Quiet) => {}
            None => return Err(Closed::Failed(Failure::Broken("its stream ended".to_owned()))),
        }
    }
}

/// Why a server answered where it should have listened.
fn refusal(road: &Road, response: &Bytes) -> String {
    let text = |message: &Message<'_>| {
        let text = message.error().and_then(|error| error.get("message")).and_then(Value::as_str);
        Ok(text.unwrap_or("it ended the subscription").chars().take(200).collect())
    };
    read(&road.gate, response, text).unwrap_or_else(|failure| failure.cause(&road.server()).to_string())
}

fn uri<'m>(message: &'m Message<'_>) -> Option<&'m str> {
    message.params()?.get("uri")?.as_str()
}

async fn opened(opening: &mut Option<Work<'static, Result<Subscribed, Closed>>>) -> Result<Subscribed, Closed> {
    let Some(work) = opening else { return std::future::pending().await };
    let opened = work.as_mut().await;
    *opening = None;
    opened
}

async fn heard_of(current: &mut Option<Box<Messages>>) -> Result<Option<Item>, Failure> {
    match current {
        Some(messages) => next_of(messages).await,
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
