//! A stdio client of a gateway elsewhere: lines in and out here, Streamable HTTP there. No policy: the other side
//! decides.

mod messages;

use crate::errors::UPSTREAM_FAILED;
use crate::forward::{Answer, Ask, Failure, Pool, Tls, carry};
use crate::front::lines::{Hear, Input, InputError, Lines};
use crate::place::Place;
use crate::snapshot::Timeouts;
use crate::standing::HeaderTable;
use crate::upstream::HttpUpstream;
use crate::{answer, mirrored, opening};
use bytes::Bytes;
use callgate_mcp::{
    Batches, FrameError, HeaderParams, Incoming, Limits, MCP_PROTOCOL_VERSION, MCP_SESSION_ID, Message, MessageKind,
    Method, Opening, RequestId, Revision, detect_stdio, parse_client,
};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use messages::Messages;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};

/// The longest line and the longest event that are carried, in bytes.
const MAX_MESSAGE: usize = 64 << 20;
/// Longer messages say more than that a list has changed.
const SHORT: usize = 4096;

/// The word of the bridge that the gateway at the other end decides. Nobody else can say so.
#[derive(Debug)]
pub(crate) struct DecidedElsewhere(());

/// Why a bridge can't go on.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The client's input can't be read.
    #[error("the client's input can't be read: {0}")]
    Input(std::io::Error),
}

/// Both ends of the bridge.
struct Bridge {
    upstream: HttpUpstream,
    timeouts: Timeouts,
    pool: Arc<Pool>,
    lines: Lines,
    state: Mutex<State>,
    /// Which arguments the server's tools want repeated in headers.
    table: HeaderTable,
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
    let (state, table) = (Mutex::default(), HeaderTable::default());
    let bridge = Arc::new(Bridge { upstream, timeouts, pool, lines, state, table });
    let mut tasks = JoinSet::new();
    let ended = serve(&bridge, Input::new(input, MAX_MESSAGE), &mut tasks).await;
    bridge.leave().await;
    tasks.shutdown().await;
    drop(bridge);
    let _ = writer.await;
    ended
}

