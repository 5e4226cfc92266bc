//! A client on one connection both ways, in front of any upstream: on standard streams, or over the HTTP+SSE transport
//! of 2024-11-05.

mod call;
mod events;
mod held;

use crate::answer;
use crate::asking::Owner;
use crate::errors::Cause;
use crate::exchange::Way;
use crate::forward::{Ended, Peer, Pool};
use crate::front::lines::{Hear, InputError, Lines};
use crate::gate::Gate;
use crate::judge::Caller;
use crate::relay::{Item, Messages, Relay, Source};
use crate::sessions::{FarEnd, NewSession, OpenStream, Session};
use crate::snapshot::GrantEntry;
use crate::upstream::UpstreamConfig;
use bytes::Bytes;
use callgate_mcp::{Batches, Era, FrameError, Incoming, LineTooLong, RequestId, Revision, detect_stdio, parse_client};
use callgate_policy::GrantId;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::{AbortHandle, JoinSet};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client closed its side, or may not go on.
    ClientLeft,
    /// The server process ended.
    ServerEnded(Ended),
}

/// What the connection has come to.
pub(crate) struct Connection {
    gate: Arc<Gate>,
    pool: Arc<Pool>,
    grant: GrantId,
    lines: Lines,
    /// The session behind it, which is in use as long as the client is there.
    session: Mutex<Option<(Arc<Session>, OpenStream)>>,
    /// What `initialize` agreed on.
    revision: Mutex<Option<Revision>>,
    /// Requests whose answers are awaited.
    waiting: Mutex<HashMap<RequestId, AbortHandle>>,
    /// Who can speak of a call again that waits for a person.
    owner: Owner,
    /// Whether the client's user can be asked with a form.
    elicits: AtomicBool,
    /// Whether nothing more comes from the client, or its server has ended: nothing waits for a person any more.
    left: AtomicBool,
}

/// Serves a client until it leaves, its server process ends, or `over` says that it may not go on. Then its session
/// ends, and what runs for it.
pub(crate) async fn run(
    connection: Arc<Connection>,
    entry: Arc<GrantEntry>,
    process: Option<Peer>,
    input: impl Hear,
    over: impl Future<Output = ()>,
) -> Result<End, std::io::Error> {
    let own = connection.session();
    // Also where a session of another kind takes its place: the process is in use as long as the client is there.
    let _used = own.as_ref().map(|own| own.open_stream());
    let mut tasks = JoinSet::new();
    if let (Some(_), Some(session)) = (&process, connection.session()) {
        tasks.spawn(events::pass_on_said(Arc::clone(&connection), entry, session));
    }
    let ended = serve(&connection, input, process.as_ref(), pin!(over), &mut tasks).await;
    if let Some(session) = connection.session() {
        call::end_session(&connection, &session).await;
        connection.gate.sessions.end(&session);
    }
    // Another one may have been opened on the process meanwhile.
    if let Some(own) = own {
        connection.gate.sessions.end(&own);
    }
    let status = match &process {
        Some(process) => Some(process.ended().await),
        None => None,
    };
    tasks.shutdown().await;
    match (ended?, status) {
        (End::ServerEnded(_), Some(ended)) => Ok(End::ServerEnded(ended)),
        (end, _) => Ok(end),
    }
}

