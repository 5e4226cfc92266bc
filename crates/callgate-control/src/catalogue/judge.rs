//! What the tools of a server are worth: what the catalogue shows and filters by.

use super::document::Listed;
use callgate_catalog::{Deduction, Scanned, Tool, grade, scan};
use callgate_store::{CatalogueTool, Facet, ToolPut};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The riskiest last.
const RISKS: [&str; 4] = ["low", "medium", "high", "critical"];

/// How many tools of each kind a server has, and how its grade came about.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[schema(as = CatalogueSummary)]
pub struct Summary {
    /// The score behind the grade, 0 to 100.
    pub score: u32,
    /// What it lost points for, the most first.
    pub deductions: Vec<Lost>,
    /// Tools by category.
    pub categories: BTreeMap<String, u32>,
    /// Tools by risk.
    pub risks: BTreeMap<String, u32>,
    /// Tools by label.
    pub labels: BTreeMap<String, u32>,
    /// Findings by kind.
    pub findings: BTreeMap<String, u32>,
}

/// Points that a server lost.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[schema(as = CatalogueDeduction)]
pub struct Lost {
    /// What for.
    pub what: String,
    /// How many points.
    pub points: f64,
    /// The number behind it, in words.
    pub why: String,
}

/// A server's tools, judged.
#[derive(Debug)]
pub(super) struct Judged {
    /// The grade, a letter.
    pub(super) grade: String,
    /// How it came about.
    pub(super) summary: Summary,
    /// The tools.
    pub(super) tools: Vec<JudgedTool>,
}

/// A tool, judged.
#[derive(Debug)]
pub(super) struct JudgedTool {
    pub(super) name: String,
    pub(super) definition: String,
    pub(super) scanned: Scanned,
    /// What it is found by.
    pub(super) text: String,
}

/// Judges a server's tools.
pub(super) fn judge(listed: Vec<Listed>) -> Judged {
    let (definitions, tools): (Vec<String>, Vec<Tool>) =
        listed.into_iter().map(|listed| (listed.definition, listed.tool)).unzip();
    let scanned = scan(&tools);
    let grade = grade(&tools, &scanned);
    let mut summary = Summary {
        score: grade.score,
        deductions: grade.deductions.iter().map(Lost::from).collect(),
        ..Summary::default()
    };
    for tool in &scanned {
        count(&mut summary.categories, tool.category.to_owned());
        count(&mut summary.risks, word(&tool.risk));
        tool.labels.iter().for_each(|label| count(&mut summary.labels, word(label)));
        tool.findings.iter().for_each(|finding| count(&mut summary.findings, word(&finding.kind)));
    }
    let judged = tools.iter().zip(definitions).zip(scanned).map(|((tool, definition), scanned)| {
        let params = tool.params.iter().map(|param| param.name.as_str());
        let text = std::iter::once(tool.description.as_str()).chain(params).collect::<Vec<_>>().join(" ");
        JudgedTool { name: tool.name.clone(), definition, scanned, text }
    });
    Judged { grade: grade.letter.to_string(), summary, tools: judged.collect() }
}

impl Summary {
    /// What a server with such tools is filtered by.
    pub(super) fn facets(&self, grade: &str, origin: &str) -> Vec<Facet> {
        let mut facets = vec![Facet::Origin(origin.to_owned())];
        if !grade.is_empty() {
            facets.push(Facet::Grade(grade.to_owned()));
        }
        facets.extend(self.categories.keys().cloned().map(Facet::Category));
        facets.extend(self.labels.keys().cloned().map(Facet::Label));
        facets.extend(self.findings.keys().cloned().map(Facet::Finding));
        facets.extend(self.risk().map(|risk| Facet::Risk(risk.to_owned())));
        facets
    }

    /// The risk of the riskiest tool.
    pub(super) fn risk(&self) -> Option<&'static str> {
        RISKS.into_iter().rfind(|risk| self.risks.contains_key(*risk))
    }
}

impl JudgedTool {
    /// The row of this tool, of a server with this name, grade and origin.
    pub(super) fn put(self, server: &str, grade: &str, origin: &str, now: i64) -> ToolPut {
        let Self { name, definition, scanned, text } = self;
        let labels: Vec<String> = scanned.labels.iter().map(word).collect();
        let risk = word(&scanned.risk);
        let mut facets = vec![
            Facet::Category(scanned.category.to_owned()),
            Facet::Risk(risk.clone()),
            Facet::Grade(grade.to_owned()),
            Facet::Origin(origin.to_owned()),
        ];
        facets.extend(labels.iter().cloned().map(Facet::Label));
        facets.extend(scanned.findings.iter().map(|finding| Facet::Finding(word(&finding.kind))));
        let tool = CatalogueTool {
            name,
            definition,
            fingerprint: scanned.fingerprint.clone(),
            category: scanned.category.to_owned(),
            risk,
            confidence: word(&scanned.confidence),
            labels,
            findings: i64::try_from(scanned.findings.len()).unwrap_or(i64::MAX),
            first_seen: now,
            changed: now,
            ..CatalogueTool::default()
        };
        ToolPut { tool, text: format!("{text} {server}"), facets }
    }
}

impl From<&Deduction> for Lost {
    fn from(deduction: &Deduction) -> Self {
        Self { what: deduction.what.to_owned(), points: f64::from(deduction.tenths) / 10.0, why: deduction.why.clone() }
    }
}

/// The word of a value that is written as one.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn count(counts: &mut BTreeMap<String, u32>, word: String) {
    *counts.entry(word).or_default() += 1;
}
