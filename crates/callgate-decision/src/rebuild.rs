//! Counters and history rebuilt from the journal: the last checkpoint, and what was recorded after it.

use crate::marks::MarkRecord;
use crate::permit::ResultKind;
use crate::record::{CheckpointRecord, ResetRecord};
use crate::wire::{ReservedRecord, WireError};
use callgate_policy::{CounterKey, Mark, Marked, Receipt, Reserved, Settlement, State, Timestamp, Window};
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
/// Calls that were in flight when the last process ended count as having run, for the history until now; `concurrent`
/// leases end with their process and are not put back.
#[derive(Debug, Default)]
pub struct Rebuild {
    state: State,
    /// The latest moment that a record names: a clock that went back while nothing ran grants nothing twice.
    latest: Option<Timestamp>,
}

/// As little of a decision or an outcome as counters and history need.
#[derive(Deserialize)]
struct Charged<'a> {
    #[serde(borrow, default)]
    charges: Vec<ReservedRecord<'a>>,
    #[serde(borrow, default)]
    marks: Vec<MarkRecord<'a>>,
    #[serde(default)]
    kept: bool,
    #[serde(default)]
    result: Option<ResultKind>,
    #[serde(default)]
    ended: Option<i64>,
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
        let record = record.unwrap_or_default();
        self.restore(&reserved(kind, &record.counters)?);
        for mark in read::<_, Mark>(kind, &record.marks)? {
            let moments = [mark.ended, mark.completed, mark.open.last().copied()];
            self.latest = moments.into_iter().fold(self.latest, Option::max);
            self.state.restore_mark(&mark);
        }
        Ok(())
    }

    /// Takes the body of a `decision` record.
    pub fn decision(&mut self, body: &str) -> Result<(), RebuildError> {
        let kind = "decision";
        let record = charged(kind, body)?;
        self.restore(&reserved(kind, &record.charges)?);
        for marked in read::<_, Marked>(kind, &record.marks)? {
            self.latest = self.latest.max(Some(marked.at));
            self.state.begin(&marked);
        }
        Ok(())
    }

    /// Takes the body of an `outcome` record written at `at`.
    pub fn outcome(&mut self, body: &str, at: Timestamp) -> Result<(), RebuildError> {
        let kind = "outcome";
        let record = charged(kind, body)?;
        let ended = record.ended.map_or(at, Timestamp);
        self.latest = self.latest.max(Some(at)).max(Some(ended));
        let receipt = Receipt {
            reserved: reserved(kind, &record.charges)?,
            shadow: Vec::new(),
            marks: read(kind, &record.marks)?,
        };
        if record.kept {
            // What is kept names no charges: only the history hears of it.
            self.state.settle(&Receipt { reserved: Vec::new(), ..receipt.clone() }, Settlement::Keep, ended);
            if record.result == Some(ResultKind::Result) {
                self.state.complete(&receipt, ended);
            }
        } else if !receipt.reserved.is_empty() || !receipt.marks.is_empty() {
            self.state.settle(&receipt, Settlement::GiveBack, ended);
        }
        Ok(())
    }

    /// Takes the body of a `reset` record.
    pub fn reset(&mut self, body: &str) -> Result<(), RebuildError> {
        let kind = "reset";
        let record: ResetRecord<'_> =
            serde_json::from_str(body).map_err(|error| RebuildError::Unreadable { kind, error })?;
        let from = Timestamp(record.from);
        self.latest = self.latest.max(Some(from));
        for key in read::<_, CounterKey>(kind, &record.counters)? {
            self.state.restore_reset(&key, from);
        }
        Ok(())
    }

    /// The counters as they are at `now`.
    pub fn finish(mut self, now: Timestamp) -> State {
        let moment = self.latest.map_or(now, |latest| latest.max(now));
        self.state.abandon(moment);
        self.state.sweep(moment);
        self.state
    }

    fn restore(&mut self, all: &[Reserved]) {
        for reserved in all {
            self.latest = self.latest.max(Some(reserved.window_start));
            self.state.restore(reserved);
        }
    }
}

fn charged<'b>(kind: &'static str, body: &'b str) -> Result<Charged<'b>, RebuildError> {
    serde_json::from_str(body).map_err(|error| RebuildError::Unreadable { kind, error })
}

fn reserved(kind: &'static str, wire: &[ReservedRecord<'_>]) -> Result<Vec<Reserved>, RebuildError> {
    let mut read: Vec<Reserved> = read(kind, wire)?;
    read.retain(|reserved| reserved.key.window != Window::Concurrent);
    Ok(read)
}

fn read<'w, W, T>(kind: &'static str, wire: &'w [W]) -> Result<Vec<T>, RebuildError>
where
    T: TryFrom<&'w W, Error = WireError>,
{
    wire.iter().map(T::try_from).collect::<Result<_, _>>().map_err(|error| RebuildError::Unknown { kind, error })
}
