//! Which sealed ids have ended here: none of them may come back while it could still be opened.

use std::collections::HashMap;

/// More than these, and the older half is forgotten together with everything that was issued before it.
const MAX: usize = 64 << 10;

/// The ended ids that were issued lately.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// By the name of the session: when its id was issued, in milliseconds since the Unix epoch.
    issued: HashMap<Box<str>, i64>,
    /// Ids that were issued up to here count as ended, because they may have been forgotten.
    before: Option<i64>,
}

impl Ended {
    /// Notes that an id has ended.
    pub(super) fn note(&mut self, name: &str, issued: i64) {
        self.issued.insert(name.into(), issued);
        if self.issued.len() <= MAX {
            return;
        }
        let mut times: Vec<i64> = self.issued.values().copied().collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        self.forget(*median);
    }

    /// Whether an id has ended, or may have.
    pub(super) fn has(&self, name: &str, issued: i64) -> bool {
        self.before.is_some_and(|before| issued <= before) || self.issued.contains_key(name)
    }

    /// Forgets the ids that were issued up to a moment that makes them too old to be opened.
    pub(super) fn expire(&mut self, oldest: i64) {
        self.issued.retain(|_, issued| *issued > oldest);
        self.before = self.before.filter(|before| *before > oldest);
    }

    fn forget(&mut self, up_to: i64) {
        self.issued.retain(|_, issued| *issued > up_to);
        self.before = self.before.max(Some(up_to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_id_stays_ended_until_it_is_too_old_anyway() {
        let mut ended = Ended::default();
        ended.note("a", 10);
        assert!(ended.has("a", 10) && !ended.has("b", 10));
        ended.expire(9);
        assert!(ended.has("a", 10));
        ended.expire(10);
        assert!(!ended.has("a", 10), "its age refuses it now");
    }

    #[test]
    fn what_is_forgotten_for_want_of_room_stays_ended() {
        let mut ended = Ended::default();
        for issued in 0..=MAX as i64 {
            ended.note(&issued.to_string(), issued);
        }
        assert!(ended.issued.len() <= MAX / 2 + 1);
        for issued in [0, 1, 30_000, MAX as i64] {
            assert!(ended.has(&issued.to_string(), issued), "{issued}");
        }
        assert!(!ended.has("new", MAX as i64 + 1));
        ended.expire(MAX as i64);
        assert!(!ended.has("new", 5), "the age of an id is checked before");
    }
}
