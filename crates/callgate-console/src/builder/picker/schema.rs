//! The paths of a schema: properties, elements, and what is in them.

use super::{Picker, PickerKind};
use callgate_json::{Kind, Value, canonical, write_string};

/// Most paths that one schema gives; who needs one beyond them writes it.
const MOST: usize = 200;
/// How deep paths go.
const DEEPEST: usize = 5;
/// Most schemas that one place may be described by.
const MOST_ALTERNATIVES: usize = 40;

/// The paths into the arguments that a schema describes, in its order; what is in a part follows the part.
pub(super) fn paths(root: &Value<'_>) -> Vec<Picker> {
    let mut walk = Walk { root, found: Vec::new() };
    walk.properties(root, "args", 0, true);
    walk.found
}

struct Walk<'s> {
    root: &'s Value<'s>,
    found: Vec<Picker>,
}

impl<'s> Walk<'s> {
    fn properties(&mut self, schema: &'s Value<'s>, path: &str, depth: usize, required: bool) {
        let all = self.alternatives(schema);
        for schema in &all {
            let needed = schema.get("required").and_then(Value::as_array).unwrap_or_default();
            for member in schema.get("properties").map(Value::members).unwrap_or_default() {
                let is_needed = required && needed.iter().any(|name| name.as_str() == Some(&member.key));
                self.value(&member.value, &step(path, &member.key), depth + 1, is_needed);
            }
        }
    }

    fn value(&mut self, schema: &'s Value<'s>, path: &str, depth: usize, required: bool) {
        if depth > DEEPEST || self.found.len() >= MOST || self.found.iter().any(|picker| picker.path == path) {
            return;
        }
        let all = self.alternatives(schema);
        let kind = kind(&all);
        let description = all.iter().find_map(|schema| schema.get("description")?.as_str()).unwrap_or_default();
        let picker = Picker {
            path: path.to_owned(),
            kind,
            values: if kind == PickerKind::List { Vec::new() } else { values(&all) },
            description: description.to_owned(),
            required,
        };
        self.found.push(picker.clone());
        self.properties(schema, path, depth, required);
        for items in all.iter().filter_map(|schema| schema.get("items")).filter(|items| items.is_object()) {
            self.elements(items, path, depth, &picker);
        }
    }

    /// Any element, every element; of a list of texts the elements joined, for commands.
    fn elements(&mut self, items: &'s Value<'s>, path: &str, depth: usize, list: &Picker) {
        let element = self.alternatives(items);
        let kind = kind(&element);
        if kind == PickerKind::Text && self.found.len() < MOST {
            let path = format!("{path}[join]");
            self.found.push(Picker { path, kind, values: Vec::new(), ..list.clone() });
        }
        for every in ["[*]", "[all]"] {
            // Nobody is sure to be in a list.
            self.value(items, &format!("{path}{every}"), depth + 1, false);
        }
    }

    /// The schemas that describe one place: the schema itself, and those behind `$ref`, `anyOf`, `oneOf`, `allOf`.
    fn alternatives(&self, schema: &'s Value<'s>) -> Vec<&'s Value<'s>> {
        let mut found = Vec::new();
        let mut open = vec![schema];
        while let Some(schema) = open.pop().filter(|_| found.len() < MOST_ALTERNATIVES) {
            found.push(schema);
            open.extend(schema.get("$ref").and_then(Value::as_str).and_then(|reference| self.resolve(reference)));
            for word in ["allOf", "oneOf", "anyOf"] {
                open.extend(schema.get(word).and_then(Value::as_array).unwrap_or_default().iter().rev());
            }
        }
        found
    }

    fn resolve(&self, reference: &str) -> Option<&'s Value<'s>> {
        let mut here = self.root;
        for token in reference.strip_prefix('#')?.split('/').skip(1) {
            here = here.get(&token.replace("~1", "/").replace("~0", "~"))?;
        }
        Some(here)
    }
}

/// A member's path: in quotes where the name is not a plain word.
fn step(path: &str, key: &str) -> String {
    let is_plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain {
        return format!("{path}.{key}");
    }
    let mut text = format!("{path}[");
    write_string(key, &mut text);
    text.push(']');
    text
}

/// The one kind that all who say something agree on, `null` aside.
fn kind(schemas: &[&Value<'_>]) -> PickerKind {
    let mut kinds: Vec<PickerKind> = Vec::new();
    for schema in schemas {
        match schema.get("type").map(|value| &value.kind) {
            Some(Kind::String(name)) => kinds.extend(named(name)),
            Some(Kind::Array(names)) => kinds.extend(names.iter().filter_map(Value::as_str).filter_map(named)),
            _ => kinds.extend(listed(schema).filter(|value| !value.is_null()).map(kind_of)),
        }
    }
    kinds.dedup();
    match kinds.as_slice() {
        [one] => *one,
        _ => PickerKind::Any,
    }
}

fn named(name: &str) -> Option<PickerKind> {
    match name {
        "null" => None,
        "string" => Some(PickerKind::Text),
        "number" | "integer" => Some(PickerKind::Number),
        "boolean" => Some(PickerKind::Bool),
        "array" => Some(PickerKind::List),
        "object" => Some(PickerKind::Object),
        _ => Some(PickerKind::Any),
    }
}

fn kind_of(value: &Value<'_>) -> PickerKind {
    match value.kind {
        Kind::String(_) => PickerKind::Text,
        Kind::Number(_) => PickerKind::Number,
        Kind::Bool(_) => PickerKind::Bool,
        Kind::Array(_) => PickerKind::List,
        Kind::Object(_) => PickerKind::Object,
        Kind::Null => PickerKind::Any,
    }
}

fn listed<'v, 's>(schema: &'v Value<'s>) -> impl Iterator<Item = &'v Value<'s>> {
    let values = schema.get("enum").and_then(Value::as_array).unwrap_or_default();
    values.iter().chain(schema.get("const"))
}

/// The values that are listed, as JSON texts, each once.
fn values(schemas: &[&Value<'_>]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in schemas.iter().flat_map(|schema| listed(schema)).take(MOST) {
        let text = canonical(value);
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}
