//! What comes back from an upstream, on its way to the client: settled, filtered, and only to whom it belongs.

mod inspect;
mod look;
mod messages;

pub(crate) use messages::{Item, Messages, Source};

use crate::forward::{Failure, Flight};
use crate::gate::Gate;
use crate::reach::{Denied, Judged};
use crate::results::Inspected;
use crate::sessions::Session;
use crate::snapshot::GrantEntry;
use crate::standing::Standing;
use crate::states::has_legs;
use bytes::Bytes;
use callgate_decision::Listed;
use callgate_json::write_string;
use callgate_mcp::{
    Batches, Era, Incoming, Limits, Message, MessageKind, Method, Outline, RequestId, ResponseOutcome, codes, outcome,
    parse_server,
};
use http::StatusCode;
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
    /// What is listed was told to whoever pins it.
    told: bool,
    /// Of what the answer is, where there are rules over results.
    origin: Option<Inspected>,
    /// The request as it was sent, where its answer may have a state for it to come back with.
    request: Option<Box<[u8]>>,
}

/// What becomes of one message of the upstream.
pub(crate) enum Seen {
    /// It goes on as it came.
    Pass,
    /// This goes on in its place.
    Changed(Bytes),
    /// It goes to nobody, for this reason.
    Drop(&'static str),
    /// It holds questions to the client. It goes on, or this in its place, once they are recorded as allowed.
    Judged { judged: Box<Judged>, changed: Option<Bytes> },
    /// It lists tools otherwise than they are pinned. It is looked at again once whoever pins them was told.
    Unpinned(Vec<Listed>),
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
            told: false,
            origin: None,
            request: None,
        }
    }

    /// The relay of the answers to one request.
    pub(crate) fn of(self, message: &Message<'_>, flight: Flight) -> Self {
        let comes_back = self.era == Era::Modern && has_legs(message.method());
        let request = comes_back.then(|| message.bytes().into());
        let origin = Inspected::of(&self.gate, &self.entry, message, flight.id());
        if let (Some(session), Some(id), true) = (&self.session, message.id(), self.entry.has_result_rules()) {
            session.awaits(id, origin.as_ref());
        }
        Self { method: Some(message.method()), id: message.id(), flight: Some(flight), request, origin, ..self }
    }

    /// What the gateway has learned of the server.
    fn standing(&self) -> Arc<Standing> {
        self.gate.standings.of(&self.entry.server)
    }

    /// Follows the configuration, as long as the grant holds: a stream that waits for events outlives many.
    fn renew(&mut self) {
        if let Ok(now) = self.gate.renewed(&self.entry) {
            self.entry = now;
        }
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
    pub(crate) async fn see_answer(&mut self, bytes: &Bytes) -> Result<Seen, Failure> {
        let mut seen = self.see_whole(bytes)?;
        if let Seen::Unpinned(news) = seen {
            let told = self.gate.pin(&self.entry, news).await;
            told.map_err(|cause| self.fail(Failure::Refused(cause)))?;
            self.told = true;
            seen = self.see_whole(bytes)?;
        }
        match seen {
            Seen::Judged { mut judged, changed } => match judged.record(&self.gate, self.session.as_ref()).await {
                Ok(()) => Ok(changed.map_or(Seen::Pass, Seen::Changed)),
                Err(denied) => Ok(Seen::Changed(self.refused(&denied, None))),
            },
            seen => Ok(seen),
        }
    }

    fn see_whole(&mut self, bytes: &Bytes) -> Result<Seen, Failure> {
        let limits = self.limits();
        let parsed = parse_server(bytes, &limits, Batches::Refused);
        let message = match &parsed {
            Ok(Incoming::One(message)) if message.kind() == MessageKind::Response => message,
            Ok(_) => return Err(self.unreadable("it is not the response to the request".to_owned())),
            Err(_) if self.passes_unread(bytes) => {
                self.settle(bytes, None);
                return Ok(Seen::Pass);
            }
            Err(error) => return Err(self.unreadable(error.to_string())),
        };
        if message.id() != self.id && !(message.id().is_none() && message.error().is_some()) {
            return Err(self.unreadable("it answers another request".to_owned()));
        }
        self.looked(message, bytes)
    }

    /// Looks at one message of a stream.
    pub(crate) fn see(&mut self, bytes: &Bytes) -> Result<Seen, Failure> {
        let limits = self.limits();
        let parsed = parse_server(bytes, &limits, Batches::Refused);
        let message = match &parsed {
            Ok(Incoming::One(message)) => message,
            Ok(Incoming::Batch(_)) => return Err(self.unreadable("it is a batch".to_owned())),
            Err(_) if self.passes_unread(bytes) => {
                self.unread = true;
                return Ok(Seen::Pass);
            }
            Err(error) => return Err(self.unreadable(error.to_string())),
        };
        match message.kind() {
            MessageKind::Notification => Ok(self.notice(message)),
            MessageKind::Request if self.can_be_asked() => Ok(self.question(message)),
            MessageKind::Request => Ok(Seen::Drop("a request to a client that can't be asked")),
            MessageKind::Response => self.response(message, bytes),
        }
    }

    /// Looks at what a connection of its own says beside its responses: read, and brought to the right request, before.
    pub(crate) fn see_aside(&mut self, bytes: &Bytes) -> Seen {
        let limits = self.limits();
        let Ok(Incoming::One(message)) = parse_server(bytes, &limits, Batches::Refused) else {
            return Seen::Drop("it can't be read");
        };
        match message.kind() {
            MessageKind::Notification => self.notice(&message),
            MessageKind::Request => self.question(&message),
            MessageKind::Response => Seen::Drop("a response that nobody waits for"),
        }
    }

    /// Whether there is a client that a request of the server can be put to, and whose response finds its way back.
    fn can_be_asked(&self) -> bool {
        self.session.is_some() && self.era == Era::Legacy
    }

    /// What the client is answered in the place of a response with questions that may not be put.
    pub(crate) fn refused(&self, denied: &Denied, id: Option<&RequestId>) -> Bytes {
        let mut json = String::new();
        match self.id.as_ref().or(id) {
            Some(RequestId::Integer(number)) => json = number.to_string(),
            Some(RequestId::String(text)) => write_string(text, &mut json),
            None => json.push_str("null"),
        }
        denied.to_client(json.as_bytes(), self.era, self.method).into()
    }

    /// The HTTP status of the response that was seen: the modern revision has some for errors.
    pub(crate) fn status(&self) -> StatusCode {
        match (self.era, self.error_code) {
            (Era::Modern, Some(codes::METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
            (Era::Modern, Some(codes::HEADER_MISMATCH | codes::MISSING_CAPABILITY | codes::UNSUPPORTED_VERSION)) => {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::OK,
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
        self.looked(message, bytes)
    }

    /// Looks at a response, and settles what it answers.
    fn looked(&mut self, message: &Message<'_>, bytes: &Bytes) -> Result<Seen, Failure> {
        match self.look(message) {
            // It is not passed on yet.
            Ok(unpinned @ Seen::Unpinned(_)) => Ok(unpinned),
            Ok(seen) => {
                self.settle(bytes, Some(message));
                Ok(seen)
            }
            Err(why) => Err(self.unreadable(why)),
        }
    }

    /// Whether an answer that the strict reader refuses may still be passed on: the tool ran, its result is data, and
    /// nothing of it is filtered. Whatever might be a list may not, nor what might be a question to the client.
    fn passes_unread(&self, bytes: &[u8]) -> bool {
        let is_data = self.method.is_some_and(|method| {
            matches!(method, Method::ToolsCall | Method::ResourcesRead | Method::PromptsGet | Method::TasksResult)
        });
        is_data && !self.inspects() && Outline::default().is_plain(bytes)
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
