use super::*;
use expect_test::{Expect, expect};

/// One line per difference: what became of it, its rule, what it does, and the lines.
fn check(old: &str, new: &str, expected: Expect) {
    let line = |line: Option<u32>| line.map_or_else(|| "-".to_owned(), |line| line.to_string());
    let row = |row: &RuleDifference| {
        let (change, effect) = (word(&row.change), word(&row.effect));
        format!("{change} {} {effect} {} {}\n", row.rule, line(row.before_line), line(row.after_line))
    };
    let rules = Difference::between(("1", old), ("2", new)).rules.unwrap();
    expected.assert_eq(&rules.iter().map(row).collect::<String>());
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

fn document(default: &str, rest: &str) -> String {
    let rest = if rest.is_empty() { String::new() } else { format!(",\n{rest}") };
    format!(r#"{{"version":"1","default":"{default}"{rest}}}"#)
}

#[test]
fn spelling_order_and_words_are_no_difference_of_meaning() {
    let old = document("deny", r#""tools": {"a": {"action": "deny", "reason": "no"}, "b": {}}"#);
    let new = document("deny", r#""tools": {"b": {}, "a": {"deny_if": [{"conditions": [], "on_deny": "no"}]}}"#);
    check(&old, &new, expect![""]);
    assert!(!Difference::between(("1", &old), ("2", &new)).text.is_empty());
    let new = new.replace("\"no\"", "\"never\"");
    check(
        &old,
        &new,
        expect![[r#"
        changed /tools/a/deny_if/always none 2 2
    "#]],
    );
}

#[test]
fn settings_and_lists() {
    check(
        &document("allow", r#""hide": ["x", "y"]"#),
        &document("deny", r#""list": "callable", "hide": ["y", "a/b"], "tools": {"t": {}}"#),
        expect![[r#"
            changed /default stricter - -
            changed /list none - -
            removed /hide/x looser - -
            added /hide/a~1b stricter - -
            added /tools/t none - -
        "#]],
    );
    check(
        &document("deny", r#""tools": {"a": {}, "read_*": {}}"#),
        &document("deny", r#""tools": {"b": {}, "read_*": {}, "read_x": {}}"#),
        expect![[r#"
            removed /tools/a stricter - -
            added /tools/b looser - -
            added /tools/read_x none - -
        "#]],
    );
    check(
        &document("deny", ""),
        &document("deny", r#""prompts": {"allow": ["a"], "deny": ["b"]}"#),
        expect![[r#"
            added /prompts either - -
            added /prompts/allow stricter - 2
            added /prompts/deny/b stricter - 2
        "#]],
    );
    check(
        &document("deny", r#""prompts": {"allow": ["a", "b"], "deny": ["c"]}"#),
        &document("deny", r#""prompts": {"allow": ["a"]}"#),
        expect![[r#"
            changed /prompts/allow stricter 2 2
            removed /prompts/deny/c looser 2 -
        "#]],
    );
}

#[test]
fn rules_of_tools() {
    let limit = |max: &str, more: &str| {
        format!(
            r#""tools": {{"t": {{"limits": [{{"counter": "c", "window": "day", "max": {max}, "scope": "grant"{more}}}]}}}}"#
        )
    };
    for (old, new, effect) in [
        (limit("10", ""), limit("20", ""), "looser"),
        (limit("10", ""), limit("9.5", ""), "stricter"),
        (limit("10", ""), limit("10", r#", "mode": "shadow""#), "looser"),
        (limit("10", r#", "mode": "shadow""#), limit("20", ""), "stricter"),
        (limit("10", r#", "mode": "shadow""#), limit("20", r#", "mode": "shadow""#), "none"),
        (limit("10", ""), limit("20", r#", "strategy": "sliding""#), "either"),
        // Different numbers, and the same as floats.
        (limit("9007199254740993", ""), limit("9007199254740992", ""), "either"),
    ] {
        let difference = Difference::between(("1", &document("deny", &old)), ("2", &document("deny", &new)));
        let rules = difference.rules.unwrap();
        let found: Vec<_> = rules.iter().map(|row| (word(&row.change), row.rule.as_str(), word(&row.effect))).collect();
        assert_eq!(found, [("changed".to_owned(), "/tools/t/limits/c", effect.to_owned())], "{old}\n{new}");
    }
}

#[test]
fn a_rule_whose_number_moved_is_the_same_rule() {
    let rule = |value: u32| format!(r#"{{"conditions": [{{"path": "args.n", "op": "gt", "value": {value}}}]}}"#);
    let tools = |rules: &[u32]| {
        let rules: Vec<String> = rules.iter().map(|value| rule(*value)).collect();
        document(
            "deny",
            &format!("\"tools\": {{\"t\": {{\"validate_arguments\": true, \"deny_if\": [\n{}]}}}}", rules.join(",\n")),
        )
    };
    check(
        &tools(&[1, 2, 3]),
        &tools(&[2, 3]),
        expect![[r#"
        removed /tools/t/deny_if/args.n-gt looser 3 -
    "#]],
    );
    check(
        &tools(&[1, 2]),
        &tools(&[1, 5, 2]),
        expect![[r#"
        added /tools/t/deny_if/args.n-gt#2 stricter - 4
    "#]],
    );
    check(
        &tools(&[1, 2]),
        &tools(&[1, 4]),
        expect![[r#"
        changed /tools/t/deny_if/args.n-gt#2 either 4 4
    "#]],
    );
}

#[test]
fn a_document_that_cannot_be_read_has_only_its_text() {
    let difference = Difference::between(("1", "{"), ("2", "{}\n"));
    assert!(difference.rules.is_none());
    assert!(difference.text.ends_with("+{}\n"), "{}", difference.text);
}
