//! What was taken out of lists, recorded once per grant, policy and set of names: a client that asks every minute
//! hears the same every minute, and the journal needs it once.

use crate::gate::Gate;
use crate::judge::{Caller, about_nothing};
use callgate_decision::{About, WITHHELD_NAMES};
use callgate_mcp::ListKind;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

/// How many are remembered at least, and at most twice as many, with 8 bytes each.
const REMEMBERED: usize = 1 << 17;

/// What was recorded already.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    recorded: Mutex<Recorded>,
    hash: RandomState,
}

/// Two generations: once the younger one is full it is the older one, and what was the older one is forgotten.
#[derive(Debug, Default)]
struct Recorded {
    younger: HashSet<u64>,
    older: HashSet<u64>,
}

/// What the policy took out of the lists of one response.
pub(crate) struct Taken<'g> {
    gate: &'g Gate,
    lists: Vec<List>,
}

struct List {
    kind: ListKind,
    names: Vec<String>,
    count: u64,
    /// Of all names, in whatever order they stood.
    sum: u64,
}

impl<'g> Taken<'g> {
    /// Nothing yet.
    pub(crate) fn new(gate: &'g Gate) -> Self {
        Self { gate, lists: Vec::new() }
    }

    /// This entry is taken out.
    pub(crate) fn note(&mut self, kind: ListKind, name: &str) {
        let sum = self.gate.withheld.hash.hash_one(name);
        match self.lists.iter_mut().find(|list| list.kind == kind) {
            Some(list) => {
                if list.names.len() < WITHHELD_NAMES {
                    list.names.push(name.to_owned());
                }
                list.count += 1;
                list.sum = list.sum.wrapping_add(sum);
            }
            None => self.lists.push(List { kind, names: vec![name.to_owned()], count: 1, sum }),
        }
    }

    /// The lists pass: what was taken out of them is recorded, where it is news.
    pub(crate) fn record(self, caller: Caller<'_>) {
        let Withheld { recorded, hash } = &self.gate.withheld;
        for list in &self.lists {
            let entry = caller.entry;
            let digest = |attached: &crate::snapshot::AttachedPolicy| attached.digest.clone();
            let policies = (entry.policy.as_ref().map(digest), entry.baseline.as_ref().map(digest));
            let key = hash.hash_one((&entry.grant.id, policies, &entry.server.uuid, list.kind, list.count, list.sum));
            if !recorded.lock().unwrap_or_else(PoisonError::into_inner).is_news(key) {
                continue;
            }
            let about = About { method: list.kind.method().name().unwrap_or_default(), ..about_nothing(caller) };
            if !self.gate.decider.withheld(&about, &list.names, list.count) {
                // The next list tries again.
                recorded.lock().unwrap_or_else(PoisonError::into_inner).younger.remove(&key);
            }
        }
    }
}

impl Recorded {
    fn is_news(&mut self, key: u64) -> bool {
        if self.older.contains(&key) {
            return false;
        }
        if self.younger.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.younger);
            if self.older.contains(&key) {
                return false;
            }
        }
        self.younger.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED, Recorded};

    #[test]
    fn as_many_as_promised_are_remembered_and_no_more_than_twice_as_many() {
        let mut recorded = Recorded::default();
        let last = 3 * REMEMBERED as u64;
        for key in 0..last {
            assert!(recorded.is_news(key));
            assert!(recorded.younger.len() + recorded.older.len() <= 2 * REMEMBERED);
        }
        assert!((last - REMEMBERED as u64..last).all(|key| !recorded.is_news(key)));
        assert!(recorded.is_news(0), "what is long past is news again");
    }
}
