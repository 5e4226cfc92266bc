//! The word lists and weights of `data/lexicon.toml`, ready to look up.

mod raw;

use crate::words::forms;
use callgate_policy::{Category, Label};
use raw::RawLexicon;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

/// Everything that the classifier knows about words.
#[derive(Debug)]
pub struct Lexicon {
    verbs: HashMap<String, Category>,
    nouns: HashSet<String>,
    reading: HashSet<String>,
    lead_ins: HashSet<String>,
    unsure: HashSet<String>,
    unsure_names: HashSet<String>,
    /// What a word's place is worth.
    pub(crate) weights: Weights,
    /// Combinations of words.
    rules: Vec<Rule>,
    /// The places of the rules that have a verb, so that a tool is held against few of them.
    rules_of: HashMap<String, Vec<usize>>,
    /// Parameters.
    pub(crate) params: Vec<ParamRule>,
    /// Phrases of descriptions.
    pub(crate) phrases: Vec<Phrase>,
    /// What attacks need.
    pub(crate) labels: Vec<LabelRule>,
    multiplex: HashSet<String>,
    vague: HashSet<String>,
    protocol: HashSet<String>,
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
    pub(crate) category: Category,
    pub(crate) weight: f64,
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

/// What gives a tool a label, if it does something of one of the categories.
#[derive(Debug)]
pub(crate) struct LabelRule {
    pub(crate) label: Label,
    pub(crate) categories: Vec<Category>,
    /// Leading verbs; any where it is empty.
    pub(crate) verbs: HashSet<String>,
    /// Words of the name or the first sentence; any where it is empty.
    pub(crate) words: HashSet<String>,
    /// Words of which one has to be there too.
    pub(crate) words_too: HashSet<String>,
    /// Words that rule it out.
    pub(crate) not: HashSet<String>,
    /// Parameters of which one has to be there.
    pub(crate) params: HashSet<String>,
    /// Whether that parameter has to take a list.
    pub(crate) lists: bool,
    /// Whether the words count only in the name and close behind the leading verb of the description.
    pub(crate) near: bool,
}

/// Why a lexicon can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lexicon can't be read: {0}")]
pub struct LexiconError(String);

impl Lexicon {
    /// The text of the lexicon that is built in, in TOML.
    pub const TEXT: &'static str = include_str!("../data/lexicon.toml");

    /// The lexicon that is built in.
    pub fn built_in() -> &'static Self {
        #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
        static BUILT_IN: LazyLock<Lexicon> =
            LazyLock::new(|| Lexicon::parse(Lexicon::TEXT).expect("data/lexicon.toml"));
        &BUILT_IN
    }

    /// Reads a lexicon in the form of [`Lexicon::TEXT`]: for evaluations that ask what a part of it is worth.
    pub fn parse(text: &str) -> Result<Self, LexiconError> {
        let raw: RawLexicon = toml::from_str(text).map_err(|error| LexiconError(error.to_string()))?;
        Ok(raw.into())
    }

    /// The base form and category of a verb.
    pub(crate) fn verb(&self, word: &str) -> Option<(String, Category)> {
        forms(word).find_map(|form| self.verbs.get(&form).map(|category| (form, *category)))
    }

    /// The combinations that have one of these verbs, in the order of the file.
    pub(crate) fn rules_with(&self, verbs: &[String]) -> impl Iterator<Item = &Rule> + use<'_> {
        let places: BTreeSet<usize> =
            verbs.iter().filter_map(|verb| self.rules_of.get(verb)).flatten().copied().collect();
        places.into_iter().filter_map(|place| self.rules.get(place))
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

    /// Whether a verb of reading is as often one of changing ("select", "confirm").
    pub(crate) fn is_unsure(&self, verb: &str) -> bool {
        self.unsure.contains(verb)
    }

    /// Whether a verb of reading is as often one of changing where a name has it ("show", "open").
    pub(crate) fn is_unsure_in_name(&self, verb: &str) -> bool {
        self.unsure_names.contains(verb)
    }

    /// Whether a parameter of this name chooses what the tool does.
    pub(crate) fn is_multiplex(&self, param: &str) -> bool {
        self.multiplex.contains(param)
    }

    /// Whether a parameter of this name may choose what the tool does, or how it does it.
    pub(crate) fn is_vague_multiplex(&self, param: &str) -> bool {
        self.vague.contains(param)
    }

    /// Whether a value is a verb of HTTP, which says how something is asked for.
    pub(crate) fn is_protocol(&self, value: &str) -> bool {
        self.protocol.contains(&value.to_lowercase())
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
