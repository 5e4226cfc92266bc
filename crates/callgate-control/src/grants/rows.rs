//! Grants as answers and records show them: never a token, never a hash.

use crate::moment;
use callgate_store::{Grant, Origin, Stored};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Grant, example = json!({
    "id": "g_0123456789abcdef", "server": "kernel", "label": "laptop", "policy": "default", "tags": {"team": "a"},
    "created": "2026-11-22T09:00:00.000Z", "expires": null, "revoked": null, "previous_until": null,
    "last_used": null, "declared": false, "revision": 17
}))]
pub struct GrantRow {
    /// Its identity.
    pub id: String,
    /// The name of its server.
    pub server: String,
    /// Its label, unique among the live grants of its server.
    pub label: String,
    /// The name of its policy; null where it has none: then every call is denied.
    pub policy: Option<String>,
    /// Tags that rules can look at.
    pub tags: BTreeMap<String, String>,
    /// When it was minted.
    #[schema(format = DateTime)]
    pub created: String,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    pub expires: Option<String>,
    /// When it was revoked.
    #[schema(format = DateTime)]
    pub revoked: Option<String>,
    /// Until when the token before works, too, after a rotation.
    #[schema(format = DateTime)]
    pub previous_until: Option<String>,
    /// When it was last used, as far as the records tell.
    #[schema(format = DateTime)]
    pub last_used: Option<String>,
    /// Whether the configuration file keeps it: then only an edit of that file changes it.
    pub declared: bool,
    /// Its revision: the `ETag`, for `If-Match`.
    pub revision: i64,
}

/// What a grant's row needs beside the grant.
pub(super) struct Beside<'a> {
    /// The name of its server.
    pub(super) server: &'a str,
    /// The name of its policy.
    pub(super) policy: Option<String>,
    /// When it was last used.
    pub(super) used: Option<i64>,
    /// The time.
    pub(super) now: i64,
}

impl GrantRow {
    pub(super) fn of(grant: &Stored<Grant>, beside: Beside<'_>) -> Self {
        let Stored { record: grant, changed, .. } = grant;
        let Beside { server, policy, used, now } = beside;
        let previous = grant.previous.as_ref().map(|previous| previous.until).filter(|until| *until > now);
        Self {
            id: grant.id.clone(),
            server: server.to_owned(),
            label: grant.label.clone(),
            policy,
            tags: grant.tags.clone(),
            created: moment::rfc3339(grant.created),
            expires: grant.expires.map(moment::rfc3339),
            revoked: grant.revoked.map(moment::rfc3339),
            previous_until: previous.map(moment::rfc3339),
            last_used: used.map(moment::rfc3339),
            declared: grant.origin == Origin::File,
            revision: *changed,
        }
    }
}

/// A grant as records of changes show it.
pub(super) fn recorded(grant: &Grant, server: &str, policy: Option<&str>) -> Value {
    json!({
        "id": grant.id, "server": server, "label": grant.label, "policy": policy, "tags": grant.tags,
        "created": moment::rfc3339(grant.created), "expires": grant.expires.map(moment::rfc3339),
        "revoked": grant.revoked.map(moment::rfc3339),
        "previous_until": grant.previous.as_ref().map(|previous| moment::rfc3339(previous.until)),
    })
}
