//! Counters, permits and decision records: the step between a decision and its effect.
//!
//! ```text
//! Decider::charge(decision, about)   reserve all or none, record, wait until it is written
//!   -> Permit                        the only key to forwarding; dropped unused, it gives the reservation back
//!   -> Permit::depart() -> InFlight  the call is leaving; dropped, its charges stay
//!   -> InFlight::settle(ending)      what became of it: kept or given back, and recorded
//! Decider::charge_approved(…)        the same for a call that a person said yes to: the yes is used up in between
//! ```
//!
//! What was reserved and what was recorded happen under one lock, so the order of the journal is the order of the
//! counters, and a checkpoint written in between is exact.

mod approvals;
mod clock;
mod counters;
mod cover;
mod decider;
mod id;
mod local;
mod marks;
mod permit;
mod pins;
mod rebuild;
mod record;
mod records;
pub mod remote;
mod wire;
mod withheld;

pub use approvals::{
    Answer, Approval, ApprovalError, ApprovalId, Approvals, Binding, Desk, Later, NoApprovals, Question, Standing,
};
pub use clock::{Clock, SystemClock};
pub use counters::{CountersError, ResetOrder};
pub use cover::Cover;
pub use decider::{About, Decider, DigestKey, PolicyVersion, Refused, Switch, Uncovered};
pub use id::DecisionId;
pub use marks::{MarkKeyRecord, MarkRecord, StandingMarkRecord};
pub use permit::{Ending, InFlight, Permit, ResultKind};
pub use pins::{ListOf, Listed, NoPins, Pins};
pub use rebuild::{Rebuild, RebuildError};
pub use record::{AboutRecord, DecisionRecord, OutcomeRecord, PlaceRecord, ResetRecord, ShadowRecord};
pub use records::{RecordError, Records, Ticket};
pub use wire::{KeyRecord, ReservedRecord, WireError};
pub use withheld::{WITHHELD_NAME, WITHHELD_NAMES, WithheldRecord};
