//! A running fixture: what it serves at the moment, and who is connected.

use crate::call::{Call, Kind};
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::listen::{Change, Listeners};
use crate::log::MessageLog;
use crate::options::{FixtureError, FixtureOptions, Tool, ToolList};
use crate::outlet::Outlet;
use crate::peer::Peer;
use crate::tasks::Tasks;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::RandomState;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A running fixture. Clones are the same fixture.
#[derive(Clone, Debug)]
pub struct Fixture {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: FixtureOptions,
    log: MessageLog,
    tools: Mutex<ToolList>,
    /// What everyone who listens was told of last.
    announced: Mutex<ToolList>,
    calls: AtomicU64,
    /// The sessions of HTTP, by id.
    sessions: Mutex<HashMap<String, Arc<Peer>>>,
    session_count: AtomicU64,
    listeners: Listeners,
    /// What `change` has switched on: the tool, resource and prompt named `extra`.
    extra: Mutex<Extra>,
    steps: watch::Sender<u64>,
    tasks: Tasks,
    /// How many requests of each method have come.
    seen: Mutex<HashMap<String, u64>>,
    is_stubborn: AtomicBool,
    secret: RandomState,
}

/// Which lists hold their extra entry.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) tools: bool,
    pub(crate) resources: bool,
    pub(crate) prompts: bool,
}

