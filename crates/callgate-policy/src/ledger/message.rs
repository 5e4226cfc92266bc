//! What a refused reservation says.

use super::{Charge, Refusal, Unit};
use crate::decision::{Outcome, Reason, ShadowVerdict};
use crate::history::{Check, FlowVerdict, Imprint, MarkScope};
use crate::model::{Strategy, Window};

/// The refusal of a charge that does not fit. `frees_at` and `now` are milliseconds since the Unix epoch.
pub(super) fn exhausted(charge: &Charge, frees_at: Option<i64>, now: i64) -> Refusal {
    let retry_after_ms = frees_at.map(|at| u64::try_from(at.saturating_sub(now)).unwrap_or(0));
    let when = match (frees_at, retry_after_ms) {
        (Some(at), Some(wait)) => format!("it resets in {}{}", duration(wait), clock(at)),
        _ if charge.key.window == Window::Concurrent => "it frees when a call in flight ends".into(),
        _ => "waiting does not help: the call alone is more than that".into(),
    };
    let name = &charge.key.name;
    let limit = limit(charge);
    let message = match &charge.on_deny {
        Some(text) => format!("{text} (counter `{name}`: {limit}; {when})"),
        None => format!("the limit `{name}` is reached: {limit}; {when}"),
    };
    Refusal {
        reason: Reason::Limit,
        rule: charge.rule.clone(),
        place: Some(charge.place.clone()),
        message,
        retry_after_ms,
    }
}

/// The refusal of a charge whose sum can't be kept exactly.
pub(super) fn inexact(charge: &Charge) -> Refusal {
    let message = format!(
        "the counter `{}` can't be kept exactly with this call's amount (more than 38 significant digits)",
        charge.key.name
    );
    Refusal {
        reason: Reason::Fault,
        rule: charge.rule.clone(),
        place: Some(charge.place.clone()),
        message,
        retry_after_ms: None,
    }
}

/// The refusal, or the question to a person, where an earlier call is in the way. `left` is how long it will be, in
/// milliseconds.
pub(super) fn not_after(check: &Check, left: Option<u64>) -> Refusal {
    let message = own(check).unwrap_or_else(|| {
        let (rule, whose) = (&check.rule, whose(&check.key.scope));
        match check.verdict {
            FlowVerdict::Approve(_) => {
                format!("a person has to approve this (rule `{rule}`) after an earlier call {whose}")
            }
            _ => format!("this is denied by the rule `{rule}` after an earlier call {whose}"),
        }
    });
    flow(check, message, left.filter(|_| !matches!(check.verdict, FlowVerdict::Approve(_))))
}

/// The refusal where an earlier call is missing.
pub(super) fn not_yet(check: &Check) -> Refusal {
    let message = own(check).unwrap_or_else(|| {
        let (rule, whose) = (&check.rule, whose(&check.key.scope));
        format!("the rule `{rule}` requires another call {whose} to be completed before this one")
    });
    flow(check, message, None)
}

/// The refusal of a call whose mark has no place.
pub(super) fn no_room(imprint: &Imprint, what: &str, most: usize) -> Refusal {
    let message = format!(
        "the rule `{}` could not be evaluated: {what} ({most} entries), and nothing in it may be forgotten yet",
        imprint.rule
    );
    Refusal {
        reason: Reason::Fault,
        rule: imprint.rule.clone(),
        place: Some(imprint.place.clone()),
        message,
        retry_after_ms: None,
    }
}

/// What a flow in shadow mode would have made of a call that it would have refused.
pub(super) fn shadow(check: &Check, refusal: Refusal) -> ShadowVerdict {
    let (outcome, reason) = match check.verdict {
        FlowVerdict::Approve(_) => (Outcome::Approve, Reason::ApprovalRefused),
        FlowVerdict::Deny | FlowVerdict::Require => (Outcome::Deny, refusal.reason),
    };
    ShadowVerdict { rule: refusal.rule, outcome, reason, message: refusal.message.into() }
}

fn flow(check: &Check, message: String, retry_after_ms: Option<u64>) -> Refusal {
    Refusal {
        reason: Reason::Flow,
        rule: check.rule.clone(),
        place: Some(check.place.clone()),
        message,
        retry_after_ms,
    }
}

fn own(check: &Check) -> Option<String> {
    check.on_deny.as_deref().map(str::to_owned)
}

/// Whose calls are one history, without naming anybody.
fn whose(scope: &MarkScope) -> &'static str {
    match scope {
        MarkScope::Session(_) => "in this session",
        MarkScope::Sessionless(_) | MarkScope::Grant(_) => "of this grant",
        MarkScope::Identity(_) => "of this identity",
        MarkScope::Trace(_) => "in this trace",
        MarkScope::Tag { .. } => "of this grant or one that belongs to it",
    }
}

fn limit(charge: &Charge) -> String {
    let max = charge.max;
    let what = match (&charge.key.unit, charge.key.window) {
        (_, Window::Concurrent) => return format!("at most {max} at a time"),
        (Unit::Calls, _) => format!("{max} calls"),
        (Unit::Path(path), _) => format!("{max} of `{path}`"),
    };
    let per = if charge.key.strategy == Strategy::Sliding { "in any" } else { "per" };
    let window = match charge.key.window {
        Window::Minute => "minute".into(),
        Window::Hour => "hour".into(),
        Window::Day => "day".into(),
        Window::Week => "week".into(),
        Window::Month => "month".into(),
        Window::Every(milliseconds) => duration(milliseconds),
        Window::Concurrent => String::new(),
    };
    format!("at most {what} {per} {window}")
}

/// A span for people: its two largest units, rounded up to whole seconds.
fn duration(milliseconds: u64) -> String {
    if milliseconds < 1000 {
        return format!("{milliseconds} ms");
    }
    let seconds = milliseconds.div_ceil(1000);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let mut said = parts.iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
    let first = said.next().map(|(count, unit)| format!("{count} {unit}")).unwrap_or_default();
    match said.next() {
        Some((count, unit)) => format!("{first} {count} {unit}"),
        None => first,
    }
}

/// The moment as `, at 2026-11-21T23:17:00Z`; nothing where the calendar does not reach so far.
fn clock(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map(|moment| format!(", at {moment}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        let table = [(1, "1 ms"), (999, "999 ms"), (1000, "1 s"), (59_001, "1 min"), (90_000, "1 min 30 s")];
        for (span, text) in table {
            assert_eq!(duration(span), text);
        }
        assert_eq!(duration(86_400_000 + 3_600_000), "1 d 1 h");
        assert_eq!(duration(86_400_000), "1 d");
    }
}
