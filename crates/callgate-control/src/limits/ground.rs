//! Which limits are in force where, in one organisation.

use crate::configuration::{Configuration, PublishedGrant, PublishedServer};
use callgate_policy::{CounterKey, LimitFacts, Policy, Scope};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The servers whose limits are seen, by identity.
pub(super) enum Seen {
    /// All of the organisation.
    All,
    /// These.
    Servers(BTreeSet<String>),
}

/// What is in force in one organisation.
pub(super) struct Ground<'c> {
    servers: HashMap<&'c str, &'c PublishedServer>,
    by_name: HashMap<&'c str, &'c PublishedServer>,
    grants: HashMap<&'c str, &'c PublishedGrant>,
    /// Those of the grants of each server, each once.
    policies: HashMap<&'c str, Vec<&'c Arc<Policy>>>,
}

/// A limit that bounds a counter, and where it is in force.
pub(super) struct Bound<'c> {
    pub(super) server: &'c PublishedServer,
    pub(super) grant: Option<&'c PublishedGrant>,
    pub(super) limit: LimitFacts<'c>,
}

impl Seen {
    /// Whether this server's are.
    pub(super) fn sees(&self, server: &str) -> bool {
        match self {
            Self::All => true,
            Self::Servers(servers) => servers.contains(server),
        }
    }
}

impl<'c> Ground<'c> {
    pub(super) fn of(configuration: &'c Configuration, organisation: &str) -> Self {
        let servers = configuration.servers.iter().filter(|server| &*server.organisation == organisation);
        let servers: HashMap<&str, &PublishedServer> = servers.map(|server| (&*server.id, &**server)).collect();
        let by_name = servers.values().map(|server| (server.name.as_str(), *server)).collect();
        let grants = configuration.grants.iter().filter(|grant| &*grant.organisation == organisation);
        let grants: HashMap<&str, &PublishedGrant> = grants.map(|grant| (grant.id.as_str(), &**grant)).collect();
        let mut policies: HashMap<&str, Vec<&Arc<Policy>>> = HashMap::new();
        for grant in grants.values() {
            let known = policies.entry(&grant.server).or_default();
            for policy in of_grant(grant) {
                if !known.iter().any(|other| Arc::ptr_eq(other, policy)) {
                    known.push(policy);
                }
            }
        }
        Self { servers, by_name, grants, policies }
    }

    /// The server with this name or identity.
    pub(super) fn server(&self, wanted: &str) -> Option<&'c PublishedServer> {
        self.by_name.get(wanted).or_else(|| self.servers.get(wanted)).copied()
    }

    /// The grant of a server with this label or identity.
    pub(super) fn grant(&self, server: &PublishedServer, wanted: &str) -> Option<&'c PublishedGrant> {
        let known = self.grants.get(wanted).copied().filter(|grant| grant.server == server.id);
        let labelled =
            || self.grants.values().find(|grant| grant.server == server.id && grant.label == wanted).copied();
        known.or_else(labelled)
    }

    /// The limits of a server with this rule's name.
    pub(super) fn ruled(&self, server: &PublishedServer, rule: &str) -> Vec<LimitFacts<'c>> {
        let policies = self.policies.get(&*server.id).into_iter().flatten();
        policies.flat_map(|policy| policy.limits()).filter(|limit| limit.rule().as_str() == rule).collect()
    }

    /// The limits that bound a counter.
    pub(super) fn bounds(&self, key: &CounterKey) -> Vec<Bound<'c>> {
        match key.scope {
            Scope::Grant => {
                let grant = self.grants.get(&*key.scope_id).copied();
                let Some((grant, server)) = grant.and_then(|grant| Some((grant, *self.servers.get(&*grant.server)?)))
                else {
                    return Vec::new();
                };
                let limits = of_grant(grant).flat_map(|policy| policy.limits());
                let limits = limits.filter(|limit| limit.bounds(key));
                limits.map(|limit| Bound { server, grant: Some(grant), limit }).collect()
            }
            Scope::Session | Scope::Server => {
                let server = key.server.as_ref().and_then(|name| self.by_name.get(name.as_str()));
                server.map(|server| self.at(server, key)).unwrap_or_default()
            }
            Scope::Identity | Scope::Organisation => {
                self.servers.values().flat_map(|server| self.at(server, key)).collect()
            }
        }
    }

    /// The limits of one server that bound a counter.
    fn at(&self, server: &'c PublishedServer, key: &CounterKey) -> Vec<Bound<'c>> {
        let policies = self.policies.get(&*server.id).into_iter().flatten();
        let limits = policies.flat_map(|policy| policy.limits()).filter(|limit| limit.bounds(key));
        limits.map(|limit| Bound { server, grant: None, limit }).collect()
    }
}

/// The policies that a grant's calls are decided by.
fn of_grant(grant: &PublishedGrant) -> impl Iterator<Item = &Arc<Policy>> {
    grant.baseline.iter().chain(&grant.policy).map(|published| &published.policy)
}
