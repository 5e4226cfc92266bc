//! Whose answer is whose, on one duplex connection: own ids towards the server, the client's back.
//!
//! An answer to an id that is not open reaches nobody: unknown, late, or given twice.

use super::Failure;
use bytes::Bytes;
use callgate_mcp::{Batches, Incoming, Limits, Message, MessageKind, Method, RequestId, Rewrite, one_line};
use std::collections::{BTreeMap, HashMap, VecDeque};
use tokio::sync::mpsc::{self, error::TrySendError};

/// Messages that wait for a request's stream to be read.
pub(super) const QUEUE: usize = 128;
/// Messages that wait for a stream to be opened.
const INBOX: usize = 256;
/// Requests of the server that the client has not answered yet.
const MAX_ASKED: usize = 1024;

/// The open requests of one peer, and what it says to nobody in particular.
#[derive(Debug, Default)]
pub(super) struct Routes {
    next: i64,
    open: BTreeMap<i64, Open>,
    asked: HashMap<RequestId, Method>,
    inbox: VecDeque<Bytes>,
    /// Counts the streams that ever listened; the last one is the one that is served.
    listeners: u64,
    listening: bool,
    /// Many clients share the process: nothing may reach a client that did not ask for it.
    shared: bool,
    /// The gateway holds the session: a question belongs to the one call that is open, and nothing waits for a stream.
    held: bool,
}

#[derive(Debug)]
struct Open {
    method: Method,
    id: Option<RequestId>,
    id_json: Vec<u8>,
    token_json: Option<Vec<u8>>,
    /// It waits for events; nothing that a request brings about belongs to it.
    listens: bool,
    to: mpsc::Sender<Said>,
}

/// What the server said to one request.
#[derive(Debug)]
pub(super) enum Said {
    /// A message on the way to the response.
    Aside(Bytes),
    /// The response: the last message.
    Response(Bytes),
    /// No response will come, for this reason.
    Failed(Failure),
}

/// What came of a line of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Routed {
    /// It went to the request that it belongs to.
    Delivered,
    /// It was the response to a request.
    Answered,
    /// It waits for a listener.
    Waiting,
    /// It went nowhere, for this reason.
    Dropped(&'static str),
    /// It can't be delivered, and the server has to be told so.
    Reply(Vec<u8>),
}

impl Routes {
    pub(super) fn new(shared: bool) -> Self {
        Self { shared, ..Self::default() }
    }

    /// Opens a request: its number towards the server, the line to write, and where its answers come.
    pub(super) fn open(&mut self, message: &Message<'_>) -> (i64, Vec<u8>, mpsc::Receiver<Said>) {
        self.next += 1;
        let number = self.next;
        let own = number.to_string().into_bytes();
        let (to, from) = mpsc::channel(QUEUE);
        let open = Open {
            method: message.method(),
            id: message.id(),
            id_json: message.id_bytes().unwrap_or(b"null").to_vec(),
            token_json: message.progress_token().map(|token| message.bytes_of(token).to_vec()),
            listens: message.method() == Method::SubscriptionsListen,
            to,
        };
        self.open.insert(number, open);
        let rewritten = Rewrite::new(message).id(own.clone()).progress_token(own).into_bytes();
        (number, one_line(&rewritten).into_owned(), from)
    }

    /// Forgets a request. True where it was still open.
    pub(super) fn close(&mut self, number: i64) -> bool {
        self.open.remove(&number).is_some()
    }

    /// The line for a notification of the client; `None` where it is about nothing that is open.
    pub(super) fn notification(&self, message: &Message<'_>) -> Option<Vec<u8>> {
        if message.method() != Method::Cancelled {
            return Some(one_line(message.bytes()).into_owned());
        }
        // Ids of one client say nothing about another's requests.
        if self.shared {
            return None;
        }
        let id = message.cancelled_id().and_then(RequestId::from_value)?;
        let (number, _) = self.open.iter().rev().find(|(_, open)| open.id.as_ref() == Some(&id))?;
        let line = Rewrite::new(message).cancelled_id(number.to_string().into_bytes()).into_bytes();
        Some(one_line(&line).into_owned())
    }

    /// What the server asked that this response answers. Each question is answered once.
    pub(super) fn was_asked(&mut self, id: &RequestId) -> Option<Method> {
        self.asked.remove(id)
    }

