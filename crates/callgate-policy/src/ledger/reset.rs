//! Counters as people see them, and setting them to zero.

use super::{CounterKey, State};
use crate::call::Timestamp;
use crate::model::{Mode, Window};
use callgate_json::Decimal;

/// What one counter holds at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The counter.
    pub key: CounterKey,
    /// Whether it is the shadow tally of that counter.
    pub mode: Mode,
    /// How much it holds.
    pub held: Decimal,
    /// When that becomes less without anybody's doing: the end of the window, or when the oldest charge falls out of it.
    /// `None` for calls in flight.
    pub eases_at: Option<Timestamp>,
}

/// Counters that were set to zero: from when on, and what they were.
#[derive(Debug)]
pub struct Reset {
    /// From then on they count anew. What was charged before is not given back to them.
    pub from: Timestamp,
    before: Vec<(CounterKey, Option<super::state::Counter>)>,
}

impl State {
    /// What the counters hold that `wanted` picks, without those that hold nothing. In no order.
    pub fn standings(&self, wanted: impl Fn(&CounterKey) -> bool, now: Timestamp) -> Vec<Standing> {
        let moment = self.moment(now);
        let mut standings = Vec::new();
        for (key, counter) in self.counters.iter().filter(|(key, _)| wanted(key)) {
            for mode in [Mode::Enforce, Mode::Shadow] {
                let tally = counter.tally(mode);
                let held = tally.held(key.window, moment);
                if !held.is_zero() {
                    let eases_at = tally.eases_at(key.window, moment).map(Timestamp);
                    standings.push(Standing { key: key.clone(), mode, held, eases_at });
                }
            }
        }
        standings
    }

    /// Sets counters to zero. Calls in flight still count under `concurrent`, which can't be reset: those keys are left
    /// as they are.
    pub fn reset(&mut self, keys: &[CounterKey], now: Timestamp) -> Reset {
        let keys: Vec<&CounterKey> = keys.iter().filter(|key| key.window != Window::Concurrent).collect();
        let mut from = self.advance(now);
        // What is right for one counter may be the beginning of a window of another one.
        for _ in 0..=keys.len() {
            let tallies = keys.iter().filter_map(|key| Some((key.window, self.counters.get(*key)?)));
            let each = tallies.flat_map(|(window, counter)| {
                [Mode::Enforce, Mode::Shadow].map(|mode| counter.tally(mode).resettable(window, from))
            });
            let next = each.max().map_or(from, |next| next.max(from));
            if next == from {
                break;
            }
            from = next;
        }
        let from = Timestamp(self.advance(Timestamp(from)));
        let before = keys.iter().map(|key| ((*key).clone(), self.counters.get(*key).cloned())).collect();
        keys.into_iter().for_each(|key| self.restore_reset(key, from));
        Reset { from, before }
    }

    /// Makes a reset undone that nobody else has seen.
    pub fn undo(&mut self, reset: Reset) {
        for (key, counter) in reset.before {
            match counter {
                Some(counter) => self.counters.insert(key, counter),
                None => self.counters.remove(&key),
            };
        }
    }

    /// Does what a record says that [`State::reset`] did.
    pub fn restore_reset(&mut self, key: &CounterKey, from: Timestamp) {
        if key.window == Window::Concurrent {
            return;
        }
        for mode in [Mode::Enforce, Mode::Shadow] {
            if let Some(tally) = self.tally_mut(key, mode) {
                tally.reset(from.0);
            }
        }
    }
}
