//! The messages of a stream, one after the other, as long as the grant behind it holds.

mod judging;
mod resuming;
mod watch;

use super::{Relay, Seen};
use crate::eras::held::{Answers, Subscription};
use crate::eras::synthesized::Said;
use crate::errors::Cause;
use crate::forward::{AnswerBody, Asked, Failure, Flight, Listener};
use crate::gate::Figures;
use crate::late;
use crate::reach::Judging;
use crate::standing::Pass;
use bytes::Bytes;
use callgate_mcp::{Era, SseEvent, SseLimits, SseReader, SseWriter};
use http::StatusCode;
use judging::Waiting;
use resuming::Read;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watch::Watch;

/// A stream of messages to one client.
pub(crate) struct Messages {
    source: Source,
    relay: Relay,
    watch: Watch,
    /// Put back, to be read again.
    pushed: VecDeque<Item>,
    /// How long the source may say nothing; none for streams that wait for events.
    silence: Option<Duration>,
    heard: Instant,
    over: bool,
    /// Whether somebody takes the stream up again where it breaks off.
    resumes: bool,
    /// A message with questions to the client, while they are recorded.
    judging: Option<(Judging, Waiting)>,
    /// A list of tools, while whoever pins them is told.
    pinning: Option<(Pinning, Item)>,
}

/// News about tools on their way to whoever pins them.
type Pinning = Pin<Box<dyn Future<Output = Result<(), Cause>> + Send>>;

/// Where the messages come from.
pub(crate) enum Source {
    /// An event stream of an HTTP upstream.
    Sse { body: AnswerBody, read: Box<Read> },
    /// The answers of a child process to one request.
    Child(Asked),
    /// What a child process says to nobody in particular.
    Inbox(Listener),
    /// The answers of a held session to one request.
    Held(Box<Answers>),
    /// What a held session says to a subscription.
    Events(Box<Subscription>),
    /// What the gateway says in the name of an upstream of the other era; it was looked at where it came in.
    Synthesized(Said),
}

/// One step of a stream.
#[derive(Debug)]
pub(crate) enum Item {
    /// A message; `event` is how it came in an event stream, byte for byte.
    Message { message: Bytes, event: Option<Bytes>, is_response: bool },
    /// A part of an event stream that holds no message: a comment, an id alone, a time to come back.
    Aside(Bytes),
    /// Nothing was said for a while.
    Quiet,
}

enum Step {
    Heard(Option<Result<Item, Failure>>),
    Over(Cause),
    Silent(Duration),
    Overdue(Duration),
    Quiet,
}

impl Source {
    /// The events of this body.
    pub(crate) fn sse(mut body: AnswerBody, max_event: usize) -> Self {
        body.wait_for_ever();
        let limits = SseLimits { max_line: max_event, max_event: max_event.saturating_add(64 << 10) };
        Self::Sse { body, read: Box::new(Read { reader: SseReader::new(limits), place: Default::default() }) }
    }

    /// The next message as it came. May be dropped at any await and called again.
    async fn next(&mut self) -> Option<Result<Item, Failure>> {
        match self {
            Self::Sse { body, read } => loop {
                match read.reader.next_event() {
                    Ok(Some(event)) => {
                        read.place.note(&event);
                        return Some(Ok(Item::of(event)));
                    }
                    Ok(None) => {}
                    Err(error) => return Some(Err(Failure::Unreadable(error.to_string()))),
                }
                match body.next().await? {
                    Ok(chunk) => read.reader.push(&chunk),
                    Err(failure) => return Some(Err(failure)),
                }
            },
            Self::Child(asked) => {
                let said = asked.next().await?;
                Some(said.map(|(message, is_response)| Item::Message { message, event: None, is_response }))
            }
            Self::Inbox(listener) => {
                let message = listener.next().await?;
                Some(Ok(Item::Message { message, event: None, is_response: false }))
            }
            Self::Held(answers) => {
                let said = answers.next().await?;
                Some(said.map(|(message, is_response)| Item::Message { message, event: None, is_response }))
            }
            Self::Events(subscription) => {
                let said = subscription.next().await?;
                Some(said.map(|message| Item::Message { message, event: None, is_response: false }))
            }
            Self::Synthesized(said) => said.next().await,
        }
    }
}

impl Item {
    fn changed(event: Option<Bytes>, message: Bytes, is_response: bool) -> Self {
        let event = event.map(|event| rewritten(event, &message));
        Self::Message { message, event, is_response }
    }

