//! The typed document.

mod flow;
mod limits;
mod results;
mod rule;
mod section;
mod tools;

pub(crate) use flow::{Flow, FlowScope, Matcher, Tools as MatchedTools, Within};
pub(crate) use section::{List, Pattern, Section, Sections};
pub(crate) use tools::{Hide, Tools};

pub(crate) use results::{Bound, Redact, ResultRules, Wanted};

pub use limits::LimitFacts;
pub use rule::{Ask, AskTerms, Condition, EarlierCall, Entry, Limit, Predicate, TestCase, TestSubject, Toggle};

use crate::decision::{Place, RulePath};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What a tool does, by its riskiest action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Looks, changes nothing.
    Read,
    /// Changes something that can be changed back.
    Write,
    /// Runs something: code, a process, a machine.
    Execute,
    /// Removes or overwrites for good.
    Destructive,
    /// Moves money.
    Financial,
}

/// What an attack could use a tool for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Brings text to the model that strangers wrote.
    ReadsUntrusted,
    /// Shows the model what is not public.
    ReadsPrivate,
    /// Carries data out.
    Egress,
    /// Asks for or deals in credentials.
    Credentials,
    /// Runs what the caller writes.
    FreeFormCode,
    /// Acts on many things at once.
    Bulk,
}

/// Whether a rule is enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is evaluated and recorded, and refuses nothing.
    Shadow,
}

/// Whose calls share a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Those of one grant.
    Grant,
    /// Those of one session.
    Session,
    /// Those of one identity, across servers.
    Identity,
    /// All on one server.
    Server,
    /// All of the organisation.
    Organisation,
}

/// How a window moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strategy {
    /// Aligned windows, one tally each.
    #[default]
    Fixed,
    /// Never more than `max` in any span of the window's length.
    Sliding,
}

/// The span that a limit counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// A minute, UTC.
    Minute,
    /// An hour, UTC.
    Hour,
    /// A day, UTC.
    Day,
    /// A week from Monday, UTC.
    Week,
    /// A calendar month, UTC.
    Month,
    /// So many milliseconds, aligned to the Unix epoch.
    Every(u64),
    /// Calls in flight.
    Concurrent,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The document can't be used.
    Error,
    /// It can, but hardly means what was meant.
    Warning,
}

/// One thing that is wrong with a document, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable code, such as `CG1003`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The RFC 6901 pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty where the message says it all.
    pub hint: String,
}

/// Why a document can't be used: every error, with the warnings, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: {}", problem.line, problem.column, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A policy, compiled and ready to decide. Immutable; shared by reference.
#[derive(Debug)]
pub struct Policy {
    /// The document's `name`.
    pub name: Option<Arc<str>>,
    /// The document's `description`.
    pub description: Option<Arc<str>>,
    /// BLAKE3 of the document's bytes, in hex.
    pub(crate) version: Arc<str>,
    /// Set where the document could not be used: every call is refused as a fault, with this text.
    pub(crate) broken: Option<Arc<str>>,
    /// The document's `$schema`.
    pub(crate) schema: Option<Arc<str>>,
    /// What happens to tools that no entry lists.
    pub(crate) default: Unlisted,
    /// Where that stands.
    pub(crate) default_place: Option<Place>,
    /// Which tools `tools/list` shows.
    pub(crate) list: ListMode,
    /// The tools that are taken out of the list and denied.
    pub(crate) hide: Hide,
    /// Rules for every tool.
    pub(crate) all_tools: Option<Entry>,
    /// Rules by category, in document order.
    pub(crate) categories: Vec<(Category, Entry)>,
    /// Rules by name.
    pub(crate) tools: Tools,
    /// What may be reached and started beside tools.
    pub(crate) sections: Sections,
    /// Rules over the history of calls, in document order.
    pub(crate) flows: Vec<Flow>,
    /// Rules over every result.
    pub(crate) results: Option<ResultRules>,
    /// Whether there are rules over results anywhere.
    pub(crate) has_results: bool,
    /// The document's own tests.
    pub(crate) tests: Vec<TestCase>,
    /// What is hardly meant as it is written.
    pub(crate) warnings: Vec<Problem>,
    /// The document as it was read.
    pub(crate) source: Arc<[u8]>,
    /// Whether some rule looks at what tools are pinned as; found out when it is first asked.
    pub(crate) needs_definitions: OnceLock<bool>,
}

/// What happens to tools that no entry lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// They may be called.
    Allow,
    /// They are denied.
    Deny,
}

/// Which tools `tools/list` shows, hidden ones aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ListMode {
    /// All.
    #[default]
    All,
    /// Those that some argument could make callable.
    Callable,
}

