//! Entries in JSON with comments: found by their spans, so that every byte around an edit stays as it is.

use super::{Broken, Fields, Found};
use jsonc_parser::ast::{Object, ObjectProp, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;

/// What the clients read: JSON, and where they allow them, comments and trailing commas.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The entries of the objects at these places, in order.
pub(super) fn entries(text: &str, places: &[Vec<String>]) -> Result<Vec<Found>, Broken> {
    let Some(root) = root(text)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for place in places {
        let Some(object) = object(text, &root, place)? else { continue };
        for property in &object.properties {
            let name = property.name.as_str().to_owned();
            let Node::Object(entry) = &property.value else {
                return Err(broken(text, property.start(), format!("`{name}` is no object")));
            };
            unique(text, entry)?;
            let fields = entry.properties.iter().map(|field| (field.name.as_str().to_owned(), value(&field.value)));
            let source = property.value.text(text).to_owned();
            found.push(Found { place: place.clone(), name, fields: fields.collect(), source });
        }
    }
    Ok(found)
}

/// Whether there is an object at this place.
pub(super) fn has(text: &str, place: &[String]) -> bool {
    matches!(root(text), Ok(Some(root)) if matches!(object(text, &root, place), Ok(Some(_))))
}

/// The text of a top-level member, parsed; `None` where there is none.
pub(super) fn member(text: &str, name: &str) -> Option<Value> {
    root(text).ok()??.get(name).map(|property| value(&property.value))
}

/// Writes other fields into an entry.
pub(super) fn replace(text: &str, place: &[String], name: &str, fields: &Fields) -> Result<String, Broken> {
    let (start, end, at) = span(text, place, name)?;
    let line = text.get(..at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    let indent = line.chars().all(|c| c == ' ' || c == '\t').then_some(line);
    Ok(with(text, start, end, &render(fields, indent, &unit(text), newline(text))))
}

/// Puts the text of an entry in place of the one that is there.
pub(super) fn put(text: &str, place: &[String], name: &str, source: &str) -> Result<String, Broken> {
    let (start, end, _) = span(text, place, name)?;
    Ok(with(text, start, end, source))
}

/// Adds an entry at the end of the object at this place, which is made where it is missing.
pub(super) fn add(text: &str, place: &[String], name: &str, fields: &Fields) -> Result<String, Broken> {
    if text.trim().is_empty() {
        return add("{\n}\n", place, name, fields);
    }
    root(text)?;
    let tree = tree(text)?;
    let mut object = tree.object_value_or_set();
    for key in place {
        object = object.object_value_or_set(key);
    }
    object.append(name, input_object(fields));
    Ok(tree.to_string())
}

/// Removes an entry; with it the object that it was in, where that is empty then and `whole` says so.
pub(super) fn remove(text: &str, place: &[String], name: &str, whole: bool) -> Result<String, Broken> {
    let tree = tree(text)?;
    let descend = |keys: &[String]| -> Option<CstObject> {
        keys.iter().try_fold(tree.object_value()?, |object, key| object.object_value(key))
    };
    let Some(object) = descend(place) else { return Ok(text.to_owned()) };
    if let Some(property) = object.get(name) {
        property.remove();
    }
    if whole
        && object.properties().is_empty()
        && let Some((last, above)) = place.split_last()
        && let Some(property) = descend(above).and_then(|object| object.get(last))
    {
        property.remove();
    }
    Ok(tree.to_string())
}

fn tree(text: &str) -> Result<CstRootNode, Broken> {
    CstRootNode::parse(text, &OPTIONS).map_err(|error| broken(text, error.range().start, error.kind().to_string()))
}

fn root(text: &str) -> Result<Option<Object<'_>>, Broken> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS)
        .map_err(|error| broken(text, error.range().start, error.kind().to_string()))?;
    match parsed.value {
        None => Ok(None),
        Some(Node::Object(object)) => Ok(Some(object)),
        Some(other) => Err(broken(text, other.start(), "it is no object".to_owned())),
    }
}

fn object<'o, 'a>(text: &str, root: &'o Object<'a>, place: &[String]) -> Result<Option<&'o Object<'a>>, Broken> {
    let mut object = root;
    unique(text, object)?;
    for key in place {
        match object.get(key) {
            None => return Ok(None),
            Some(ObjectProp { value: Node::Object(inner), .. }) => object = inner,
            Some(property) => return Err(broken(text, property.start(), format!("`{key}` is no object"))),
        }
        unique(text, object)?;
    }
    Ok(Some(object))
}

/// A key that is there twice means one thing to one reader and another to the next.
fn unique(text: &str, object: &Object<'_>) -> Result<(), Broken> {
    for (index, property) in object.properties.iter().enumerate() {
        let name = property.name.as_str();
        if object.properties.iter().take(index).any(|before| before.name.as_str() == name) {
            return Err(broken(text, property.start(), format!("`{name}` is there twice")));
        }
    }
    Ok(())
}

/// Where an entry's value begins and ends, and where its key begins.
fn span(text: &str, place: &[String], name: &str) -> Result<(usize, usize, usize), Broken> {
    let root = root(text)?;
    let property = match &root {
        Some(root) => object(text, root, place)?.and_then(|object| object.get(name)),
        None => None,
    };
    let property = property.ok_or_else(|| broken(text, 0, format!("there is no `{name}`")))?;
    Ok((property.value.start(), property.value.end(), property.start()))
}

fn with(text: &str, start: usize, end: usize, new: &str) -> String {
    format!("{}{new}{}", text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default())
}

fn value(node: &Node<'_>) -> Value {
    match node {
        Node::StringLit(text) => Value::String(text.value.to_string()),
        // What a strict reader calls a number always is one.
        Node::NumberLit(number) => serde_json::from_str(number.value).unwrap_or(Value::Null),
        Node::BooleanLit(bool) => Value::Bool(bool.value),
        Node::Object(object) => object
            .properties
            .iter()
            .map(|property| (property.name.as_str().to_owned(), value(&property.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Node::Array(array) => Value::Array(array.elements.iter().map(value).collect()),
        Node::NullKeyword(_) => Value::Null,
    }
}

/// The file's own step of indentation.
fn unit(text: &str) -> String {
    tree(text).ok().and_then(|tree| tree.single_indent_text()).unwrap_or_else(|| "  ".to_owned())
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The fields as an object: a line each where the entry begins a line, else all on one.
fn render(fields: &Fields, indent: Option<&str>, unit: &str, newline: &str) -> String {
    let items = fields.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)));
    match indent {
        None => format!("{{ {} }}", items.collect::<Vec<_>>().join(", ")),
        Some(indent) => {
            let lines = items.map(|item| format!("{indent}{unit}{item}")).collect::<Vec<_>>();
            format!("{{{newline}{}{newline}{indent}}}", lines.join(&format!(",{newline}")))
        }
    }
}

/// A value on one line, as people write it.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let items = members.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)));
            format!("{{ {} }}", items.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn input_object(fields: &Fields) -> CstInputValue {
    CstInputValue::Object(fields.iter().map(|(key, value)| (key.clone(), input(value))).collect())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(bool) => CstInputValue::Bool(*bool),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => {
            CstInputValue::Object(members.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}

fn broken(text: &str, at: usize, why: String) -> Broken {
    let (line, column) = callgate_json::line_column(text.as_bytes(), at);
    Broken { line, column, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "{\n\t// my servers\n\t\"theme\": \"dark\",\n\t\"mcpServers\": {\n\t\t\"a\": { \"command\": \"x\", /* why */ \"args\": [1,2,], },\n\t\t\"b\": {\n\t\t\t\"url\": \"http://h/\" // there\n\t\t},\n\t},\n}\n";

    fn servers() -> Vec<String> {
        vec!["mcpServers".to_owned()]
    }

    fn fields() -> Fields {
        vec![("type".into(), json!("http")), ("headers".into(), json!({ "A": "b" }))]
    }

    #[test]
    fn an_entry_is_replaced_and_put_back_byte_for_byte() {
        for name in ["a", "b"] {
            let found = entries(FILE, &[servers()]).unwrap();
            let source = &found.iter().find(|found| found.name == name).unwrap().source;
            let replaced = replace(FILE, &servers(), name, &fields()).unwrap();
            let after = entries(&replaced, &[servers()]).unwrap();
            assert_eq!(after.iter().find(|found| found.name == name).unwrap().fields, fields());
            assert!(replaced.contains("\n\t\t\t\"headers\": { \"A\": \"b\" }\n\t\t}"), "{replaced}");
            assert_eq!(put(&replaced, &servers(), name, source).unwrap(), FILE);
        }
    }

    #[test]
    fn an_entry_is_added_and_removed() {
        let crlf = "{\r\n    \"mcpServers\": {\r\n        \"a\": {}\r\n    }\r\n}\r\n";
        for before in [FILE, crlf, "{ \"x\": 1 }", "{\"mcpServers\":{\"a\":{}}}", "{}", ""] {
            let after = add(before, &servers(), "new", &fields()).unwrap();
            let found = entries(&after, &[servers()]).unwrap();
            assert_eq!(found.last().unwrap().fields, fields(), "{after}");
            let whole = !has(before, &servers());
            let removed = remove(&after, &servers(), "new", whole).unwrap();
            assert_eq!(entries(&removed, &[servers()]).unwrap(), entries(before, &[servers()]).unwrap(), "{removed}");
            assert_eq!(has(&removed, &servers()), has(before, &servers()), "{removed}");
        }
    }

    #[test]
    fn what_is_broken_has_a_place() {
        for (text, line, why) in [
            ("{\n  \"mcpServers\": []\n}", 2, "is no object"),
            ("{\n\"mcpServers\": {\n \"a\": 1 } }", 3, "`a` is no object"),
            ("{\n\"mcpServers\": {},\n\"mcpServers\": {} }", 3, "is there twice"),
            ("{\n\"mcpServers\": {\n \"a\": {\"url\":\"x\", \"url\":\"y\"} } }", 3, "`url` is there twice"),
            ("{\n mcpServers: {} }", 2, ""),
            ("[]", 1, "it is no object"),
        ] {
            let broken = entries(text, &[servers()]).unwrap_err();
            assert_eq!(broken.line, line, "{text}: {}", broken.why);
            assert!(broken.why.contains(why), "{}", broken.why);
        }
    }
}
