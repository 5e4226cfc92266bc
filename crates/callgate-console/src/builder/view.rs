//! The document as the builder shows it.

mod build;
mod entries;
mod problems;

use super::action::{Choice, EntryKey, RowList};
use super::facts::ToolFacts;
use super::model::{Condition, Limit, Results, Rule};
use super::picker::Pickers;
use callgate_policy::{Severity, Unlisted};

/// A whole document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BuilderView {
    /// Whether the text is JSON. Where it is not, there are problems and nothing else.
    pub(crate) readable: bool,
    /// Whether a click can change anything: `readable`, and no key twice.
    pub(crate) editable: bool,
    /// `name`; empty where there is none.
    pub(crate) name: String,
    /// `description`; empty where there is none.
    pub(crate) description: String,
    /// `default`, where it can be read.
    pub(crate) default: Option<Unlisted>,
    /// `"list": "callable"`
    pub(crate) callable_only: bool,
    /// `hide`
    pub(crate) hide: Vec<HiddenView>,
    /// `all_tools`, where there is one.
    pub(crate) all_tools: Option<EntryView>,
    /// `categories`, in document order.
    pub(crate) categories: Vec<EntryView>,
    /// Entries under `tools` with a pattern, in document order.
    pub(crate) patterns: Vec<EntryView>,
    /// Entries under `tools` that name no tool of the server.
    pub(crate) strangers: Vec<EntryView>,
    /// `results` at the top.
    pub(crate) results: Option<ResultsView>,
    /// The server's tools, in its order.
    pub(crate) tools: Vec<ToolView>,
    /// Members at the top that the builder does not show: `flows`, `tests`, sections, what nobody knows.
    pub(crate) text_only: Vec<TextOnly>,
    /// Problems of `name`, `description` and `list`.
    pub(crate) about: Vec<ProblemView>,
    /// Every problem, in document order: those of the document by itself, and what its rules can't do on these tools.
    pub(crate) problems: Vec<ProblemView>,
    /// Whether the rules were not held against the tools, because that takes too long while somebody types.
    pub(crate) is_unadvised: bool,
    /// Those of them that stand at no part that is shown above.
    pub(crate) elsewhere: Vec<ProblemView>,
}

/// One of the server's tools.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolView {
    /// Its index in the tools that were given.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) name: String,
    /// What it is now.
    pub(crate) choice: Choice,
    /// It is that without an entry or a line in `hide` of its own.
    pub(crate) inherited: bool,
    /// Why, where it is inherited: `default`, `read_*`, `all_tools`…
    pub(crate) because: String,
    /// Patterns, categories and `all_tools` with rules that hold for it too.
    pub(crate) also: Vec<EntryKey>,
    /// Its own entry, where there is one.
    pub(crate) entry: Option<EntryView>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntryView {
    /// Whose.
    pub(crate) key: EntryKey,
    /// The line, from 1.
    pub(crate) line: u32,
    /// Its pointer.
    pub(crate) pointer: String,
    /// What it makes of its tools by itself: Allow, Deny or Custom.
    pub(crate) choice: Choice,
    /// How many of the server's tools it is about.
    pub(crate) matches: usize,
    /// `description`
    pub(crate) description: String,
    /// `validate_arguments`
    pub(crate) validate_arguments: bool,
    /// `require`
    pub(crate) require: Vec<RuleView>,
    /// `deny_if`
    pub(crate) deny_if: Vec<RuleView>,
    /// `approve_if`
    pub(crate) approve_if: Vec<RuleView>,
    /// `limits`
    pub(crate) limits: Vec<LimitView>,
    /// `results`
    pub(crate) results: Option<ResultsView>,
    /// Members that are not shown above.
    pub(crate) text_only: Vec<TextOnly>,
    /// Problems of the entry itself; its rows have their own.
    pub(crate) problems: Vec<ProblemView>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RuleView {
    /// Its list.
    pub(crate) list: RowList,
    /// Its place in the list, from 0.
    pub(crate) index: usize,
    /// The line, from 1.
    pub(crate) line: u32,
    /// What it says.
    pub(crate) rule: Rule,
    /// The conditions of `rule`, with their places, `any` after `conditions`.
    pub(crate) conditions: Vec<ConditionView>,
    /// The whole rule in one line, for lists: `args.amount is more than 10000`.
    pub(crate) summary: String,
    /// Members that are not shown above.
    pub(crate) text_only: Vec<TextOnly>,
    /// Problems of the rule itself; its conditions have their own.
    pub(crate) problems: Vec<ProblemView>,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConditionView {
    /// In `any`, not in `conditions`.
    pub(crate) any: bool,
    /// Its place in that list, from 0.
    pub(crate) at: usize,
    /// What it says.
    pub(crate) condition: Condition,
    /// The line, from 1.
    pub(crate) line: u32,
    /// Members that are not shown above.
    pub(crate) text_only: Vec<TextOnly>,
    /// Its problems.
    pub(crate) problems: Vec<ProblemView>,
}

/// A limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LimitView {
    /// Its list.
    pub(crate) list: RowList,
    /// Its place in the list, from 0.
    pub(crate) index: usize,
    /// The line, from 1.
    pub(crate) line: u32,
    /// What it says.
    pub(crate) limit: Limit,
    /// The whole limit in one line: `10 a minute per grant`.
    pub(crate) summary: String,
    /// Members that are not shown above.
    pub(crate) text_only: Vec<TextOnly>,
    /// Its problems.
    pub(crate) problems: Vec<ProblemView>,
}

/// Rules over results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResultsView {
    /// Whose.
    pub(crate) key: EntryKey,
    /// The line, from 1.
    pub(crate) line: u32,
    /// What they say.
    pub(crate) results: Results,
    /// The switches in one line; empty where there are only rules.
    pub(crate) summary: String,
    /// `deny_if`
    pub(crate) deny_if: Vec<RuleView>,
    /// Members that are not shown above.
    pub(crate) text_only: Vec<TextOnly>,
    /// Problems of the switches; rules have their own.
    pub(crate) problems: Vec<ProblemView>,
}

/// A member of `hide`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HiddenView {
    /// Its place in the list, from 0.
    pub(crate) index: usize,
    /// The name or pattern.
    pub(crate) pattern: String,
    /// Whether it is a pattern.
    pub(crate) is_pattern: bool,
    /// How many of the server's tools it hides.
    pub(crate) matches: usize,
    /// The line, from 1.
    pub(crate) line: u32,
    /// Its problems.
    pub(crate) problems: Vec<ProblemView>,
}

/// A member that is in the text only: the builder keeps it, and does not show what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextOnly {
    /// Its key.
    pub(crate) key: String,
    /// The line, from 1.
    pub(crate) line: u32,
    /// Its problems.
    pub(crate) problems: Vec<ProblemView>,
}

/// A problem at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProblemView {
    /// The code, with a page of its own.
    pub(crate) code: &'static str,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The column in characters, from 1.
    pub(crate) column: u32,
    /// The RFC 6901 pointer.
    pub(crate) pointer: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it; may be empty.
    pub(crate) hint: String,
}

impl BuilderView {
    /// What can be picked for rules of an entry: of its own tool, else what holds for all.
    pub(crate) fn pickers(tools: &[ToolFacts], key: &EntryKey) -> Pickers {
        Pickers::of_entry(tools, key)
    }
}
