//! The stdio front: one client on standard streams, in front of an HTTP or a stdio upstream.

mod call;
mod events;

use crate::answer;
use crate::errors::Cause;
use crate::exchange::Way;
use crate::forward::{Ended, Pool, Process};
use crate::front::lines::{Input, InputError, Lines};
use crate::gate::Gate;
use crate::judge::Caller;
use crate::relay::{Item, Messages, Relay, Source};
use crate::sessions::{FarEnd, NewSession, Session};
use crate::snapshot::GrantEntry;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::{Batches, Era, FrameError, Incoming, RequestId, Revision, detect_stdio, parse_client};
use callgate_policy::GrantId;
use std::collections::HashMap;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};

/// How a stdio front ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdioEnd {
    /// The client closed its side.
    ClientLeft,
    /// The server process ended, with this status where it is known.
    ServerEnded(Option<ExitStatus>),
}

/// Why a stdio front can't run.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// There is no such grant.
    #[error("the grant `{0}` is not in the configuration")]
    NoGrant(GrantId),
    /// The server process can't be started.
    #[error("{0}")]
    NotStarted(Cause),
    /// The client's input can't be read.
    #[error("the client's input can't be read: {0}")]
    Input(std::io::Error),
    /// A line of the client is longer than a message may be.
    #[error("{0}")]
    LineTooLong(callgate_mcp::LineTooLong),
}

/// What the connection has come to.
struct Connection {
    gate: Arc<Gate>,
    pool: Arc<Pool>,
    grant: GrantId,
    lines: Lines,
    session: Mutex<Option<Arc<Session>>>,
    /// What `initialize` agreed on.
    revision: Mutex<Option<Revision>>,
    /// Requests whose answers are awaited.
    waiting: Mutex<HashMap<RequestId, AbortHandle>>,
}

/// Serves one client until it leaves, or the server process ends. Wants a tokio runtime. The grant is looked up anew
/// for each message, so what is published meanwhile counts.
pub async fn run_stdio<R, W>(gate: Arc<Gate>, grant: &GrantId, input: R, output: W) -> Result<StdioEnd, StdioError>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let entry = gate.snapshot().grant_by_id(grant).cloned().ok_or_else(|| StdioError::NoGrant(grant.clone()))?;
    let (lines, writer) = Lines::to(output);
    let connection = Arc::new(Connection {
        pool: Arc::new(Pool::new(Arc::clone(&gate.tls))),
        gate,
        grant: grant.clone(),
        lines,
        session: Mutex::default(),
        revision: Mutex::default(),
        waiting: Mutex::default(),
    });
    let process = connection.start(&entry)?;
    let mut tasks = JoinSet::new();
    if let (Some(_), Some(session)) = (&process, connection.session()) {
        tasks.spawn(events::pass_on_said(Arc::clone(&connection), entry, session));
    }
    let max_line = connection.gate.options.max_body;
    let ended = serve(&connection, Input::new(input, max_line), process.as_ref(), &mut tasks).await;
    if let Some(session) = connection.session() {
        call::end_session(&connection, &session).await;
        connection.gate.sessions.end(&session);
    }
    let status = match &process {
        Some(process) => Some(process.ended().await),
        None => None,
    };
    tasks.shutdown().await;
    drop(connection);
    let _ = writer.await;
    match (ended?, status) {
        (StdioEnd::ServerEnded(_), Some(Ended(status))) => Ok(StdioEnd::ServerEnded(status)),
        (end, _) => Ok(end),
    }
}

