//! Webhooks and deliveries as answers and records of changes show them: without address and secret.

use super::requests::TemplateName;
use crate::moment;
use crate::secret::Secret;
use callgate_store::{Delivery, DeliveryState, Stored, Webhook};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// An endpoint, without its address and its secret.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookRow {
    /// Its identity.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// The origin of its address; the rest can be a secret.
    #[schema(example = "https://hooks.slack.com")]
    pub origin: String,
    /// A keyed digest of its address: tells two apart, and gives none away.
    pub digest: String,
    /// What its messages look like.
    pub template: TemplateName,
    /// What it is told of; everything where there is nothing.
    pub events: Vec<String>,
    /// The names of the servers that it is told about; all where there are none.
    pub servers: Vec<String>,
    /// Whether it gets the arguments of calls, where the rule that asks says so.
    pub include_arguments: bool,
    /// Whether it is told anything.
    pub enabled: bool,
    /// When it was added.
    #[schema(format = DateTime)]
    pub created: String,
    /// The revision: the `ETag`.
    pub revision: i64,
    /// What signs, in the answer that made it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A new secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub struct Rotated {
    /// What signs from now on; shown once.
    pub secret: String,
    /// Until when the one before signs too.
    #[schema(format = DateTime)]
    pub previous_until: String,
    /// The revision: the `ETag`.
    pub revision: i64,
}

/// What became of a message that somebody tried an endpoint with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub struct Tested {
    /// The identity of the event (`webhook-id`).
    pub event: String,
    /// Whether the endpoint took it.
    pub delivered: bool,
    /// The HTTP status, where it answered.
    pub status: Option<u16>,
    /// Why it did not; empty where it did.
    pub why: String,
}

/// An event, and what became of telling an endpoint of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryRow {
    /// The identity of the event (`webhook-id`).
    pub event: String,
    /// What happened.
    pub kind: String,
    /// When it happened.
    #[schema(format = DateTime)]
    pub at: String,
    /// How it stands: `waiting`, `delivered`, `given_up` or `dropped`.
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was tried last.
    #[schema(format = DateTime)]
    pub tried: Option<String>,
    /// When it is tried next, where it waits: not before those that are older.
    #[schema(format = DateTime)]
    pub next: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    pub ended: Option<String>,
    /// The HTTP status of the last answer.
    pub status: Option<i64>,
    /// Why the last attempt failed; empty where none did.
    pub why: String,
}

impl WebhookRow {
    pub(super) fn of(stored: &Stored<Webhook>, servers: Vec<String>, secret: Option<&Secret>) -> Self {
        let webhook = &stored.record;
        Self {
            id: webhook.id.clone(),
            name: webhook.name.clone(),
            origin: webhook.origin.clone(),
            digest: webhook.digest.clone(),
            template: webhook.template.into(),
            events: webhook.kinds.clone(),
            servers,
            include_arguments: webhook.include_arguments,
            enabled: webhook.disabled.is_none(),
            created: moment::rfc3339(webhook.created),
            revision: stored.changed,
            secret: secret.map(|secret| secret.reveal().to_owned()),
        }
    }
}

impl From<Delivery> for DeliveryRow {
    fn from(delivery: Delivery) -> Self {
        let waits = delivery.state == DeliveryState::Waiting;
        Self {
            event: delivery.event,
            kind: delivery.kind,
            at: moment::rfc3339(delivery.at),
            state: match delivery.state {
                DeliveryState::Waiting => "waiting",
                DeliveryState::Delivered => "delivered",
                DeliveryState::GivenUp => "given_up",
                DeliveryState::Dropped => "dropped",
            },
            attempts: delivery.attempts,
            tried: delivery.tried.map(moment::rfc3339),
            next: waits.then(|| moment::rfc3339(delivery.next)),
            ended: delivery.ended.map(moment::rfc3339),
            status: delivery.status,
            why: delivery.why,
        }
    }
}

/// As records of changes show it.
pub(super) fn recorded(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id, "name": webhook.name, "origin": webhook.origin, "digest": webhook.digest,
        "template": webhook.template, "events": webhook.kinds, "servers": webhook.servers,
        "include_arguments": webhook.include_arguments, "enabled": webhook.disabled.is_none(),
    })
}
