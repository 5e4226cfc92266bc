//! Times and durations as people type and read them.

use crate::failure::Failure;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment as RFC 3339 in UTC, always with milliseconds, so that columns line up.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |moment| format!("{moment:.3}"))
}

/// A duration such as `90s`, `15m`, `12h`, `30d` or `4w`, in milliseconds.
pub(crate) fn duration(option: &str, text: &str) -> Result<i64, Failure> {
    milliseconds(text).ok_or_else(|| {
        let message = format!("`{option}`: `{text}` is no duration");
        Failure::cannot_run("CG3051", message, "write a whole number and a unit: `90s`, `15m`, `12h`, `30d` or `4w`")
    })
}

/// The same; `None` where it is no duration.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(at);
    let unit: i64 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// An RFC 3339 moment, in milliseconds since the Unix epoch.
pub(crate) fn parse(option: &str, text: &str) -> Result<i64, Failure> {
    text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).map_err(|_| {
        let message = format!("`{option}`: `{text}` is no RFC 3339 time");
        Failure::cannot_run("CG3051", message, "for example `2026-11-21T09:00:00Z`")
    })
}

/// A moment in the past: an RFC 3339 time, or how long ago.
pub(crate) fn since(option: &str, text: &str, now: i64) -> Result<i64, Failure> {
    if text.contains('T') {
        return parse(option, text);
    }
    Ok(now.saturating_sub(duration(option, text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_moments() {
        for (text, expected) in [
            ("0s", Some(0)),
            ("90s", Some(90_000)),
            ("2w", Some(1_209_600_000)),
            ("1y", None),
            ("h", None),
            ("5", None),
            ("", None),
            ("99999999999999999w", None),
        ] {
            assert_eq!(duration("--expires", text).ok(), expected, "{text}");
        }
        assert_eq!(since("--since", "1h", 3_600_001).unwrap(), 1);
        assert_eq!(since("--since", "1970-01-01T00:00:01.000Z", 0).unwrap(), 1000);
        assert_eq!(parse("--at", "yesterday").unwrap_err().code, "CG3051");
        assert_eq!(rfc3339(1_000), "1970-01-01T00:00:01.000Z");
    }
}
