//! What is configured at one moment, for the data plane: immutable, published as a whole.

use crate::target::Target;
use callgate_policy::Policy;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is configured at one moment, over all organisations.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The servers.
    pub servers: Vec<Arc<PublishedServer>>,
    /// The grants that are neither revoked nor removed.
    pub grants: Vec<Arc<PublishedGrant>>,
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
