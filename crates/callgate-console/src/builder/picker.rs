//! What can be picked for a condition: the paths of a tool's own schema, and the operators that fit.

mod schema;

use super::facts::ToolFacts;
use callgate_json::Limits;
use callgate_policy::{Category, OPERATORS, Reads};

/// The paths that a rule can look at, those of the tool's arguments first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pickers {
    /// The tool's arguments, in the order of its schema.
    pub(crate) arguments: Vec<Picker>,
    /// Everything else: the tool, the grant, the client, the session, the time.
    pub(crate) facts: Vec<Picker>,
    /// What comes back: only in rules over results.
    pub(crate) results: Vec<Picker>,
}

/// One path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picker {
    /// As policies write it.
    pub(crate) path: String,
    /// What its values are.
    pub(crate) kind: PickerKind,
    /// The values that the schema lists, as JSON texts; empty where it lists none.
    pub(crate) values: Vec<String>,
    /// What the schema says about it; empty where it says nothing.
    pub(crate) description: String,
    /// Whether every call has it.
    pub(crate) required: bool,
}

/// What values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PickerKind {
    /// Strings.
    Text,
    /// Numbers.
    Number,
    /// `true` and `false`.
    Bool,
    /// Lists.
    List,
    /// Objects.
    Object,
    /// The schema does not say, or allows several.
    #[default]
    Any,
}

/// An operator that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OperatorChoice {
    /// As policies write it.
    pub(crate) name: &'static str,
    /// In words: `is`, `is one of`, `begins with`.
    pub(crate) words: &'static str,
    /// What to write as its value.
    pub(crate) takes: &'static str,
}

/// Operators in words.
const WORDS: &[(&str, &str)] = &[
    ("eq", "is"),
    ("neq", "is not"),
    ("in", "is one of"),
    ("not_in", "is none of"),
    ("lt", "is less than"),
    ("lte", "is at most"),
    ("gt", "is more than"),
    ("gte", "is at least"),
    ("regex", "matches"),
    ("contains", "contains"),
    ("exists", "is there"),
    ("starts_with", "begins with"),
    ("ends_with", "ends with"),
    ("glob", "is like"),
    ("length_lte", "has a length of at most"),
    ("length_gte", "has a length of at least"),
    ("path_within", "is a path in"),
    ("host_in", "is a URL on"),
    ("cidr", "is an address in"),
    ("json_schema", "meets the schema"),
    ("cel", "the expression holds:"),
];

/// What every call has beside arguments: path, kind, values, description.
const FACTS: &[(&str, PickerKind, &[&str], &str)] = &[
    ("tool.name", PickerKind::Text, &[], "The tool's name."),
    ("tool.category", PickerKind::Text, &["category"], "The tool's pinned category; a fault where it is not pinned."),
    ("tool.annotations.readOnlyHint", PickerKind::Bool, &[], "What the server claims: it changes nothing."),
    ("tool.annotations.destructiveHint", PickerKind::Bool, &[], "What the server claims: it can destroy."),
    ("grant.label", PickerKind::Text, &[], "The label of the grant that calls."),
    ("grant.tags.team", PickerKind::Text, &[], "A tag of the grant: write its key in place of `team`."),
    ("identity.subject", PickerKind::Text, &[], "Who is behind the grant; a fault where nobody is known."),
    ("identity.claims.email", PickerKind::Any, &[], "A claim about who is behind the grant."),
    ("client.name", PickerKind::Text, &[], "What the client calls itself: never the only guard."),
    ("client.version", PickerKind::Text, &[], "What the client calls itself: never the only guard."),
    ("session.id", PickerKind::Text, &[], "The MCP session; a fault where there is none."),
    ("time.hour", PickerKind::Number, &[], "0 to 23, UTC."),
    ("time.weekday", PickerKind::Text, &["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "The day, UTC."),
    ("time.zone(\"Europe/Berlin\").hour", PickerKind::Number, &[], "0 to 23 in a time zone."),
];

/// What every result may have.
const RESULTS: &[(&str, PickerKind, &[&str], &str)] = &[
    ("result.content[*].text", PickerKind::Text, &[], "Any text of the result."),
    ("result.structuredContent", PickerKind::Object, &[], "The structured result."),
    ("result.isError", PickerKind::Bool, &[], "Whether the tool says that it failed."),
];

impl Pickers {
    /// What can be picked for a tool.
    pub(crate) fn of(facts: &ToolFacts) -> Self {
        let text = facts.input_schema.as_deref().unwrap_or("{}");
        let arguments = match callgate_json::parse(text.as_bytes(), &Limits::default()) {
            Ok(schema) => schema::paths(&schema),
            Err(_) => Vec::new(),
        };
        Self { arguments, ..Self::general() }
    }

    /// What can be picked where no single tool is meant.
    pub(crate) fn general() -> Self {
        Self { arguments: Vec::new(), facts: known(FACTS), results: known(RESULTS) }
    }

    /// The picker of a path that a policy names, where there is one.
    pub(crate) fn find(&self, path: &str) -> Option<&Picker> {
        self.arguments.iter().chain(&self.facts).chain(&self.results).find(|picker| picker.path == path)
    }
}

impl PickerKind {
    /// The operators that fit, in the order of the language.
    pub(crate) fn operators(self) -> Vec<OperatorChoice> {
        let fits = |reads: Reads| match reads {
            Reads::Anything | Reads::Call => true,
            Reads::Numbers => matches!(self, Self::Number | Self::Any),
            Reads::Strings => matches!(self, Self::Text | Self::Any),
            Reads::StringsAndArrays => matches!(self, Self::Text | Self::List | Self::Any),
        };
        let fitting = OPERATORS.iter().filter(|info| fits(info.reads));
        fitting
            .map(|info| OperatorChoice {
                name: info.name,
                words: words(info.name).unwrap_or(info.name),
                takes: info.operand.as_str(),
            })
            .collect()
    }

    /// In words: `text`, `number`, `yes or no`, `list`, `object`, `anything`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Bool => "yes or no",
            Self::List => "list",
            Self::Object => "object",
            Self::Any => "anything",
        }
    }
}

/// An operator in words.
pub(super) fn words(op: &str) -> Option<&'static str> {
    WORDS.iter().find(|(name, _)| *name == op).map(|(_, words)| *words)
}

fn known(table: &[(&str, PickerKind, &[&str], &str)]) -> Vec<Picker> {
    let quoted = |values: &[&str]| match values {
        ["category"] => Category::ALL.iter().map(|(_, name)| format!("\"{name}\"")).collect(),
        values => values.iter().map(|value| format!("\"{value}\"")).collect(),
    };
    let one = |(path, kind, values, about): &(&str, PickerKind, &[&str], &str)| Picker {
        path: (*path).to_owned(),
        kind: *kind,
        values: quoted(values),
        description: (*about).to_owned(),
        required: true,
    };
    table.iter().map(one).collect()
}
