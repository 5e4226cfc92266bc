//! The answers of a held session to one modern request: translated, and ended early where the server asks something.

use super::park;
use super::table::Lease;
use crate::exchange::Way;
use crate::forward::{self, Failure, Peer};
use crate::gate::Gate;
use crate::reach::{Asked, Carrier, Judged};
use crate::snapshot::GrantEntry;
use bytes::Bytes;
use callgate_decision::Cover;
use callgate_mcp::bridge::up::{self, Askable, Level, Question};
use callgate_mcp::{Batches, Incoming, Limits, Message, MessageKind, Method, Rewrite, parse_server};
use std::collections::VecDeque;
use std::sync::Arc;

/// Questions that one call may have open.
const MAX_QUESTIONS: usize = 16;
/// Messages that are kept for the next leg while the client is away.
const MAX_KEPT: usize = 64;

/// A call that is open in a held session.
#[derive(Debug)]
pub(crate) struct Live {
    asked: forward::Asked,
    lease: Lease,
    askable: Askable,
    method: Method,
    /// Log messages below it are not for this call; without one, none is.
    level: Option<Level>,
    /// Counts the questions of the call, for their keys.
    questions: usize,
    /// The yes under which the call left.
    pub(super) cover: Option<Cover>,
    /// What the client has not answered yet.
    pub(super) open: Vec<(String, Question)>,
    /// What came while the client was away.
    kept: VecDeque<Result<(Bytes, bool), Failure>>,
}

/// The answers to one leg of a modern request.
#[derive(Debug)]
pub(crate) struct Answers {
    gate: Arc<Gate>,
    entry: Arc<GrantEntry>,
    limits: Limits,
    /// As JSON: the request's id and its progress token.
    id: Vec<u8>,
    token: Option<Vec<u8>>,
    method: Method,
    /// What the next leg has to be about.
    about: park::About,
    /// Taken away when the leg is over.
    live: Option<Live>,
}

/// What becomes of a message of the server.
enum Next {
    Message(Bytes, bool),
    Question,
    Nothing,
}

impl Live {
    pub(super) fn new(
        asked: forward::Asked,
        lease: Lease,
        askable: Askable,
        method: Method,
        level: Option<Level>,
    ) -> Self {
        let (open, kept) = (Vec::new(), VecDeque::new());
        Self { asked, lease, askable, method, level, questions: 0, cover: None, open, kept }
    }

    pub(super) fn peer(&self) -> &Peer {
        self.lease.peer()
    }

    /// The next message of the server, kept ones first. May be dropped while it waits, and called again.
    async fn next(&mut self) -> Option<Result<(Bytes, bool), Failure>> {
        match self.kept.pop_front() {
            Some(kept) => Some(kept),
            None => self.asked.next().await,
        }
    }

    /// Waits until the server says something, and keeps what the next leg needs of it: questions, and the end.
    pub(super) async fn keep(&mut self) {
        if self.kept.back().is_some_and(|last| !matches!(last, Ok((_, false)))) {
            return std::future::pending().await;
        }
        match self.asked.next().await {
            None => std::future::pending().await,
            Some(Ok((message, false))) if !is_request(&message) || self.kept.len() >= MAX_KEPT => {}
            Some(said) => self.kept.push_back(said),
        }
    }

    /// Nobody will answer: the server is told so, and the call is cancelled with the drop of this.
    pub(super) fn give_up(&mut self, why: &str) {
        for (_, question) in self.open.drain(..) {
            self.asked.peer().decline(question.unanswered(why));
        }
    }

    /// Takes a question, or tells the server why it can't be put to the client. What the policy allows is recorded
    /// when the question goes out, what it denies at once.
    fn ask(&mut self, message: &Message<'_>, gate: &Arc<Gate>, entry: &Arc<GrantEntry>) -> bool {
        let (method, params) = (message.method_name().unwrap_or_default(), message.params());
        // The call may have begun long ago. A grant that has ended ends its stream.
        let entry = gate.renewed(entry).unwrap_or_else(|_| Arc::clone(entry));
        let asked = Asked::decide(&entry, callgate_mcp::Question { method, params });
        if !asked.is_allowed() {
            let id = message.id_bytes().unwrap_or(b"null").to_vec();
            let carrier = Carrier::Request { id: id.clone(), method: message.method() };
            let recorded = Judged { questions: vec![asked], entry, carrier, ruled: None }.record(gate, None);
            let peer = self.peer().clone();
            tokio::spawn(async move {
                if let Err(denied) = recorded.await {
                    peer.decline(denied.to_server(&id));
                }
            });
            return false;
        }
        let may = matches!(self.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead);
        let read = match Question::read(message, self.askable) {
            _ if !may || self.open.len() >= MAX_QUESTIONS => Err("nothing more can be asked in this call"),
            read => read,
        };
        match read {
            Ok(question) => {
                self.questions += 1;
                self.open.push((format!("q{}", self.questions), question));
                true
            }
            Err(why) => {
                self.asked.peer().decline(up::refusal(message, why));
                false
            }
        }
    }

