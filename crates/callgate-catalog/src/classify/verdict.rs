//! From signs to a category, a risk and a confidence.

use super::evidence::Signs;
use super::{Classification, Confidence, Evidence, Label, Risk};
use crate::lexicon::Lexicon;
use crate::tool::Tool;
use crate::words::identifier;
use callgate_policy::Category;
use std::collections::{BTreeSet, HashSet};

const CATEGORIES: [Category; 5] =
    [Category::Read, Category::Write, Category::Execute, Category::Destructive, Category::Financial];

/// Weighs the signs of a tool.
pub(super) fn reach(tool: &Tool, signs: Signs) -> Classification {
    let Signs { mut evidence, words, mut labels, actions } = signs;
    let mut scores = CATEGORIES.map(|category| (category, total(&evidence, category)));
    // The riskier of two equals wins.
    scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
    let [first, second, ..] = scores;
    let (mut category, score) = first;
    let mut confidence = match (score, score - second.1) {
        (score, lead) if score >= 4.0 && lead >= 2.0 => Confidence::High,
        (score, lead) if score >= 2.0 && lead >= 1.0 => Confidence::Medium,
        _ => Confidence::Low,
    };
    if score == 0.0 {
        // Nothing is known: not harmless until somebody says so.
        category = Category::Write;
    }
    let (action_param, actions) = actions.unzip();
    if let Some(riskiest) = actions.as_ref().and_then(|actions| actions.values().max())
        && (*riskiest >= category || score == 0.0)
    {
        category = *riskiest;
        confidence = confidence.max(Confidence::Medium);
        evidence.push(Evidence {
            what: action_param.clone().unwrap_or_default(),
            place: format!(
                "/inputSchema/properties/{}",
                callgate_json::escape_token(action_param.as_deref().unwrap_or_default())
            ),
            span: None,
            category,
            weight: Lexicon::built_in().weights.name_lead,
            why: "chooses between actions; the riskiest counts".to_owned(),
        });
    }
    hints(tool, &mut category, &mut confidence, &mut evidence);
    evidence
        .sort_by(|a, b| (b.category == category).cmp(&(a.category == category)).then(b.weight.total_cmp(&a.weight)));
    words_for_labels(&words, category, &mut labels);
    let risk = risk(tool, category, &labels);
    Classification { category, risk, confidence, evidence, labels: labels.into_iter().collect(), action_param, actions }
}

fn total(evidence: &[Evidence], category: Category) -> f64 {
    evidence.iter().filter(|sign| sign.category == category).map(|sign| sign.weight).sum()
}

/// Annotations raise freely; they lower only what rests on nothing.
fn hints(tool: &Tool, category: &mut Category, confidence: &mut Confidence, evidence: &mut Vec<Evidence>) {
    let mut hint = |what: &str, category, why: &str| {
        evidence.push(Evidence {
            what: what.to_owned(),
            place: format!("/annotations/{what}"),
            span: None,
            category,
            weight: 0.5,
            why: why.to_owned(),
        });
    };
    match tool.annotations.read_only {
        Some(true) if *confidence == Confidence::Low && !says_otherwise(tool, *category) => {
            *category = Category::Read;
            hint("readOnlyHint", Category::Read, "the server says so, and nothing contradicts it");
        }
        Some(false) if *category == Category::Read && *confidence == Confidence::Low => {
            *category = Category::Write;
            hint("readOnlyHint", Category::Write, "the server says that it changes something");
        }
        _ => {}
    }
    if tool.annotations.destructive == Some(true) && *category == Category::Write && *confidence == Confidence::Low {
        *category = Category::Destructive;
        hint("destructiveHint", Category::Destructive, "the server says that it destroys something");
    }
}

/// Whether anything but the absence of signs speaks for a category beyond read.
fn says_otherwise(tool: &Tool, category: Category) -> bool {
    let lexicon = Lexicon::built_in();
    category > Category::Write
        || identifier(&tool.name)
            .iter()
            .any(|word| lexicon.verb(&word.text).is_some_and(|(_, category)| category > Category::Read))
}

fn words_for_labels(words: &HashSet<String>, category: Category, labels: &mut BTreeSet<Label>) {
    for rule in &Lexicon::built_in().labels {
        if rule.categories.contains(&category) && !words.is_disjoint(&rule.words) {
            labels.insert(rule.label);
        }
    }
}

fn risk(tool: &Tool, category: Category, labels: &BTreeSet<Label>) -> Risk {
    let has = |label| labels.contains(&label);
    let base = match category {
        Category::Read if has(Label::Credentials) => Risk::High,
        Category::Read if has(Label::ReadsPrivate) || has(Label::ReadsUntrusted) => Risk::Medium,
        Category::Read => Risk::Low,
        Category::Write if has(Label::Credentials) => Risk::High,
        Category::Write => Risk::Medium,
        Category::Execute if has(Label::FreeFormCode) => Risk::Critical,
        Category::Destructive if has(Label::Bulk) => Risk::Critical,
        Category::Execute | Category::Destructive => Risk::High,
        Category::Financial => Risk::Critical,
    };
    // A server that calls its own tool destructive is believed.
    if tool.annotations.destructive == Some(true) { base.max(Risk::High) } else { base }
}
