//! What is hardly meant as it is written: warnings about a document by itself.

mod commands;
mod flows;
mod sections;
mod shape;
mod tools;

pub use tools::advise;

use crate::model::{Condition, Entry, Mode, Policy, Predicate, Scope, Unlisted};
use crate::parse::reader::Reader;
use crate::parse::wording::shown;
use crate::path::{Path, Step, Subject};
use std::collections::HashMap;
use std::sync::Arc;

/// Warns about everything in a document that can be seen without the server's tools.
pub(crate) fn document(reader: &mut Reader<'_>, policy: &Policy) {
    hidden_twice(reader, policy);
    look_alikes(reader, policy);
    sections::warn(reader, policy);
    flows::warn(reader, policy);
    for entry in policy.entries() {
        lists_by_accident(reader, policy, entry);
        session_scope(reader, entry);
        for predicate in entry.require.iter().chain(&entry.deny_if).chain(&entry.approve_if) {
            client_is_the_guard(reader, predicate);
            path_beside_expression(reader, predicate);
        }
        for condition in entry.require.iter().flat_map(conditions) {
            any_element_differs(reader, condition);
        }
        for predicate in entry.results.iter().flat_map(|rules| &rules.deny_if) {
            client_is_the_guard(reader, predicate);
            path_beside_expression(reader, predicate);
        }
        for predicate in entry.require.iter().chain(&entry.deny_if).chain(&entry.approve_if) {
            looks_ahead(reader, predicate);
        }
    }
}

/// All conditions of a predicate.
pub(crate) fn conditions(predicate: &Predicate) -> impl Iterator<Item = &Condition> {
    predicate.conditions.iter().chain(&predicate.any)
}

fn hidden_twice(reader: &mut Reader<'_>, policy: &Policy) {
    let mut lines: HashMap<&Arc<str>, u32> = HashMap::new();
    for (name, place) in &policy.hide.patterns {
        if let Some(line) = lines.get(name) {
            let message = format!("`{}` is hidden twice, first in line {line}", shown(name));
            reader.warning_at("CG1101", place, message, "remove one of the two");
        } else {
            lines.insert(name, place.line);
        }
    }
}

fn look_alikes(reader: &mut Reader<'_>, policy: &Policy) {
    let hidden = policy.hide.patterns.iter().map(|(name, place)| (name, place));
    let listed = policy.tools.entries.iter().map(|entry| (&entry.pattern, &entry.place));
    let mut by_skeleton: HashMap<String, (&Arc<str>, u32)> = HashMap::new();
    for (name, place) in hidden.chain(listed) {
        let skeleton = skeleton(name);
        let first = by_skeleton.get(&skeleton).copied();
        if let Some((other, line)) = first.filter(|(other, _)| *other != name) {
            let message =
                format!("`{}` looks like `{}` in line {line}, and is another name", shown(name), shown(other));
            let hint = format!("{}; names are compared code point by code point", odd_characters(name, other));
            reader.warning_at("CG1102", place, message, &hint);
        } else if first.is_none() {
            if let Some(odd) = odd_by_itself(name, &skeleton) {
                let message = format!("`{}` {odd}", shown(name));
                let hint = "names are compared code point by code point: copy the name that the server uses";
                reader.warning_at("CG1102", place, message, hint);
            }
            by_skeleton.insert(skeleton, (name, place.line));
        }
    }
}

/// What a name looks like: equal for names that people can't tell apart.
pub(crate) fn skeleton(name: &str) -> String {
    let visible: String = name.chars().filter(|c| !is_invisible(*c)).collect();
    unicode_security::confusable_detection::skeleton(visible.trim()).collect()
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn odd_by_itself(name: &str, skeleton: &str) -> Option<&'static str> {
    if name.chars().any(is_invisible) || name.trim() != name {
        return Some("has white space or invisible characters");
    }
    if !name.is_ascii() && skeleton.is_ascii() {
        return Some("looks like plain letters, and has others");
    }
    let composed: String = unicode_normalization::UnicodeNormalization::nfc(name).collect();
    (composed != name).then_some("is written with combining characters (not in normal form C)")
}

