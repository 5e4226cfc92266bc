//! The word lists and weights of `data/lexicon.toml`, ready to look up.

use crate::classify::Label;
use crate::words::forms;
use callgate_policy::Category;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Everything that the classifier knows about words.
#[derive(Debug)]
pub(crate) struct Lexicon {
    verbs: HashMap<String, Category>,
    nouns: HashSet<String>,
    reading: HashSet<String>,
    lead_ins: HashSet<String>,
    /// What a word's place is worth.
    pub(crate) weights: Weights,
    /// Combinations of words.
    pub(crate) rules: Vec<Rule>,
    /// Parameters.
    pub(crate) params: Vec<ParamRule>,
    /// Phrases of descriptions.
    pub(crate) phrases: Vec<Phrase>,
    /// What attacks need.
    pub(crate) labels: Vec<LabelRule>,
    multiplex: HashSet<String>,
}

/// What a word's place is worth.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weights {
    /// The leading verb of the name.
    pub(crate) name_lead: f64,
    /// The last word of a name that has no leading verb.
    pub(crate) name_tail: f64,
    /// The leading verb of the description.
    pub(crate) description_lead: f64,
    /// A verb further on, where the description has no leading one.
    pub(crate) description_fallback: f64,
    /// A further verb of an enumeration ("lists, creates or deletes").
    pub(crate) chain: f64,
    /// The riskiest verb of an enumeration without anything between its verbs.
    pub(crate) enumerated: f64,
    /// A noun at the end of the name that says that something is shown.
    pub(crate) reading: f64,
}

/// A combination that means more than its words.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) verbs: HashSet<String>,
    pub(crate) words: HashSet<String>,
    pub(crate) words_too: HashSet<String>,
    pub(crate) not: HashSet<String>,
    pub(crate) params: HashSet<String>,
    pub(crate) params_not: HashSet<String>,
    pub(crate) lead_object: bool,
    pub(crate) category: Category,
    pub(crate) weight: f64,
    pub(crate) why: String,
}

/// What a parameter's name says.
#[derive(Debug)]
pub(crate) struct ParamRule {
    pub(crate) names: HashSet<String>,
    pub(crate) category: Option<Category>,
    pub(crate) weight: f64,
    pub(crate) label: Option<Label>,
    pub(crate) why: String,
}

/// What a phrase of the description says.
#[derive(Debug)]
pub(crate) struct Phrase {
    pub(crate) text: Vec<String>,
    pub(crate) not_before: Vec<String>,
    pub(crate) category: Category,
    pub(crate) weight: f64,
    pub(crate) label: Option<Label>,
    pub(crate) why: String,
}

/// Which words give a tool a label, if it is of one of the categories.
#[derive(Debug)]
pub(crate) struct LabelRule {
    pub(crate) label: Label,
    pub(crate) words: HashSet<String>,
    pub(crate) categories: Vec<Category>,
}

impl Lexicon {
    /// The lexicon that is built in.
    pub(crate) fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Lexicon> = LazyLock::new(|| {
            #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
            let raw: RawLexicon = toml::from_str(include_str!("../data/lexicon.toml")).expect("data/lexicon.toml");
            raw.into()
        });
        &BUILT_IN
    }

    /// The base form and category of a verb.
    pub(crate) fn verb(&self, word: &str) -> Option<(String, Category)> {
        forms(word).find_map(|form| self.verbs.get(&form).map(|category| (form, *category)))
    }

    /// Whether the base form is as often a noun.
    pub(crate) fn is_noun(&self, verb: &str) -> bool {
        self.nouns.contains(verb)
    }

    /// Whether a word at the end of a name says that something is shown.
    pub(crate) fn is_reading(&self, word: &str) -> bool {
        self.reading.contains(word)
    }

    /// Whether a word may stand in front of the leading verb of a description.
    pub(crate) fn is_lead_in(&self, word: &str) -> bool {
        self.lead_ins.contains(word)
    }

    /// Whether a parameter of this name chooses what the tool does.
    pub(crate) fn is_multiplex(&self, param: &str) -> bool {
        self.multiplex.contains(param)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLexicon {
    verbs: RawVerbs,
    nouns: RawWords,
    reading: RawWords,
    lead_ins: RawWords,
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
struct RawMultiplex {
    params: String,
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
    category: Option<Name>,
    #[serde(default)]
    weight: f64,
    label: Option<Label>,
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
    label: Option<Label>,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLabel {
    label: Label,
    words: String,
    category: Vec<Name>,
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
        Self {
            verbs,
            nouns: set(&raw.nouns.words),
            reading: set(&raw.reading.words),
            lead_ins: set(&raw.lead_ins.words),
            weights: raw.weights,
            rules: raw.rule.into_iter().map(Rule::from).collect(),
            params: raw.param.into_iter().map(ParamRule::from).collect(),
            phrases: raw.phrase.into_iter().map(Phrase::from).collect(),
            labels: raw.label.into_iter().map(LabelRule::from).collect(),
            multiplex: set(&raw.multiplex.params),
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
        Self {
            names: set(&raw.names),
            category: raw.category.map(Category::from),
            weight: raw.weight,
            label: raw.label,
            why: raw.why,
        }
    }
}

impl From<RawPhrase> for Phrase {
    fn from(raw: RawPhrase) -> Self {
        Self {
            text: raw.text,
            not_before: raw.not_before,
            category: raw.category.into(),
            weight: raw.weight,
            label: raw.label,
            why: raw.why,
        }
    }
}

impl From<RawLabel> for LabelRule {
    fn from(raw: RawLabel) -> Self {
        Self {
            label: raw.label,
            words: set(&raw.words),
            categories: raw.category.into_iter().map(Category::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_lexicon_reads_and_knows_every_category() {
        let lexicon = Lexicon::built_in();
        for (word, category) in [
            ("lists", Category::Read),
            ("creating", Category::Write),
            ("runs", Category::Execute),
            ("applies", Category::Write),
            ("dropping", Category::Destructive),
            ("pays", Category::Financial),
        ] {
            assert_eq!(lexicon.verb(word).map(|(_, category)| category), Some(category), "{word}");
        }
        assert!(lexicon.rules.iter().all(|rule| !rule.verbs.is_empty() && rule.weight > 0.0 && !rule.why.is_empty()));
    }
}
