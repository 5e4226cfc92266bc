//! What all fronts share: the configuration of the moment, the decider, the open sessions and processes.

use crate::asking::Waiting;
use crate::authenticate::Names;
use crate::eras::held::Held;
use crate::errors::Cause;
use crate::farewell;
use crate::forward::{Pool, Processes, Tls};
use crate::front::http::sse::Clients;
use crate::options::Options;
use crate::reach;
use crate::seal::SealKey;
use crate::sessions::Sessions;
use crate::snapshot::{GrantEntry, Snapshot, Snapshots};
use crate::standing::Standings;
use crate::states::States;
use crate::withheld::Withheld;
use callgate_decision::{Approvals, Clock, Decider, Pins};
use callgate_policy::Timestamp;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How often idle sessions, processes and connections are looked for, unless some end sooner.
const SWEEP: Duration = Duration::from_secs(10);
const SHORTEST_SWEEP: Duration = Duration::from_millis(250);

/// What the data plane is made of.
pub struct GateParts {
    /// The configuration, as it is published.
    pub snapshots: Snapshots,
    /// Charges and records.
    pub decider: Decider,
    /// The time of decisions; the same clock as the decider's.
    pub clock: Arc<dyn Clock>,
    /// Hears of what is refused before a grant is known.
    pub refusals: Arc<dyn Refusals>,
    /// Asks people.
    pub approvals: Arc<dyn Approvals>,
    /// Keeps what tools were defined as.
    pub pins: Arc<dyn Pins>,
    /// Seals what clients keep. Processes with the same key can go on with each other's sessions.
    pub seal: SealKey,
    /// The rest.
    pub options: Options,
}

/// Hears of what is refused before a grant is known. Called on the data path: must not block.
pub trait Refusals: Send + Sync + 'static {
    /// A request was refused.
    fn refused(&self, early: &Early<'_>);
}

/// A request that was refused before its grant was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early<'a> {
    /// When.
    pub at: Timestamp,
    /// Where it came from; none on stdio.
    pub source: Option<IpAddr>,
    /// Why: one of a fixed set of words.
    pub reason: &'static str,
    /// The page that explains it.
    pub page: &'static str,
    /// What was asked for, cut to 120 characters. Never a token.
    pub path: &'a str,
}

/// The core of the data plane, shared by all fronts of a process.
pub struct Gate {
    pub(crate) snapshots: Snapshots,
    pub(crate) decider: Decider,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) refusals: Arc<dyn Refusals>,
    pub(crate) approvals: Arc<dyn Approvals>,
    pub(crate) pins: Arc<dyn Pins>,
    pub(crate) options: Options,
    pub(crate) names: Names,
    pub(crate) sessions: Sessions,
    pub(crate) clients: Clients,
    pub(crate) processes: Processes,
    pub(crate) standings: Standings,
    pub(crate) held: Held,
    /// The states that clients bring back to servers.
    pub(crate) states: States,
    /// The questions to callers' own users that come back as states.
    pub(crate) questions: States,
    /// The calls that wait for a person's answer.
    pub(crate) waiting: Waiting,
    /// Under which the places of upstreams are digested.
    pub(crate) place_key: [u8; 32],
    /// What was taken out of lists, and is recorded.
    pub(crate) withheld: Withheld,
    /// Places for refusals on their way to servers.
    pub(crate) refusing: Arc<Semaphore>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) limits: callgate_mcp::Limits,
    pub(crate) figures: Figures,
    phase: watch::Sender<Phase>,
}

/// How far the gateway is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    Running,
    /// No new connections; streams that wait for events end, calls in flight go on.
    Draining,
    /// Everything ends.
    Stopping,
    /// Everything has ended.
    Stopped,
}

/// What `/metrics` shows.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) forwarded: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) refused_early: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

impl Gate {
    /// The core made of these parts.
    pub fn new(parts: GateParts) -> Arc<Self> {
        let GateParts { snapshots, decider, clock, refusals, approvals, pins, seal, options } = parts;
        let mut limits = callgate_mcp::Limits::default();
        limits.json.max_bytes = options.max_body;
        Arc::new(Self {
            names: Names::new(&options.public_names),
            sessions: Sessions::new(options.max_sessions, options.max_sessions_per_grant, &seal, Arc::clone(&clock)),
            clients: Clients::default(),
            processes: Processes::default(),
            standings: Standings::default(),
            held: Held::default(),
            states: States::new(),
            questions: States::new(),
            waiting: Waiting::default(),
            place_key: seal.of_places(),
            withheld: Withheld::default(),
            refusing: reach::places(),
            tls: Arc::default(),
            figures: Figures::default(),
            phase: watch::Sender::new(Phase::Running),
            snapshots,
            decider,
            clock,
            refusals,
            approvals,
            pins,
            options,
            limits,
        })
    }

