//! A corpus of definitions, as its file is written.

use callgate_catalog::Tool;
use serde_json::{Value, json};

/// The definitions of a corpus, each as a tool of its own list, with where it was published.
pub(crate) fn corpus(text: &str) -> Vec<(String, Tool)> {
    let corpus: toml::Table = toml::from_str(text).unwrap();
    corpus["tool"].as_array().unwrap().iter().map(|entry| (from(entry), tool(entry))).collect()
}

fn from(entry: &toml::Value) -> String {
    entry.get("from").and_then(toml::Value::as_str).unwrap_or_default().to_owned()
}

fn tool(entry: &toml::Value) -> Tool {
    let text = |key: &str| entry.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let mut definition = json!({"name": text("name"), "description": text("description")});
    if let Some(param) = text("param") {
        let mut schema = json!({"type": "string"});
        for (key, name) in [("param_description", "description"), ("default", "default")] {
            if let Some(text) = text(key) {
                schema[name] = Value::String(text);
            }
        }
        if let Some(values) = entry.get("values") {
            schema["enum"] = serde_json::to_value(values).unwrap();
        }
        definition["inputSchema"] = json!({"type": "object", "properties": {param: schema}});
    }
    Tool::from_list(json!([definition]).to_string().as_bytes()).unwrap().remove(0)
}
