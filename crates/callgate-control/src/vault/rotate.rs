//! Another key while serving: every secret is sealed anew, and what was sealed before stays readable all the time.

use super::{Keys, Place, Sealed, Vault};
use crate::approvals;
use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use callgate_store::{Page, Record, Server, Webhook};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// So many records are read at once.
const PAGE: u32 = 200;

/// What a rotation did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rotated {
    /// The version of the key that seals now.
    pub version: i64,
    /// How many records were sealed anew.
    pub resealed: u64,
    /// The servers (`ORGANISATION/NAME`) whose credentials can't be opened any more, and have to be set again; open
    /// questions whose arguments can't.
    pub unreadable: Vec<String>,
    /// The webhooks (`ORGANISATION/NAME`) whose addresses can't be opened any more, and have to be added again.
    pub unreadable_webhooks: Vec<String>,
    /// The versions that seal nothing any more. Keep them as long as there are backups that need them.
    pub no_longer_needed: Vec<i64>,
}

/// What is sealed in a record.
trait SealedRecord: Record {
    /// Where it belongs.
    fn place<'a>(organisation: &'a str, id: &'a str) -> Place<'a>;

    /// The version of its key, and the bytes; none where nothing is sealed.
    fn sealed(&mut self) -> (&mut i64, &mut Vec<u8>);
}

impl SealedRecord for Server {
    fn place<'a>(organisation: &'a str, id: &'a str) -> Place<'a> {
        Place::of_server(organisation, id)
    }

    fn sealed(&mut self) -> (&mut i64, &mut Vec<u8>) {
        (&mut self.key_version, &mut self.sealed)
    }
}

impl SealedRecord for Webhook {
    fn place<'a>(organisation: &'a str, id: &'a str) -> Place<'a> {
        Place::of_webhook(organisation, id)
    }

    fn sealed(&mut self) -> (&mut i64, &mut Vec<u8>) {
        (&mut self.key_version, &mut self.sealed)
    }
}

impl Place<'_> {
    /// The credentials of a server.
    pub(crate) fn of_server<'a>(organisation: &'a str, id: &'a str) -> Place<'a> {
        Place { organisation, table: "server", record: id, field: "credentials" }
    }
}

impl Control {
    /// Takes the newest key of the source, after adding one where that is a file, and seals all credentials of servers
    /// and all webhooks with it. May be broken off at any point and begun again: old keys stay in the source. CG3111 to
    /// CG3113, CG3119.
    pub async fn rotate_keys(&self, caller: &Caller) -> Result<Rotated, Error> {
        let cleared = caller.clear(Permission::ManageInstance, Scope::Organisation)?;
        let _alone = self.inner.rotating.lock().await;
        let mut in_use = self.key_versions().await?;
        let keys = self.newer_keys(&in_use).await?;
        if let Some(missing) = in_use.iter().find(|version| !keys.contains_key(version)) {
            return Err(self.inner.vault.source.missing(*missing));
        }
        in_use.extend(keys.keys());
        let before = self.inner.vault.version();
        self.inner.vault.take(&self.inner.store, keys).await?;
        let mut rotated = Rotated { version: self.inner.vault.version(), ..Rotated::default() };
        for organisation in self.inner.store.organisations().await? {
            self.reseal(&cleared, &organisation.name, &mut rotated).await?;
        }
        if rotated.resealed == 0 && rotated.version != before {
            // Nothing was sealed, and what is sealed next is with another key all the same.
            let mut editing = self.edit(&cleared).await?;
            editing.step(step(rotated.version, 0)).await?;
            editing.finish(self).await?;
        }
        let needed = self.key_versions().await?;
        in_use.remove(&rotated.version);
        rotated.no_longer_needed = in_use.difference(&needed).copied().collect();
        Ok(rotated)
    }

