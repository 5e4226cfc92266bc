//! The recommended document as it is written: fields in the order in which people read them.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

/// A policy document.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    version: &'static str,
    name: &'static str,
    description: &'static str,
    default: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hide: Vec<String>,
    pub(super) tools: IndexMap<String, Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tests: Vec<Test>,
}

/// An entry of `tools`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) deny_if: Vec<Predicate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) approve_if: Vec<Predicate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) limits: Vec<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) results: Option<Results>,
}

/// What may come back.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) redact: Vec<&'static str>,
}

/// A predicate of an entry.
#[derive(Debug, Serialize)]
pub(super) struct Predicate {
    pub(super) name: String,
    pub(super) conditions: Vec<Condition>,
    pub(super) on_deny: String,
}

/// A condition of a predicate.
#[derive(Debug, Serialize)]
pub(super) struct Condition {
    pub(super) path: String,
    pub(super) op: &'static str,
    pub(super) value: Value,
}

/// A limit of an entry.
#[derive(Debug, Serialize)]
pub(super) struct Limit {
    pub(super) counter: String,
    pub(super) window: &'static str,
    pub(super) max: u32,
    pub(super) scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) increment_from: Option<String>,
}

/// A test of the document.
#[derive(Debug, Serialize)]
pub(super) struct Test {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calls: Option<u32>,
    pub(super) tool: String,
    pub(super) args: Value,
    pub(super) expect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
}

impl Document {
    /// A document that allows nothing.
    pub(super) fn new() -> Self {
        Self {
            version: "1",
            name: "recommended",
            description: "Recommended from the server's own tool list. Read it, change the numbers to yours, then publish it.",
            default: "deny",
            hide: Vec::new(),
            tools: IndexMap::new(),
            tests: Vec::new(),
        }
    }

    /// The document's text.
    pub(super) fn text(&self) -> String {
        #[expect(clippy::expect_used, reason = "strings, numbers and lists always have a JSON text")]
        serde_json::to_string_pretty(self).expect("a JSON text")
    }
}

impl Entry {
    /// The entry alone.
    pub(super) fn json(&self) -> Value {
        #[expect(clippy::expect_used, reason = "strings, numbers and lists always have a JSON value")]
        serde_json::to_value(self).expect("a JSON value")
    }
}

/// The path of a top-level argument; `None` for a name that a path can't spell.
pub(super) fn path(param: &str) -> Option<String> {
    let plain = param.starts_with(|ch: char| ch.is_ascii_alphabetic() || ch == '_')
        && param.chars().all(|ch| ch.is_ascii_alphanumeric() || ch == '_');
    if plain {
        return Some(format!("args.{param}"));
    }
    let spelled = !param.is_empty() && !param.chars().any(|ch| ch.is_control() || ch == '"' || ch == '\\');
    spelled.then(|| format!("args[\"{param}\"]"))
}
