//! Names and texts that want to be something else.

use super::*;
use crate::builder::draft::Refused;
use crate::builder::matrix::Standing;
use callgate_policy::Policy;

#[test]
fn hostile_names_are_names() {
    let long = "x".repeat(5_000);
    let names = [
        "\"",
        "\\",
        "</script><script>alert(1)</script>",
        "a/b~c",
        "~0",
        "__proto__",
        "\u{202e}evil",
        "\u{0}\u{7f}",
        "e\u{301}",
        "\n",
        " ",
        "😀",
        "tools",
        "{}",
        &long,
    ];
    let tools: Vec<ToolFacts> = names.iter().map(|name| tool(name)).collect();
    for default in ["allow", "deny"] {
        let mut text = NEW.replace("\"deny\"", &format!("\"{default}\""));
        for (index, name) in names.iter().enumerate() {
            for choice in [Choice::Hide, Choice::Custom, Choice::Deny, Choice::Allow, Choice::Custom] {
                text = click(&text, &Action::Choose { tool: (*name).into(), choice }, &tools);
                let draft = Draft::read(&text);
                assert!(Policy::parse(text.as_bytes()).is_ok(), "{:?}\n{text}", draft.problems);
                assert_eq!(draft.view(&tools).tools[index].choice, choice, "{name:?}\n{text}");
            }
        }
        let rows = matrix("", &text, &tools).rows;
        assert!(rows.iter().all(|row| row.after.standing == Standing::Custom && row.changed == Changed::Opened));
    }
}

#[test]
fn what_can_not_be_named_is_refused() {
    let tools = [tool("a*b"), tool("plain")];
    for choice in [Choice::Allow, Choice::Hide, Choice::Custom] {
        let refused = Draft::read("").apply(&Action::Choose { tool: "a*b".into(), choice }, &tools).unwrap_err();
        assert!(matches!(&refused, Refused::Impossible(why) if why.contains("can't be named alone")), "{refused}");
    }
    let applied = Draft::read("").apply(&Action::Bulk { group: Group::All, choice: Choice::Allow }, &tools).unwrap();
    assert_eq!(applied.left.len(), 1);
    assert!(!applied.text.contains("a*b"));
    let nameless = Action::AddEntry { entry: EntryKey::Tool(String::new()) };
    assert!(matches!(Draft::read("").apply(&nameless, &tools), Err(Refused::Impossible(_))));
}

#[test]
fn a_text_that_can_be_read_in_two_ways_is_not_clicked_in() {
    let tools = [tool("a")];
    for (text, line, column, shows) in [
        ("{\n  \"version\": \"1\", }", 2, 19, false),
        ("{\n\"tools\": { \"a\": {},\n \"\\u0061\": {} } }", 3, 2, true),
        ("[]", 1, 1, false),
        ("null", 1, 1, false),
        ("{\"a\": \"\\ud800\"}", 1, 8, false),
        ("\u{feff}{}", 1, 1, false),
    ] {
        let draft = Draft::read(text);
        let view = draft.view(&tools);
        assert!(!view.editable && !view.problems.is_empty(), "{text}");
        assert_eq!(view.readable, shows, "{text}");
        let refused = draft.apply(&Action::Choose { tool: "a".into(), choice: Choice::Hide }, &tools).unwrap_err();
        assert!(
            matches!(refused, Refused::Unreadable { line: l, column: c, .. } if (l, c) == (line, column)),
            "{refused}"
        );
    }
}

#[test]
fn parts_of_the_wrong_kind_are_shown_and_left() {
    let text = r#"{
  "version": "1", "default": "deny", "hide": "x",
  "all_tools": [], "categories": { "odd": {}, "read": 5 }, "unknown": { "a": 1 },
  "tools": { "a": { "require": {}, "deny_if": [5, { "conditions": 7, "on_deny": 8, "more": 9 }], "limits": [{ "max": "9" }] } }
}"#;
    let tools = [tool("a")];
    let draft = Draft::read(text);
    let view = draft.view(&tools);
    let keys = |text_only: &[TextOnly]| text_only.iter().map(|part| part.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&view.text_only), ["hide", "all_tools", "unknown"]);
    let entry = view.tools[0].entry.as_ref().unwrap();
    assert_eq!(keys(&entry.text_only), ["require"]);
    assert_eq!(keys(&entry.deny_if[0].text_only), ["0"]);
    assert_eq!(keys(&entry.deny_if[1].text_only), ["conditions", "on_deny", "more"]);
    assert_eq!(keys(&entry.limits[0].text_only), ["max"]);
    let list = |bearing| RowList::new(EntryKey::Tool("a".into()), bearing);
    for action in [
        Action::Hide { pattern: "y".into() },
        Action::AddRule { list: list(Bearing::Require), rule: Rule::default() },
        Action::EditRule { list: list(Bearing::DenyIf), index: 0, rule: Rule::default() },
    ] {
        assert!(matches!(draft.apply(&action, &tools), Err(Refused::Odd(_))), "{action:?}");
    }
    let gone = Action::RemoveRow { list: list(Bearing::Limits), index: 4 };
    assert!(matches!(draft.apply(&gone, &tools), Err(Refused::Gone(_))));
    let said = Action::SetMessage { list: list(Bearing::DenyIf), index: 1, message: "no".into() };
    assert_eq!(click(text, &said, &tools), text.replace("\"on_deny\": 8", "\"on_deny\": \"no\""));
}

#[test]
fn a_thousand_tools_are_one_pass() {
    let tools: Vec<ToolFacts> = (0..1_000).map(|number| tool(&format!("tool_{number}"))).collect();
    let allowed = click("", &Action::Bulk { group: Group::All, choice: Choice::Allow }, &tools);
    let custom = click(&allowed, &Action::Bulk { group: Group::All, choice: Choice::Custom }, &tools);
    assert_eq!(Policy::parse(custom.as_bytes()).map(|policy| policy.rules().len()), Ok(1_000));
    let view = Draft::read(&custom).view(&tools);
    assert!(view.tools.iter().all(|tool| tool.choice == Choice::Custom && tool.entry.is_some()));
    let matrix = matrix(&allowed, &custom, &tools);
    assert_eq!((matrix.changed, matrix.rows.len()), (1_000, 1_000));
    let none = click(&custom, &Action::Bulk { group: Group::All, choice: Choice::Deny }, &tools);
    assert_eq!(none, NEW);
}
