//! What a tool does, how risky that is, and the words that say so.

mod actions;
mod evidence;
mod labels;
mod several;
mod verdict;

use crate::lexicon::Lexicon;
use crate::tool::Tool;
use callgate_policy::{Category, Label};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the catalogue makes of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// What it does, by its riskiest action.
    pub category: Category,
    /// How bad a wrong call can be.
    pub risk: Risk,
    /// How sure the category is.
    pub confidence: Confidence,
    /// The words and schema parts that decided, the weightiest first.
    pub evidence: Vec<Evidence>,
    /// What attacks could use it for, sorted.
    pub labels: Vec<Label>,
    /// Where an argument chooses what the tool does: that argument's name.
    pub action_param: Option<String>,
    /// The category of each value of that argument.
    pub actions: Option<BTreeMap<String, Category>>,
}

/// How bad a wrong call can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing changes, nothing private is shown.
    Low,
    /// Something changes that can be changed back, or something private is shown.
    Medium,
    /// Something runs, or is gone afterwards.
    High,
    /// Money moves, anything the caller writes runs, or much is gone at once.
    Critical,
}

/// How sure a category is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// One weak sign, or signs that contradict each other.
    Low,
    /// One clear sign.
    Medium,
    /// Several signs that agree.
    High,
}

/// One sign: the very words, where they stand, and what they are worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The words as they are written.
    pub what: String,
    /// The RFC 6901 pointer to the text in the definition, for example `/description`.
    pub place: String,
    /// The bytes of that text; `None` where the sign is a whole parameter or hint.
    pub span: Option<(usize, usize)>,
    /// The category that it speaks for.
    pub category: Category,
    /// How loudly, from 0.
    pub weight: f64,
    /// What it says.
    pub why: String,
}

/// Classifies a tool from its name, description, `inputSchema` and, as a hint only, its annotations.
pub fn classify(tool: &Tool) -> Classification {
    classify_with(tool, Lexicon::built_in())
}

/// [`classify`] by another lexicon: for evaluations that ask what a part of it is worth.
pub fn classify_with(tool: &Tool, lexicon: &Lexicon) -> Classification {
    let signs = evidence::collect(tool, lexicon);
    verdict::reach(tool, signs, lexicon)
}
