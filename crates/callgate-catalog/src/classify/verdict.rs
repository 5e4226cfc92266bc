//! From signs to a category, a risk and a confidence.

use super::evidence::Signs;
use super::{Classification, Confidence, Evidence, Risk, labels};
use crate::lexicon::Lexicon;
use crate::tool::Tool;
use crate::words::identifier;
use callgate_policy::{Category, Label};
use std::collections::BTreeSet;

const CATEGORIES: [Category; 5] =
    [Category::Read, Category::Write, Category::Execute, Category::Destructive, Category::Financial];

/// Weighs the signs of a tool.
pub(super) fn reach(tool: &Tool, mut signs: Signs, lexicon: &Lexicon) -> Classification {
    let mut evidence = std::mem::take(&mut signs.evidence);
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
    let (action_param, actions) = signs.actions.take().unzip();
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
            weight: lexicon.weights.name_lead,
            why: "chooses between actions; the riskiest counts".to_owned(),
        });
    }
    hints(tool, &mut category, &mut confidence, &mut evidence, lexicon);
    if category == Category::Read && doubtful(tool, &signs, &evidence, lexicon) {
        confidence = Confidence::Low;
    }
    evidence
        .sort_by(|a, b| (b.category == category).cmp(&(a.category == category)).then(b.weight.total_cmp(&a.weight)));
    let does: BTreeSet<Category> =
        actions.iter().flat_map(|actions| actions.values().copied()).chain([category]).collect();
    let labels = labels::of(tool, &signs, &does, lexicon);
    let risk = risk(tool, category, &labels);
    Classification { category, risk, confidence, evidence, labels: labels.into_iter().collect(), action_param, actions }
}

fn total(evidence: &[Evidence], category: Category) -> f64 {
    evidence.iter().filter(|sign| sign.category == category).map(|sign| sign.weight).sum()
}

/// Annotations raise freely; they lower only what rests on nothing.
fn hints(
    tool: &Tool,
    category: &mut Category,
    confidence: &mut Confidence,
    evidence: &mut Vec<Evidence>,
    lexicon: &Lexicon,
) {
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
        Some(true) if *confidence == Confidence::Low && !says_otherwise(tool, *category, lexicon) => {
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
fn says_otherwise(tool: &Tool, category: Category, lexicon: &Lexicon) -> bool {
    category > Category::Write
        || identifier(&tool.name)
            .iter()
            .any(|word| lexicon.verb(&word.text).is_some_and(|(_, category)| category > Category::Read))
}

/// Whether something speaks against a tool that seems only to read: then it is read with low confidence, so that what
/// follows from that (no limit) does not follow.
fn doubtful(tool: &Tool, signs: &Signs, evidence: &[Evidence], lexicon: &Lexicon) -> bool {
    let runs = |text: &str| {
        let words = identifier(text);
        // A verb at the end is what the tool looks at ("list_deploys", "get_run"); an inflected one is a noun.
        words.iter().rev().skip(1).any(|word| {
            lexicon.verb(&word.text).is_some_and(|(base, category)| {
                category >= Category::Execute && base == word.text && !lexicon.is_noun(&base)
            })
        })
    };
    let in_name = |verb: &str| identifier(&tool.name).iter().any(|word| word.text == verb);
    signs.softened
        || evidence.iter().any(|sign| sign.category >= Category::Execute && sign.weight >= 1.0)
        || runs(&tool.name)
        || signs.leads.iter().any(|lead| lexicon.is_unsure(lead) || (lexicon.is_unsure_in_name(lead) && in_name(lead)))
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
