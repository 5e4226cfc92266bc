//! The recommended entries, put into a document.

use super::apply::Planned;
use super::choose::Chooser;
use super::draft::{Left, Refused};
use super::facts::ToolFacts;
use super::json::shortened;
use super::reading::Reading;
use callgate_catalog::{Tool, recommend};
use callgate_json::{Limits, Value, parse};
use callgate_policy::Glob;
use std::collections::{HashMap, HashSet};

/// The recommended document for all tools: what a document without any entry becomes.
pub(super) fn document(tools: &[ToolFacts]) -> Result<String, Refused> {
    let mut seen = HashSet::new();
    let tools: Vec<Tool> =
        tools.iter().filter(|facts| seen.insert(facts.name.as_str())).map(|facts| facts.tool.clone()).collect();
    recommend(&tools).map(|text| format!("{text}\n")).map_err(|error| Refused::Impossible(error.to_string()))
}

/// Whether a document says nothing yet but `version`, `default` and an empty `tools`.
pub(super) fn is_new(root: &Value<'_>) -> bool {
    root.is_object()
        && root.members().iter().all(|member| match &*member.key {
            "version" | "default" => true,
            "tools" => member.value.is_object() && member.value.members().is_empty(),
            _ => false,
        })
}

/// The changes that give one tool, or all, what is recommended.
pub(super) fn plan(root: &Value<'_>, tools: &[ToolFacts], tool: Option<&str>) -> Result<Planned, Refused> {
    let mut seen = HashSet::new();
    let meant: Vec<&ToolFacts> = tools
        .iter()
        .filter(|facts| tool.is_none_or(|tool| facts.name == tool))
        .filter(|facts| seen.insert(facts.name.as_str()))
        .collect();
    if let (Some(tool), true) = (tool, meant.is_empty()) {
        return Err(Refused::Impossible(format!("the server has no tool `{}`", shortened(tool))));
    }
    let only: Vec<Tool> = meant.iter().map(|facts| facts.tool.clone()).collect();
    let text = recommend(&only).map_err(|error| Refused::Impossible(error.to_string()))?;
    let limits = Limits { max_values: usize::MAX, ..Limits::default() };
    let recommended = parse(text.as_bytes(), &limits).map_err(|error| Refused::Value(error.to_string()))?;
    let entries = recommended.get("tools").map(Value::members).unwrap_or_default();
    let entries: HashMap<&str, &Value<'_>> = entries.iter().map(|member| (&*member.key, &member.value)).collect();
    let reading = Reading::new(root);
    let mut chooser = Chooser::new(&reading);
    let mut left = Vec::new();
    for facts in meant {
        let entry = entries.get(facts.name.as_str()).copied();
        match chooser.replace(&facts.name, facts.category, entry) {
            Ok(()) => {}
            // What can't be named is recommended to stay as `default` has it.
            Err(_) if tool.is_none() && Glob::is_pattern(&facts.name) => {}
            Err(why) if tool.is_none() => left.push(Left { tool: facts.name.clone(), why: why.to_string() }),
            Err(why) => return Err(why),
        }
    }
    Ok((chooser.finish()?, left))
}
