//! What a policy makes of a tool before anyone calls it.

use super::entries::Entries;
use super::{Case, NO_ARGUMENTS, conditions};
use crate::call::{Arguments, Call, Definition, Facts, Grant, Timestamp};
use crate::decision::Source;
use crate::model::{Condition, Entry, Flow, ListMode, Mode, Policy, Predicate, Unlisted, Window};
use crate::names::{GrantId, Organisation, ServerName};
use crate::path::Subject;
use std::collections::BTreeMap;

impl Policy {
    /// Whether the tool is taken out of `tools/list` and denied.
    pub fn hides(&self, tool: &str) -> bool {
        self.hide.find(tool).is_some()
    }

    /// Whether an entry under `tools` names the tool, by itself or with a pattern.
    pub fn lists(&self, tool: &str) -> bool {
        self.tools.exact(tool).is_some() || self.tools.matching_globs(tool).next().is_some()
    }

    /// Whether `tools/list` shows the tool: hidden ones never, and under `list: "callable"` only those that some
    /// argument could make callable. A broken policy shows nothing.
    pub fn listed(&self, tool: &str, definition: Option<&Definition>) -> bool {
        if self.broken.is_some() || self.hides(tool) {
            return false;
        }
        self.list == ListMode::All || self.is_callable(tool, definition)
    }

    /// Whether deciding about the tool takes more of the arguments than that they can be read.
    pub fn looks_at_arguments(&self, tool: &str) -> bool {
        let mut entries = Entries::default();
        entries.extend(Source::Policy, self, tool, None);
        let in_flow = |flow: &Flow| {
            let mut conditions = flow.matchers().into_iter().flat_map(|matcher| &matcher.conditions);
            conditions.any(looks_at_an_argument)
        };
        entries.iter().any(|(_, entry)| looks_at_arguments(entry)) || self.flows.iter().any(in_flow)
    }

    fn is_callable(&self, tool: &str, definition: Option<&Definition>) -> bool {
        let mut entries = Entries::default();
        let is_listed = entries.extend(Source::Policy, self, tool, definition);
        if !is_listed && self.default == Unlisted::Deny || definition.is_some_and(|known| known.quarantined) {
            return false;
        }
        let known = Known { tool, definition };
        !entries.iter().any(|(_, entry)| never_callable(entry, &known))
    }
}

/// What is known of a tool without a call.
pub(super) struct Known<'a> {
    pub(super) tool: &'a str,
    pub(super) definition: Option<&'a Definition>,
}

/// Whether an entry denies every call of a tool, whatever the arguments are.
pub(super) fn never_callable(entry: &Entry, known: &Known<'_>) -> bool {
    let validates = entry.validate_arguments.as_ref().is_some_and(|toggle| toggle.on);
    let enforced = |list: &'_ [Predicate], blocks: fn(&Predicate, &Known<'_>) -> bool| {
        list.iter().any(|p| p.mode == Mode::Enforce && blocks(p, known))
    };
    validates && known.definition.is_none_or(|known| known.input_schema.is_none())
        || enforced(&entry.require, never_holds)
        || enforced(&entry.deny_if, always_holds)
        || entry.limits.iter().any(|limit| {
            let blocks = limit.max.is_zero() && limit.increment_from.is_none();
            limit.mode == Mode::Enforce && (blocks || limit.window == Window::Concurrent && limit.max.is_zero())
        })
}

/// Whether the predicate holds, or faults, whatever the arguments are.
fn always_holds(predicate: &Predicate, known: &Known<'_>) -> bool {
    let mut all = true;
    for condition in &predicate.conditions {
        match constant(condition, known, true) {
            // A fault denies too, unless a condition before it may be false.
            Some(Err(())) if all => return true,
            Some(Ok(true)) => {}
            Some(Ok(false)) => return false,
            _ => all = false,
        }
    }
    all && (predicate.any.is_empty() || predicate.any.iter().any(|c| constant(c, known, true) == Some(Ok(true))))
}

/// Whether the predicate fails, or faults, whatever the arguments are.
fn never_holds(predicate: &Predicate, known: &Known<'_>) -> bool {
    let fails = |condition: &Condition| matches!(constant(condition, known, false), Some(Ok(false) | Err(())));
    predicate.conditions.iter().any(fails) || !predicate.any.is_empty() && predicate.any.iter().all(fails)
}

/// What a condition gives for this tool whatever the call; `None` where it depends on more, `Err` for a fault.
fn constant(condition: &Condition, known: &Known<'_>, type_error: bool) -> Option<Result<bool, ()>> {
    let subject = condition.path.as_ref()?.subject();
    let of_tool = matches!(subject, Subject::ToolName | Subject::ToolCategory | Subject::ToolAnnotations(_));
    if !of_tool || condition.operator.expression().is_some() {
        return None;
    }
    // Conditions on the tool look at nothing else, so the rest of the case is never read.
    let server = ServerName::parse("any").ok()?;
    let organisation = Organisation::parse("any").ok()?;
    let grant = Grant { id: GrantId::parse("any").ok()?, label: String::new(), tags: BTreeMap::new() };
    let call = Call { server: &server, tool: known.tool, arguments: Arguments::Absent, definition: known.definition };
    let now = Timestamp(0);
    let facts = Facts {
        now,
        organisation: &organisation,
        grant: &grant,
        identity: None,
        session: None,
        client: None,
        trace: None,
    };
    let case = Case { call: &call, facts: &facts, arguments: &NO_ARGUMENTS, result: None };
    Some(conditions::one(&case, condition, type_error).map_err(|_| ()))
}

fn looks_at_arguments(entry: &Entry) -> bool {
    let predicates = entry.require.iter().chain(&entry.deny_if).chain(&entry.approve_if);
    entry.validate_arguments.as_ref().is_some_and(|toggle| toggle.on)
        || entry.limits.iter().any(|limit| limit.increment_from.is_some())
        || predicates.flat_map(|p| p.conditions.iter().chain(&p.any)).any(looks_at_an_argument)
}

fn looks_at_an_argument(condition: &Condition) -> bool {
    match condition.operator.expression() {
        Some(expression) => expression.variables().contains(&"args"),
        None => condition.path.as_ref().is_some_and(|path| path.argument_steps().is_some()),
    }
}
