//! From the store to the data plane: one immutable configuration after every change, once the journal has the change.
//!
//! Everything is read at one moment, then the journal gets all that waits for it, and only then the configuration is
//! published: what was read was committed before, so nothing applies that is not recorded.

mod organisation;
mod policies;

use crate::configuration::Configuration;
use crate::control::{ChangeLog, Control, Inner};
use crate::error::{Error, Kind};
use callgate_store::{Notifications, OutboxRow};
use organisation::{Published, Records};
use policies::Policies;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// What was published, and what it was made from.
#[derive(Default)]
pub(crate) struct Publisher {
    organisations: BTreeMap<String, Published>,
    policies: Policies,
    /// Something was read that is not published yet.
    unpublished: bool,
}

/// How soon it is tried again, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How soon one looks again whether a key that is missing is there.
const LOCKED: Duration = Duration::from_secs(30);

impl Control {
    /// Publishes what the store has now, once the journal has all of it: the next call sees it.
    pub async fn publish(&self) -> Result<(), Error> {
        let mut publisher = self.inner.publisher.lock().await;
        publisher.read(&self.inner).await?;
        self.drain().await?;
        publisher.publish(&self.inner);
        Ok(())
    }

    /// Why a policy that was never published can't be: every call under it is refused with this text. The store has no
    /// place for it; whoever finds the reason says it again after a start.
    pub async fn note_broken(&self, policy: &str, why: &str) -> Result<(), Error> {
        {
            let mut publisher = self.inner.publisher.lock().await;
            let Publisher { organisations, policies, unpublished } = &mut *publisher;
            policies.note_broken(policy, why);
            for organisation in organisations.values_mut() {
                *unpublished |= organisation.reconsider(policy, policies);
            }
        }
        self.publish().await
    }

    /// Moves what waits in the outbox into the journal, oldest first, and tells other processes of it. CG3115.
    async fn drain(&self) -> Result<(), Error> {
        loop {
            let rows = self.inner.store.outbox().await?;
            if rows.is_empty() {
                return Ok(());
            }
            let changes = Arc::clone(&self.inner.changes);
            let now = self.now();
            // The journal waits for its file, and nobody else should wait with it.
            let appended = tokio::task::spawn_blocking(move || append(&*changes, rows, now)).await;
            let (done, failure) = appended.map_err(|_| unrecorded("its task ended"))?;
            self.inner.store.outbox_done(&done).await?;
            for organisation in done.iter().map(|row| &*row.organisation).collect::<BTreeSet<_>>() {
                if let Err(error) = self.inner.store.notify(organisation).await {
                    tracing::warn!("other processes will see a change later: {error}");
                }
            }
            if let Some(why) = failure {
                return Err(unrecorded(&why));
            }
        }
    }
}

impl Publisher {
    /// Reads what changed since it was read last.
    async fn read(&mut self, inner: &Inner) -> Result<(), Error> {
        let mut changed = Vec::new();
        let mut view = inner.store.view().await?;
        for found in view.organisations().await? {
            let seen = self.organisations.get(&found.name).map(Published::seen);
            if seen != Some(found.generation) {
                let name = &found.name;
                let records = Records {
                    servers: view.changed_since(name, seen).await?,
                    policies: view.changed_since(name, seen).await?,
                    versions: view.in_force(name, seen).await?,
                    grants: view.changed_since(name, seen).await?,
                    definitions: view.changed_since(name, seen).await?,
                };
                changed.push((found, records));
            }
        }
        drop(view);
        let sealed = changed.iter().flat_map(|(_, records)| &records.servers).map(|stored| &stored.record);
        let mut sealed = sealed.filter(|server| !server.sealed.is_empty());
        let is_new = sealed.any(|server| !inner.vault.has(server.key_version));
        if (is_new || self.is_locked())
            && let Err(error) = inner.vault.reload(&inner.store).await
        {
            // What waits for its key was said when it began to.
            if is_new {
                tracing::error!("{error}");
            }
        }
        for organisation in self.organisations.values_mut() {
            self.unpublished |= organisation.unlock(&inner.vault);
        }
        for (found, records) in changed {
            let organisation = self.organisations.entry(found.name).or_insert_with_key(|name| Published::new(name));
            organisation.apply(found.generation, records, &mut self.policies, &inner.vault);
            self.unpublished = true;
        }
        self.policies.forget();
        Ok(())
    }

    /// Whether a server waits for the key of its credentials.
    fn is_locked(&self) -> bool {
        self.organisations.values().any(Published::is_locked)
    }

    fn publish(&mut self, inner: &Inner) {
        if !self.unpublished {
            return;
        }
        let organisations = self.organisations.values();
        let configuration = Configuration {
            servers: organisations.clone().flat_map(Published::servers).cloned().collect(),
            grants: organisations.clone().flat_map(Published::grants).cloned().collect(),
            definitions: organisations.flat_map(Published::definitions).collect(),
            by_token: OnceLock::new(),
        };
        inner.published.send_replace(Arc::new(configuration));
        self.unpublished = false;
    }
}

/// Publishes what others changed, and what could not be published at once. Ends with the control plane.
pub(crate) async fn keep(inner: Weak<Inner>, mut notifications: Notifications) {
    let Some(retry) = inner.upgrade().map(|inner| Arc::clone(&inner.retry)) else { return };
    let mut pause = None;
    let mut is_locked = match inner.upgrade() {
        Some(inner) => inner.publisher.lock().await.is_locked(),
        None => return,
    };
    loop {
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => tokio::select! {
                _ = notifications.next() => {}
                () = retry.notified() => {}
                () = tokio::time::sleep(LOCKED), if is_locked => {}
            },
        }
        let Some(inner) = inner.upgrade() else { return };
        let desk = Arc::clone(&inner.desk);
        let control = Control { inner };
        pause = match control.publish().await {
            Ok(()) => {
                // An answer may have been among what changed, or waited for the journal.
                desk.ring();
                None
            }
            Err(error) => {
                tracing::error!("what changed is not in force: {error}");
                Some(pause.map_or(PAUSES.0, |pause| PAUSES.1.min(pause * 2)))
            }
        };
        is_locked = control.inner.publisher.lock().await.is_locked();
    }
}

/// Appends row by row; those that are in the journal, and why the next one is not.
fn append(changes: &dyn ChangeLog, mut rows: Vec<OutboxRow>, now: i64) -> (Vec<OutboxRow>, Option<String>) {
    /// The moment of a change, of its body.
    #[derive(Deserialize)]
    struct Moment {
        at: i64,
    }
    let mut failure = None;
    let append = |row: &OutboxRow| {
        let at = serde_json::from_str(&row.body).map_or(now, |Moment { at }| at);
        changes.append_change(at, row.body.as_bytes())
    };
    let done = rows.iter().position(|row| {
        failure = append(row).err();
        failure.is_some()
    });
    if let Some(done) = done {
        rows.truncate(done);
    }
    (rows, failure)
}

fn unrecorded(why: &str) -> Error {
    let remedy = "correct what is named: it is tried again all the time";
    Error::new(Kind::Unavailable, "CG3115", format!("the journal does not take a change: {why}"), remedy)
}

#[cfg(test)]
mod tests;
