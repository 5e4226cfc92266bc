//! What the rules of a draft can't do on the tools that its server has: the advice of `callgate policy check --tools`.

use super::draft::Draft;
use super::facts::ToolFacts;
use super::rows::list;
use callgate_json::{Kind, Value};
use callgate_policy::{Definition, Glob, Problem};
use std::collections::HashSet;

/// So often a part of a draft is held against a tool at most, so that whoever may only look can't keep the gateway busy.
const MOST: usize = 4_000_000;

/// A name that no tool has is looked for among those that are near, which takes so much longer.
const STRANGE: usize = 20;

/// The advice for a draft that is a policy; nothing where no tools are known. None where it would take too long.
pub(super) fn advice(draft: &Draft<'_>, tools: &[ToolFacts]) -> Option<Vec<Problem>> {
    let (Some(policy), Some(root)) = (&draft.policy, &draft.root) else { return Some(Vec::new()) };
    if tools.is_empty() {
        return Some(Vec::new());
    }
    if work(root, tools) > MOST {
        return None;
    }
    let definitions: Vec<Definition> = tools.iter().map(ToolFacts::definition).collect();
    Some(callgate_policy::advise(policy, &definitions))
}

/// How often a part of the document is held against a tool: an entry's own parts once, those of all others for each tool.
fn work(root: &Value<'_>, tools: &[ToolFacts]) -> usize {
    let known: HashSet<&str> = tools.iter().map(|facts| facts.name.as_str()).collect();
    let named = |name: &str| if known.contains(name) { 1 } else { STRANGE };
    let tested = list(root, "tests").iter().filter_map(|test| test.get("tool"));
    let listed = list(root, "hide").iter().chain(tested).filter_map(Value::as_str);
    let mut shared: usize = listed.map(named).sum();
    let mut own: usize = 0;
    for member in root.members() {
        if member.key != "tools" {
            shared += objects(&member.value);
            continue;
        }
        for entry in member.value.members() {
            let parts = objects(&entry.value);
            shared += named(&entry.key);
            *(if Glob::is_pattern(&entry.key) { &mut shared } else { &mut own }) += parts;
        }
    }
    own.saturating_add(shared.saturating_mul(tools.len()))
}

fn objects(value: &Value<'_>) -> usize {
    match &value.kind {
        Kind::Array(items) => items.iter().map(objects).sum(),
        Kind::Object(members) => 1 + members.iter().map(|member| objects(&member.value)).sum::<usize>(),
        _ => 0,
    }
}
