//! What is configured at one moment, for the data plane: immutable, published as a whole.

use crate::target::Target;
use callgate_policy::{Category, Label, Policy};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// Everything that is configured at one moment, over all organisations.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The servers.
    pub servers: Vec<Arc<PublishedServer>>,
    /// The grants that are neither revoked nor removed.
    pub grants: Vec<Arc<PublishedGrant>>,
    /// What the tools of the servers are pinned as, by the servers' identities.
    pub definitions: HashMap<Arc<str>, Arc<PublishedDefinitions>>,
    /// The places of grants by the hashes of their tokens, those before included: made when one is first looked for.
    pub(crate) by_token: OnceLock<HashMap<[u8; 32], usize>>,
}

impl Configuration {
    /// The live grant whose token has this hash, at this time (milliseconds since the Unix epoch).
    pub(crate) fn grant_of(&self, token: &[u8; 32], now: i64) -> Option<&Arc<PublishedGrant>> {
        let places = self.by_token.get_or_init(|| {
            let grants = || self.grants.iter().enumerate();
            let before = grants().filter_map(|(place, grant)| Some((grant.previous?.0, place)));
            before.chain(grants().map(|(place, grant)| (grant.token, place))).collect()
        });
        let grant = self.grants.get(*places.get(token)?)?;
        let works = grant.token == *token || grant.previous.is_some_and(|(hash, until)| until > now && hash == *token);
        Some(grant).filter(|grant| works && grant.expires.is_none_or(|end| end > now))
    }
}

/// What the tools of one server are pinned as.
#[derive(Clone, Debug, Default)]
pub struct PublishedDefinitions {
    /// By the tools' names.
    pub by_tool: HashMap<Arc<str>, Arc<PublishedDefinition>>,
    /// The length of all definitions together, in bytes.
    pub(crate) bytes: usize,
}

/// What one tool is pinned as, or would be.
#[derive(Debug, PartialEq)]
pub struct PublishedDefinition {
    /// The tool's name.
    pub tool: Arc<str>,
    /// The definition, the JSON text as the server listed it.
    pub definition: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Whether nobody has approved it yet, which somebody has to.
    pub is_pending: bool,
    /// The fingerprint of what the server lists now, where that is something else.
    pub candidate: Option<String>,
    /// The category that a person set.
    pub category: Option<Category>,
    /// The labels that a person set.
    pub labels: Option<Vec<Label>>,
    /// The length of definition and candidate together, in bytes.
    pub(crate) bytes: usize,
}

impl PublishedDefinition {
    /// Whether a person has to look at it before it is called.
    pub fn is_quarantined(&self) -> bool {
        self.is_pending || self.candidate.is_some()
    }

    /// The fingerprint of what the server listed last.
    pub fn listed(&self) -> &str {
        self.candidate.as_deref().unwrap_or(&self.fingerprint)
    }
}

impl PublishedDefinitions {
    /// Takes one in, in place of the one before.
    pub(crate) fn put(&mut self, definition: PublishedDefinition) {
        self.bytes += definition.bytes;
        let before = self.by_tool.insert(Arc::clone(&definition.tool), Arc::new(definition));
        self.bytes -= before.map_or(0, |before| before.bytes);
    }

    /// Forgets one.
    pub(crate) fn forget(&mut self, tool: &str) {
        self.bytes -= self.by_tool.remove(tool).map_or(0, |before| before.bytes);
    }
}

/// A server, with its secrets.
#[derive(Debug, PartialEq)]
pub struct PublishedServer {
    /// Its organisation.
    pub organisation: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its identity, a UUID.
    pub id: Arc<str>,
    /// Where it is.
    pub target: Target,
    /// How it is treated, as JSON (`settings` of the API).
    pub settings: String,
}

/// A grant.
#[derive(Clone, Debug)]
pub struct PublishedGrant {
    /// Its organisation.
    pub organisation: Arc<str>,
    /// Its identity.
    pub id: String,
    /// Its label.
    pub label: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The identity of its server.
    pub server: Arc<str>,
    /// The keyed hash of its token.
    pub token: [u8; 32],
    /// The hash of the token before, and until when it works (milliseconds since the Unix epoch).
    pub previous: Option<([u8; 32], i64)>,
    /// When it ends by itself, milliseconds since the Unix epoch.
    pub expires: Option<i64>,
    /// Its policy; without one every call is denied.
    pub policy: Option<PublishedPolicy>,
    /// The organisation's baseline policy.
    pub baseline: Option<PublishedPolicy>,
}

/// A policy in force.
#[derive(Clone, Debug)]
pub struct PublishedPolicy {
    /// Its name.
    pub name: Arc<str>,
    /// Its version, from 1.
    pub version: u64,
    /// The policy, compiled; one that refuses everything where it can't be used.
    pub policy: Arc<Policy>,
}
