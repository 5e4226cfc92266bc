//! A decision: what happens to a call, and why. The explanation is this value; nothing recomputes it.

use crate::history::{Check, FlowVerdict, History};
use crate::ledger::{Charge, Refusal};
use crate::message::Message;
use crate::model::{AskTerms, Mode};
use std::fmt;
use std::sync::Arc;

/// A rule's name in logs and answers, for example `/tools/create_charge/deny_if/args.amount-gt`; empty for a plain
/// allow.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RulePath(Arc<str>);

impl RulePath {
    /// The name with this text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It may be charged and forwarded.
    Allow,
    /// It is refused.
    Deny,
    /// A person has to say yes first.
    Approve,
}

impl Outcome {
    /// The word in records and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Approve => "approve",
        }
    }
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The grant has no policy.
    NoPolicy,
    /// The tool is hidden.
    Hidden,
    /// No entry lists the tool under `default: deny`; or the server starts what no section speaks of.
    DefaultDeny,
    /// A section for what is no tool denies the subject, or does not allow it.
    NotAllowed,
    /// The tool's definition changed since it was pinned.
    Quarantined,
    /// The arguments can't be read, or don't match the pinned schema.
    InvalidArguments,
    /// A `require` did not hold.
    Require,
    /// A `deny_if` held.
    DenyIf,
    /// A rule over results refused what came back.
    Result,
    /// A sequence or data-flow rule held.
    Flow,
    /// A limit is exhausted.
    Limit,
    /// A person said no.
    ApprovalRefused,
    /// Nobody answered in time.
    ApprovalExpired,
    /// A rule could not be evaluated, or a fact or a store that it needs was not there.
    Fault,
}

impl Reason {
    /// The word in records and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPolicy => "no policy",
            Self::Hidden => "hidden",
            Self::DefaultDeny => "default deny",
            Self::NotAllowed => "not allowed",
            Self::Quarantined => "quarantined",
            Self::InvalidArguments => "invalid arguments",
            Self::Require => "require",
            Self::DenyIf => "deny_if",
            Self::Result => "result",
            Self::Flow => "flow",
            Self::Limit => "limit",
            Self::ApprovalRefused => "approval refused",
            Self::ApprovalExpired => "approval expired",
            Self::Fault => "fault",
        }
    }
}

/// Which of the two documents of a decision a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The grant's policy.
    Policy,
    /// The organisation's baseline policy.
    Baseline,
}

/// Where a rule stands in its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which document.
    pub source: Source,
    /// The RFC 6901 pointer into it.
    pub pointer: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// What a rule in shadow mode would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowVerdict {
    /// The rule.
    pub rule: RulePath,
    /// What it would have made of the call.
    pub outcome: Outcome,
    /// Why; `Fault` where it could not be evaluated, `ApprovalRefused` where it would have asked: nobody said yes.
    pub reason: Reason,
    /// What it would have said.
    pub message: Message,
}

/// What happens to a call, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What happens.
    pub outcome: Outcome,
    /// Why it is refused; `None` for an allow. `Approve` has none either.
    pub reason: Option<Reason>,
    /// The rule that decided; empty for a plain allow.
    pub rule: RulePath,
    /// Where the rule stands, where it stands in a document.
    pub place: Option<Place>,
    /// What the caller is told, and what of it is recorded; empty for a plain allow.
    pub message: Message,
    /// What forwarding the call costs: reserved all or none before it leaves. Empty on a denial.
    pub charges: Vec<Charge>,
    /// What the call has to do with the history; none where no flow speaks of it. Looked at under the same lock as the
    /// charges, so an allow may still become a denial or an `Approve` there.
    pub history: Option<Box<History>>,
    /// What the rules in shadow mode would have done.
    pub shadow: Vec<ShadowVerdict>,
    /// How a person is asked, where the outcome is `Approve`.
    pub ask: Option<AskTerms>,
    /// When a limit's window resets, in milliseconds from the decision.
    pub retry_after_ms: Option<u64>,
}

impl Decision {
    /// The same decision after its reservation was refused: the final value that is recorded and answered.
    #[must_use]
    pub fn refused(mut self, refusal: Refusal) -> Self {
        self.outcome = Outcome::Deny;
        self.reason = Some(refusal.reason);
        self.rule = refusal.rule;
        self.place = refusal.place;
        self.message = refusal.message.into();
        self.retry_after_ms = refusal.retry_after_ms;
        self.charges = Vec::new();
        self.history = None;
        self.ask = None;
        self
    }

    /// Whether what the history says could make it ask for a person.
    pub fn may_ask(&self) -> bool {
        let asks = |check: &Check| check.mode == Mode::Enforce && matches!(check.verdict, FlowVerdict::Approve(_));
        self.outcome != Outcome::Deny && self.history.as_ref().is_some_and(|history| history.checks.iter().any(asks))
    }

    /// Whether a flow wants the call completed: its answer has to be looked at, whatever it is.
    pub fn is_required(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.imprints.iter().any(|imprint| imprint.is_required))
    }

    /// The same decision where a person has said yes: an allow, about which no flow asks again that was among those that
    /// asked. What denies still does, and what comes to ask meanwhile. The rule stays, so that records name who asked.
    #[must_use]
    pub fn approved(mut self) -> Self {
        if self.outcome == Outcome::Deny {
            return self;
        }
        if let Some(history) = &mut self.history {
            history.checks.retain(|check| !(check.has_asked && matches!(check.verdict, FlowVerdict::Approve(_))));
        }
        self.outcome = Outcome::Allow;
        self.message = Message::default();
        self.ask = None;
        self
    }

    /// The same decision where a flow asks for a person, before the rules that ask already.
    pub(crate) fn asked(mut self, asking: Asking) -> Self {
        self.ask = Some(match &self.ask {
            Some(others) => asking.terms.strictest(others),
            None => asking.terms,
        });
        self.outcome = Outcome::Approve;
        self.rule = asking.rule;
        self.place = Some(asking.place);
        self.message = asking.message;
        self
    }
}

/// A rule that asks for a person, and how.
pub(crate) struct Asking {
    pub(crate) rule: RulePath,
    pub(crate) place: Place,
    pub(crate) message: Message,
    pub(crate) terms: AskTerms,
}
