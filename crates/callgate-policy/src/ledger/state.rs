//! The counters and the history of one process.

use super::marks::Marks;
use super::tally::Tally;
use super::{Charge, CounterKey, Receipt, Refusal, Reserved, Settlement, message};
use crate::call::Timestamp;
use crate::history::{Mark, Marked};
use crate::model::{Mode, Window};
use std::collections::HashMap;

/// The counters and the history of one process.
///
/// Time never runs backwards in here: a moment before the latest one that was seen counts as that latest one, so that
/// a clock that goes back grants nothing twice.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(super) counters: HashMap<CounterKey, Counter>,
    pub(super) marks: Marks,
    latest: Option<i64>,
}

/// The two tallies of one key: what is enforced, and what rules in shadow mode would have counted.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    enforced: Tally,
    shadow: Tally,
}

impl Counter {
    fn new(key: &CounterKey) -> Self {
        Self { enforced: Tally::new(key.window, key.strategy), shadow: Tally::new(key.window, key.strategy) }
    }

    pub(super) fn tally(&self, mode: Mode) -> &Tally {
        match mode {
            Mode::Enforce => &self.enforced,
            Mode::Shadow => &self.shadow,
        }
    }

    fn tally_mut(&mut self, mode: Mode) -> &mut Tally {
        match mode {
            Mode::Enforce => &mut self.enforced,
            Mode::Shadow => &mut self.shadow,
        }
    }
}

impl State {
    /// Whether the charges could be reserved now; changes nothing.
    pub fn look(&self, charges: &[Charge], now: Timestamp) -> Result<(), Refusal> {
        charges.iter().filter(|charge| charge.mode == Mode::Enforce).try_for_each(|charge| self.fits(charge, now))
    }

    /// Reserves every charge or none; the first that refuses, in order, is named. Charges that name one counter in one
    /// mode are counted once. A shadow limit that would have refused is named in the receipt and counts nothing.
    pub fn reserve(&mut self, charges: &[Charge], now: Timestamp) -> Result<Receipt, Refusal> {
        if charges.is_empty() {
            return Ok(Receipt::default());
        }
        self.look(charges, now)?;
        let moment = self.advance(now);
        let shadow = charges.iter().filter(|charge| charge.mode == Mode::Shadow);
        let refused: Vec<&Charge> = shadow.filter(|charge| self.fits(charge, now).is_err()).collect();
        let mut receipt = Receipt {
            reserved: Vec::with_capacity(charges.len()),
            shadow: refused.iter().map(|charge| charge.rule.clone()).collect(),
            marks: Vec::new(),
        };
        for charge in charges {
            let is_refused = charge.mode == Mode::Shadow && refused.iter().any(|other| other.key == charge.key);
            let is_counted = || receipt.reserved.iter().any(|done| done.mode == charge.mode && done.key == charge.key);
            if is_refused || is_counted() {
                continue;
            }
            let Some(tally) = self.tally_mut(&charge.key, charge.mode) else { continue };
            let start = tally.add(charge.key.window, charge.amount, moment);
            receipt.reserved.push(Reserved {
                key: charge.key.clone(),
                mode: charge.mode,
                amount: charge.amount,
                window_start: Timestamp(start),
            });
        }
        Ok(receipt)
    }

    /// Ends a reservation. Once per receipt: giving back twice would take what others were charged.
    pub fn settle(&mut self, receipt: &Receipt, settlement: Settlement, now: Timestamp) {
        let moment = self.moment(now);
        receipt.marks.iter().for_each(|marked| self.marks.end(marked, settlement, moment));
        for reserved in &receipt.reserved {
            let is_lease = reserved.key.window == Window::Concurrent;
            if !is_lease && settlement == Settlement::Keep {
                continue;
            }
            let Some(counter) = self.counters.get_mut(&reserved.key) else { continue };
            let tally = counter.tally_mut(reserved.mode);
            tally.give_back(reserved.window_start.0, reserved.amount);
            // Leases come and go without a window's end to sweep them at.
            if is_lease
                && counter.enforced.is_over(reserved.key.window, 0)
                && counter.shadow.is_over(reserved.key.window, 0)
            {
                self.counters.remove(&reserved.key);
            }
        }
    }

