//! Whose a thing is that a server gave an id to: a task, a visit to a URL.

use callgate_policy::{GrantId, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Ids of one grant that are remembered; the oldest go first, so that no grant can make another one's be forgotten.
const MAX_PER_GRANT: usize = 4096;
/// Longer ids are not remembered, in bytes.
const MAX_ID: usize = 1024;

/// Ids, each with the grant that it was given to. Nothing of it outlives the process: what was begun before a restart
/// is nobody's afterwards.
#[derive(Debug, Default)]
pub(crate) struct Owned {
    by_grant: Mutex<HashMap<GrantId, Ids>>,
}

#[derive(Debug, Default)]
struct Ids {
    ends: HashMap<Box<str>, Option<Timestamp>>,
    /// In the order in which they were learned.
    order: VecDeque<Box<str>>,
}

impl Owned {
    /// Notes that this grant was given the id, good until `end`; for ever where there is none.
    pub(crate) fn learn(&self, grant: &GrantId, id: &str, end: Option<Timestamp>) {
        if id.len() > MAX_ID {
            return;
        }
        let mut by_grant = self.by_grant.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = by_grant.entry(grant.clone()).or_default();
        if ids.ends.insert(id.into(), end).is_some() {
            return;
        }
        ids.order.push_back(id.into());
        while ids.order.len() > MAX_PER_GRANT {
            if let Some(oldest) = ids.order.pop_front() {
                ids.ends.remove(&oldest);
            }
        }
    }

    /// Whether this grant was given the id, and it is still good.
    pub(crate) fn is_of(&self, grant: &GrantId, id: &str, now: Timestamp) -> bool {
        let by_grant = self.by_grant.lock().unwrap_or_else(PoisonError::into_inner);
        let end = by_grant.get(grant).and_then(|ids| ids.ends.get(id));
        end.is_some_and(|end| end.is_none_or(|end| end > now))
    }

    /// Forgets the ids that are no longer good.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let mut by_grant = self.by_grant.lock().unwrap_or_else(PoisonError::into_inner);
        by_grant.retain(|_, ids| {
            ids.ends.retain(|_, end| end.is_none_or(|end| end > now));
            let Ids { ends, order } = ids;
            order.retain(|id| ends.contains_key(id));
            !ends.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PER_GRANT, Owned};
    use callgate_policy::{GrantId, Timestamp};

    #[test]
    fn an_id_is_its_owners_until_it_ends() {
        let (one, other) = (GrantId::parse("g1").unwrap(), GrantId::parse("g2").unwrap());
        let owned = Owned::default();
        owned.learn(&one, "t", Some(Timestamp(10)));
        owned.learn(&one, "u", None);
        for (grant, id, now, expected) in
            [(&one, "t", 9, true), (&one, "t", 10, false), (&other, "t", 9, false), (&one, "u", 99, true)]
        {
            assert_eq!(owned.is_of(grant, id, Timestamp(now)), expected, "{id} at {now}");
        }
        owned.sweep(Timestamp(10));
        assert!(!owned.is_of(&one, "t", Timestamp(0)) && owned.is_of(&one, "u", Timestamp(0)));
    }

    #[test]
    fn one_grant_can_not_crowd_out_another() {
        let (one, other) = (GrantId::parse("g1").unwrap(), GrantId::parse("g2").unwrap());
        let owned = Owned::default();
        owned.learn(&other, "t", None);
        for number in 0..=MAX_PER_GRANT {
            owned.learn(&one, &number.to_string(), None);
        }
        assert!(owned.is_of(&other, "t", Timestamp(0)));
        assert!(!owned.is_of(&one, "0", Timestamp(0)) && owned.is_of(&one, "1", Timestamp(0)));
    }
}
