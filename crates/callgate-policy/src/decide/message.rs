//! What a denial says when the document does not. Names the tool and the rule, the caller's own value unless the rule
//! is quiet, and nothing else: operands, identities and tags stay out. Records keep none of the value.

use super::Case;
use super::conditions::{Held, find};
use crate::message::Message;
use crate::model::{Condition, Predicate};
use callgate_json::{Kind, Value};

/// Longest value or name in a message, in characters.
const MAX_SHOWN: usize = 80;

/// A rule that could not be evaluated.
pub(super) fn fault(rule: &str, why: &str) -> String {
    format!("the rule `{rule}` could not be evaluated: {why}")
}

/// A `deny_if` that holds.
pub(super) fn denied(case: &Case<'_>, predicate: &Predicate) -> Message {
    own(predicate).unwrap_or_else(|| {
        let text = format!("`{}` is denied by the rule `{}`", shorten(case.call.tool), predicate.rule);
        Message::naming_value(text, &said(case, predicate, first(predicate)))
    })
}

/// A `deny_if` of rules over results that holds. Nothing of the result is shown.
pub(super) fn returned(case: &Case<'_>, predicate: &Predicate) -> Message {
    own(predicate).unwrap_or_else(|| refused(case, predicate.rule.as_str()).into())
}

/// A result that a rule refuses.
pub(super) fn refused(case: &Case<'_>, rule: &str) -> String {
    match case.call.tool {
        "" => format!("what came back is refused by the rule `{rule}`"),
        tool => format!("the result of `{}` is refused by the rule `{rule}`", shorten(tool)),
    }
}

/// A `require` that does not hold.
pub(super) fn required(case: &Case<'_>, predicate: &Predicate, held: &Held<'_>) -> Message {
    own(predicate).unwrap_or_else(|| {
        let condition = match held {
            Held::No(Some(condition)) => Some(*condition),
            _ => None,
        };
        let text = format!("`{}` does not meet what the rule `{}` requires", shorten(case.call.tool), predicate.rule);
        Message::naming_value(text, &said(case, predicate, condition))
    })
}

/// An `approve_if` that holds.
pub(super) fn asked(case: &Case<'_>, predicate: &Predicate) -> Message {
    own(predicate).unwrap_or_else(|| {
        let text = format!("a person has to approve `{}` (rule `{}`)", shorten(case.call.tool), predicate.rule);
        Message::naming_value(text, &said(case, predicate, first(predicate)))
    })
}

/// At most so many characters of a text, without control characters or backticks.
pub(super) fn shorten(text: &str) -> String {
    let printable = |c: char| if c.is_control() || c == '`' { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(MAX_SHOWN).map(printable).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push('…');
    }
    short
}

fn own(predicate: &Predicate) -> Option<Message> {
    predicate.on_deny.as_deref().map(Message::from)
}

fn first(predicate: &Predicate) -> Option<&Condition> {
    predicate.conditions.first().or_else(|| predicate.any.first())
}

/// The value that a condition looked at, where it is one of the caller's own.
fn said(case: &Case<'_>, predicate: &Predicate, condition: Option<&Condition>) -> String {
    let path = condition.filter(|condition| condition.operator.expression().is_none()).and_then(|c| c.path.as_ref());
    let (Some(path), Some(steps)) = (path, path.and_then(|path| path.argument_steps())) else {
        return String::new();
    };
    if predicate.quiet || steps.is_empty() {
        return String::new();
    }
    match find(case.arguments, steps) {
        Some(value) => format!(": `{}` is {}", path, shown(value)),
        None => format!(": look at `{}`", path),
    }
}

fn shown(value: &Value<'_>) -> String {
    match &value.kind {
        Kind::Array(items) => format!("a list of {}", items.len()),
        Kind::Object(_) => "an object".into(),
        Kind::String(text) => format!("`{}`", shorten(text)),
        _ => format!("`{}`", shorten(&callgate_json::canonical(value))),
    }
}
