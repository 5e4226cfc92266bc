//! Clicks come through forms as they are.

use super::*;
use crate::builder::model::{Asking, Operand};
use callgate_policy::{Category, Unlisted};

fn rule() -> Rule {
    let condition = |path: &str, op: &str, form, text: &str| Condition {
        path: path.into(),
        op: op.into(),
        value: Operand { form, text: text.into() },
    };
    Rule {
        name: "a \"b\" </script>".into(),
        description: "two\nlines".into(),
        conditions: vec![
            condition("args[\"a.b\"]", "eq", OperandForm::Number, "1.0"),
            condition("args.a", "exists", OperandForm::Absent, ""),
            condition("args.a", "in", OperandForm::Texts, "x\ny & z"),
        ],
        any: vec![condition("", "cel", OperandForm::Text, "args.a == 1")],
        on_deny: "é\u{202e}".into(),
        shadow: true,
        quiet: true,
        asking: Asking {
            timeout: "30m".into(),
            ask: "hold".into(),
            hold_for: "1m".into(),
            four_eyes: true,
            remember_for: "1h".into(),
            include_arguments: true,
        },
    }
}

fn actions() -> Vec<Action> {
    let entry = EntryKey::Tool("a:b\u{0}\"".into());
    let list = RowList::new(EntryKey::Category(Category::Write), Bearing::ResultsDenyIf);
    let condition = rule().conditions[0].clone();
    let limit = Limit {
        counter: "c".into(),
        window: "90s".into(),
        max: "1e3".into(),
        scope: "grant".into(),
        sliding: true,
        shadow: true,
        on_deny: "no".into(),
        ..Limit::default()
    };
    let flight =
        Limit { counter: "c".into(), concurrent: true, max: "2".into(), scope: "server".into(), ..Limit::default() };
    let own = Redact::Own { name: "n".into(), regex: "[&=]+".into() };
    let results = Results {
        redact: vec![Redact::Known("secrets".into()), own],
        max_bytes: "5".into(),
        on_deny: "x".into(),
        shadow: true,
        description: "d".into(),
    };
    vec![
        Action::Choose { tool: "</script>".into(), choice: Choice::Custom },
        Action::Bulk { group: Group::Category(Category::Read), choice: Choice::Allow },
        Action::Bulk { group: Group::Risk("high".into()), choice: Choice::Hide },
        Action::Bulk { group: Group::All, choice: Choice::Inherit },
        Action::Recommended { tool: None },
        Action::Recommended { tool: Some(String::new()) },
        Action::SetDefault(Unlisted::Allow),
        Action::SetList { callable: true },
        Action::SetAbout { name: "n".into(), description: "a\nb".into() },
        Action::Hide { pattern: "delete_*".into() },
        Action::Unhide { index: 3 },
        Action::AddEntry { entry: EntryKey::AllTools },
        Action::RemoveEntry { entry: entry.clone() },
        Action::SetEntry { entry: entry.clone(), description: "d".into(), validate_arguments: true },
        Action::AddRule { list: list.clone(), rule: rule() },
        Action::EditRule { list: list.clone(), index: 1, rule: rule() },
        Action::SetMessage { list: list.clone(), index: 1, message: "m".into() },
        Action::AddCondition { list: list.clone(), index: 0, any: true, condition: condition.clone() },
        Action::EditCondition { list: list.clone(), index: 0, any: false, at: 2, condition },
        Action::RemoveCondition { list: list.clone(), index: 0, any: true, at: 2 },
        Action::AddLimit { entry: entry.clone(), limit },
        Action::EditLimit { entry, index: 0, limit: flight },
        Action::RemoveRow { list, index: 7 },
        Action::SetResults { entry: EntryKey::Document, results },
    ]
}

#[test]
fn every_click_is_read_back_from_its_fields() {
    for action in actions() {
        let fields = action.fields();
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(Action::of_form(&form(&pairs)).as_ref(), Ok(&action), "{fields:?}");
    }
}

#[test]
fn what_is_no_click_says_which_field() {
    for (fields, field) in [
        (&[][..], "action"),
        (&[("action", "drop")], "action"),
        (&[("action", "choose"), ("tool", "a"), ("choice", "maybe")], "choice"),
        (&[("action", "bulk"), ("group", "risk:none"), ("choice", "allow")], "group"),
        (&[("action", "add_entry"), ("entry", "category:odd")], "entry"),
        (&[("action", "remove_row"), ("entry", "all_tools"), ("rows", "tools")], "rows"),
        (&[("action", "unhide"), ("index", "-1")], "index"),
        (&[("action", "add_rule"), ("entry", "all_tools"), ("rows", "require"), ("path", "args.a")], "op"),
    ] {
        let bad = Action::of_form(&form(fields)).unwrap_err();
        assert_eq!(bad.field, field, "{bad}");
    }
}

