//! The counters of this process, and their records: one lock, so that the journal's order is the counters' order.

use crate::clock::Clock;
use crate::counters::ResetOrder;
use crate::decider::{DigestKey, Refused};
use crate::id::{DecisionId, Randomness};
use crate::marks::{MarkRecord, StandingMarkRecord};
use crate::permit::{Backing, Ending, Held, Permit};
use crate::record::{AboutRecord, CheckpointRecord, DecisionRecord, OutcomeRecord, ShadowRecord};
use crate::records::{RecordError, Records, Ticket, written};
use crate::wire::ReservedRecord;
use crate::withheld::WithheldRecord;
use callgate_policy::{
    Decision, Organisation, Outcome, Reason, Receipt, RulePath, Settlement, Standing, State, Timestamp,
};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long ended windows may linger, in milliseconds.
const SWEEP_EVERY_MS: i64 = 60_000;

/// Counters in this process, with the journal behind them.
pub(crate) struct Local {
    live: Mutex<Live>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    key: DigestKey,
    unrecorded: AtomicU64,
}

/// What the lock guards. Invariant: every change of `state` is appended to the records before the lock is let go.
struct Live {
    state: State,
    randomness: Randomness,
    scratch: Vec<u8>,
    swept: Timestamp,
}

/// A decision after the lock: either reserved and appended, or refused and (where possible) appended.
enum Booked {
    Reserved(Permit, Ticket),
    Refused(Box<Refused>, Option<Ticket>),
}

