//! The lexicon as its file is written.

use super::{LabelRule, Lexicon, ParamRule, Phrase, Rule, Weights};
use callgate_policy::{Category, Label};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLexicon {
    verbs: RawVerbs,
    nouns: RawWords,
    reading: RawWords,
    lead_ins: RawWords,
    unsure: RawUnsure,
    weights: Weights,
    rule: Vec<RawRule>,
    param: Vec<RawParam>,
    multiplex: RawMultiplex,
    phrase: Vec<RawPhrase>,
    label: Vec<RawLabel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVerbs {
    read: String,
    write: String,
    execute: String,
    destructive: String,
    financial: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWords {
    words: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUnsure {
    words: String,
    names: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMultiplex {
    params: String,
    vague: String,
    protocol: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    #[serde(default)]
    verbs: String,
    #[serde(default)]
    words: String,
    #[serde(default)]
    words_too: String,
    #[serde(default)]
    not: String,
    #[serde(default)]
    params: String,
    #[serde(default)]
    params_not: String,
    #[serde(default)]
    lead_object: bool,
    category: Name,
    weight: f64,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParam {
    names: String,
    category: Name,
    weight: f64,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhrase {
    text: Vec<String>,
    #[serde(default)]
    not_before: Vec<String>,
    category: Name,
    weight: f64,
    label: Option<LabelName>,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLabel {
    label: LabelName,
    category: Vec<Name>,
    #[serde(default)]
    verbs: String,
    #[serde(default)]
    words: String,
    #[serde(default)]
    words_too: String,
    #[serde(default)]
    not: String,
    #[serde(default)]
    params: String,
    #[serde(default)]
    lists: bool,
    #[serde(default)]
    near: bool,
}

/// A label by its name.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct LabelName(Label);

impl TryFrom<String> for LabelName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Label::parse(&name).map(Self).ok_or_else(|| format!("`{name}` is no label"))
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Read,
    Write,
    Execute,
    Destructive,
    Financial,
}

impl From<Name> for Category {
    fn from(name: Name) -> Self {
        match name {
            Name::Read => Self::Read,
            Name::Write => Self::Write,
            Name::Execute => Self::Execute,
            Name::Destructive => Self::Destructive,
            Name::Financial => Self::Financial,
        }
    }
}

fn set(words: &str) -> HashSet<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

impl From<RawLexicon> for Lexicon {
    fn from(raw: RawLexicon) -> Self {
        // A word in two lists counts by its riskier one.
        let lists = [
            (raw.verbs.read, Category::Read),
            (raw.verbs.write, Category::Write),
            (raw.verbs.execute, Category::Execute),
            (raw.verbs.destructive, Category::Destructive),
            (raw.verbs.financial, Category::Financial),
        ];
        let mut verbs = HashMap::new();
        for (words, category) in lists {
            verbs.extend(words.split_whitespace().map(|word| (word.to_owned(), category)));
        }
        let rules: Vec<Rule> = raw.rule.into_iter().map(Rule::from).collect();
        let mut rules_of: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, rule) in rules.iter().enumerate() {
            rule.verbs.iter().for_each(|verb| rules_of.entry(verb.clone()).or_default().push(place));
        }
        Self {
            verbs,
            nouns: set(&raw.nouns.words),
            reading: set(&raw.reading.words),
            lead_ins: set(&raw.lead_ins.words),
            unsure: set(&raw.unsure.words),
            unsure_names: set(&raw.unsure.names),
            weights: raw.weights,
            rules_of,
            rules,
            params: raw.param.into_iter().map(ParamRule::from).collect(),
            phrases: raw.phrase.into_iter().map(Phrase::from).collect(),
            labels: raw.label.into_iter().map(LabelRule::from).collect(),
            multiplex: set(&raw.multiplex.params),
            vague: set(&raw.multiplex.vague),
            protocol: set(&raw.multiplex.protocol),
        }
    }
}

impl From<RawRule> for Rule {
    fn from(raw: RawRule) -> Self {
        Self {
            verbs: set(&raw.verbs),
            words: set(&raw.words),
            words_too: set(&raw.words_too),
            not: set(&raw.not),
            params: set(&raw.params),
            params_not: set(&raw.params_not),
            lead_object: raw.lead_object,
            category: raw.category.into(),
            weight: raw.weight,
            why: raw.why,
        }
    }
}

impl From<RawParam> for ParamRule {
    fn from(raw: RawParam) -> Self {
        Self { names: set(&raw.names), category: raw.category.into(), weight: raw.weight, why: raw.why }
    }
}

impl From<RawPhrase> for Phrase {
    fn from(raw: RawPhrase) -> Self {
        Self {
            text: raw.text,
            not_before: raw.not_before,
            category: raw.category.into(),
            weight: raw.weight,
            label: raw.label.map(|name| name.0),
            why: raw.why,
        }
    }
}

impl From<RawLabel> for LabelRule {
    fn from(raw: RawLabel) -> Self {
        Self {
            label: raw.label.0,
            categories: raw.category.into_iter().map(Category::from).collect(),
            verbs: set(&raw.verbs),
            words: set(&raw.words),
            words_too: set(&raw.words_too),
            not: set(&raw.not),
            params: set(&raw.params),
            lists: raw.lists,
            near: raw.near,
        }
    }
}
