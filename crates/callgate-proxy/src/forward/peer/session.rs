//! The life of a legacy session over Streamable HTTP: each message is a POST, what the server says beside its answers
//! comes on a GET stream, and the session is ended with DELETE (MCP 2025-11-25 "Streamable HTTP").

use super::Shared;
use super::web::{Events, Far, Outgoing, is_events};
use crate::forward::http::{self as web, Answer, Ask, Collected};
use crate::forward::{Failure, forward_http};
use crate::gate::until;
use crate::judge::Caller;
use crate::opening;
use bytes::Bytes;
use callgate_mcp::{MCP_PROTOCOL_VERSION, MCP_SESSION_ID, MessageKind, Method, Revision};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// For a notification or an answer to be taken: what follows waits for it.
const NOTE_WAIT: Duration = Duration::from_secs(30);
/// Before a stream that ended is opened again, where the server does not say; doubled while nothing comes.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often the stream of one answer is taken up again without anything new on it.
const MAX_RESUMES: usize = 8;

/// What `initialize` was answered with.
#[derive(Default)]
struct Agreed {
    id: Option<HeaderValue>,
    revision: Option<Revision>,
}

struct Life {
    shared: Arc<Shared>,
    far: Far,
    agreed: Mutex<Agreed>,
}

/// Where a stream can be taken up again.
#[derive(Default)]
struct Place {
    last: Option<HeaderValue>,
    retry: Option<Duration>,
}

/// Lives until it is told to stop, or the server no longer knows the session.
pub(super) async fn live(shared: Arc<Shared>, far: Far, mut to_write: mpsc::Receiver<Vec<u8>>) {
    let mut stop = shared.stop.subscribe();
    let life = Arc::new(Life { shared, far, agreed: Mutex::default() });
    let mut tasks = JoinSet::new();
    let mut asked: HashMap<i64, AbortHandle> = HashMap::new();
    loop {
        let line = tokio::select! {
            biased;
            () = until(&mut stop, |stop| *stop) => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {
                asked.retain(|_, task| !task.is_finished());
                continue;
            }
            line = to_write.recv() => line,
        };
        let Some(line) = line else { break };
        let Some(out) = Outgoing::read(&line, &life.shared) else { continue };
        if let Some(number) = out.number {
            let own = Arc::clone(&life);
            asked.insert(number, tasks.spawn(async move { own.ask(number, out.method, line.into()).await }));
            continue;
        }
        if let Some(task) = out.cancels.and_then(|number| asked.remove(&number)) {
            task.abort();
        }
        let noted = tokio::select! {
            noted = life.note(line.into()) => noted,
            () = until(&mut stop, |stop| *stop) => break,
        };
        if noted && out.kind == MessageKind::Notification && out.method == Method::Initialized {
            let own = Arc::clone(&life);
            tasks.spawn(async move { own.follow().await });
        }
    }
    tasks.shutdown().await;
    life.leave().await;
    life.shared.over(Failure::Broken("its session was ended".to_owned()));
}

impl Life {
    /// Asks, and brings every message of the answer to where it belongs.
    async fn ask(&self, number: i64, method: Method, body: Bytes) {
        let answered = match self.post(body, self.far.entry.server.timeouts.silence).await {
            Ok(answer) => self.read(number, method, answer).await,
            Err(failure) => Err(failure),
        };
        let failure = match answered {
            Err(failure) => failure,
            Ok(()) => Failure::Broken("its answer ended before the response".to_owned()),
        };
        // What was answered is not open any more, and so can't fail.
        self.shared.routes().fail(number, failure);
    }