    fn of(event: SseEvent) -> Self {
        match event.data {
            // An event without data, or with an empty one (2025-11-25 opens streams so), carries no message.
            Some(data) if !data.is_empty() => {
                Self::Message { message: data, event: Some(event.raw), is_response: false }
            }
            _ => Self::Aside(event.raw),
        }
    }
}

impl Messages {
    pub(crate) fn new(source: Source, relay: Relay) -> Self {
        let silence = match &source {
            Source::Inbox(_) => None,
            _ if relay.waits_for_events() => None,
            _ => Some(relay.entry.server.timeouts.silence),
        };
        let watch = Watch::new(&relay);
        Self {
            source,
            relay,
            watch,
            pushed: VecDeque::new(),
            silence,
            heard: Instant::now(),
            over: false,
            resumes: false,
            judging: None,
            pinning: None,
        }
    }

    /// The next step; `None` at the end. After an error there is nothing more.
    pub(crate) async fn next(&mut self) -> Option<Result<Item, Cause>> {
        match self.next_failing().await {
            Ok(item) => item.map(Ok),
            Err(failure) => Some(Err(failure.cause(self.relay.server()))),
        }
    }

    /// The same, before it is known how the failure is told.
    pub(crate) async fn next_failing(&mut self) -> Result<Option<Item>, Failure> {
        if let Some(item) = self.pushed.pop_front() {
            return Ok(Some(item));
        }
        while !self.over {
            if let Some(item) = self.judged().await {
                return Ok(Some(item));
            }
            if let Some(item) = self.pinned().await? {
                return Ok(Some(item));
            }
            match self.step().await {
                Step::Heard(Some(Ok(item))) => {
                    self.heard = Instant::now();
                    match self.pass(item) {
                        Ok(None) => {}
                        Ok(some) => return Ok(some),
                        Err(failure) => return Err(self.failed(failure)),
                    }
                }
                Step::Heard(Some(Err(Failure::Broken(_)))) if self.resumes && self.place().is_some() => {
                    self.over = true;
                }
                Step::Heard(Some(Err(failure))) => return Err(self.failed(failure)),
                Step::Heard(None) if self.is_lost() => {
                    let why = "its stream ended before the response".to_owned();
                    return Err(self.failed(Failure::Broken(why)));
                }
                Step::Heard(None) => {
                    self.over = true;
                    self.relay.over();
                }
                Step::Silent(silence) => return Err(self.failed(Failure::Silent(silence))),
                Step::Overdue(limit) => {
                    self.cancel_late();
                    return Err(self.failed(Failure::Overdue(limit)));
                }
                Step::Over(cause) => {
                    let failure = self.over_because(cause);
                    return Err(self.failed(failure));
                }
                Step::Quiet => return Ok(Some(Item::Quiet)),
            }
        }
        Ok(None)
    }

    /// The list whose tools were pinned meanwhile. May be dropped and called again.
    async fn pinned(&mut self) -> Result<Option<Item>, Failure> {
        let Some((pinning, _)) = self.pinning.as_mut() else { return Ok(None) };
        let told = pinning.as_mut().await;
        let Some((_, item)) = self.pinning.take() else { return Ok(None) };
        if let Err(cause) = told {
            return Err(self.failed(Failure::Refused(cause)));
        }
        self.relay.told = true;
        let passed = self.pass(item);
        self.relay.told = false;
        passed.map_err(|failure| self.failed(failure))
    }

