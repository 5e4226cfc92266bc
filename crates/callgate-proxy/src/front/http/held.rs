//! A call that is held while a person decides: its answer is an event stream from the start, with signs of life until
//! the call is judged again, and then with whatever answers it.

use super::post;
use super::reply;
use super::{Worker, headers};
use crate::answer::{self, Outgoing, Reply};
use crate::asking::{After, Held, Owner, Patience, Turn, Wait, confirm, words};
use crate::exchange::is_type;
use crate::judge::{Asked, Denial};
use crate::sessions::{OpenStream, Session};
use crate::snapshot::GrantEntry;
use crate::translate::TRACEPARENT;
use bytes::Bytes;
use callgate_mcp::{Batches, Era, Incoming, Message, SseWriter, parse_client};
use callgate_policy::Ask;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;

/// Where a call stands.
pub(super) struct At<'a> {
    pub(super) worker: &'a Arc<Worker>,
    pub(super) entry: &'a Arc<GrantEntry>,
    pub(super) session: Option<&'a Arc<Session>>,
    pub(super) era: Era,
    pub(super) patience: Patience,
}

/// The stream of a call that is held.
struct Holding {
    worker: Arc<Worker>,
    entry: Arc<GrantEntry>,
    era: Era,
    /// The call, to be judged again: its body, and those of its headers that are looked at.
    body: Bytes,
    head: HeaderMap,
    first: Option<Bytes>,
    /// The notes of progress, where the client wants some.
    notes: u32,
    stage: Stage,
    /// A session in which somebody waits is not idle.
    _open: Option<OpenStream>,
}

enum Stage {
    /// Somebody decides.
    Waiting(Box<Wait>),
    /// The call is judged again, and carried.
    Again(Pin<Box<dyn Future<Output = Reply> + Send>>),
    /// This is its answer, as events.
    Passing(Box<Outgoing>),
    /// Nothing more comes.
    Over,
}

/// Answers a call that needs a person's yes: at once, or with a stream that stays open until there is one.
pub(super) fn answer(at: &At<'_>, asked: Box<Asked>, (message, head): (&Message<'_>, &HeaderMap)) -> Reply {
    let gate = &at.worker.gate;
    let (asks, era) = (asked.ask(), at.era);
    if asks == Ask::Client
        && era == Era::Modern
        && let Some(required) = confirm::required(gate, at.entry, &asked, message)
    {
        return answer::json(StatusCode::OK, required);
    }
    let may_wait = match asks {
        Ask::Retry => false,
        Ask::Hold => true,
        Ask::Client => era == Era::Legacy && at.session.is_some_and(|session| session.elicits),
    };
    if !may_wait || !headers::names_events(head) {
        return told(at, asked, message);
    }
    let owner = at.session.map(|session| Owner::Session(session.id.clone()));
    let held = Held { gate, entry: at.entry, session: at.session, owner: owner.as_ref(), patience: at.patience };
    let mut wait = match Wait::begin(&held, asked, message) {
        Ok(wait) => wait,
        Err(asked) => return told(at, asked, message),
    };
    let mut first = Vec::new();
    let mut notes = 0;
    if let Some(token) = message.progress_token() {
        notes = 1;
        event(&words::progress(message.bytes_of(token), notes, wait.asked()), &mut first);
    }
    if let (Ask::Client, Some(owner)) = (asks, &owner)
        && let Some(id) = wait.confirm(owner)
    {
        event(&words::question(&id, wait.asked(), message), &mut first);
    }
    if first.is_empty() {
        first.extend_from_slice(SseWriter::KEEP_ALIVE.as_ref());
    }
    let holding = Box::new(Holding {
        worker: Arc::clone(at.worker),
        entry: Arc::clone(at.entry),
        era,
        // Not what it is a part of: it may be a part of something large.
        body: Bytes::copy_from_slice(message.bytes()),
        head: looked_at(head),
        first: Some(first.into()),
        notes,
        stage: Stage::Waiting(wait),
        _open: at.session.map(|session| session.open_stream()),
    });
    answer::events(holding, |mut holding| async move { holding.next().await.map(|bytes| (bytes, holding)) })
}