impl Policy {
    /// A policy that denies every call as a fault, and says why: what a broken document loads as.
    pub fn refuse_all(why: &str) -> Self {
        Self {
            name: None,
            description: None,
            version: "".into(),
            broken: Some(why.into()),
            schema: None,
            default: Unlisted::Deny,
            default_place: None,
            list: ListMode::All,
            hide: Hide::default(),
            all_tools: None,
            categories: Vec::new(),
            tools: Tools::default(),
            sections: Sections::default(),
            flows: Vec::new(),
            results: None,
            has_results: false,
            tests: Vec::new(),
            warnings: Vec::new(),
            source: Arc::new([]),
            needs_definitions: OnceLock::new(),
        }
    }

    /// Every entry: `all_tools`, the categories, the tools.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let categories = self.categories.iter().map(|(_, entry)| entry);
        self.all_tools.iter().chain(categories).chain(&self.tools.entries)
    }

    /// Every rule with its name and place, in the order of [`Policy::print`].
    pub fn rules(&self) -> Vec<(&RulePath, &Place)> {
        let mut rules = Vec::new();
        for entry in self.entries() {
            rules.extend(entry.validate_arguments.iter().map(|toggle| (&toggle.rule, &toggle.place)));
            let predicates = entry.require.iter().chain(&entry.deny_if).chain(&entry.approve_if);
            rules.extend(predicates.map(|predicate| (&predicate.rule, &predicate.place)));
            rules.extend(entry.limits.iter().map(|limit| (&limit.rule, &limit.place)));
            rules.extend(entry.results.iter().flat_map(ResultRules::rules));
        }
        rules.extend(self.sections.iter().flat_map(|(_, section)| section.rules()));
        rules.extend(self.flows.iter().map(|flow| (&flow.rule, &flow.place)));
        rules.extend(self.results.iter().flat_map(ResultRules::rules));
        rules
    }

    /// BLAKE3 of the document's bytes, in hex; empty for [`Policy::refuse_all`].
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Why the policy refuses everything, where it does.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// What is hardly meant as it is written, in document order.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The document as it was read.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// What happens to tools that no entry lists, and to what no section speaks of.
    pub fn unlisted(&self) -> Unlisted {
        self.default
    }

    /// Whether there are rules over results anywhere. Where it is `false`, nothing that comes back needs a look.
    pub fn has_result_rules(&self) -> bool {
        self.has_results
    }

    /// Whether there are rules over the results of some tools, beside those at the top.
    pub fn has_tool_result_rules(&self) -> bool {
        self.entries().any(|entry| entry.results.is_some())
    }
}

impl Category {
    /// Every category, as documents name them.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Read, "read"),
        (Self::Write, "write"),
        (Self::Execute, "execute"),
        (Self::Destructive, "destructive"),
        (Self::Financial, "financial"),
    ];

    /// The category with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(category, _)| *category)
    }

    /// The category's name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(category, _)| *category == self).map_or("", |(_, name)| name)
    }
}

impl Label {
    /// Every label, as documents name them.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::ReadsUntrusted, "reads_untrusted"),
        (Self::ReadsPrivate, "reads_private"),
        (Self::Egress, "egress"),
        (Self::Credentials, "credentials"),
        (Self::FreeFormCode, "free_form_code"),
        (Self::Bulk, "bulk"),
    ];

    /// The label with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(label, _)| *label)
    }

    /// The label's name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(label, _)| *label == self).map_or("", |(_, name)| name)
    }
}

impl Scope {
    /// Every scope, as documents name them.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Grant, "grant"),
        (Self::Session, "session"),
        (Self::Identity, "identity"),
        (Self::Server, "server"),
        (Self::Organisation, "organisation"),
    ];

    /// The scope with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(scope, _)| *scope)
    }

    /// The scope's name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(scope, _)| *scope == self).map_or("", |(_, name)| name)
    }
}

impl PartialEq for Policy {
    /// Equal rules, wherever they stand and however they are spelled.
    fn eq(&self, other: &Self) -> bool {
        let names = |hide: &Hide| hide.patterns.iter().map(|(name, _)| Arc::clone(name)).collect::<Vec<_>>();
        self.name == other.name
            && self.description == other.description
            && self.broken == other.broken
            && self.schema == other.schema
            && self.default == other.default
            && self.list == other.list
            && names(&self.hide) == names(&other.hide)
            && self.all_tools == other.all_tools
            && self.categories == other.categories
            && self.tools.entries == other.tools.entries
            && self.sections == other.sections
            && self.flows == other.flows
            && self.results == other.results
            && self.tests == other.tests
    }
}
