//! What an attack could use a tool for.

use super::evidence::{Signs, is_free};
use crate::lexicon::{LabelRule, Lexicon};
use crate::tool::{ParamType, Tool};
use callgate_policy::{Category, Label};
use std::collections::{BTreeSet, HashSet};

/// The labels of a tool that does something of each of the categories `does`.
pub(super) fn of(tool: &Tool, signs: &Signs, does: &BTreeSet<Category>, lexicon: &Lexicon) -> BTreeSet<Label> {
    let mut labels = signs.labels.clone();
    labels.extend(lexicon.labels.iter().filter(|rule| applies(rule, tool, signs, does)).map(|rule| rule.label));
    labels
}

fn applies(rule: &LabelRule, tool: &Tool, signs: &Signs, does: &BTreeSet<Category>) -> bool {
    let words = if rule.near { &signs.near } else { &signs.words };
    let any = |set: &HashSet<String>| set.is_empty() || !words.is_disjoint(set);
    rule.categories.iter().any(|category| does.contains(category))
        && (rule.verbs.is_empty() || signs.leads.iter().any(|lead| rule.verbs.contains(lead)))
        && any(&rule.words)
        && any(&rule.words_too)
        && (rule.not.is_empty() || signs.words.is_disjoint(&rule.not))
        && (rule.params.is_empty() || takes(rule, tool))
}

fn takes(rule: &LabelRule, tool: &Tool) -> bool {
    tool.params.iter().any(|param| {
        let shaped =
            if rule.lists { matches!(param.shape, ParamType::Strings | ParamType::Array) } else { is_free(param) };
        shaped && rule.params.contains(&param.name.to_lowercase())
    })
}
