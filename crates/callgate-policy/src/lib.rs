//! The policy language: parse, check, decide, count, explain. Pure: no clock, no IO, no environment.
//!
//! ```text
//! decide(policy, call, facts) -> Decision              total: any input gives an answer
//! State::reserve(charges, now) -> Receipt or Refusal   all limits of a call, or none
//! ```

pub mod call;
pub mod decision;
pub mod ledger;
pub mod model;
pub mod names;

pub use call::{Arguments, Call, Client, Definition, Facts, Grant, Identity, Timestamp};
pub use decision::{Decision, Outcome, Place, Reason, RulePath, ShadowVerdict, Source};
pub use ledger::{Charge, CounterKey, Receipt, Refusal, Reserved, Settlement, State, Unit};
pub use model::{Category, Mode, Policy, Problem, Problems, Scope, Severity, Strategy, Window};
pub use names::{GrantId, NameError, Organisation, ServerName};
