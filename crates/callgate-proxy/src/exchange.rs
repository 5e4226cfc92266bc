//! One permitted message, carried to its upstream, and what the upstream makes of it.

mod fallback;

use crate::eras::{held, probe, synthesized};
use crate::errors::Cause;
use crate::forward::{
    Answer, AnswerBody, Ask, Asked, Collected, Failure, Flight, Peer, Pool, forward_http, forward_note, forward_request,
};
use crate::gate::Gate;
use crate::opening;
use crate::reach;
use crate::relay::{Item, Messages, Relay, Seen, Source};
use crate::results::Inspected;
use crate::sessions::{FarEnd, Session};
use crate::snapshot::GrantEntry;
use crate::upstream::{HttpUpstream, StdioUpstream, UpstreamConfig};
use bytes::Bytes;
use callgate_decision::Permit;
use callgate_mcp::bridge::up;
use callgate_mcp::{
    Batches, Era, Incoming, MCP_SESSION_ID, Message, MessageKind, Method, Outline, parse_client, parse_server,
};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method as HttpMethod, StatusCode};
use std::sync::Arc;

/// Answers of a `tools/call` up to this many bytes are looked at, to learn what became of the call; longer ones stream
/// through unread, unless something depends on what they say.
const LOOK_AT: usize = 64 << 10;

/// Who asks, and what the way to the upstream needs to know of it.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) gate: &'a Arc<Gate>,
    pub(crate) pool: &'a Arc<Pool>,
    pub(crate) entry: &'a Arc<GrantEntry>,
    pub(crate) session: Option<&'a Arc<Session>>,
    pub(crate) era: Era,
    /// The id of the trace that the message's HTTP headers name.
    pub(crate) trace: Option<&'a str>,
    /// Whether a client that goes away has cancelled.
    pub(crate) cancel: bool,
    /// Whether an answer may be passed on in pieces. Where it may not, a long one is an error.
    pub(crate) streams: bool,
}

/// What came back.
pub(crate) enum Exchange {
    /// The message was taken; there is nothing to answer.
    Accepted,
    /// A status without a message.
    Bare(StatusCode),
    /// One whole message.
    Whole { status: StatusCode, message: Bytes },
    /// A message that is too long to be looked at.
    Large(Box<Large>),
    /// Messages as they come.
    Stream(Box<Messages>),
}

/// A message that is too long to be looked at, as it comes.
pub(crate) struct Large {
    pub(crate) status: StatusCode,
    pub(crate) first: Bytes,
    pub(crate) rest: Rest,
    pub(crate) flight: Flight,
}

/// What follows of such a message. It is watched as it goes by: it ends where something comes that has to be looked at
/// as a whole, such as a question to the client.
pub(crate) struct Rest {
    body: AnswerBody,
    outline: Outline,
}

impl Rest {
    /// The next part; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        let part = self.body.next().await?;
        if part.as_ref().is_ok_and(|bytes| !self.outline.is_plain(bytes)) {
            let why = "it is long, and only its end says that it is more than data";
            return Some(Err(Failure::Unreadable(why.to_owned())));
        }
        Some(part)
    }
}

/// What came back to `initialize`, and what a session on it is made of.
pub(crate) struct Opened {
    pub(crate) exchange: Exchange,
    pub(crate) far: Option<FarEnd>,
}

