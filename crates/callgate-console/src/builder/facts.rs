//! What the builder has to know of a server's tool.

use callgate_catalog::{Risk, Tool};
use callgate_policy::{Category, Definition, Label};

/// A tool of the server, as pages know it: its definition, and what the catalogue or a person says about it.
#[derive(Clone, Debug)]
pub(crate) struct ToolFacts {
    /// The name, as the server writes it.
    pub(crate) name: String,
    /// The description; empty where there is none.
    pub(crate) description: String,
    /// The `inputSchema`, as JSON text.
    pub(crate) input_schema: Option<String>,
    /// What it does: what a person set, else what the catalogue finds. It may be overwritten after [`ToolFacts::read`].
    pub(crate) category: Category,
    /// How bad a wrong call can be.
    pub(crate) risk: Risk,
    /// What attacks could use it for. It may be overwritten after [`ToolFacts::read`].
    pub(crate) labels: Vec<Label>,
    /// The definition as the catalogue reads it: what the recommended entry is made from.
    pub(crate) tool: Tool,
    /// The definition as the policy engine knows it; category and labels are those above.
    definition: Definition,
}

impl ToolFacts {
    /// Reads one definition of a `tools/list` answer (JSON text) and classifies it; the error says what is wrong.
    pub(crate) fn read(definition: &str) -> Result<Self, String> {
        let value = callgate_json::parse(definition.as_bytes(), &callgate_json::Limits::default())
            .map_err(|error| error.to_string())?;
        let tool = Tool::from_value(&value)?;
        let found = callgate_catalog::classify(&tool);
        let part = |key: &str| {
            let part = value.get(key).map(|part| part.bytes(definition.as_bytes()))?;
            Some(String::from_utf8_lossy(part).into_owned())
        };
        let input_schema = part("inputSchema").or_else(|| part("input_schema"));
        let definition = Definition {
            name: tool.name.clone(),
            input_schema: input_schema.clone(),
            annotations: part("annotations"),
            fingerprint: tool.fingerprint.clone(),
            ..Definition::default()
        };
        Ok(Self {
            name: tool.name.clone(),
            description: tool.description.clone(),
            input_schema,
            category: found.category,
            risk: found.risk,
            labels: found.labels,
            tool,
            definition,
        })
    }

    /// The word for how bad a wrong call can be: `low`, `medium`, `high`, `critical`.
    pub(crate) fn risk_word(&self) -> &'static str {
        match self.risk {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
            Risk::Critical => "critical",
        }
    }

    /// The definition as the policy engine takes it: pinned, and classified as the facts say.
    pub(crate) fn definition(&self) -> Definition {
        Definition { category: Some(self.category), labels: self.labels.clone(), ..self.definition.clone() }
    }
}
