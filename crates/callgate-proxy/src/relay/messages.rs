//! The messages of a stream, one after the other, as long as the grant behind it holds.

use super::{Relay, Seen};
use crate::errors::Cause;
use crate::forward::{AnswerBody, Asked, Failure, Listener};
use crate::gate::{Figures, Phase, until};
use bytes::Bytes;
use callgate_mcp::{Era, SseEvent, SseLimits, SseReader, SseWriter, codes};
use http::StatusCode;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::watch;

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
}

/// Where the messages come from.
pub(crate) enum Source {
    /// An event stream of an HTTP upstream.
    Sse { body: AnswerBody, reader: SseReader },
    /// The answers of a child process to one request.
    Child(Asked),
    /// What a child process says to nobody in particular.
    Inbox(Listener),
}

/// What a stream ends with: the session, the grant, or the gateway.
pub(crate) struct Watch {
    session: Option<watch::Receiver<bool>>,
    phase: watch::Receiver<Phase>,
    /// In which phase this stream ends.
    ends_in: Phase,
    snapshots: crate::snapshot::Snapshots,
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
    Quiet,
}

impl Source {
    /// The events of this body.
    pub(crate) fn sse(mut body: AnswerBody, max_event: usize) -> Self {
        body.wait_for_ever();
        let limits = SseLimits { max_line: max_event, max_event: max_event.saturating_add(64 << 10) };
        Self::Sse { body, reader: SseReader::new(limits) }
    }

    /// The next message as it came. May be dropped at any await and called again.
    async fn next(&mut self) -> Option<Result<Item, Failure>> {
        match self {
            Self::Sse { body, reader } => loop {
                match reader.next_event() {
                    Ok(Some(event)) => return Some(Ok(Item::of(event))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(Failure::Unreadable(error.to_string()))),
                }
                match body.next().await? {
                    Ok(chunk) => reader.push(&chunk),
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
        }
    }
}

impl Item {
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

impl Watch {
    pub(crate) fn new(relay: &Relay) -> Self {
        Self {
            session: relay.session.as_ref().map(|session| session.ended()),
            phase: relay.gate.phase(),
            ends_in: if relay.waits_for_events() { Phase::Draining } else { Phase::Stopping },
            snapshots: relay.gate.snapshots.clone(),
        }
    }

    /// Waits until the stream must not go on.
    async fn over(&mut self, relay: &Relay) -> Cause {
        loop {
            if !relay.gate.still_holds(&relay.entry) {
                return Cause::GrantEnded;
            }
            let expiry = async {
                match relay.entry.expires {
                    None => std::future::pending().await,
                    Some(end) => {
                        let left = end.0.saturating_sub(relay.gate.clock.now().0);
                        tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0).max(10))).await;
                    }
                }
            };
            let session = async {
                match &mut self.session {
                    None => std::future::pending().await,
                    Some(ended) => until(ended, |ended| *ended).await,
                }
            };
            tokio::select! {
                changed = self.snapshots.changed() => if changed.is_err() {
                    std::future::pending::<()>().await;
                },
                () = session => return Cause::SessionUnknown,
                () = until(&mut self.phase, |phase| *phase >= self.ends_in) => return Cause::Stopping,
                () = expiry => {}
            }
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
        Self { source, relay, watch, pushed: VecDeque::new(), silence, heard: Instant::now(), over: false }
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
            match self.step().await {
                Step::Heard(Some(Ok(item))) => {
                    self.heard = Instant::now();
                    match self.pass(item) {
                        Ok(None) => {}
                        Ok(some) => return Ok(some),
                        Err(failure) => return Err(self.failed(failure)),
                    }
                }
                Step::Heard(Some(Err(failure))) => return Err(self.failed(failure)),
                Step::Heard(None) => {
                    self.over = true;
                    self.relay.over();
                }
                Step::Silent(silence) => return Err(self.failed(Failure::Silent(silence))),
                Step::Over(cause) => return Err(self.failed(Failure::Refused(cause))),
                Step::Quiet => return Ok(Some(Item::Quiet)),
            }
        }
        Ok(None)
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
        match (self.relay.era, self.relay.error_code) {
            (Era::Modern, Some(codes::METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
            (Era::Modern, Some(codes::HEADER_MISMATCH | codes::MISSING_CAPABILITY | codes::UNSUPPORTED_VERSION)) => {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::OK,
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
        tokio::select! {
            biased;
            // First, so that a flood of messages can't outrun a revocation.
            cause = self.watch.over(&self.relay) => Step::Over(cause),
            heard = self.source.next() => Step::Heard(heard),
            limit = silent => Step::Silent(limit),
            () = quiet => Step::Quiet,
        }
    }

    fn pass(&mut self, item: Item) -> Result<Option<Item>, Failure> {
        let Item::Message { message, event, is_response } = item else { return Ok(Some(item)) };
        let waited = self.relay.flight.is_some();
        let seen = match &self.source {
            // What a process of its own asks is remembered where it is routed.
            Source::Child(_) | Source::Inbox(_) if !is_response => Seen::Pass,
            _ => self.relay.see(&message)?,
        };
        let is_response = waited && self.relay.flight.is_none();
        match seen {
            Seen::Pass => Ok(Some(Item::Message { message, event, is_response })),
            Seen::Drop(why) => {
                Figures::count(&self.relay.gate.figures.dropped);
                tracing::debug!(server = self.relay.server(), "a message of the server is dropped: {why}");
                Ok(None)
            }
            Seen::Changed(message) => {
                let event = event.map(|event| rewritten(event, &message));
                Ok(Some(Item::Message { message, event, is_response }))
            }
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
