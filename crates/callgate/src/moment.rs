//! The time, and times and durations as options have them.

use crate::failure::Failure;
use callgate_control::moment;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use callgate_control::moment::{milliseconds, rfc3339};

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A duration such as `90s`, `15m`, `12h`, `30d` or `4w`, in milliseconds.
pub(crate) fn duration(option: &str, text: &str) -> Result<i64, Failure> {
    milliseconds(text).ok_or_else(|| {
        let message = format!("`{option}`: `{text}` is no duration");
        Failure::cannot_run("CG3051", message, "write a whole number and a unit: `90s`, `15m`, `12h`, `30d` or `4w`")
    })
}

/// An RFC 3339 moment, in milliseconds since the Unix epoch.
pub(crate) fn parse(option: &str, text: &str) -> Result<i64, Failure> {
    moment::parse(text).ok_or_else(|| {
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
        assert_eq!(duration("--expires", "90s").unwrap(), 90_000);
        assert_eq!(duration("--expires", "5").unwrap_err().code, "CG3051");
        assert_eq!(since("--since", "1h", 3_600_001).unwrap(), 1);
        assert_eq!(since("--since", "1970-01-01T00:00:01.000Z", 0).unwrap(), 1000);
        assert_eq!(parse("--at", "yesterday").unwrap_err().code, "CG3051");
    }
}
