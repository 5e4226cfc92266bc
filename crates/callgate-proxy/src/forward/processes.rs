//! The child processes of the gateway: one per legacy session, one per server and grant for everybody else.

use super::Failure;
use super::process::{Fate, Living, Process};
use crate::gate::until;
use crate::options::Options;
use crate::snapshot::{GrantEntry, ServerConfig, Snapshot};
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
    troubles: Mutex<HashMap<ServerId, Trouble>>,
    living: Arc<Living>,
}

#[derive(Debug)]
struct Slot {
    process: Process,
    server: Arc<ServerConfig>,
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
    ) -> Result<Process, Failure> {
        self.start_as(server, command, options, false)
    }

    /// The process that this grant's sessionless calls to this server share.
    pub(crate) fn shared(
        &self,
        entry: &GrantEntry,
        command: &StdioUpstream,
        options: &Options,
    ) -> Result<Process, Failure> {
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

    /// How many shared ones there are.
    pub(crate) fn count(&self) -> usize {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).len()
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
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.retain(|id, _| snapshot.servers().iter().any(|server| server.uuid == *id));
    }

    /// Ends all of them, and waits until they have.
    pub(crate) async fn stop_all(&self) {
        {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.values().for_each(|slot| slot.process.stop());
            shared.clear();
        }
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
    ) -> Result<Process, Failure> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = troubles.entry(Arc::clone(&server.uuid)).or_default();
        trouble.look();
        trouble.may_start()?;
        let started = Process::start(server, command, options, shared, &self.living);
        match &started {
            Ok(process) => trouble.last = Some(process.fate()),
            Err(_) => trouble.died(Instant::now()),
        }
        started
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
        let wait = FIRST_WAIT.saturating_mul(1 << self.deaths.min(10)).min(LONGEST_WAIT);
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
