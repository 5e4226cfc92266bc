//! How often the classifier says what a careful reader says, on labelled tools.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::Callgate;

/// The counts over all labelled tools.
#[derive(Default)]
pub(super) struct Score {
    all: Share,
    exact: Share,
    groups: BTreeMap<String, Share>,
    /// What was meant and what was said, where the answer is none of the defensible ones.
    wrong: BTreeMap<(String, String), u64>,
    sources: BTreeMap<String, Share>,
}

#[derive(Default, Clone, Copy)]
struct Share {
    right: u64,
    of: u64,
}

struct Labelled {
    server: String,
    name: String,
    group: String,
    source: String,
    gold: Option<String>,
    accepted: BTreeSet<String>,
    definition: Value,
}

/// Scans every labelled tool and compares.
pub(super) fn run(binary: &Path, file: &Path) -> Result<Score> {
    let text = fs::read_to_string(file)?;
    let tools = text.lines().map(read).collect::<Result<Vec<_>>>()?;
    let (_guard, folder) = super::folder()?;
    let callgate = Callgate::new(binary, folder.join("data"));
    let mut score = Score::default();
    for list in lists(&tools) {
        let definitions: Vec<&Value> = list.iter().map(|tool| &tool.definition).collect();
        let path = folder.join("tools.json");
        fs::write(&path, json!({ "tools": definitions }).to_string())?;
        let found = callgate.json(["scan", "--tools", &path.to_string_lossy(), "--json"])?;
        let found = found.as_array().context("`scan --json` prints a list")?;
        ensure!(found.len() == list.len(), "`scan` answers for every tool: {} of {}", found.len(), list.len());
        for (tool, answer) in list.iter().zip(found) {
            let said = answer.get("category").and_then(Value::as_str).unwrap_or("none").to_lowercase();
            score.count(tool, &said);
        }
    }
    Ok(score)
}

fn read(line: &str) -> Result<Labelled> {
    let line: Value = serde_json::from_str(line)?;
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let source = text("label_source");
    let mut definition = json!({
        "name": text("tool"),
        "description": text("description"),
        "inputSchema": line.get("inputSchema").filter(|schema| schema.is_object()).cloned().unwrap_or(json!({})),
    });
    // Labels that were made from the annotations say nothing about a classifier that sees them.
    let annotations = line.get("annotations").filter(|found| found.is_object() && source != "annotations");
    if let (Some(annotations), Some(definition)) = (annotations, definition.as_object_mut()) {
        definition.insert("annotations".to_owned(), annotations.clone());
    }
    let accepted = line.get("accept").and_then(Value::as_array).into_iter().flatten();
    Ok(Labelled {
        server: text("server"),
        name: text("tool"),
        group: text("group"),
        source,
        gold: line.get("gold").and_then(Value::as_str).map(str::to_lowercase),
        accepted: accepted.filter_map(Value::as_str).map(str::to_lowercase).collect(),
        definition,
    })
}

/// One list per server; a name that a server has twice goes into a list of its own.
fn lists(tools: &[Labelled]) -> Vec<Vec<&Labelled>> {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut lists: BTreeMap<(String, usize), Vec<&Labelled>> = BTreeMap::new();
    for tool in tools {
        let turn = seen.entry((tool.server.clone(), tool.name.clone())).or_default();
        lists.entry((tool.server.clone(), *turn)).or_default().push(tool);
        *turn += 1;
    }
    lists.into_values().collect()
}

impl Score {
    fn count(&mut self, tool: &Labelled, said: &str) {
        let Some(gold) = &tool.gold else { return };
        let is_right = tool.accepted.contains(said) || gold == said;
        self.all.add(is_right);
        self.exact.add(gold == said);
        self.groups.entry(tool.group.clone()).or_default().add(is_right);
        self.sources.entry(tool.source.clone()).or_default().add(is_right);
        if !is_right {
            *self.wrong.entry((gold.clone(), said.to_owned())).or_default() += 1;
        }
    }
}

impl Share {
    fn add(&mut self, is_right: bool) {
        self.of += 1;
        self.right += u64::from(is_right);
    }

    fn percent(self) -> f64 {
        if self.of == 0 { 0.0 } else { 100.0 * self.right as f64 / self.of as f64 }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = self.groups.values().map(|share| share.percent()).sum::<f64>() / self.groups.len().max(1) as f64;
        writeln!(f, "categories of {} labelled tools", self.all.of)?;
        writeln!(f, "  defensible        {:>5.1} %", self.all.percent())?;
        writeln!(f, "  the best one      {:>5.1} %", self.exact.percent())?;
        writeln!(f, "  mean over groups  {mean:>5.1} % ({} groups)", self.groups.len())?;
        for (source, share) in &self.sources {
            writeln!(f, "  labels by {source:<17} {:>5.1} % of {}", share.percent(), share.of)?;
        }
        for ((gold, said), count) in &self.wrong {
            writeln!(f, "  meant {gold}, said {said}: {count}")?;
        }
        Ok(())
    }
}
