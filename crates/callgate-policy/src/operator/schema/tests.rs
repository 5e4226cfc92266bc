use super::{CompiledSchema, Mismatch};
use callgate_json::{Limits, parse};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

fn check(schema: &Value, instance: &Value) -> Result<(), Mismatch> {
    let compiled = CompiledSchema::default();
    compiled.compile(&schema.to_string()).map_err(Mismatch::Fault)?;
    let text = instance.to_string();
    let limits = Limits { max_bytes: text.len(), max_values: usize::MAX, max_depth: 200, ..Limits::default() };
    compiled.check(&parse(text.as_bytes(), &limits).unwrap())
}

fn fault(schema: &Value, instance: &Value) -> String {
    match check(schema, instance) {
        Err(Mismatch::Fault(why)) => why,
        other => panic!("{other:?} of {}", schema.to_string().chars().take(300).collect::<String>()),
    }
}

/// `{"$defs": {"d0": of(0), …}, "$ref": "#/$defs/d0"}`
fn chain(length: usize, of: impl Fn(usize) -> Value) -> Value {
    let defs: serde_json::Map<String, Value> = (0..length).map(|index| (format!("d{index}"), of(index))).collect();
    json!({ "$defs": defs, "$ref": "#/$defs/d0" })
}

fn next(index: usize) -> Value {
    json!({ "$ref": format!("#/$defs/d{}", index + 1) })
}

#[test]
fn what_does_not_fit_is_named_with_its_place_and_without_its_value() {
    let schema = json!({
        "type": "object", "required": ["amount"], "additionalProperties": false,
        "properties": { "amount": { "type": "integer", "minimum": 1 }, "to": { "items": { "pattern": "^[a-z]+$" } } },
    });
    for (instance, expected) in [
        (json!({ "amount": 1, "to": ["ada"] }), None),
        (json!({}), Some("the value itself \"amount\" is a required property")),
        (json!({ "amount": "secret" }), Some("`/amount` the value is not of type \"integer\"")),
        (json!({ "amount": 0 }), Some("`/amount` the value is less than the minimum of 1")),
        (json!({ "amount": 1, "to": ["ada", "s3cret"] }), Some("`/to/1` the value does not match \"^[a-z]+$\"")),
    ] {
        let found = check(&schema, &instance);
        let expected = expected.map(|text| Mismatch::Invalid(text.to_owned()));
        assert_eq!(found.err(), expected, "{instance}");
    }
    let Err(Mismatch::Invalid(several)) = check(&schema, &json!({ "amount": 0, "x": 1, "to": ["A", "B", "C"] })) else {
        panic!("it does not fit")
    };
    assert_eq!(several.split("; ").count(), 3, "{several}");
}

#[test]
fn what_could_take_long_is_refused_before_it_is_tried() {
    let text = "a".repeat(600_000);
    let deep = (0..60).fold(json!({}), |inner, _| json!({ "x": inner }));
    let twice = |index: usize| json!({ "anyOf": [next(index), next(index)] });
    let doubling = json!({ "$defs": { "t": { "allOf": [
        { "properties": { "x": { "$ref": "#/$defs/t" } } }, { "properties": { "x": { "$ref": "#/$defs/t" } } }
    ] } }, "$ref": "#/$defs/t" });
    let again = json!({ "$defs": { "t": {
        "properties": { "x": { "$ref": "#/$defs/t" } }, "anyOf": [{ "properties": { "x": { "$ref": "#/$defs/t" } } }],
        "unevaluatedProperties": false
    } }, "$ref": "#/$defs/t" });
    let names: serde_json::Map<String, serde_json::Value> =
        (0..20_000).map(|name| (format!("n{name}"), json!([]))).collect();
    let objects = json!({ "x": vec![json!({ "z": 1 }); 5_000] });
    let holding =
        |keyword: &str, names: serde_json::Value| json!({ "properties": { "x": { "items": { keyword: names } } } });
    let cases = [
        (holding("dependentRequired", json!(names)), objects.clone(), "may 1000000 times"),
        (holding("dependencies", json!(names)), objects.clone(), "may 1000000 times"),
        (holding("dependentRequired", json!({ "n": names.keys().collect::<Vec<_>>() })), objects, "may 1000000 times"),
        (json!({ "$ref": "#" }), json!({}), "without end"),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
            json!({}),
            "without end",
        ),
        (json!({ "$dynamicAnchor": "x", "allOf": [{ "$dynamicRef": "#x" }] }), json!({}), "without end"),
        (
            chain(40, |index| if index < 39 { twice(index) } else { json!({ "type": "string" }) }),
            json!({}),
            "more than 50000 times",
        ),
        (chain(5_000, |index| if index < 4_999 { next(index) } else { json!({}) }), json!({}), "deep"),
        (doubling, deep.clone(), "could look"),
        (again, deep.clone(), "could look"),
        (json!({ "$ref": "https://example.com/schema.json" }), json!({}), "another document"),
        (json!({ "$ref": "file:///etc/passwd" }), json!({}), "another document"),
        (json!({ "$ref": "other.json#/a" }), json!({}), "another document"),
        (json!({ "$ref": "#/nothing" }), json!({}), "refers to nothing"),
        (json!({ "pattern": "(a{1000}){1000}" }), json!("a"), "\"regex\""),
        (json!({ "pattern": "(?=a)a" }), json!("a"), "regex"),
        (json!({ "pattern": "(a|aa)+(b|bb){100}$" }), json!(text), "bytes of text"),
        (json!({ "items": { "enum": (0..2_000).collect::<Vec<_>>() } }), json!(vec![5_000; 2_000]), "could look"),
        (
            json!({ "allOf": (0..600).map(|index| json!({ "pattern": format!("a{index}") })).collect::<Vec<_>>() }),
            json!(""),
            "patterns",
        ),
    ];
    for (schema, instance, why) in cases {
        let found = fault(&schema, &instance);
        assert!(found.contains(why), "{found}: expected {why}");
    }
}

