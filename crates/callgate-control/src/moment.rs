//! Times and durations as people type and read them.

/// A moment (milliseconds since the Unix epoch) as RFC 3339 in UTC, always with milliseconds, so that columns line up.
pub fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |moment| format!("{moment:.3}"))
}

/// A moment typed as RFC 3339, in milliseconds since the Unix epoch; `None` where it is none.
pub fn parse(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// A duration such as `90s`, `15m`, `12h`, `30d` or `4w`, in milliseconds; `None` where it is none.
pub fn milliseconds(text: &str) -> Option<i64> {
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
            assert_eq!(milliseconds(text), expected, "{text}");
        }
        assert_eq!(rfc3339(1_000), "1970-01-01T00:00:01.000Z");
        assert_eq!((parse("1970-01-01T00:00:01Z"), parse("yesterday")), (Some(1_000), None));
    }
}
