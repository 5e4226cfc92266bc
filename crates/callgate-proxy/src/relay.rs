//! What comes back from an upstream, on its way to the client: settled, filtered, and only to whom it belongs.

mod messages;

pub(crate) use messages::{Item, Messages, Source};

use crate::forward::{Failure, Flight};
use crate::gate::Gate;
use crate::sessions::Session;
use crate::snapshot::GrantEntry;
use bytes::Bytes;
use callgate_mcp::{
    Batches, CacheScope, Era, Filtered, Incoming, Limits, Message, MessageKind, Method, RequestId, ResponseOutcome,
    Rewrite, filter_tools, outcome, parse_server,
};
use std::sync::Arc;

/// What is known of the request whose answers these are.
pub(crate) struct Relay {
    pub(crate) gate: Arc<Gate>,
    pub(crate) entry: Arc<GrantEntry>,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) era: Era,
    /// The request's method; `None` for a stream that nobody's request opened (GET).
    pub(crate) method: Option<Method>,
    pub(crate) id: Option<RequestId>,
    pub(crate) flight: Option<Flight>,
    /// The code of the error that the request was answered with.
    pub(crate) error_code: Option<i64>,
    /// Something that could not be read was passed on: it may have been the response.
    unread: bool,
}

/// What becomes of one message of the upstream.
pub(crate) enum Seen {
    /// It goes on as it came.
    Pass,
    /// This goes on in its place.
    Changed(Bytes),
    /// It goes to nobody, for this reason.
    Drop(&'static str),
}

impl Relay {
    pub(crate) fn new(gate: &Arc<Gate>, entry: &Arc<GrantEntry>, session: Option<&Arc<Session>>, era: Era) -> Self {
        Self {
            gate: Arc::clone(gate),
            entry: Arc::clone(entry),
            session: session.cloned(),
            era,
            method: None,
            id: None,
            flight: None,
            error_code: None,
            unread: false,
        }
    }

    /// The relay of the answers to one request.
    pub(crate) fn of(self, message: &Message<'_>, flight: Flight) -> Self {
        Self { method: Some(message.method()), id: message.id(), flight: Some(flight), ..self }
    }

    /// The server's name, for messages.
    pub(crate) fn server(&self) -> &str {
        self.entry.server.name.as_str()
    }

    /// Whether the stream is open for what may happen, not for an answer.
    pub(crate) fn waits_for_events(&self) -> bool {
        matches!(self.method, None | Some(Method::SubscriptionsListen))
    }

    /// How much of an upstream's message is read.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.json.max_bytes = self.gate.options.max_message;
        limits.json.max_values = usize::MAX;
        limits
    }

    /// Looks at a body that is one whole message: the answer to the request.
    pub(crate) fn see_answer(&mut self, bytes: &Bytes) -> Result<Seen, Failure> {
        let limits = self.limits();
        let parsed = parse_server(bytes, &limits, Batches::Refused);
        let message = match &parsed {
            Ok(Incoming::One(message)) if message.kind() == MessageKind::Response => message,
            Ok(_) => return Err(self.unreadable("it is not the response to the request".to_owned())),
            Err(_) if self.passes_unread() => {
                self.settle(bytes, None);
                return Ok(Seen::Pass);
            }
            Err(error) => return Err(self.unreadable(error.to_string())),
        };
        if message.id() != self.id && !(message.id().is_none() && message.error().is_some()) {
            return Err(self.unreadable("it answers another request".to_owned()));
        }
        let seen = self.filter(message, bytes);
        match seen {
            Ok(seen) => {
                self.settle(bytes, Some(message));
                Ok(seen)
            }
            Err(why) => Err(self.unreadable(why)),
        }
    }

    /// Looks at one message of a stream.
    pub(crate) fn see(&mut self, bytes: &Bytes) -> Result<Seen, Failure> {
        let limits = self.limits();
        let parsed = parse_server(bytes, &limits, Batches::Refused);
        let message = match &parsed {
            Ok(Incoming::One(message)) => message,
            Ok(Incoming::Batch(_)) => return Err(self.unreadable("it is a batch".to_owned())),
            Err(_) if self.passes_unread() => {
                self.unread = true;
                return Ok(Seen::Pass);
            }
            Err(error) => return Err(self.unreadable(error.to_string())),
        };
        match message.kind() {
            MessageKind::Notification => Ok(Seen::Pass),
            MessageKind::Request => Ok(self.question(message)),
            MessageKind::Response => self.response(message, bytes),
        }
    }

