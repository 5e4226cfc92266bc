//! One organisation as it is published: what is as it was stays the same allocation.

use super::policies::{Policies, refused};
use crate::configuration::{
    PublishedDefinition, PublishedDefinitions, PublishedGrant, PublishedPolicy, PublishedServer,
};
use crate::servers;
use crate::vault::Vault;
use callgate_policy::{Category, Label, Policy};
use callgate_store::{Definition, DefinitionState, Grant, PolicyVersion, Server, Stored};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is published of one organisation.
pub(super) struct Published {
    name: Arc<str>,
    seen: i64,
    servers: HashMap<String, ServerEntry>,
    policies: HashMap<String, PolicyEntry>,
    /// The identity of the baseline policy.
    baseline: Option<String>,
    grants: HashMap<String, GrantEntry>,
    /// By the identities of the servers.
    definitions: HashMap<Arc<str>, Arc<PublishedDefinitions>>,
}

/// What changed in one organisation.
pub(super) struct Records {
    pub(super) servers: Vec<Stored<Server>>,
    pub(super) policies: Vec<Stored<callgate_store::Policy>>,
    /// The versions in force of these policies.
    pub(super) versions: Vec<Stored<PolicyVersion>>,
    pub(super) grants: Vec<Stored<Grant>>,
    pub(super) definitions: Vec<Stored<Definition>>,
}

struct ServerEntry {
    published: Arc<PublishedServer>,
    /// In place of every policy, where the server can't be used.
    refusal: Option<Arc<Policy>>,
    /// Its record, where the key of its credentials isn't there: it may come.
    locked: Option<Box<Server>>,
}

struct PolicyEntry {
    record: callgate_store::Policy,
    published: PublishedPolicy,
}

struct GrantEntry {
    /// The identity of its policy.
    policy: Option<String>,
    published: Arc<PublishedGrant>,
}

/// What grants have to be made anew for.
#[derive(Default)]
struct Touched {
    servers: HashSet<String>,
    policies: HashSet<String>,
    baseline: bool,
}

