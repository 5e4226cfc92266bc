//! The journal, as a port: what a decider needs of whoever keeps the records.

use callgate_policy::Timestamp;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// A record that was appended, and can be waited for. Grows with every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Why something could not be recorded: one line with its code, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(pub String);

/// Keeps the records of decisions and outcomes, in the order of the calls.
///
/// `body` is compact JSON. `checkpoint` gives the live counters as compact JSON and may be called while `append_…`
/// runs, *after* the record itself took its place: what it gives covers that record and everything before.
pub trait Records: Send + Sync + 'static {
    /// Appends a decision. Refuses while the store is failing: what can't be recorded must not leave.
    fn append_decision(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError>;

    /// Appends what became of a call. Nobody waits for it; a store that fails keeps it for later, within a bound.
    fn append_outcome(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError>;

    /// Appends what was taken out of a list. Nobody waits for it; a store that fails may refuse it.
    fn append_withheld(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError>;

    /// Appends that counters were set to zero. Refuses while the store is failing.
    fn append_reset(
        &self,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError>;

    /// Whether the record survives what the configuration promises that it survives.
    fn poll_written(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<(), RecordError>>;
}

/// Waits until a record is written.
pub(crate) async fn written(records: &dyn Records, ticket: Ticket) -> Result<(), RecordError> {
    poll_fn(|cx| records.poll_written(ticket, cx)).await
}