#[test]
fn values_are_written_as_the_schema_has_them() {
    let schema = r#"{ "name": "t", "inputSchema": { "type": "object", "properties": {
        "n": { "type": "integer" }, "s": { "type": "string" }, "b": { "type": "boolean" },
        "l": { "type": "array", "items": { "type": "number" } }, "o": {} } } }"#;
    let tools = [ToolFacts::read(schema).unwrap()];
    for (path, op, value, written) in [
        ("args.n", "eq", "5", Ok("5")),
        ("args.n", "eq", "5.0", Ok("5.0")),
        ("args.n", "in", "1\r\n2", Ok("[1, 2]")),
        ("args.n", "eq", "five", Err("`five` is no number")),
        ("args.s", "eq", "5", Ok("\"5\"")),
        ("args.s", "in", "5", Ok("[\"5\"]")),
        ("args.s", "regex", "^\"\\d$", Ok("\"^\\\"\\\\d$\"")),
        ("args.b", "eq", "true", Ok("true")),
        ("args.b", "in", "true\nfalse", Ok("[true, false]")),
        ("args.l[*]", "eq", "1e3", Ok("1e3")),
        ("args.l", "length_lte", "3", Ok("3")),
        ("args.o", "eq", "5", Ok("5")),
        ("args.o", "eq", "plain", Ok("\"plain\"")),
        ("args.o", "eq", "{\"a\":[1]}", Ok("{ \"a\": [1] }")),
        ("args.o", "json_schema", "{\"type\"", Err("is no JSON")),
        ("args.o", "path_within", "/srv", Ok("[\"/srv\"]")),
        ("time.hour", "lt", "8", Ok("8")),
    ] {
        let fields = [
            ("action", "add_rule"),
            ("entry", "tool:t"),
            ("rows", "require"),
            ("path", path),
            ("op", op),
            ("value", value),
        ];
        let applied = Draft::read("").apply(&Action::of_form(&form(&fields)).unwrap(), &tools);
        match (applied, written) {
            (Ok(applied), Ok(written)) => {
                assert!(applied.text.contains(&format!("\"value\": {written} }}")), "{path} {op}: {}", applied.text);
            }
            (Err(refused), Err(why)) => assert!(refused.to_string().contains(why), "{refused}"),
            (applied, _) => panic!("{path} {op} {value}: {applied:?}"),
        }
    }
    // What was not touched stays as it was written, whatever the schema says now.
    let text = r#"{ "version": "1", "default": "deny", "tools": { "t": { "deny_if": [{ "conditions": [{ "path": "args.s", "op": "eq", "value": 5.50 }] }] } } }"#;
    let fields = [("action", "edit_rule"), ("entry", "tool:t"), ("rows", "deny_if"), ("index", "0")];
    let same = [&fields[..], &[("path", "args.s"), ("op", "eq"), ("value", "5.50")]].concat();
    assert_eq!(posted(text, &same, &tools), text);
    let other = [&fields[..], &[("path", "args.s"), ("op", "eq"), ("value", "x")]].concat();
    assert_eq!(posted(text, &other, &tools), text.replace("5.50", "\"x\""));
}

#[test]
fn a_value_goes_with_the_argument_that_it_is_compared_with() {
    let schema = r#"{ "name": "t", "inputSchema": { "type": "object", "properties": {
        "n": { "type": "integer" }, "s": { "type": "string" }, "o": {} } } }"#;
    let tools = [ToolFacts::read(schema).unwrap()];
    let text = |path: &str, value: &str| {
        format!(
            r#"{{ "version": "1", "default": "deny", "tools": {{ "t": {{ "deny_if": [{{ "conditions": [{{ "path": "{path}", "op": "eq", "value": {value} }}] }}] }} }} }}"#
        )
    };
    for (before, after) in [
        (("args.n", "5"), ("args.s", "\"5\"")),
        (("args.s", "\"5\""), ("args.n", "5")),
        (("args.s", "\"5\""), ("args.o", "\"5\"")),
        (("args.n", "5"), ("args.unknown", "5")),
        // Nobody touched it.
        (("args.s", "5"), ("args.s", "5")),
    ] {
        let place = [("entry", "tool:t"), ("rows", "deny_if"), ("index", "0"), ("at", "0")];
        let typed = [("action", "edit_condition"), ("path", after.0), ("op", "eq"), ("value", "5")];
        let text = |(path, value)| text(path, value);
        assert_eq!(posted(&text(before), &[&place[..], &typed].concat(), &tools), text(after), "{before:?} {after:?}");
    }
}

#[test]
fn what_is_taken_out_keeps_its_order_and_its_spelling() {
    const OWN: &str = r#"{"name": "customer",  "regex": "C-[0-9]+", "more": 1}"#;
    let text = |results: &str| format!(r#"{{ "version": "1", "default": "deny", "results": {{ {results} }} }}"#);
    let before = text(&format!(r#""redact": ["email", {OWN}, 5, "secrets"], "max_bytes": 5"#));
    let own = [("action", "results"), ("entry", "document"), ("own_name", "customer"), ("own_regex", "C-[0-9]+")];
    // Boxes come first, in an order of their own; the empty field is the one for another detector.
    for (typed, after) in [
        (
            &[("redact", "secrets"), ("redact", "email"), ("redact", ""), ("max_bytes", "6")][..],
            before.replace("5 }", "6 }"),
        ),
        (
            &[("redact", "secrets"), ("redact", "email"), ("redact", "iban"), ("redact", "iban"), ("max_bytes", "5")],
            before.replace("\"secrets\"", "\"secrets\", \"iban\""),
        ),
        (&[("redact", "secrets"), ("max_bytes", "5")], before.replace("\"email\", ", "")),
    ] {
        assert_eq!(posted(&before, &[&own[..], typed].concat(), &[]), after, "{typed:?}");
    }
    // What nobody knows keeps the list, and the whole, from going.
    assert_eq!(posted(&before, &own[..2], &[]), text(r#""redact": [5]"#));
    let known = text(r#""redact": ["secrets"], "max_bytes": 5"#);
    assert_eq!(posted(&known, &[own[0], own[1], ("max_bytes", "5")], &[]), text(r#""max_bytes": 5"#));
    assert_eq!(posted(&known, &own[..2], &[]), r#"{ "version": "1", "default": "deny" }"#);
    let noted = text(r#""redact": ["secrets"], "note": "x""#);
    assert_eq!(posted(&noted, &own[..2], &[]), text(r#""note": "x""#));
}
