//! Rules over what comes back.

use super::{Mode, Predicate};
use crate::decision::{Place, RulePath};
use callgate_detect::Detectors;
use std::sync::Arc;

/// What stands under `results`, at the top of a document or in an entry.
#[derive(Debug)]
pub(crate) struct ResultRules {
    /// Free text for readers.
    pub(crate) description: Option<Arc<str>>,
    /// What is taken out.
    pub(crate) redact: Option<Redact>,
    /// The most bytes that a result may have.
    pub(crate) max_bytes: Option<Bound>,
    /// Where all of a predicate's conditions hold, the result is refused.
    pub(crate) deny_if: Vec<Predicate>,
    /// What the caller is told where a rule has no words of its own.
    pub(crate) on_deny: Option<Arc<str>>,
    /// Whether any of it is enforced.
    pub(crate) mode: Mode,
}

/// The list `redact`.
#[derive(Debug)]
pub(crate) struct Redact {
    /// The rule's name, for example `/tools/fetch/results/redact`.
    pub(crate) rule: RulePath,
    /// Where it stands.
    pub(crate) place: Place,
    /// As written.
    pub(crate) wanted: Vec<Wanted>,
    /// All of them, ready to look.
    pub(crate) detectors: Detectors,
}

/// One member of `redact`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A detector or a group, by its name.
    Known(Arc<str>),
    /// An expression of the document's own.
    Own {
        /// What stands in the place of what it matches.
        name: Arc<str>,
        /// The expression.
        regex: Arc<str>,
    },
}

/// The bound `max_bytes`.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The rule's name, for example `/tools/fetch/results/max_bytes`.
    pub(crate) rule: RulePath,
    /// Where it stands.
    pub(crate) place: Place,
    /// The most bytes.
    pub(crate) most: u32,
}

impl ResultRules {
    /// Every rule with its name and place.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&RulePath, &Place)> {
        let redact = self.redact.iter().map(|redact| (&redact.rule, &redact.place));
        let bound = self.max_bytes.iter().map(|bound| (&bound.rule, &bound.place));
        redact.chain(bound).chain(self.deny_if.iter().map(|predicate| (&predicate.rule, &predicate.place)))
    }
}

impl PartialEq for ResultRules {
    /// Equal rules, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        let wanted = |redact: &Option<Redact>| redact.as_ref().map(|redact| redact.wanted.clone());
        let most = |bound: &Option<Bound>| bound.as_ref().map(|bound| bound.most);
        self.description == other.description
            && wanted(&self.redact) == wanted(&other.redact)
            && most(&self.max_bytes) == most(&other.max_bytes)
            && self.deny_if == other.deny_if
            && self.on_deny == other.on_deny
            && self.mode == other.mode
    }
}
