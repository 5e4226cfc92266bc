//! Numbers as people read them.

/// A count: `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time that something took, from microseconds: `850 µs`, `12.3 ms`, `1.2 s`.
pub(crate) fn duration(microseconds: u64) -> String {
    match microseconds {
        n @ 0..=999 => format!("{n} µs"),
        n @ 1_000..=999_999 => format!("{} ms", tenths(n, 1_000)),
        n => format!("{} s", tenths(n, 1_000_000)),
    }
}

/// A span of time in its largest units, from seconds: `40 s`, `12 min`, `3 h 5 min`, `2 d`.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A size: `812 B`, `3.4 KiB`, `1.2 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        n @ 0..=1_023 => format!("{n} B"),
        n @ 1_024..=1_048_575 => format!("{} KiB", tenths(n, 1_024)),
        n => format!("{} MiB", tenths(n, 1_048_576)),
    }
}

/// `number / unit`, with one decimal where it is below a hundred.
fn tenths(number: u64, unit: u64) -> String {
    let tenths = number.saturating_mul(10) / unit;
    match tenths {
        0..=999 if !tenths.is_multiple_of(10) => format!("{}.{}", tenths / 10, tenths % 10),
        _ => (tenths / 10).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 850, 1_000, 12_345, 456_789, 1_250_000].map(duration),
            ["0 µs", "850 µs", "1 ms", "12.3 ms", "456 ms", "1.2 s"]
        );
        assert_eq!([5, 125, 3_600, 11_100, 200_000].map(span), ["5 s", "2 min", "1 h", "3 h 5 min", "2 d 7 h"]);
        assert_eq!([812, 3_500, 5_000_000].map(bytes), ["812 B", "3.4 KiB", "4.7 MiB"]);
    }
}
