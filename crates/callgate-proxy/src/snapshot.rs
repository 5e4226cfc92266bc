//! The configuration that one moment's calls are judged by: immutable, published as a whole, never edited.

mod grants;

use crate::upstream::UpstreamConfig;
use callgate_policy::{Definition, Grant, GrantId, Organisation, Policy, ServerName, Timestamp};
use grants::Grants;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How the data plane receives its configuration. Publishing a new snapshot is the only way it changes.
pub type Snapshots = tokio::sync::watch::Receiver<Arc<Snapshot>>;

/// The secret under which bearer tokens are hashed, 32 random bytes of the data directory. A lookup by keyed digest
/// tells nothing about a token by its timing.
#[derive(Clone)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

impl TokenKey {
    /// The key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of a bearer token, as grants are stored and found.
    pub fn digest(&self, token: &[u8]) -> TokenDigest {
        TokenDigest(*blake3::keyed_hash(&self.0, token).as_bytes())
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// The keyed BLAKE3 digest of a bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 32]);

/// One upstream MCP server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// The organisation that it belongs to.
    pub organisation: Organisation,
    /// Its name, as in `/mcp/{name}`.
    pub name: ServerName,
    /// Its stable identity, as in `/mcp/{uuid}/`.
    pub uuid: Arc<str>,
    /// Where it is.
    pub upstream: UpstreamConfig,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Which era of the protocol it speaks.
    pub era: UpstreamEra,
    /// Who shares its process, where it is one.
    pub sharing: Sharing,
    /// How much of it may be in use at once.
    pub limits: ServerLimits,
    /// When the definitions of its tools are pinned.
    pub pinning: Pinning,
    /// What becomes of tools that a person has to look at first. They are never called.
    pub quarantine: Quarantine,
}

/// When a tool's definition is pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pinning {
    /// When it is listed for the first time.
    #[default]
    FirstSight,
    /// When a person has approved it; until then the tool is quarantined.
    Approval,
}

/// What becomes of a tool whose definition a person has to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quarantine {
    /// It is taken out of lists.
    #[default]
    Hide,
    /// It is listed as its server defines it now.
    Show,
}

/// The definitions of one server's tools that are pinned or quarantined.
#[derive(Debug, Default)]
pub struct Definitions {
    by_tool: HashMap<Box<str>, Pinned>,
}

/// What one tool is pinned as, or would be.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The definition; quarantined where a person has to look at it.
    pub definition: Arc<Definition>,
    /// The fingerprint of what the server listed last, where that is something else.
    pub candidate: Option<Box<str>>,
}

/// Which era of the protocol an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamEra {
    /// Found out by asking it.
    #[default]
    Auto,
    /// Sessions opened by `initialize`: 2025-11-25 and earlier.
    Legacy,
    /// Stateless: 2026-07-28 and later.
    Modern,
}

/// Who shares the process of a stdio upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Every legacy session has a process of its own; a grant's stateless calls share one.
    #[default]
    PerSession,
    /// One process for all that one grant does.
    PerGrant,
}

/// How much of an upstream may be in use at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Requests that are not answered yet; streams that wait for events are not counted.
    pub in_flight: usize,
    /// Child processes.
    pub processes: usize,
}

impl Default for ServerLimits {
    /// 1,024 requests and 256 processes.
    fn default() -> Self {
        Self { in_flight: 1024, processes: 256 }
    }
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to stand, TLS included.
    pub connect: Duration,
    /// Of silence while an answer is awaited or read. Streams that wait for events have none.
    pub silence: Duration,
    /// Without any traffic before a child process, or a session, ends.
    pub idle: Duration,
    /// From a call's leaving to its response, however much progress it makes; `None` for as long as it takes.
    pub call: Option<Duration>,
}

impl Default for Timeouts {
    /// 10 s, 300 s, 30 min, and no end for calls that go on.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(300),
            idle: Duration::from_secs(30 * 60),
            call: None,
        }
    }
}

/// A policy as it is attached to a grant.
#[derive(Clone, Debug)]
pub struct AttachedPolicy {
    /// The policy, compiled.
    pub policy: Arc<Policy>,
    /// The name that it was published under.
    pub name: Arc<str>,
    /// Its version, counted from 1 per name.
    pub version: u64,
    /// The digest of its document, as decisions are recorded with.
    pub digest: Arc<str>,
}

