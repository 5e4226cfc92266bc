//! Policies as answers show them.

use super::Place;
use crate::document::ProblemRow;
use crate::moment;
use callgate_store::{Origin, Policy, PolicyVersion, Stored};
use serde::Serialize;
use utoipa::ToSchema;

/// A policy and the version of it that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Policy, example = json!({
    "server": "kernel", "name": "default", "version": 2, "digest": "0c6cf8…", "published": "2026-11-22T09:00:00.000Z",
    "repeats": null, "by": "member:ada@example.com", "declared": false, "revision": 17
}))]
pub struct PolicyRow {
    /// The name of its server; null for the organisation's baseline.
    pub server: Option<String>,
    /// Its name.
    pub name: String,
    /// The version in force, counted from 1; 0 while there is none: then every call under it is denied.
    pub version: i64,
    /// The BLAKE3 hash of the document, in hexadecimal.
    pub digest: Option<String>,
    /// When the version was published.
    #[schema(format = DateTime)]
    pub published: Option<String>,
    /// The earlier version that this one repeats, after a roll-back.
    pub repeats: Option<i64>,
    /// Who published it.
    pub by: Option<String>,
    /// Whether the configuration file keeps it: then only an edit of its file changes it.
    pub declared: bool,
    /// Its revision: the `ETag`, for `If-Match`.
    pub revision: i64,
}

/// A policy in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyListed {
    /// What is in force.
    #[serde(flatten)]
    pub policy: PolicyRow,
    /// How many grants carry it.
    pub grants: usize,
}

/// A policy with its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyShown {
    /// What is in force.
    #[serde(flatten)]
    pub policy: PolicyRow,
    /// The document, byte for byte as it was published.
    pub document: Option<String>,
    /// What is hardly meant in it as it is written.
    pub warnings: Vec<ProblemRow>,
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyVersion, example = json!({
    "server": "kernel", "name": "default", "version": 1, "digest": "0c6cf8…", "published": "2026-11-22T09:00:00.000Z",
    "repeats": null, "by": "member:ada@example.com"
}))]
pub struct VersionRow {
    /// The name of its server; null for the organisation's baseline.
    pub server: Option<String>,
    /// The name of the policy.
    pub name: String,
    /// Counted from 1.
    pub version: i64,
    /// The BLAKE3 hash of the document, in hexadecimal.
    pub digest: String,
    /// When it was published.
    #[schema(format = DateTime)]
    pub published: String,
    /// The earlier version that it repeats, after a roll-back.
    pub repeats: Option<i64>,
    /// Who published it.
    pub by: String,
}

/// One version of a policy with its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyVersionShown)]
pub struct VersionShown {
    /// Which one.
    #[serde(flatten)]
    pub version: VersionRow,
    /// The document, byte for byte as it was published.
    pub document: String,
    /// What is hardly meant in it as it is written, as this version of the gateway reads it; and why it could not be
    /// published again, where it could not.
    pub warnings: Vec<ProblemRow>,
}

impl PolicyRow {
    /// A policy and its version in force.
    pub(super) fn of(server: Option<&str>, policy: &Stored<Policy>, version: Option<&PolicyVersion>) -> Self {
        Self {
            server: server.map(str::to_owned),
            name: policy.record.name.clone(),
            version: policy.record.current,
            digest: version.map(|version| version.digest.clone()),
            published: version.map(|version| moment::rfc3339(version.at)),
            repeats: version.and_then(|version| version.repeats),
            by: version.map(|version| version.by.clone()),
            declared: policy.record.origin == Origin::File,
            revision: policy.changed,
        }
    }
}

impl VersionRow {
    /// One version.
    pub(super) fn of(place: &Place, version: &PolicyVersion) -> Self {
        Self {
            server: place.server_name().map(str::to_owned),
            name: place.name.clone(),
            version: version.version,
            digest: version.digest.clone(),
            published: moment::rfc3339(version.at),
            repeats: version.repeats,
            by: version.by.clone(),
        }
    }

    /// The same for records of changes.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
