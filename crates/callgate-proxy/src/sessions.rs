//! Legacy sessions: our own ids, bound to one grant and one server, ended when either goes.
//!
//! The id that a client holds is random, except where the upstream speaks HTTP: there it is sealed ([`ticket`]), and
//! another process with the same key can take the session up.

mod awaited;
mod ended;
mod session;
mod ticket;

pub(crate) use session::{OpenStream, Session};

use crate::eras::synthesized::Synthesized;
use crate::errors::Cause;
use crate::forward::Peer;
use crate::seal::{Seal, SealKey};
use crate::snapshot::{GrantEntry, Snapshot};
use crate::upstream::UpstreamConfig;
use callgate_decision::Clock;
use callgate_mcp::Revision;
use callgate_policy::{Client, GrantId, Timestamp};
use ended::Ended;
use http::HeaderValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;
use ticket::{MAX_AGE_MS, Ticket};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its client said so, or went.
    Deleted,
    /// Nothing was said for too long.
    Idle,
    /// Its grant or server is gone, or another.
    Revoked,
    /// The upstream no longer knows it.
    Lost,
    /// The process behind it ended.
    Died,
    /// The gateway stops.
    Stopped,
}

impl Why {
    /// All of them, with the word in figures.
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Deleted, "deleted"),
        (Self::Idle, "idle"),
        (Self::Revoked, "revoked"),
        (Self::Lost, "lost"),
        (Self::Died, "died"),
        (Self::Stopped, "stopped"),
    ];
}

/// What the session is on the upstream's side.
#[derive(Debug)]
pub(crate) enum FarEnd {
    /// The id that an HTTP upstream gave it; none where the upstream keeps no sessions.
    Http(Option<HeaderValue>),
    /// The other end of a connection of its own: a child process, or an event stream that carries all answers.
    Peer(Peer),
    /// A modern upstream, which knows nothing of sessions.
    Synthesized(Arc<Synthesized>),
}

/// What a new session is made of.
#[derive(Debug)]
pub(crate) struct NewSession {
    pub(crate) far: FarEnd,
    pub(crate) revision: Revision,
    pub(crate) client: Option<Client>,
    /// Whether the client's user can be asked with a form.
    pub(crate) elicits: bool,
}

/// The open sessions of the gateway.
pub(crate) struct Sessions {
    table: RwLock<Table>,
    max: usize,
    max_per_grant: usize,
    seal: Seal,
    clock: Arc<dyn Clock>,
    /// Taken up from another process.
    pub(crate) adopted: AtomicU64,
    /// Opened again at an upstream that forgot them.
    pub(crate) reopened: AtomicU64,
    /// Bytes of events that all sessions keep.
    kept: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<Box<str>, Arc<Session>>,
    per_grant: HashMap<GrantId, usize>,
    ended: Ended,
    ended_by: [u64; Why::ALL.len()],
}

impl FarEnd {
    /// The process, or the other connection, that is the session's alone.
    pub(crate) fn process(&self) -> Option<&Peer> {
        match self {
            Self::Http(_) => None,
            Self::Peer(process) => Some(process),
            Self::Synthesized(far) => far.process(),
        }
    }
}