    /// From here on the gateway holds the session.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Whether this request still waits for its response.
    pub(super) fn is_open(&self, number: i64) -> bool {
        self.open.contains_key(&number)
    }

    /// Ends a request that will have no response.
    pub(super) fn fail(&mut self, number: i64, failure: Failure) {
        if let Some(open) = self.open.remove(&number) {
            let _ = open.to.try_send(Said::Failed(failure));
        }
    }

    /// How many requests are open.
    pub(super) fn open_requests(&self) -> usize {
        self.open.len()
    }

    /// Ends every open request, and says no more to listeners.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.asked.clear();
    }

    /// Whether many clients share the process.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Becomes the listener: what is said to nobody in particular comes here, and no longer to an earlier one. The
    /// listeners of a shared process hear nothing, and don't displace each other.
    pub(super) fn listen(&mut self) -> u64 {
        if self.shared {
            return self.listeners;
        }
        self.listeners += 1;
        self.listening = true;
        self.listeners
    }

    /// The listener has gone.
    pub(super) fn unlisten(&mut self, listener: u64) {
        if self.listeners == listener {
            self.listening = false;
        }
    }

    /// The next message for this listener; `Err` where another one took its place.
    pub(super) fn heard(&mut self, listener: u64) -> Result<Option<Bytes>, ()> {
        if self.listeners != listener { Err(()) } else { Ok(self.inbox.pop_front()) }
    }

    /// Brings a message of the server to where it belongs. `on`: it came in the answer to this request.
    pub(super) fn route(&mut self, line: &Bytes, limits: &Limits, on: Option<i64>) -> Routed {
        let parsed = callgate_mcp::parse_server(line, limits, Batches::Refused);
        let message = match &parsed {
            Ok(Incoming::One(message)) => message,
            Ok(Incoming::Batch(_)) => return Routed::Dropped("a batch"),
            Err(error) => return self.unreadable(line, &error.to_string()),
        };
        match message.kind() {
            MessageKind::Response => self.response(message),
            MessageKind::Notification => self.server_notification(message, on),
            MessageKind::Request => self.server_request(message, on),
        }
    }

    fn response(&mut self, message: &Message<'_>) -> Routed {
        let Some(RequestId::Integer(number)) = message.id() else { return Routed::Dropped("a response to nobody") };
        let Some(open) = self.open.remove(&number) else { return Routed::Dropped("a response that nobody waits for") };
        let bytes = Rewrite::new(message).id(&*open.id_json).subscription_id(&*open.id_json).into_bytes();
        let _ = open.to.try_send(Said::Response(Bytes::from(bytes.into_owned())));
        Routed::Answered
    }

    fn server_notification(&mut self, message: &Message<'_>, on: Option<i64>) -> Routed {
        if message.method() == Method::Progress {
            let Some(number) = number(message.progress_token()) else {
                return Routed::Dropped("progress of nobody's request");
            };
            let Some(open) = self.open.get(&number) else {
                return Routed::Dropped("progress of a request that is over");
            };
            let Some(token) = &open.token_json else { return Routed::Dropped("progress that nobody asked for") };
            let bytes = Rewrite::new(message).progress_token(&**token).into_bytes();
            let bytes = Bytes::from(bytes.into_owned());
            return self.aside(number, bytes);
        }
        if let Some(subscription) = message.subscription_id() {
            let number = number(Some(subscription)).filter(|number| self.open.contains_key(number));
            let Some(number) = number else { return Routed::Dropped("an event of nobody's subscription") };
            let own = self.open.get(&number).map(|open| open.id_json.clone()).unwrap_or_default();
            let bytes = Rewrite::new(message).subscription_id(own).into_bytes();
            return self.aside(number, Bytes::from(bytes.into_owned()));
        }
        let bytes = Bytes::copy_from_slice(message.bytes());
        if self.shared {
            return match self.open.values().filter(|open| !open.listens).count() {
                1 => self.aside_to_last(bytes),
                _ => Routed::Dropped("a notification of a shared process that belongs to no request"),
            };
        }
        let of_a_request =
            message.method_name() == Some("notifications/message") || message.method() == Method::Cancelled;
        if self.held && of_a_request {
            return match on.or_else(|| self.one_call()) {
                Some(number) => self.aside(number, bytes),
                None => Routed::Dropped("a notification that belongs to no call"),
            };
        }
        if of_a_request && !self.listening && !self.open.is_empty() {
            return self.aside_to_last(bytes);
        }
        self.wait(bytes)
    }

    fn server_request(&mut self, message: &Message<'_>, on: Option<i64>) -> Routed {
        let id_json = message.id_bytes().unwrap_or(b"null");
        let refuse = |why: &str| {
            let mut line = callgate_mcp::error_response(Some(id_json), -32601, why, None);
            line.retain(|byte| *byte != b'\n');
            Routed::Reply(line)
        };
        if message.method() == Method::Ping && (self.held || self.shared) {
            return Routed::Reply(callgate_mcp::result_response(id_json, b"{}"));
        }
        if self.shared {
            return refuse("there is no client of this process that could be asked");
        }
        if self.held {
            let bytes = Bytes::copy_from_slice(message.bytes());
            let call = on.filter(|number| self.open.get(number).is_some_and(Open::may_ask)).or_else(|| self.one_call());
            return match call.map(|number| self.aside(number, bytes)) {
                Some(Routed::Delivered) => Routed::Delivered,
                _ => refuse("no call is open whose client could be asked"),
            };
        }
        let Some(id) = message.id().filter(|_| self.asked.len() < MAX_ASKED) else {
            return refuse("too many questions to the client are open");
        };
        self.asked.insert(id, message.method());
        let bytes = Bytes::copy_from_slice(message.bytes());
        if !self.listening && !self.open.is_empty() {
            return self.aside_to_last(bytes);
        }
        self.wait(bytes)
    }

    /// The one open request that a question may belong to: where there are several, nobody can tell whose it is.
    fn one_call(&self) -> Option<i64> {
        let mut calls = self.open.iter().filter(|(_, open)| open.may_ask());
        let (number, _) = calls.next()?;
        calls.next().is_none().then_some(*number)
    }

    fn aside_to_last(&mut self, bytes: Bytes) -> Routed {
        match self.open.iter().rev().find(|(_, open)| !open.listens).map(|(number, _)| *number) {
            Some(number) => self.aside(number, bytes),
            None => Routed::Dropped("no request is open"),
        }
    }

    fn aside(&mut self, number: i64, bytes: Bytes) -> Routed {
        let Some(open) = self.open.get(&number) else { return Routed::Dropped("no such request is open") };
        // One place is kept for the response.
        if open.to.capacity() <= 1 {
            self.open.remove(&number);
            return Routed::Dropped("its stream is read too slowly and was closed");
        }
        match open.to.try_send(Said::Aside(bytes)) {
            Ok(()) => Routed::Delivered,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.open.remove(&number);
                Routed::Dropped("its request is gone")
            }
        }
    }

    fn wait(&mut self, bytes: Bytes) -> Routed {
        if self.inbox.len() >= INBOX {
            return Routed::Dropped("no stream is open, and too much is waiting for one");
        }
        self.inbox.push_back(bytes);
        Routed::Waiting
    }

    /// A line that the strict reader refuses. Where it looks like the response to an open request, that request fails
    /// now instead of waiting for its time-out. Nothing of the line is passed on.
    fn unreadable(&mut self, line: &[u8], why: &str) -> Routed {
        #[derive(serde::Deserialize)]
        struct IdAlone {
            id: i64,
        }
        let Ok(IdAlone { id }) = serde_json::from_slice::<IdAlone>(line) else {
            return Routed::Dropped("not a message");
        };
        let Some(open) = self.open.remove(&id) else { return Routed::Dropped("not a message") };
        let _ = open.to.try_send(Said::Failed(Failure::Unreadable(why.to_owned())));
        Routed::Answered
    }
}

impl Open {
    /// Whether the server may ask the client something before it answers (MCP 2026-07-28 "Supported Requests").
    fn may_ask(&self) -> bool {
        matches!(self.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
    }
}

fn number(value: Option<&callgate_json::Value<'_>>) -> Option<i64> {
    match RequestId::from_value(value?)? {
        RequestId::Integer(number) => Some(number),
        RequestId::String(text) => text.parse().ok(),
    }
}
