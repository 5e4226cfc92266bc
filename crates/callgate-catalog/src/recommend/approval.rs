//! What a person is asked about.

use super::document::{Condition, Predicate, path};
use crate::classify::Classification;
use crate::tool::Tool;
use callgate_policy::{Category, Label};
use serde_json::json;

/// Every call, or what the action argument says beside its harmless values. `guarded` says that a rule reads the code
/// that the tool runs.
pub(super) fn ask(tool: &Tool, found: &Classification, guarded: bool) -> Vec<Predicate> {
    let Some((name, what)) = reason(found, guarded) else { return Vec::new() };
    let every = |tool: &Tool| Predicate {
        name: name.to_owned(),
        conditions: Vec::new(),
        on_deny: format!("`{}` {what}; it needs a person's approval.", tool.name),
    };
    let Some((param, safe)) = safe_values(found, guarded) else { return vec![every(tool)] };
    let Some(path) = path(param).filter(|_| !safe.is_empty()) else { return vec![every(tool)] };
    // What is asked about is what is not known to be harmless: a server may take `DELETE`, `purge` or a list, too, and
    // nobody knows what it does without the argument.
    let other = Condition { path: path.clone(), op: "not_in", value: json!(safe) };
    let missing = Condition { path, op: "exists", value: json!(false) };
    let on_deny = format!("This action of `{}` {what}; it needs a person's approval.", tool.name);
    let unsaid = format!("Without its action `{}` may do what {what}; it needs a person's approval.", tool.name);
    vec![
        Predicate { name: format!("{name}-action"), conditions: vec![other], on_deny },
        Predicate { name: format!("{name}-unless-said"), conditions: vec![missing], on_deny: unsaid },
    ]
}

/// The values of the action argument that nobody is asked about, and that argument.
pub(super) fn safe_values(found: &Classification, guarded: bool) -> Option<(&str, Vec<&str>)> {
    let (param, actions) = found.action_param.as_deref().zip(found.actions.as_ref())?;
    let known = actions.values().max().copied().unwrap_or(Category::Read);
    // Where the danger is not in the values that are known for it, it may be in any that does more than read.
    let bound =
        if known < found.category || is_unreadable(found, guarded) { Category::Write } else { Category::Destructive };
    let safe = actions.iter().filter(|(_, category)| **category < bound).map(|(value, _)| value.as_str());
    Some((param, safe.collect()))
}

/// Why a person is asked; `None` where nobody is.
fn reason(found: &Classification, guarded: bool) -> Option<(&'static str, &'static str)> {
    let does = |category| {
        found.category == category
            || found.actions.iter().flat_map(|actions| actions.values()).any(|it| *it == category)
    };
    match () {
        () if does(Category::Financial) => Some(("moves-money", "moves money")),
        () if does(Category::Destructive) => Some(("irreversible", "can't be taken back")),
        () if is_unreadable(found, guarded) => Some(("unreadable-code", "runs what the caller writes")),
        () => None,
    }
}

/// Whether it runs free-form code that no rule can read.
fn is_unreadable(found: &Classification, guarded: bool) -> bool {
    let runs = |category: &Category| *category == Category::Execute;
    let any = runs(&found.category) || found.actions.iter().flat_map(|actions| actions.values()).any(runs);
    any && !guarded && found.labels.contains(&Label::FreeFormCode)
}
