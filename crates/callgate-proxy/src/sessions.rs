//! Legacy sessions: our own ids, bound to one grant and one server, ended when either goes.

use crate::errors::Cause;
use crate::forward::Process;
use crate::snapshot::{GrantEntry, ServerConfig, Snapshot};
use callgate_mcp::{RequestId, Revision};
use callgate_policy::{Client, GrantId, Timestamp};
use http::HeaderValue;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Requests of one server that a client has not answered yet.
const MAX_ASKED: usize = 1024;

/// One legacy session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Random, unguessable, and still no credential: it is looked up together with the grant.
    pub(crate) id: Box<str>,
    pub(crate) grant: GrantId,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) far: FarEnd,
    /// What `initialize` agreed on.
    pub(crate) revision: Revision,
    /// What the client calls itself.
    pub(crate) client: Option<Client>,
    asked: Mutex<HashSet<RequestId>>,
    used: Mutex<Instant>,
    streams: AtomicUsize,
    ended: watch::Sender<bool>,
}

/// What the session is on the upstream's side.
#[derive(Debug)]
pub(crate) enum FarEnd {
    /// The id that an HTTP upstream gave it; none where the upstream keeps no sessions.
    Http(Option<HeaderValue>),
    /// A child process of its own.
    Process(Process),
}

/// A stream that is open: as long as there is one, the session is not idle.
#[derive(Debug)]
pub(crate) struct OpenStream(Arc<Session>);

/// What a new session is made of.
#[derive(Debug)]
pub(crate) struct NewSession {
    pub(crate) far: FarEnd,
    pub(crate) revision: Revision,
    pub(crate) client: Option<Client>,
}

/// The open sessions of the gateway.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: RwLock<Table>,
    max: usize,
    max_per_grant: usize,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<Box<str>, Arc<Session>>,
    per_grant: HashMap<GrantId, usize>,
}

impl Sessions {
    pub(crate) fn new(max: usize, max_per_grant: usize) -> Self {
        Self { table: RwLock::default(), max, max_per_grant }
    }

    /// Whether one more session of this grant may be opened. Asked before the upstream is.
    pub(crate) fn admit(&self, grant: &GrantId) -> Result<(), Cause> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        self.has_room(&table, grant)
    }

    fn has_room(&self, table: &Table, grant: &GrantId) -> Result<(), Cause> {
        if table.by_id.len() >= self.max {
            return Err(Cause::TooManySessions(self.max));
        }
        if table.per_grant.get(grant).is_some_and(|open| *open >= self.max_per_grant) {
            return Err(Cause::TooManySessions(self.max_per_grant));
        }
        Ok(())
    }

    /// Opens a session. Where there is no room, what stands behind it is dropped, and so ended.
    pub(crate) fn open(&self, entry: &GrantEntry, new: NewSession) -> Result<Arc<Session>, Cause> {
        let session = Arc::new(Session {
            id: random_id()?,
            grant: entry.grant.id.clone(),
            server: Arc::clone(&entry.server),
            far: new.far,
            revision: new.revision,
            client: new.client,
            asked: Mutex::default(),
            used: Mutex::new(Instant::now()),
            streams: AtomicUsize::new(0),
            ended: watch::Sender::new(false),
        });
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        self.has_room(&table, &entry.grant.id)?;
        *table.per_grant.entry(session.grant.clone()).or_default() += 1;
        table.by_id.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// The session with this id, if it is this grant's on this server.
    pub(crate) fn find(&self, id: &[u8], entry: &GrantEntry) -> Result<Arc<Session>, Cause> {
        let id = std::str::from_utf8(id).map_err(|_| Cause::SessionUnknown)?;
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let session = table.by_id.get(id).ok_or(Cause::SessionUnknown)?;
        if session.grant != entry.grant.id || session.server.uuid != entry.server.uuid || session.has_ended() {
            return Err(Cause::SessionUnknown);
        }
        session.touch();
        Ok(Arc::clone(session))
    }

    /// Ends a session: its streams close, its process too.
    pub(crate) fn end(&self, session: &Session) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.remove(&session.id);
    }

    /// Ends every session whose grant or server has gone or changed, that is idle for too long, or whose process died.
    pub(crate) fn sweep(&self, snapshot: &Snapshot, now: Timestamp) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<_> = table.by_id.values().filter(|one| one.is_over(snapshot, now)).cloned().collect();
        for session in over {
            table.remove(&session.id);
        }
    }

    /// Ends all sessions.
    pub(crate) fn end_all(&self) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = table.by_id.keys().cloned().collect();
        for id in all {
            table.remove(&id);
        }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).by_id.len()
    }
}

impl Table {
    fn remove(&mut self, id: &str) {
        let Some(session) = self.by_id.remove(id) else { return };
        session.ended.send_replace(true);
        if let FarEnd::Process(process) = &session.far {
            process.stop();
        }
        if let Some(open) = self.per_grant.get_mut(&session.grant) {
            *open -= 1;
            if *open == 0 {
                self.per_grant.remove(&session.grant);
            }
        }
    }
}

impl Session {
    /// Notes that the session is in use.
    pub(crate) fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow() || matches!(&self.far, FarEnd::Process(process) if process.has_ended())
    }

    /// Becomes true when the session ends.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Notes a stream that is open.
    pub(crate) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    /// Notes that the server asks the client something. False where too many such questions are open.
    pub(crate) fn asks(&self, id: RequestId) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= MAX_ASKED {
            return false;
        }
        asked.insert(id);
        true
    }

    /// Whether the server asked what this id answers. Each question is answered once.
    pub(crate) fn was_asked(&self, id: &RequestId) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn is_over(&self, snapshot: &Snapshot, now: Timestamp) -> bool {
        let valid = snapshot.grant_by_id(&self.grant).is_some_and(|entry| {
            !entry.has_expired(now)
                && entry.server.uuid == self.server.uuid
                && entry.server.upstream == self.server.upstream
        });
        !valid || self.has_ended() || self.idle() > self.server.timeouts.idle
    }

    fn idle(&self) -> Duration {
        if self.streams.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.touch();
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

fn random_id() -> Result<Box<str>, Cause> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|error| Cause::NotRecorded(format!("no randomness for a session: {error}")))?;
    Ok(hex::encode(bytes).into())
}
