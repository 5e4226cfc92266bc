//! When an endpoint that did not take a message is asked again, and when no more.

/// How long an event is told, in milliseconds: 72 hours.
const PATIENCE: i64 = 72 * 3_600_000;

/// How long until the second attempt, and between two at most, in milliseconds: 5 seconds and an hour.
const PAUSES: (i64, i64) = (5_000, 3_600_000);

/// How often a message is sent to somebody who says that it is wrong, so that those behind it get their turn.
const REJECTED: i64 = 5;

/// When it is tried again, in milliseconds since the Unix epoch; `None` for never. Up to a fifth later than twice the
/// pause before, as the identity of the event has it, so that many don't come at once.
pub(super) fn again(
    event: &str,
    at: i64,
    attempt: i64,
    now: i64,
    status: Option<u16>,
    retry_after: Option<u64>,
) -> Option<i64> {
    let is_over = match status {
        // Gone, for good: whoever answers this wants nothing any more.
        Some(410) => true,
        // The message is wrong in itself.
        Some(400 | 413 | 415 | 422) => attempt >= REJECTED,
        _ => false,
    };
    if is_over || now.saturating_sub(at) >= PATIENCE {
        return None;
    }
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
    let pause = PAUSES.0.saturating_mul(1 << doublings).min(PAUSES.1);
    let jitter = spread(event, attempt, pause / 5);
    let asked = retry_after.and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1_000));
    let pause = pause.saturating_add(jitter).max(asked.unwrap_or_default()).min(PAUSES.1);
    Some(now.saturating_add(pause))
}

/// A number below a limit, the same for the same event and attempt.
fn spread(event: &str, attempt: i64, limit: i64) -> i64 {
    let hash = blake3::hash(format!("{event} {attempt}").as_bytes());
    let number = hash.as_bytes().iter().take(4).fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
    number.checked_rem(limit).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_end_after_three_days() {
        let (mut now, mut attempt) = (0, 0);
        let mut pauses = Vec::new();
        while let Some(next) = again("ev_1", 0, attempt + 1, now, Some(503), None) {
            pauses.push(next - now);
            (now, attempt) = (next, attempt + 1);
        }
        let expected = |index: u32| (5_000_i64 << index.min(20)).min(3_600_000);
        for (index, pause) in (0..).zip(&pauses) {
            let least = expected(index);
            assert!((least..=least * 6 / 5).contains(pause) && *pause <= 3_600_000, "{index}: {pause}");
        }
        assert!((PATIENCE..PATIENCE + 3_600_000).contains(&now), "{now}");
        assert_eq!(pauses, {
            let (mut now, mut again_) = (0, Vec::new());
            while let Some(next) = again("ev_1", 0, again_.len() as i64 + 1, now, None, None) {
                again_.push(next - now);
                now = next;
            }
            again_
        });
        assert_ne!(again("ev_1", 0, 1, 0, None, None), again("ev_2", 0, 1, 0, None, None));
    }

    #[test]
    fn answers_have_a_say() {
        let again = |attempt, status, after| again("ev_1", 0, attempt, 0, Some(status), after);
        assert_eq!(again(1, 429, Some(90)), Some(90_000));
        assert_eq!(again(1, 503, Some(u64::MAX)), again(1, 503, None), "no number of seconds");
        assert_eq!(again(1, 503, Some(1_000_000)), Some(3_600_000));
        assert_eq!(again(1, 410, None), None);
        assert!(again(4, 400, None).is_some());
        assert_eq!(again(5, 400, None), None, "those behind it get their turn");
        assert!(again(5, 404, None).is_some(), "it may be put back");
    }
}
