//! A client as the server knows it: a session, or a pair of pipes.

use crate::outlet::Outlet;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

/// The levels of log messages, least severe first (RFC 5424).
pub(crate) const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// One client. Dropped when its session ends.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: String,
    /// Where messages go that belong to no request.
    pub(crate) standalone: Arc<Outlet>,
    inner: Mutex<Inner>,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    version: Option<String>,
    capabilities: Value,
    level: usize,
    listens: bool,
    resources: BTreeSet<String>,
    /// What this server asked, by the JSON of the id.
    asked: HashMap<String, oneshot::Sender<Value>>,
    asked_count: u64,
    /// The requests in flight, by the JSON of their ids.
    running: HashMap<String, AbortHandle>,
    /// The streams that can be picked up again.
    streams: Vec<Arc<Outlet>>,
    stream_count: u64,
}

impl Peer {
    pub(crate) fn new(id: String, standalone: Arc<Outlet>) -> Self {
        Self { id, standalone, inner: Mutex::default(), closed: watch::Sender::new(false) }
    }

    /// Takes down what `initialize` said.
    pub(crate) fn introduce(&self, version: &str, capabilities: Value) {
        let mut inner = self.lock();
        inner.version = Some(version.to_owned());
        inner.capabilities = capabilities;
    }

    /// Whether `initialize` has succeeded.
    pub(crate) fn is_introduced(&self) -> bool {
        self.lock().version.is_some()
    }

    pub(crate) fn capabilities(&self) -> Value {
        self.lock().capabilities.clone()
    }

    /// Whether streams begin with a priming event: older clients can't read an event without data.
    pub(crate) fn takes_priming(&self) -> bool {
        self.lock().version.as_deref() == Some(crate::call::LATEST_LEGACY)
    }

    /// Notes that the client is ready for notifications.
    pub(crate) fn listen(&self) {
        self.lock().listens = true;
    }

    pub(crate) fn listens(&self) -> bool {
        self.lock().listens
    }

    /// Sets the least severe level that is sent; `false` where it is none.
    pub(crate) fn set_level(&self, name: &str) -> bool {
        let Some(level) = LEVELS.iter().position(|level| *level == name) else { return false };
        self.lock().level = level;
        true
    }

    pub(crate) fn level(&self) -> usize {
        self.lock().level
    }

    /// Subscribes to a resource or stops it; whether that changed anything.
    pub(crate) fn subscribe(&self, uri: &str, on: bool) -> bool {
        let mut inner = self.lock();
        if on { inner.resources.insert(uri.to_owned()) } else { inner.resources.remove(uri) }
    }

    pub(crate) fn subscribes(&self, uri: &str) -> bool {
        self.lock().resources.contains(uri)
    }

    /// A request of the server's own and where its answer will arrive. The ids begin with 1, as the client's own do.
    pub(crate) fn ask(&self, method: &str, params: &Value) -> (String, oneshot::Receiver<Value>) {
        let mut inner = self.lock();
        inner.asked_count += 1;
        let id = inner.asked_count;
        let (sender, receiver) = oneshot::channel();
        inner.asked.insert(json!(id).to_string(), sender);
        (json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(), receiver)
    }

    /// Takes the client's answer; `false` where nobody asked.
    pub(crate) fn answered(&self, message: Value) -> bool {
        let id = message.get("id").unwrap_or(&Value::Null).to_string();
        let asked = self.lock().asked.remove(&id);
        asked.is_some_and(|asked| asked.send(message).is_ok())
    }

    /// Remembers a request in flight.
    pub(crate) fn runs(&self, id: &Value, running: AbortHandle) {
        let mut inner = self.lock();
        inner.running.retain(|_, running| !running.is_finished());
        inner.running.insert(id.to_string(), running);
    }

    /// Stops a request; `false` where it isn't in flight.
    pub(crate) fn cancel(&self, id: &Value) -> bool {
        let running = self.lock().running.remove(&id.to_string());
        let running = running.filter(|running| !running.is_finished());
        running.inspect(AbortHandle::abort).is_some()
    }

    /// The number of the next stream of this session.
    pub(crate) fn next_stream(&self) -> u64 {
        let mut inner = self.lock();
        inner.stream_count += 1;
        inner.stream_count
    }

    /// Keeps a stream for whoever comes back for it.
    pub(crate) fn keep(&self, stream: Arc<Outlet>) {
        self.lock().streams.push(stream);
    }

    /// The stream with this number.
    pub(crate) fn stream(&self, number: u64) -> Option<Arc<Outlet>> {
        if self.standalone.stream() == Some(number) {
            return Some(Arc::clone(&self.standalone));
        }
        self.lock().streams.iter().find(|stream| stream.stream() == Some(number)).cloned()
    }

    /// Ends what waits for the client, which will not come back.
    pub(crate) fn close(&self) {
        self.lock().asked.clear();
        self.closed.send_replace(true);
    }

    /// Waits until the client is gone.
    pub(crate) async fn gone(&self) {
        let mut closed = self.closed.subscribe();
        // The sender is in `self`: waiting can't fail.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