impl Published {
    /// Nothing of an organisation yet.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            seen: 0,
            servers: HashMap::new(),
            policies: HashMap::new(),
            baseline: None,
            grants: HashMap::new(),
            definitions: HashMap::new(),
        }
    }

    /// The generation that it is of.
    pub(super) fn seen(&self) -> i64 {
        self.seen
    }

    /// Its servers.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Arc<PublishedServer>> {
        self.servers.values().map(|entry| &entry.published)
    }

    /// Its grants.
    pub(super) fn grants(&self) -> impl Iterator<Item = &Arc<PublishedGrant>> {
        self.grants.values().map(|entry| &entry.published)
    }

    /// What the tools of its servers are pinned as.
    pub(super) fn definitions(&self) -> impl Iterator<Item = (Arc<str>, Arc<PublishedDefinitions>)> {
        self.definitions.iter().map(|(server, known)| (Arc::clone(server), Arc::clone(known)))
    }

    /// Takes in what changed.
    pub(super) fn apply(&mut self, generation: i64, records: Records, policies: &mut Policies, vault: &Vault) {
        let mut touched = Touched::default();
        for stored in records.servers {
            self.server(stored, vault, &mut touched);
        }
        let versions: HashMap<&str, &PolicyVersion> =
            records.versions.iter().map(|stored| (&*stored.record.policy, &stored.record)).collect();
        for stored in records.policies {
            let version = versions.get(&*stored.record.id).copied();
            self.policy(stored, version, policies, &mut touched);
        }
        // Before the grants: those that are made now need not be made twice.
        self.touch(&touched);
        for stored in records.grants {
            if stored.removed.is_some() || stored.record.revoked.is_some() {
                self.grants.remove(&stored.record.id);
            } else {
                self.grant(stored.record);
            }
        }
        for stored in records.definitions {
            self.definition(stored);
        }
        self.seen = generation;
    }

    /// Looks again at a policy that was never published; whether there is one.
    pub(super) fn reconsider(&mut self, policy: &str, policies: &mut Policies) -> bool {
        let Some(entry) = self.policies.get(policy).filter(|entry| entry.record.current == 0) else { return false };
        let stored = Stored { record: entry.record.clone(), changed: self.seen, removed: None };
        let mut touched = Touched::default();
        self.policy(stored, None, policies, &mut touched);
        self.touch(&touched);
        true
    }

    /// Whether a server waits for its key.
    pub(super) fn is_locked(&self) -> bool {
        self.servers.values().any(|entry| entry.locked.is_some())
    }

    /// Looks again at servers whose keys were not there and are now; whether there are any.
    pub(super) fn unlock(&mut self, vault: &Vault) -> bool {
        let mut locked = Vec::new();
        for entry in self.servers.values_mut() {
            locked.extend(entry.locked.take_if(|record| vault.has(record.key_version)));
        }
        let mut touched = Touched::default();
        let is_any = !locked.is_empty();
        for record in locked {
            self.server(Stored { record: *record, changed: self.seen, removed: None }, vault, &mut touched);
        }
        self.touch(&touched);
        is_any
    }

    fn server(&mut self, stored: Stored<Server>, vault: &Vault, touched: &mut Touched) {
        let record = stored.record;
        if stored.removed.is_some() {
            self.servers.remove(&record.id);
            self.definitions.remove(record.id.as_str());
            return;
        }
        let before = self.servers.get(&record.id);
        let is_locked = !record.sealed.is_empty() && !vault.has(record.key_version);
        let locked = is_locked.then(|| Box::new(record.clone()));
        let (target, refusal) = match servers::opened(&record, &self.name, vault) {
            Ok(target) => (target, None),
            // Without its credentials, and every call refused: the reason reaches whoever calls.
            Err(error) => (servers::bare(&record), Some(refused(&error.to_string()))),
        };
        let published = PublishedServer {
            organisation: Arc::clone(&self.name),
            name: record.name,
            id: before.map_or_else(|| record.id.as_str().into(), |before| Arc::clone(&before.published.id)),
            target,
            settings: record.settings,
        };
        let published = match before.map(|before| &before.published) {
            // The same server keeps the same identity, and with it its connections.
            Some(before) if **before == published => Arc::clone(before),
            _ => Arc::new(published),
        };
        if refusal.is_some() || before.is_some_and(|before| before.refusal.is_some()) {
            touched.servers.insert(record.id.clone());
        }
        self.servers.insert(record.id, ServerEntry { published, refusal, locked });
    }

    fn policy(
        &mut self,
        stored: Stored<callgate_store::Policy>,
        version: Option<&PolicyVersion>,
        policies: &mut Policies,
        touched: &mut Touched,
    ) {
        let record = stored.record;
        let is_baseline = record.server.is_none();
        touched.baseline |= is_baseline;
        touched.policies.insert(record.id.clone());
        if stored.removed.is_some() {
            self.baseline.take_if(|baseline| *baseline == record.id);
            self.policies.remove(&record.id);
            return;
        }
        let server = record.server.as_ref().and_then(|server| self.servers.get(server));
        let owner =
            server.map_or_else(|| "the organisation".to_owned(), |server| format!("`{}`", server.published.name));
        let published = policies.published(&record, version, &owner);
        if is_baseline {
            self.baseline = Some(record.id.clone());
        }
        self.policies.insert(record.id.clone(), PolicyEntry { record, published });
    }

    fn definition(&mut self, stored: Stored<Definition>) {
        let record = stored.record;
        let Some(server) = self.servers.get(&record.server) else { return };
        let known = Arc::make_mut(self.definitions.entry(Arc::clone(&server.published.id)).or_default());
        if stored.removed.is_some() {
            return known.forget(&record.tool);
        }
        let labels = |labels: Vec<String>| labels.iter().filter_map(|label| Label::parse(label)).collect();
        let candidate_bytes = record.candidate.as_ref().map_or(0, |candidate| candidate.definition.len());
        known.put(PublishedDefinition {
            tool: record.tool.into(),
            bytes: record.definition.len() + candidate_bytes,
            definition: record.definition,
            fingerprint: record.fingerprint,
            is_pending: record.state == DefinitionState::Pending,
            candidate: record.candidate.map(|candidate| candidate.fingerprint),
            category: record.category.as_deref().and_then(Category::parse),
            labels: record.labels.map(labels),
        });
    }

    fn grant(&mut self, record: Grant) {
        let Grant { id, server, label, policy, tags, token, previous, expires, .. } = record;
        let Some(token) = digest(&token) else {
            tracing::error!(grant = %id, "the hash of the grant's token can't be read; nobody can use the grant");
            self.grants.remove(&id);
            return;
        };
        let shared = self.servers.get(&server).map(|entry| Arc::clone(&entry.published.id));
        let server = shared.unwrap_or_else(|| server.into());
        let published = PublishedGrant {
            organisation: Arc::clone(&self.name),
            id: id.clone(),
            label,
            tags,
            token,
            previous: previous.and_then(|previous| Some((digest(&previous.token)?, previous.until))),
            expires,
            policy: self.attached(policy.as_deref(), &server),
            baseline: self.attached_baseline(),
            server,
        };
        self.grants.insert(id, GrantEntry { policy, published: Arc::new(published) });
    }

    /// Makes the grants anew that something else of theirs changed for.
    fn touch(&mut self, touched: &Touched) {
        if touched.servers.is_empty() && touched.policies.is_empty() && !touched.baseline {
            return;
        }
        let is_touched = |entry: &GrantEntry| {
            touched.baseline
                || entry.policy.as_ref().is_some_and(|policy| touched.policies.contains(policy))
                || (!touched.servers.is_empty() && touched.servers.contains(&*entry.published.server))
        };
        let mut grants = std::mem::take(&mut self.grants);
        for entry in grants.values_mut().filter(|entry| is_touched(entry)) {
            let before = &entry.published;
            let published = PublishedGrant {
                policy: self.attached(entry.policy.as_deref(), &before.server),
                baseline: self.attached_baseline(),
                ..PublishedGrant::clone(before)
            };
            entry.published = Arc::new(published);
        }
        self.grants = grants;
    }

    /// The policy of a grant.
    fn attached(&self, policy: Option<&str>, server: &str) -> Option<PublishedPolicy> {
        let policy = policy?;
        let refusal = self.servers.get(server).and_then(|server| server.refusal.as_ref());
        let published = match self.policies.get(policy) {
            Some(entry) => entry.published.clone(),
            None => PublishedPolicy { name: policy.into(), version: 0, policy: refused("the grant's policy is gone") },
        };
        Some(match refusal {
            Some(refusal) => PublishedPolicy { policy: Arc::clone(refusal), ..published },
            None => published,
        })
    }

    fn attached_baseline(&self) -> Option<PublishedPolicy> {
        let entry = self.policies.get(self.baseline.as_deref()?)?;
        Some(entry.published.clone())
    }
}

/// A keyed hash, read.
fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}
