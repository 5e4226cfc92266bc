//! The ledger: reserve before a call leaves, settle when its fate is known. Pure functions over a [`State`]; every
//! counter store has to behave like it.

mod admit;
mod marks;
mod message;
mod reset;
mod state;
mod tally;
mod window;

pub use reset::{Reset, Standing};
pub use state::State;

use crate::call::Timestamp;
use crate::decision::{Place, Reason, RulePath};
use crate::history::Marked;
use crate::model::{Mode, Scope, Strategy, Window};
use crate::names::{Organisation, ServerName};
use callgate_json::Decimal;
use std::sync::Arc;

/// What a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Calls.
    Calls,
    /// The sum of the argument at this path.
    Path(Arc<str>),
}

/// What identifies a counter: a structure, never a joined string, so that no two can collide.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey {
    /// The organisation.
    pub organisation: Organisation,
    /// The server; `None` under `identity` and `organisation` scope.
    pub server: Option<ServerName>,
    /// The kind of scope (a `session` limit that fell back to its grant says `Grant`).
    pub scope: Scope,
    /// The grant's id, the session's, the identity's subject; empty under `server` and `organisation`.
    pub scope_id: Arc<str>,
    /// The counter's name.
    pub name: Arc<str>,
    /// The window.
    pub window: Window,
    /// The strategy.
    pub strategy: Strategy,
    /// What is counted.
    pub unit: Unit,
}

/// What one call costs on one counter, and how much the counter may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// The counter.
    pub key: CounterKey,
    /// How much the call adds, never negative.
    pub amount: Decimal,
    /// The most that the counter may hold.
    pub max: Decimal,
    /// The limit's rule.
    pub rule: RulePath,
    /// Where the limit stands.
    pub place: Place,
    /// The limit's own message.
    pub on_deny: Option<Arc<str>>,
    /// Shadow charges are counted apart and refuse nothing.
    pub mode: Mode,
}

/// What was reserved for one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// One entry per counter.
    pub reserved: Vec<Reserved>,
    /// Shadow limits that would have refused.
    pub shadow: Vec<RulePath>,
    /// What the call left in the history.
    pub marks: Vec<Marked>,
}

/// What was reserved on one counter.
#[derive(Clone, Debug, PartialEq)]
pub struct Reserved {
    /// The counter.
    pub key: CounterKey,
    /// Whether it is the shadow tally of that counter.
    pub mode: Mode,
    /// How much.
    pub amount: Decimal,
    /// The start of the window that was charged; the moment of the charge under `sliding` and `concurrent`.
    pub window_start: Timestamp,
}

/// What became of a call, as far as its charges are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It ran, or may have run: the charges stay. Leases (`concurrent`) end.
    Keep,
    /// It certainly did not run: the charges go back to the windows that were charged. Leases end.
    GiveBack,
}

/// Why a reservation was refused. [`Decision::refused`](crate::Decision::refused) makes it the final decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// `Limit`, `Flow`, or `Fault` where the sum can't be kept exactly or the store can't be reached.
    pub reason: Reason,
    /// The limit's rule.
    pub rule: RulePath,
    /// Where it stands.
    pub place: Option<Place>,
    /// Which counter, the limit, and when it resets.
    pub message: String,
    /// Milliseconds until it resets, where that is known.
    pub retry_after_ms: Option<u64>,
}
