//! The fields of rules over results.

use super::{DESCRIPTION, Field, Kind, MODE, ON_DENY, PREDICATE, Shape};

/// The largest `max_bytes` of results: more than any message may have.
const MOST_BYTES: u32 = 1 << 30;

/// `results`, at the top and in entries.
pub(crate) const RESULT_RULES: Shape = Shape {
    name: "set of result rules",
    about: "Rules over what comes back. At least one of `redact`, `max_bytes` and `deny_if`.",
    fields: &[
        DESCRIPTION,
        Field::new(
            "redact",
            Kind::Detectors(&OWN_DETECTOR),
            "What is taken out of texts and keys: names of detectors, the groups `secrets` and `personal_data`, and \
             expressions of one's own.",
        ),
        Field::new(
            "max_bytes",
            Kind::Count(MOST_BYTES),
            "The most bytes that a result may have; longer ones are refused.",
        ),
        Field::new(
            "deny_if",
            Kind::List(&PREDICATE),
            "A predicate that holds refuses the result. Paths may begin with `result`, as in `result.content[*].text`.",
        ),
        ON_DENY,
        MODE,
    ],
};

/// A member of `redact` that is no name.
pub(crate) const OWN_DETECTOR: Shape = Shape {
    name: "own detector",
    about: "An expression of one's own, and what stands in the place of what it matches: `[REDACTED:name]`.",
    fields: &[
        Field::new("name", Kind::Name, "Lower-case letters, digits, `-` and `_`.").required(),
        Field::new(
            "regex",
            Kind::Name,
            "A regular expression (dialect of Rust's `regex`) that matches at least one and at most 4096 bytes.",
        )
        .required(),
    ],
};
