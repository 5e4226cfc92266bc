//! What the lives of a peer over HTTP share: who they act for, and how they read events.

use super::Shared;
use crate::errors::Cause;
use crate::exchange::is_type;
use crate::forward::http::{Answer, AnswerBody, Ask};
use crate::forward::pool::Pool;
use crate::forward::{Failure, forward_http};
use crate::gate::Gate;
use crate::judge::Caller;
use crate::snapshot::GrantEntry;
use crate::upstream::HttpUpstream;
use bytes::Bytes;
use callgate_mcp::{Batches, Incoming, MessageKind, Method, RequestId, SseEvent, SseLimits, SseReader, parse_server};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// Who a connection over HTTP is for, and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Far {
    pub(crate) gate: Arc<Gate>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) entry: Arc<GrantEntry>,
    pub(crate) upstream: HttpUpstream,
}

/// A message on its way to the server, as far as the way depends on it.
pub(super) struct Outgoing {
    pub(super) kind: MessageKind,
    pub(super) method: Method,
    /// The number of a request.
    pub(super) number: Option<i64>,
    /// The number of the request that this cancels.
    pub(super) cancels: Option<i64>,
}

/// An event stream as it is read.
pub(super) struct Events {
    body: AnswerBody,
    reader: SseReader,
}

impl Far {
    /// Opens an event stream. The gateway asks for it itself, and it is recorded as such.
    pub(super) async fn stream(&self, headers: HeaderMap, silence: Option<Duration>) -> Result<Answer, Failure> {
        let caller = Caller { entry: &self.entry, session: None, client: None, trace: None };
        let permit = self.gate.judge_stream(caller, "(stream)").await.map_err(Failure::Refused)?;
        let mut headers = headers;
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let connect = self.entry.server.timeouts.connect;
        let ask = Ask { method: http::Method::GET, headers, body: Bytes::new(), connect, silence };
        let (flight, answer) = forward_http(permit, &self.pool, &self.upstream, ask).await?;
        flight.accepted();
        Ok(answer)
    }

    /// The headers of a POST.
    pub(super) fn post_headers() -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers
    }

    /// Whether what was agreed on still holds; a connection for a grant that has gone is no use to anybody.
    pub(super) fn holds(&self) -> Result<(), Failure> {
        if self.gate.still_holds(&self.entry) { Ok(()) } else { Err(Failure::Refused(Cause::GrantEnded)) }
    }
}

impl Outgoing {
    /// Reads what the gateway wrote itself a moment ago.
    pub(super) fn read(line: &[u8], shared: &Shared) -> Option<Self> {
        let Ok(Incoming::One(message)) = parse_server(line, &shared.limits, Batches::Refused) else { return None };
        let number = |id: RequestId| match id {
            RequestId::Integer(number) => Some(number),
            RequestId::String(_) => None,
        };
        Some(Self {
            kind: message.kind(),
            method: message.method(),
            number: message.id().filter(|_| message.kind() == MessageKind::Request).and_then(number),
            cancels: message.cancelled_id().and_then(RequestId::from_value).and_then(number),
        })
    }
}

impl Events {
    /// The events of this body; silence ends none of them.
    pub(super) fn new(mut body: AnswerBody, max_message: usize) -> Self {
        body.wait_for_ever();
        Self::waiting(body, max_message)
    }

    /// The same, with the body's own limit of silence.
    pub(super) fn waiting(body: AnswerBody, max_message: usize) -> Self {
        let limits = SseLimits { max_line: max_message, max_event: max_message.saturating_add(64 << 10) };
        Self { body, reader: SseReader::new(limits) }
    }

    /// From here on, silence is no failure.
    pub(super) fn wait_for_ever(&mut self) {
        self.body.wait_for_ever();
    }

    /// The next event; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Result<SseEvent, Failure>> {
        loop {
            match self.reader.next_event() {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => return Some(Err(Failure::Unreadable(error.to_string()))),
            }
            match self.body.next().await? {
                Ok(chunk) => self.reader.push(&chunk),
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

/// Whether a successful answer is an event stream.
pub(super) fn is_events(answer: &Answer) -> bool {
    answer.status.is_success()
        && answer.headers.get(CONTENT_TYPE).is_some_and(|kind| is_type(kind.as_bytes(), b"text/event-stream"))
}
