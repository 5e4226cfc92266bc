//! The grants of one moment, found by token and by id. A hundred thousand of them are two pointers each.

use super::{GrantEntry, TokenDigest};
use callgate_policy::{GrantId, Timestamp};
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// The grants of one moment.
#[derive(Debug, Default)]
pub(super) struct Grants {
    by_token: HashSet<ByToken, BuildHasherDefault<OfDigest>>,
    by_id: HashSet<ById>,
}

/// A grant, known by its token.
#[derive(Debug)]
struct ByToken(Arc<GrantEntry>);

/// A grant, known by its id.
#[derive(Debug)]
struct ById(Arc<GrantEntry>);

/// What a digest is hashed to: its first bytes. They are random to everybody without the key.
#[derive(Debug, Default)]
struct OfDigest(u64);

impl Grants {
    pub(super) fn by_token(&self, token: &TokenDigest) -> Option<&Arc<GrantEntry>> {
        self.by_token.get(token).map(|one| &one.0)
    }

    pub(super) fn by_id(&self, id: &GrantId) -> Option<&Arc<GrantEntry>> {
        self.by_id.get(id).map(|one| &one.0)
    }

    fn add(&mut self, entry: Arc<GrantEntry>) {
        let ends = |entry: &GrantEntry| entry.expires.unwrap_or(Timestamp(i64::MAX));
        if self.by_id(&entry.grant.id).is_none_or(|known| ends(known) <= ends(&entry)) {
            self.by_id.replace(ById(Arc::clone(&entry)));
        }
        self.by_token.replace(ByToken(entry));
    }
}

impl FromIterator<Arc<GrantEntry>> for Grants {
    fn from_iter<I: IntoIterator<Item = Arc<GrantEntry>>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut grants = Self::default();
        grants.by_token.reserve(entries.size_hint().0);
        grants.by_id.reserve(entries.size_hint().0);
        entries.for_each(|entry| grants.add(entry));
        grants
    }
}

impl Hasher for OfDigest {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_ne_bytes(*first));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Without its length, which is always the same.
        state.write(&self.0);
    }
}

impl Borrow<TokenDigest> for ByToken {
    fn borrow(&self) -> &TokenDigest {
        &self.0.token
    }
}

impl Hash for ByToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.token.hash(state);
    }
}

impl PartialEq for ByToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.token == other.0.token
    }
}

impl Eq for ByToken {}

impl Borrow<GrantId> for ById {
    fn borrow(&self) -> &GrantId {
        &self.0.grant.id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.grant.id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.grant.id == other.0.grant.id
    }
}

impl Eq for ById {}

#[cfg(test)]
mod tests {
    use super::super::{Snapshot, TokenKey};
    use super::*;
    use crate::snapshot::{ServerConfig, ServerLimits, Sharing, Timeouts, UpstreamEra};
    use crate::upstream::{HttpUpstream, UpstreamConfig};
    use callgate_policy::{Grant, Organisation, ServerName};
    use std::collections::BTreeMap;

    fn server() -> Arc<ServerConfig> {
        Arc::new(ServerConfig {
            organisation: Organisation::parse("home").unwrap(),
            name: ServerName::parse("one").unwrap(),
            uuid: "u".into(),
            upstream: UpstreamConfig::Http(HttpUpstream::parse("http://localhost/mcp", &[]).unwrap()),
            timeouts: Timeouts::default(),
            era: UpstreamEra::default(),
            sharing: Sharing::default(),
            limits: ServerLimits::default(),
            pinning: Default::default(),
            quarantine: Default::default(),
        })
    }

    fn entry(server: &Arc<ServerConfig>, token: &str, id: &str, expires: Option<i64>) -> GrantEntry {
        GrantEntry {
            token: TokenKey::new([1; 32]).digest(token.as_bytes()),
            grant: Grant { id: GrantId::parse(id).unwrap(), label: token.to_owned(), tags: BTreeMap::new() },
            server: Arc::clone(server),
            policy: None,
            baseline: None,
            expires: expires.map(Timestamp),
        }
    }

    #[test]
    fn a_grant_is_found_by_each_of_its_tokens_and_by_its_id_as_the_one_that_lasts() {
        let server = server();
        let id = GrantId::parse("g").unwrap();
        for (first, second, expected) in [
            ((None, "new"), (Some(5), "old"), "new"),
            ((Some(5), "old"), (None, "new"), "new"),
            ((Some(5), "old"), (Some(9), "new"), "new"),
            ((None, "old"), (None, "new"), "new"),
        ] {
            let grants = [first, second].map(|(ends, token)| entry(&server, token, "g", ends));
            let snapshot = Snapshot::new(TokenKey::new([1; 32]), [Arc::clone(&server)], grants);
            assert_eq!(snapshot.grant_by_id(&id).unwrap().grant.label, expected);
            for token in ["old", "new"] {
                assert_eq!(snapshot.grant(token.as_bytes()).unwrap().grant.label, token);
            }
            assert!(snapshot.grant(b"other").is_none());
        }
    }

    #[test]
    fn what_is_shared_is_not_copied() {
        let server = server();
        let grants: Vec<_> =
            (0..1000).map(|n| Arc::new(entry(&server, &format!("t{n}"), &format!("g{n}"), None))).collect();
        let snapshot = Snapshot::new(TokenKey::new([1; 32]), [server], grants.iter().cloned());
        for (n, grant) in grants.iter().enumerate() {
            assert!(Arc::ptr_eq(snapshot.grant(format!("t{n}").as_bytes()).unwrap(), grant));
            assert!(Arc::ptr_eq(snapshot.grant_by_id(&grant.grant.id).unwrap(), grant));
        }
    }
}