impl Way<'_> {
    /// Carries a message that is not `initialize`. `headers` are those that travel along to an HTTP upstream.
    pub(crate) async fn carry(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        match permit.cover() {
            None => self.carry_decided(permit, message, body, headers).await,
            Some(_) => Box::pin(self.carry_approved(permit, message, body, headers)).await,
        }
    }

    /// The same for what was decided a moment ago.
    pub(crate) async fn carry_decided(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        let kept = match self.era {
            Era::Modern => reach::continued(self, message).map_err(Failure::Refused)?.map(Bytes::from),
            Era::Legacy => None,
        };
        let Some(kept) = kept else { return self.carry_as_is(permit, message, body, headers).await };
        // The client's message was within them; what the server added is not the client's.
        let mut limits = self.gate.limits;
        limits.json.max_bytes = usize::MAX;
        match parse_client(&kept, &limits, Batches::Refused) {
            Ok(Incoming::One(message)) => Box::pin(self.carry_as_is(permit, &message, kept.clone(), headers)).await,
            _ => Err(Failure::Refused(Cause::StateRefused("with the server's own state the request is no message"))),
        }
    }

    async fn carry_as_is(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        // What is rare is boxed: every call's future would have room for it.
        if let Some(FarEnd::Synthesized(far)) = self.session.map(|session| &session.far) {
            return Box::pin(synthesized::carry(self, far, permit, message)).await;
        }
        if self.era == Era::Modern {
            match self.gate.standings.of(&self.entry.server).speaks() {
                None => return Box::pin(self.carry_once_known(permit, message, body, headers)).await,
                Some(speaks) if !speaks.includes(Era::Modern) => {
                    return Box::pin(held::carry(self, permit, message)).await;
                }
                Some(_) => {}
            }
        }
        if self.era == Era::Modern {
            return self.carry_modern(permit, message, body, headers).await;
        }
        self.send(permit, message, body, headers).await
    }

    /// Asks the upstream first what it speaks, which takes its time.
    async fn carry_once_known(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        let speaks = probe::speaks(self).await?;
        let (permit, entry) = match self.decided_again(permit, message).await {
            Ok(decided) => decided,
            Err(answer) => return Ok(answer),
        };
        let way = Way { entry: &entry, ..self };
        if !speaks.includes(Era::Modern) {
            return held::carry(way, permit, message).await;
        }
        way.carry_modern(permit, message, body, headers).await
    }

    async fn carry_modern(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        if message.method() == Method::Discover {
            return Box::pin(self.discover(permit, message, body, headers)).await;
        }
        self.send(permit, message, body, headers).await
    }

    /// Sends a message to the upstream as it is.
    pub(crate) async fn send(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        match (&self.entry.server.upstream, self.session.map(|session| &session.far)) {
            (UpstreamConfig::Http(_), Some(FarEnd::Peer(peer))) if self.era == Era::Legacy => {
                self.speak(permit, peer, message).await
            }
            (UpstreamConfig::Http(upstream), _) => {
                let (flight, answer) = self.post(permit, upstream, body, headers).await?;
                self.read(message, flight, answer).await
            }
            (UpstreamConfig::Stdio(command), _) => {
                let process = self.process(command)?;
                self.speak(permit, &process, message).await
            }
        }
    }

    /// Carries `initialize`: a session is opened on what comes back.
    pub(crate) async fn open(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Opened, Failure> {
        match self.gate.standings.of(&self.entry.server).speaks() {
            Some(speaks) if !speaks.includes(Era::Legacy) => synthesized::open(self, permit, message).await,
            _ => fallback::open(self, permit, message, body, headers).await,
        }
    }

    /// Whether the upstream speaks this era, as far as is known.
    pub(crate) fn speaks(self, era: Era) -> bool {
        let standing = self.gate.standings.of(&self.entry.server);
        standing.speaks().is_none_or(|speaks| speaks.includes(era))
    }

    async fn post(
        self,
        permit: Permit,
        upstream: &HttpUpstream,
        body: Bytes,
        mut headers: HeaderMap,
    ) -> Result<(Flight, Answer), Failure> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(id) = self.session.and_then(|session| session.far_id()) {
            headers.insert(MCP_SESSION_ID, id);
        }
        let timeouts = &self.entry.server.timeouts;
        let ask =
            Ask { method: HttpMethod::POST, headers, body, connect: timeouts.connect, silence: Some(timeouts.silence) };
        forward_http(permit, self.pool, upstream, ask).await
    }

    fn process(self, command: &StdioUpstream) -> Result<Peer, Failure> {
        match self.session.and_then(|session| session.far.process()) {
            Some(process) => Ok(process.clone()),
            None => self.gate.processes.shared(self.entry, command, &self.gate.options),
        }
    }

    async fn speak(self, permit: Permit, process: &Peer, message: &Message<'_>) -> Result<Exchange, Failure> {
        let timeouts = &self.entry.server.timeouts;
        if message.kind() != MessageKind::Request {
            forward_note(permit, process, message, timeouts).await?;
            return Ok(Exchange::Accepted);
        }
        let (flight, asked) = forward_request(permit, process, message, timeouts, self.cancel).await?;
        self.listen(message, flight, asked).await
    }

    async fn listen(self, message: &Message<'_>, flight: Flight, asked: Asked) -> Result<Exchange, Failure> {
        let relay = Relay::new(self.gate, self.entry, self.session, self.era).of(message, flight);
        first_of(Messages::new(Source::Child(asked), relay)).await
    }

    /// The upstream's own answer to `server/discover`, with what the gateway adds: it can bridge to every revision.
    async fn discover(
        self,
        permit: Permit,
        message: &Message<'_>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Failure> {
        let exchange = self.send(permit, message, body, headers).await?;
        let (exchange, answer) = opening::response(exchange).await.map_err(Failure::Refused)?;
        let extended = answer.and_then(|answer| match parse_server(&answer, &self.gate.limits, Batches::Refused) {
            Ok(Incoming::One(answer)) => up::discover_extended(&answer),
            _ => None,
        });
        Ok(match extended {
            Some(message) => Exchange::Whole { status: StatusCode::OK, message: message.into() },
            None => exchange,
        })
    }

    /// Reads what an HTTP upstream answered, as far as it has to be read before the client is answered.
    async fn read(self, message: &Message<'_>, flight: Flight, answer: Answer) -> Result<Exchange, Failure> {
        let Answer { status, headers, body } = answer;
        if status == StatusCode::NOT_FOUND && self.session.is_some_and(|session| session.far_id().is_some()) {
            return Err(flight.fail(Failure::Gone));
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            return Err(flight.fail(Failure::Unreadable(format!("it refuses the gateway's own credential ({status})"))));
        }
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(flight.fail(Failure::Unreadable("it is encoded, which nobody asked for".to_owned())));
        }
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        if status.is_success() && is_type(kind, b"text/event-stream") {
            let relay = Relay::new(self.gate, self.entry, self.session, self.era).of(message, flight);
            return Ok(Exchange::Stream(Box::new(Messages::new(
                Source::sse(body, self.gate.options.max_message),
                relay,
            ))));
        }
        if is_type(kind, b"application/json") {
            return self.read_json(message, flight, status, body).await;
        }
        if status.is_success() && (body.is_empty() || message.kind() != MessageKind::Request) {
            flight.accepted();
            return Ok(if message.kind() == MessageKind::Request {
                Exchange::Bare(status)
            } else {
                Exchange::Accepted
            });
        }
        // What the status says about the request is for the client; a page that came with it is not.
        drop(body);
        let _ = flight.fail(Failure::Broken(status.to_string()));
        Ok(Exchange::Bare(status))
    }

    async fn read_json(
        self,
        message: &Message<'_>,
        flight: Flight,
        status: StatusCode,
        mut body: AnswerBody,
    ) -> Result<Exchange, Failure> {
        let may_stream = self.streams && status.is_success() && message.method() == Method::ToolsCall;
        // What a rule has to look at is read as a whole, and what tells whether a call that a flow requires was completed.
        let streams = may_stream && !flight.is_required() && !Inspected::looks_at(self.gate, self.entry, message);
        let limit = if streams { LOOK_AT } else { self.gate.options.max_message };
        let bytes = match body.collect(limit).await {
            Ok(Collected::Whole(bytes)) => bytes,
            Ok(Collected::Beginning(first)) if streams => {
                let mut outline = Outline::default();
                if outline.is_plain(&first) {
                    let rest = Rest { body, outline };
                    return Ok(Exchange::Large(Box::new(Large { status, first, rest, flight })));
                }
                match body.collect_on(&first, self.gate.options.max_message).await {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => return Err(flight.fail(Failure::TooLarge(self.gate.options.max_message))),
                    Err(failure) => return Err(flight.fail(failure)),
                }
            }
            Ok(Collected::Beginning(_)) => return Err(flight.fail(Failure::TooLarge(limit))),
            Err(failure) => return Err(flight.fail(failure)),
        };
        if bytes.is_empty() {
            flight.accepted();
            return Ok(Exchange::Bare(status));
        }
        if message.kind() != MessageKind::Request {
            // Nothing was asked, so nobody waits for what it says, and no rule knows what it would be.
            flight.accepted();
            return Ok(if status.is_success() { Exchange::Accepted } else { Exchange::Bare(status) });
        }
        let mut relay = Relay::new(self.gate, self.entry, self.session, self.era).of(message, flight);
        let seen = relay.see_answer(&bytes).await?;
        // Where the server does not say it with its status.
        let status = if status == StatusCode::OK { relay.status() } else { status };
        match seen {
            Seen::Changed(message) => Ok(Exchange::Whole { status, message }),
            Seen::Pass | Seen::Drop(_) | Seen::Judged { .. } | Seen::Unpinned(_) => {
                Ok(Exchange::Whole { status, message: bytes })
            }
        }
    }
}

/// The response alone is one message; anything before it makes a stream.
pub(crate) async fn first_of(mut messages: Messages) -> Result<Exchange, Failure> {
    match messages.next_failing().await? {
        Some(Item::Message { message, is_response: true, .. }) => {
            Ok(Exchange::Whole { status: messages.status(), message })
        }
        Some(item) => {
            messages.put_back(vec![item]);
            Ok(Exchange::Stream(Box::new(messages)))
        }
        None => Err(Failure::Broken("it gave no answer".to_owned())),
    }
}

/// Whether a `Content-Type` is this media type, parameters aside.
pub(crate) fn is_type(value: &[u8], media_type: &[u8]) -> bool {
    let end = value.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).unwrap_or(value.len());
    value.get(..end).is_some_and(|kind| kind.eq_ignore_ascii_case(media_type))
}