impl Sessions {
    pub(crate) fn new(max: usize, max_per_grant: usize, key: &SealKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            table: RwLock::default(),
            max,
            max_per_grant,
            seal: Seal::new(key, "callgate 2026-11 session id"),
            clock,
            adopted: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            kept: Arc::default(),
        }
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
        let issued = self.clock.now();
        let sealed = match (&new.far, &entry.server.upstream) {
            (FarEnd::Http(far), UpstreamConfig::Http(upstream)) => {
                let (far, client) = (far.clone(), new.client.clone());
                Ticket { far, revision: new.revision, client, issued, elicits: new.elicits }
                    .seal(&self.seal, entry, upstream)
            }
            _ => None,
        };
        let (held, issued) = match sealed {
            Some(held) => (held.into(), Some(issued)),
            None => (random_id()?, None),
        };
        let session = Arc::new(Session::new(entry, new, held, issued, &self.kept));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        self.has_room(&table, &entry.grant.id)?;
        table.insert(&session);
        Ok(session)
    }

    /// The session with this id, if it is this grant's on this server.
    pub(crate) fn find(&self, id: &[u8], entry: &GrantEntry) -> Result<Arc<Session>, Cause> {
        let id = std::str::from_utf8(id).map_err(|_| Cause::SessionUnknown)?;
        let known = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            table.by_id.get(id).cloned()
        };
        match known {
            Some(session) => session.of(entry),
            None => self.take_up(id, entry),
        }
    }

    /// Goes on with a session that another process opened: its id says all that there is to know of it.
    fn take_up(&self, id: &str, entry: &GrantEntry) -> Result<Arc<Session>, Cause> {
        let UpstreamConfig::Http(upstream) = &entry.server.upstream else { return Err(Cause::SessionUnknown) };
        let now = self.clock.now();
        let opened = Ticket::open(&self.seal, entry, upstream, id.as_bytes(), now);
        let Ticket { far, revision, client, issued, elicits } = opened.ok_or(Cause::SessionUnknown)?;
        let new = NewSession { far: FarEnd::Http(far), revision, client, elicits };
        let session = Arc::new(Session::new(entry, new, id.into(), Some(issued), &self.kept));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been as quick.
        if let Some(session) = table.by_id.get(id) {
            return session.of(entry);
        }
        if table.ended.has(&session.id, issued.0) {
            return Err(Cause::SessionUnknown);
        }
        self.has_room(&table, &entry.grant.id)?;
        table.insert(&session);
        self.adopted.fetch_add(1, Ordering::Relaxed);
        Ok(session)
    }

    /// Ends a session: its streams close, its process too.
    pub(crate) fn end(&self, session: &Session) {
        self.end_because(session, Why::Deleted);
    }

    /// The same, for another reason.
    pub(crate) fn end_because(&self, session: &Session, why: Why) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.remove(&session.held, why);
    }

    /// Ends every session whose grant or server has gone or changed, that is idle for too long, or whose process died.
    /// Those that were idle come back, so that their upstreams can be told.
    pub(crate) fn sweep(&self, snapshot: &Snapshot, now: Timestamp) -> Vec<Arc<Session>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<_> =
            table.by_id.values().filter_map(|one| Some((one.over(snapshot, now)?, one.clone()))).collect();
        for (why, session) in &over {
            table.remove(&session.held, *why);
        }
        table.ended.expire(now.0.saturating_sub(MAX_AGE_MS));
        let moment = Instant::now();
        table.by_id.values().for_each(|session| session.log.sweep(moment));
        over.into_iter().filter(|(why, _)| *why == Why::Idle).map(|(_, session)| session).collect()
    }

    /// Ends all sessions. Their upstreams keep theirs: the next process can go on with them.
    pub(crate) fn end_all(&self) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = table.by_id.keys().cloned().collect();
        for id in all {
            table.remove(&id, Why::Stopped);
        }
    }

    /// How many ended, for each reason of [`Why::ALL`].
    pub(crate) fn ended_by(&self) -> [u64; Why::ALL.len()] {
        self.table.read().unwrap_or_else(PoisonError::into_inner).ended_by
    }

    /// How many are open with the server of this identity.
    pub(crate) fn count_at(&self, server: &str) -> usize {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_id.values().filter(|session| *session.server.uuid == *server).count()
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).by_id.len()
    }
}

impl Table {
    fn insert(&mut self, session: &Arc<Session>) {
        *self.per_grant.entry(session.grant.clone()).or_default() += 1;
        self.by_id.insert(session.held.clone(), Arc::clone(session));
    }

    fn remove(&mut self, id: &str, why: Why) {
        let Some(session) = self.by_id.remove(id) else { return };
        session.has_to_end();
        if let Some(count) = self.ended_by.get_mut(why as usize) {
            *count += 1;
        }
        if let Some(issued) = session.issued {
            self.ended.note(&session.id, issued.0);
        }
        if let FarEnd::Peer(process) = &session.far
            && !process.is_shared()
        {
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

/// An id that nobody guesses.
pub(crate) fn random_id() -> Result<Box<str>, Cause> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|error| Cause::NotRecorded(format!("no randomness for a session: {error}")))?;
    Ok(hex::encode(bytes).into())
}
