//! The sessions that the gateway holds: one or more per server, grant and what the client can be asked.

use super::open;
use super::park::Parked;
use crate::errors::Cause;
use crate::exchange::Way;
use crate::forward::{Failure, Peer};
use crate::mirrored;
use crate::snapshot::{GrantEntry, ServerConfig, Sharing, Snapshot};
use bytes::Bytes;
use callgate_decision::Cover;
use callgate_mcp::bridge::up;
use callgate_mcp::{Batches, Incoming, Limits, Message, parse_server};
use callgate_policy::{GrantId, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// Sessions for calls at once of clients that can be asked: a question in a session with two of them would be nobody's.
const MAX_PER_KEY: usize = 16;
/// Notifications that a subscription may lag behind.
const EVENTS: usize = 256;
/// How long all sessions together may take to end.
const ENDING: Duration = Duration::from_secs(2);

type Events = HashMap<(Arc<str>, GrantId), broadcast::Sender<Bytes>>;

/// The sessions that the gateway holds, and the calls that wait for their client.
#[derive(Debug, Default)]
pub(crate) struct Held {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    /// What the servers say to nobody in particular, per server and grant: a change is one for every session.
    events: Mutex<Events>,
    pub(super) parked: Parked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    server: Arc<str>,
    grant: GrantId,
    capabilities: String,
}

#[derive(Debug, Default)]
struct Slot {
    /// Held while a session is opened, so that one burst of requests opens one.
    opening: tokio::sync::Mutex<()>,
    sessions: Mutex<Vec<Arc<HeldSession>>>,
}

/// One legacy session in the name of modern clients.
#[derive(Debug)]
pub(crate) struct HeldSession {
    pub(super) peer: Peer,
    pub(super) server: Arc<ServerConfig>,
    /// What `initialize` was answered with.
    initialized: Bytes,
    /// The log level that was asked for so far, the most talkative one.
    pub(super) level: Mutex<Option<up::Level>>,
    /// How many subscriptions want each resource.
    pub(super) subscribed: tokio::sync::Mutex<HashMap<String, usize>>,
    /// What the server says to nobody in particular, in any session of the grant.
    pub(super) events: broadcast::Sender<Bytes>,
    /// The one call that the server may ask questions in.
    asking: Arc<Semaphore>,
    used: Mutex<Instant>,
}

/// The use of a session. As long as there is one, the session is not idle.
#[derive(Debug)]
pub(crate) struct Lease {
    session: Arc<HeldSession>,
    _alone: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.slots().values().map(|slot| slot.sessions().len()).sum()
    }

    /// How many there are with the server of this identity.
    pub(crate) fn count_at(&self, server: &str) -> usize {
        let slots = self.slots();
        slots.iter().filter(|(key, _)| *key.server == *server).map(|(_, slot)| slot.sessions().len()).sum()
    }

    fn count_of(&self, grant: &GrantId) -> usize {
        let slots = self.slots();
        slots.iter().filter(|(key, _)| key.grant == *grant).map(|(_, slot)| slot.sessions().len()).sum()
    }

    /// How many calls wait for their client.
    pub(crate) fn waiting(&self) -> usize {
        self.parked.count()
    }

    /// The yes under which a call left that this request goes on with: for a request that is carried by
    /// [`carry`](super::carry), which takes the call itself.
    pub(crate) fn lend(&self, entry: &GrantEntry, message: &Message<'_>) -> Option<Cover> {
        self.parked.lend(entry, message)
    }

    /// Ends the sessions whose grant or server has gone or changed, that have ended, or are idle for too long.
    pub(crate) fn sweep(&self, snapshot: &Snapshot, now: Timestamp) {
        let holds = |grant: &GrantId, server: &ServerConfig| {
            snapshot.grant_by_id(grant).is_some_and(|entry| {
                !entry.has_expired(now) && entry.server.uuid == server.uuid && entry.server.upstream == server.upstream
            })
        };
        self.parked.sweep(|grant| snapshot.grant_by_id(grant).is_some_and(|entry| !entry.has_expired(now)));
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.retain(|(server, grant), _| snapshot.grant_by_id(grant).is_some_and(|one| one.server.uuid == *server));
        drop(events);
        self.slots().retain(|key, slot| {
            let mut sessions = slot.sessions();
            sessions.retain(|session| {
                let keep = holds(&key.grant, &session.server) && !session.peer.is_over() && !session.is_idle();
                if !keep {
                    session.peer.stop();
                }
                keep
            });
            // A slot that somebody is about to fill stays.
            !sessions.is_empty() || Arc::strong_count(slot) > 1
        });
    }

    /// Ends all of them, and waits until they have.
    pub(crate) async fn end_all(&self) {
        self.end(|_| true).await;
    }

    /// Ends those of one grant, and waits until they have: its client has left.
    pub(crate) async fn end_of(&self, grant: &GrantId) {
        self.end(|of| of == grant).await;
    }

    async fn end(&self, which: impl Fn(&GrantId) -> bool) {
        self.parked.sweep(|grant| !which(grant));
        let slots: Vec<Arc<Slot>> = self.slots().extract_if(|key, _| which(&key.grant)).map(|(_, slot)| slot).collect();
        let sessions: Vec<Arc<HeldSession>> = slots.iter().flat_map(|slot| slot.sessions().split_off(0)).collect();
        sessions.iter().for_each(|session| session.peer.stop());
        let ended = async {
            for session in &sessions {
                session.peer.ended().await;
            }
        };
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::warn!("not every session that was held ended in time");
        }
    }

    fn events_of(&self, entry: &GrantEntry) -> broadcast::Sender<Bytes> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(&entry.server.uuid), entry.grant.id.clone());
        events.entry(key).or_insert_with(|| broadcast::channel(EVENTS).0).clone()
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        Arc::clone(self.slots().entry(key).or_default())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session for this request, where there is one that can be used at once. `alone`: for a call whose client can be
/// asked, so that a question has one call that it can belong to.
pub(super) fn free(way: Way<'_>, message: &Message<'_>, alone: bool) -> Option<Lease> {
    slot(way, message).free(way.entry, alone)
}

