//! Where windows begin and end. Whole milliseconds, UTC, no leap seconds; total over every `i64`.

use crate::model::Window;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 1970-01-01 was a Thursday: the Monday before it is three days earlier.
const EPOCH_SINCE_MONDAY: i64 = 3 * DAY;

impl Window {
    /// The start of the aligned window that holds `at` (both in milliseconds since the Unix epoch).
    pub(super) fn start(self, at: i64) -> i64 {
        match self {
            Self::Minute => aligned(at, MINUTE),
            Self::Hour => aligned(at, HOUR),
            Self::Day => aligned(at, DAY),
            Self::Week => at.saturating_sub(at.saturating_add(EPOCH_SINCE_MONDAY).rem_euclid(7 * DAY)),
            Self::Month => {
                let day = at.div_euclid(DAY);
                day.saturating_sub(Civil::of(day).day - 1).saturating_mul(DAY)
            }
            Self::Every(_) => aligned(at, self.length()),
            Self::Concurrent => at,
        }
    }

    /// The end of the aligned window that begins at `start`: the first moment that is no longer in it.
    pub(super) fn end(self, start: i64) -> i64 {
        match self {
            Self::Month => start.saturating_add(Civil::of(start.div_euclid(DAY)).days_in_month() * DAY),
            _ => start.saturating_add(self.length()),
        }
    }

    /// How long it is, in whole seconds; a month has 31 days. `None` for calls in flight.
    pub fn seconds(self) -> Option<u64> {
        let length = u64::try_from(self.length()).ok().filter(|_| self != Self::Concurrent);
        length.map(|length| length.div_ceil(1_000))
    }

    /// The span of a sliding window. A month has 31 days here: no calendar month holds more.
    pub(super) fn length(self) -> i64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 31 * DAY,
            Self::Every(milliseconds) => i64::try_from(milliseconds).unwrap_or(i64::MAX).max(1),
            Self::Concurrent => 0,
        }
    }
}

fn aligned(at: i64, length: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(length))
}

/// A date of the proleptic Gregorian calendar.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Civil {
    /// The date so many days after 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
    fn of(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day: day_of_year - (153 * shifted_month + 2) / 5 + 1 }
    }

    fn days_in_month(&self) -> i64 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        match self.month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn windows_are_aligned_to_utc() {
        let table = [
            (Window::Minute, "2026-11-21T23:59:59.999Z", "2026-11-21T23:59:00Z", "2026-11-22T00:00:00Z"),
            (Window::Hour, "2026-11-21T23:59:59.999Z", "2026-11-21T23:00:00Z", "2026-11-22T00:00:00Z"),
            (Window::Day, "2026-11-21T23:59:59.999Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            (Window::Week, "2026-11-21T23:59:59.999Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Window::Week, "2026-11-16T00:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Window::Month, "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Window::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Window::Month, "1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            (Window::Every(90_000), "1970-01-01T00:02:00Z", "1970-01-01T00:01:30Z", "1970-01-01T00:03:00Z"),
            (Window::Every(90_000), "1969-12-31T23:59:59Z", "1969-12-31T23:58:30Z", "1970-01-01T00:00:00Z"),
        ];
        for (window, now, start, end) in table {
            assert_eq!(window.start(at(now)), at(start), "{window:?} {now}");
            assert_eq!(window.end(at(start)), at(end), "{window:?} {now}");
        }
    }

    proptest! {
        #[test]
        fn months_agree_with_the_calendar(day in -700_000i64..2_900_000) {
            let moment = jiff::Timestamp::from_millisecond(day * DAY).unwrap();
            let date = jiff::tz::TimeZone::UTC.to_datetime(moment).date();
            let first = date.first_of_month().to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond();
            prop_assert_eq!(Window::Month.start(day * DAY), first);
            prop_assert_eq!(Window::Month.end(first), first + i64::from(date.days_in_month()) * DAY);
        }

        #[test]
        fn any_moment_is_inside_its_window(at in any::<i64>(), every in any::<u64>(), pick in 0usize..6) {
            let windows = [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month, Window::Every(every)];
            let window = windows[pick];
            let start = window.start(at);
            prop_assert!(start <= at && at <= window.end(start));
        }
    }
}
