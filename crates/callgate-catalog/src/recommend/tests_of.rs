//! The tests that a recommended document carries: every entry shows what it refuses.

use super::SETTINGS;
use super::document::{Entry, Test};
use super::guard;
use crate::classify::Classification;
use crate::tool::Tool;
use callgate_json::escape_token;
use serde_json::{Value, json};

/// The tests of one entry.
pub(super) fn entry(tool: &Tool, found: &Classification, entry: &Entry, tests: &mut Vec<Test>) {
    let place = |list: &str, rule: &str| format!("/tools/{}/{list}/{}", escape_token(&tool.name), escape_token(rule));
    let mut push = |name: String, calls, args, expect, rule| {
        tests.push(Test { name, calls, tool: tool.name.clone(), args, expect, rule });
    };
    for predicate in &entry.deny_if {
        if let Some(args) = guard::example(&SETTINGS.guard, tool, &predicate.name) {
            let rule = place("deny_if", &predicate.name);
            push(format!("{}: {}", tool.name, predicate.name), None, args, "deny", Some(rule));
        }
    }
    for predicate in &entry.approve_if {
        let args = match (predicate.conditions.first(), &found.action_param) {
            (Some(condition), Some(param)) if condition.op == "not_in" => {
                json!({param: asked(found, &condition.value)})
            }
            _ => json!({}),
        };
        let rule = place("approve_if", &predicate.name);
        // An amount that is missing is a fault before anybody is asked.
        let args = with_amount(entry, args);
        push(format!("{}: a person is asked", tool.name), None, args, "approve", Some(rule));
    }
    let Some(harmless) = harmless(found, entry) else { return };
    match entry.limits.first() {
        None => push(format!("{}: allowed", tool.name), None, harmless, "allow", None),
        Some(limit) => {
            let rule = place("limits", &limit.counter);
            let name = format!("{}: call {} in a {}", tool.name, limit.max + 1, limit.window);
            push(name, Some(limit.max + 1), harmless, "deny", Some(rule));
        }
    }
}

/// The test of a hidden tool.
pub(super) fn hidden(tool: &Tool, tests: &mut Vec<Test>) {
    tests.push(Test {
        name: format!("{}: hidden", tool.name),
        calls: None,
        tool: tool.name.clone(),
        args: json!({}),
        expect: "deny",
        rule: Some("(hidden)".to_owned()),
    });
}

/// Arguments that no predicate stops; `None` where a person is asked about every call.
fn harmless(found: &Classification, entry: &Entry) -> Option<Value> {
    if entry.approve_if.iter().any(|predicate| predicate.conditions.is_empty()) {
        return None;
    }
    let Some((param, actions)) = found.action_param.as_ref().zip(found.actions.as_ref()) else {
        return Some(json!({}));
    };
    let asked = entry.approve_if.iter().flat_map(|predicate| &predicate.conditions).find(|it| it.op == "not_in");
    let value = match asked {
        Some(condition) => condition.value.get(0).cloned(),
        None => actions.keys().next().map(|value| json!(value)),
    };
    value.map(|value| with_amount(entry, json!({param: value})))
}

/// A value of the action argument that is none of `safe`: the riskiest one that is known.
fn asked(found: &Classification, safe: &Value) -> Value {
    let is_safe = |value: &str| safe.as_array().is_some_and(|safe| safe.iter().any(|known| known == value));
    let known = found.actions.iter().flatten().filter(|(value, _)| !is_safe(value));
    let riskiest = known.max_by_key(|(_, category)| **category).map(|(value, _)| value.as_str());
    json!(riskiest.unwrap_or("something else"))
}

fn with_amount(entry: &Entry, mut args: Value) -> Value {
    for limit in &entry.limits {
        let amount = limit.increment_from.as_deref().and_then(|path| path.strip_prefix("args."));
        if let (Some(amount), Some(args)) = (amount, args.as_object_mut()) {
            args.insert(amount.to_owned(), json!(1));
        }
    }
    args
}