    /// Tells the history that the call of this receipt ended with a result that is no error.
    pub fn complete(&mut self, receipt: &Receipt, now: Timestamp) {
        let moment = self.moment(now);
        receipt.marks.iter().for_each(|marked| self.marks.complete(marked, moment));
    }

    /// Puts back a mark that a record says was left: the call is in flight, as far as this state knows.
    pub fn begin(&mut self, marked: &Marked) {
        self.marks.begin(marked);
    }

    /// Puts back a mark of a checkpoint.
    pub fn restore_mark(&mut self, mark: &Mark) {
        self.marks.restore(mark);
    }

    /// Ends the calls in flight whose process is gone: for the history they ran until now.
    pub fn abandon(&mut self, now: Timestamp) {
        let moment = self.moment(now);
        self.marks.abandon(moment);
    }

    /// The history as [`State::restore_mark`] takes it. Sorted, so that equal states give equal checkpoints.
    pub fn marks(&self, now: Timestamp) -> Vec<Mark> {
        self.marks.snapshot(self.moment(now))
    }

    /// Puts back what a record says was reserved; how counters are rebuilt from the journal. Leases stay gone: they
    /// died with the process that held them. What belongs to a window before the one already counted is dropped.
    pub fn restore(&mut self, reserved: &Reserved) {
        if reserved.key.window == Window::Concurrent {
            return;
        }
        if let Some(tally) = self.tally_mut(&reserved.key, reserved.mode) {
            tally.restore(reserved.window_start.0, reserved.amount);
        }
    }

    /// Everything that still counts, as `restore` takes it: the checkpoint of the live counters. Sorted, so that equal
    /// states give equal checkpoints.
    pub fn snapshot(&self, now: Timestamp) -> Vec<Reserved> {
        let moment = self.moment(now);
        let mut counters: Vec<_> = self.counters.iter().collect();
        counters.sort_by_key(|(key, _)| *key);
        let entries = counters.into_iter().flat_map(|(key, counter)| {
            [Mode::Enforce, Mode::Shadow].map(|mode| counter.tally(mode).snapshot(key, mode, moment))
        });
        entries.flatten().collect()
    }

    /// Forgets windows that have ended, and what the history no longer needs.
    pub fn sweep(&mut self, now: Timestamp) {
        let moment = self.advance(now);
        self.marks.sweep(moment);
        self.counters.retain(|key, counter| {
            counter.enforced.prune(key.window, moment);
            counter.shadow.prune(key.window, moment);
            !(counter.enforced.is_over(key.window, moment) && counter.shadow.is_over(key.window, moment))
        });
    }

    /// How many counters and marks are held in memory.
    pub fn len(&self) -> usize {
        self.counters.len() + self.marks.len()
    }

    /// Whether nothing is counted or remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The moment that counts: time never runs backwards in here.
    pub fn moment_of(&self, now: Timestamp) -> Timestamp {
        Timestamp(self.moment(now))
    }

    pub(super) fn moment(&self, now: Timestamp) -> i64 {
        self.latest.map_or(now.0, |latest| latest.max(now.0))
    }

    /// From now on no moment before this one counts.
    pub(super) fn advance(&mut self, now: Timestamp) -> i64 {
        let moment = self.moment(now);
        self.latest = Some(moment);
        moment
    }

    /// The tally, made where there is none; so there always is one.
    pub(super) fn tally_mut(&mut self, key: &CounterKey, mode: Mode) -> Option<&mut Tally> {
        if !self.counters.contains_key(key) {
            self.counters.insert(key.clone(), Counter::new(key));
        }
        self.counters.get_mut(key).map(|counter| counter.tally_mut(mode))
    }

    fn fits(&self, charge: &Charge, now: Timestamp) -> Result<(), Refusal> {
        let moment = self.moment(now);
        let window = charge.key.window;
        let empty;
        let tally = match self.counters.get(&charge.key) {
            Some(counter) => counter.tally(charge.mode),
            None => {
                empty = Tally::new(window, charge.key.strategy);
                &empty
            }
        };
        match tally.held(window, moment).checked_add(charge.amount) {
            Ok(total) if total <= charge.max => Ok(()),
            Ok(_) => Err(message::exhausted(charge, tally.frees_at(window, charge.amount, charge.max, moment), now.0)),
            Err(_) => Err(message::inexact(charge)),
        }
    }
}
