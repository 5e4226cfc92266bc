//! Rules over the history of calls.

use super::{Category, Condition, Label, Mode, Policy};
use crate::decide::of_condition;
use crate::decision::{Place, RulePath};
use crate::glob::Glob;
use crate::history::{EventId, FlowVerdict, MAX_HISTORY_MS};
use std::sync::Arc;

/// One member of `flows`: what follows for a call from the calls before it.
#[derive(Debug)]
pub(crate) struct Flow {
    /// The rule's name in logs, for example `/flows/no-egress`.
    pub(crate) rule: RulePath,
    /// Where the flow stands.
    pub(crate) place: Place,
    /// The document's own name for it.
    pub(crate) name: Arc<str>,
    /// Free text for readers.
    pub(crate) description: Option<Arc<str>>,
    /// The earlier call: `after`, or `require`.
    pub(crate) earlier: Matcher,
    /// The call that is decided: `deny`, `approve`, or `before`.
    pub(crate) later: Matcher,
    /// What follows.
    pub(crate) verdict: FlowVerdict,
    /// What the earlier call leaves: [`Matcher::event`].
    pub(crate) event: EventId,
    /// How far back, where the document says it.
    pub(crate) within: Option<Within>,
    /// Whose calls, where the document says it.
    pub(crate) scope: Option<FlowScope>,
    /// What the caller is told.
    pub(crate) on_deny: Option<Arc<str>>,
    /// Whether it is enforced.
    pub(crate) mode: Mode,
}

/// How far back a flow looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// As long as the session is.
    Session,
    /// So many milliseconds.
    Span(u64),
}

/// Whose calls a flow joins to one history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FlowScope {
    /// Those of one session; of the grant where there is none.
    Session,
    /// Those of one grant.
    Grant,
    /// Those of one trace.
    Trace,
    /// Those of one identity.
    Identity,
    /// Those of all grants with one value of this tag.
    Tag(Arc<str>),
}

/// Which calls one side of a flow is about.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// Which tools.
    pub(crate) tools: Tools,
    /// All of these must hold too.
    pub(crate) conditions: Vec<Condition>,
    /// Where it stands.
    pub(crate) place: Place,
}

/// Which tools one side of a flow is about: any of these.
#[derive(Debug)]
pub(crate) enum Tools {
    /// Of these categories.
    OfCategory(Vec<Category>),
    /// With these names, or matching these patterns.
    Named(Vec<Glob>),
    /// With one of these labels.
    Labelled(Vec<Label>),
}

impl Policy {
    /// Whether a flow looks at what only a tool's definition says.
    pub fn flows_need_definitions(&self) -> bool {
        self.flows.iter().flat_map(Flow::matchers).any(Matcher::needs_definition)
    }
}

impl Flow {
    /// Whose calls it joins: without a word, those of a session, or of a grant where `within` is a time.
    pub(crate) fn scope(&self) -> &FlowScope {
        match (&self.scope, self.within) {
            (Some(scope), _) => scope,
            (None, Some(Within::Span(_))) => &FlowScope::Grant,
            (None, _) => &FlowScope::Session,
        }
    }

    /// How far back it looks, in milliseconds; `None` is as far as the history goes.
    pub(crate) fn within_ms(&self) -> Option<u64> {
        match self.within {
            Some(Within::Span(span)) => Some(span),
            Some(Within::Session) | None => None,
        }
    }

    /// How long its marks are of use, in milliseconds. What goes across servers may be looked at by a document that looks
    /// further back than this one.
    pub(crate) fn keep_ms(&self) -> u64 {
        match (self.scope(), self.within_ms()) {
            (FlowScope::Tag(_) | FlowScope::Identity, _) | (_, None) => MAX_HISTORY_MS,
            (_, Some(span)) => span.min(MAX_HISTORY_MS),
        }
    }

    /// Both sides.
    pub(crate) fn matchers(&self) -> [&Matcher; 2] {
        [&self.earlier, &self.later]
    }
}

impl Matcher {
    /// Whether the definition of a tool has to be known.
    pub(crate) fn needs_definition(&self) -> bool {
        !matches!(self.tools, Tools::Named(_)) || self.conditions.iter().any(of_condition)
    }

    /// What such a call leaves in the history. `role` is the field that it stands in: whether it stops calls or lets them
    /// through is a part of it, because the two read values of the wrong type differently.
    pub(crate) fn event(&self, role: &str) -> EventId {
        let mut digest = blake3::Hasher::new();
        let mut part = |text: &str| {
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        let mut names = self.tools.names();
        names.sort_unstable();
        names.dedup();
        part(role);
        part(self.tools.kind());
        part(&names.len().to_string());
        names.into_iter().for_each(&mut part);
        for condition in &self.conditions {
            part(condition.path.as_ref().map_or("", |path| path.text()));
            part(condition.operator.name());
            part(condition.operator.operand().unwrap_or_default());
        }
        let mut id = [0; 16];
        digest.finalize_xof().fill(&mut id);
        EventId(id)
    }
}

impl Tools {
    /// The field that says it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::OfCategory(_) => "category",
            Self::Named(_) => "tool",
            Self::Labelled(_) => "label",
        }
    }

    /// The names as documents write them, in their order.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::OfCategory(categories) => categories.iter().map(|category| category.as_str()).collect(),
            Self::Named(globs) => globs.iter().map(Glob::as_str).collect(),
            Self::Labelled(labels) => labels.iter().map(|label| label.as_str()).collect(),
        }
    }
}

impl PartialEq for Flow {
    /// Equal rules, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.name == other.name
            && self.description == other.description
            && self.earlier == other.earlier
            && self.later == other.later
            && self.verdict == other.verdict
            && self.within == other.within
            && self.scope == other.scope
            && self.on_deny == other.on_deny
            && self.mode == other.mode
    }
}

impl PartialEq for Matcher {
    /// Equal calls, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.tools.kind() == other.tools.kind()
            && self.tools.names() == other.tools.names()
            && self.conditions == other.conditions
    }
}