async fn serve<R: AsyncRead + Unpin + Send>(
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
            Err(InputError::TooLong(error)) => {
                bridge.lines.write(&FrameError::from(error).to_response()).await;
            }
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
        let parsed = parse_client(&line, &limits(), Batches::Allowed);
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
            // Nobody waits for what comes of a response, whatever its id.
            let echo = message.id_bytes().filter(|_| message.kind() == MessageKind::Request);
            self.carry(&line, echo, headers).await;
            if message.method() == Method::Initialized {
                let own = Arc::clone(self);
                tasks.spawn(async move {
                    let mut place = Place::default();
                    while own.follow(&mut place).await {}
                });
            }
            return;
        };
        let (own, line, waited) = (Arc::clone(self), line.clone(), id.clone());
        let echo: Option<Box<[u8]>> = message.id_bytes().map(Into::into);
        let mut state = self.state();
        let method = message.method();
        let task = tasks.spawn(async move {
            match method {
                Method::ToolsCall => own.call(&line, echo.as_deref(), headers).await,
                _ => own.carry(&line, echo.as_deref(), headers).await,
            }
            own.state().waiting.remove(&waited);
        });
        state.waiting.insert(id, task);
    }

    /// Carries one message there, and what comes back here.
    async fn carry(&self, line: &Bytes, id: Option<&[u8]>, headers: HeaderMap) {
        let carried = match self.post(line, headers).await {
            Ok(answer) => self.answered(answer, id).await,
            Err(failure) => Err(failure),
        };
        self.failed(carried, id).await;
    }

    /// Carries a call, with the arguments in headers that its tool wants there.
    async fn call(&self, line: &Bytes, id: Option<&[u8]>, headers: HeaderMap) {
        // It was read a moment ago, so it can be read again.
        let Ok(Incoming::One(message)) = parse_client(line, &limits(), Batches::Allowed) else { return };
        if !is_modern(&message) {
            return self.carry(line, id, headers).await;
        }
        match self.params_of(&message).await {
            Ok(None) => self.carry(line, id, headers).await,
            Ok(Some(params)) => {
                self.carry(line, id, mirrored::with_type(mirrored::derived(&message, Some(&params)))).await
            }
            Err(failure) => self.failed(Err(failure), id).await,
        }
    }

    /// The arguments that a call has to repeat; the list is asked for where the tool is not known.
    async fn params_of(&self, message: &Message<'_>) -> Result<Option<Arc<HeaderParams>>, Failure> {
        let Some(call) = message.tool_call() else { return Ok(None) };
        if let Some(known) = mirrored::params(&self.table, call.name) {
            return Ok(known);
        }
        let _asking = self.table.asking.lock().await;
        let mut cursor = None;
        for page in 0..mirrored::MAX_PAGES {
            if let Some(known) = mirrored::params(&self.table, call.name) {
                return Ok(known);
            }
            let body = Bytes::from(mirrored::list_request(message, page, cursor.as_deref()));
            let Ok(Incoming::One(list)) = parse_client(&body, &limits(), Batches::Refused) else { break };
            let mut answer = self.post(&body, mirrored::with_type(mirrored::derived(&list, None))).await?;
            let mut next = None;
            while let Some(message) = answer.next().await? {
                mirrored::learn(&self.table, &message);
                next = next.or_else(|| mirrored::next_cursor(&message));
            }
            cursor = next;
            if cursor.is_none() {
                self.table.seen_all();
                break;
            }
        }
        Ok(mirrored::params(&self.table, call.name).flatten())
    }

    async fn post(&self, body: &Bytes, headers: HeaderMap) -> Result<Messages, Failure> {
        let ask = Ask {
            method: http::Method::POST,
            headers,
            body: body.clone(),
            connect: self.timeouts.connect,
            silence: Some(self.timeouts.silence),
        };
        Ok(Messages::of(carry(DecidedElsewhere(()), &self.pool, &self.upstream, ask).await?))
    }

    async fn failed(&self, carried: Result<(), Failure>, id: Option<&[u8]>) {
        if let (Err(failure), Some(id)) = (carried, id) {
            self.lines.write(&answer::cause_message(&failure.cause(self.upstream.origin()), Some(id))).await;
        }
    }

    async fn answered(&self, mut answer: Messages, id: Option<&[u8]>) -> Result<(), Failure> {
        if let Some(session) = answer.session.take() {
            self.state().session = Some(session);
        }
        let mut is_empty = true;
        let mut heard = Instant::now();
        loop {
            let passed = async {
                while let Some(message) = answer.next().await? {
                    self.pass(&message).await;
                    is_empty = false;
                }
                Ok(())
            };
            let passed = passed.await;
            heard = answer.heard().unwrap_or(heard);
            match answer.missed().filter(|_| id.is_some() && matches!(passed, Ok(()) | Err(Failure::Broken(_)))) {
                None => break passed?,
                Some(place) => {
                    let place = place.clone();
                    let resumed = self.resumed(&place, heard).await;
                    answer.resume(resumed?);
                }
            }
        }
        if let Some(id) = id.filter(|_| is_empty && !answer.is_stream()) {
            let text = format!("the gateway answered with HTTP {} and no message", answer.status);
            let error = callgate_mcp::error_response(Some(id), UPSTREAM_FAILED, &text, Some("{\"code\":\"CG2041\"}"));
            self.lines.write(&error).await;
        }
        Ok(())
    }

    /// Takes a stream up again that ended before the response to its request. Nothing was heard since `heard`.
    async fn resumed(&self, place: &Place, heard: Instant) -> Result<Answer, Failure> {
        let over = "its stream ended before the response";
        if !place.is_known() {
            return Err(Failure::Broken(over.to_owned()));
        }
        while heard.elapsed() <= self.timeouts.silence {
            tokio::time::sleep(place.wait()).await;
            match self.stream(Some(place)).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) if !answer.status.is_server_error() => {
                    let why = format!("{over}, and could not be taken up again ({})", answer.status);
                    return Err(Failure::Broken(why));
                }
                // It may be back soon.
                _ => {}
            }
        }
        Err(Failure::Silent(self.timeouts.silence))
    }

    /// Writes a message, and learns from the one that answers `initialize`.
    async fn pass(&self, message: &[u8]) {
        let unknown = self.state().session.is_some() && self.state().revision.is_none();
        if unknown && let Some(revision) = opening::agreed(message) {
            self.state().revision = Some(revision);
        }
        if message.len() < SHORT && mirrored::is_list_changed(message) {
            self.table.forget();
        }
        self.lines.write(message).await;
    }

    /// Follows the session's stream once. False where there is no use in another one.
    async fn follow(&self, place: &mut Place) -> bool {
        match self.stream(Some(&*place).filter(|place| place.is_known())).await {
            Ok(answer) if answer.status.is_success() => {
                let mut messages = Messages::of(answer);
                while let Ok(Some(message)) = messages.next().await {
                    self.pass(&message).await;
                }
                *place = messages.place().clone();
            }
            // What can't be taken up again may begin anew.
            Ok(answer) if place.is_known() && !answer.status.is_server_error() => *place = Place::default(),
            Ok(answer) if !answer.status.is_server_error() => return false,
            _ => {}
        }
        tokio::time::sleep(place.wait()).await;
        true
    }

    /// Asks for a stream of the session: the one of this place, or the one of what belongs to no request.
    async fn stream(&self, place: Option<&Place>) -> Result<Answer, Failure> {
        let mut headers = self.headers(None);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(place) = place {
            place.write(&mut headers);
        }
        let connect = self.timeouts.connect;
        let ask = Ask { method: http::Method::GET, headers, body: Bytes::new(), connect, silence: None };
        carry(DecidedElsewhere(()), &self.pool, &self.upstream, ask).await
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
        if let Some(message) = message.filter(|message| is_modern(message)) {
            return mirrored::with_type(mirrored::derived(message, None));
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

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.json.max_bytes = MAX_MESSAGE;
    limits
}

fn is_modern(message: &Message<'_>) -> bool {
    matches!(detect_stdio(message), Ok(Some(Opening::Modern(_))))
}
