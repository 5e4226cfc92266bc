//! Flows that can't fire, always deny, or are guarded by what the caller says of itself.

use super::tools::{Advice, Tool};
use crate::call::Definition;
use crate::history::FlowVerdict;
use crate::model::{Condition, Flow, FlowScope, MatchedTools, Matcher, Mode, Policy};
use crate::parse::reader::Reader;
use crate::parse::wording::{quoted, shown};
use crate::path::{Path, Subject};

/// Warns about the flows of a document by itself.
pub(super) fn warn(reader: &mut Reader<'_>, policy: &Policy) {
    warn_beyond_tools(reader, policy);
    for flow in &policy.flows {
        let name = shown(&flow.name);
        if flow.verdict == FlowVerdict::Require && flow.earlier == flow.later {
            let message = format!("`{name}` requires of a call what only that call could do: it always denies");
            let hint = "`require` has to name another call than `before`";
            reader.warning_at("CG1048", &flow.place, message, hint);
        }
        for matcher in flow.matchers() {
            if let Some(hidden) = all_hidden(policy, matcher) {
                let message =
                    format!("`{name}` looks for calls of `{}`, which is hidden: there are none", shown(hidden));
                reader.warning_at("CG1048", &matcher.place, message, "remove the flow, or the name from `hide`");
            }
        }
        if *flow.scope() == FlowScope::Trace {
            let message =
                format!("`{name}` joins calls by a trace, and the client says itself which trace a call belongs to");
            let hint = "a client can begin a new trace for each call: `session`, `grant` or `tag:KEY` can't be chosen";
            reader.warning_at("CG1049", &flow.place, message, hint);
        }
        let said = flow.matchers().into_iter().flat_map(|matcher| &matcher.conditions).find(|c| is_self_declared(c));
        if let Some(condition) = said {
            let message = format!("`{name}` looks at what the client calls itself");
            let hint = "a client can call itself anything: look at `grant.label`, `grant.tags` or `identity` instead";
            reader.warning_at("CG1049", &condition.place, message, hint);
        }
    }
}

/// Warns where what a flow speaks of can go round it: it sees calls of tools, and servers give and take by prompts and
/// resources, too.
fn warn_beyond_tools(reader: &mut Reader<'_>, policy: &Policy) {
    let by_kind = |matcher: &&Matcher| !matches!(matcher.tools, MatchedTools::Named(_));
    let mut stops =
        policy.flows.iter().filter(|flow| flow.mode == Mode::Enforce && flow.verdict != FlowVerdict::Require);
    let Some(flow) = stops.find(|flow| flow.matchers().iter().any(by_kind)) else { return };
    let sections = [("prompts", &policy.sections.prompts), ("resources", &policy.sections.resources)];
    let open: Vec<&str> = sections.iter().filter(|(_, section)| section.is_none()).map(|(name, _)| *name).collect();
    if open.is_empty() {
        return;
    }
    let message = format!("`{}` sees calls of tools only, and {} are open", shown(&flow.name), quoted(&open));
    let hint = "say in these sections what may be had: `\"prompts\": { \"allow\": [] }` allows nothing";
    reader.warning_at("CG1050", &flow.place, message, hint);
}

/// Warns about flows that nothing on these tools can set off. Flows across servers may mean tools of another one.
pub(super) fn advise(advice: &mut Advice, policy: &Policy, definitions: &[Definition], tools: &[Tool<'_>]) {
    for flow in &policy.flows {
        let found = flow.matchers().map(|matcher| meant(matcher, definitions, tools));
        for (matcher, meant) in flow.matchers().into_iter().zip(&found) {
            matcher.conditions.iter().for_each(|condition| advice.condition(condition, meant));
        }
        let [earlier, later] = found.map(|meant| meant.is_empty());
        let is_across = matches!(flow.scope(), FlowScope::Trace | FlowScope::Identity | FlowScope::Tag(_));
        if is_across && !(earlier && later) {
            continue;
        }
        for (matcher, is_nobody) in flow.matchers().into_iter().zip([earlier, later]) {
            if is_nobody {
                advice.warn("CG1048", &matcher.place, nobody(flow, matcher), consequence(flow, matcher));
            }
        }
    }
}

fn meant<'t, 's>(matcher: &Matcher, definitions: &[Definition], tools: &'t [Tool<'s>]) -> Vec<&'t Tool<'s>> {
    let is_meant = |definition: &Definition| match &matcher.tools {
        MatchedTools::Named(globs) => globs.iter().any(|glob| glob.matches(&definition.name)),
        MatchedTools::OfCategory(categories) => definition.category.is_none_or(|known| categories.contains(&known)),
        MatchedTools::Labelled(labels) => definition.labels.iter().any(|label| labels.contains(label)),
    };
    definitions.iter().zip(tools).filter(|(definition, _)| is_meant(definition)).map(|(_, tool)| tool).collect()
}

fn nobody(flow: &Flow, matcher: &Matcher) -> String {
    let names: Vec<String> = matcher.tools.names().into_iter().map(shown).collect();
    let names = quoted(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let what = match matcher.tools {
        MatchedTools::OfCategory(_) => format!("no tool of the category {names}"),
        MatchedTools::Named(_) => format!("no tool {names}"),
        MatchedTools::Labelled(_) => format!("no tool with the label {names}"),
    };
    format!("`{}`: the server has {what}", shown(&flow.name))
}

fn consequence(flow: &Flow, matcher: &Matcher) -> &'static str {
    let is_earlier = std::ptr::eq(matcher, &flow.earlier);
    match (&flow.verdict, is_earlier) {
        (FlowVerdict::Require, true) => "so the call under `before` is always denied",
        _ => "so this flow never does anything here; `callgate scan` shows categories and labels",
    }
}

/// The first name of a matcher all of whose tools are hidden.
fn all_hidden<'m>(policy: &Policy, matcher: &'m Matcher) -> Option<&'m str> {
    let MatchedTools::Named(globs) = &matcher.tools else { return None };
    // A pattern that is hidden as it is written is hidden with all that it matches.
    globs.iter().all(|glob| policy.hides(glob.as_str())).then(|| globs.first().map(crate::Glob::as_str))?
}

fn is_self_declared(condition: &Condition) -> bool {
    let is_client = |path: &Path| matches!(path.subject(), Subject::ClientName | Subject::ClientVersion);
    condition.path.as_ref().is_some_and(is_client)
}
