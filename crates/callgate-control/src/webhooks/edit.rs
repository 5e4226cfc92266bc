//! Adding endpoints, changing and removing them, and new secrets.

use super::requests::{NewWebhook, WebhookPatch, kinds};
use super::rows::{Rotated, WebhookRow, recorded};
use super::sealed::{Contents, opened};
use super::{address, sign};
use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::precondition::Precondition;
use crate::secret::Secret;
use crate::{moment, names};
use callgate_store::{Page, Server, Stored, Webhook};
use serde_json::{Value, json};

/// How many endpoints an organisation can have: each event is kept once for each.
const MOST: u32 = 100;

/// How many servers an endpoint can be limited to.
const MOST_SERVERS: usize = 1000;

/// How long a secret signs beside the one that replaced it, in milliseconds: 24 hours.
const OVERLAP: i64 = 24 * 3_600_000;

impl Control {
    /// Adds an endpoint; its secret is shown once. CG3102, CG3230, CG3232, CG3233.
    pub async fn add_webhook(&self, caller: &Caller, new: NewWebhook) -> Result<WebhookRow, Error> {
        let cleared = cleared(caller)?;
        names::label(&new.name)?;
        let kinds = kinds(new.events)?;
        let (url, origin, digest) = self.webhook_place(&new.url)?;
        let contents = Contents { url, secret: sign::new_secret()?, previous: None };
        let mut editing = self.edit(&cleared).await?;
        let all = editing.change.list::<Webhook>(&Page { limit: MOST, ..Page::default() }).await?;
        if u32::try_from(all.len()).unwrap_or(u32::MAX) >= MOST {
            let message = format!("the organisation has {MOST} webhooks already");
            return Err(Error::new(Kind::Conflict, "CG3233", message, "remove one first"));
        }
        let mut webhook = Webhook {
            id: names::new_id("w_")?,
            name: new.name,
            origin,
            digest,
            sealed: Vec::new(),
            key_version: 0,
            template: new.template.into(),
            kinds,
            servers: servers(&mut editing, new.servers).await?,
            include_arguments: new.include_arguments,
            created: editing.at(),
            disabled: None,
        };
        contents.keep(&mut webhook, editing.organisation(), &self.inner.vault)?;
        editing.change.insert(&webhook).await?;
        let (object, after) = (object(&webhook), recorded(&webhook));
        editing.step(Step { what: "webhook add", object, before: Value::Null, after }).await?;
        let stored = Stored { record: webhook, changed: editing.revision(), removed: None };
        editing.finish(self).await?;
        self.webhook_row(&cleared, &stored, Some(&contents.secret)).await
    }

    /// Changes an endpoint. CG3102, CG3118, CG3230, CG3231, CG3232.
    pub async fn edit_webhook(
        &self,
        caller: &Caller,
        wanted: &str,
        condition: Precondition,
        patch: WebhookPatch,
    ) -> Result<WebhookRow, Error> {
        let cleared = cleared(caller)?;
        let mut editing = self.edit(&cleared).await?;
        let before = found(&mut editing, wanted, condition).await?;
        let mut after = before.clone();
        if let Some(name) = patch.name {
            names::label(&name)?;
            after.name = name;
        }
        if let Some(words) = patch.events {
            after.kinds = kinds(words)?;
        }
        if let Some(named) = patch.servers {
            after.servers = servers(&mut editing, named).await?;
        }
        if let Some(enabled) = patch.enabled {
            after.disabled = (!enabled).then(|| before.disabled.unwrap_or_else(|| editing.at()));
        }
        after.template = patch.template.map_or(after.template, Into::into);
        after.include_arguments = patch.include_arguments.unwrap_or(after.include_arguments);
        if let Some(given) = patch.url {
            let contents = opened(self, &before, editing.organisation()).await?;
            let url;
            (url, after.origin, after.digest) = self.webhook_place(&given)?;
            Contents { url, ..contents }.keep(&mut after, editing.organisation(), &self.inner.vault)?;
        }
        editing.change.update(&after).await?;
        let step =
            Step { what: "webhook edit", object: object(&after), before: recorded(&before), after: recorded(&after) };
        editing.step(step).await?;
        let stored = Stored { record: after, changed: editing.revision(), removed: None };
        editing.finish(self).await?;
        self.webhook_row(&cleared, &stored, None).await
    }