    /// Takes the questions that are already there beside the first one: they go to the client together.
    fn gather(&mut self, limits: &Limits, gate: &Arc<Gate>, entry: &Arc<GrantEntry>) {
        loop {
            let said = match self.kept.pop_front() {
                Some(said) => said,
                None => match self.asked.ready() {
                    Some(said) => said,
                    None => return,
                },
            };
            if let Ok((bytes, false)) = &said {
                if let Ok(Incoming::One(message)) = parse_server(bytes, limits, Batches::Refused)
                    && message.kind() == MessageKind::Request
                {
                    self.ask(&message, gate, entry);
                }
                continue;
            }
            self.kept.push_front(said);
            return;
        }
    }
}

fn is_request(bytes: &[u8]) -> bool {
    matches!(parse_server(bytes, &Limits::default(), Batches::Refused),
        Ok(Incoming::One(message)) if message.kind() == MessageKind::Request)
}

impl Answers {
    /// The answers to this request, which is open in `live`.
    pub(super) fn new(way: Way<'_>, message: &Message<'_>, live: Live) -> Self {
        let mut limits = Limits::default();
        limits.json.max_bytes = way.gate.options.max_message;
        limits.json.max_values = usize::MAX;
        Self {
            gate: Arc::clone(way.gate),
            entry: Arc::clone(way.entry),
            limits,
            id: message.id_bytes().unwrap_or(b"null").to_vec(),
            token: message.progress_token().map(|token| message.bytes_of(token).to_vec()),
            method: message.method(),
            about: park::About::of(way.entry, message),
            live: Some(live),
        }
    }

    /// The next message for the client, and whether it is the response. May be dropped while it waits, and called
    /// again.
    pub(crate) async fn next(&mut self) -> Option<Result<(Bytes, bool), Failure>> {
        loop {
            let live = self.live.as_mut()?;
            // Questions of the last leg that this one did not answer are asked again.
            if !live.open.is_empty() {
                return Some(self.park());
            }
            let (message, is_response) = match live.next().await? {
                Ok(said) => said,
                Err(failure) => {
                    self.live = None;
                    return Some(Err(failure));
                }
            };
            match self.translate(&message, is_response) {
                Ok(Next::Message(bytes, is_response)) => {
                    if is_response {
                        self.live = None;
                    }
                    return Some(Ok((bytes, is_response)));
                }
                Ok(Next::Question) => {
                    if let Some(live) = &mut self.live {
                        live.gather(&self.limits, &self.gate, &self.entry);
                    }
                }
                Ok(Next::Nothing) => {}
                Err(failure) => {
                    self.live = None;
                    return Some(Err(failure));
                }
            }
        }
    }

    fn translate(&mut self, bytes: &Bytes, is_response: bool) -> Result<Next, Failure> {
        let Some(live) = &mut self.live else { return Ok(Next::Nothing) };
        let parsed = parse_server(bytes, &self.limits, Batches::Refused);
        let message = match &parsed {
            Ok(Incoming::One(message)) => message,
            Ok(Incoming::Batch(_)) => return Err(Failure::Unreadable("it is a batch".to_owned())),
            Err(error) => return Err(Failure::Unreadable(error.to_string())),
        };
        if is_response {
            return self.respond(message);
        }
        match message.kind() {
            MessageKind::Request => {
                Ok(if live.ask(message, &self.gate, &self.entry) { Next::Question } else { Next::Nothing })
            }
            _ if message.method() == Method::Progress => Ok(match &self.token {
                Some(token) => {
                    let told = Rewrite::new(message).progress_token(&**token).into_bytes().into_owned();
                    Next::Message(told.into(), false)
                }
                None => Next::Nothing,
            }),
            _ if message.method_name() == Some("notifications/message") => {
                let wanted = live.level.is_some_and(|level| Level::of_log(message).is_some_and(|said| said >= level));
                Ok(if wanted { Next::Message(bytes.clone(), false) } else { Next::Nothing })
            }
            // What belongs to no request is for subscriptions.
            _ => Ok(Next::Nothing),
        }
    }

    fn respond(&self, message: &Message<'_>) -> Result<Next, Failure> {
        if let Some(questions) = up::url_elicitations(message).filter(|_| super::may_ask(self.method)) {
            let may = self.live.as_ref().is_some_and(|live| live.askable.url);
            let cover = self.live.as_ref().and_then(|live| live.cover.as_ref()).map(Cover::for_legs);
            let answer = match may && !questions.is_empty() {
                true => park::again(&self.gate, &self.entry, &self.about, &self.id, questions, cover)
                    .map_err(Failure::Refused)?,
                false => up::missing_capability(&self.id),
            };
            return Ok(Next::Message(answer.into(), true));
        }
        match up::response(message, &self.id, self.method) {
            Some(answer) => Ok(Next::Message(answer.into(), true)),
            None => Err(Failure::Unreadable("its result is no object".to_owned())),
        }
    }

    /// The leg is over: the call waits for the answers of the client.
    fn park(&mut self) -> Result<(Bytes, bool), Failure> {
        let Some(live) = self.live.take() else { return Err(Failure::Broken("it gave no answer".to_owned())) };
        let lasts = self.entry.server.timeouts.idle;
        match park::park(&self.gate, &self.entry, &self.about, &self.id, live, lasts) {
            Ok(answer) => Ok((answer.into(), true)),
            Err(cause) => Err(Failure::Refused(cause)),
        }
    }
}
