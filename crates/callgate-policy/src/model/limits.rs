//! The limits of a document, for those who show them.

use super::{Entry, Limit, Mode, Policy, Scope, Strategy, Window};
use crate::decision::{Place, RulePath};
use crate::ledger::{CounterKey, Unit};
use callgate_json::Decimal;
use std::sync::Arc;

/// One limit of a document.
#[derive(Clone, Copy, Debug)]
pub struct LimitFacts<'p> {
    /// The key of the entry under `tools` that it stands in, a name or a pattern; `None` under `all_tools` and
    /// `categories`.
    pub tool: Option<&'p str>,
    limit: &'p Limit,
}

impl Policy {
    /// Every limit, in document order: `all_tools`, the categories, the tools.
    pub fn limits(&self) -> impl Iterator<Item = LimitFacts<'_>> {
        let categories = self.categories.iter().map(|(_, entry)| entry);
        let unnamed = self.all_tools.iter().chain(categories).map(|entry| (None, entry));
        let named = self.tools.entries.iter().map(|entry| (Some(&*entry.pattern), entry));
        let entries = unnamed.chain(named);
        entries.flat_map(|(tool, entry): (_, &Entry)| entry.limits.iter().map(move |limit| LimitFacts { tool, limit }))
    }
}

impl<'p> LimitFacts<'p> {
    /// The rule's name.
    pub fn rule(&self) -> &'p RulePath {
        &self.limit.rule
    }

    /// Where it stands.
    pub fn place(&self) -> &'p Place {
        &self.limit.place
    }

    /// The counter's name.
    pub fn counter(&self) -> &'p Arc<str> {
        &self.limit.counter
    }

    /// The span that is counted over.
    pub fn window(&self) -> Window {
        self.limit.window
    }

    /// How the window moves.
    pub fn strategy(&self) -> Strategy {
        self.limit.strategy
    }

    /// The most that the counter may hold.
    pub fn max(&self) -> Decimal {
        self.limit.max
    }

    /// Whose calls share the counter.
    pub fn scope(&self) -> Scope {
        self.limit.scope
    }

    /// What is counted.
    pub fn unit(&self) -> &'p Unit {
        &self.limit.unit
    }

    /// Whether it is enforced.
    pub fn mode(&self) -> Mode {
        self.limit.mode
    }

    /// Whether a counter, of whomever the limit is for, is one that this limit bounds. A `session` limit counts by grant
    /// where a call has no session.
    pub fn bounds(&self, key: &CounterKey) -> bool {
        let scope = self.limit.scope;
        (key.scope == scope || (scope == Scope::Session && key.scope == Scope::Grant))
            && key.name == self.limit.counter
            && key.window == self.limit.window
            && key.strategy == self.limit.strategy
            && key.unit == self.limit.unit
    }
}
