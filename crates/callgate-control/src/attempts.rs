//! Attempts to sign in: who guesses is slowed down, and nobody else.
//!
//! Three counts, each with a back-off of its own that doubles with every failure:
//!
//! - **login and source** (5 free, then 1 s, 2 s, … up to 15 min): the ordinary guesser, and somebody who forgot;
//! - **source** (20 free, up to 15 min): one machine that tries many logins;
//! - **login, over all sources that are not familiar** (50 free, up to 1 min): many machines that try one login.
//!
//! A source is familiar to a login once it signed in from there. Strangers never slow a member down where it has signed
//! in before; elsewhere they can make it wait up to a minute while they go on, and a one-time link does not wait at all:
//! it can't be guessed. Nobody is locked out for good, and nothing has to be unlocked.
//!
//! The counts are fixed tables of slots, found by a hash with a key of the process: memory does not grow with what
//! strangers send, nothing can be pushed out, and nobody can aim at another's slot. What shares a slot by chance shares
//! its back-off. An attempt counts from its beginning, so that a hundred at once are not one.

use crate::error::{Error, Kind};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many slots each table has.
const SLOTS: usize = 16_384;

/// After how long without an attempt a slot is as new, in milliseconds.
const FORGET: i64 = 3_600_000;

/// How long a source stays familiar, in milliseconds: 30 days.
const FAMILIAR: i64 = 30 * 86_400_000;

/// How many attempts a table gives for free, and the longest wait after them, in milliseconds.
#[derive(Clone, Copy)]
struct Rule {
    free: u32,
    longest: i64,
}

const PAIR: Rule = Rule { free: 5, longest: 900_000 };
const SOURCE: Rule = Rule { free: 20, longest: 900_000 };
const LOGIN: Rule = Rule { free: 50, longest: 60_000 };

#[derive(Clone, Copy, Default)]
struct Slot {
    failures: u32,
    last: i64,
}

#[derive(Clone, Copy, Default)]
struct Acquaintance {
    fingerprint: u64,
    last: i64,
}

/// The counts of one process.
pub(crate) struct Attempts {
    hasher: RandomState,
    tables: Mutex<Tables>,
}

struct Tables {
    pairs: Vec<Slot>,
    sources: Vec<Slot>,
    logins: Vec<Slot>,
    familiar: Vec<Acquaintance>,
}

/// One attempt that was let through. It counts as failed unless [`Attempts::succeeded`] hears of it.
#[derive(Debug)]
pub(crate) struct Attempt {
    pair: Option<usize>,
    source: usize,
    login: Option<usize>,
    fingerprint: u64,
}

impl Attempts {
    /// No attempts yet.
    pub(crate) fn new() -> Self {
        let slots = || vec![Slot::default(); SLOTS];
        let familiar = vec![Acquaintance::default(); SLOTS];
        let tables = Tables { pairs: slots(), sources: slots(), logins: slots(), familiar };
        Self { hasher: RandomState::new(), tables: Mutex::new(tables) }
    }

    /// Lets an attempt through, or says when to come back. `login` is `None` for a one-time link. CG3153.
    pub(crate) fn begin(&self, login: Option<&str>, source: [u8; 16], now: i64) -> Result<Attempt, Error> {
        let (source_slot, _) = self.place("source", &source, "");
        let (pair_slot, fingerprint) = self.place("pair", &source, login.unwrap_or_default());
        let (login_slot, _) = self.place("login", &[], login.unwrap_or_default());
        let mut tables = self.tables();
        let known = tables
            .familiar
            .get(pair_slot)
            .is_some_and(|known| login.is_some() && known.fingerprint == fingerprint && now - known.last < FAMILIAR);
        let attempt = Attempt {
            pair: login.map(|_| pair_slot),
            source: source_slot,
            login: login.filter(|_| !known).map(|_| login_slot),
            fingerprint,
        };
        let wait = attempt.slots(&mut tables).map(|(slot, rule)| slot.wait(rule, now)).max().unwrap_or(0);
        if wait > 0 {
            let retry_after = u64::try_from((wait + 999) / 1000).unwrap_or(1);
            let message = format!("too many attempts to sign in; the next one is possible in {retry_after} s");
            let remedy = "wait, or ask an admin for a one-time link";
            return Err(Error::new(Kind::TooMany { retry_after }, "CG3153", message, remedy));
        }
        attempt.slots(&mut tables).for_each(|(slot, _)| slot.count(now));
        Ok(attempt)
    }

