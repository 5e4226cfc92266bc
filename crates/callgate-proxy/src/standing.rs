//! What the gateway has learned of each upstream, across snapshots: forgotten when the upstream is another one.

mod breaker;
mod headers;
mod life;
mod list;
mod owned;

pub(crate) use breaker::{jittered, random};
pub(crate) use headers::{HeaderTable, Known};
pub(crate) use list::ToolList;
pub(crate) use owned::Owned;

use crate::eras::Speaks;
use crate::forward::Failure;
use crate::health::BreakerState;
use crate::snapshot::{ServerConfig, Snapshot, UpstreamEra};
use crate::upstream::UpstreamConfig;
use breaker::Breaker;
use callgate_policy::{ServerName, Timestamp};
use life::Life;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// The upstreams that were spoken to.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    by_server: RwLock<HashMap<Arc<str>, Found>>,
}

/// A standing, and the configuration that it was found for last: the same one again needs no comparing.
#[derive(Debug)]
struct Found {
    server: Arc<ServerConfig>,
    standing: Arc<Standing>,
}

/// What is known of one upstream.
#[derive(Debug)]
pub(crate) struct Standing {
    upstream: UpstreamConfig,
    era: UpstreamEra,
    /// See [`code`].
    speaks: AtomicU8,
    breaker: Breaker,
    life: Life,
    in_flight: AtomicUsize,
    /// Held while somebody finds out what it speaks, so that nobody else asks the same.
    pub(crate) probing: tokio::sync::Mutex<()>,
    /// Whether its URL is that of an HTTP+SSE server (2024-11-05).
    pub(crate) is_sse: AtomicBool,
    /// The arguments that its tools want repeated in headers.
    pub(crate) headers: HeaderTable,
    /// Whether its list of tools has changed since it was seen.
    pub(crate) list: ToolList,
    /// Whose its tasks are.
    pub(crate) tasks: Owned,
    /// Whom it sent to a URL.
    pub(crate) elicitations: Owned,
}

/// The leave to send one message. Holds a place among the requests in flight where it is one.
#[derive(Debug)]
pub(crate) struct Pass {
    standing: Arc<Standing>,
    has_place: bool,
}

impl Standings {
    /// What is known of this server's upstream.
    pub(crate) fn of(&self, server: &Arc<ServerConfig>) -> Arc<Standing> {
        {
            let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = by_server.get(&server.uuid).filter(|known| Arc::ptr_eq(&known.server, server)) {
                return Arc::clone(&known.standing);
            }
        }
        let mut by_server = self.by_server.write().unwrap_or_else(PoisonError::into_inner);
        let before = by_server.get(&server.uuid).filter(|known| known.standing.is_of(server));
        let standing = before.map_or_else(|| Arc::new(Standing::new(server)), |known| Arc::clone(&known.standing));
        let known = Found { server: Arc::clone(server), standing: Arc::clone(&standing) };
        by_server.insert(Arc::clone(&server.uuid), known);
        standing
    }

    /// What is known of the upstream of the server with this identity; `None` where it was not spoken to.
    pub(crate) fn known(&self, server: &str) -> Option<Arc<Standing>> {
        let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        by_server.get(server).map(|found| Arc::clone(&found.standing))
    }

    /// All of them, with the names of their servers.
    pub(crate) fn all(&self) -> Vec<(ServerName, Arc<Standing>)> {
        let by_server = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        by_server.values().map(|found| (found.server.name.clone(), Arc::clone(&found.standing))).collect()
    }

    /// Forgets the upstreams that are no longer configured, and what is no longer good.
    pub(crate) fn sweep(&self, snapshot: &Snapshot, now: Timestamp) {
        let mut by_server = self.by_server.write().unwrap_or_else(PoisonError::into_inner);
        let configured: HashSet<&str> = snapshot.servers().iter().map(|server| &*server.uuid).collect();
        by_server.retain(|id, _| configured.contains(&**id));
        for Found { standing, .. } in by_server.values() {
            standing.tasks.sweep(now);
            standing.elicitations.sweep(now);
        }
    }
}

