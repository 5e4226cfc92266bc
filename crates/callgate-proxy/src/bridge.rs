//! A stdio client of a gateway elsewhere: lines in and out here, Streamable HTTP there. No policy: the other side
//! decides.

use crate::errors::UPSTREAM_FAILED;
use crate::exchange::is_type;
use crate::forward::{Answer, Ask, Failure, Pool, Tls, carry};
use crate::front::lines::{Input, InputError, Lines};
use crate::snapshot::Timeouts;
use crate::upstream::HttpUpstream;
use crate::{answer, opening};
use bytes::Bytes;
use callgate_mcp::{
    Batches, Incoming, Limits, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Message, MessageKind, Method, Opening, RequestId,
    Revision, SseLimits, SseReader, detect_stdio, mirror_headers, parse_client,
};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};

/// The longest line and the longest event that are carried, in bytes.
const MAX_MESSAGE: usize = 64 << 20;
/// Before a stream that ended is opened again.
const AGAIN: Duration = Duration::from_secs(1);

/// The word of the bridge that the gateway at the other end decides. Nobody else can say so.
#[derive(Debug)]
pub(crate) struct DecidedElsewhere(());

/// Why a bridge can't go on.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The client's input can't be read.
    #[error("the client's input can't be read: {0}")]
    Input(std::io::Error),
    /// A line of the client is longer than a message may be.
    #[error("{0}")]
    LineTooLong(callgate_mcp::LineTooLong),
}

/// Both ends of the bridge.
struct Bridge {
    upstream: HttpUpstream,
    timeouts: Timeouts,
    pool: Arc<Pool>,
    lines: Lines,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<HeaderValue>,
    revision: Option<Revision>,
    waiting: HashMap<RequestId, AbortHandle>,
}

/// Carries a stdio client's messages to the gateway at `upstream`, whose token stands in the upstream's headers, until
/// the client closes its side. Wants a tokio runtime.
pub async fn run_bridge<R, W>(
    upstream: HttpUpstream,
    timeouts: Timeouts,
    input: R,
    output: W,
) -> Result<(), BridgeError>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (lines, writer) = Lines::to(output);
    let pool = Arc::new(Pool::new(Arc::<Tls>::default()));
    let bridge = Arc::new(Bridge { upstream, timeouts, pool, lines, state: Mutex::default() });
    let mut tasks = JoinSet::new();
    let ended = serve(&bridge, Input::new(input, MAX_MESSAGE), &mut tasks).await;
    bridge.leave().await;
    tasks.shutdown().await;
    drop(bridge);
    let _ = writer.await;
    ended
}

