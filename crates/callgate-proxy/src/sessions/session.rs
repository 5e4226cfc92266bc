//! One legacy session: what is known of it, what is open in it, and what its upstream would have to be told again.

use super::awaited::Awaited;
use super::{FarEnd, NewSession, Why};
use crate::errors::Cause;
use crate::results::Inspected;
use crate::snapshot::{GrantEntry, ServerConfig, Snapshot};
use crate::streams::EventLog;
use bytes::Bytes;
use callgate_mcp::{Message, Method, RequestId, Revision};
use callgate_policy::{Client, GrantId, Timestamp};
use http::HeaderValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Requests of one server that a client has not answered yet.
const MAX_ASKED: usize = 1024;
/// An `initialize` above this is not kept.
const MAX_HELLO: usize = 64 << 10;

/// One legacy session.
#[derive(Debug)]
pub(crate) struct Session {
    /// What records and counters call it: a digest of the id that the client holds.
    pub(crate) id: Box<str>,
    /// The id that the client holds: unguessable, and still no credential, as it is looked up together with the grant.
    pub(crate) held: Box<str>,
    pub(crate) grant: GrantId,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) far: FarEnd,
    /// What `initialize` agreed on.
    pub(crate) revision: Revision,
    /// What the client calls itself.
    pub(crate) client: Option<Client>,
    /// Whether the client's user can be asked with a form.
    pub(crate) elicits: bool,
    /// When a sealed id was issued; none for other ids.
    pub(super) issued: Option<Timestamp>,
    /// What its event streams said, where they are the gateway's own.
    pub(crate) log: Arc<EventLog>,
    asked: Mutex<HashMap<RequestId, Method>>,
    used: Mutex<Instant>,
    streams: AtomicUsize,
    connections: AtomicUsize,
    ended: watch::Sender<bool>,
    /// The client's `initialize`, to repeat it where the upstream forgot the session.
    hello: OnceLock<Bytes>,
    /// The upstream's id since the session was opened there again.
    renewed: Mutex<Option<HeaderValue>>,
    /// Held while it is opened again.
    pub(crate) reopening: tokio::sync::Mutex<()>,
    /// The upstream was told something that it would have to be told again.
    told: AtomicBool,
    /// What was asked, where there are rules over results.
    awaited: Mutex<Awaited>,
}

/// A stream, or a connection, that is open: as long as there is one, the session is not idle.
#[derive(Debug)]
pub(crate) struct OpenStream {
    session: Arc<Session>,
    counted: fn(&Session) -> &AtomicUsize,
}

impl Session {
    /// `kept` counts the bytes of events that all sessions keep.
    pub(super) fn new(
        entry: &GrantEntry,
        new: NewSession,
        held: Box<str>,
        issued: Option<Timestamp>,
        kept: &Arc<AtomicUsize>,
    ) -> Self {
        let digest = blake3::hash(held.as_bytes());
        let short: [u8; 16] = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        Self {
            id: hex::encode(short).into(),
            held,
            grant: entry.grant.id.clone(),
            server: Arc::clone(&entry.server),
            far: new.far,
            revision: new.revision,
            client: new.client,
            elicits: new.elicits,
            issued,
            log: EventLog::new(Arc::clone(kept)),
            asked: Mutex::default(),
            used: Mutex::new(Instant::now()),
            streams: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            ended: watch::Sender::new(false),
            hello: OnceLock::new(),
            renewed: Mutex::default(),
            reopening: tokio::sync::Mutex::default(),
            told: AtomicBool::new(false),
            awaited: Mutex::default(),
        }
    }

    /// The session itself, if it is this grant's on this server, and goes on.
    pub(super) fn of(self: &Arc<Self>, entry: &GrantEntry) -> Result<Arc<Self>, Cause> {
        if self.grant != entry.grant.id || self.server.uuid != entry.server.uuid || self.has_ended() {
            return Err(Cause::SessionUnknown);
        }
        self.touch();
        Ok(Arc::clone(self))
    }