    async fn read(&self, number: i64, method: Method, answer: Answer) -> Result<(), Failure> {
        let status = answer.status;
        if method == Method::Initialize && status.is_success() {
            self.agreed().id = answer.headers.get(MCP_SESSION_ID).cloned();
        }
        if is_events(&answer) {
            return self.read_events(number, method, answer).await;
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failure::Unreadable(format!("it refuses the gateway's own credential ({status})")));
        }
        let max = self.far.gate.options.max_message;
        let mut body = answer.body;
        let bytes = match body.collect(max).await? {
            Collected::Whole(bytes) => bytes,
            Collected::Beginning(_) => return Err(Failure::TooLarge(max)),
        };
        if status == StatusCode::NOT_FOUND && self.agreed().id.is_some() {
            return Err(self.gone());
        }
        if status.is_success() || method != Method::Initialize {
            self.heard(&bytes, number, method);
        }
        // An error that names no request is the answer to this one.
        if status.is_success() { Ok(()) } else { Err(Failure::Status(status, bytes)) }
    }

    /// A stream that ends before the response is taken up again where it left off (2025-11-25: servers may end it on
    /// purpose, to be asked again later).
    async fn read_events(&self, number: i64, method: Method, answer: Answer) -> Result<(), Failure> {
        let mut place = Place::default();
        let mut answer = answer;
        let mut fruitless = 0;
        loop {
            let before = place.last.clone();
            let mut events = Events::new(answer.body, self.far.gate.options.max_message);
            while self.shared.routes().is_open(number) {
                match events.next().await {
                    Some(Ok(event)) => {
                        if let Some(data) = place.note(event) {
                            self.heard(&data, number, method);
                        }
                    }
                    Some(Err(Failure::Broken(_))) | None => break,
                    Some(Err(failure)) => return Err(failure),
                }
            }
            if !self.shared.routes().is_open(number) || place.last.is_none() {
                return Ok(());
            }
            fruitless = if place.last == before { fruitless + 1 } else { 0 };
            if fruitless > MAX_RESUMES {
                return Ok(());
            }
            tokio::time::sleep(place.retry.unwrap_or(FIRST_WAIT).min(LONGEST_WAIT)).await;
            answer = self.far.stream(self.stream_headers(&place), None).await?;
            if !is_events(&answer) {
                return Err(Failure::Broken(format!("its stream can't be taken up again (HTTP {})", answer.status)));
            }
        }
    }

    fn heard(&self, message: &Bytes, number: i64, method: Method) {
        if method == Method::Initialize
            && let Some(revision) = opening::agreed(message)
        {
            self.agreed().revision = Some(revision);
        }
        self.shared.heard(message, Some(number));
    }

    /// Sends what has no answer. False where it was not taken.
    async fn note(&self, body: Bytes) -> bool {
        match self.post(body, NOTE_WAIT.min(self.far.entry.server.timeouts.silence)).await {
            Ok(answer) if answer.status.is_success() => true,
            Ok(answer) => {
                if answer.status == StatusCode::NOT_FOUND && self.agreed().id.is_some() {
                    let _ = self.gone();
                }
                tracing::debug!(server = %self.shared.server, "a message was not taken: HTTP {}", answer.status);
                false
            }
            Err(failure) => {
                tracing::debug!(server = %self.shared.server, "a message was not taken: {failure:?}");
                false
            }
        }
    }

    async fn post(&self, body: Bytes, silence: Duration) -> Result<Answer, Failure> {
        self.far.holds()?;
        let mut headers = Far::post_headers();
        self.name(&mut headers);
        let connect = self.far.entry.server.timeouts.connect;
        let ask = Ask { method: http::Method::POST, headers, body, connect, silence: Some(silence) };
        web::send(&self.far.pool, &self.far.upstream, ask).await
    }

    /// Follows the session's own stream, and opens it again where it left off.
    async fn follow(&self) {
        let mut place = Place::default();
        let mut wait = FIRST_WAIT;
        loop {
            let before = place.last.clone();
            match self.far.stream(self.stream_headers(&place), None).await {
                Ok(answer) if is_events(&answer) => {
                    let mut events = Events::new(answer.body, self.far.gate.options.max_message);
                    while let Some(Ok(event)) = events.next().await {
                        if let Some(data) = place.note(event) {
                            self.shared.heard(&data, None);
                        }
                    }
                }
                // A server without such a stream says so.
                Ok(answer) if !answer.status.is_server_error() => return,
                Ok(_) => {}
                Err(Failure::Refused(_)) => return,
                Err(failure) => tracing::debug!(server = %self.shared.server, "its stream broke off: {failure:?}"),
            }
            wait = if place.last == before { (wait * 2).min(LONGEST_WAIT) } else { FIRST_WAIT };
            tokio::time::sleep(place.retry.unwrap_or(wait).clamp(wait.min(FIRST_WAIT), LONGEST_WAIT)).await;
        }
    }

    fn stream_headers(&self, place: &Place) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(6);
        self.name(&mut headers);
        if let Some(last) = &place.last {
            headers.insert(LAST_EVENT_ID, last.clone());
        }
        headers
    }

    fn name(&self, headers: &mut HeaderMap) {
        let agreed = self.agreed();
        if let Some(id) = &agreed.id {
            headers.insert(MCP_SESSION_ID, id.clone());
        }
        if let Some(revision) = agreed.revision.filter(|revision| revision.has_version_header()) {
            headers.insert(MCP_PROTOCOL_VERSION, HeaderValue::from_static(revision.as_str()));
        }
    }

    /// The server does not know the session any more: nothing runs in it again.
    fn gone(&self) -> Failure {
        self.agreed().id = None;
        self.shared.gone()
    }

    /// Tells the server that the session is over.
    async fn leave(&self) {
        if self.agreed().id.is_none() {
            return;
        }
        let caller = Caller { entry: &self.far.entry, session: None, client: None, trace: None };
        let Ok(permit) = self.far.gate.judge_stream(caller, "(end of session)").await else { return };
        let wait = self.far.gate.options.grace;
        let headers = self.stream_headers(&Place::default());
        let ask = Ask { method: http::Method::DELETE, headers, body: Bytes::new(), connect: wait, silence: Some(wait) };
        if let Ok((flight, _)) = forward_http(permit, &self.far.pool, &self.far.upstream, ask).await {
            flight.accepted();
        }
    }

    fn agreed(&self) -> std::sync::MutexGuard<'_, Agreed> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes where the stream is; the message of the event, where it has one.
    fn note(&mut self, event: callgate_mcp::SseEvent) -> Option<Bytes> {
        if let Some(id) = &event.id {
            self.last = HeaderValue::from_bytes(id).ok().filter(|id| !id.is_empty());
        }
        if let Some(retry) = event.retry {
            self.retry = Some(Duration::from_millis(retry));
        }
        event.data.filter(|data| !data.is_empty())
    }
}
