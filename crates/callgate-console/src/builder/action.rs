//! What can be clicked, to and from the fields of a form.

use super::model::{Condition, Limit, Results, Rule};
use callgate_policy::{Category, Unlisted};

/// One click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// `choose`: what happens to one tool.
    Choose {
        /// The tool.
        tool: String,
        /// What was clicked.
        choice: Choice,
    },
    /// `bulk`: the same for every tool of a group.
    Bulk {
        /// Which tools.
        group: Group,
        /// What was clicked.
        choice: Choice,
    },
    /// `recommended`: the recommended entry of one tool, or of all.
    Recommended {
        /// The tool; all where there is none.
        tool: Option<String>,
    },
    /// `default`: what happens to tools that no entry lists.
    SetDefault(Unlisted),
    /// `list`: which tools `tools/list` shows.
    SetList {
        /// Only those that some argument could make callable.
        callable: bool,
    },
    /// `about`: name and description of the document; empty takes them out.
    SetAbout {
        /// `name`
        name: String,
        /// `description`
        description: String,
    },
    /// `hide`: adds a name or pattern to `hide`.
    Hide {
        /// The name or pattern.
        pattern: String,
    },
    /// `unhide`: takes a name or pattern out of `hide`.
    Unhide {
        /// Which one, from 0.
        index: usize,
    },
    /// `add_entry`: an empty entry for a pattern, a category or all tools.
    AddEntry {
        /// Whose.
        entry: EntryKey,
    },
    /// `remove_entry`: takes an entry out, with all of its rules.
    RemoveEntry {
        /// Whose.
        entry: EntryKey,
    },
    /// `entry`: the switches of an entry.
    SetEntry {
        /// Whose.
        entry: EntryKey,
        /// Its description; empty takes it out.
        description: String,
        /// Whether arguments must match the pinned schema.
        validate_arguments: bool,
    },
    /// `add_rule`: a rule at the end of a list. The entry is made where it is missing.
    AddRule {
        /// Where.
        list: RowList,
        /// The rule.
        rule: Rule,
    },
    /// `edit_rule`: a rule as its form says.
    EditRule {
        /// Where.
        list: RowList,
        /// Which one, from 0.
        index: usize,
        /// The rule, whole.
        rule: Rule,
    },
    /// `message`: what the caller is told by a rule or a limit; empty takes it out.
    SetMessage {
        /// Where.
        list: RowList,
        /// Which one, from 0.
        index: usize,
        /// `on_deny`
        message: String,
    },
    /// `add_condition`: a condition at the end of a rule.
    AddCondition {
        /// Where the rule is.
        list: RowList,
        /// Which rule, from 0.
        index: usize,
        /// In `any`, not in `conditions`.
        any: bool,
        /// The condition.
        condition: Condition,
    },
    /// `edit_condition`: a condition as its form says.
    EditCondition {
        /// Where the rule is.
        list: RowList,
        /// Which rule, from 0.
        index: usize,
        /// In `any`, not in `conditions`.
        any: bool,
        /// Which condition, from 0.
        at: usize,
        /// The condition, whole.
        condition: Condition,
    },
    /// `remove_condition`
    RemoveCondition {
        /// Where the rule is.
        list: RowList,
        /// Which rule, from 0.
        index: usize,
        /// In `any`, not in `conditions`.
        any: bool,
        /// Which condition, from 0.
        at: usize,
    },
    /// `add_limit`: a limit at the end of an entry's. The entry is made where it is missing.
    AddLimit {
        /// Whose.
        entry: EntryKey,
        /// The limit.
        limit: Limit,
    },
    /// `edit_limit`: a limit as its form says.
    EditLimit {
        /// Whose.
        entry: EntryKey,
        /// Which one, from 0.
        index: usize,
        /// The limit, whole.
        limit: Limit,
    },
    /// `remove_row`: a rule or a limit.
    RemoveRow {
        /// Where.
        list: RowList,
        /// Which one, from 0.
        index: usize,
    },
    /// `results`: the switches of rules over results. All empty takes them out, unless there are rules beside them.
    SetResults {
        /// Whose.
        entry: EntryKey,
        /// The switches, whole.
        results: Results,
    },
}

/// What a tool may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Choice {
    /// It may be called.
    Allow,
    /// It may not.
    Deny,
    /// It is not even shown.
    Hide,
    /// Rules decide.
    Custom,
    /// Nothing of its own: what the rest of the document says. Only to click; a view never shows it.
    Inherit,
}

/// Some of the server's tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// All.
    All,
    /// Those of a category.
    Category(Category),
    /// Those with this risk: `low`, `medium`, `high`, `critical`.
    Risk(String),
}

/// Whose rules. In forms `document`, `all_tools`, `category:NAME`, `tool:NAME` (a name or a pattern).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EntryKey {
    /// The document itself: only `results`.
    Document,
    /// `all_tools`
    AllTools,
    /// A category.
    Category(Category),
    /// A name or pattern under `tools`.
    Tool(String),
}

/// A list of rows of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowList {
    /// Whose.
    pub(crate) entry: EntryKey,
    /// Which of its lists.
    pub(crate) bearing: Bearing,
}

/// What the rows of a list do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bearing {
    /// `require`
    Require,
    /// `deny_if`
    DenyIf,
    /// `approve_if`
    ApproveIf,
    /// `limits`
    Limits,
    /// `results.deny_if`
    ResultsDenyIf,
}

/// Why the fields of a form are no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` can't be `{given}`: {why}")]
pub(crate) struct BadForm {
    /// The field.
    pub(crate) field: &'static str,
    /// What stands in it, shortened.
    pub(crate) given: String,
    /// What is wrong, and what to write.
    pub(crate) why: String,
}

impl Choice {
    /// Every choice, as forms name them.
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Allow, "allow"),
        (Self::Deny, "deny"),
        (Self::Hide, "hide"),
        (Self::Custom, "custom"),
        (Self::Inherit, "inherit"),
    ];

    /// The word in forms and on pages.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(choice, _)| *choice == self).map_or("", |(_, word)| word)
    }

    /// The choice with this word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(choice, _)| *choice)
    }
}

impl Bearing {
    /// Every list, as forms name them.
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Require, "require"),
        (Self::DenyIf, "deny_if"),
        (Self::ApproveIf, "approve_if"),
        (Self::Limits, "limits"),
        (Self::ResultsDenyIf, "results.deny_if"),
    ];

    /// The word in forms and on pages.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(bearing, _)| *bearing == self).map_or("", |(_, word)| word)
    }

    /// The list with this word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(bearing, _)| *bearing)
    }

    /// The key in the document.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::ResultsDenyIf => "deny_if",
            other => other.as_str(),
        }
    }
}

impl EntryKey {
    /// As forms write it.
    pub(crate) fn to_form(&self) -> String {
        match self {
            Self::Document => "document".to_owned(),
            Self::AllTools => "all_tools".to_owned(),
            Self::Category(category) => format!("category:{}", category.as_str()),
            Self::Tool(name) => format!("tool:{name}"),
        }
    }

    /// Reads what [`EntryKey::to_form`] writes.
    pub(crate) fn of_form(text: &str) -> Option<Self> {
        match text {
            "document" => Some(Self::Document),
            "all_tools" => Some(Self::AllTools),
            _ => match text.split_once(':')? {
                ("category", name) => Category::parse(name).map(Self::Category),
                ("tool", name) => Some(Self::Tool(name.to_owned())),
                _ => None,
            },
        }
    }
}

impl RowList {
    /// A list of an entry.
    pub(crate) fn new(entry: EntryKey, bearing: Bearing) -> Self {
        Self { entry, bearing }
    }
}
