//! Definitions that try to steer the model: hidden instructions, invisible characters, other servers' tools, secrets.

mod characters;
mod servers;

pub use servers::{Aimed, Listed, findings_across};

use crate::tool::{Text, Tool};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Something in a definition that a person should look at before a model does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// How bad it is.
    pub severity: FindingSeverity,
    /// The RFC 6901 pointer to the text in the definition.
    #[serde(rename = "where")]
    pub place: String,
    /// The bytes of that text.
    pub span: (usize, usize),
    /// The very words; characters that can't be seen as `U+XXXX`.
    pub what: String,
    /// What is wrong with them.
    pub why: String,
}

/// What a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An instruction to the model that is no description.
    HiddenInstruction,
    /// Characters that no person sees.
    InvisibleCharacter,
    /// Characters that reverse what a person sees.
    BidiControl,
    /// A text about how to use other tools.
    CrossToolReference,
    /// A request for a secret.
    SecretRequested,
    /// A request for what else the model knows.
    Exfiltration,
    /// A name that looks like another.
    LookAlike,
    /// A name that no policy can list, because `*` has a meaning there.
    UnlistableName,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    /// Odd.
    Low,
    /// Likely wrong.
    Medium,
    /// No honest definition says this.
    High,
}

/// Every finding in a definition, in the order of its texts.
pub fn findings(tool: &Tool) -> Vec<Finding> {
    let mut found = Vec::new();
    for text in &tool.texts {
        characters::check(text, &mut found);
        for pattern in PATTERNS.iter() {
            check(pattern, text, &mut found);
        }
    }
    characters::check_name(&tool.name, &mut found);
    found
}

struct Pattern {
    kind: FindingKind,
    severity: FindingSeverity,
    regex: Regex,
    names: bool,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPatterns {
    pattern: Vec<RawPattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPattern {
    kind: FindingKind,
    severity: FindingSeverity,
    pattern: String,
    /// Held against the names of properties only, instead of every text.
    #[serde(default)]
    names: bool,
    why: String,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
    let raw: RawPatterns = toml::from_str(include_str!("../data/poison.toml")).expect("data/poison.toml");
    #[expect(clippy::expect_used, reason = "the patterns are part of the program and a test compiles them")]
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern).case_insensitive(true).build().expect("a pattern of data/poison.toml")
    };
    raw.pattern
        .into_iter()
        .map(|raw| Pattern {
            kind: raw.kind,
            severity: raw.severity,
            regex: compile(&raw.pattern),
            names: raw.names,
            why: raw.why,
        })
        .collect()
});

fn check(pattern: &Pattern, text: &Text, found: &mut Vec<Finding>) {
    if pattern.names && !is_property_name(text) {
        return;
    }
    if let Some(hit) = pattern.regex.find(&text.text) {
        found.push(Finding {
            kind: pattern.kind,
            severity: pattern.severity,
            place: text.place.clone(),
            span: (hit.start(), hit.end()),
            what: hit.as_str().split_whitespace().collect::<Vec<_>>().join(" "),
            why: pattern.why.clone(),
        });
    }
}

fn is_property_name(text: &Text) -> bool {
    let name = callgate_json::escape_token(&text.text);
    text.place.strip_suffix(&name).is_some_and(|parent| parent.ends_with("/properties/"))
}