    /// How many legacy sessions are open.
    pub fn open_sessions(&self) -> usize {
        self.sessions.count()
    }

    /// How many legacy sessions the gateway holds for clients of the stateless revision.
    pub fn held_sessions(&self) -> usize {
        self.held.count()
    }

    /// How many calls wait for their client to answer what the server asked.
    pub fn waiting_calls(&self) -> usize {
        self.held.waiting()
    }

    /// How many calls wait for a person's answer.
    pub fn waiting_approvals(&self) -> usize {
        self.waiting.count()
    }

    /// How many child processes serve more than one session's calls.
    pub fn shared_processes(&self) -> usize {
        self.processes.count()
    }

    /// The configuration of this moment.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// How far the gateway is on its way to its end.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Goes on to this phase; never back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    /// Ends all streams, sessions and processes.
    pub(crate) async fn stop(&self) {
        self.enter(Phase::Stopping);
        self.sessions.end_all();
        self.held.end_all().await;
        self.processes.stop_all().await;
        self.enter(Phase::Stopped);
    }

    /// Ends what the configuration no longer has, and what is idle, until the gateway stops.
    pub(crate) async fn sweep_until_stopped(self: &Arc<Self>) {
        let mut snapshots = self.snapshots.clone();
        let mut phase = self.phase();
        let pool = Arc::new(Pool::new(Arc::clone(&self.tls)));
        loop {
            let tick = self.next_sweep();
            tokio::select! {
                // Nobody publishes any more: what is there stays in force.
                changed = snapshots.changed() => if changed.is_err() {
                    tokio::time::sleep(tick).await;
                },
                () = tokio::time::sleep(tick) => {}
                () = until(&mut phase, |phase| *phase >= Phase::Stopping) => return,
            }
            let snapshot = self.snapshot();
            for session in self.sessions.sweep(&snapshot, self.clock.now()) {
                tokio::spawn(farewell::tell(Arc::clone(self), Arc::clone(&pool), session));
            }
            pool.sweep();
            self.held.sweep(&snapshot, self.clock.now());
            self.processes.sweep(&snapshot, self.clock.now());
            self.standings.sweep(&snapshot, self.clock.now());
        }
    }

    /// Often enough that what ends soon ends in time.
    fn next_sweep(&self) -> Duration {
        let snapshot = self.snapshots.borrow();
        let shortest = snapshot.servers().iter().map(|server| server.timeouts.idle).min();
        shortest.map_or(SWEEP, |idle| (idle / 4).clamp(SHORTEST_SWEEP, SWEEP))
    }

    /// The grant as it is now, for whoever waited: revoked, expired and moved to another server is none. What is decided
    /// from here on is decided by this.
    pub(crate) fn renewed(&self, entry: &GrantEntry) -> Result<Arc<GrantEntry>, Cause> {
        let snapshot = self.snapshots.borrow();
        let now = snapshot.grant_by_digest(&entry.token).filter(|now| {
            now.grant.id == entry.grant.id && now.server.uuid == entry.server.uuid && !now.has_expired(self.clock.now())
        });
        now.cloned().ok_or(Cause::GrantEnded)
    }

    /// Whether the grant is still what it was: not revoked, not expired, the same server in the same place.
    pub(crate) fn still_holds(&self, entry: &GrantEntry) -> bool {
        let snapshot = self.snapshots.borrow();
        // By its token: a grant whose token is being replaced has two for a while.
        snapshot.grant_by_digest(&entry.token).is_some_and(|now| {
            now.grant.id == entry.grant.id
                && !now.has_expired(self.clock.now())
                && (Arc::ptr_eq(&now.server, &entry.server)
                    || (now.server.uuid == entry.server.uuid && now.server.upstream == entry.server.upstream))
        })
    }
}

/// Waits until a watched value is such, or can't change any more.
pub(crate) async fn until<T>(watched: &mut watch::Receiver<T>, is_such: impl FnMut(&T) -> bool) {
    // The value is borrowed only for a moment: a borrow that lives on would hold up whoever changes it.
    drop(watched.wait_for(is_such).await);
}

impl Figures {
    pub(crate) fn count(figure: &AtomicU64) {
        figure.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("sessions", &self.sessions.count()).finish_non_exhaustive()
    }
}
