//! What one counter holds.

use super::Reserved;
use crate::model::{Mode, Strategy, Window};
use callgate_json::Decimal;
use std::collections::VecDeque;

/// Most entries that a sliding log keeps apart. Beyond it neighbours are joined under the later moment, which can only
/// refuse a call that might have passed, never pass one too many.
const MAX_BUCKETS: usize = 4096;

/// The tally of one counter in one mode.
#[derive(Clone, Debug)]
pub(super) enum Tally {
    /// One sum for the aligned window that begins at `start`.
    Fixed {
        /// Milliseconds since the Unix epoch. Within a window where it was reset: from then on it counts, and nothing that
        /// was charged before is given back to it.
        start: i64,
        /// What was charged in it.
        sum: Decimal,
    },
    /// Every charge of the last window-long span.
    Sliding {
        /// By time.
        log: VecDeque<Bucket>,
        /// The sum of the log; may be high where the exact difference can't be kept, never low.
        sum: Decimal,
    },
    /// Calls in flight.
    Leases {
        /// How many.
        held: Decimal,
    },
}

/// Charges that were made between two moments, inclusive.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    first: i64,
    last: i64,
    sum: Decimal,
}

impl Tally {
    /// An empty tally.
    pub(super) fn new(window: Window, strategy: Strategy) -> Self {
        match (window, strategy) {
            (Window::Concurrent, _) => Self::Leases { held: Decimal::ZERO },
            (_, Strategy::Fixed) => Self::Fixed { start: i64::MIN, sum: Decimal::ZERO },
            (_, Strategy::Sliding) => Self::Sliding { log: VecDeque::new(), sum: Decimal::ZERO },
        }
    }

    /// What counts at `now`.
    pub(super) fn held(&self, window: Window, now: i64) -> Decimal {
        match self {
            Self::Leases { held } => *held,
            // A window that begins later than now is the mark of a clock that went back: it still counts.
            Self::Fixed { start, sum } if *start >= window.start(now) => *sum,
            Self::Fixed { .. } => Decimal::ZERO,
            Self::Sliding { log, sum } => {
                let expired = log.iter().take_while(|bucket| bucket.expired(window, now));
                let left = expired.fold(*sum, |sum, bucket| less(sum, bucket.sum));
                if log.back().is_none_or(|bucket| bucket.expired(window, now)) { Decimal::ZERO } else { left }
            }
        }
    }

    /// Adds what was found to fit, and says which window was charged. An inexact sum leaves the tally as it was; the
    /// ledger has looked before.
    pub(super) fn add(&mut self, window: Window, amount: Decimal, now: i64) -> i64 {
        self.prune(window, now);
        match self {
            Self::Leases { held } => {
                *held = held.checked_add(amount).unwrap_or(*held);
                now
            }
            Self::Fixed { start, sum } => {
                *start = window.start(now).max(*start);
                *sum = sum.checked_add(amount).unwrap_or(*sum);
                *start
            }
            Self::Sliding { log, sum } => {
                let moment = log.back().map_or(now, |bucket| bucket.last.max(now));
                if let Ok(total) = sum.checked_add(amount) {
                    insert(log, moment, amount);
                    *sum = total;
                }
                moment
            }
        }
    }

    /// Takes back what was charged to the window that began at `charged`; nothing where that window is over.
    pub(super) fn give_back(&mut self, charged: i64, amount: Decimal) {
        match self {
            Self::Leases { held } => *held = less(*held, amount),
            Self::Fixed { start, sum } if *start == charged => *sum = less(*sum, amount),
            Self::Fixed { .. } => {}
            Self::Sliding { log, sum } => {
                let bucket = log.iter_mut().find(|bucket| bucket.first <= charged && charged <= bucket.last);
                if let Some(bucket) = bucket {
                    let left = less(bucket.sum, amount);
                    *sum = less(*sum, less(bucket.sum, left));
                    bucket.sum = left;
                }
            }
        }
    }

    /// Counts again what was charged to the window that began at `charged`.
    pub(super) fn restore(&mut self, charged: i64, amount: Decimal) {
        match self {
            // Leases die with the process that held them.
            Self::Leases { .. } => {}
            Self::Fixed { start, sum } if *start == charged => *sum = sum.checked_add(amount).unwrap_or(*sum),
            Self::Fixed { start, sum } if *start < charged => (*start, *sum) = (charged, amount),
            Self::Fixed { .. } => {}
            Self::Sliding { log, sum } => {
                if let Ok(total) = sum.checked_add(amount) {
                    insert(log, charged, amount);
                    *sum = total;
                }
            }
        }
    }

    /// The moment from which `amount` fits under `max`; `None` where it never does, or nobody knows when.
    pub(super) fn frees_at(&self, window: Window, amount: Decimal, max: Decimal, now: i64) -> Option<i64> {
        if amount > max {
            return None;
        }
        match self {
            Self::Leases { .. } => None,
            Self::Fixed { start, .. } => Some(window.end(window.start(now.max(*start)))),
            Self::Sliding { log, sum } => {
                let mut left = *sum;
                for bucket in log {
                    left = less(left, bucket.sum);
                    let fits = left.checked_add(amount).is_ok_and(|total| total <= max);
                    if fits && !bucket.expired(window, now) {
                        return Some(bucket.last.saturating_add(window.length()));
                    }
                }
                log.back().map(|bucket| bucket.last.saturating_add(window.length()))
            }
        }
    }