impl Standing {
    fn new(server: &ServerConfig) -> Self {
        Self {
            upstream: server.upstream.clone(),
            era: server.era,
            speaks: AtomicU8::new(code(Speaks::configured(server.era))),
            breaker: Breaker::default(),
            life: Life::default(),
            in_flight: AtomicUsize::new(0),
            probing: tokio::sync::Mutex::default(),
            is_sse: AtomicBool::new(false),
            headers: HeaderTable::default(),
            list: ToolList::default(),
            tasks: Owned::default(),
            elicitations: Owned::default(),
        }
    }

    fn is_of(&self, server: &ServerConfig) -> bool {
        self.upstream == server.upstream && self.era == server.era
    }

    /// Its list of tools has changed, as it says itself.
    pub(crate) fn list_changed(&self) {
        self.headers.forget();
        self.list.changed();
    }

    /// What it speaks, where that is known.
    pub(crate) fn speaks(&self) -> Option<Speaks> {
        match self.speaks.load(Ordering::Relaxed) {
            1 => Some(Speaks::Legacy),
            2 => Some(Speaks::Modern),
            3 => Some(Speaks::Both),
            _ => None,
        }
    }

    /// Notes what it speaks; `None` where that turned out wrong and has to be found out again.
    pub(crate) fn learn(&self, speaks: Option<Speaks>) {
        self.speaks.store(code(speaks), Ordering::Relaxed);
    }

    /// Leave to send a message; with a place where at most `places` may be in flight.
    pub(crate) fn pass(self: &Arc<Self>, places: Option<usize>) -> Result<Pass, Failure> {
        self.breaker.pass(Instant::now).map_err(Failure::Resting)?;
        if let Some(places) = places
            && self.in_flight.fetch_add(1, Ordering::Relaxed) >= places
        {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(Failure::Full(places));
        }
        Ok(Pass { standing: Arc::clone(self), has_place: places.is_some() })
    }

    /// How many requests are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// When it answered, and when it could not be reached.
    pub(crate) fn life(&self) -> life::Known {
        self.life.known()
    }

    /// Whether messages pass.
    pub(crate) fn breaker_state(&self) -> BreakerState {
        self.breaker.state(Instant::now())
    }

    /// Whether it is left alone for a while.
    pub(crate) fn rests(&self) -> bool {
        self.breaker.is_open()
    }
}

impl Pass {
    /// The upstream answered.
    pub(crate) fn succeeded(&self) {
        self.standing.breaker.succeeded();
        self.standing.life.answered(life::now());
    }

    /// It came to nothing. Only what says that the way to the upstream is broken counts.
    pub(crate) fn failed(&self, failure: &Failure) {
        match failure {
            Failure::Unreachable(_) | Failure::NotStarted(_) | Failure::Silent(_) => {
                self.standing.breaker.failed(Instant::now(), random());
                self.standing.life.failed(life::now(), unheard(failure));
            }
            // Neither the gateway's own ends nor a call that takes too long say anything about the way.
            Failure::Refused(_) | Failure::Overdue(_) | Failure::TooSlow | Failure::Full(_) | Failure::Resting(_) => {}
            _ => self.succeeded(),
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.has_place {
            self.standing.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Why it was not heard, for those who look after servers.
fn unheard(failure: &Failure) -> String {
    match failure {
        Failure::Unreachable(why) => format!("it can't be reached: {why}"),
        Failure::NotStarted(why) => format!("its process could not be started: {why}"),
        Failure::Silent(silence) => format!("nothing came from it for {} s", silence.as_secs()),
        _ => "it was not heard".to_owned(),
    }
}

fn code(speaks: Option<Speaks>) -> u8 {
    match speaks {
        None => 0,
        Some(Speaks::Legacy) => 1,
        Some(Speaks::Modern) => 2,
        Some(Speaks::Both) => 3,
    }
}