/// A grant: who may call one server, and under which policy.
#[derive(Clone, Debug)]
pub struct GrantEntry {
    /// The digest of its token.
    pub token: TokenDigest,
    /// The grant as rules see it: id, label, tags.
    pub grant: Grant,
    /// The one server that it is good for.
    pub server: Arc<ServerConfig>,
    /// Its policy. Without one, every `tools/call` is denied.
    pub policy: Option<AttachedPolicy>,
    /// The organisation's baseline policy, where it has one.
    pub baseline: Option<AttachedPolicy>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// Everything that the data plane knows at one moment.
#[derive(Debug)]
pub struct Snapshot {
    key: TokenKey,
    grants: Grants,
    servers: Vec<Arc<ServerConfig>>,
    definitions: HashMap<Arc<str>, Arc<Definitions>>,
}

impl Snapshot {
    /// A snapshot of these servers and grants. Of two grants with one token the later counts; of two with one id, which
    /// a grant has while its token is being replaced, the one that lasts longer, else the later. Grants that are the
    /// same as in the snapshot before are best given as the same `Arc`: nothing of them is copied.
    pub fn new<E: Into<Arc<GrantEntry>>>(
        key: TokenKey,
        servers: impl IntoIterator<Item = Arc<ServerConfig>>,
        grants: impl IntoIterator<Item = E>,
    ) -> Self {
        let grants = grants.into_iter().map(Into::into).collect();
        Self { key, grants, servers: servers.into_iter().collect(), definitions: HashMap::new() }
    }

    /// The same with what is known of the servers' tools, by the servers' identities.
    #[must_use]
    pub fn with_definitions(self, definitions: HashMap<Arc<str>, Arc<Definitions>>) -> Self {
        Self { definitions, ..self }
    }

    /// What is pinned of a server's tools.
    pub fn definitions(&self, server: &str) -> Option<&Arc<Definitions>> {
        self.definitions.get(server)
    }

    /// The grant that a bearer token stands for.
    pub fn grant(&self, token: &[u8]) -> Option<&Arc<GrantEntry>> {
        self.grants.by_token(&self.key.digest(token))
    }

    /// The grant that a bearer token with this digest stands for.
    pub(crate) fn grant_by_digest(&self, token: &TokenDigest) -> Option<&Arc<GrantEntry>> {
        self.grants.by_token(token)
    }

    /// The grant with this id.
    pub fn grant_by_id(&self, id: &GrantId) -> Option<&Arc<GrantEntry>> {
        self.grants.by_id(id)
    }

    /// The servers, in the order in which they were given.
    pub fn servers(&self) -> &[Arc<ServerConfig>] {
        &self.servers
    }
}

impl Definitions {
    /// The definition that is pinned or quarantined for a tool.
    pub fn of(&self, tool: &str) -> Option<&Arc<Definition>> {
        self.by_tool.get(tool).map(|pinned| &pinned.definition)
    }

    /// The same with what the server listed last.
    pub(crate) fn pinned(&self, tool: &str) -> Option<&Pinned> {
        self.by_tool.get(tool)
    }
}

impl Pinned {
    /// The fingerprint of what the server listed last.
    pub(crate) fn listed(&self) -> &str {
        self.candidate.as_deref().unwrap_or(&self.definition.fingerprint)
    }
}

impl FromIterator<Pinned> for Definitions {
    fn from_iter<I: IntoIterator<Item = Pinned>>(definitions: I) -> Self {
        let by_tool = definitions.into_iter().map(|one| (one.definition.name.as_str().into(), one)).collect();
        Self { by_tool }
    }
}

impl GrantEntry {
    /// Whether a decision by the other one would be the same: the same policies, the same grant, the same upstream.
    pub(crate) fn decides_like(&self, other: &Self) -> bool {
        let same = |one: &Option<AttachedPolicy>, other: &Option<AttachedPolicy>| match (one, other) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(&one.policy, &other.policy),
            _ => false,
        };
        same(&self.policy, &other.policy)
            && same(&self.baseline, &other.baseline)
            && (self.grant.label == other.grant.label && self.grant.tags == other.grant.tags)
            && (Arc::ptr_eq(&self.server, &other.server) || self.server == other.server)
    }

    /// Whether the grant has ended by `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}
