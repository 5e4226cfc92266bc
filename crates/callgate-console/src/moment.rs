//! Times as people read them: relative, with the exact one beside it.

use callgate_control::approvals::visible::visible;
use jiff::{Timestamp, Unit};

/// A moment on a page: `3 min ago`, and exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339, for `datetime` and the title.
    pub(crate) exact: String,
    /// From now, in words.
    pub(crate) relative: String,
}

impl Moment {
    /// A moment as the API writes it (RFC 3339), seen from now.
    pub(crate) fn of(text: &str) -> Self {
        Self::seen_from(text, Timestamp::now())
    }

    /// The same for a moment that may not be there.
    pub(crate) fn maybe(text: Option<&str>) -> Option<Self> {
        text.map(Self::of)
    }

    fn seen_from(text: &str, now: Timestamp) -> Self {
        let relative = text.parse::<Timestamp>().ok().and_then(|moment| {
            let seconds = now.since((Unit::Second, moment)).ok()?.get_seconds();
            Some(words(seconds))
        });
        Self { exact: text.to_owned(), relative: relative.unwrap_or_else(|| visible(text)) }
    }
}

/// So many seconds ago, or in so many.
fn words(seconds: i64) -> String {
    let (amount, unit) = match seconds.unsigned_abs() {
        0..=4 => return "now".to_owned(),
        n @ 5..=59 => (n, "s"),
        n @ 60..=3_599 => (n / 60, "min"),
        n @ 3_600..=86_399 => (n / 3_600, "h"),
        n => (n / 86_400, if n < 172_800 { "day" } else { "days" }),
    };
    if seconds < 0 { format!("in {amount} {unit}") } else { format!("{amount} {unit} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seen_from_now() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        for (text, relative) in [
            ("2026-01-01T23:59:58Z", "now"),
            ("2026-01-01T23:59:18Z", "42 s ago"),
            ("2026-01-01T23:57:00Z", "3 min ago"),
            ("2026-01-01T00:00:00Z", "1 day ago"),
            ("2025-12-01T00:00:00Z", "32 days ago"),
            ("2026-01-02T02:00:00Z", "in 2 h"),
            ("soon", "soon"),
        ] {
            assert_eq!(Moment::seen_from(text, now).relative, relative, "{text}");
        }
    }
}
