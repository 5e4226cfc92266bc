//! What one difference does by itself: as far as its form tells, and no further.

use super::canonical::Rule;
use serde::Serialize;
use serde_json::value::RawValue;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a difference does by itself, all else being equal. Several together can do something else, and so can a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleEffect)]
pub enum Effect {
    /// Less is allowed, or the same; nothing that was denied becomes allowed.
    Stricter,
    /// More is allowed, or the same; nothing that was allowed becomes denied.
    Looser,
    /// It depends on the calls: some may become allowed, others denied.
    Either,
    /// No call is decided differently.
    None,
}

/// The members of a rule, each as its canonical text.
type Members = BTreeMap<String, Box<RawValue>>;

/// Members that are only words for people.
const WORDS: [&str; 4] = ["on_deny", "description", "name", "quiet"];

/// What comes of a rule that was `before` and is `after`.
pub(super) fn of(before: Option<&Rule>, after: Option<&Rule>) -> Effect {
    match (before, after) {
        (None, Some(rule)) => of_presence(rule),
        (Some(rule), None) => of_presence(rule).reversed(),
        (Some(before), Some(after)) => of_change(before, after),
        (None, None) => Effect::None,
    }
}

impl Effect {
    fn reversed(self) -> Self {
        match self {
            Self::Stricter => Self::Looser,
            Self::Looser => Self::Stricter,
            other => other,
        }
    }
}

/// What it does that a rule is there.
fn of_presence(rule: &Rule) -> Effect {
    match rule.list {
        // A switch that is off, and a rule in shadow mode, refuse nothing.
        "validate_arguments" if rule.json.get() != "true" => Effect::None,
        "require" | "deny_if" | "approve_if" | "limits" if is_shadow(&members(rule)) => Effect::None,
        _ => Effect::Stricter,
    }
}

fn of_change(before: &Rule, after: &Rule) -> Effect {
    match before.list {
        "validate_arguments" if after.json.get() == "true" => Effect::Stricter,
        "validate_arguments" => Effect::Looser,
        "allow" => of_allowed(&patterns(before), &patterns(after)),
        _ => of_members(members(before), members(after)),
    }
}

/// Patterns only added allow more, only removed allow less.
fn of_allowed(before: &[String], after: &[String]) -> Effect {
    let all_in = |these: &[String], those: &[String]| these.iter().all(|pattern| those.contains(pattern));
    match (all_in(before, after), all_in(after, before)) {
        (true, true) => Effect::None,
        (true, false) => Effect::Looser,
        (false, true) => Effect::Stricter,
        (false, false) => Effect::Either,
    }
}

fn of_members(before: Members, after: Members) -> Effect {
    match (is_shadow(&before), is_shadow(&after)) {
        (true, true) => return Effect::None,
        // What was in shadow mode refused nothing, whatever it said.
        (true, false) => return Effect::Stricter,
        (false, true) => return Effect::Looser,
        (false, false) => {}
    }
    let (before, after) = (without(before, &WORDS), without(after, &WORDS));
    if same(&before, &after) {
        return Effect::None;
    }
    let max = |rule: &Members| rule.get("max").and_then(|max| max.get().parse::<f64>().ok());
    let compared = max(&before).zip(max(&after)).and_then(|(before, after)| before.partial_cmp(&after));
    let only_max = same(&without(before, &["max"]), &without(after, &["max"]));
    match compared.filter(|_| only_max) {
        Some(Ordering::Less) => Effect::Looser,
        Some(Ordering::Greater) => Effect::Stricter,
        // Several members, or numbers that are the same only as floats.
        _ => Effect::Either,
    }
}

fn is_shadow(rule: &Members) -> bool {
    rule.get("mode").is_some_and(|mode| mode.get() == "\"shadow\"")
}

fn without(mut rule: Members, members: &[&str]) -> Members {
    rule.retain(|key, _| !members.contains(&key.as_str()));
    rule
}

/// Whether two rules have the same members with the same text: numbers are not rounded.
fn same(one: &Members, other: &Members) -> bool {
    let text = |rule: &Members| rule.iter().map(|(key, value)| format!("{key}={}", value.get())).collect::<Vec<_>>();
    text(one) == text(other)
}

fn members(rule: &Rule) -> Members {
    serde_json::from_str(rule.json.get()).unwrap_or_default()
}

fn patterns(rule: &Rule) -> Vec<String> {
    serde_json::from_str(rule.json.get()).unwrap_or_default()
}