async fn serve<R: AsyncRead + Unpin>(
    connection: &Arc<Connection>,
    mut input: Input<R>,
    process: Option<&Process>,
    tasks: &mut JoinSet<()>,
) -> Result<StdioEnd, StdioError> {
    let ended = async {
        match process {
            Some(process) => process.ended().await,
            None => std::future::pending().await,
        }
    };
    let mut ended = std::pin::pin!(ended);
    loop {
        let line = tokio::select! {
            line = input.next() => line,
            Ended(status) = &mut ended => {
                // What was still awaited is told that the process ended.
                connection.all_answered(tasks).await;
                return Ok(StdioEnd::ServerEnded(status));
            }
            () = connection.lines.closed() => return Ok(StdioEnd::ClientLeft),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        match line {
            Ok(Some(line)) => connection.heard(line, tasks).await,
            Ok(None) => break,
            Err(InputError::Io(error)) => return Err(StdioError::Input(error)),
            Err(InputError::TooLong(error)) => return Err(StdioError::LineTooLong(error)),
        }
    }
    // The client has said everything; what it asked for is still answered.
    tokio::select! {
        () = connection.all_answered(tasks) => Ok(StdioEnd::ClientLeft),
        () = connection.lines.closed() => Ok(StdioEnd::ClientLeft),
    }
}

impl Connection {
    /// Starts the server process, where the upstream is one; it belongs to this client alone.
    fn start(&self, entry: &Arc<GrantEntry>) -> Result<Option<Process>, StdioError> {
        let UpstreamConfig::Stdio(command) = &entry.server.upstream else { return Ok(None) };
        let started = self.gate.processes.start(&entry.server, command, &self.gate.options);
        let process = started.map_err(|failure| StdioError::NotStarted(failure.cause(entry.server.name.as_str())))?;
        let far = FarEnd::Process(process.clone());
        let new = NewSession { far, revision: Revision::LATEST_LEGACY, client: None };
        let session = self.gate.sessions.open(entry, new).map_err(StdioError::NotStarted)?;
        self.set_session(session);
        Ok(Some(process))
    }

    /// One line of the client. It is judged before the next one is read; what it asks for is awaited beside.
    async fn heard(self: &Arc<Self>, line: Bytes, tasks: &mut JoinSet<()>) {
        let Some(entry) = self.gate.snapshot().grant_by_id(&self.grant).cloned() else {
            self.lines.write(&answer::cause_message(&Cause::GrantEnded, None)).await;
            return;
        };
        let batches = match self.revision() {
            Some(revision) if revision.has_batches() => Batches::Allowed,
            _ => Batches::Refused,
        };
        match parse_client(&line, &self.gate.limits, batches) {
            Ok(incoming) => {
                let is_batch = matches!(incoming, Incoming::Batch(_));
                for message in incoming.messages() {
                    let own = if is_batch { line.slice_ref(message.bytes()) } else { line.clone() };
                    call::message(self, &entry, message, own, tasks).await;
                }
            }
            Err(error) => self.refuse_frame(&entry, "", &error).await,
        }
    }

    async fn refuse_frame(&self, entry: &GrantEntry, method: &str, error: &FrameError) {
        let caller = Caller { entry, session: None, client: None };
        self.gate.refuse_frame(caller, method, error).await;
        self.lines.write(&error.to_response()).await;
    }

    fn way<'a>(&'a self, entry: &'a Arc<GrantEntry>, session: Option<&'a Arc<Session>>, era: Era) -> Way<'a> {
        Way { gate: &self.gate, pool: &self.pool, entry, session, era, cancel: true, streams: false }
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_session(&self, session: Arc<Session>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    fn revision(&self) -> Option<Revision> {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_revision(&self, revision: Revision) {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner) = Some(revision);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<RequestId, AbortHandle>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn all_answered(&self, tasks: &mut JoinSet<()>) {
        while !self.waiting().is_empty() {
            if tasks.join_next().await.is_none() {
                return;
            }
        }
    }

    /// Writes the messages of a stream; an error takes the place of a response that will not come.
    async fn write_all(&self, mut messages: Messages, id: Option<&[u8]>) {
        let mut answered = false;
        while let Some(item) = messages.next().await {
            match item {
                Ok(Item::Message { message, is_response, .. }) => {
                    answered |= is_response;
                    if !self.lines.write(&message).await {
                        return;
                    }
                }
                Ok(Item::Aside(_) | Item::Quiet) => {}
                Err(cause) => {
                    if id.is_some() && !answered {
                        self.lines.write(&answer::cause_message(&cause, id)).await;
                    }
                    return;
                }
            }
        }
        if id.is_some() && !answered {
            let why = "its stream ended before the response".to_owned();
            let cause = Cause::Broken { server: messages.server().to_owned(), why };
            self.lines.write(&answer::cause_message(&cause, id)).await;
        }
    }
}

/// Where a message of the client stands: its era, and whether it opens a connection of the legacy one.
fn era_of(message: &callgate_mcp::Message<'_>) -> Result<(Era, bool), FrameError> {
    Ok(match detect_stdio(message)? {
        Some(callgate_mcp::Opening::Modern(_)) => (Era::Modern, false),
        Some(callgate_mcp::Opening::Initialize(_)) => (Era::Legacy, true),
        _ => (Era::Legacy, false),
    })
}

fn inbox(connection: &Connection, entry: &Arc<GrantEntry>, session: &Arc<Session>, process: &Process) -> Messages {
    let relay = Relay::new(&connection.gate, entry, Some(session), Era::Legacy);
    Messages::new(Source::Inbox(process.listen()), relay)
}
