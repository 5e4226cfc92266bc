//! The labelled set, one tool per line.

use callgate_catalog::Tool;
use serde_json::Value;
use std::collections::BTreeSet;

/// A tool and what a careful reader says about it.
pub(crate) struct Labelled {
    pub(crate) server: String,
    pub(crate) tool: Tool,
    /// The best category; `None` where nobody can tell.
    pub(crate) gold: Option<String>,
    /// Every defensible one.
    pub(crate) accepted: BTreeSet<String>,
}

/// Reads the set, with or without the tools' annotations.
pub(crate) fn read(text: &str, with_annotations: bool) -> Vec<Labelled> {
    text.lines().map(|line| one(&serde_json::from_str(line).unwrap(), with_annotations)).collect()
}

fn one(row: &Value, with_annotations: bool) -> Labelled {
    let mut definition = serde_json::json!({"name": row["tool"]});
    for key in ["description", "inputSchema", "annotations"] {
        if !row[key].is_null() && (key != "annotations" || with_annotations) {
            definition[key] = row[key].clone();
        }
    }
    let accepted = row["accept"].as_array().unwrap().iter();
    Labelled {
        // Several sources describe one server; they belong together.
        server: row["group"].as_str().unwrap_or_default().to_owned(),
        tool: Tool::from_list(serde_json::json!([definition]).to_string().as_bytes()).unwrap().remove(0),
        gold: row["gold"].as_str().map(str::to_lowercase),
        accepted: accepted.map(|name| name.as_str().unwrap().to_lowercase()).collect(),
    }
}
