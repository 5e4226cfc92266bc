//! The smallest value that fits a JSON Schema: official clients refuse a result that breaks its `outputSchema`.

use serde_json::{Map, Value, json};

/// A value that fits the schemas found in tool lists: types, constants, required properties and simple bounds.
pub(crate) fn example(schema: &Value) -> Value {
    if let Some(constant) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return constant.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(choice).and_then(|choices| choices.get(0)) {
            return example(first);
        }
    }
    let kind = schema.get("type");
    let kind = kind.and_then(Value::as_str).or_else(|| kind?.get(0)?.as_str());
    match kind {
        Some("string") => "x".repeat(bound(schema, "minLength")).into(),
        Some("number" | "integer") => match schema.get("minimum").or_else(|| schema.get("maximum")) {
            Some(limit) => limit.clone(),
            None => json!(0),
        },
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        Some("array") => {
            let item = schema.get("items").map_or(Value::Null, example);
            vec![item; bound(schema, "minItems")].into()
        }
        _ => object(schema),
    }
}

fn object(schema: &Value) -> Value {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let mut members = Map::new();
    for name in required.filter_map(Value::as_str) {
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        members.insert(name.into(), property.map_or(Value::Null, example));
    }
    Value::Object(members)
}

fn bound(schema: &Value, key: &str) -> usize {
    schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_parts_are_there_and_nothing_else() {
        let schema = json!({"type":"object","required":["a","b","c","d"],"properties":{
            "a":{"type":"array","minItems":1,"items":{"enum":["on","off"]}},
            "b":{"type":"number","minimum":3},
            "c":{"anyOf":[{"type":"string","minLength":2},{"type":"null"}]},
            "d":{"type":["boolean","null"]},
            "e":{"type":"string"}}});
        assert_eq!(example(&schema), json!({"a":["on"],"b":3,"c":"xx","d":false}));
        assert_eq!(example(&json!({})), json!({}));
    }
}
