use super::*;
use expect_test::{Expect, expect};
use std::collections::BTreeMap;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Example {
    name: String,
    #[serde(default)]
    on: bool,
    #[serde(default)]
    kind: Option<Sort>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    list: Vec<u8>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    One,
    Two,
}

fn check(body: &str, expected: Expect) {
    let text = match read::<Example>(body.as_bytes()) {
        Ok(_) => "good".to_owned(),
        Err(problem) => serde_json::to_string(&problem).unwrap(),
    };
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or(text.into());
    let line = |value: &serde_json::Value| {
        format!("{} {}", value["code"].as_str().unwrap(), value["detail"].as_str().unwrap())
    };
    expected.assert_eq(&if value.is_string() { "good".to_owned() } else { line(&value) });
}

#[test]
fn bodies_are_read_strictly_and_errors_say_the_place_but_no_value() {
    check(r#"{"name":"x","kind":"one","headers":{"a":"b"},"list":[1]}"#, expect!["good"]);
    check(r#"{"name":"x","on":"hunter2"}"#, expect!["CG3145 `/on` of the body: expected a boolean"]);
    check(
        r#"{"name":"x","headers":{"a":"b","c":{"hunter2":1}}}"#,
        expect!["CG3145 `/headers/c` of the body: expected a string"],
    );
    check(r#"{"name":"x","list":[1,2,700]}"#, expect!["CG3145 `/list/2` of the body: expected u8"]);
    check(r#"{"name":"x","kind":"hunter2"}"#, expect!["CG3145 `/kind` of the body: expected `one` or `two`"]);
    check(
        r#"{"name":"x","more":"hunter2"}"#,
        expect![
            "CG3145 `/more` of the body: unknown field `more`, expected one of `name`, `on`, `kind`, `headers`, `list`"
        ],
    );
    check(r#"{"on":true}"#, expect!["CG3145 the body: missing field `name`"]);
    check(r#""hunter2""#, expect!["CG3145 the body: expected struct Example"]);
    check(
        "{\"name\":\"x\",\"headers\":{\"a\":\"hunter2\\u0000\"}}",
        expect!["CG3145 `/headers/a` of the body: the character U+0000 can't be kept"],
    );
    check(
        "{\"name\":\"x\",\n \"name\":\"y\"}",
        expect![
            "CG3144 the body is not JSON as it has to be: line 2, column 2: the key `name` stands twice in one object"
        ],
    );
    check("", expect!["CG3144 the body is not JSON as it has to be: line 1, column 1: ends in the middle of a value"]);
}
