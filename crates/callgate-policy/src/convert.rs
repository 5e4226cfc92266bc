//! Other spellings to policy.json: the older fields of tool entries, and Intercept's YAML.

mod intercept;
mod limits;
mod yaml;

use crate::model::{Policy, Problem, Problems, Severity};

/// A converted document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The policy.json text.
    pub json: String,
    /// What means something a little else than before, and what the result is warned about; places are those of the
    /// input.
    pub warnings: Vec<Problem>,
}

/// Converts a document: policy.json with older spellings, or Intercept's YAML (also written as JSON).
///
/// # Errors
/// Everything that can't be expressed, each with its place in the input. Nothing is left out silently.
pub fn convert(input: &[u8]) -> Result<Converted, Problems> {
    if is_policy_json(input) {
        let policy = Policy::parse(input)?;
        return Ok(Converted { json: policy.print(), warnings: policy.warnings.clone() });
    }
    intercept::convert(input)
}

/// Whether the input is meant as policy.json: an object whose tools have no `rules`, as Intercept's have.
fn is_policy_json(input: &[u8]) -> bool {
    let first = input.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return false;
    }
    let (value, _) = callgate_json::parse_reporting(input, &callgate_json::Limits::default());
    let Some(value) = value else {
        return true;
    };
    let tools = value.get("tools").map(callgate_json::Value::members).unwrap_or_default();
    !tools.iter().any(|tool| tool.value.get("rules").is_some())
}

/// Problems of a document whose values know their lines.
#[derive(Default)]
struct Told(Vec<Problem>);

impl Told {
    fn add(&mut self, severity: Severity, code: &'static str, at: &Spot<'_>, message: String, hint: &str) {
        self.0.push(Problem {
            code,
            severity,
            line: at.node.line,
            column: at.node.column,
            pointer: at.pointer.clone(),
            message,
            hint: hint.to_owned(),
        });
    }

    /// Something that can't be converted.
    fn error(&mut self, at: &Spot<'_>, message: impl Into<String>, hint: &str) {
        self.add(Severity::Error, "CG1301", at, message.into(), hint);
    }

    /// Something that is converted, and means something a little else.
    fn warning(&mut self, at: &Spot<'_>, message: impl Into<String>, hint: &str) {
        self.add(Severity::Warning, "CG1302", at, message.into(), hint);
    }
}

/// A value and where it stands.
#[derive(Clone)]
struct Spot<'n> {
    node: &'n yaml::Node,
    pointer: String,
}

impl<'n> Spot<'n> {
    fn root(node: &'n yaml::Node) -> Self {
        Self { node, pointer: String::new() }
    }

    /// The member with this key, unless it is missing or null.
    fn get(&self, key: &str) -> Option<Spot<'n>> {
        self.members().into_iter().find(|(name, spot)| *name == key && !spot.node.is_null()).map(|(_, spot)| spot)
    }

    fn members(&self) -> Vec<(&'n str, Spot<'n>)> {
        let members = self.node.members().iter();
        members
            .map(|(key, node)| {
                let pointer = format!("{}/{}", self.pointer, callgate_json::escape_token(&key.text));
                (&*key.text, Spot { node, pointer })
            })
            .collect()
    }

    fn items(&self) -> Vec<Spot<'n>> {
        let items = self.node.items().iter().enumerate();
        items.map(|(index, node)| Spot { node, pointer: format!("{}/{index}", self.pointer) }).collect()
    }

    fn text(&self) -> Option<&'n str> {
        self.node.scalar()
    }
}