fn slot(way: Way<'_>, message: &Message<'_>) -> Arc<Slot> {
    way.gate.held.slot(Key {
        server: Arc::clone(&way.entry.server.uuid),
        grant: way.entry.grant.id.clone(),
        capabilities: up::capabilities_key(message),
    })
}

/// The same, opened or waited for where there is none.
pub(super) async fn acquire(way: Way<'_>, message: &Message<'_>, alone: bool) -> Result<Lease, Failure> {
    let slot = slot(way, message);
    if let Some(lease) = slot.free(way.entry, alone) {
        return Ok(lease);
    }
    let _opening = slot.opening.lock().await;
    if let Some(lease) = slot.free(way.entry, alone) {
        return Ok(lease);
    }
    let max = match way.entry.server.sharing {
        Sharing::PerSession => MAX_PER_KEY,
        Sharing::PerGrant => 1,
    };
    if let Some(session) = slot.busy(max) {
        let silence = way.entry.server.timeouts.silence;
        let alone = tokio::time::timeout(silence, Arc::clone(&session.asking).acquire_owned()).await;
        let alone = alone.map_err(|_| Failure::Silent(silence))?.ok();
        return Ok(Lease { session, _alone: alone });
    }
    admit(way)?;
    let session = Arc::new(open::open(way, message).await?);
    let lease = session.lease(alone);
    slot.sessions().push(session);
    lease.ok_or(Failure::Gone)
}

fn admit(way: Way<'_>) -> Result<(), Failure> {
    let (gate, grant) = (way.gate, &way.entry.grant.id);
    gate.sessions.admit(grant).map_err(Failure::Refused)?;
    let max = gate.options.max_sessions;
    if gate.held.count() + gate.sessions.count() >= max {
        return Err(Failure::Refused(Cause::TooManySessions(max)));
    }
    if gate.held.count_of(grant) >= gate.options.max_sessions_per_grant {
        return Err(Failure::Refused(Cause::TooManySessions(gate.options.max_sessions_per_grant)));
    }
    Ok(())
}

impl Slot {
    /// A session that can be used at once.
    fn free(&self, entry: &GrantEntry, alone: bool) -> Option<Lease> {
        let mut sessions = self.sessions();
        sessions.retain(|session| !session.peer.is_over() && session.server.upstream == entry.server.upstream);
        sessions.iter().find_map(|session| session.lease(alone))
    }

    /// The session to wait for, where there are as many as there may be: the one that fewest wait for.
    fn busy(&self, max: usize) -> Option<Arc<HeldSession>> {
        let sessions = self.sessions();
        if sessions.len() < max { None } else { sessions.iter().min_by_key(|one| Arc::strong_count(one)).cloned() }
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Arc<HeldSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldSession {
    /// A session that stands. What the server says to nobody in particular is told to whoever subscribes.
    pub(super) fn new(peer: Peer, way: Way<'_>, initialized: Bytes) -> Self {
        let server = Arc::clone(&way.entry.server);
        let standing = way.gate.standings.of(&server);
        let events = way.gate.held.events_of(way.entry);
        let (mut listener, told) = (peer.listen(), events.clone());
        tokio::spawn(async move {
            while let Some(message) = listener.next().await {
                if mirrored::is_list_changed(&message) {
                    standing.list_changed();
                }
                // Nobody has to listen.
                let _ = told.send(message);
            }
        });
        Self {
            peer,
            server,
            initialized,
            level: Mutex::default(),
            subscribed: tokio::sync::Mutex::default(),
            events,
            asking: Arc::new(Semaphore::new(1)),
            used: Mutex::new(Instant::now()),
        }
    }

    /// Looks at what `initialize` was answered with.
    pub(super) fn initialized<T>(&self, look: impl FnOnce(&Message<'_>) -> T) -> Option<T> {
        match parse_server(&self.initialized, &Limits::default(), Batches::Refused) {
            Ok(Incoming::One(message)) => Some(look(&message)),
            _ => None,
        }
    }

    fn lease(self: &Arc<Self>, alone: bool) -> Option<Lease> {
        let permit = match alone {
            true => Some(Arc::clone(&self.asking).try_acquire_owned().ok()?),
            false => None,
        };
        Some(Lease { session: Arc::clone(self), _alone: permit })
    }

    fn is_idle(self: &Arc<Self>) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        // The table itself holds one.
        Arc::strong_count(self) == 1 && used > self.server.timeouts.idle
    }
}

impl Drop for HeldSession {
    fn drop(&mut self) {
        self.peer.stop();
    }
}

impl Lease {
    pub(super) fn session(&self) -> &Arc<HeldSession> {
        &self.session
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.session.peer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}