#[test]
fn what_honest_schemas_do_is_not_too_much() {
    let deep = (0..25).fold(json!({}), |inner, _| json!({ "children": [inner], "name": "n" }));
    let tree = json!({ "$defs": { "node": {
        "type": "object", "properties": { "name": { "type": "string" }, "children": { "items": { "$ref": "#/$defs/node" } } },
        "additionalProperties": false
    } }, "$ref": "#/$defs/node" });
    let many = json!({ "rows": (0..20_000).map(|id| json!({ "id": id })).collect::<Vec<_>>() });
    let table = json!({ "properties": { "rows": { "items": { "properties": { "id": { "type": "integer" } }, "required": ["id"] } } } });
    let names =
        json!({ "properties": { "name": { "pattern": "^[a-zA-Z0-9_-]{1,64}$" }, "body": { "type": "string" } } });
    let written = json!({ "name": "a_b", "body": "x".repeat(300_000) });
    let chained = chain(300, |index| json!({ "properties": { "x": next(index % 299) } }));
    for (schema, instance) in [(tree, deep), (table, many), (names, written), (chained, json!({ "x": { "x": {} } }))] {
        assert_eq!(check(&schema, &instance), Ok(()));
    }
}

#[test]
fn a_schema_of_many_parts_that_lead_to_each_other_is_compiled() {
    // On a thread's own small stack, as calls are decided.
    let schema = chain(3_000, |index| {
        if index < 2_999 { json!({ "properties": { "x": next(index) } }) } else { json!({ "type": "string" }) }
    });
    let checked = std::thread::spawn(move || check(&schema, &json!({ "x": { "x": 1 } }))).join().unwrap();
    assert_eq!(checked, Ok(()));
}

/// The published test suite for 2020-12, and the list of what does not pass in `docs/json-schema.md`. Where this fails,
/// `UPDATE_EXPECT=1` writes the list anew.
#[test]
fn the_published_suite_passes_but_for_what_the_docs_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let suite = root.join(".cache/peers/python-src/jsonschema/json/tests/draft2020-12");
    assert!(suite.is_dir(), "the test peers are not installed: run `cargo xtask peers`");
    let mut failing = BTreeSet::new();
    let mut count = 0;
    for file in std::fs::read_dir(&suite).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let groups: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for group in &groups {
            for test in group["tests"].as_array().unwrap() {
                count += 1;
                let found = check(&group["schema"], &test["data"]);
                let passes = match &found {
                    Ok(()) => test["valid"] == true,
                    Err(Mismatch::Invalid(_)) => test["valid"] == false,
                    Err(Mismatch::Fault(_)) => false,
                };
                if !passes {
                    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
                    let how = if matches!(found, Err(Mismatch::Fault(_))) { "refused" } else { "decided otherwise" };
                    let text = |value: &Value| value["description"].as_str().unwrap().to_owned();
                    failing.insert(format!("- `{name}`: {}: {} ({how})", text(group), text(test)));
                }
            }
        }
    }
    assert!(count > 1_000, "{count} tests");
    let page = root.join("docs/json-schema.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, _) = text.split_once("<!-- what does not pass -->\n").unwrap();
    let list: Vec<String> = failing.into_iter().collect();
    let expected = format!("{head}<!-- what does not pass -->\n{}\n", list.join("\n"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&page, &expected).unwrap();
        return;
    }
    assert!(text == expected, "docs/json-schema.md lists other tests; what does not pass is:\n{}", list.join("\n"));
}
