//! The rules of a document: entries, predicates, conditions, limits and tests.

use super::{Mode, ResultRules, Scope, Strategy, Window};
use crate::decision::{Outcome, Place, RulePath};
use crate::ledger::Unit;
use crate::operator::Operator;
use crate::path::Path;
use crate::reach::ReachKind;
use callgate_json::Decimal;
use std::sync::Arc;

/// What stands under one tool, one category or `all_tools`.
#[derive(Debug)]
pub struct Entry {
    /// The key as written: a tool's name, a glob, a category; `all_tools` for that entry.
    pub(crate) pattern: Arc<str>,
    /// Where the entry stands.
    pub(crate) place: Place,
    /// Free text for readers.
    pub(crate) description: Option<Arc<str>>,
    /// All of a predicate's conditions must hold, else the call is denied.
    pub(crate) require: Vec<Predicate>,
    /// Where all of a predicate's conditions hold, the call is denied.
    pub(crate) deny_if: Vec<Predicate>,
    /// Where all of a predicate's conditions hold, a person decides.
    pub(crate) approve_if: Vec<Predicate>,
    /// What the calls are counted against.
    pub(crate) limits: Vec<Limit>,
    /// Whether arguments must match the pinned schema.
    pub(crate) validate_arguments: Option<Toggle>,
    /// Rules over what comes back.
    pub(crate) results: Option<ResultRules>,
}

/// A switch in an entry.
#[derive(Debug)]
pub struct Toggle {
    /// Its position.
    pub(crate) on: bool,
    /// The rule's name, for example `/tools/exec/validate_arguments`.
    pub(crate) rule: RulePath,
    /// Where it stands.
    pub(crate) place: Place,
}

/// One member of `require`, `deny_if` or `approve_if`.
#[derive(Debug)]
pub struct Predicate {
    /// The rule's name in logs.
    pub(crate) rule: RulePath,
    /// Where the predicate stands. The source is always [`Source::Policy`](crate::Source::Policy): a document does
    /// not know whether it serves as a baseline.
    pub(crate) place: Place,
    /// The document's own name for the rule.
    pub(crate) name: Option<Arc<str>>,
    /// Free text for readers.
    pub(crate) description: Option<Arc<str>>,
    /// All of these must hold. Empty is always true.
    pub(crate) conditions: Vec<Condition>,
    /// At least one of these must hold too; empty means that there is no such part (an empty `any` is an error).
    pub(crate) any: Vec<Condition>,
    /// What the caller is told.
    pub(crate) on_deny: Option<Arc<str>>,
    /// Whether it is enforced.
    pub(crate) mode: Mode,
    /// The message names no value.
    pub(crate) quiet: bool,
    /// How a person is asked; the default outside `approve_if`.
    pub(crate) ask: AskTerms,
}

/// How a person is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskTerms {
    /// How long the question stands, in milliseconds.
    pub(crate) timeout_ms: Option<u64>,
    /// What the caller does meanwhile.
    pub(crate) ask: Ask,
    /// How long a call is held open, in milliseconds.
    pub(crate) hold_for_ms: Option<u64>,
    /// Who asks may not answer.
    pub(crate) four_eyes: bool,
    /// How long a yes covers identical calls, in milliseconds.
    pub(crate) remember_for_ms: Option<u64>,
    /// Endpoints that are told of the question may see the arguments.
    pub(crate) include_arguments: bool,
}

/// What the caller does while a person decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// It is refused with the question's address, and tries again.
    #[default]
    Retry,
    /// Its call is held open.
    Hold,
    /// It asks its own user.
    Client,
}

/// One comparison.
#[derive(Debug)]
pub struct Condition {
    /// What is looked at; `None` only under `cel`, which reads the call by itself.
    pub(crate) path: Option<Path>,
    /// The comparison with its operand, compiled.
    pub(crate) operator: Operator,
    /// Path and operator as rule names show them, for example `args.amount-gt`.
    pub(crate) label: Arc<str>,
    /// Where the condition stands.
    pub(crate) place: Place,
}

/// One member of `limits`.
#[derive(Debug)]
pub struct Limit {
    /// The rule's name in logs.
    pub(crate) rule: RulePath,
    /// Where the limit stands.
    pub(crate) place: Place,
    /// Free text for readers.
    pub(crate) description: Option<Arc<str>>,
    /// The counter's name.
    pub(crate) counter: Arc<str>,
    /// The span that is counted over.
    pub(crate) window: Window,
    /// How the window moves; `Fixed` for calls in flight.
    pub(crate) strategy: Strategy,
    /// The most that the counter may hold, never negative.
    pub(crate) max: Decimal,
    /// Whose calls share the counter.
    pub(crate) scope: Scope,
    /// What is counted; `Path` holds the text of `increment_from`.
    pub(crate) unit: Unit,
    /// The argument whose value is charged.
    pub(crate) increment_from: Option<Path>,
    /// What the caller is told.
    pub(crate) on_deny: Option<Arc<str>>,
    /// Whether it is enforced.
    pub(crate) mode: Mode,
}

