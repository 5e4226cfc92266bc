//! A server's tools as it lists them itself, and what the classifier makes of them.

use crate::Console;
use crate::api::{Problem, path};
use crate::visit::Visit;
use callgate_catalog::{
    Classification, Grade, Risk, Scanned, Tool, classify, grade, recommend_classified, scan_classified,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A server's own list.
pub(crate) struct Asked {
    /// The tools.
    pub(crate) tools: Vec<Listed>,
    /// The grade.
    pub(crate) grade: Grade,
    /// The recommended policy; none where there are no tools, or too many for one.
    pub(crate) policy: Option<String>,
}

/// A tool that the server lists.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) category: &'static str,
    pub(crate) risk: &'static str,
    pub(crate) labels: Vec<&'static str>,
    pub(crate) findings: usize,
    /// The words that decided.
    pub(crate) because: Vec<String>,
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct Answer {
    tools: Box<RawValue>,
}

/// Asks the server. A long list takes its time to be judged, so that is done in its turn.
pub(crate) async fn ask(console: &Console, visit: &Visit, server: &str) -> Result<Asked, Problem> {
    let answer: Answer = visit.api.get(&path(&["servers", server, "tools"], &[])).await?;
    console.work.turn(&visit.me.who, move || judge(&answer.tools)).await?
}

/// What the classifier makes of a list.
fn judge(list: &RawValue) -> Result<Asked, Problem> {
    let read = Tool::from_list(list.get().as_bytes());
    let tools =
        read.map_err(|error| Problem::unusable(error.to_string(), "the server has to list its tools correctly"))?;
    let classified: Vec<Classification> = tools.iter().map(classify).collect();
    let scanned = scan_classified(&tools, &classified);
    let grade = grade(&tools, &scanned);
    let policy = recommend_classified(&tools, &classified).ok().filter(|_| !tools.is_empty());
    let mut listed: Vec<(Risk, Listed)> =
        scanned.iter().zip(&tools).map(|(scanned, tool)| (scanned.risk, Listed::of(scanned, tool))).collect();
    // The riskiest first: that is what one looks for.
    listed.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.name.cmp(&other.1.name)));
    Ok(Asked { tools: listed.into_iter().map(|(_, listed)| listed).collect(), grade, policy })
}

impl Asked {
    /// How many tools there are of each kind.
    pub(crate) fn kinds(&self) -> Vec<(&'static str, usize)> {
        let kinds = ["read", "write", "execute", "destructive", "financial"];
        let count = |kind: &str| self.tools.iter().filter(|tool| tool.category == kind).count();
        kinds.into_iter().map(|kind| (kind, count(kind))).filter(|(_, count)| *count > 0).collect()
    }
}

impl Listed {
    fn of(scanned: &Scanned, tool: &Tool) -> Self {
        Self {
            name: tool.name.clone(),
            category: scanned.category,
            risk: crate::catalogue::risk_word(scanned.risk),
            labels: scanned.labels.clone(),
            findings: scanned.findings.len(),
            because: scanned.evidence.iter().take(3).map(|sign| sign.what.clone()).collect(),
            description: crate::catalogue::beginning(&tool.description),
        }
    }
}
