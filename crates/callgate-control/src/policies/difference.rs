//! Two policies compared: line by line, and rule by rule.

mod canonical;
mod effect;
mod text;

use callgate_policy::{Glob, Policy};
use canonical::{Canonical, Part, Rule, escaped};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use utoipa::ToSchema;

pub use effect::Effect;
pub(crate) use text::unified;

/// How two documents differ.
#[derive(Debug, Serialize, ToSchema)]
pub struct Difference {
    /// Unified lines, as `diff -u` writes them; empty where the documents are the same.
    pub text: String,
    /// What differs by meaning. Empty where only spelling, order, texts for readers or tests differ. `null` where one of
    /// the documents can't be read by this version.
    pub rules: Option<Vec<RuleDifference>>,
}

/// One rule or setting that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "change": "changed", "part": "tools/create_charge", "rule": "/tools/create_charge/limits/charges", "effect": "looser",
    "before": {"counter": "charges", "window": "day", "max": 10, "scope": "grant"}, "before_line": 5,
    "after": {"counter": "charges", "window": "day", "max": 20, "scope": "grant"}, "after_line": 5
}))]
pub struct RuleDifference {
    /// `added`, `removed` or `changed`.
    pub change: Change,
    /// Where it stands: `all_tools`, `categories/write`, `tools/exec`, `resources`; empty for the document's settings.
    pub part: String,
    /// The rule's name as decisions name it; for settings a pointer: `/default`, `/list`, `/hide/NAME`; for an entry that
    /// lists a tool its own: `/tools/NAME`.
    pub rule: String,
    /// What this difference does by itself.
    pub effect: Effect,
    /// The rule before, in canonical form; `null` where it was not there.
    #[schema(value_type = Option<serde_json::Value>)]
    pub before: Option<Box<RawValue>>,
    /// Its line before, from 1.
    pub before_line: Option<u32>,
    /// The rule after, in canonical form; `null` where it is not there any more.
    #[schema(value_type = Option<serde_json::Value>)]
    pub after: Option<Box<RawValue>>,
    /// Its line after, from 1.
    pub after_line: Option<u32>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleChange)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Changed,
}

impl Difference {
    /// Compares two documents; the labels head the text.
    pub fn between(old: (&str, &str), new: (&str, &str)) -> Self {
        let canonical = |document: &str| Canonical::of(&Policy::parse(document.as_bytes()).ok()?);
        let rules = canonical(old.1).zip(canonical(new.1)).map(|(old, new)| compared(&old, &new));
        Self { text: text::unified(old, new), rules }
    }
}

fn compared(old: &Canonical, new: &Canonical) -> Vec<RuleDifference> {
    let mut found = settings(old, new);
    let places: BTreeSet<&String> = old.parts.keys().chain(new.parts.keys()).collect();
    for place in places {
        let (before, after) = (old.parts.get(place), new.parts.get(place));
        found.extend(listing(place, old, new));
        found.extend(rules(place, before, after));
    }
    found
}

fn settings(old: &Canonical, new: &Canonical) -> Vec<RuleDifference> {
    let mut found = Vec::new();
    if old.denies_unlisted != new.denies_unlisted {
        let word = |denies: bool| raw(if denies { "deny" } else { "allow" });
        let effect = if new.denies_unlisted { Effect::Stricter } else { Effect::Looser };
        found.push(setting("/default".to_owned(), effect, word(old.denies_unlisted), word(new.denies_unlisted)));
    }
    if old.list != new.list {
        let word = |list: &Option<String>| raw(list.as_deref().unwrap_or("all"));
        // It shortens the list that clients see; what may be called stays the same.
        found.push(setting("/list".to_owned(), Effect::None, word(&old.list), word(&new.list)));
    }
    let missing = |name: &String, from: &Canonical| !from.hide.contains(name);
    for name in old.hide.iter().filter(|name| missing(name, new)) {
        found.push(setting(format!("/hide/{}", escaped(name)), Effect::Looser, raw(name), None));
    }
    for name in new.hide.iter().filter(|name| missing(name, old)) {
        found.push(setting(format!("/hide/{}", escaped(name)), Effect::Stricter, None, raw(name)));
    }
    found
}

/// An entry under `tools`, or a section, that is new or gone. Under `default: deny` an entry is what lists the tool; of
/// what no section speaks, `default` and the kind of thing decide.
fn listing(place: &str, old: &Canonical, new: &Canonical) -> Option<RuleDifference> {
    let (added, with, without) = match (old.parts.contains_key(place), new.parts.contains_key(place)) {
        (false, true) => (true, new, old),
        (true, false) => (false, old, new),
        _ => return None,
    };
    let entry = || RawValue::from_string("{}".to_owned()).ok();
    let (before, after) = if added { (None, entry()) } else { (entry(), None) };
    let row = |effect| RuleDifference { part: place.to_owned(), ..setting(format!("/{place}"), effect, before, after) };
    if place != "all_tools" && !place.contains('/') {
        return Some(row(Effect::Either));
    }
    let key = with.tools.iter().find(|key| format!("tools/{}", escaped(key)) == place)?;
    // Another entry may list it just the same.
    let listed = without.tools.iter().any(|other| Glob::is_pattern(other) && Glob::new(other).matches(key));
    let effect = match added {
        _ if !without.denies_unlisted || listed => Effect::None,
        true => Effect::Looser,
        false => Effect::Stricter,
    };
    Some(row(effect))
}

/// The rules of one part. Equal ones are matched first, so that a rule whose number moved is no difference; then those
/// of one name.
fn rules(place: &str, old: Option<&Part>, new: Option<&Part>) -> Vec<RuleDifference> {
    let mut old: Vec<&Rule> = old.iter().flat_map(|part| &part.rules).collect();
    let mut new: Vec<&Rule> = new.iter().flat_map(|part| &part.rules).collect();
    old.retain(|rule| {
        let same = new.iter().position(|other| other.list == rule.list && other.json.get() == rule.json.get());
        same.map(|same| new.remove(same)).is_none()
    });
    let mut found = Vec::new();
    for before in old {
        let named = new.iter().position(|after| after.name == before.name).map(|at| new.remove(at));
        found.push(of_rule(place, Some(before), named));
    }
    found.extend(new.into_iter().map(|after| of_rule(place, None, Some(after))));
    found
}

fn of_rule(place: &str, before: Option<&Rule>, after: Option<&Rule>) -> RuleDifference {
    let change = match (before, after) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        _ => Change::Changed,
    };
    let rule = after.or(before).map(|rule| rule.name.clone()).unwrap_or_default();
    let line = |rule: Option<&Rule>| rule.map(|rule| rule.line).filter(|line| *line > 0);
    RuleDifference {
        change,
        part: place.to_owned(),
        rule,
        effect: effect::of(before, after),
        before: before.map(|rule| rule.json.clone()),
        before_line: line(before),
        after: after.map(|rule| rule.json.clone()),
        after_line: line(after),
    }
}

fn setting(
    rule: String,
    effect: Effect,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
) -> RuleDifference {
    let change = match (&before, &after) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        _ => Change::Changed,
    };
    RuleDifference { change, part: String::new(), rule, effect, before, before_line: None, after, after_line: None }
}

/// A text as JSON.
fn raw(text: &str) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(text).ok()
}

#[cfg(test)]
mod tests;