async fn serve<R: AsyncRead + Unpin>(
    bridge: &Arc<Bridge>,
    mut input: Input<R>,
    tasks: &mut JoinSet<()>,
) -> Result<(), BridgeError> {
    loop {
        let line = tokio::select! {
            line = input.next() => line,
            () = bridge.lines.closed() => return Ok(()),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        match line {
            Ok(Some(line)) => bridge.heard(line, tasks).await,
            Ok(None) => break,
            Err(InputError::Io(error)) => return Err(BridgeError::Input(error)),
            Err(InputError::TooLong(error)) => return Err(BridgeError::LineTooLong(error)),
        }
    }
    // The client has said everything; what it asked for is still answered.
    while !bridge.state().waiting.is_empty() {
        tokio::select! {
            () = bridge.lines.closed() => return Ok(()),
            task = tasks.join_next() => if task.is_none() { return Ok(()) },
        }
    }
    Ok(())
}

impl Bridge {
    async fn heard(self: &Arc<Self>, line: Bytes, tasks: &mut JoinSet<()>) {
        let mut limits = Limits::default();
        limits.json.max_bytes = MAX_MESSAGE;
        let parsed = parse_client(&line, &limits, Batches::Allowed);
        let message = match &parsed {
            Ok(Incoming::One(message)) => message,
            // A batch is somebody else's to judge; its answer is one body.
            Ok(Incoming::Batch(_)) => return self.carry(&line, None, self.headers(None)).await,
            Err(error) => {
                self.lines.write(&error.to_response()).await;
                return;
            }
        };
        if message.method() == Method::Cancelled && self.state().revision.is_none() {
            // Over modern HTTP, to disconnect is to cancel.
            let id = message.cancelled_id().and_then(RequestId::from_value);
            if let Some(task) = id.and_then(|id| self.state().waiting.remove(&id)) {
                task.abort();
            }
            return;
        }
        let headers = self.headers(Some(message));
        let id = message.id().filter(|_| message.kind() == MessageKind::Request);
        let Some(id) = id.filter(|_| message.method() != Method::Initialize) else {
            self.carry(&line, message.id_bytes(), headers).await;
            if message.method() == Method::Initialized {
                let own = Arc::clone(self);
                tasks.spawn(async move { while own.follow().await {} });
            }
            return;
        };
        let (own, line, waited) = (Arc::clone(self), line.clone(), id.clone());
        let echo: Option<Box<[u8]>> = message.id_bytes().map(Into::into);
        let mut state = self.state();
        let task = tasks.spawn(async move {
            own.carry(&line, echo.as_deref(), headers).await;
            own.state().waiting.remove(&waited);
        });
        state.waiting.insert(id, task);
    }

    /// Carries one message there, and what comes back here.
    async fn carry(&self, line: &Bytes, id: Option<&[u8]>, headers: HeaderMap) {
        let ask = Ask {
            method: http::Method::POST,
            headers,
            body: line.clone(),
            connect: self.timeouts.connect,
            silence: Some(self.timeouts.silence),
        };
        let carried = match carry(DecidedElsewhere(()), &self.pool, &self.upstream, ask).await {
            Ok(answer) => self.answered(answer, id).await,
            Err(failure) => Err(failure),
        };
        if let (Err(failure), Some(id)) = (carried, id) {
            self.lines.write(&answer::cause_message(&failure.cause(self.upstream.origin()), Some(id))).await;
        }
    }

    async fn answered(&self, answer: Answer, id: Option<&[u8]>) -> Result<(), Failure> {
        let Answer { status, headers, mut body } = answer;
        if let Some(session) = headers.get(MCP_SESSION_ID) {
            self.state().session = Some(session.clone());
        }
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        if is_type(kind, b"text/event-stream") {
            let mut reader = SseReader::new(SseLimits { max_line: MAX_MESSAGE, max_event: MAX_MESSAGE });
            while let Some(chunk) = body.next().await.transpose()? {
                reader.push(&chunk);
                while let Some(event) = reader.next_event().map_err(|e| Failure::Unreadable(e.to_string()))? {
                    if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                        self.pass(&data).await;
                    }
                }
            }
            return Ok(());
        }
        let whole = match body.collect(MAX_MESSAGE).await? {
            crate::forward::Collected::Whole(bytes) => bytes,
            crate::forward::Collected::Beginning(_) => return Err(Failure::TooLarge(MAX_MESSAGE)),
        };
        if is_type(kind, b"application/json") && !whole.is_empty() {
            self.pass(&whole).await;
        } else if let Some(id) = id {
            let text = format!("the gateway answered with HTTP {status} and no message");
            let error = callgate_mcp::error_response(Some(id), UPSTREAM_FAILED, &text, Some("{\"code\":\"CG2041\"}"));
            self.lines.write(&error).await;
        }
        Ok(())
    }

    /// Writes a message, and learns from the one that answers `initialize`.
    async fn pass(&self, message: &[u8]) {
        let unknown = self.state().session.is_some() && self.state().revision.is_none();
        if unknown && let Some(revision) = opening::agreed(message) {
            self.state().revision = Some(revision);
        }
        self.lines.write(message).await;
    }

    /// Follows the session's stream once. False where there is no use in another one.
    async fn follow(&self) -> bool {
        let mut headers = self.headers(None);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let ask = Ask {
            method: http::Method::GET,
            headers,
            body: Bytes::new(),
            connect: self.timeouts.connect,
            silence: None,
        };
        match carry(DecidedElsewhere(()), &self.pool, &self.upstream, ask).await {
            Ok(answer) if answer.status.is_success() => {
                let _ = self.answered(answer, None).await;
            }
            Ok(answer) if !answer.status.is_server_error() => return false,
            _ => {}
        }
        tokio::time::sleep(AGAIN).await;
        true
    }

    /// Ends the session, where there is one.
    async fn leave(&self) {
        if self.state().session.is_none() {
            return;
        }
        let silence = Some(self.timeouts.connect);
        let (headers, connect) = (self.headers(None), self.timeouts.connect);
        let ask = Ask { method: http::Method::DELETE, headers, body: Bytes::new(), connect, silence };
        let _ = carry(DecidedElsewhere(()), &self.pool, &self.upstream, ask).await;
    }

    fn headers(&self, message: Option<&Message<'_>>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let modern = message.is_some_and(|message| matches!(detect_stdio(message), Ok(Some(Opening::Modern(_)))));
        if let Some(message) = message.filter(|_| modern) {
            for (name, value) in mirror_headers(message, None) {
                if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
                {
                    headers.insert(name, value);
                }
            }
            return headers;
        }
        let state = self.state();
        if let Some(session) =
            state.session.as_ref().filter(|_| message.is_none_or(|m| m.method() != Method::Initialize))
        {
            headers.insert(MCP_SESSION_ID, session.clone());
        }
        if let Some(revision) = state.revision.filter(|revision| revision.has_version_header()) {
            headers.insert(HeaderName::from_static(MCP_PROTOCOL_VERSION), HeaderValue::from_static(revision.as_str()));
        }
        headers
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
