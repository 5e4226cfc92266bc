//! A tool as its server describes it, read from a `tools/list` answer.

use crate::fingerprint::fingerprint;
use callgate_json::{Kind, Limits, Pointer, Value};
use std::collections::HashSet;

/// One tool's definition: the parts that say what it does.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The name, the exact code points that the server uses.
    pub name: String,
    /// The description; empty where there is none.
    pub description: String,
    /// The top-level properties of `inputSchema`, in the order of the schema.
    pub params: Vec<Param>,
    /// What the server claims about the tool.
    pub annotations: Annotations,
    /// Every text of the definition that a model gets to read, with its place.
    pub texts: Vec<Text>,
    /// The fingerprint of the definition ([`fingerprint`]).
    pub fingerprint: String,
}

/// One top-level property of a tool's `inputSchema`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// The type that its values have, as far as the schema says.
    pub shape: ParamType,
    /// Whether the schema requires it.
    pub required: bool,
    /// The values that it may have, where they are all strings and listed.
    pub values: Vec<String>,
    /// Its description; empty where there is none.
    pub description: String,
}

/// The type of a property's values, `null` left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParamType {
    /// The schema does not say, or allows several.
    #[default]
    Unknown,
    /// A string.
    String,
    /// A number or an integer.
    Number,
    /// A boolean.
    Boolean,
    /// An array of strings.
    Strings,
    /// Another array.
    Array,
    /// An object.
    Object,
}

/// The hints of a tool's `annotations` (MCP 2025-03-26 and later). Self-declared: a hint, never the judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `readOnlyHint`
    pub read_only: Option<bool>,
    /// `destructiveHint`
    pub destructive: Option<bool>,
    /// `openWorldHint`
    pub open_world: Option<bool>,
}

/// A text of the definition and the RFC 6901 pointer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Where in the definition it stands, for example `/inputSchema/properties/path/description`.
    pub place: String,
    /// The text.
    pub text: String,
}

/// Why a list of tools could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is no strict JSON.
    #[error("the tool list can't be read: {0}; it has to be the JSON answer to `tools/list`")]
    Json(String),
    /// It is JSON, but no list of tools.
    #[error(
        "no tools found: expected `{{\"tools\": [...]}}`, a JSON-RPC response with `result.tools`, or an array of tools"
    )]
    NoList,
    /// One entry is no tool definition.
    #[error("tool {index} (from 0): {why}")]
    Entry {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Tool {
    /// Reads the tools of a `tools/list` answer: `{"tools": [...]}`, a JSON-RPC response around it, or a bare array.
    /// Fails as a whole where one entry can't be read or two have the same name.
    pub fn from_list(bytes: &[u8]) -> Result<Vec<Self>, ListError> {
        let document =
            callgate_json::parse(bytes, &Limits::default()).map_err(|error| ListError::Json(error.to_string()))?;
        let list = document
            .as_array()
            .or_else(|| document.get("tools")?.as_array())
            .or_else(|| document.get("result")?.get("tools")?.as_array())
            .ok_or(ListError::NoList)?;
        let mut seen = HashSet::new();
        let mut tools = Vec::with_capacity(list.len());
        for (index, entry) in list.iter().enumerate() {
            let tool = Self::from_value(entry).map_err(|why| ListError::Entry { index, why })?;
            if !seen.insert(tool.name.clone()) {
                return Err(ListError::Entry { index, why: format!("`{}` is listed a second time", tool.name) });
            }
            tools.push(tool);
        }
        Ok(tools)
    }

    /// Reads one definition; the error says what is wrong with it.
    pub fn from_value(value: &Value<'_>) -> Result<Self, String> {
        if !value.is_object() {
            return Err(format!("expected an object, found {}", value.type_name()));
        }
        let name = match value.get("name").map(|name| (name, name.as_str())) {
            Some((_, Some(name))) if !name.is_empty() => name.to_owned(),
            Some((name, None)) => return Err(format!("`name` has to be a string, found {}", name.type_name())),
            _ => return Err("`name` is missing or empty".to_owned()),
        };
        let schema = value.get("inputSchema").or_else(|| value.get("input_schema"));
        let mut texts = Vec::new();
        collect_texts(value, &Pointer::root(), &mut texts);
        Ok(Self {
            name,
            description: text_of(value, "description"),
            params: schema.map(params).unwrap_or_default(),
            annotations: value.get("annotations").map(annotations).unwrap_or_default(),
            texts,
            fingerprint: fingerprint(value),
        })
    }

    /// The top-level property `name`.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|param| param.name == name)
    }
}

