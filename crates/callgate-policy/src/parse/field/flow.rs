//! The fields of rules over the history of calls.

use super::{
    ASK, CATEGORIES, CONDITION, DESCRIPTION, FOUR_EYES, Field, HOLD_FOR, INCLUDE_ARGUMENTS, Kind, MODE, ON_DENY,
    REMEMBER_FOR, Shape, TIMEOUT,
};

/// The labels, as flows name them.
pub(crate) const LABELS: &[&str] =
    &["reads_untrusted", "reads_private", "egress", "credentials", "free_form_code", "bulk"];
/// The fields of a flow's matcher that say which tools it is about; it has one of them.
pub(crate) const MATCHERS: &[&str] = &["category", "tool", "label"];

/// A member of `flows`.
pub(crate) const FLOW: Shape = Shape {
    name: "flow",
    about: "What may follow what: `after` with `deny` or `approve`, or `before` with `require`.",
    fields: &[
        Field::new("name", Kind::Name, "The flow's name in logs and answers.").required(),
        DESCRIPTION,
        Field::new("after", Kind::Object(&MATCHER), "The earlier call, which sets the flow off."),
        Field::new("before", Kind::Object(&MATCHER), "The call that needs another one before it."),
        Field::new("require", Kind::Object(&MATCHER), "The call that has to be completed first, beside `before`."),
        Field::new(
            "within",
            Kind::Within,
            "How far back: `session` (default), or a duration such as `10m`, at most 30 days.",
        ),
        Field::new(
            "scope",
            Kind::FlowScope,
            "Whose calls are one history: `session`, `grant`, `trace`, `identity`, or `tag:KEY` for all grants with one \
             value of that tag. Without it the session, or the grant where `within` is a duration.",
        ),
        Field::new("deny", Kind::Object(&MATCHER), "The later call that is denied."),
        Field::new("approve", Kind::Object(&MATCHER), "The later call about which a person decides."),
        TIMEOUT,
        ASK,
        HOLD_FOR,
        FOUR_EYES,
        REMEMBER_FOR,
        INCLUDE_ARGUMENTS,
        ON_DENY,
        MODE,
    ],
};

/// One side of a flow.
pub(crate) const MATCHER: Shape = Shape {
    name: "matcher",
    about: "Which calls: of a category, of a tool or with a label, and under these conditions.",
    fields: &[
        Field::new("category", Kind::Choices(CATEGORIES), "The tool's pinned category: one, or any of a list."),
        Field::new("tool", Kind::NameOrNames, "The tool's name or a pattern: one, or any of a list."),
        Field::new("label", Kind::Choices(LABELS), "What an attack could use the tool for: one, or any of a list."),
        Field::new("conditions", Kind::List(&CONDITION), "All of them must hold too."),
    ],
};

/// A call before those that a test is about.
pub(crate) const EARLIER: Shape = Shape {
    name: "earlier call",
    about: "A call before those that the test is about: made, and completed.",
    fields: &[
        Field::new("tool", Kind::Name, "The tool that is called.").required(),
        Field::new("args", Kind::Arguments, "The arguments; none by default."),
    ],
};
