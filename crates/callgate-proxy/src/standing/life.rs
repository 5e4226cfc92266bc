//! Whether the last thing that was sent to an upstream reached it, for those who look.

use callgate_policy::Timestamp;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// When an upstream was heard, and when it was not.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Milliseconds since the Unix epoch; 0 for never.
    ok: AtomicI64,
    failing: AtomicBool,
    /// Since when it is as it is; 0 where nothing is known.
    since: AtomicI64,
    error: Mutex<Option<(Timestamp, String)>>,
}

/// What is known of an upstream's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) reached: Option<bool>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) last_ok: Option<Timestamp>,
    pub(crate) last_error: Option<(Timestamp, String)>,
}

impl Life {
    /// It answered. On the way of every call: two stores.
    pub(crate) fn answered(&self, now: i64) {
        self.ok.store(now, Ordering::Relaxed);
        if self.failing.load(Ordering::Relaxed) || self.since.load(Ordering::Relaxed) == 0 {
            self.failing.store(false, Ordering::Relaxed);
            self.since.store(now, Ordering::Relaxed);
        }
    }

    /// It could not be reached, or not be heard.
    pub(crate) fn failed(&self, now: i64, why: String) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            self.since.store(now, Ordering::Relaxed);
        }
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some((Timestamp(now), why));
    }

    /// What is known.
    pub(crate) fn known(&self) -> Known {
        let moment = |at: &AtomicI64| Some(at.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Timestamp);
        let since = moment(&self.since);
        Known {
            reached: since.map(|_| !self.failing.load(Ordering::Relaxed)),
            since,
            last_ok: moment(&self.ok),
            last_error: self.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Milliseconds since the Unix epoch. Nothing is decided by it.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_when_it_became_so() {
        let life = Life::default();
        assert_eq!(life.known(), Known::default());
        life.answered(10);
        life.answered(20);
        let at = |at| Some(Timestamp(at));
        let known = Known { reached: Some(true), since: at(10), last_ok: at(20), last_error: None };
        assert_eq!(life.known(), known);
        life.failed(30, "gone".to_owned());
        life.failed(40, "still gone".to_owned());
        let error = Some((Timestamp(40), "still gone".to_owned()));
        let failing = Known { reached: Some(false), since: at(30), last_error: error.clone(), ..known };
        assert_eq!(life.known(), failing);
        life.answered(50);
        assert_eq!(life.known(), Known { reached: Some(true), since: at(50), last_ok: at(50), last_error: error });
    }
}
