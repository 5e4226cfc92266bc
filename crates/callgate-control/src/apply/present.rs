//! What is there, read within the change that may follow.

use crate::change::Editing;
use crate::error::Error;
use crate::servers;
use crate::settings::Settings;
use crate::target::Target;
use crate::vault::Vault;
use callgate_store::{Grant, Page, Policy, PolicyVersion, Server, Stored};
use std::collections::{BTreeMap, BTreeSet};

/// What the baseline is called in the store.
pub(super) const BASELINE: &str = "baseline";

/// So many records are read at once.
const CHUNK: u32 = 500;

/// Everything that an organisation has and that can be applied.
#[derive(Default)]
pub(super) struct Present {
    /// The servers by name.
    pub(super) servers: BTreeMap<String, PresentServer>,
    /// The policies by their server's identity (none for the baseline) and name.
    pub(super) policies: BTreeMap<(Option<String>, String), PresentPolicy>,
    /// The live grants by their server's identity and label.
    pub(super) grants: BTreeMap<(String, String), Grant>,
    /// The revisions of all of them, by their identities.
    pub(super) changed: BTreeMap<String, i64>,
    /// The identities that servers have or had.
    pub(super) used: BTreeSet<String>,
}

/// A server.
pub(super) struct PresentServer {
    pub(super) record: Server,
    /// Where it is, with its secrets; `None` where they can't be opened.
    pub(super) target: Option<Target>,
    pub(super) settings: Settings,
}

/// A policy and its version in force.
pub(super) struct PresentPolicy {
    pub(super) record: Policy,
    pub(super) version: Option<PolicyVersion>,
}

impl Present {
    /// Reads it.
    pub(super) async fn read(editing: &mut Editing<'_>, vault: &Vault) -> Result<Self, Error> {
        let organisation = editing.organisation().to_owned();
        let mut present = Self::default();
        for Stored { record, removed, changed } in editing.change.changed_since::<Server>(Some(-1)).await? {
            present.used.insert(record.id.clone());
            if removed.is_none() {
                present.changed.insert(record.id.clone(), changed);
                let target = servers::opened(&record, &organisation, vault).ok();
                let settings = serde_json::from_str(&record.settings).unwrap_or_default();
                present.servers.insert(record.name.clone(), PresentServer { record, target, settings });
            }
        }
        let mut after = None;
        loop {
            let page = Page { parent: None, after: after.take(), limit: CHUNK };
            let rows = editing.change.list::<Policy>(&page).await?;
            let full = rows.len() >= usize::try_from(CHUNK).unwrap_or(usize::MAX);
            after = rows.last().map(|row| row.record.id.clone());
            for Stored { record, changed, .. } in rows {
                present.changed.insert(record.id.clone(), changed);
                let number = record.current.to_string();
                let version = editing.change.named::<PolicyVersion>(Some(&record.id), &number).await?;
                let place = (record.server.clone(), record.name.clone());
                let version = version.map(|version| version.record);
                present.policies.insert(place, PresentPolicy { record, version });
            }
            if !full {
                break;
            }
        }
        for Stored { record, changed, .. } in editing.change.changed_since::<Grant>(None).await? {
            if record.revoked.is_none() {
                present.changed.insert(record.id.clone(), changed);
                present.grants.insert((record.server.clone(), record.label.clone()), record);
            }
        }
        Ok(present)
    }

    /// The name of a server, by its identity.
    pub(super) fn server_name<'a>(&'a self, id: &'a str) -> &'a str {
        let named = self.servers.values().find(|server| server.record.id == id);
        named.map_or(id, |server| server.record.name.as_str())
    }

    /// The name of a policy, by its identity.
    pub(super) fn policy_name(&self, id: &str) -> Option<&str> {
        let named = self.policies.values().find(|policy| policy.record.id == id);
        named.map(|policy| policy.record.name.as_str())
    }
}
