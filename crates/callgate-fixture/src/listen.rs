//! Telling clients what changed: legacy sessions all of it, modern subscriptions what they asked for.

use crate::exchange::{Ending, Exchange, Outcome};
use crate::outlet::Outlet;
use crate::peer::Peer;
use crate::tasks::TASKS_EXTENSION;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// Something that changed.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The list of tools.
    Tools,
    /// The list of resources.
    Resources,
    /// The list of prompts.
    Prompts,
    /// The resource with this URI.
    Resource(String),
    /// A task, as `tasks/get` shows it in the modern era.
    Task(Value),
}

/// Everyone who wants to hear of changes.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    peers: Mutex<Vec<Weak<Peer>>>,
    subscriptions: Mutex<Vec<Subscription>>,
    count: AtomicU64,
    ended: watch::Sender<u64>,
}

#[derive(Debug)]
struct Subscription {
    number: u64,
    /// The id of the `subscriptions/listen` request.
    id: Value,
    filter: Map<String, Value>,
    outlet: Arc<Outlet>,
}

impl Change {
    fn method(&self, modern: bool) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Resources => "notifications/resources/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resource(_) => "notifications/resources/updated",
            Self::Task(_) if modern => "notifications/tasks",
            Self::Task(_) => "notifications/tasks/status",
        }
    }

    fn params(&self) -> Map<String, Value> {
        match self {
            Self::Tools | Self::Resources | Self::Prompts => Map::new(),
            Self::Resource(uri) => Map::from_iter([("uri".to_owned(), json!(uri))]),
            Self::Task(task) => task.as_object().cloned().unwrap_or_default(),
        }
    }

    /// Whether the filter of a subscription asks for it.
    fn is_wanted(&self, filter: &Map<String, Value>) -> bool {
        let is_on = |key: &str| filter.get(key) == Some(&Value::Bool(true));
        let names = |key: &str, name: &Value| {
            filter.get(key).and_then(Value::as_array).is_some_and(|names| names.contains(name))
        };
        match self {
            Self::Tools => is_on("toolsListChanged"),
            Self::Resources => is_on("resourcesListChanged"),
            Self::Prompts => is_on("promptsListChanged"),
            Self::Resource(uri) => names("resourceSubscriptions", &json!(uri)),
            Self::Task(task) => task.get("taskId").is_some_and(|id| names("taskIds", id)),
        }
    }
}

impl Listeners {
    /// Tells a legacy client from now on, once it is ready.
    pub(crate) fn add_peer(&self, peer: &Arc<Peer>) {
        let mut peers = self.lock_peers();
        peers.retain(|peer| peer.strong_count() > 0);
        peers.push(Arc::downgrade(peer));
    }

    pub(crate) fn announce(&self, change: &Change) {
        let peers: Vec<Arc<Peer>> = self.lock_peers().iter().filter_map(Weak::upgrade).collect();
        for peer in peers.iter().filter(|peer| peer.listens()) {
            let is_wanted = match change {
                Change::Resource(uri) => peer.subscribes(uri),
                // Legacy tasks are told to their session only, where they are shown in another form.
                Change::Task(_) => false,
                Change::Tools | Change::Resources | Change::Prompts => true,
            };
            if is_wanted {
                peer.standalone.send(&notification(change.method(false), change.params()));
            }
        }
        for subscription in self.lock().iter().filter(|subscription| change.is_wanted(&subscription.filter)) {
            let mut params = change.params();
            params.insert("_meta".into(), json!({SUBSCRIPTION_ID: subscription.id}));
            subscription.outlet.send(&notification(change.method(true), params));
        }
    }

    /// Ends every subscription gracefully.
    pub(crate) fn end(&self) {
        self.ended.send_modify(|ended| *ended += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Subscription>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_peers(&self) -> MutexGuard<'_, Vec<Weak<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a subscription out when its request ends, however that comes about.
struct Registered<'l> {
    listeners: &'l Listeners,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.listeners.lock().retain(|subscription| subscription.number != self.number);
    }
}

/// Serves `subscriptions/listen` until the client has gone or everything is forgotten.
pub(crate) async fn listen(exchange: &Exchange) -> Outcome {
    let Some(filter) = exchange.call.param("notifications").and_then(Value::as_object).cloned() else {
        return Err(Ending::fail(-32602, "`notifications` is missing"));
    };
    let has_tasks = exchange.capabilities().pointer(&format!("/extensions/{}", pointer(TASKS_EXTENSION))).is_some();
    if filter.contains_key("taskIds") && !has_tasks {
        return Err(crate::tasks::missing_extension());
    }
    let id = exchange.call.id();
    let listeners = exchange.fixture.listeners();
    let number = listeners.count.fetch_add(1, Ordering::SeqCst);
    let mut ended = listeners.ended.subscribe();
    let mut acknowledged = Map::from_iter([("notifications".to_owned(), Value::Object(filter.clone()))]);
    acknowledged.insert("_meta".into(), json!({SUBSCRIPTION_ID: id}));
    exchange.outlet.send(&notification("notifications/subscriptions/acknowledged", acknowledged));
    let outlet = Arc::clone(&exchange.outlet);
    listeners.lock().push(Subscription { number, id: id.clone(), filter, outlet });
    let _registered = Registered { listeners, number };
    tokio::select! {
        () = exchange.forever() => {}
        _ = ended.changed() => {}
    }
    Ok(json!({"_meta": {SUBSCRIPTION_ID: id}}))
}

/// A key as a part of a JSON pointer.
pub(crate) fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn notification(method: &str, params: Map<String, Value>) -> String {
    if params.is_empty() {
        return json!({"jsonrpc": "2.0", "method": method}).to_string();
    }
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}
