//! The far end of one duplex connection: a child process, a legacy session over HTTP, or an HTTP+SSE connection.

mod asked;
mod child;
mod fate;
mod session;
mod sse;
mod stderr;
mod web;

pub(crate) use asked::{Asked, Listener};
pub(super) use fate::Fate;
pub(crate) use web::Far;

use super::Failure;
use super::routes::{Routed, Routes};
use crate::gate::until;
use crate::options::Options;
use crate::snapshot::ServerConfig;
use crate::upstream::StdioUpstream;
use bytes::Bytes;
use callgate_mcp::{Limits, Message, Method, RequestId};
use std::fmt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

/// Messages that wait to be written.
const WRITE_QUEUE: usize = 64;

/// The far end of a connection. Cheap to clone; ends when it is told to, or when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Peer {
    shared: Arc<Shared>,
    _guard: Arc<StopGuard>,
}

/// How a peer ended; a child process with its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended(pub(crate) Option<ExitStatus>);

#[derive(Debug)]
struct Shared {
    server: Arc<str>,
    routes: Mutex<Routes>,
    lines: mpsc::Sender<Vec<u8>>,
    /// Something for the listener, or a change of listener.
    said: Notify,
    limits: Limits,
    started: Instant,
    used: Mutex<Instant>,
    answered: AtomicBool,
    stop: watch::Sender<bool>,
    ended: watch::Sender<Option<(Ended, Instant)>>,
    /// Why it ended, where it is no child process.
    why: OnceLock<Failure>,
}

struct StopGuard(Arc<Shared>);

impl Drop for StopGuard {
    fn drop(&mut self) {
        self.0.stop.send_replace(true);
    }
}

/// What runs along with a child, told when it is over.
pub(super) type Living = watch::Sender<usize>;

impl Peer {
    /// Starts the command. `shared`: many clients will speak to it.
    pub(super) fn start(
        server: &ServerConfig,
        command: &StdioUpstream,
        options: &Options,
        shared: bool,
        living: &Arc<Living>,
    ) -> Result<Self, Failure> {
        let mut child =
            child::prepare(command, options).spawn().map_err(|error| Failure::NotStarted(error.to_string()))?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(Failure::NotStarted("its standard streams are missing".to_owned()));
        };
        let (shared, to_write) = Shared::new(server, options, shared);
        living.send_modify(|count| *count += 1);
        tokio::spawn(stderr::log(Arc::clone(&shared.server), stderr));
        tokio::spawn(child::supervise(Arc::clone(&shared), child, stdin, stdout, to_write, Arc::clone(living)));
        Ok(Self { _guard: Arc::new(StopGuard(Arc::clone(&shared))), shared })
    }

    /// Opens a legacy session over Streamable HTTP: nothing is sent before the first message, `initialize`.
    pub(crate) fn session(far: Far) -> Self {
        let (shared, to_write) = Shared::new(&far.entry.server, &far.gate.options, false);
        tokio::spawn(session::live(Arc::clone(&shared), far, to_write));
        Self { _guard: Arc::new(StopGuard(Arc::clone(&shared))), shared }
    }

    /// Connects to an HTTP+SSE server (2024-11-05): waits for its stream and the endpoint that it names.
    pub(crate) async fn sse(far: Far) -> Result<Self, Failure> {
        let connected = sse::connect(&far).await?;
        let (shared, to_write) = Shared::new(&far.entry.server, &far.gate.options, false);
        tokio::spawn(sse::live(Arc::clone(&shared), far, connected, to_write));
        Ok(Self { _guard: Arc::new(StopGuard(Arc::clone(&shared))), shared })
    }

    /// From here on the gateway holds the session: what the server asks belongs to the one call that is open.
    pub(crate) fn hold(&self) {
        self.routes().hold();
    }

    /// Sends a request. Its id and its progress token are replaced by a number of the process's own.
    pub(super) async fn ask(&self, message: &Message<'_>, cancel: bool) -> Result<Asked, Failure> {
        self.touch();
        let (number, line, from) = self.routes().open(message);
        // Nothing is there to be cancelled before the line is on its way.
        let mut asked = Asked { process: self.clone(), number, from, cancel: false, done: false };
        if self.has_ended() || self.shared.lines.send(line).await.is_err() {
            return Err(Failure::NotStarted("it has ended".to_owned()));
        }
        asked.cancel = cancel;
        Ok(asked)
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, message: &Message<'_>) -> Result<(), Failure> {
        self.touch();
        let line = self.routes().notification(message);
        match line {
            Some(line) => self.write(line).await,
            None => Ok(()),
        }
    }

    /// Sends the client's response to a request of the server.
    pub(super) async fn reply(&self, message: &Message<'_>) -> Result<(), Failure> {
        self.touch();
        self.write(callgate_mcp::one_line(message.bytes()).into_owned()).await
    }

    /// Sends the answer to a question of a session that the gateway holds.
    pub(super) async fn answer(&self, line: Vec<u8>) -> Result<(), Failure> {
        self.touch();
        self.write(line).await
    }

    /// Tells the server that its question is not put to anybody. What the gateway refuses itself needs no permit.
    pub(crate) fn decline(&self, error: Vec<u8>) {
        // A server that does not read its input can't hold up whoever declines.
        let _ = self.shared.lines.try_send(error);
    }

    /// What the server asked that this response answers. Each question is answered once.
    pub(crate) fn was_asked(&self, id: &RequestId) -> Option<Method> {
        self.routes().was_asked(id)
    }

    /// Listens to what is said to nobody in particular. An earlier listener's stream ends.
    pub(crate) fn listen(&self) -> Listener {
        let number = self.routes().listen();
        self.shared.said.notify_waiters();
        Listener { process: self.clone(), number }
    }

    /// Tells it to end. A process: its input is closed, then SIGTERM, then SIGKILL to its whole group.
    pub(crate) fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Whether many clients speak to it: it outlives each of them.
    pub(crate) fn is_shared(&self) -> bool {
        self.routes().is_shared()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.shared.ended.borrow().is_some()
    }

    /// Whether it has ended, or is about to: nothing more can be asked of it.
    pub(crate) fn is_over(&self) -> bool {
        *self.shared.stop.borrow() || self.has_ended()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        until(&mut ended, Option::is_some).await;
        ended.borrow().map_or(Ended(None), |(ended, _)| ended)
    }

    /// How long ago something was asked or is still open.
    pub(super) fn idle(&self) -> Duration {
        if self.routes().open_requests() > 0 {
            return Duration::ZERO;
        }
        self.shared.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    pub(super) fn fate(&self) -> Fate {
        Fate(Arc::clone(&self.shared))
    }

    async fn write(&self, line: Vec<u8>) -> Result<(), Failure> {
        self.shared.lines.send(line).await.map_err(|_| self.end_failure())
    }

    /// Why it ended.
    pub(crate) fn end_failure(&self) -> Failure {
        if let Some(why) = self.shared.why.get() {
            return why.clone();
        }
        let ended = self.shared.ended.borrow().map_or(Ended(None), |(ended, _)| ended);
        Failure::Ended(ended.to_string())
    }

    fn touch(&self) {
        *self.shared.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.shared.routes()
    }
}