    /// The stream is over.
    pub(crate) fn over(&mut self) {
        if self.unread
            && let Some(flight) = self.flight.take()
        {
            flight.answered(None);
        }
    }

    /// Something was answered where nothing had to be.
    pub(crate) fn answered_unlooked(&mut self) {
        if let Some(flight) = self.flight.take() {
            flight.accepted();
        }
    }

    /// Settles with a failure, and gives it back.
    pub(crate) fn fail(&mut self, failure: Failure) -> Failure {
        match self.flight.take() {
            Some(flight) => flight.fail(failure),
            None => failure,
        }
    }

    fn response(&mut self, message: &Message<'_>, bytes: &Bytes) -> Result<Seen, Failure> {
        // A resumed stream brings the answers of requests that were asked on another one.
        if self.method.is_some() {
            let nameless = message.id().is_none() && message.error().is_some();
            if message.id() != self.id && !nameless {
                return Ok(Seen::Drop("a response to another request"));
            }
            if self.flight.is_none() {
                return Ok(Seen::Drop("a second response"));
            }
        }
        match self.filter(message, bytes) {
            Ok(seen) => {
                self.settle(bytes, Some(message));
                Ok(seen)
            }
            Err(why) => Err(self.unreadable(why)),
        }
    }

    fn question(&self, message: &Message<'_>) -> Seen {
        let (Some(session), Some(id), Era::Legacy) = (&self.session, message.id(), self.era) else {
            return Seen::Drop("a request to a client that can't be asked");
        };
        if session.asks(id) { Seen::Pass } else { Seen::Drop("too many requests to the client are open") }
    }

    /// Takes hidden tools out of a list, and forbids caches to share it.
    fn filter(&self, message: &Message<'_>, bytes: &Bytes) -> Result<Seen, String> {
        let Some(result) = message.result() else { return Ok(Seen::Pass) };
        let scope = match self.era {
            Era::Modern => CacheScope::Private,
            Era::Legacy => CacheScope::AsIs,
        };
        let is_tool_list = match self.method {
            Some(Method::ToolsList) => true,
            Some(Method::ToolsCall) => false,
            _ => result.get("tools").is_some(),
        };
        if is_tool_list {
            let listed = |tool: &str| {
                let documents = [&self.entry.policy, &self.entry.baseline];
                documents.into_iter().flatten().all(|attached| attached.policy.listed(tool, None))
            };
            let filtered = filter_tools(bytes, &self.limits(), scope, |tool| listed(tool.name()));
            return match filtered.map_err(|error| error.to_string())? {
                Filtered::Unchanged => Ok(Seen::Pass),
                Filtered::Changed(bytes) => Ok(Seen::Changed(bytes.into())),
            };
        }
        let is_list =
            matches!(self.method, Some(Method::PromptsList | Method::ResourcesList | Method::ResourcesTemplatesList));
        let scope = result.get("cacheScope").filter(|_| is_list && self.era == Era::Modern);
        match scope.filter(|scope| scope.as_str() != Some("private")) {
            None => Ok(Seen::Pass),
            Some(scope) => {
                let private: &[u8] = b"\"private\"";
                Ok(Seen::Changed(Rewrite::new(message).part(scope, private).into_bytes().into_owned().into()))
            }
        }
    }

    /// Whether an answer that the strict reader refuses may still be passed on: the tool ran, its result is data, and
    /// nothing of it is filtered. Whatever might be a list may not.
    fn passes_unread(&self) -> bool {
        self.method.is_some_and(|method| !matches!(method, Method::ToolsList | Method::Other | Method::Initialize))
    }

    fn settle(&mut self, bytes: &Bytes, message: Option<&Message<'_>>) {
        if let Some(mut flight) = self.flight.take() {
            flight.count(bytes.len());
            let outcome = message.and_then(outcome);
            if let Some(ResponseOutcome::Error(code)) = outcome {
                self.error_code = Some(code);
            }
            flight.answered(outcome);
        }
    }

    fn unreadable(&mut self, why: String) -> Failure {
        self.fail(Failure::Unreadable(why))
    }
}
