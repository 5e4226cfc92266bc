//! One child process that speaks MCP on its standard streams: started, spoken to, and surely ended.

mod life;

use super::Failure;
use super::routes::{Routes, Said};
use crate::gate::until;
use crate::options::Options;
use crate::snapshot::ServerConfig;
use crate::upstream::StdioUpstream;
use bytes::Bytes;
use callgate_mcp::{Limits, Message, RequestId};
use std::fmt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

/// Lines that wait to be written to the child.
const WRITE_QUEUE: usize = 64;
/// A running child process. Cheap to clone; ends when it is told to, or when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Process {
    shared: Arc<Shared>,
    _guard: Arc<StopGuard>,
}

/// How a child process ended.
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
}

/// What became of a process, seen by somebody who does not keep it alive.
#[derive(Debug)]
pub(super) struct Fate(Arc<Shared>);

struct StopGuard(Arc<Shared>);

impl Drop for StopGuard {
    fn drop(&mut self) {
        self.0.stop.send_replace(true);
    }
}

/// A request to the child, and its answers. Dropped before the response, the request is forgotten, and cancelled where
/// that is what a disconnect means.
#[derive(Debug)]
pub(crate) struct Asked {
    process: Process,
    number: i64,
    from: mpsc::Receiver<Said>,
    cancel: bool,
    done: bool,
}

/// The one listener of a process: hears what is said to nobody in particular.
#[derive(Debug)]
pub(crate) struct Listener {
    process: Process,
    number: u64,
}

/// What runs along with a child, told when it is over.
pub(super) type Living = watch::Sender<usize>;

impl Process {
    /// Starts the command. `shared`: many clients will speak to it.
    pub(super) fn start(
        server: &ServerConfig,
        command: &StdioUpstream,
        options: &Options,
        shared: bool,
        living: &Arc<Living>,
    ) -> Result<Self, Failure> {
        let mut child =
            life::prepare(command, options).spawn().map_err(|error| Failure::NotStarted(error.to_string()))?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(Failure::NotStarted("its standard streams are missing".to_owned()));
        };
        let (lines, to_write) = mpsc::channel(WRITE_QUEUE);
        let mut limits = Limits::default();
        limits.json.max_bytes = options.max_message;
        let shared = Arc::new(Shared {
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
        });
        living.send_modify(|count| *count += 1);
        tokio::spawn(life::log_stderr(Arc::clone(&shared.server), stderr));
        tokio::spawn(life::supervise(Arc::clone(&shared), child, stdin, stdout, to_write, Arc::clone(living)));
        Ok(Self { _guard: Arc::new(StopGuard(Arc::clone(&shared))), shared })
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

    /// Whether the server asked what this response answers. Each question is answered once.
    pub(crate) fn was_asked(&self, id: &RequestId) -> bool {
        self.routes().was_asked(id)
    }

    /// Listens to what is said to nobody in particular. An earlier listener's stream ends.
    pub(crate) fn listen(&self) -> Listener {
        let number = self.routes().listen();
        self.shared.said.notify_waiters();
        Listener { process: self.clone(), number }
    }

    /// Tells the process to end: its input is closed, then SIGTERM, then SIGKILL to its whole group.
    pub(crate) fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.shared.ended.borrow().is_some()
    }

    /// Waits until the process has ended.
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

    fn end_failure(&self) -> Failure {
        let ended = self.shared.ended.borrow().map_or(Ended(None), |(ended, _)| ended);
        Failure::Ended(ended.to_string())
    }

    fn touch(&self) {
        *self.shared.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.shared.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fate {
    /// When it ended, if it never answered anything and did not live for long.
    pub(super) fn failed_at(&self) -> Option<Instant> {
        let (_, ended) = (*self.0.ended.borrow())?;
        let brief = ended.duration_since(self.0.started) < Duration::from_secs(5);
        (brief && !self.has_answered()).then_some(ended)
    }

    pub(super) fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }
}

impl Asked {
    /// The next message to this request, and whether it is the response.
    pub(crate) async fn next(&mut self) -> Option<Result<(Bytes, bool), Failure>> {
        if self.done {
            return None;
        }
        Some(match self.from.recv().await {
            Some(Said::Aside(message)) => Ok((message, false)),
            Some(Said::Response(message)) => {
                self.done = true;
                Ok((message, true))
            }
            Some(Said::Unreadable(why)) => {
                self.done = true;
                Err(Failure::Unreadable(why))
            }
            None => {
                self.done = true;
                Err(if self.process.has_ended() { self.process.end_failure() } else { Failure::TooSlow })
            }
        })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.done || !self.process.routes().close(self.number) || !self.cancel {
            return;
        }
        let params = format!("{{\"requestId\":{},\"reason\":\"the client disconnected\"}}", self.number);
        let line = callgate_mcp::notification("notifications/cancelled", Some(params.as_bytes()));
        let _ = self.process.shared.lines.try_send(line);
    }
}

impl Listener {
    /// The next message; `None` when the process ended or another listener took over.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let shared = Arc::clone(&self.process.shared);
        let mut ended = shared.ended.subscribe();
        loop {
            let mut said = std::pin::pin!(shared.said.notified());
            said.as_mut().enable();
            match self.process.routes().heard(self.number) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(()) => return None,
            }
            tokio::select! {
                () = said => {}
                () = until(&mut ended, Option::is_some) => return None,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.process.routes().unlisten(self.number);
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({})", self.shared.server)
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