    /// The keys of the source, with one that nothing is sealed with yet.
    async fn newer_keys(&self, in_use: &BTreeSet<i64>) -> Result<Keys, Error> {
        let source = &self.inner.vault.source;
        let gone = || source.unusable("it is not there any more");
        let keys = source.read().await?.ok_or_else(gone)?;
        let highest = keys.last_key_value().map_or(0, |(version, _)| *version);
        let proven = Vault::proven(&self.inner.store).await?;
        if highest > proven {
            // Somebody put a new one there.
            return Ok(keys);
        }
        if source.add(proven.saturating_add(1))? {
            return source.read().await?.ok_or_else(gone);
        }
        if in_use.iter().all(|version| *version == highest) {
            let message = format!("there is no newer key than version {highest}, and everything is sealed with it");
            let remedy = "add a line with a higher version to where the key comes from (an environment variable is \
                          read at start), then ask again";
            return Err(Error::new(Kind::Conflict, "CG3119", message, remedy));
        }
        // A rotation that was broken off.
        Ok(keys)
    }

    /// The versions that something is sealed with.
    async fn key_versions(&self) -> Result<BTreeSet<i64>, Error> {
        let mut versions = BTreeSet::new();
        for organisation in self.inner.store.organisations().await? {
            let reads = self.inner.store.reads(&organisation.name);
            let servers = reads.changed_since::<Server>(None).await?;
            let sealed = servers.iter().map(|stored| &stored.record).filter(|server| !server.sealed.is_empty());
            versions.extend(sealed.map(|server| server.key_version));
            let webhooks = reads.changed_since::<Webhook>(None).await?;
            versions.extend(webhooks.iter().map(|stored| stored.record.key_version));
        }
        versions.extend(self.inner.store.approval_keys().await?);
        Ok(versions)
    }

    /// Seals the secrets of one organisation in one change.
    async fn reseal(&self, cleared: &Cleared<'_>, organisation: &str, rotated: &mut Rotated) -> Result<(), Error> {
        let mut editing = self.edit_in(cleared, organisation).await?;
        let mut resealed = self.reseal_all::<Server>(&mut editing, &mut rotated.unreadable).await?;
        resealed += self.reseal_all::<Webhook>(&mut editing, &mut rotated.unreadable_webhooks).await?;
        let (questions, unreadable) = approvals::reseal(&mut editing, &self.inner.vault).await?;
        resealed += questions;
        rotated.unreadable.extend(unreadable);
        if resealed == 0 {
            return Ok(());
        }
        rotated.resealed += resealed;
        editing.step(step(rotated.version, resealed)).await?;
        editing.finish(self).await
    }

    /// Seals all of one kind; how many that was. Those that can't be opened are named in `unreadable`.
    async fn reseal_all<R: SealedRecord>(
        &self,
        editing: &mut Editing<'_>,
        unreadable: &mut Vec<String>,
    ) -> Result<u64, Error> {
        let organisation = editing.organisation().to_owned();
        let newest = self.inner.vault.version();
        let (mut after, mut resealed) = (None, 0);
        loop {
            let page = editing.change.list::<R>(&Page { parent: None, after, limit: PAGE }).await?;
            let Some(last) = page.last() else { return Ok(resealed) };
            after = Some(last.record.id());
            for mut record in page.into_iter().map(|stored| stored.record) {
                let (version, bytes) = record.sealed();
                if bytes.is_empty() || *version == newest {
                    continue;
                }
                let id = record.id();
                let place = R::place(&organisation, &id);
                let (version, bytes) = record.sealed();
                let Some(sealed) = self.sealed_anew(place, *version, bytes)? else {
                    unreadable.push(format!("{organisation}/{}", record.name()));
                    continue;
                };
                (*version, *bytes) = (sealed.version, sealed.bytes);
                editing.change.update(&record).await?;
                resealed += 1;
            }
        }
    }

    /// The same, sealed with the key that seals now; `None` where it can't be opened.
    fn sealed_anew(&self, place: Place<'_>, version: i64, bytes: &[u8]) -> Result<Option<Sealed>, Error> {
        let vault = &self.inner.vault;
        let Ok(plain) = vault.open(place, version, bytes) else { return Ok(None) };
        vault.seal(place, &plain).map(Some)
    }
}

/// What the journal says about a rotation, of one organisation.
fn step(version: i64, resealed: u64) -> Step {
    let after = json!({ "version": version, "resealed": resealed });
    Step { what: "keys rotate", object: "keys".to_owned(), before: serde_json::Value::Null, after }
}
