//! Permission to forward, as a value: it has one mint, can't be copied, and can't be lost without an entry.

use crate::cover::Cover;
use crate::id::DecisionId;
use crate::local::Local;
use crate::remote::Link;
use callgate_policy::{Receipt, Settlement};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Permission to forward one call: charged and recorded. Only a [`Decider`](crate::Decider) makes one.
///
/// Dropped unused, it gives back what was reserved and records that the call was not forwarded.
#[must_use = "a permit that is dropped gives its charges back"]
pub struct Permit {
    held: Held,
}

/// A call that has left, or may have.
///
/// Dropped without [`settle`](Self::settle), its charges stay and it is recorded as broken off.
#[must_use = "a call in flight has to be settled"]
pub struct InFlight {
    held: Held,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Whether its charges stay.
    pub settlement: Settlement,
    /// What came back.
    pub result: ResultKind,
    /// The HTTP status of the upstream, where it spoke HTTP.
    pub upstream_status: Option<u16>,
    /// The code of the upstream's JSON-RPC error.
    pub error_code: Option<i64>,
    /// From the decision to the end of the answer, in microseconds.
    pub latency_us: u64,
    /// How many bytes the answer had.
    pub bytes: u64,
}

/// What came back from the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// A result.
    Result,
    /// An answer that was passed on without being read, or that does not say what it is: whether the call did what it was
    /// for nobody knows.
    Unread,
    /// A tool result marked `isError`.
    ToolError,
    /// A JSON-RPC error.
    Error,
    /// A result that asks for more input first (`input_required`).
    InputRequired,
    /// A task that goes on.
    Task,
    /// Taken without an answer: a notification, or a response.
    Accepted,
    /// The upstream can't be reached: nothing was sent.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The connection broke, or the gateway ended, before an answer was there.
    Broken,
    /// The client cancelled.
    Cancelled,
    /// It never left.
    NotForwarded,
}

impl Ending {
    /// An ending without figures.
    pub fn new(settlement: Settlement, result: ResultKind) -> Self {
        Self { settlement, result, upstream_status: None, error_code: None, latency_us: 0, bytes: 0 }
    }

    /// Whether the call did what it was for, as far as its answer says: flows that require a call want this.
    pub(crate) fn has_completed(&self) -> bool {
        self.settlement == Settlement::Keep && self.result == ResultKind::Result
    }
}

impl Permit {
    /// The one mint: called where a call has been reserved, recorded, and its record is written.
    pub(crate) fn mint(held: Held) -> Self {
        Self { held }
    }

    /// The decision that this permission comes from.
    pub fn id(&self) -> DecisionId {
        self.held.id
    }

    /// The yes under which it leaves, where a person was asked.
    pub fn cover(&self) -> Option<&Cover> {
        self.held.cover.as_deref()
    }

    /// The same permission for a call that a flow wants completed, or not.
    pub(crate) fn required(mut self, is_required: bool) -> Self {
        self.held.is_required = is_required;
        self
    }

    /// The same permission, under a person's yes.
    pub(crate) fn under(mut self, cover: Cover) -> Self {
        self.held.cover = Some(Box::new(cover));
        self
    }

    /// Gives back what was reserved, but not the yes: it is for the same call, which is decided again.
    pub fn release(mut self) -> Option<Cover> {
        self.held.cover.take().map(|cover| *cover)
    }

    /// The call is leaving now: from here on it counts as having run until something proves that it didn't.
    pub fn depart(mut self) -> InFlight {
        InFlight { held: self.held.take() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.held.end(&Ending::new(Settlement::GiveBack, ResultKind::NotForwarded));
    }
}

impl InFlight {
    /// The decision that let the call leave.
    pub fn id(&self) -> DecisionId {
        self.held.id
    }

    /// The yes under which it left, where a person was asked.
    pub fn cover(&self) -> Option<&Cover> {
        self.held.cover.as_deref()
    }

    /// Whether a flow wants the call completed: its answer has to be looked at.
    pub fn is_required(&self) -> bool {
        self.held.is_required
    }

    /// Ends the call: its charges stay or go back, and what became of it is recorded.
    pub fn settle(mut self, ending: Ending) {
        self.held.end(&ending);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.held.end(&Ending::new(Settlement::Keep, ResultKind::Broken));
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.held.id)
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InFlight({})", self.held.id)
    }
}

/// A reservation that somebody is responsible for. Ends once.
pub(crate) struct Held {
    pub(crate) id: DecisionId,
    backing: Option<Backing>,
    /// A call that waits for nobody has none, and pays a pointer.
    cover: Option<Box<Cover>>,
    is_required: bool,
}

/// Where a reservation lives.
pub(crate) enum Backing {
    Local { local: Arc<Local>, receipt: Receipt },
    Remote { link: Arc<Link>, number: u64 },
}

impl Held {
    pub(crate) fn new(id: DecisionId, backing: Backing) -> Self {
        Self { id, backing: Some(backing), cover: None, is_required: false }
    }

    fn take(&mut self) -> Self {
        Self { backing: self.backing.take(), cover: self.cover.take(), ..*self }
    }

    fn end(&mut self, ending: &Ending) {
        // Dropped, it gives the yes back.
        if let Some(cover) = self.cover.take()
            && ending.settlement == Settlement::Keep
        {
            cover.spend();
        }
        match self.backing.take() {
            None => {}
            Some(Backing::Local { local, receipt }) => local.end(self.id, &receipt, ending),
            Some(Backing::Remote { link, number }) => link.end(number, ending),
        }
    }
}
