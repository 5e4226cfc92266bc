//! Telling clients that the list of tools changed.

use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
const LIST_CHANGED: &str = "notifications/tools/list_changed";

/// Everyone who wants to hear of changes.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    all: Mutex<Vec<Listener>>,
}

#[derive(Debug)]
struct Listener {
    /// The `subscriptions/listen` request; `None` for a legacy stream.
    subscription: Option<Value>,
    sender: UnboundedSender<String>,
}

impl Listeners {
    /// Notifications from now on, until the receiver is dropped.
    pub(crate) fn add(&self, subscription: Option<Value>) -> UnboundedReceiver<String> {
        let (sender, receiver) = unbounded_channel();
        self.add_sender(subscription, sender);
        receiver
    }

    /// The same into a channel that exists already.
    pub(crate) fn add_sender(&self, subscription: Option<Value>, sender: UnboundedSender<String>) {
        if let Some(id) = &subscription {
            let params = json!({"_meta": {SUBSCRIPTION_ID: id}, "notifications": {"toolsListChanged": true}});
            let method = "notifications/subscriptions/acknowledged";
            // A receiver that is already gone is taken out at the next change.
            let _ = sender.send(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
        }
        self.lock().push(Listener { subscription, sender });
    }

    pub(crate) fn tools_changed(&self) {
        self.lock().retain(|listener| {
            let notification = match &listener.subscription {
                Some(id) => {
                    json!({"jsonrpc": "2.0", "method": LIST_CHANGED, "params": {"_meta": {SUBSCRIPTION_ID: id}}})
                }
                None => json!({"jsonrpc": "2.0", "method": LIST_CHANGED}),
            };
            listener.sender.send(notification.to_string()).is_ok()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Listener>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
