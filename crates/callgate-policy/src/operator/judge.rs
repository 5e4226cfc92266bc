//! Judging one value.

use super::{Mismatch, Operator, Test};
use callgate_json::{Kind, Value};

/// What an operator makes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// The value is of a type that the operator can't judge.
    TypeError,
    /// The value is refused, or can't be judged: always a denial. The text says why, and names no value.
    Fault(String),
}

impl From<bool> for Verdict {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

impl Operator {
    /// What the operator makes of the value at its path; `None` where there is none.
    ///
    /// `null` is missing, unless the operand is `null` or a list with `null` in it; and a missing value holds for
    /// nothing but `exists: false`.
    pub(crate) fn judge(&self, value: Option<&Value<'_>>) -> Verdict {
        let Some(value) = value.filter(|value| !value.is_null() || self.compares_null()) else {
            return matches!(self.test, Test::Exists(false)).into();
        };
        match &self.test {
            Test::OneOf { operands, negated } => {
                (operands.iter().any(|operand| operand.equals(value)) != *negated).into()
            }
            Test::Compare { side, or_equal, bound } => match value.as_number().and_then(|n| n.exact().ok()) {
                Some(number) if number == *bound => (*or_equal).into(),
                Some(number) => (number.cmp(bound) == *side).into(),
                None => Verdict::TypeError,
            },
            Test::Contains(operand) => match &value.kind {
                Kind::String(text) => operand.as_str().is_some_and(|part| text.contains(part)).into(),
                Kind::Array(items) => items.iter().any(|item| operand.equals(item)).into(),
                _ => Verdict::TypeError,
            },
            Test::Exists(expected) => (*expected).into(),
            Test::LengthAtMost(most) => length(value).map_or(Verdict::TypeError, |length| (length <= *most).into()),
            Test::LengthAtLeast(least) => length(value).map_or(Verdict::TypeError, |length| (length >= *least).into()),
            Test::JsonSchema(schema) => match schema.check(value) {
                Ok(()) => Verdict::True,
                Err(Mismatch::Invalid(_)) => Verdict::False,
                Err(Mismatch::Fault(why)) => Verdict::Fault(why),
            },
            // Evaluated over the whole call by the caller; a value alone can't answer.
            Test::Cel(_) => Verdict::Fault("a CEL expression is not evaluated over one value".into()),
            _ => value.as_str().map_or(Verdict::TypeError, |text| self.judge_text(text)),
        }
    }

    fn judge_text(&self, text: &str) -> Verdict {
        match &self.test {
            Test::Regex(regex) => regex.is_match(text).into(),
            Test::StartsWith(part) => text.starts_with(&**part).into(),
            Test::EndsWith(part) => text.ends_with(&**part).into(),
            Test::Glob(glob) => glob.matches(text).into(),
            Test::PathWithin(directories) => super::files::judge(text, directories),
            Test::HostIn(hosts) => super::hosts::judge(text, hosts),
            Test::Cidr(networks) => super::networks::judge(text, networks),
            _ => Verdict::TypeError,
        }
    }

    fn compares_null(&self) -> bool {
        match &self.test {
            Test::OneOf { operands, .. } => operands.contains(&super::Operand::Null),
            _ => false,
        }
    }
}

/// Characters of a string, elements of an array.
fn length(value: &Value<'_>) -> Option<u64> {
    let length = match &value.kind {
        Kind::String(text) => text.chars().count(),
        Kind::Array(items) => items.len(),
        _ => return None,
    };
    u64::try_from(length).ok()
}
