//! What is kept, as values: one structure per table.

mod definition;
mod webhook;

pub use definition::{Candidate, Definition, DefinitionState};
pub use webhook::{Template, Webhook};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An organisation: the outermost boundary. Its name is its identity and never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationRecord {
    /// Its name (a `callgate_policy::Organisation`).
    pub name: String,
    /// Counts its changes.
    pub generation: i64,
    /// When it was made, milliseconds since the Unix epoch.
    pub created: i64,
}

/// Who keeps an object as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// People, through the API.
    Manual,
    /// The configuration file: only an edit of that file changes it.
    File,
    /// `callgate apply`: it may be pruned by it.
    Apply,
}

/// A registered MCP server.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Its identity: a UUID.
    pub id: String,
    /// Its name, unique in its organisation.
    pub name: String,
    /// Where it is, without secrets, as JSON.
    pub target: String,
    /// The values of its headers or variables as JSON, sealed; empty where it has none.
    pub sealed: Vec<u8>,
    /// The version of the key that they are sealed with.
    pub key_version: i64,
    /// How it is treated, as JSON.
    pub settings: String,
    /// Who keeps it.
    pub origin: Origin,
    /// When it was registered, milliseconds since the Unix epoch.
    pub created: i64,
}

/// A policy: a name with versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its identity: `p_` and random digits.
    pub id: String,
    /// The identity of its server; `None` for the organisation's baseline.
    pub server: Option<String>,
    /// Its name, unique for its server.
    pub name: String,
    /// The version in force, counted from 1; 0 while nothing was published that could be.
    pub current: i64,
    /// Who keeps it.
    pub origin: Origin,
    /// When it was made, milliseconds since the Unix epoch.
    pub created: i64,
}

/// One immutable version of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// The identity of the policy.
    pub policy: String,
    /// Counted from 1 per policy.
    pub version: i64,
    /// The document, byte for byte as it was published.
    pub document: String,
    /// The BLAKE3 hash of the document, in hexadecimal.
    pub digest: String,
    /// The version that it repeats, after a roll-back.
    pub repeats: Option<i64>,
    /// Who published it, as the change record says it.
    pub by: String,
    /// When, milliseconds since the Unix epoch.
    pub at: i64,
}

/// A grant: a labelled bearer token for exactly one server.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its identity: `g_` and random digits.
    pub id: String,
    /// The identity of its server.
    pub server: String,
    /// Its label, unique among the live grants of its server.
    pub label: String,
    /// The identity of its policy; without one every call is denied.
    pub policy: Option<String>,
    /// Tags that rules can look at.
    pub tags: BTreeMap<String, String>,
    /// The keyed hash of its token, in hexadecimal; unique over all organisations.
    pub token: String,
    /// The token before, while it still works.
    pub previous: Option<PreviousToken>,
    /// Who keeps it.
    pub origin: Origin,
    /// When it was minted, milliseconds since the Unix epoch.
    pub created: i64,
    /// When it ends by itself.
    pub expires: Option<i64>,
    /// When it was revoked.
    pub revoked: Option<i64>,
    /// Who minted it: the identity of a member or an API token, or what else stands in change records. `None` for
    /// grants that are older than this field.
    pub minted_by: Option<String>,
    /// Who got its token, where that is not the first one: whoever rotated it last, or applied another.
    pub rotated_by: Option<String>,
}

/// The token that a rotation replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct PreviousToken {
    /// Its keyed hash, in hexadecimal.
    pub token: String,
    /// When it stops working, milliseconds since the Unix epoch.
    pub until: i64,
    /// Who got it; `None` where that is not known.
    pub holder: Option<String>,
}

impl Grant {
    /// Who got its token, where that is known.
    pub fn holder(&self) -> Option<&str> {
        self.rotated_by.as_deref().or(self.minted_by.as_deref())
    }
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads servers, policies, grant labels and decisions.
    Viewer,
    /// Also creates, edits, deletes, attaches and detaches policies, and decides approvals.
    PolicyManager,
    /// Also handles servers, upstream credentials, grants and members, and reads the change log.
    Admin,
}

/// The roles of one member or API token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// In the whole organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Role>,
    /// For single servers, by their identity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, Role>,
}

/// A person who signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    /// Its identity: `m_` and random digits.
    pub id: String,
    /// What it signs in with, lower case: an e-mail address or a name; unique in its organisation.
    pub login: String,
    /// How it is shown.
    pub name: String,
    /// What it may do.
    pub roles: Roles,
    /// The argon2id hash of its password, in PHC form.
    pub password: Option<String>,
    /// When it was added, milliseconds since the Unix epoch.
    pub created: i64,
    /// When it was shut out, where it was.
    pub disabled: Option<i64>,
}

/// What a credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A one-time link that signs a member in.
    Link,
    /// A signed-in member.
    Session,
    /// A token for automation, with roles of its own.
    Token,
}

/// Something secret that stands for a caller; only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its identity, which is no secret: `c_` and random digits.
    pub id: String,
    /// The keyed hash of the secret, in hexadecimal; unique over all organisations.
    pub hash: String,
    /// What it is good for.
    pub kind: CredentialKind,
    /// The member that it signs in; `None` for tokens.
    pub member: Option<String>,
    /// What a token is called; empty for the others.
    pub label: String,
    /// The roles of a token; empty for the others, which have their member's.
    pub roles: Roles,
    /// Whether it may handle the whole instance: organisations, keys, backups.
    pub instance: bool,
    /// The keyed hash of the session's CSRF token, in hexadecimal; empty for the others.
    pub csrf: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub created: i64,
    /// When it ends, where it does by itself.
    pub expires: Option<i64>,
    /// When it was last used, to the minute.
    pub used: Option<i64>,
}