    /// Whether nothing of it counts any longer.
    pub(super) fn is_over(&self, window: Window, now: i64) -> bool {
        self.held(window, now).is_zero() && !self.is_reset(window, now)
    }

    /// Whether it was reset in the window that `now` is in: that has to be known until the window ends.
    fn is_reset(&self, window: Window, now: i64) -> bool {
        match self {
            Self::Fixed { start, .. } => *start >= window.start(now) && *start != window.start(*start),
            Self::Sliding { .. } | Self::Leases { .. } => false,
        }
    }

    /// When what counts at `now` becomes less: the end of the window, or when the oldest charge falls out of it; `None`
    /// where nobody knows.
    pub(super) fn eases_at(&self, window: Window, now: i64) -> Option<i64> {
        match self {
            Self::Leases { .. } => None,
            Self::Fixed { start, .. } => Some(window.end(window.start(now.max(*start)))),
            Self::Sliding { log, .. } => {
                let oldest = log.iter().find(|bucket| !bucket.expired(window, now) && !bucket.sum.is_zero());
                oldest.map(|bucket| bucket.last.saturating_add(window.length()))
            }
        }
    }

    /// The first moment not before `now` at which it can be reset, so that what was charged before and what is charged
    /// from then on can be told apart.
    pub(super) fn resettable(&self, window: Window, now: i64) -> i64 {
        let charged = match self {
            Self::Leases { .. } => now,
            Self::Fixed { start, .. } if *start < now => now,
            Self::Fixed { start, .. } => start.saturating_add(1),
            Self::Sliding { log, .. } => log.back().map_or(now, |bucket| now.max(bucket.last.saturating_add(1))),
        };
        // The beginning of a window says that the window was not reset.
        if window.start(charged) == charged { charged.saturating_add(1) } else { charged }
    }

    /// Counts anew from `from` on. Leases stay: they are calls in flight.
    pub(super) fn reset(&mut self, from: i64) {
        match self {
            Self::Leases { .. } => {}
            Self::Fixed { start, sum } => (*start, *sum) = (from, Decimal::ZERO),
            Self::Sliding { log, sum } => {
                // An entry of nothing, so that no later charge is earlier.
                *log = VecDeque::from([Bucket { first: from, last: from, sum: Decimal::ZERO }]);
                *sum = Decimal::ZERO;
            }
        }
    }

    /// Forgets what no longer counts.
    pub(super) fn prune(&mut self, window: Window, now: i64) {
        match self {
            Self::Leases { .. } => {}
            Self::Fixed { start, sum } => {
                if *start < window.start(now) {
                    *sum = Decimal::ZERO;
                }
            }
            Self::Sliding { log, sum } => {
                while let Some(bucket) = log.front().filter(|bucket| bucket.expired(window, now)) {
                    *sum = less(*sum, bucket.sum);
                    log.pop_front();
                }
                if log.is_empty() {
                    *sum = Decimal::ZERO;
                }
            }
        }
    }

    /// What still counts at `now`, as [`Tally::restore`] takes it.
    pub(super) fn snapshot(&self, key: &super::CounterKey, mode: Mode, now: i64) -> Vec<Reserved> {
        let entry = |start: i64, amount: Decimal| Reserved {
            key: key.clone(),
            mode,
            amount,
            window_start: crate::call::Timestamp(start),
        };
        match self {
            Self::Leases { .. } => Vec::new(),
            _ if self.is_over(key.window, now) => Vec::new(),
            Self::Fixed { start, sum } => vec![entry(*start, *sum)],
            Self::Sliding { log, .. } => log
                .iter()
                .filter(|bucket| !bucket.expired(key.window, now) && !bucket.sum.is_zero())
                .map(|bucket| entry(bucket.last, bucket.sum))
                .collect(),
        }
    }
}

impl Bucket {
    fn expired(&self, window: Window, now: i64) -> bool {
        self.last.saturating_add(window.length()) <= now
    }
}

/// The difference, never below zero; where it can't be kept exactly the sum stays: high, never low.
fn less(sum: Decimal, amount: Decimal) -> Decimal {
    match sum.checked_sub(amount) {
        Ok(left) if left.is_negative() => Decimal::ZERO,
        Ok(left) => left,
        Err(_) => sum,
    }
}

/// Adds a charge to the log, in order of time.
fn insert(log: &mut VecDeque<Bucket>, moment: i64, amount: Decimal) {
    let at = log.partition_point(|bucket| bucket.last < moment);
    match log.get_mut(at) {
        Some(bucket) if bucket.first <= moment => match bucket.sum.checked_add(amount) {
            Ok(sum) => bucket.sum = sum,
            Err(_) => log.insert(at, Bucket { first: moment, last: moment, sum: amount }),
        },
        _ => log.insert(at, Bucket { first: moment, last: moment, sum: amount }),
    }
    if log.len() > MAX_BUCKETS {
        halve(log);
    }
}

/// Joins neighbours, two by two.
fn halve(log: &mut VecDeque<Bucket>) {
    let mut joined: VecDeque<Bucket> = VecDeque::with_capacity(log.len());
    for (index, bucket) in log.drain(..).enumerate() {
        if index % 2 == 1
            && let Some(before) = joined.back_mut()
            && let Ok(sum) = before.sum.checked_add(bucket.sum)
        {
            before.last = bucket.last;
            before.sum = sum;
        } else {
            joined.push_back(bucket);
        }
    }
    *log = joined;
}