async fn serve(
    connection: &Arc<Connection>,
    mut input: impl Hear,
    process: Option<&Peer>,
    mut over: Pin<&mut impl Future<Output = ()>>,
    tasks: &mut JoinSet<()>,
) -> Result<End, std::io::Error> {
    let ended = async {
        match process {
            Some(process) => process.ended().await,
            None => std::future::pending().await,
        }
    };
    let mut ended = pin!(ended);
    loop {
        let line = tokio::select! {
            line = input.next() => line,
            status = &mut ended => {
                // What was still awaited is told that the process ended.
                connection.leaves();
                connection.all_answered(tasks).await;
                return Ok(End::ServerEnded(status));
            }
            () = connection.lines.closed() => return Ok(End::ClientLeft),
            () = &mut over => return Ok(End::ClientLeft),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        match line {
            Ok(Some(line)) => connection.heard(line, tasks).await,
            Ok(None) => break,
            Err(InputError::TooLong(error)) => connection.refuse_line(error).await,
            Err(InputError::Io(error)) => return Err(error),
        }
    }
    // The client has said everything; what it asked for is still answered. Nothing runs for it that a person allows
    // only when it may be long gone.
    connection.leaves();
    tokio::select! {
        () = connection.all_answered(tasks) => {}
        () = connection.lines.closed() => {}
        () = over => {}
    }
    Ok(End::ClientLeft)
}

impl Connection {
    /// Tells the client of a line that is too long. The next one can be read.
    async fn refuse_line(&self, error: LineTooLong) {
        if let Some(entry) = self.gate.snapshot().grant_by_id(&self.grant).cloned() {
            self.refuse_frame(&entry, "", &error.into()).await;
        }
    }

    /// A connection of this grant's client, to whom messages go by `lines`.
    pub(crate) fn new(gate: Arc<Gate>, pool: Arc<Pool>, grant: &GrantId, lines: Lines) -> Arc<Self> {
        let owner = gate.waiting.line();
        Arc::new(Self {
            gate,
            pool,
            grant: grant.clone(),
            lines,
            session: Mutex::default(),
            revision: Mutex::default(),
            waiting: Mutex::default(),
            owner,
            elicits: AtomicBool::new(false),
            left: AtomicBool::new(false),
        })
    }

    /// Starts the server process, where the upstream is one; it belongs to this client alone.
    pub(crate) fn start(&self, entry: &Arc<GrantEntry>) -> Result<Option<Peer>, Cause> {
        let UpstreamConfig::Stdio(command) = &entry.server.upstream else { return Ok(None) };
        let started = self.gate.processes.start(&entry.server, command, &self.gate.options);
        let process = started.map_err(|failure| failure.cause(entry.server.name.as_str()))?;
        let far = FarEnd::Peer(process.clone());
        let new = NewSession { far, revision: Revision::LATEST_LEGACY, client: None, elicits: false };
        self.set_session(self.gate.sessions.open(entry, new)?);
        Ok(Some(process))
    }

    /// One message of the client, or one batch. It is judged before the next one is read; what it asks for is awaited beside.
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
                    // One before it in a batch may have taken its time.
                    let Some(entry) = self.gate.snapshot().grant_by_id(&self.grant).cloned() else {
                        self.lines.write(&answer::cause_message(&Cause::GrantEnded, message.id_bytes())).await;
                        continue;
                    };
                    call::message(self, &entry, message, own, tasks).await;
                }
            }
            Err(error) => self.refuse_frame(&entry, "", &error).await,
        }
    }

    async fn refuse_frame(&self, entry: &GrantEntry, method: &str, error: &FrameError) {
        let caller = Caller { entry, session: None, client: None, trace: None };
        self.gate.refuse_frame(caller, method, error).await;
        self.lines.write(&error.to_response()).await;
    }

    fn way<'a>(&'a self, entry: &'a Arc<GrantEntry>, session: Option<&'a Arc<Session>>, era: Era) -> Way<'a> {
        Way { gate: &self.gate, pool: &self.pool, entry, session, era, trace: None, cancel: true, streams: false }
    }

    fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.as_ref().map(|(session, _)| Arc::clone(session))
    }

    fn set_session(&self, session: Arc<Session>) {
        let open = session.connected();
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some((session, open));
    }

    fn revision(&self) -> Option<Revision> {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_revision(&self, revision: Revision) {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner) = Some(revision);
    }

    fn elicits(&self) -> bool {
        self.elicits.load(Ordering::Relaxed)
    }

    fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    fn leaves(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.gate.waiting.release(&self.owner);
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

    /// Writes the messages of a stream, and an error in place of a response that failed. False where the stream ended
    /// before the response.
    async fn write_all(&self, messages: &mut Messages, id: Option<&[u8]>) -> bool {
        let mut answered = false;
        while let Some(item) = messages.next().await {
            match item {
                Ok(Item::Message { message, is_response, .. }) => {
                    answered |= is_response;
                    if !self.lines.write(&message).await {
                        return true;
                    }
                }
                Ok(Item::Aside(_) | Item::Quiet) => {}
                Err(cause) => {
                    if id.is_some() && !answered {
                        self.lines.write(&answer::cause_message(&cause, id)).await;
                    }
                    return true;
                }
            }
        }
        answered
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

fn inbox(connection: &Connection, entry: &Arc<GrantEntry>, session: &Arc<Session>, process: &Peer) -> Messages {
    let relay = Relay::new(&connection.gate, entry, Some(session), Era::Legacy);
    Messages::new(Source::Inbox(process.listen()), relay)
}
