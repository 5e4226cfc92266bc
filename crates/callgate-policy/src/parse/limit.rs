//! Limits, and limits that contradict each other.

use super::duration;
use super::field::LIMIT;
use super::predicate::{mode, path};
use super::reader::{Fields, Reader, amount};
use super::rule_name::RuleNames;
use super::wording::shown;
use crate::ledger::Unit;
use crate::model::{Limit, Policy, Scope, Strategy, Window};
use crate::path::{Path, Step};
use callgate_json::{Pointer, Value};
use std::collections::HashMap;

/// Reads one member of `limits`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    pointer: &Pointer,
    names: &mut RuleNames,
) -> Option<Limit> {
    let fields = reader.object(value, pointer, &LIMIT)?;
    let window = window(reader, &fields, value);
    let increment_from = increment_from(reader, &fields);
    let counter = fields.shared("counter")?;
    let (max, _) = fields.get("max")?;
    let scope = Scope::parse(fields.text("scope")?)?;
    let unit = increment_from.as_ref().map_or(Unit::Calls, |path| Unit::Path(path.text().into()));
    Some(Limit {
        rule: names.next(&counter),
        place: reader.place(pointer, value.span.start),
        description: fields.shared("description"),
        counter,
        window: window?,
        strategy: if fields.text("strategy") == Some("sliding") { Strategy::Sliding } else { Strategy::Fixed },
        max: amount(max)?,
        scope,
        unit,
        increment_from,
        on_deny: fields.shared("on_deny"),
        mode: mode(&fields),
    })
}

fn window(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, limit: &Value<'_>) -> Option<Window> {
    let concurrent = limit.get("concurrent").is_some();
    if !concurrent {
        if limit.get("window").is_none() {
            let hint = "for example `\"window\": \"minute\"`, or `\"concurrent\": true` to count calls in flight";
            reader.error("CG1005", limit.span.start, &fields.pointer, "`window` is missing in this limit", hint);
        }
        return fields.text("window").and_then(duration::read_window);
    }
    for (name, why) in [
        ("window", "calls in flight have no window"),
        ("strategy", "calls in flight have no window that could slide"),
        ("increment_from", "calls in flight are counted, not summed"),
    ] {
        if let Some((value, at)) = fields.get(name) {
            let message = format!("`{name}` and `concurrent` don't go together");
            reader.error("CG1014", value.span.start, &at, message, format!("{why}: keep one of the two"));
        }
    }
    Some(Window::Concurrent)
}

fn increment_from(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Path> {
    let path = path(reader, fields, "increment_from")?;
    let (value, at) = fields.get("increment_from")?;
    let one_argument = path.argument_steps().is_some_and(|steps| {
        !steps.is_empty() && steps.iter().all(|step| matches!(step, Step::Key(_) | Step::Index(_)))
    });
    if !one_argument {
        let message = format!("`increment_from` has to name one argument, not `{}`", shown(path.text()));
        reader.error("CG1010", value.span.start, &at, message, "for example `args.amount`");
        return None;
    }
    Some(path)
}

/// Tells limits that name one counter and mean different things by it.
pub(super) fn contradictions(reader: &mut Reader<'_>, policy: &Policy) {
    let mut first: HashMap<&str, &Limit> = HashMap::new();
    let mut found = Vec::new();
    for limit in policy.entries().flat_map(|entry| &entry.limits) {
        // Calls in flight are a tally of their own, with nothing to disagree about.
        if limit.window == Window::Concurrent {
            continue;
        }
        let earlier = *first.entry(&limit.counter).or_insert(limit);
        let what = if earlier.unit != limit.unit {
            "increment_from"
        } else if earlier.strategy != limit.strategy {
            "strategy"
        } else {
            continue;
        };
        let message =
            format!("the counter `{}` has another `{what}` than in line {}", shown(&limit.counter), earlier.place.line);
        found.push((limit.place.clone(), message));
    }
    for (place, message) in found {
        let hint = "one counter counts one thing in one way: give this one another name";
        reader.error_at("CG1013", &place, message, hint);
    }
}
