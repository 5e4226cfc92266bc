//! What a call asks of the calls before it, and what it leaves for those after it (`flows`, policy language section 7).

use crate::call::Timestamp;
use crate::decision::{Place, RulePath};
use crate::model::{AskTerms, Mode};
use crate::names::{GrantId, Organisation, ServerName};
use std::fmt;
use std::sync::Arc;

/// How long the history reaches back at most, in milliseconds: 30 days.
pub const MAX_HISTORY_MS: u64 = 30 * 86_400_000;

/// What a flow looks for among earlier calls: a digest of all that its `after` or `require` says. Equal words of two
/// documents are one event, and a rule that says anything else never answers for another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

/// Whose calls are one history.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MarkScope {
    /// Those of one MCP session.
    Session(Arc<str>),
    /// Those of one grant that have no session, where a session was asked for.
    Sessionless(GrantId),
    /// Those of one grant.
    Grant(GrantId),
    /// Those of one identity, across servers.
    Identity(Arc<str>),
    /// Those of one trace, across servers.
    Trace(Arc<str>),
    /// Those of all grants of the organisation that have one value of one tag.
    Tag {
        /// The tag.
        key: Arc<str>,
        /// Its value.
        value: Arc<str>,
    },
}

/// What identifies a mark: a structure, never a joined string, so that no two can collide.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkKey {
    /// The organisation.
    pub organisation: Organisation,
    /// The server; `None` for what goes across servers: identities, traces and tags.
    pub server: Option<ServerName>,
    /// Whose calls.
    pub scope: MarkScope,
    /// What happened.
    pub event: EventId,
}

/// What one call has to do with the history. Checks first: a call is no reason against itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What has to be, or not to be, in the history. In the order of the rules.
    pub checks: Vec<Check>,
    /// What the call leaves there when it is reserved.
    pub imprints: Vec<Imprint>,
}

/// One flow's question about the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The mark that is looked at.
    pub key: MarkKey,
    /// How far back, in milliseconds; `None` is as far as the history goes.
    pub within_ms: Option<u64>,
    /// What follows from it.
    pub verdict: FlowVerdict,
    /// The flow's rule.
    pub rule: RulePath,
    /// Where the flow stands.
    pub place: Place,
    /// The flow's own message.
    pub on_deny: Option<Arc<str>>,
    /// What a flow in shadow mode makes of the call is only recorded.
    pub mode: Mode,
    /// Whether it has asked for a person, when the history was last looked at: then a yes to the call is one to it.
    pub has_asked: bool,
}

/// What a flow makes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowVerdict {
    /// Denied where the mark is there.
    Deny,
    /// A person decides where the mark is there.
    Approve(AskTerms),
    /// Denied unless what the mark stands for has been completed.
    Require,
}

/// A mark that a call leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Imprint {
    /// The mark.
    pub key: MarkKey,
    /// The grant whose call leaves it.
    pub grant: GrantId,
    /// How long it is of use, in milliseconds.
    pub keep_ms: u64,
    /// The rule that wants it.
    pub rule: RulePath,
    /// Where the flow stands.
    pub place: Place,
    /// Whether the flow wants such a call completed: then its answer has to be looked at.
    pub is_required: bool,
    /// Whether the flow is enforced.
    pub mode: Mode,
}

/// A mark that was left for one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// The mark.
    pub key: MarkKey,
    /// The grant whose call left it; none in records of versions that did not note it.
    pub grant: Option<GrantId>,
    /// How long it is of use, in milliseconds.
    pub keep_ms: u64,
    /// When the call began.
    pub at: Timestamp,
}

/// A mark as it stands: all calls that left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// What identifies it.
    pub key: MarkKey,
    /// The grant whose share of the history it is: the one that left it first, where that is known.
    pub grant: Option<GrantId>,
    /// How long it is of use, in milliseconds.
    pub keep_ms: u64,
    /// The latest moment at which such a call ended that ran, or may have run.
    pub ended: Option<Timestamp>,
    /// The latest moment at which such a call ended with a result that is no error.
    pub completed: Option<Timestamp>,
    /// When the calls in flight began, in order.
    pub open: Vec<Timestamp>,
}

impl History {
    /// Whether the call has nothing to do with any flow.
    pub(crate) fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.imprints.is_empty()
    }

    /// Adds a mark to leave; of equal ones the longer and the enforced one counts.
    pub(crate) fn leave(&mut self, imprint: Imprint) {
        let Some(known) = self.imprints.iter_mut().find(|known| known.key == imprint.key) else {
            return self.imprints.push(imprint);
        };
        let keep_ms = known.keep_ms.max(imprint.keep_ms);
        if known.mode == Mode::Shadow && imprint.mode == Mode::Enforce {
            *known = imprint;
        }
        known.keep_ms = keep_ms;
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}
