//! Looking at endpoints, and at what they were told.

use super::edit::{cleared, missing};
use super::rows::{DeliveryRow, WebhookRow};
use crate::caller::{Caller, Cleared};
use crate::control::Control;
use crate::error::Error;
use crate::listing::{Listed, Part, ServerNames};
use crate::secret::Secret;
use callgate_store::{Page, Stored, Webhook};

impl Control {
    /// A part of the endpoints.
    pub async fn list_webhooks(&self, caller: &Caller, part: &Part) -> Result<Listed<WebhookRow>, Error> {
        let cleared = cleared(caller)?;
        let page = Page { parent: None, after: part.after.clone(), limit: part.limit.saturating_add(1) };
        let mut found = self.reads(&cleared).list::<Webhook>(&page).await?;
        let limit = usize::try_from(part.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.record.id.clone());
        let mut items = Vec::with_capacity(found.len());
        for stored in &found {
            items.push(self.webhook_row(&cleared, stored, None).await?);
        }
        Ok(Listed { items, next })
    }

    /// One endpoint, by identity or name. CG3231.
    pub async fn show_webhook(&self, caller: &Caller, wanted: &str) -> Result<WebhookRow, Error> {
        let cleared = cleared(caller)?;
        let stored = self.webhook(&cleared, wanted).await?;
        self.webhook_row(&cleared, &stored, None).await
    }

    /// What an endpoint was told and is to be told, the newest first. CG3231.
    pub async fn webhook_deliveries(
        &self,
        caller: &Caller,
        wanted: &str,
        part: &Part,
    ) -> Result<Listed<DeliveryRow>, Error> {
        let cleared = cleared(caller)?;
        let webhook = self.webhook(&cleared, wanted).await?.record;
        let before = part.after.as_deref().and_then(|after| after.parse().ok());
        let reads = self.reads(&cleared);
        let mut rows = reads.deliveries(&webhook.id, before, part.limit.saturating_add(1)).await?;
        let limit = usize::try_from(part.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| last.seq.to_string());
        Ok(Listed { items: rows.into_iter().map(Into::into).collect(), next })
    }

    /// An endpoint by identity or name. CG3231.
    pub(super) async fn webhook(&self, cleared: &Cleared<'_>, wanted: &str) -> Result<Stored<Webhook>, Error> {
        let reads = self.reads(cleared);
        let found = match reads.get(wanted).await? {
            Some(found) => Some(found),
            None => reads.named(None, wanted).await?,
        };
        found.ok_or_else(missing)
    }

    /// One endpoint as answers show it.
    pub(super) async fn webhook_row(
        &self,
        cleared: &Cleared<'_>,
        stored: &Stored<Webhook>,
        secret: Option<&Secret>,
    ) -> Result<WebhookRow, Error> {
        let mut names = ServerNames::new(self.reads(cleared));
        let mut servers = Vec::with_capacity(stored.record.servers.len());
        for server in &stored.record.servers {
            servers.push(names.of(server).await?);
        }
        Ok(WebhookRow::of(stored, servers, secret))
    }
}