    /// Puts a step back in front.
    pub(crate) fn put_back(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            self.pushed.push_front(item);
        }
    }

    /// The server's name.
    pub(crate) fn server(&self) -> &str {
        self.relay.server()
    }

    /// The HTTP status of the response that was seen: the modern revision has some for errors.
    pub(crate) fn status(&self) -> StatusCode {
        self.relay.status()
    }

    /// Keeps the call's leave until it is answered.
    pub(crate) fn hold(&mut self, pass: Pass) {
        match &mut self.relay.flight {
            Some(flight) => flight.hold(pass),
            None => pass.succeeded(),
        }
    }

    /// Tells the upstream that the time of the request is over.
    fn cancel_late(&mut self) {
        match &mut self.source {
            Source::Child(asked) => asked.cancel(),
            Source::Sse { body, .. } => {
                if let (Some(pool), Some(id), Era::Legacy) = (body.pool(), &self.relay.id, self.relay.era) {
                    let Relay { gate, entry, session, .. } = &self.relay;
                    late::cancel(gate, pool, entry, session.as_ref(), id.to_json().as_bytes());
                }
            }
            // What stands between two eras is cancelled as it is dropped.
            Source::Inbox(_) | Source::Synthesized(_) | Source::Held(_) | Source::Events(_) => {}
        }
    }

    /// Ties what follows to a session that was opened meanwhile.
    pub(crate) fn belongs_to(&mut self, session: &std::sync::Arc<crate::sessions::Session>) {
        self.relay.session = Some(std::sync::Arc::clone(session));
        self.watch = Watch::new(&self.relay);
    }

    async fn step(&mut self) -> Step {
        let quiet = tokio::time::sleep(self.relay.gate.options.keep_alive);
        let silence = self.silence.filter(|_| self.relay.flight.is_some());
        let silent = async {
            match silence {
                None => std::future::pending().await,
                Some(limit) => {
                    tokio::time::sleep(limit.saturating_sub(self.heard.elapsed())).await;
                    limit
                }
            }
        };
        let due = self.relay.flight.as_ref().and_then(Flight::due);
        let overdue = async {
            match due {
                None => std::future::pending().await,
                Some((at, limit)) => {
                    tokio::time::sleep_until(at).await;
                    limit
                }
            }
        };
        tokio::select! {
            biased;
            // First, so that a flood of messages can't outrun a revocation.
            cause = self.watch.over(&self.relay) => Step::Over(cause),
            limit = overdue => Step::Overdue(limit),
            heard = self.source.next() => Step::Heard(heard),
            limit = silent => Step::Silent(limit),
            () = quiet => Step::Quiet,
        }
    }

    fn pass(&mut self, item: Item) -> Result<Option<Item>, Failure> {
        if matches!(&self.source, Source::Synthesized(_)) {
            return Ok(Some(item));
        }
        let Item::Message { message, event, is_response } = item else { return Ok(Some(item)) };
        if self.relay.waits_for_events() {
            self.relay.renew();
        }
        let (waited, came_as_response) = (self.relay.flight.is_some(), is_response);
        let seen = match &self.source {
            Source::Sse { .. } => self.relay.see(&message)?,
            _ if !is_response => self.relay.see_aside(&message),
            _ => self.relay.see(&message)?,
        };
        let is_response = waited && self.relay.flight.is_none();
        match seen {
            Seen::Pass => Ok(Some(Item::Message { message, event, is_response })),
            Seen::Drop(why) => {
                self.dropped(why);
                Ok(None)
            }
            Seen::Changed(message) => Ok(Some(Item::changed(event, message, is_response))),
            Seen::Unpinned(news) => {
                let (gate, entry) = (Arc::clone(&self.relay.gate), Arc::clone(&self.relay.entry));
                let pinning = Box::pin(async move { gate.pin(&entry, news).await });
                self.pinning = Some((pinning, Item::Message { message, event, is_response: came_as_response }));
                Ok(None)
            }
            Seen::Judged { mut judged, changed } => {
                let item = match changed {
                    None => Item::Message { message, event, is_response },
                    Some(message) => Item::changed(event, message, is_response),
                };
                let judging = judged.record(&self.relay.gate, self.relay.session.as_ref());
                let waiting = Waiting { item, carrier: judged.carrier, back: self.server_end() };
                self.judging = Some((judging, waiting));
                Ok(None)
            }
        }
    }

    fn dropped(&self, why: &str) {
        Figures::count(&self.relay.gate.figures.dropped);
        tracing::debug!(server = self.relay.server(), "a message of the server is dropped: {why}");
    }

    /// A session that ends with its process ends for the process's reason.
    fn over_because(&self, cause: Cause) -> Failure {
        match (&self.source, cause) {
            (Source::Child(asked), Cause::SessionUnknown) if asked.peer().has_ended() => asked.peer().end_failure(),
            (_, cause) => Failure::Refused(cause),
        }
    }

    fn failed(&mut self, failure: Failure) -> Failure {
        self.over = true;
        self.relay.fail(failure)
    }
}

/// The event with other data; its name and its id stay.
fn rewritten(event: Bytes, message: &[u8]) -> Bytes {
    let mut reader = SseReader::new(SseLimits { max_line: usize::MAX, max_event: usize::MAX });
    reader.push(&event);
    let old = reader.next_event().ok().flatten().unwrap_or_default();
    let text = |field: &Option<Bytes>| field.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let (name, id) = (text(&old.event), text(&old.id));
    let mut out = Vec::with_capacity(message.len() + 64);
    if SseWriter::event(&mut out, name.as_deref(), id.as_deref(), message).is_err() {
        out.clear();
        // Without name and id, writing can't fail.
        let _ = SseWriter::event(&mut out, None, None, message);
    }
    out.into()
}