    /// Removes an endpoint; what it was still to be told is not told. CG3118, CG3231.
    pub async fn remove_webhook(&self, caller: &Caller, wanted: &str, condition: Precondition) -> Result<(), Error> {
        let cleared = cleared(caller)?;
        let mut editing = self.edit(&cleared).await?;
        let webhook = found(&mut editing, wanted, condition).await?;
        let at = editing.at();
        editing.change.remove_webhook(&webhook.id, at).await?;
        let (object, before) = (object(&webhook), recorded(&webhook));
        editing.step(Step { what: "webhook remove", object, before, after: Value::Null }).await?;
        editing.finish(self).await
    }

    /// A new secret; the one before signs beside it for a day, so that the receiver can be changed meanwhile. CG3118,
    /// CG3231.
    pub async fn rotate_webhook(
        &self,
        caller: &Caller,
        wanted: &str,
        condition: Precondition,
    ) -> Result<Rotated, Error> {
        let cleared = cleared(caller)?;
        let mut editing = self.edit(&cleared).await?;
        let mut webhook = found(&mut editing, wanted, condition).await?;
        let until = editing.at().saturating_add(OVERLAP);
        let contents = opened(self, &webhook, editing.organisation()).await?.rotated(until)?;
        contents.keep(&mut webhook, editing.organisation(), &self.inner.vault)?;
        editing.change.update(&webhook).await?;
        let after = json!({ "previous_until": moment::rfc3339(until) });
        let step = Step { what: "webhook secret", object: object(&webhook), before: Value::Null, after };
        editing.step(step).await?;
        let revision = editing.revision();
        editing.finish(self).await?;
        let secret = contents.secret.reveal().to_owned();
        Ok(Rotated { secret, previous_until: moment::rfc3339(until), revision })
    }

    /// An address as it is used, and what is shown of it: its origin and a digest. CG3230.
    fn webhook_place(&self, given: &Secret) -> Result<(Secret, String, String), Error> {
        let parsed = address::parse(given.reveal())?;
        let origin = address::origin(&parsed);
        let url = Secret::new(parsed.into());
        // No bearer token holds a NUL, so this is no token's hash.
        let digest = self.inner.tokens.hash(&format!("webhook\0{}", url.reveal()));
        Ok((url, origin, digest.chars().take(16).collect()))
    }
}

/// What the journal calls an endpoint.
pub(super) fn object(webhook: &Webhook) -> String {
    format!("webhook/{}", webhook.name)
}

pub(super) fn cleared(caller: &Caller) -> Result<Cleared<'_>, Error> {
    caller.clear(Permission::ManageMembers, Scope::Organisation)
}

pub(super) fn missing() -> Error {
    Error::new(Kind::NotFound, "CG3231", "there is no such webhook", "`callgate webhook list` shows them")
}

async fn found(editing: &mut Editing<'_>, wanted: &str, condition: Precondition) -> Result<Webhook, Error> {
    let found = match editing.change.get::<Webhook>(wanted).await? {
        Some(found) => Some(found),
        None => editing.change.named::<Webhook>(None, wanted).await?,
    };
    let found = found.ok_or_else(missing)?;
    condition.check_update("the webhook", found.changed)?;
    Ok(found.record)
}

/// The identities of servers that a request names. CG3041.
async fn servers(editing: &mut Editing<'_>, named: Vec<String>) -> Result<Vec<String>, Error> {
    if named.len() > MOST_SERVERS {
        let message = format!("a webhook is for at most {MOST_SERVERS} servers");
        return Err(Error::new(Kind::Invalid, "CG3233", message, "name none, and it is for all of them"));
    }
    let mut servers = std::collections::BTreeSet::new();
    for name in named {
        let found = match editing.change.get::<Server>(&name).await? {
            Some(found) => Some(found),
            None => editing.change.named::<Server>(None, &name).await?,
        };
        let unknown = || {
            let message = format!("there is no server `{}`", name.chars().take(80).collect::<String>());
            Error::new(Kind::Invalid, "CG3041", message, "`callgate server list` shows them")
        };
        servers.insert(found.ok_or_else(unknown)?.record.id);
    }
    Ok(servers.into_iter().collect())
}