    /// The id that an HTTP upstream knows it by, now.
    pub(crate) fn far_id(&self) -> Option<HeaderValue> {
        let FarEnd::Http(id) = &self.far else { return None };
        let renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        renewed.or_else(|| id.clone())
    }

    /// Notes the `initialize` that opened it.
    pub(crate) fn was_opened_by(&self, initialize: &[u8]) {
        if initialize.len() <= MAX_HELLO && matches!(self.far, FarEnd::Http(Some(_))) {
            let _ = self.hello.set(Bytes::copy_from_slice(initialize));
        }
    }

    /// Notes what is asked in the session, as far as an upstream that forgot it would have to be told again.
    pub(crate) fn tells(&self, message: &Message<'_>) {
        let remembered = match message.method() {
            Method::ResourcesSubscribe | Method::SetLevel => true,
            Method::TasksGet | Method::TasksResult | Method::TasksList | Method::TasksUpdate => true,
            Method::ToolsCall => message.params().is_some_and(|params| params.get("task").is_some()),
            _ => false,
        };
        if remembered {
            self.told.store(true, Ordering::Relaxed);
        }
    }

    /// The `initialize` to repeat at an upstream that forgot the session; `None` where something would be missing
    /// then: an open stream, a question, a subscription, a log level, a task.
    pub(crate) fn can_reopen(&self) -> Option<Bytes> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let unseen = asked && self.streams.load(Ordering::Relaxed) == 0 && !self.told.load(Ordering::Relaxed);
        self.hello.get().filter(|_| unseen && !self.has_ended()).cloned()
    }

    /// The upstream knows it by this id from now on.
    pub(crate) fn renew(&self, id: HeaderValue) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// Notes that the session is in use.
    pub(crate) fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow() || matches!(&self.far, FarEnd::Peer(process) if process.has_ended())
    }

    /// Becomes true when the session ends.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// Notes a stream that is open.
    pub(crate) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.count(|session| &session.streams)
    }

    /// Notes the one connection that the client has, where it has one for all that it says and hears.
    pub(crate) fn connected(self: &Arc<Self>) -> OpenStream {
        self.count(|session| &session.connections)
    }

    fn count(self: &Arc<Self>, counted: fn(&Self) -> &AtomicUsize) -> OpenStream {
        counted(self).fetch_add(1, Ordering::Relaxed);
        OpenStream { session: Arc::clone(self), counted }
    }

    /// Tells everything that is open in it.
    pub(super) fn has_to_end(&self) {
        self.ended.send_replace(true);
    }

    /// Notes of what the answer to a request will be, where there are rules over results.
    pub(crate) fn awaits(&self, id: RequestId, origin: Option<&Inspected>) {
        if !matches!(self.far, FarEnd::Http(_)) {
            return;
        }
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).note(id, origin);
    }

    /// Of what an answer with this id is; `None` only where no rule could look at it.
    pub(crate) fn awaited(&self, id: &RequestId) -> Option<Inspected> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).of(id)
    }

    /// Notes that the server asks the client something. False where too many such questions are open.
    pub(crate) fn asks(&self, id: RequestId, method: Method) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= MAX_ASKED {
            return false;
        }
        asked.insert(id, method);
        true
    }

    /// What the server asked that this id answers. Each question is answered once.
    pub(crate) fn was_asked(&self, id: &RequestId) -> Option<Method> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// Why it has to end, where it has to.
    pub(super) fn over(&self, snapshot: &Snapshot, now: Timestamp) -> Option<Why> {
        let valid = snapshot.grant_by_id(&self.grant).filter(|entry| {
            !entry.has_expired(now)
                && entry.server.uuid == self.server.uuid
                && entry.server.upstream == self.server.upstream
        });
        let Some(entry) = valid else { return Some(Why::Revoked) };
        if self.has_ended() {
            return Some(Why::Died);
        }
        (self.idle() > entry.server.timeouts.idle).then_some(Why::Idle)
    }

    fn idle(&self) -> Duration {
        if self.streams.load(Ordering::Relaxed) > 0 || self.connections.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.session.touch();
        (self.counted)(&self.session).fetch_sub(1, Ordering::Relaxed);
    }
}
