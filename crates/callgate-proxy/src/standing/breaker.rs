//! A circuit breaker: an upstream that can't be reached several times in a row is left alone for a while.
//!
//! Only failures of the way to it count. Whatever it answers, an error too, says that it is there.

use crate::health::BreakerState;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// The first wait, doubled with each further failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is known of the way to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// In a row. Alone what a call looks at while all is well.
    failures: AtomicU32,
    /// Nothing passes before.
    until: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether a message may pass; else how long nothing does. When a wait is over, one message passes as a probe, and
    /// the next one after the same wait again, unless the probe succeeds.
    pub(crate) fn pass(&self, now: impl FnOnce() -> Instant) -> Result<(), Duration> {
        if self.failures.load(Ordering::Relaxed) < FAILURES {
            return Ok(());
        }
        let now = now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        match *until {
            Some(end) if end > now => Err(end.duration_since(now)),
            Some(_) => {
                *until = Some(now + wait(self.failures.load(Ordering::Relaxed), 0));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The upstream answered.
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        self.failures.store(0, Ordering::Relaxed);
        *until = None;
    }

    /// It could not be reached, or not be heard. `random` spreads the waits of many gateways.
    pub(crate) fn failed(&self, now: Instant, random: u32) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = self.failures.load(Ordering::Relaxed).saturating_add(1);
        self.failures.store(failures, Ordering::Relaxed);
        if failures >= FAILURES {
            *until = Some(now + wait(failures, random));
        }
    }

    /// Whether messages pass at this moment.
    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        if !self.is_open() {
            return BreakerState::Closed;
        }
        match *self.until.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(end) if end > now => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }
}

/// Doubled with each failure, and up to a quarter longer.
fn wait(failures: u32, random: u32) -> Duration {
    let doublings = failures.saturating_sub(FAILURES).min(10);
    jittered(FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT), random)
}

/// A wait, up to a quarter longer: those who began to wait at once don't come back at once.
pub(crate) fn jittered(wait: Duration, random: u32) -> Duration {
    wait + wait.mul_f64(f64::from(random) / f64::from(u32::MAX) / 4.0)
}

/// A random number; 0 where the system gives none.
pub(crate) fn random() -> u32 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(count: u32) -> (Breaker, Instant) {
        let (breaker, now) = (Breaker::default(), Instant::now());
        (0..count).for_each(|_| breaker.failed(now, 0));
        (breaker, now)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (breaker, now) = failing(FAILURES - 1);
        assert_eq!(breaker.pass(|| now), Ok(()));
        breaker.succeeded();
        (1..FAILURES).for_each(|_| breaker.failed(now, 0));
        assert_eq!(breaker.pass(|| now), Ok(()));
        breaker.failed(now, 0);
        assert_eq!(breaker.pass(|| now), Err(FIRST_WAIT));
        assert!(breaker.is_open());
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert_eq!(breaker.state(now + FIRST_WAIT), BreakerState::HalfOpen);
    }

    #[test]
    fn after_the_wait_one_passes_and_its_success_closes_it() {
        let (breaker, now) = failing(FAILURES);
        let later = now + FIRST_WAIT;
        assert_eq!(breaker.pass(|| later), Ok(()));
        assert_eq!(breaker.pass(|| later), Err(FIRST_WAIT), "one, not two");
        breaker.succeeded();
        assert_eq!(breaker.pass(|| later), Ok(()));
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_probe_that_fails_doubles_the_wait_up_to_the_longest() {
        let (breaker, mut now) = failing(FAILURES);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let wait = breaker.pass(|| now).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(breaker.pass(|| now), Ok(()));
            breaker.failed(now, 0);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn waits_are_spread_by_a_quarter() {
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, 0), second);
        assert_eq!(jittered(second, u32::MAX), second + second / 4);
    }
}