/// The first characters in which two names differ, as code points.
pub(crate) fn odd_characters(name: &str, other: &str) -> String {
    let differing = name.chars().zip(other.chars()).find(|(a, b)| a != b);
    match differing {
        Some((a, b)) => format!("U+{:04X} here, U+{:04X} there", u32::from(a), u32::from(b)),
        None => "one is longer than the other".to_owned(),
    }
}

/// Under `default: deny` a pattern entry that only denies would allow everything else that it matches.
fn lists_by_accident(reader: &mut Reader<'_>, policy: &Policy, entry: &Entry) {
    let only_denies = !entry.deny_if.is_empty()
        && entry.require.is_empty()
        && entry.approve_if.is_empty()
        && entry.limits.is_empty()
        && entry.validate_arguments.is_none()
        && entry.results.is_none();
    let denies_always = entry.deny_if.iter().any(|predicate| {
        predicate.mode == Mode::Enforce && predicate.conditions.is_empty() && predicate.any.is_empty()
    });
    if policy.default != Unlisted::Deny || !crate::Glob::is_pattern(&entry.pattern) || !only_denies || denies_always {
        return;
    }
    let message = format!("`{}` only denies, but it also lists every tool that it matches", shown(&entry.pattern));
    let hint = "under `\"default\": \"deny\"` a listed tool may be called: put the `deny_if` in `all_tools`, or list \
                the tools one by one";
    reader.warning_at("CG1103", &entry.place, message, hint);
}

fn session_scope(reader: &mut Reader<'_>, entry: &Entry) {
    for limit in entry.limits.iter().filter(|limit| limit.scope == Scope::Session) {
        let message = "calls without a session are counted per grant under `\"scope\": \"session\"`".to_owned();
        let hint = "a client can also open as many sessions as it likes; `\"scope\": \"grant\"` holds for all of them";
        reader.warning_at("CG1104", &limit.place, message, hint);
    }
}

fn client_is_the_guard(reader: &mut Reader<'_>, predicate: &Predicate) {
    let is_client = |path: &Path| matches!(path.subject(), Subject::ClientName | Subject::ClientVersion);
    let mut all = conditions(predicate).peekable();
    if all.peek().is_none() || !all.all(|condition| condition.path.as_ref().is_some_and(is_client)) {
        return;
    }
    let message = "this rule only looks at what the client calls itself".to_owned();
    let hint = "a client can call itself anything: guard by `grant.label`, `grant.tags` or `identity` too";
    reader.warning_at("CG1105", &predicate.place, message, hint);
}

fn any_element_differs(reader: &mut Reader<'_>, condition: &Condition) {
    let name = condition.operator.name();
    let steps = condition.path.as_ref().and_then(Path::argument_steps).unwrap_or_default();
    if !matches!(name, "neq" | "not_in") || !steps.contains(&Step::Any) {
        return;
    }
    let message = format!("`{name}` over `[*]` holds as soon as one element differs");
    reader.warning_at("CG1106", &condition.place, message, "to require it of every element write `[all]`");
}

/// Nothing came back yet where a call is judged.
fn looks_ahead(reader: &mut Reader<'_>, predicate: &Predicate) {
    let is_of_result = |condition: &&Condition| {
        let path = condition.path.as_ref().is_some_and(|path| matches!(path.subject(), Subject::Result(_)));
        path || condition.operator.expression().is_some_and(|cel| cel.variables().contains(&"result"))
    };
    for condition in conditions(predicate).filter(is_of_result) {
        let message = "a call is judged before there is a result".to_owned();
        let hint = "rules over results stand in `results`: move this one to `results.deny_if`";
        reader.error_at("CG1040", &condition.place, message, hint);
    }
}

fn path_beside_expression(reader: &mut Reader<'_>, predicate: &Predicate) {
    for condition in conditions(predicate).filter(|c| c.operator.name() == "cel" && c.path.is_some()) {
        let message = "`cel` reads the call by itself; `path` only names the rule".to_owned();
        reader.warning_at("CG1108", &condition.place, message, "leave `path` out, or give the rule a `name`");
    }
}
