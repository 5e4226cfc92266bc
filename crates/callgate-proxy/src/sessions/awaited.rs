//! Of what the answers in a session are: a stream that is taken up again brings them to nobody in particular.

use crate::results::Inspected;
use callgate_mcp::RequestId;
use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

/// Requests that are remembered as they were; the oldest go first.
const MAX_RECENT: usize = 256;
/// Requests of which only the id is remembered: that rules may have looked at an answer with it.
const MAX_OLD: usize = 8_192;

/// What was asked in a session while there were rules over results. An id that was used for two requests is nobody's:
/// whoever takes up a stream of the first must not be judged by the second.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    recent: VecDeque<(RequestId, Option<Inspected>)>,
    /// Digests of ids that were forgotten. Two that are one cost a stream that is taken up again, and nothing else.
    old: HashSet<u64>,
    /// There were more than are remembered: every id may have been used.
    is_lost: bool,
    digests: RandomState,
}

impl Awaited {
    /// Notes of what the answer to a request will be; `None` where no rule could ever look at it.
    pub(super) fn note(&mut self, id: RequestId, origin: Option<&Inspected>) {
        let before = self.recent.iter().position(|(known, _)| *known == id).and_then(|at| self.recent.remove(at));
        let is_new = before.is_none() && !self.is_lost && !self.old.contains(&self.digests.hash_one(&id));
        let origin = match (before, origin) {
            (_, Some(origin)) if is_new => Some(origin.remembered()),
            (Some((_, None)), None) => None,
            (None, None) if is_new => None,
            _ => Some(Inspected::Unknown),
        };
        self.recent.push_back((id, origin));
        if self.recent.len() > MAX_RECENT
            && let Some((id, Some(_))) = self.recent.pop_front()
        {
            self.forget(&id);
        }
    }

    /// Of what an answer with this id is; `None` only where no rule could look at it.
    pub(super) fn of(&self, id: &RequestId) -> Option<Inspected> {
        let known = self.recent.iter().find(|(known, _)| known == id);
        known.map_or(Some(Inspected::Unknown), |(_, origin)| origin.clone())
    }

    fn forget(&mut self, id: &RequestId) {
        if self.is_lost {
            return;
        }
        self.old.insert(self.digests.hash_one(id));
        if self.old.len() > MAX_OLD {
            self.old = HashSet::new();
            self.is_lost = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i64) -> RequestId {
        RequestId::Integer(number)
    }

    fn ruled() -> Inspected {
        Inspected::by_itself("tools/call")
    }

    /// `-` where nothing looks at it, `of` where it is known of what it is, `?` where it is not.
    fn said(awaited: &Awaited, number: i64) -> &'static str {
        match awaited.of(&id(number)) {
            None => "-",
            Some(Inspected::Of(_)) => "of",
            Some(Inspected::Unknown) => "?",
        }
    }

    #[test]
    fn an_id_that_is_used_twice_is_nobodys() {
        for (uses, expected) in [
            (&[][..], "?"),
            (&[true], "of"),
            (&[false], "-"),
            (&[false, false], "-"),
            (&[true, false], "?"),
            (&[true, true], "?"),
            (&[false, true], "?"),
            (&[true, false, false], "?"),
        ] {
            let mut awaited = Awaited::default();
            for is_ruled in uses {
                awaited.note(id(5), is_ruled.then(ruled).as_ref());
            }
            assert_eq!(said(&awaited, 5), expected, "{uses:?}");
        }
    }

    #[test]
    fn an_id_stays_used_after_its_request_was_forgotten() {
        let mut awaited = Awaited::default();
        awaited.note(id(-1), Some(&ruled()));
        awaited.note(id(-2), None);
        for number in 0..256 {
            awaited.note(id(number), None);
        }
        assert_eq!((said(&awaited, -1), said(&awaited, 255)), ("?", "-"));
        awaited.note(id(-1), None);
        awaited.note(id(-2), None);
        assert_eq!(
            (said(&awaited, -1), said(&awaited, -2)),
            ("?", "-"),
            "of the second no rule ever looked at an answer"
        );
    }

    #[test]
    fn where_too_much_was_forgotten_no_id_is_new() {
        let mut awaited = Awaited::default();
        let most = i64::try_from(MAX_RECENT + MAX_OLD).unwrap();
        for number in 0..most {
            awaited.note(id(number), Some(&ruled()));
        }
        awaited.note(id(most), Some(&ruled()));
        assert_eq!(said(&awaited, most), "of");
        awaited.note(id(most + 1), Some(&ruled()));
        awaited.note(id(most + 2), None);
        assert_eq!((said(&awaited, most + 2), awaited.old.len()), ("?", 0));
    }
}
