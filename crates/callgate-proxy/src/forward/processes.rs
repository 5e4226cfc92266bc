//! The child processes of the gateway: one per legacy session, one per server and grant for everybody else, or for
//! everybody, as the server is configured.

use super::Failure;
use super::peer::{Fate, Living, Peer};
use crate::gate::until;
use crate::options::Options;
use crate::snapshot::{GrantEntry, ServerConfig, Sharing, Snapshot};
use crate::standing::{jittered, random};
use crate::upstream::StdioUpstream;
use callgate_policy::{GrantId, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first wait after a process that died at once, doubled with each one more.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long all processes together may take to end.
const ENDING: Duration = Duration::from_secs(4);

type ServerId = Arc<str>;

/// All child processes.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    shared: Mutex<HashMap<(ServerId, GrantId), Slot>>,
    starts: Mutex<HashMap<ServerId, Starts>>,
    living: Arc<Living>,
}

#[derive(Debug)]
struct Slot {
    process: Peer,
    server: Arc<ServerConfig>,
}

/// What was started for one server.
#[derive(Debug, Default)]
struct Starts {
    /// Those that have not ended, as far as was looked.
    running: Vec<Fate>,
    trouble: Trouble,
}

/// How often a server's process died at once, one after the other.
#[derive(Debug, Default)]
struct Trouble {
    deaths: u32,
    last: Option<Fate>,
    until: Option<Instant>,
}

impl Processes {
    /// A process for one session.
    pub(crate) fn start(
        &self,
        server: &ServerConfig,
        command: &StdioUpstream,
        options: &Options,
    ) -> Result<Peer, Failure> {
        self.start_as(server, command, options, false)
    }

    /// The process of a new session: one of its own, or the one that all of its grant share.
    pub(crate) fn for_session(
        &self,
        entry: &GrantEntry,
        command: &StdioUpstream,
        options: &Options,
    ) -> Result<Peer, Failure> {
        match entry.server.sharing {
            Sharing::PerSession => self.start(&entry.server, command, options),
            Sharing::PerGrant => self.shared(entry, command, options),
        }
    }

    /// The process that this grant's sessionless calls to this server share.
    pub(crate) fn shared(
        &self,
        entry: &GrantEntry,
        command: &StdioUpstream,
        options: &Options,
    ) -> Result<Peer, Failure> {
        let key = (Arc::clone(&entry.server.uuid), entry.grant.id.clone());
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = shared.get(&key)
            && !slot.process.has_ended()
            && slot.server.upstream == entry.server.upstream
        {
            return Ok(slot.process.clone());
        }
        let process = self.start_as(&entry.server, command, options, true)?;
        let slot = Slot { process: process.clone(), server: Arc::clone(&entry.server) };
        shared.insert(key, slot);
        Ok(process)
    }

    /// Forgets the deaths of a server's processes: they were asked something that they need not know.
    pub(crate) fn forgive(&self, server: &ServerConfig) {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(starts) = starts.get_mut(&server.uuid) {
            starts.trouble = Trouble::default();
        }
    }

    /// How many shared ones there are.
    pub(crate) fn count(&self) -> usize {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many run for each server.
    pub(crate) fn running(&self) -> Vec<(ServerId, usize)> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.iter_mut().map(|(server, starts)| (Arc::clone(server), starts.running())).collect()
    }

    /// Ends the shared ones whose grant or server has gone or changed, that are idle for too long, or have ended.
    pub(crate) fn sweep(&self, snapshot: &Snapshot, now: Timestamp) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        // A slot that goes takes the last clone with it, and so ends the process once its last call is over.
        shared.retain(|(server, grant), slot| {
            let holds = snapshot.grant_by_id(grant).is_some_and(|entry| {
                !entry.has_expired(now) && entry.server.uuid == *server && entry.server.upstream == slot.server.upstream
            });
            if !holds {
                slot.process.stop();
            }
            holds && !slot.process.has_ended() && slot.process.idle() < slot.server.timeouts.idle
        });
        drop(shared);
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.retain(|id, starts| starts.running() > 0 || snapshot.servers().iter().any(|server| server.uuid == *id));
    }

    /// Ends all of them, and waits until they have.
    pub(crate) async fn stop_all(&self) {
        {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.values().for_each(|slot| slot.process.stop());
            shared.clear();
        }
        self.starts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut living = self.living.subscribe();
        if tokio::time::timeout(ENDING, until(&mut living, |count| *count == 0)).await.is_err() {
            let left = *living.borrow();
            tracing::warn!("{left} server processes did not end in time");
        }
    }

    fn start_as(
        &self,
        server: &ServerConfig,
        command: &StdioUpstream,
        options: &Options,
        shared: bool,
    ) -> Result<Peer, Failure> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let Starts { running, trouble } = starts.entry(Arc::clone(&server.uuid)).or_default();
        trouble.look();
        trouble.may_start()?;
        running.retain(|fate| !fate.has_ended());
        if running.len() >= server.limits.processes {
            return Err(Failure::TooManyProcesses(server.limits.processes));
        }
        let started = Peer::start(server, command, options, shared, &self.living);
        match &started {
            Ok(process) => {
                trouble.last = Some(process.fate());
                running.push(process.fate());
            }
            Err(_) => trouble.died(Instant::now()),
        }
        started
    }
}

impl Starts {
    fn running(&mut self) -> usize {
        self.running.retain(|fate| !fate.has_ended());
        self.running.len()
    }
}

impl Trouble {
    /// Learns what became of the process that was started last.
    fn look(&mut self) {
        let Some(last) = &self.last else { return };
        if let Some(at) = last.failed_at() {
            self.last = None;
            self.died(at);
        } else if last.has_answered() {
            *self = Self::default();
        }
    }

    fn died(&mut self, at: Instant) {
        let wait = jittered(FIRST_WAIT.saturating_mul(1 << self.deaths.min(10)).min(LONGEST_WAIT), random());
        self.deaths += 1;
        self.until = Some(at + wait);
    }

    fn may_start(&self) -> Result<(), Failure> {
        match self.until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(wait) if wait > Duration::ZERO => Err(Failure::NotStarted(format!(
                "it died {} times in a row; the next try is in {:.1} s",
                self.deaths,
                wait.as_secs_f32()
            ))),
            _ => Ok(()),
        }
    }
}