/// The answer that tells the client to come again.
fn told(at: &At<'_>, asked: Box<Asked>, message: &Message<'_>) -> Reply {
    at.worker.gate.waiting.stays(&asked.approval.id);
    let denial = Denial::Asked(asked);
    let told = answer::denial_message(&denial, message.id_bytes(), at.era);
    answer::json(answer::denial_status(&denial), told)
}

/// The headers that say something about a message. Copied: as they came, each keeps all that was read with it.
fn looked_at(head: &HeaderMap) -> HeaderMap {
    let is_own = |name: &str| name == ACCEPT.as_str() || name == TRACEPARENT || name.starts_with("mcp-");
    let said = head.iter().filter(|(name, _)| is_own(name.as_str()));
    // What was a value is one.
    let copied = said.filter_map(|(name, value)| Some((name.clone(), HeaderValue::from_bytes(value.as_bytes()).ok()?)));
    copied.collect()
}

impl Holding {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match &mut self.stage {
                Stage::Waiting(wait) => match wait.next().await {
                    Turn::Beat => return Some(self.beat()),
                    Turn::Over(woken) => {
                        let Stage::Waiting(wait) = std::mem::replace(&mut self.stage, Stage::Over) else { return None };
                        // It was read when it came, so it can be read again.
                        let parsed = parse_client(&self.body, &self.worker.gate.limits, Batches::Refused);
                        let Ok(Incoming::One(message)) = parsed else { return None };
                        // Boxed, like what follows: as long as a call waits, it should be small.
                        match Box::pin(wait.after(woken, &message, self.era)).await {
                            After::Nothing => return None,
                            After::Told(message) => return Some(event_of(&message)),
                            After::Again(patience, place) => {
                                let again = post::again(&self.worker, &self.entry, &self.head, &self.body, patience);
                                self.stage = Stage::Again(Box::pin(async move {
                                    let reply = again.await;
                                    drop(place);
                                    reply
                                }));
                            }
                        }
                    }
                },
                Stage::Again(again) => match tokio::time::timeout(self.worker.gate.options.keep_alive, again).await {
                    Ok(reply) => return Box::pin(self.answered(reply)).await,
                    Err(_) => return Some(Bytes::from_static(SseWriter::KEEP_ALIVE)),
                },
                Stage::Passing(body) => match body.frame().await? {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => return Some(data),
                        Err(_) => continue,
                    },
                    Err(_) => return None,
                },
                Stage::Over => return None,
            }
        }
    }

    /// The answer of a call that was judged again, as what follows on this stream.
    async fn answered(&mut self, reply: Reply) -> Option<Bytes> {
        let (head, mut body) = reply.into_parts();
        self.stage = Stage::Over;
        if head.headers.get(CONTENT_TYPE).is_some_and(|kind| is_type(kind.as_bytes(), b"text/event-stream")) {
            let first = loop {
                match body.frame().await?.ok()?.into_data() {
                    Ok(data) => break data,
                    Err(_) => continue,
                }
            };
            self.stage = Stage::Passing(Box::new(body));
            return Some(first);
        }
        let whole = body.collect().await.ok()?.to_bytes();
        if !whole.is_empty() {
            return Some(event_of(&whole));
        }
        let parsed = parse_client(&self.body, &self.worker.gate.limits, Batches::Refused);
        let Ok(Incoming::One(message)) = parsed else { return None };
        Some(event_of(&reply::upstream_status(head.status, message.id_bytes().unwrap_or(b"null"))))
    }

    /// A sign of life.
    fn beat(&mut self) -> Bytes {
        let (Stage::Waiting(wait), true) = (&self.stage, self.notes > 0) else {
            return Bytes::from_static(SseWriter::KEEP_ALIVE);
        };
        self.notes += 1;
        match parse_client(&self.body, &self.worker.gate.limits, Batches::Refused) {
            Ok(Incoming::One(message)) => match message.progress_token() {
                Some(token) => event_of(&words::progress(message.bytes_of(token), self.notes, wait.asked())),
                None => Bytes::from_static(SseWriter::KEEP_ALIVE),
            },
            _ => Bytes::from_static(SseWriter::KEEP_ALIVE),
        }
    }
}

fn event_of(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 16);
    event(message, &mut out);
    out.into()
}

fn event(message: &[u8], out: &mut Vec<u8>) {
    // Without a name and an id, writing can't fail.
    let _ = SseWriter::event(out, None, None, message);
}