    /// The attempt was right: it does not count, and its source is familiar to its login.
    pub(crate) fn succeeded(&self, attempt: &Attempt, now: i64) {
        let mut tables = self.tables();
        attempt.slots(&mut tables).for_each(|(slot, _)| slot.failures = slot.failures.saturating_sub(1));
        let Some(pair) = attempt.pair else { return };
        if let Some(slot) = tables.pairs.get_mut(pair) {
            *slot = Slot::default();
        }
        if let Some(known) = tables.familiar.get_mut(pair) {
            *known = Acquaintance { fingerprint: attempt.fingerprint, last: now };
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // The counts are as good after a panic elsewhere as before.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, table: &str, source: &[u8], login: &str) -> (usize, u64) {
        let slot = self.hasher.hash_one((table, source, login));
        let fingerprint = self.hasher.hash_one((login, source, table));
        (usize::try_from(slot % SLOTS as u64).unwrap_or(0), fingerprint)
    }
}

impl Attempt {
    fn slots<'t>(&self, tables: &'t mut Tables) -> impl Iterator<Item = (&'t mut Slot, Rule)> {
        let pair = self.pair.and_then(|at| tables.pairs.get_mut(at)).map(|slot| (slot, PAIR));
        let source = tables.sources.get_mut(self.source).map(|slot| (slot, SOURCE));
        let login = self.login.and_then(|at| tables.logins.get_mut(at)).map(|slot| (slot, LOGIN));
        [pair, source, login].into_iter().flatten()
    }
}

impl Slot {
    /// How long until the next attempt, in milliseconds.
    fn wait(&self, rule: Rule, now: i64) -> i64 {
        let over = self.failures.saturating_sub(rule.free);
        if over == 0 || now - self.last >= FORGET {
            return 0;
        }
        let wait = 1000_i64.checked_shl(over - 1).filter(|wait| *wait > 0).unwrap_or(rule.longest).min(rule.longest);
        (self.last + wait - now).max(0)
    }

    fn count(&mut self, now: i64) {
        if now - self.last >= FORGET {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1).min(64);
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: [u8; 16] = [1; 16];

    fn stranger(number: u16) -> [u8; 16] {
        let mut source = [9; 16];
        source[..2].copy_from_slice(&number.to_be_bytes());
        source
    }

    fn wait(result: Result<Attempt, Error>) -> u64 {
        match result.map_err(|error| error.kind) {
            Ok(_) => 0,
            Err(Kind::TooMany { retry_after }) => retry_after,
            Err(kind) => panic!("{kind:?}"),
        }
    }

    #[test]
    fn a_guesser_waits_twice_as_long_every_time() {
        let attempts = Attempts::new();
        let mut now = 1_000_000;
        for _ in 0..PAIR.free {
            assert_eq!(wait(attempts.begin(Some("ada"), HOME, now)), 0);
        }
        // The sixth is let through: five were free. Then it doubles.
        let mut waits = Vec::new();
        for _ in 0..14 {
            assert_eq!(wait(attempts.begin(Some("ada"), HOME, now)), 0);
            let seconds = wait(attempts.begin(Some("ada"), HOME, now));
            waits.push(seconds);
            now += i64::try_from(seconds).unwrap() * 1000;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
        now += FORGET;
        assert_eq!(wait(attempts.begin(Some("ada"), HOME, now)), 0);
        assert_eq!(wait(attempts.begin(Some("ada"), HOME, now)), 0);
    }

    #[test]
    fn an_attempt_that_waits_does_not_make_the_wait_longer() {
        let attempts = Attempts::new();
        (0..=PAIR.free).for_each(|_| drop(attempts.begin(Some("ada"), HOME, 0)));
        for _ in 0..100 {
            assert_eq!(wait(attempts.begin(Some("ada"), HOME, 0)), 1);
        }
        assert_eq!(wait(attempts.begin(Some("ada"), HOME, 1000)), 0);
    }

    #[test]
    fn one_machine_that_tries_many_logins_is_slowed_down() {
        let attempts = Attempts::new();
        let free = (0..40).take_while(|n| wait(attempts.begin(Some(&format!("login{n}")), HOME, 0)) == 0).count();
        assert_eq!(free, SOURCE.free as usize + 1);
    }

    #[test]
    fn strangers_do_not_slow_a_member_down_where_it_signed_in_before() {
        let attempts = Attempts::new();
        let mine = attempts.begin(Some("ada"), HOME, 0).unwrap();
        attempts.succeeded(&mine, 0);
        let let_through = (0..2000).filter(|n| wait(attempts.begin(Some("ada"), stranger(*n), 1)) == 0).count();
        assert!(let_through <= LOGIN.free as usize + 1, "{let_through}");
        assert_eq!(wait(attempts.begin(Some("ada"), HOME, 1)), 0);
        // Elsewhere it waits, a minute at most; a one-time link does not.
        assert!((1..=60).contains(&wait(attempts.begin(Some("ada"), stranger(5000), 1))));
        assert_eq!(wait(attempts.begin(None, stranger(5000), 1)), 0);
    }

    #[test]
    fn who_signs_in_rightly_is_never_slowed_down() {
        let attempts = Attempts::new();
        for _ in 0..1000 {
            let attempt = attempts.begin(Some("ada"), HOME, 0).unwrap();
            attempts.succeeded(&attempt, 0);
        }
    }
}
