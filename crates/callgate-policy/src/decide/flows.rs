//! What a call has to do with the calls before it: which flows it has to pass, and which marks it leaves.

use super::{Case, Denial, at, conditions, message};
use crate::call::Definition;
use crate::decision::{Outcome, Reason, ShadowVerdict, Source};
use crate::history::{Check, FlowVerdict, History, Imprint, MarkKey, MarkScope};
use crate::model::{Flow, FlowScope, MatchedTools, Matcher, Mode, Policy};
use std::sync::Arc;

/// The checks and marks of every flow that speaks of the call, in order; none where no flow does. A flow that can't be
/// made out is a fault; in shadow mode it is only recorded.
pub(super) fn of<'p>(
    case: &Case<'_>,
    documents: impl Iterator<Item = &'p (Source, &'p Policy)>,
    shadow: &mut Vec<ShadowVerdict>,
) -> Result<Option<Box<History>>, Denial> {
    let mut history = History::default();
    for (source, document) in documents {
        for flow in &document.flows {
            if let Err(why) = one(case, *source, flow, &mut history) {
                fault(flow, *source, &why, shadow)?;
            }
        }
    }
    Ok((!history.is_empty()).then(|| Box::new(history)))
}

fn fault(flow: &Flow, source: Source, why: &str, shadow: &mut Vec<ShadowVerdict>) -> Result<(), Denial> {
    let message = message::fault(flow.rule.as_str(), why).into();
    let (reason, rule) = (Reason::Fault, flow.rule.clone());
    if flow.mode == Mode::Shadow {
        shadow.push(ShadowVerdict { rule, outcome: Outcome::Deny, reason, message });
        return Ok(());
    }
    Err(Denial { reason, rule, place: Some(at(source, &flow.place)), message })
}

fn one(case: &Case<'_>, source: Source, flow: &Flow, history: &mut History) -> Result<(), String> {
    // What lets calls through has to be read for sure; what stops them must not be missed.
    let stops = flow.verdict != FlowVerdict::Require;
    let is_later = matches(case, &flow.later, true)?;
    let is_earlier = matches(case, &flow.earlier, stops)?;
    if !is_later && !is_earlier {
        return Ok(());
    }
    let key = key(case, flow)?;
    if is_later {
        history.checks.push(Check {
            key: key.clone(),
            within_ms: flow.within_ms(),
            verdict: flow.verdict.clone(),
            rule: flow.rule.clone(),
            place: at(source, &flow.place),
            on_deny: flow.on_deny.clone(),
            mode: flow.mode,
            has_asked: false,
        });
    }
    if is_earlier {
        let (rule, place) = (flow.rule.clone(), at(source, &flow.place));
        let (grant, is_required, mode) = (case.facts.grant.id.clone(), !stops, flow.mode);
        history.leave(Imprint { key, grant, keep_ms: flow.keep_ms(), rule, place, is_required, mode });
    }
    Ok(())
}

/// Whether some call of the tool could be one that the flow decides about. What is not known could be.
pub(super) fn speaks_of(flow: &Flow, tool: &str, definition: Option<&Definition>) -> bool {
    match &flow.later.tools {
        MatchedTools::Named(globs) => globs.iter().any(|glob| glob.matches(tool)),
        MatchedTools::OfCategory(categories) => {
            definition.and_then(|known| known.category).is_none_or(|category| categories.contains(&category))
        }
        MatchedTools::Labelled(labels) => definition
            .filter(|known| known.category.is_some() || !known.labels.is_empty())
            .is_none_or(|known| known.labels.iter().any(|label| labels.contains(label))),
    }
}

/// Whether the call is one of those that the matcher means. `type_error` is what a value of the wrong type counts as.
fn matches(case: &Case<'_>, matcher: &Matcher, type_error: bool) -> Result<bool, String> {
    let definition = || case.call.definition.ok_or_else(|| "the tool has no pinned definition".to_owned());
    let is_meant = match &matcher.tools {
        MatchedTools::Named(globs) => globs.iter().any(|glob| glob.matches(case.call.tool)),
        MatchedTools::OfCategory(categories) => {
            let category = definition()?.category.ok_or_else(|| "the tool has no category".to_owned())?;
            categories.contains(&category)
        }
        MatchedTools::Labelled(labels) => {
            let known = definition()?;
            // No label at all is an answer only where somebody looked for them.
            if known.labels.is_empty() && known.category.is_none() {
                return Err("the tool's labels are not known".to_owned());
            }
            known.labels.iter().any(|label| labels.contains(label))
        }
    };
    if !is_meant {
        return Ok(false);
    }
    for condition in &matcher.conditions {
        if !conditions::one(case, condition, type_error)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn key(case: &Case<'_>, flow: &Flow) -> Result<MarkKey, String> {
    let facts = case.facts;
    let grant = || facts.grant.id.clone();
    let missing = |what: &str| Err(format!("{what}, and the flow joins calls by it"));
    let scope = match flow.scope() {
        FlowScope::Session => match facts.session {
            Some(session) => MarkScope::Session(session.into()),
            None => MarkScope::Sessionless(grant()),
        },
        FlowScope::Grant => MarkScope::Grant(grant()),
        FlowScope::Identity => match facts.identity {
            Some(identity) => MarkScope::Identity(identity.subject.as_str().into()),
            None => return missing("the caller has no identity"),
        },
        FlowScope::Trace => match facts.trace {
            Some(trace) => MarkScope::Trace(trace.into()),
            None => return missing("the call has no trace (`traceparent`)"),
        },
        FlowScope::Tag(key) => match facts.grant.tags.get(&**key) {
            Some(value) => MarkScope::Tag { key: Arc::clone(key), value: value.as_str().into() },
            None => return missing(&format!("the grant has no tag `{}`", message::shorten(key))),
        },
    };
    let server = match scope {
        MarkScope::Session(_) | MarkScope::Sessionless(_) | MarkScope::Grant(_) => Some(case.call.server.clone()),
        MarkScope::Identity(_) | MarkScope::Trace(_) | MarkScope::Tag { .. } => None,
    };
    Ok(MarkKey { organisation: facts.organisation.clone(), server, scope, event: flow.event })
}