fn text_of(value: &Value<'_>, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn annotations(value: &Value<'_>) -> Annotations {
    let hint = |key| value.get(key).and_then(Value::as_bool);
    Annotations {
        read_only: hint("readOnlyHint"),
        destructive: hint("destructiveHint"),
        open_world: hint("openWorldHint"),
    }
}

fn params(schema: &Value<'_>) -> Vec<Param> {
    let required: HashSet<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    schema
        .get("properties")
        .map(Value::members)
        .unwrap_or_default()
        .iter()
        .map(|member| Param {
            name: member.key.to_string(),
            shape: shape(&member.value),
            required: required.contains(&*member.key),
            values: values(&member.value),
            description: text_of(&member.value, "description"),
        })
        .collect()
}

/// The one type that a schema allows beside `null`; `Unknown` where it allows several or says nothing.
fn shape(schema: &Value<'_>) -> ParamType {
    for union in ["anyOf", "oneOf"] {
        if let Some(branches) = schema.get(union).and_then(Value::as_array) {
            let mut shapes = branches.iter().filter(|branch| !is_null_type(branch)).map(shape);
            let Some(first) = shapes.next() else { return ParamType::Unknown };
            return if shapes.all(|other| other == first) { first } else { ParamType::Unknown };
        }
    }
    let declared = schema.get("type");
    let name = match declared.map(|declared| &declared.kind) {
        Some(Kind::String(name)) => &**name,
        Some(Kind::Array(names)) => {
            let mut named = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            match (named.next(), named.next()) {
                (Some(name), None) => name,
                _ => return ParamType::Unknown,
            }
        }
        _ if !values(schema).is_empty() => "string",
        _ => return ParamType::Unknown,
    };
    match name {
        "string" => ParamType::String,
        "number" | "integer" => ParamType::Number,
        "boolean" => ParamType::Boolean,
        "object" => ParamType::Object,
        "array" => match schema.get("items").map(shape) {
            Some(ParamType::String) => ParamType::Strings,
            _ => ParamType::Array,
        },
        _ => ParamType::Unknown,
    }
}

fn is_null_type(schema: &Value<'_>) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The strings that `enum` or `const` (also inside a union) allow; empty where other values are allowed too.
fn values(schema: &Value<'_>) -> Vec<String> {
    if let Some(text) = schema.get("const").and_then(Value::as_str) {
        return vec![text.to_owned()];
    }
    if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
        return listed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let union = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array());
    let Some(branches) = union else { return Vec::new() };
    let mut all = Vec::new();
    for branch in branches.iter().filter(|branch| !is_null_type(branch)) {
        let some = values(branch);
        if some.is_empty() {
            return Vec::new();
        }
        all.extend(some);
    }
    all
}

/// Every string value below `value` (and every property name of a schema), for the checks on what a model reads.
fn collect_texts(value: &Value<'_>, at: &Pointer, out: &mut Vec<Text>) {
    match &value.kind {
        Kind::String(text) => out.push(Text { place: at.to_string(), text: text.to_string() }),
        Kind::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_texts(item, &at.index(index), out);
            }
        }
        Kind::Object(members) => {
            for member in members {
                let below = at.key(&member.key);
                if at.as_str().ends_with("/properties") {
                    out.push(Text { place: below.to_string(), text: member.key.to_string() });
                }
                collect_texts(&member.value, &below, out);
            }
        }
        _ => {}
    }
}
