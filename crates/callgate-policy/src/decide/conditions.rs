//! Conditions: walking a path into the value and judging what is found there.

use super::Case;
use super::subject;
use crate::model::{Condition, Predicate};
use crate::operator::{Operator, Verdict};
use crate::path::Step;
use callgate_json::{DecimalError, Kind, Number, Span, Value};
use std::borrow::Cow;

/// Whether a predicate holds.
pub(super) enum Held<'a> {
    /// It does.
    Yes,
    /// This condition does not; `None` where none under `any` does.
    No(Option<&'a Condition>),
}

impl Held<'_> {
    /// Whether it does.
    pub(super) fn holds(&self) -> bool {
        matches!(self, Self::Yes)
    }
}

/// Whether all conditions hold and, where there are some, one under `any`. In order: what decides ends it, and a fault
/// before that is the answer. `type_error` is what a value of the wrong type counts as: `true` where the rule is meant
/// to stop something.
pub(super) fn hold<'p>(case: &Case<'_>, predicate: &'p Predicate, type_error: bool) -> Result<Held<'p>, String> {
    for condition in &predicate.conditions {
        if !one(case, condition, type_error)? {
            return Ok(Held::No(Some(condition)));
        }
    }
    if predicate.any.is_empty() {
        return Ok(Held::Yes);
    }
    for condition in &predicate.any {
        if one(case, condition, type_error)? {
            return Ok(Held::Yes);
        }
    }
    Ok(Held::No(None))
}

/// Whether one condition holds.
pub(super) fn one(case: &Case<'_>, condition: &Condition, type_error: bool) -> Result<bool, String> {
    if let Some(expression) = condition.operator.expression() {
        return expression.evaluate(subject::variables(case, expression)?);
    }
    let Some(path) = &condition.path else {
        return Err("the condition has no path".into());
    };
    subject::with_value(case, path.subject(), |value, steps| walk(value, steps, &condition.operator, type_error))?
}

/// Judges what the steps lead to. The elements of `[*]` and `[all]` are judged one by one, all of them: a fault in one
/// is the answer, wherever it stands.
fn walk(value: Option<&Value<'_>>, steps: &[Step], operator: &Operator, type_error: bool) -> Result<bool, String> {
    let Some((step, rest)) = steps.split_first() else {
        return verdict(operator.judge(value), type_error);
    };
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return verdict(operator.judge(None), type_error);
    };
    match (step, &value.kind) {
        (Step::Key(key), Kind::Object(_)) => walk(value.get(key), rest, operator, type_error),
        (Step::Index(index), Kind::Array(items)) => walk(items.get(*index), rest, operator, type_error),
        (Step::Any | Step::All, Kind::Array(items)) => {
            let mut held = 0;
            for item in items {
                held += usize::from(walk(Some(item), rest, operator, type_error)?);
            }
            Ok(held > 0 && (*step == Step::Any || held == items.len()))
        }
        (Step::Join, Kind::Array(items)) => match join(items) {
            Some(text) => {
                let joined = Value { kind: Kind::String(Cow::Owned(text)), span: Span::default() };
                walk(Some(&joined), rest, operator, type_error)
            }
            None => Ok(type_error),
        },
        _ => Ok(type_error),
    }
}

fn verdict(verdict: Verdict, type_error: bool) -> Result<bool, String> {
    match verdict {
        Verdict::True => Ok(true),
        Verdict::False => Ok(false),
        Verdict::TypeError => Ok(type_error),
        Verdict::Fault(why) => Err(why),
    }
}

/// The elements joined with one space; `None` where one is no string.
fn join(items: &[Value<'_>]) -> Option<String> {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(item.as_str()?);
    }
    Some(text)
}

/// The value that plain steps lead to; `None` where there is none, or the steps are not plain.
pub(super) fn find<'v, 'a>(value: &'v Value<'a>, steps: &[Step]) -> Option<&'v Value<'a>> {
    steps.iter().try_fold(value, |value, step| match (step, &value.kind) {
        (Step::Key(key), Kind::Object(_)) => value.get(key),
        (Step::Index(index), Kind::Array(items)) => items.get(*index),
        _ => None,
    })
}

/// What is wrong with the first number that can't be kept exactly.
pub(super) fn inexact(value: &Value<'_>) -> Option<DecimalError> {
    match &value.kind {
        // Up to 18 digits fit without a look at each.
        Kind::Number(Number { text }) if text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit()) => None,
        Kind::Number(number) => number.exact().err(),
        Kind::Array(items) => items.iter().find_map(inexact),
        Kind::Object(members) => members.iter().find_map(|member| inexact(&member.value)),
        Kind::Null | Kind::Bool(_) | Kind::String(_) => None,
    }
}
