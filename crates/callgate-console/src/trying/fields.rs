//! The arguments of a call as fields, from the tool's schema, and back as JSON.

use crate::form::Form;
use serde_json::{Map, Value};

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name in the call.
    pub(super) name: String,
    /// What the schema says about it.
    pub(super) description: String,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether every call has it.
    pub(super) required: bool,
    /// What is in it: a text as it is, everything else as JSON; empty where it is left out.
    pub(super) value: String,
}

/// How a field is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// One of these JSON texts.
    OneOf(Vec<String>),
    /// Any JSON.
    Json,
}

impl Field {
    /// The properties of a schema at its top, required ones first; filled from arguments as JSON.
    pub(super) fn all(schema: &str, arguments: &str) -> Vec<Self> {
        let schema: Value = serde_json::from_str(schema).unwrap_or_default();
        let given: Value = serde_json::from_str(arguments).unwrap_or_default();
        let required: Vec<&str> = list(&schema, "required").iter().filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let field = |(name, about): (&String, &Value)| {
            let kind = Kind::of(about);
            let value = given.get(name).map(|value| kind.text(value)).unwrap_or_default();
            let description = about.get("description").and_then(Value::as_str).unwrap_or_default();
            Self {
                name: name.clone(),
                description: description.chars().take(300).collect(),
                required: required.contains(&name.as_str()),
                kind,
                value,
            }
        };
        let mut fields: Vec<Self> = properties.map(field).collect();
        fields.sort_by_key(|field| !field.required);
        fields
    }

    /// The field of the form that it is.
    pub(super) fn key(&self) -> String {
        format!("arg.{}", self.name)
    }

    fn read(&self, typed: &str) -> Option<Value> {
        if typed.is_empty() {
            return None;
        }
        let text = || Some(Value::String(typed.to_owned()));
        match &self.kind {
            Kind::Text => text(),
            // What is no JSON is a text: the check of the arguments says what is wrong with it.
            _ => serde_json::from_str(typed.trim()).ok().or_else(text),
        }
    }
}

impl Kind {
    fn of(about: &Value) -> Self {
        let listed: Vec<String> = list(about, "enum").iter().map(Value::to_string).collect();
        if !listed.is_empty() {
            return Self::OneOf(listed);
        }
        match about.get("type").and_then(Value::as_str) {
            Some("string") => Self::Text,
            Some("number" | "integer") => Self::Number,
            Some("boolean") => Self::Flag,
            _ => Self::Json,
        }
    }

    fn text(&self, value: &Value) -> String {
        match (self, value) {
            (Self::Text, Value::String(text)) => text.clone(),
            (_, value) => value.to_string(),
        }
    }
}

/// The arguments that the fields of a form say, as JSON.
pub(super) fn arguments(fields: &[Field], form: &Form) -> String {
    let read = |field: &Field| Some((field.name.clone(), field.read(form.text(&field.key()))?));
    let arguments: Map<String, Value> = fields.iter().filter_map(read).collect();
    Value::Object(arguments).to_string()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","required":["command"],"properties":{
        "args":{"type":"array"},"command":{"type":"string","description":"What to run."},"force":{"type":"boolean"},
        "mode":{"enum":["fast","slow"]},"times":{"type":"integer"}}}"#;

    #[test]
    fn arguments_go_into_fields_and_come_out_as_they_were() {
        let given = r#"{"args":["a","b"],"command":"ls \"x\"","force":true,"mode":"slow","times":3}"#;
        let fields = Field::all(SCHEMA, given);
        assert_eq!(fields.first().map(|field| (field.name.as_str(), field.required)), Some(("command", true)));
        let typed: Vec<(String, String)> = fields.iter().map(|field| (field.key(), field.value.clone())).collect();
        let form = Form::of(typed.iter().map(|(key, value)| (key.as_str(), value.clone())));
        assert_eq!(arguments(&fields, &form), given);
        assert_eq!(arguments(&fields, &Form::default()), "{}");
        assert!(Field::all("no JSON", "also none").is_empty());
    }
}
