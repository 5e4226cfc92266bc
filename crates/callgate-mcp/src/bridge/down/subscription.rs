//! `resources/subscribe` and the stream of a session, as `subscriptions/listen` (MCP 2026-07-28 "Subscriptions").

use super::client::LegacyClient;
use super::opening::Offers;
use super::request::made;
use crate::bridge::members::{Members, with_envelope};
use crate::message::{Message, MessageKind};
use crate::revision::META_SUBSCRIPTION_ID;
use callgate_json::{Value, write_string};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What a session wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    tools: bool,
    prompts: bool,
    resources: bool,
    uris: BTreeSet<String>,
}

/// What comes on the stream of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The subscription stands, for changes of these resources.
    Acknowledged(BTreeSet<String>),
    /// A notification, as a legacy client knows it.
    Notification(Vec<u8>),
    /// Nothing for a legacy client.
    Nothing,
}

impl Filter {
    /// The changes of lists that a server tells of; legacy clients hear of them without asking.
    pub fn of(offers: Offers) -> Self {
        Self {
            tools: offers.tools_changed,
            prompts: offers.prompts_changed,
            resources: offers.resources_changed,
            uris: BTreeSet::new(),
        }
    }

    /// Whether there is nothing to hear of.
    pub fn is_empty(&self) -> bool {
        !self.tools && !self.prompts && !self.resources && self.uris.is_empty()
    }

    /// How many resources are subscribed to.
    pub fn subscriptions(&self) -> usize {
        self.uris.len()
    }

    /// Adds a resource. False where it is there already.
    pub fn subscribe(&mut self, uri: &str) -> bool {
        self.uris.insert(uri.to_owned())
    }

    /// Takes a resource away. False where it is not there.
    pub fn unsubscribe(&mut self, uri: &str) -> bool {
        self.uris.remove(uri)
    }

    /// The request that asks for all of it.
    pub fn listen(&self, id: &[u8], client: &LegacyClient) -> Vec<u8> {
        let uris = (!self.uris.is_empty()).then(|| {
            let mut list = String::new();
            for uri in &self.uris {
                list.push(if list.is_empty() { '[' } else { ',' });
                write_string(uri, &mut list);
            }
            list + "]"
        });
        let yes = |wanted: bool| wanted.then_some(b"true".as_slice());
        let filter = Members::new()
            .add_some("toolsListChanged", yes(self.tools))
            .add_some("promptsListChanged", yes(self.prompts))
            .add_some("resourcesListChanged", yes(self.resources))
            .add_some("resourceSubscriptions", uris.as_deref().map(str::as_bytes))
            .finish();
        made(id, "subscriptions/listen", client, Some(("notifications", &filter)))
    }
}

/// What a message on the stream of a subscription means.
pub fn heard(message: &Message<'_>) -> Heard {
    if message.kind() != MessageKind::Notification {
        return Heard::Nothing;
    }
    match message.method_name() {
        Some("notifications/subscriptions/acknowledged") => Heard::Acknowledged(honoured(message)),
        Some(
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated",
        ) => Heard::Notification(without_subscription(message)),
        _ => Heard::Nothing,
    }
}

fn honoured(message: &Message<'_>) -> BTreeSet<String> {
    let filter = message.params().and_then(|params| params.get("notifications"));
    let uris = filter.and_then(|filter| filter.get("resourceSubscriptions")).and_then(Value::as_array);
    uris.unwrap_or_default().iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The notification without the id of the subscription, which legacy clients know nothing of.
fn without_subscription(message: &Message<'_>) -> Vec<u8> {
    if message.subscription_id().is_none() {
        return message.bytes().to_vec();
    }
    let body = message.body();
    let meta = message.params().and_then(|params| params.get("_meta"));
    let meta = Members::new().take(meta, body, |key| key != META_SUBSCRIPTION_ID);
    let params = Members::new().take(message.params(), body, |key| key != "_meta");
    let params = if meta.is_empty() { params } else { params.add("_meta", &meta.finish()) };
    with_envelope(message, &[("params", Cow::Owned(params.finish()))]).into_owned()
}
