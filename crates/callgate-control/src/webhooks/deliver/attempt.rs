//! One attempt, and trying an endpoint by hand.

use super::super::edit::{cleared, object};
use super::super::event::{Happening, event};
use super::super::rows::Tested;
use super::super::{message, pause, sealed, sign};
use super::port::Post;
use crate::approvals::Sealed;
use crate::caller::{Caller, Permission, Scope, Who};
use crate::change::Step;
use crate::control::Control;
use crate::error::Error;
use callgate_store::{Claimed, Event, Role, Roles, Told, Waiting, Webhook};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long a claim lasts, in milliseconds: well over how long sending may take.
const LEASE: i64 = 60_000;

/// How long sending may take, whatever the port thinks.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why an endpoint did not take a message.
struct Refusal {
    status: Option<u16>,
    retry_after: Option<u64>,
    why: String,
}

impl Control {
    /// Sends what an endpoint is told next, and keeps what became of it; `false` where somebody else has it.
    pub(super) async fn attempt(
        &self,
        waiting: &Waiting,
        lease: &str,
        clock: &(dyn Fn() -> i64 + Send + Sync),
    ) -> Result<bool, Error> {
        let store = &self.inner.store;
        let now = clock();
        let claimed = store.claim_delivery(waiting, lease, now, now.saturating_add(LEASE)).await?;
        let Some(claimed) = claimed else { return Ok(false) };
        let event = &claimed.event;
        let Some(webhook) = store.reads(&event.organisation).get::<Webhook>(&claimed.webhook).await? else {
            // It was removed, and with it what it was to be told.
            return Ok(true);
        };
        let webhook = webhook.record;
        let sent = self.send(&webhook, event, now).await;
        let now = clock();
        let Refusal { status, retry_after, why } = match sent {
            Ok(status) => {
                store.told(&claimed, &Told::Delivered { status: status.into() }, now).await?;
                return Ok(true);
            }
            Err(refusal) => refusal,
        };
        let again = pause::again(&event.id, event.at, claimed.attempt, now, status, retry_after);
        let status = status.map(i64::from);
        let Some(at) = again else {
            self.give_up(&claimed, &webhook, status, why, now).await?;
            return Ok(true);
        };
        tracing::info!(webhook = %webhook.name, event = %event.id, "a webhook was not taken, it is sent again: {why}");
        store.told(&claimed, &Told::Again { at, status, why }, now).await?;
        Ok(true)
    }

    /// Sends a message that says nothing, and says what became of it. CG3231.
    pub async fn test_webhook(&self, caller: &Caller, wanted: &str) -> Result<Tested, Error> {
        let cleared = cleared(caller)?;
        let webhook = self.webhook(&cleared, wanted).await?.record;
        let now = self.now();
        let event = event(caller.organisation(), Happening::WebhookTest, None, now, Map::new())?;
        let (delivered, status, why) = match self.send(&webhook, &event, now).await {
            Ok(status) => (true, Some(status), String::new()),
            Err(Refusal { status, why, .. }) => (false, status, why),
        };
        Ok(Tested { event: event.id, delivered, status, why })
    }

    /// Sends one message; the status of a yes.
    async fn send(&self, webhook: &Webhook, event: &Event, now: i64) -> Result<u16, Refusal> {
        let post = self.post(webhook, event, now).await.map_err(|error| refusal(error.to_string()))?;
        let sent = tokio::time::timeout(PATIENCE, self.inner.outgoing.post(&post)).await;
        let posted = sent.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(refusal)?;
        let (status, retry_after) = (posted.status, posted.retry_after);
        match status {
            200..=299 => Ok(status),
            300..=399 => {
                let why = format!("it answered HTTP {status}, and redirects are not followed");
                Err(Refusal { status: Some(status), retry_after, why })
            }
            _ => Err(Refusal { status: Some(status), retry_after, why: format!("it answered HTTP {status}") }),
        }
    }

    /// The message, signed. CG3103, CG3113, CG3114.
    async fn post(&self, webhook: &Webhook, event: &Event, now: i64) -> Result<Post, Error> {
        let contents = sealed::opened(self, webhook, &event.organisation).await?;
        let asked = self.asked_with(webhook, event).await?;
        let body = message::body(webhook.template, event, &self.base(), asked.as_ref());
        let seconds = now.div_euclid(1_000);
        let signature = sign::signature(contents.secrets(now), &event.id, seconds, &body)?;
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", concat!("callgate/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("webhook-id", event.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ];
        Ok(Post { url: contents.url, headers, body })
    }

    /// What is sealed of the question that an event is about, where both the endpoint and the rule allow it, and as long
    /// as it is open. CG3113, CG3114.
    async fn asked_with(&self, webhook: &Webhook, event: &Event) -> Result<Option<Sealed>, Error> {
        let Some(id) = message::approval(event).filter(|_| webhook.include_arguments) else { return Ok(None) };
        let Some(row) = self.inner.store.reads(&event.organisation).approval(&id).await? else { return Ok(None) };
        let sealed = self.unseal(&event.organisation, &row).await?;
        Ok(sealed.filter(|sealed| sealed.include_arguments))
    }

    /// Gives a delivery up, on record. CG3235.
    async fn give_up(
        &self,
        claimed: &Claimed,
        webhook: &Webhook,
        status: Option<i64>,
        why: String,
        now: i64,
    ) -> Result<(), Error> {
        let event = &claimed.event;
        let roles = Roles { organisation: Some(Role::Admin), ..Roles::default() };
        let caller = Caller::new(&event.organisation, Who::Gateway, roles, false);
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let mut editing = self.edit(&cleared).await?;
        let after = json!({
            "event": event.id, "kind": event.kind, "attempts": claimed.attempt, "status": status, "why": why,
        });
        tracing::warn!(
            webhook = %webhook.name, event = %event.id, kind = %event.kind,
            "a webhook was not taken, and is not sent again: {why} [CG3235]"
        );
        if !editing.change.told(claimed, &Told::GivenUp { status, why }, now).await? {
            return Ok(());
        }
        let step = Step { what: "webhook give_up", object: object(webhook), before: Value::Null, after };
        editing.step(step).await?;
        editing.finish(self).await
    }
}

fn refusal(why: String) -> Refusal {
    Refusal { status: None, retry_after: None, why }
}
