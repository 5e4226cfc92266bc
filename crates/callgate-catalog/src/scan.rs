//! What `callgate scan --json` prints: one entry per tool.

use crate::classify::{Classification, Confidence, Evidence, Risk, classify};
use crate::findings::{Finding, findings};
use crate::recommend::rule_for;
use crate::tool::Tool;
use callgate_policy::Label;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that the catalogue says about one tool.
#[derive(Clone, Debug, Serialize)]
pub struct Scanned {
    /// The tool's name.
    pub tool: String,
    /// What it does: `read`, `write`, `execute`, `destructive` or `financial`.
    pub category: &'static str,
    /// How bad a wrong call can be.
    pub risk: Risk,
    /// How sure the category is.
    pub confidence: Confidence,
    /// What attacks could use it for.
    pub labels: Vec<&'static str>,
    /// Where an argument chooses what the tool does: the category of each of its values.
    pub actions: Option<BTreeMap<String, &'static str>>,
    /// The words and schema parts that decided, the weightiest first.
    pub evidence: Vec<ScannedEvidence>,
    /// What in the definition a person should look at.
    pub findings: Vec<Finding>,
    /// The recommended entry of `tools`, or `{"hide": true}`.
    pub rule: serde_json::Value,
    /// The fingerprint of the definition.
    pub fingerprint: String,
}

/// One sign, as it is printed.
#[derive(Clone, Debug, Serialize)]
pub struct ScannedEvidence {
    /// The words as they are written.
    pub what: String,
    /// The RFC 6901 pointer to the text.
    #[serde(rename = "where")]
    pub place: String,
    /// The bytes of that text.
    pub span: Option<(usize, usize)>,
    /// The category that it speaks for.
    pub category: &'static str,
    /// How loudly.
    pub weight: f64,
    /// What it says.
    pub why: String,
}

/// Classifies and checks every tool of a list.
pub fn scan(tools: &[Tool]) -> Vec<Scanned> {
    tools.iter().map(|tool| scan_one(tool, classify(tool))).collect()
}

/// The same for tools that are classified already; `found` goes with them.
pub fn scan_classified(tools: &[Tool], found: &[Classification]) -> Vec<Scanned> {
    tools.iter().zip(found).map(|(tool, found)| scan_one(tool, found.clone())).collect()
}

fn scan_one(tool: &Tool, found: Classification) -> Scanned {
    let rule = rule_for(tool, &found);
    Scanned {
        tool: tool.name.clone(),
        category: found.category.as_str(),
        risk: found.risk,
        confidence: found.confidence,
        labels: found.labels.into_iter().map(Label::as_str).collect(),
        actions: found
            .actions
            .map(|actions| actions.into_iter().map(|(value, category)| (value, category.as_str())).collect()),
        evidence: found.evidence.into_iter().map(ScannedEvidence::from).collect(),
        findings: findings(tool),
        rule,
        fingerprint: tool.fingerprint.clone(),
    }
}

impl From<Evidence> for ScannedEvidence {
    fn from(sign: Evidence) -> Self {
        Self {
            what: sign.what,
            place: sign.place,
            span: sign.span,
            category: sign.category.as_str(),
            weight: sign.weight,
            why: sign.why,
        }
    }
}