/// One member of `tests`.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// What the test shows.
    pub(crate) name: Arc<str>,
    /// What is called or reached for.
    pub(crate) subject: TestSubject,
    /// The arguments as canonical JSON, an object; `None` where the call has none.
    pub(crate) args: Option<Arc<str>>,
    /// The calls before, in order.
    pub(crate) after: Vec<EarlierCall>,
    /// How many identical calls are made at one moment, from 1; the last one is judged.
    pub(crate) calls: u32,
    /// The expected outcome.
    pub(crate) expect: Outcome,
    /// The expected rule, where the test names one.
    pub(crate) rule: Option<Arc<str>>,
    /// The moment of the calls (RFC 3339), where the test names one.
    pub(crate) at: Option<Arc<str>>,
    /// The label of the calling grant, where the test names one.
    pub(crate) grant: Option<Arc<str>>,
    /// What the server answers, as canonical JSON, where the test is about that.
    pub(crate) result: Option<Arc<str>>,
    /// The detectors that are expected to find something in it, sorted, where the test names them.
    pub(crate) redacts: Option<Vec<Arc<str>>>,
    /// Where the test stands.
    pub(crate) place: Place,
}

/// A call that is made before the ones that a test is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierCall {
    /// The tool.
    pub(crate) tool: Arc<str>,
    /// The arguments as canonical JSON, an object; `None` where the call has none.
    pub(crate) args: Option<Arc<str>>,
}

/// What a test asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestSubject {
    /// Calls of this tool.
    Tool(Arc<str>),
    /// A resource, prompt, sampling, elicitation or root, by its subject.
    Reach(ReachKind, Arc<str>),
}

impl Ask {
    /// Every way to ask, as documents name them.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Retry, "retry"), (Self::Hold, "hold"), (Self::Client, "client")];

    /// The way with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(ask, _)| *ask)
    }

    /// The way's name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(ask, _)| *ask == self).map_or("", |(_, name)| name)
    }
}

impl AskTerms {
    /// The same terms again, from what the others here tell: for those who carry them elsewhere.
    pub fn new(
        ask: Ask,
        (timeout_ms, hold_for_ms, remember_for_ms): (Option<u64>, Option<u64>, Option<u64>),
        (four_eyes, include_arguments): (bool, bool),
    ) -> Self {
        Self { timeout_ms, ask, hold_for_ms, four_eyes, remember_for_ms, include_arguments }
    }

    /// How long the question stands, in milliseconds.
    pub fn timeout_ms(&self) -> Option<u64> {
        self.timeout_ms
    }

    /// What the caller does meanwhile.
    pub fn ask(&self) -> Ask {
        self.ask
    }

    /// How long a call is held open, in milliseconds.
    pub fn hold_for_ms(&self) -> Option<u64> {
        self.hold_for_ms
    }

    /// Whether who asks may not answer.
    pub fn four_eyes(&self) -> bool {
        self.four_eyes
    }

    /// How long a yes covers alike calls, in milliseconds.
    pub fn remember_for_ms(&self) -> Option<u64> {
        self.remember_for_ms
    }

    /// Whether endpoints that are told of the question (webhooks) may see the arguments.
    pub fn include_arguments(&self) -> bool {
        self.include_arguments
    }
}

impl PartialEq for Entry {
    /// Equal rules, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
            && self.description == other.description
            && self.require == other.require
            && self.deny_if == other.deny_if
            && self.approve_if == other.approve_if
            && self.limits == other.limits
            && self.validate_arguments == other.validate_arguments
            && self.results == other.results
    }
}

impl PartialEq for Toggle {
    /// Equal positions, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.on == other.on && self.rule == other.rule
    }
}

impl PartialEq for Predicate {
    /// Equal rules, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.name == other.name
            && self.description == other.description
            && self.conditions == other.conditions
            && self.any == other.any
            && self.on_deny == other.on_deny
            && self.mode == other.mode
            && self.quiet == other.quiet
            && self.ask == other.ask
    }
}

impl PartialEq for Condition {
    /// Equal comparisons, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
            && self.operator.name() == other.operator.name()
            && self.operator.operand() == other.operator.operand()
    }
}

impl PartialEq for Limit {
    /// Equal rules, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.description == other.description
            && self.counter == other.counter
            && self.window == other.window
            && self.strategy == other.strategy
            && self.max == other.max
            && self.scope == other.scope
            && self.unit == other.unit
            && self.on_deny == other.on_deny
            && self.mode == other.mode
    }
}

impl PartialEq for TestCase {
    /// Equal tests, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.subject == other.subject
            && self.args == other.args
            && self.after == other.after
            && self.calls == other.calls
            && self.expect == other.expect
            && self.rule == other.rule
            && self.at == other.at
            && self.grant == other.grant
            && self.result == other.result
            && self.redacts == other.redacts
    }
}
