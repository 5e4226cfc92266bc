//! What of an endpoint is a secret, between its record, where it is sealed, and whoever sends.

use super::sign;
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::vault::{Place, Vault};
use callgate_store::Webhook;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

/// What of an endpoint is a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    /// Its address: whoever has that of a chat's endpoint may write there.
    pub(super) url: Secret,
    /// What signs.
    pub(super) secret: Secret,
    /// What signed before a rotation.
    #[serde(default)]
    pub(super) previous: Option<Previous>,
}

/// What signed before a rotation, and still does for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Previous {
    /// The secret.
    pub(super) secret: Secret,
    /// Until when, milliseconds since the Unix epoch.
    pub(super) until: i64,
}

impl Place<'_> {
    /// The address and the secrets of an endpoint.
    pub(crate) fn of_webhook<'a>(organisation: &'a str, id: &'a str) -> Place<'a> {
        Place { organisation, table: "webhook", record: id, field: "contents" }
    }
}

impl Contents {
    /// Seals them into their record.
    pub(super) fn keep(&self, webhook: &mut Webhook, organisation: &str, vault: &Vault) -> Result<(), Error> {
        let previous = self.previous.as_ref();
        let previous = previous.map(|previous| json!({ "secret": previous.secret.reveal(), "until": previous.until }));
        let plain = json!({ "url": self.url.reveal(), "secret": self.secret.reveal(), "previous": previous });
        let plain = Zeroizing::new(plain.to_string());
        let sealed = vault.seal(Place::of_webhook(organisation, &webhook.id), plain.as_bytes())?;
        webhook.sealed = sealed.bytes;
        webhook.key_version = sealed.version;
        Ok(())
    }

    /// Everything that signs at a moment, the newest first.
    pub(super) fn secrets(&self, now: i64) -> impl Iterator<Item = &Secret> {
        let previous = self.previous.as_ref().filter(|previous| now < previous.until);
        std::iter::once(&self.secret).chain(previous.map(|previous| &previous.secret))
    }

    /// The same address, and a new secret; the one before signs too until a moment.
    pub(super) fn rotated(self, until: i64) -> Result<Self, Error> {
        Ok(Self { url: self.url, previous: Some(Previous { secret: self.secret, until }), secret: sign::new_secret()? })
    }
}

/// Opens what is sealed in a record; reads the keys again where it is sealed with a newer one. CG3103, CG3113, CG3114.
pub(super) async fn opened(control: &Control, webhook: &Webhook, organisation: &str) -> Result<Contents, Error> {
    let vault = &control.inner.vault;
    if !vault.has(webhook.key_version) {
        vault.reload(&control.inner.store).await?;
    }
    let plain = vault.open(Place::of_webhook(organisation, &webhook.id), webhook.key_version, &webhook.sealed)?;
    serde_json::from_slice(&plain).map_err(|_| {
        let message = format!("the record of the webhook `{}` can't be used", webhook.name);
        Error::new(Kind::Unavailable, "CG3103", message, "remove it and add it again, or restore a backup")
    })
}
