//! Predicates and their conditions.

use super::field::{CONDITION, Shape};
use super::reader::{Fields, Reader};
use super::rule_name::RuleNames;
use super::wording::{shown, suggestion};
use crate::model::{Ask, AskTerms, Condition, Mode, Predicate};
use crate::operator::{OPERATORS, OperandError, Operator};
use crate::path::Path;
use callgate_json::{Pointer, Value};
use std::sync::Arc;

/// Reads one member of `require`, `deny_if` or `approve_if`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    pointer: &Pointer,
    shape: &'static Shape,
    names: &mut RuleNames,
) -> Option<Predicate> {
    let fields = reader.object(value, pointer, shape)?;
    let conditions = list(reader, &fields, "conditions");
    let any = list(reader, &fields, "any");
    if value.get("conditions").is_none() && value.get("any").is_none() {
        let hint = "list what has to hold; `\"conditions\": []` always holds";
        reader.error("CG1005", value.span.start, pointer, "`conditions` is missing in this predicate", hint);
    }
    if let Some((empty, at)) = fields.get("any").filter(|(list, _)| list.as_array().is_some_and(<[_]>::is_empty)) {
        let hint = "an empty `any` never holds: name a condition, or leave `any` out";
        reader.error("CG1007", empty.span.start, &at, "`any` is empty", hint);
    }
    let ask = ask(reader, &fields);
    let name = fields.shared("name");
    let label = match (&name, conditions.first().or(any.first())) {
        (Some(name), _) => Arc::clone(name),
        (None, Some(first)) => Arc::clone(&first.label),
        (None, None) => "always".into(),
    };
    Some(Predicate {
        rule: names.next(&label),
        place: reader.place(pointer, value.span.start),
        name,
        description: fields.shared("description"),
        conditions,
        any,
        on_deny: fields.shared("on_deny"),
        mode: mode(&fields),
        quiet: fields.flag("quiet"),
        ask,
    })
}

/// The mode of a predicate or a limit.
pub(super) fn mode(fields: &Fields<'_, '_>) -> Mode {
    if fields.text("mode") == Some("shadow") { Mode::Shadow } else { Mode::Enforce }
}

/// How a person is asked.
pub(super) fn ask(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> AskTerms {
    let ask = match fields.text("ask") {
        Some("hold") => Ask::Hold,
        Some("client") => Ask::Client,
        _ => Ask::Retry,
    };
    if let Some((hold_for, at)) = fields.get("hold_for").filter(|_| ask != Ask::Hold) {
        let hint = "add `\"ask\": \"hold\"`, or remove `hold_for`";
        reader.error("CG1014", hold_for.span.start, &at, "`hold_for` needs `\"ask\": \"hold\"`", hint);
    }
    AskTerms {
        timeout_ms: fields.duration("timeout"),
        ask,
        hold_for_ms: fields.duration("hold_for"),
        four_eyes: fields.flag("four_eyes"),
        remember_for_ms: fields.duration("remember_for"),
        include_arguments: fields.flag("include_arguments"),
    }
}

/// Reads the conditions in a field.
pub(super) fn list(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, name: &str) -> Vec<Condition> {
    let Some((list, pointer)) = fields.get(name) else {
        return Vec::new();
    };
    let items = list.as_array().unwrap_or_default().iter().enumerate();
    items.filter_map(|(index, item)| condition(reader, item, &pointer.index(index))).collect()
}

fn condition(reader: &mut Reader<'_>, value: &Value<'_>, pointer: &Pointer) -> Option<Condition> {
    let fields = reader.object(value, pointer, &CONDITION)?;
    let path = path(reader, &fields, "path");
    let operator = operator(reader, &fields, value);
    let name = fields.text("op")?;
    if path.is_none() && value.get("path").is_none() && name != "cel" {
        let hint = "name what is looked at, for example `\"path\": \"args.amount\"`";
        reader.error("CG1005", value.span.start, pointer, "`path` is missing in this condition", hint);
    }
    let operator = operator?;
    if path.is_none() && name != "cel" {
        return None;
    }
    let label = match &path {
        Some(path) => format!("{}-{}", path.text(), operator.name()),
        None => operator.name().to_owned(),
    };
    let place = reader.place(pointer, value.span.start);
    Some(Condition { path, operator, label: label.into(), place })
}

/// Reads the path in a field.
pub(super) fn path(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, name: &str) -> Option<Path> {
    let (value, at) = fields.get(name)?;
    match Path::parse(value.as_str()?) {
        Ok(path) => Some(path),
        Err(error) => {
            reader.error("CG1010", value.span.start, &at, error.to_string(), error.hint);
            None
        }
    }
}

fn operator(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, condition: &Value<'_>) -> Option<Operator> {
    let (op, op_at) = fields.get("op")?;
    let operand = fields.get("value");
    let error = match Operator::compile(op.as_str()?, operand.as_ref().map(|(value, _)| *value)) {
        Ok(operator) => return Some(operator),
        Err(error) => error,
    };
    let value_place = operand.as_ref().map(|(value, at)| (value.span.start, at.clone()));
    let (offset, at) = value_place.unwrap_or((condition.span.start, fields.pointer.clone()));
    match &error {
        OperandError::Unknown(name) => {
            let message = format!("there is no operator `{}`", shown(name));
            reader.error("CG1008", op.span.start, &op_at, message, operator_hint(name));
        }
        OperandError::Missing { .. } => reader.error("CG1005", offset, &at, error.to_string(), ""),
        OperandError::Kind { .. } => reader.error("CG1009", offset, &at, error.to_string(), ""),
        OperandError::Unusable { hint, .. } => {
            reader.error("CG1009", offset, &at, error.to_string(), hint.as_str());
        }
    }
    None
}

/// What other languages call our operators.
const OTHER_NAMES: [(&str, &str); 22] = [
    ("==", "eq"),
    ("=", "eq"),
    ("equals", "eq"),
    ("is", "eq"),
    ("!=", "neq"),
    ("ne", "neq"),
    ("not_eq", "neq"),
    ("not_equals", "neq"),
    ("<", "lt"),
    ("<=", "lte"),
    ("le", "lte"),
    (">", "gt"),
    (">=", "gte"),
    ("ge", "gte"),
    ("matches", "regex"),
    ("match", "regex"),
    ("=~", "regex"),
    ("includes", "contains"),
    ("nin", "not_in"),
    ("one_of", "in"),
    ("prefix", "starts_with"),
    ("suffix", "ends_with"),
];

fn operator_hint(written: &str) -> String {
    let lower = written.to_lowercase();
    if let Some((_, ours)) = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == lower) {
        return format!("did you mean `{ours}`?");
    }
    let known: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
    suggestion(written, &known)
}
