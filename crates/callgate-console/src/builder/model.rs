//! The rows of a document as forms show and change them: rules, conditions, limits, rules over results.

/// A member of `require`, `deny_if` or `approve_if`. Empty texts stand for what the document leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The rule's name in logs.
    pub(crate) name: String,
    /// Free text for readers.
    pub(crate) description: String,
    /// All of these must hold.
    pub(crate) conditions: Vec<Condition>,
    /// At least one of these must hold too; empty where there is no such part.
    pub(crate) any: Vec<Condition>,
    /// What the caller is told.
    pub(crate) on_deny: String,
    /// Evaluated and recorded, not enforced.
    pub(crate) shadow: bool,
    /// The message names no value.
    pub(crate) quiet: bool,
    /// How a person is asked; only in `approve_if`.
    pub(crate) asking: Asking,
}

/// How a person is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asking {
    /// How long the question stands: a duration such as `30m`.
    pub(crate) timeout: String,
    /// `retry`, `hold`, `client`; empty for the default.
    pub(crate) ask: String,
    /// How long the call is held open, under `hold`.
    pub(crate) hold_for: String,
    /// Who asks may not answer.
    pub(crate) four_eyes: bool,
    /// How long one yes covers identical calls.
    pub(crate) remember_for: String,
    /// Webhooks that may see arguments get those of the call.
    pub(crate) include_arguments: bool,
}

/// A member of `conditions` or `any`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// What is looked at, as policies write it; empty where there is none (`cel`).
    pub(crate) path: String,
    /// The operator.
    pub(crate) op: String,
    /// What it is judged by.
    pub(crate) value: Operand,
}

/// The `value` of a condition, as a form holds it: a kind and one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Operand {
    /// How [`Operand::text`] is read.
    pub(crate) form: OperandForm,
    /// The text of the field. Of a list one element a line.
    pub(crate) text: String,
}

/// How the text of an operand is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OperandForm {
    /// There is no `value`.
    #[default]
    Absent,
    /// As the operator and the tool's schema say: only in forms, never in a view.
    Fitting,
    /// A string.
    Text,
    /// A number, kept as written.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list of strings, one a line.
    Texts,
    /// A list of numbers, one a line.
    Numbers,
    /// Any JSON, as written.
    Json,
}

/// A member of `limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The counter's name.
    pub(crate) counter: String,
    /// Free text for readers.
    pub(crate) description: String,
    /// `minute`, `hour`, `day`, `week`, `month` or a duration; empty where calls in flight are counted.
    pub(crate) window: String,
    /// Calls in flight are counted.
    pub(crate) concurrent: bool,
    /// The most that the counter may hold: a number, kept as written.
    pub(crate) max: String,
    /// Whose calls share the counter.
    pub(crate) scope: String,
    /// The path of the argument that is charged; empty for one a call.
    pub(crate) increment_from: String,
    /// Never more than `max` in any span of the window's length.
    pub(crate) sliding: bool,
    /// Said before the counter and the reset time.
    pub(crate) on_deny: String,
    /// Counted apart, not enforced.
    pub(crate) shadow: bool,
}

/// `results` but its `deny_if`, whose members are rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    /// Free text for readers.
    pub(crate) description: String,
    /// What is taken out.
    pub(crate) redact: Vec<Redact>,
    /// The most bytes: a whole number; empty for any.
    pub(crate) max_bytes: String,
    /// What the caller is told where a rule has no words of its own.
    pub(crate) on_deny: String,
    /// Evaluated and recorded, not enforced.
    pub(crate) shadow: bool,
}

/// A member of `redact`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redact {
    /// A detector or a group, by name.
    Known(String),
    /// An expression of the document's own.
    Own {
        /// What stands in the place of what is found.
        name: String,
        /// The expression.
        regex: String,
    },
}
