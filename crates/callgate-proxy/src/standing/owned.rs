//! Whose a thing is that a server gave an id to: a task, a visit to a URL.

use crate::results::Origin;
use callgate_policy::{GrantId, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

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
    known: HashMap<Box<str>, Known>,
    /// In the order in which they were learned.
    order: VecDeque<Box<str>>,
}

#[derive(Debug)]
struct Known {
    /// Until when it is good; for ever where there is none.
    end: Option<Timestamp>,
    /// The request that it was begun by, where somebody will ask.
    origin: Option<Arc<Origin>>,
}

impl Known {
    fn is_good(&self, now: Timestamp) -> bool {
        self.end.is_none_or(|end| end > now)
    }
}

impl Owned {
    /// Notes that this grant was given the id, good until `end`; for ever where there is none. What it was begun by is
    /// kept where nothing newer is said.
    pub(crate) fn learn(&self, grant: &GrantId, id: &str, end: Option<Timestamp>, origin: Option<Arc<Origin>>) {
        if id.len() > MAX_ID {
            return;
        }
        let mut by_grant = self.by_grant.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = by_grant.entry(grant.clone()).or_default();
        if let Some(known) = ids.known.get_mut(id) {
            known.end = end;
            known.origin = origin.or(known.origin.take());
            return;
        }
        ids.known.insert(id.into(), Known { end, origin });
        ids.order.push_back(id.into());
        while ids.order.len() > MAX_PER_GRANT {
            if let Some(oldest) = ids.order.pop_front() {
                ids.known.remove(&oldest);
            }
        }
    }

    /// Whether this grant was given the id, and it is still good.
    pub(crate) fn is_of(&self, grant: &GrantId, id: &str, now: Timestamp) -> bool {
        let by_grant = self.by_grant.lock().unwrap_or_else(PoisonError::into_inner);
        by_grant.get(grant).and_then(|ids| ids.known.get(id)).is_some_and(|known| known.is_good(now))
    }

    /// The request that this grant's id was begun by.
    pub(crate) fn origin(&self, grant: &GrantId, id: &str) -> Option<Arc<Origin>> {
        let by_grant = self.by_grant.lock().unwrap_or_else(PoisonError::into_inner);
        by_grant.get(grant)?.known.get(id)?.origin.clone()
    }

    /// Forgets the ids that are no longer good.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let mut by_grant = self.by_grant.lock().unwrap_or_else(PoisonError::into_inner);
        by_grant.retain(|_, ids| {
            ids.known.retain(|_, known| known.is_good(now));
            let Ids { known, order } = ids;
            order.retain(|id| known.contains_key(id));
            !known.is_empty()
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
        owned.learn(&one, "t", Some(Timestamp(10)), None);
        owned.learn(&one, "u", None, None);
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
        owned.learn(&other, "t", None, None);
        for number in 0..=MAX_PER_GRANT {
            owned.learn(&one, &number.to_string(), None, None);
        }
        assert!(owned.is_of(&other, "t", Timestamp(0)));
        assert!(!owned.is_of(&one, "0", Timestamp(0)) && owned.is_of(&one, "1", Timestamp(0)));
    }
}
