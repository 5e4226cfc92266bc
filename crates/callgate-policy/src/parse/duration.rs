//! Durations and windows as documents write them.

use crate::model::Window;

/// Longest duration: ten years of 366 days, far below every overflow.
const MAX_MS: u64 = 3660 * 86_400_000;

const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// Milliseconds of a whole number with a unit: `s`, `m`, `h` or `d`. `None` for anything else, and for nothing.
pub(crate) fn read(text: &str) -> Option<u64> {
    let (unit, scale) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let milliseconds = digits.parse::<u64>().ok()?.checked_mul(*scale)?;
    (1..=MAX_MS).contains(&milliseconds).then_some(milliseconds)
}

/// The duration in its largest whole unit; reads back as the same.
pub(crate) fn write(milliseconds: u64) -> String {
    let whole = UNITS.iter().find(|(_, scale)| milliseconds.is_multiple_of(*scale));
    match whole {
        Some((unit, scale)) => format!("{}{unit}", milliseconds / scale),
        None => format!("{}s", milliseconds / 1_000),
    }
}

/// The window of a name or a duration. `60s` is a minute: what is the same span shares its counter.
pub(crate) fn read_window(text: &str) -> Option<Window> {
    match text {
        "minute" => Some(Window::Minute),
        "hour" => Some(Window::Hour),
        "day" => Some(Window::Day),
        "week" => Some(Window::Week),
        "month" => Some(Window::Month),
        duration => read(duration).map(of_milliseconds),
    }
}

/// The window of so many milliseconds.
pub(crate) fn of_milliseconds(milliseconds: u64) -> Window {
    match milliseconds {
        60_000 => Window::Minute,
        3_600_000 => Window::Hour,
        86_400_000 => Window::Day,
        other => Window::Every(other),
    }
}

/// The window as documents write it; `None` for calls in flight.
pub(crate) fn write_window(window: Window) -> Option<String> {
    Some(match window {
        Window::Minute => "minute".to_owned(),
        Window::Hour => "hour".to_owned(),
        Window::Day => "day".to_owned(),
        Window::Week => "week".to_owned(),
        Window::Month => "month".to_owned(),
        Window::Every(milliseconds) => write(milliseconds),
        Window::Concurrent => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_with_a_unit() {
        for (text, expected) in [
            ("90s", Some(90_000)),
            ("15m", Some(900_000)),
            ("2h", Some(7_200_000)),
            ("7d", Some(604_800_000)),
            ("0s", None),
            ("-1s", None),
            ("1.5h", None),
            ("10", None),
            ("s", None),
            ("1h30m", None),
            (" 1h", None),
            ("1w", None),
            ("3661d", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
            if let Some(milliseconds) = expected {
                assert_eq!(read(&write(milliseconds)), expected, "{text}");
            }
        }
    }

    #[test]
    fn one_window_however_it_is_written() {
        assert_eq!(read_window("60s"), Some(Window::Minute));
        assert_eq!(read_window("24h"), Some(Window::Day));
        assert_eq!(read_window("7d"), Some(Window::Every(604_800_000)));
        assert_eq!(read_window("Minute"), None);
        assert_eq!(write_window(Window::Every(90_000)).as_deref(), Some("90s"));
    }
}