impl Shared {
    fn new(server: &ServerConfig, options: &Options, shared: bool) -> (Arc<Self>, mpsc::Receiver<Vec<u8>>) {
        let (lines, to_write) = mpsc::channel(WRITE_QUEUE);
        let mut limits = Limits::default();
        limits.json.max_bytes = options.max_message;
        let shared = Self {
            server: server.name.as_str().into(),
            routes: Mutex::new(Routes::new(shared)),
            lines,
            said: Notify::new(),
            limits,
            started: Instant::now(),
            used: Mutex::new(Instant::now()),
            answered: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            ended: watch::Sender::new(None),
            why: OnceLock::new(),
        };
        (Arc::new(shared), to_write)
    }

    /// Brings a message of the server to where it belongs. `on`: it came in the answer to this request.
    fn heard(&self, message: &Bytes, on: Option<i64>) {
        match self.routes().route(message, &self.limits, on) {
            Routed::Delivered => {}
            Routed::Answered => self.answered.store(true, Ordering::Relaxed),
            Routed::Waiting => self.said.notify_waiters(),
            Routed::Dropped(why) => tracing::debug!(server = %self.server, "a message of the server is dropped: {why}"),
            // A server that does not read its input can't hold up its output.
            Routed::Reply(line) => {
                let _ = self.lines.try_send(line);
            }
        }
    }

    /// The server does not know the session any more: nothing runs in it again.
    fn gone(&self) -> Failure {
        let _ = self.why.set(Failure::Gone);
        self.stop.send_replace(true);
        Failure::Gone
    }

    /// The connection is over, for this reason: what was still asked fails.
    fn over(&self, why: Failure) {
        let _ = self.why.set(why);
        self.ended.send_replace(Some((Ended(None), Instant::now())));
        self.routes().clear();
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({})", self.shared.server)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => write!(f, "{status}"),
            None => f.write_str("it was ended"),
        }
    }
}
