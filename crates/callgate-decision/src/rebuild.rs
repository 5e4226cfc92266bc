//! Counters rebuilt from the journal: the last checkpoint, and what was recorded after it.

use crate::record::CheckpointRecord;
use crate::wire::{ReservedRecord, WireError};
use callgate_policy::{Receipt, Reserved, Settlement, State, Timestamp, Window};
use serde::Deserialize;

/// Why counters can't be rebuilt. Nothing starts on counters that may be too low.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A record can't be read.
    #[error("CG4007: a `{kind}` record can't be read: {error}; was it written by a newer version?")]
    Unreadable {
        /// The record's kind.
        kind: &'static str,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A record names something that doesn't exist.
    #[error("CG4007: a `{kind}` record can't be understood: {error}; was it written by a newer version?")]
    Unknown {
        /// The record's kind.
        kind: &'static str,
        /// What it names.
        error: WireError,
    },
}

/// Takes the records from the last checkpoint on, in their order, and gives the counters.
///
/// Calls that were in flight when the last process ended count as having run; `concurrent` leases end with their
/// process and are not put back.
#[derive(Debug, Default)]
pub struct Rebuild {
    state: State,
    /// The latest moment that a record names: a clock that went back while nothing ran grants nothing twice.
    latest: Option<Timestamp>,
}

/// As little of a decision or an outcome as the counters need.
#[derive(Deserialize)]
struct Charged<'a> {
    #[serde(borrow, default)]
    charges: Vec<ReservedRecord<'a>>,
}

impl Rebuild {
    /// Empty counters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the state of a checkpoint (`null` for the first of a journal): everything before it is in there.
    pub fn checkpoint(&mut self, state: &str) -> Result<(), RebuildError> {
        let kind = "checkpoint";
        let record: Option<CheckpointRecord<'_>> =
            serde_json::from_str(state).map_err(|error| RebuildError::Unreadable { kind, error })?;
        self.state = State::default();
        let counters = reserved(kind, &record.unwrap_or_default().counters)?;
        self.restore(&counters);
        Ok(())
    }

    /// Takes the body of a `decision` record.
    pub fn decision(&mut self, body: &str) -> Result<(), RebuildError> {
        let charges = charges("decision", body)?;
        self.restore(&charges);
        Ok(())
    }

    /// Takes the body of an `outcome` record written at `at`.
    pub fn outcome(&mut self, body: &str, at: Timestamp) -> Result<(), RebuildError> {
        let given_back = charges("outcome", body)?;
        self.latest = self.latest.max(Some(at));
        if !given_back.is_empty() {
            let receipt = Receipt { reserved: given_back, shadow: Vec::new() };
            self.state.settle(&receipt, Settlement::GiveBack, at);
        }
        Ok(())
    }

    /// The counters as they are at `now`.
    pub fn finish(mut self, now: Timestamp) -> State {
        self.state.sweep(self.latest.map_or(now, |latest| latest.max(now)));
        self.state
    }

    fn restore(&mut self, all: &[Reserved]) {
        for reserved in all {
            self.latest = self.latest.max(Some(reserved.window_start));
            self.state.restore(reserved);
        }
    }
}

fn charges(kind: &'static str, body: &str) -> Result<Vec<Reserved>, RebuildError> {
    let record: Charged<'_> = serde_json::from_str(body).map_err(|error| RebuildError::Unreadable { kind, error })?;
    reserved(kind, &record.charges)
}

fn reserved(kind: &'static str, wire: &[ReservedRecord<'_>]) -> Result<Vec<Reserved>, RebuildError> {
    let read: Result<Vec<Reserved>, WireError> = wire.iter().map(Reserved::try_from).collect();
    let mut read = read.map_err(|error| RebuildError::Unknown { kind, error })?;
    read.retain(|reserved| reserved.key.window != Window::Concurrent);
    Ok(read)
}