impl Fixture {
    /// Makes a fixture and opens its log.
    pub fn new(options: FixtureOptions) -> Result<Self, FixtureError> {
        let stubborn = options.faults.iter().any(|plan| plan.fault == Fault::IgnoreTerm);
        let inner = Inner {
            log: MessageLog::open(options.log.as_deref())?,
            tools: Mutex::new(options.tools.clone()),
            announced: Mutex::new(options.tools.clone()),
            calls: AtomicU64::new(0),
            sessions: Mutex::default(),
            session_count: AtomicU64::new(0),
            listeners: Listeners::default(),
            extra: Mutex::default(),
            steps: watch::Sender::new(0),
            tasks: Tasks::default(),
            seen: Mutex::default(),
            is_stubborn: AtomicBool::new(stubborn),
            secret: RandomState::new(),
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Serves other tools from now on and tells everyone who listens.
    pub fn replace_tools(&self, tools: ToolList) {
        *self.inner.tools.lock().unwrap_or_else(PoisonError::into_inner) = tools;
        self.announce(&Change::Tools);
    }

    /// How many `tools/call` requests have arrived.
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.lock_sessions().len()
    }

    /// Forgets every session, as a restart would: streams end, what was asked stays without an answer.
    pub fn forget_sessions(&self) {
        let forgotten: Vec<Arc<Peer>> = self.lock_sessions().drain().map(|(_, peer)| peer).collect();
        for peer in forgotten {
            self.leave(&peer);
        }
    }

    /// Goes on for every call of the tool `slow` by one step, and for every task.
    pub fn step(&self) {
        self.inner.steps.send_modify(|steps| *steps += 1);
        self.tasks().step(self);
    }

    /// Notes that SIGTERM has come; whether it is ignored.
    pub fn ignores_termination(&self) -> bool {
        self.log().event("signal", &Value::Null, None, "SIGTERM");
        self.is_stubborn()
    }

    pub(crate) fn options(&self) -> &FixtureOptions {
        &self.inner.options
    }

    pub(crate) fn log(&self) -> &MessageLog {
        &self.inner.log
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.inner.listeners
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    pub(crate) fn steps(&self) -> watch::Receiver<u64> {
        self.inner.steps.subscribe()
    }

    pub(crate) fn secret(&self) -> &RandomState {
        &self.inner.secret
    }

    /// What is served now. A file that can't be read leaves what was served before.
    pub(crate) fn tools(&self) -> ToolList {
        let mut tools = self.inner.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = self.options().live.as_ref().and_then(|file| read(file)) {
            *tools = now;
        }
        tools.clone()
    }

    /// Tells everyone who listens where the file has changed since they were told.
    pub(crate) fn announce_changes(&self) {
        let now = self.tools();
        let before = {
            let mut announced = self.inner.announced.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *announced, now.clone())
        };
        let same = |(one, other): (&Tool, &Tool)| one.json == other.json;
        if before.tools().len() != now.tools().len() || !before.tools().iter().zip(now.tools()).all(same) {
            self.announce(&Change::Tools);
        }
    }

    pub(crate) fn count_call(&self) -> u64 {
        self.inner.calls.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether SIGTERM and the end of input are ignored.
    pub(crate) fn is_stubborn(&self) -> bool {
        self.inner.is_stubborn.load(Ordering::SeqCst)
    }

    pub(crate) fn be_stubborn(&self) {
        self.inner.is_stubborn.store(true, Ordering::SeqCst);
    }

    pub(crate) fn extra(&self) -> Extra {
        *self.inner.extra.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the extra entry to a list or takes it out; whether it is in now.
    pub(crate) fn toggle(&self, change: &Change) -> bool {
        let mut extra = self.inner.extra.lock().unwrap_or_else(PoisonError::into_inner);
        let flag = match change {
            Change::Resources => &mut extra.resources,
            Change::Prompts => &mut extra.prompts,
            Change::Tools | Change::Resource(_) | Change::Task(_) => &mut extra.tools,
        };
        *flag = !*flag;
        *flag
    }

    /// The fault that strikes this request.
    pub(crate) fn fault(&self, method: &str) -> Option<Fault> {
        let mut seen = self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seen.entry(method.to_owned()).or_default();
        *count += 1;
        let mut plans = self.inner.options.faults.iter();
        plans.find(|plan| plan.method == method && *count > plan.after).map(|plan| plan.fault)
    }

    /// Tells every client that wants to know.
    pub(crate) fn announce(&self, change: &Change) {
        self.inner.listeners.announce(change);
    }

    /// A new session, which counts once `initialize` has succeeded.
    pub(crate) fn new_session(&self, standalone: Outlet) -> Arc<Peer> {
        let number = self.inner.session_count.fetch_add(1, Ordering::SeqCst) + 1;
        Arc::new(Peer::new(format!("fixture-{}-{number}", std::process::id()), Arc::new(standalone)))
    }

    pub(crate) fn open_session(&self, peer: &Arc<Peer>) {
        self.lock_sessions().insert(peer.id.clone(), Arc::clone(peer));
        self.inner.listeners.add_peer(peer);
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<Peer>> {
        self.lock_sessions().get(id).cloned()
    }

    pub(crate) fn end_session(&self, id: &str) {
        let ended = self.lock_sessions().remove(id);
        if let Some(peer) = ended {
            self.leave(&peer);
        }
    }

    fn leave(&self, peer: &Peer) {
        peer.close();
        peer.standalone.end();
    }

    /// Runs a request in a task of its own.
    pub(crate) fn spawn(&self, exchange: Exchange) -> Running {
        let (peer, id) = (Arc::clone(&exchange.peer), exchange.call.id());
        let outlet = Arc::clone(&exchange.outlet);
        let tool = exchange.call.param("name").cloned();
        let task = tokio::spawn(exchange.run());
        peer.runs(&id, task.abort_handle());
        Running { fixture: self.clone(), peer, outlet, id, tool, task }
    }

    /// Takes a message that needs no answer; gives back what is a request.
    pub(crate) fn take(&self, peer: &Peer, call: Call) -> Option<Call> {
        match (call.kind(), call.method()) {
            (Kind::Request, _) => return Some(call),
            (Kind::Notification, "notifications/initialized") => peer.listen(),
            (Kind::Notification, "notifications/cancelled") => {
                let id = call.param("requestId").cloned().unwrap_or_default();
                if peer.cancel(&id) {
                    self.log().event("cancelled", &id, None, "message");
                }
            }
            (Kind::Response, _) => {
                peer.answered(call.message);
            }
            _ => {}
        }
        None
    }

    fn lock_sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Peer>>> {
        self.inner.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Running {
    fixture: Fixture,
    peer: Arc<Peer>,
    outlet: Arc<Outlet>,
    id: Value,
    tool: Option<Value>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops the request because its client has gone.
    pub(crate) fn cancel(&self) {
        if !self.outlet.has_ended() && self.peer.cancel(&self.id) {
            self.fixture.log().event("cancelled", &self.id, self.tool.as_ref(), "disconnected");
        }
    }
}

fn read(file: &Path) -> Option<ToolList> {
    ToolList::from_json(&std::fs::read_to_string(file).ok()?).ok()
}
