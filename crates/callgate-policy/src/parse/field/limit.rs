//! The fields of limits.

use super::{DESCRIPTION, Field, Kind, MODE, ON_DENY, Shape};

/// The windows that have names.
pub(crate) const WINDOWS: &[&str] = &["minute", "hour", "day", "week", "month"];
/// Longest window of `rate_limit` in seconds: ten years, as for durations.
const MOST_SECONDS: u32 = 3660 * 86_400;

/// A member of `limits`.
pub(crate) const LIMIT: Shape = Shape {
    name: "limit",
    about: "A counter and how much it may hold.",
    fields: &[
        Field::new("counter", Kind::Name, "The counter's name. Limits that name one counter share it.").required(),
        DESCRIPTION,
        Field::new(
            "window",
            Kind::Window,
            "The span that is counted over: `minute`, `hour`, `day`, `week`, `month` (UTC), or a duration such as \
             `90s`. Required unless `concurrent` is there.",
        ),
        Field::new("concurrent", Kind::True, "`true` in place of `window`: calls in flight are counted."),
        Field::new("max", Kind::Amount, "The most that the counter may hold. `0` blocks.").required(),
        Field::new(
            "scope",
            Kind::Choice(&["grant", "session", "identity", "server", "organisation"]),
            "Whose calls share the counter.",
        )
        .required(),
        Field::new("increment_from", Kind::ArgumentPath, "The argument whose value is charged, in place of 1 a call."),
        Field::new(
            "strategy",
            Kind::Choice(&["fixed", "sliding"]),
            "`fixed` (default): aligned windows. `sliding`: never more than `max` in any span of that length.",
        ),
        ON_DENY,
        MODE,
    ],
};

/// `rate_limit` as an object.
pub(crate) const RATE: Shape = Shape {
    name: "rate limit",
    about: "Older spelling of a limit on calls.",
    fields: &[
        Field::new("max", Kind::Amount, "The most calls in a window.").required(),
        Field::new("window", Kind::Count(MOST_SECONDS), "The window, in seconds.").required(),
    ],
};