impl Local {
    pub(crate) fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>, key: DigestKey, state: State) -> Self {
        let live = Live { state, randomness: Randomness::new(), scratch: Vec::new(), swept: clock.now() };
        Self { live: Mutex::new(live), records, clock, key, unrecorded: AtomicU64::new(0) }
    }

    pub(crate) fn key(&self) -> &DigestKey {
        &self.key
    }

    pub(crate) fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }

    pub(crate) fn checkpoint(&self) -> Vec<u8> {
        checkpoint(&self.lock().state, self.clock.now())
    }

    pub(crate) async fn charge(
        self: &Arc<Self>,
        decision: Decision,
        about: AboutRecord<'_>,
    ) -> Result<Permit, Box<Refused>> {
        match self.book(decision, about) {
            // The permit exists while its record is being written, but nobody has it: if this future is dropped, or
            // the write fails, the permit is dropped with it and gives everything back.
            Booked::Reserved(permit, ticket) => match written(self.records.as_ref(), ticket).await {
                Ok(()) => Ok(permit),
                Err(error) => Err(not_recorded(Some(permit.id()), error)),
            },
            Booked::Refused(mut refused, ticket) => {
                if let Some(ticket) = ticket {
                    refused.unrecorded = written(self.records.as_ref(), ticket).await.err();
                }
                Err(refused)
            }
        }
    }

    /// What the history makes of a decision.
    pub(crate) fn weigh(&self, decision: Decision) -> Decision {
        self.lock().state.weigh(decision, self.clock.now())
    }

    /// Reserves and appends, under the lock.
    fn book(self: &Arc<Self>, decision: Decision, about: AboutRecord<'_>) -> Booked {
        let mut guard = self.lock();
        let live = &mut *guard;
        let now = self.clock.now();
        live.sweep(now);
        let random = match live.randomness.take() {
            Ok(random) => random,
            Err(error) => {
                let error = RecordError(format!("CG4008: the operating system gives no random bytes: {error}"));
                return Booked::Refused(not_recorded(None, error), None);
            }
        };
        let id = DecisionId::new(now, random);
        let (decision, receipt) = live.state.admit(decision, now);
        let appended = self.append_decision(live, id, &decision, receipt.as_ref(), about, now);
        match (appended, receipt) {
            (Ok(ticket), Some(receipt)) => {
                let backing = Backing::Local { local: Arc::clone(self), receipt };
                Booked::Reserved(Permit::mint(Held::new(id, backing)), ticket)
            }
            (Ok(ticket), None) => {
                Booked::Refused(Box::new(Refused { decision, id: Some(id), unrecorded: None }), Some(ticket))
            }
            (Err(error), Some(receipt)) => {
                live.state.settle(&receipt, Settlement::GiveBack, now);
                Booked::Refused(not_recorded(None, error), None)
            }
            // It is refused with or without its record, and the caller should hear the real reason.
            (Err(error), None) => {
                Booked::Refused(Box::new(Refused { decision, id: Some(id), unrecorded: Some(error) }), None)
            }
        }
    }

    fn append_decision(
        &self,
        live: &mut Live,
        id: DecisionId,
        decision: &Decision,
        receipt: Option<&Receipt>,
        about: AboutRecord<'_>,
        now: Timestamp,
    ) -> Result<Ticket, RecordError> {
        let mut record = DecisionRecord::new(id, decision, about);
        if let Some(receipt) = receipt {
            record.charges = receipt.reserved.iter().map(ReservedRecord::from).collect();
            record.marks = receipt.marks.iter().map(MarkRecord::from).collect();
            record.shadow.extend(receipt.shadow.iter().map(shadow_limit));
        }
        serialise(&record, &mut live.scratch)?;
        let Live { state, scratch, .. } = live;
        self.records.append_decision(now, scratch, &mut || checkpoint(state, now))
    }

    /// Ends a reservation: counters and record, under the lock.
    pub(crate) fn end(&self, id: DecisionId, receipt: &Receipt, ending: &Ending) {
        let mut guard = self.lock();
        let now = self.clock.now();
        let Live { state, scratch, .. } = &mut *guard;
        state.settle(receipt, ending.settlement, now);
        if ending.has_completed() {
            state.complete(receipt, now);
        }
        let record = outcome_record(id, receipt, ending, state.moment_of(now));
        let appended = serialise(&record, scratch)
            .and_then(|()| self.records.append_outcome(now, scratch, &mut || checkpoint(state, now)));
        if appended.is_err() {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records what was taken out of a list; `false` where it can't be, which is counted.
    pub(crate) fn withheld(&self, record: &WithheldRecord<'_>) -> bool {
        let mut guard = self.lock();
        let now = self.clock.now();
        let Live { state, scratch, .. } = &mut *guard;
        let appended = serialise(record, scratch)
            .and_then(|()| self.records.append_withheld(now, scratch, &mut || checkpoint(state, now)));
        if appended.is_err() {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
        appended.is_ok()
    }

    /// What the counters of an organisation hold.
    pub(crate) fn standings(&self, organisation: &Organisation) -> Vec<Standing> {
        self.lock().state.standings(|key| key.organisation == *organisation, self.clock.now())
    }

    /// Sets counters to zero and records it, under the lock; waits until that is written.
    pub(crate) async fn reset(&self, order: &ResetOrder<'_>) -> Result<Timestamp, RecordError> {
        let (from, ticket) = self.reset_and_append(order)?;
        // Where it can't be written now the journal is failing as a whole, and lets no call leave before it is.
        written(self.records.as_ref(), ticket).await?;
        Ok(from)
    }

    fn reset_and_append(&self, order: &ResetOrder<'_>) -> Result<(Timestamp, Ticket), RecordError> {
        let mut guard = self.lock();
        let now = self.clock.now();
        let Live { state, scratch, .. } = &mut *guard;
        let reset = state.reset(order.keys, now);
        let from = reset.from;
        let appended = serialise(&order.record(from), scratch)
            .and_then(|()| self.records.append_reset(now, scratch, &mut || checkpoint(state, now)));
        match appended {
            Ok(ticket) => Ok((from, ticket)),
            Err(error) => {
                state.undo(reset);
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        // Nothing in here panics half way through a change, so a poisoned lock guards a whole state.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn sweep(&mut self, now: Timestamp) {
        if now.0.saturating_sub(self.swept.0).abs() >= SWEEP_EVERY_MS {
            self.state.sweep(now);
            self.swept = now;
        }
    }
}

/// A call that would have been allowed, had it been possible to record it.
pub(crate) fn not_recorded(id: Option<DecisionId>, error: RecordError) -> Box<Refused> {
    let decision = Decision {
        outcome: Outcome::Deny,
        reason: Some(Reason::Fault),
        rule: RulePath::new("(journal)"),
        place: None,
        message: "The call could not be recorded, so it was not forwarded. The gateway's operator has to look at its \
                  journal."
            .into(),
        charges: Vec::new(),
        history: None,
        shadow: Vec::new(),
        ask: None,
        retry_after_ms: None,
    };
    Box::new(Refused { decision, id, unrecorded: Some(error) })
}

fn outcome_record<'a>(id: DecisionId, receipt: &'a Receipt, ending: &Ending, at: Timestamp) -> OutcomeRecord<'a> {
    let kept = ending.settlement == Settlement::Keep;
    let given_back = if kept { &[] } else { receipt.reserved.as_slice() };
    OutcomeRecord {
        id,
        result: ending.result,
        kept,
        upstream_status: ending.upstream_status,
        error_code: ending.error_code,
        latency_us: ending.latency_us,
        bytes: ending.bytes,
        charges: given_back.iter().map(ReservedRecord::from).collect(),
        marks: receipt.marks.iter().map(MarkRecord::from).collect(),
        ended: (!receipt.marks.is_empty()).then_some(at.0),
    }
}

fn shadow_limit(rule: &RulePath) -> ShadowRecord<'_> {
    let (outcome, reason) = (Outcome::Deny.as_str(), Reason::Limit.as_str());
    ShadowRecord { rule: rule.as_str().into(), outcome: outcome.into(), reason: reason.into(), message: "".into() }
}

fn serialise(record: &impl Serialize, into: &mut Vec<u8>) -> Result<(), RecordError> {
    into.clear();
    serde_json::to_writer(into, record).map_err(|error| RecordError(format!("CG4003: a record has no JSON: {error}")))
}

/// The live counters and the history as a checkpoint carries them.
fn checkpoint(state: &State, now: Timestamp) -> Vec<u8> {
    let (counters, marks) = (state.snapshot(now), state.marks(now));
    let record = CheckpointRecord {
        counters: counters.iter().map(ReservedRecord::from).collect(),
        marks: marks.iter().map(StandingMarkRecord::from).collect(),
    };
    // Strings and integers always have a JSON; and an empty text would be refused by the journal, not forgotten.
    serde_json::to_vec(&record).unwrap_or_default()
}
