//! What is clicked is written as people write it.

use super::*;
use callgate_policy::Policy;

/// What the README shows for its tool.
const PUBLISHED: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "limits": [{ "counter": "exec_command_rate", "window": "minute", "max": 10, "scope": "grant" }]
    }
  }
}
"#;

const LIMIT: &[(&str, &str)] = &[
    ("action", "add_limit"),
    ("entry", "tool:exec_command"),
    ("counter", "exec_command_rate"),
    ("window", "minute"),
    ("max", "10"),
    ("scope", "grant"),
];

#[test]
fn the_policy_for_exec_command_is_built_by_clicking() {
    assert!(include_str!("../../../../../README.md").contains(&PUBLISHED.replace("exec_command", "read_file")));
    let tools = kernel();
    let one_line = "{ \"version\": \"1\", \"default\": \"deny\", \"tools\": {} }\n";
    for new in ["", " \n", NEW, one_line] {
        assert_eq!(posted(new, LIMIT, &tools), PUBLISHED, "{new}");
    }
    let custom = [("action", "choose"), ("tool", "exec_command"), ("choice", "custom")];
    assert_eq!(posted("", &custom, &tools), PUBLISHED);
    // By a detour: hidden, allowed, limited; a rule is added and taken back.
    let mut text = String::new();
    for choice in ["hide", "allow"] {
        text = posted(&text, &[("action", "choose"), ("tool", "exec_command"), ("choice", choice)], &tools);
    }
    text = posted(&text, LIMIT, &tools);
    let rows = [("entry", "tool:exec_command"), ("rows", "deny_if")];
    let rule = [("action", "add_rule"), rows[0], rows[1], ("path", "args.command"), ("op", "eq"), ("value", "rm")];
    text = posted(&text, &rule, &tools);
    assert!(text.contains("\"deny_if\": [{ \"conditions\": [{ \"path\": \"args.command\""), "{text}");
    text = posted(&text, &[("action", "remove_row"), rows[0], rows[1], ("index", "0")], &tools);
    assert_eq!(text, PUBLISHED);
}

#[test]
fn the_example_of_the_language_is_built_by_clicking() {
    let guide = include_str!("../../../../../docs/policy.md");
    let example = guide.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut expected: serde_json::Value = serde_json::from_str(example).unwrap();
    expected.as_object_mut().unwrap().remove("tests");
    let limit = |entry, counter, window, max| {
        let fields = [("action", "add_limit"), ("entry", entry), ("counter", counter), ("window", window)];
        [&fields[..], &[("max", max), ("scope", "grant")]].concat()
    };
    let rule = |entry, rows, path, op, value, said| {
        let fields = [("action", "add_rule"), ("entry", entry), ("rows", rows), ("path", path)];
        [&fields[..], &[("op", op), ("value", value), ("on_deny", said)]].concat()
    };
    let (exec, charge) = ("tool:exec_command", "tool:create_charge");
    let mut text = String::new();
    for fields in [
        limit(exec, "exec_command_rate", "minute", "10"),
        vec![("action", "hide"), ("pattern", "delete_account")],
        vec![("action", "add_entry"), ("entry", "tool:search_docs")],
        limit("all_tools", "everything", "hour", "500"),
        rule(exec, "deny_if", "args.command", "regex", "(?:^|\\W)rm(?:\\W|$)", "No removing, please."),
        rule(charge, "approve_if", "args.amount", "gt", "10000", "Charges over 100.00 need a person."),
        rule(charge, "require", "args.currency", "in", "EUR\r\nUSD", ""),
    ] {
        text = posted(&text, &fields, &kernel());
    }
    let built: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(built, expected, "{text}");
    assert!(Policy::parse(text.as_bytes()).is_ok(), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    let order: Vec<usize> = ["hide", "all_tools", "tools", "deny_if", "limits\": [{ \"counter\": \"exec"]
        .iter()
        .map(|key| text.find(key).unwrap())
        .collect();
    assert!(order.is_sorted(), "{text}");
}

#[test]
fn each_choice_is_what_it_says() {
    let tools = [tool("a"), tool("b")];
    let deny = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": {\n    \"b\": {}\n  }\n}\n";
    let allow = deny.replace("deny", "allow");
    let custom =
        deny.replace("{}\n", "{ \"limits\": [], \"require\": [{ \"conditions\": [] }], \"description\": \"x\" }\n");
    for (before, tool, choice, after) in [
        (deny, "a", Choice::Deny, deny.to_owned()),
        (deny, "a", Choice::Allow, deny.replace("\"b\": {}", "\"b\": {},\n    \"a\": {}")),
        (deny, "b", Choice::Deny, deny.replace("{\n    \"b\": {}\n  }", "{}")),
        (deny, "b", Choice::Hide, deny.replace("  \"tools\"", "  \"hide\": [\"b\"],\n  \"tools\"")),
        (&allow, "a", Choice::Allow, allow.clone()),
        (&allow, "b", Choice::Deny, allow.replace("{}", "{\n      \"deny_if\": [{ \"conditions\": [] }]\n    }")),
        (&custom, "b", Choice::Allow, deny.replace("{}", "{ \"description\": \"x\" }")),
        (&custom, "b", Choice::Custom, custom.clone()),
        (&custom, "b", Choice::Inherit, deny.replace("{\n    \"b\": {}\n  }", "{}")),
    ] {
        let text = click(before, &Action::Choose { tool: tool.to_owned(), choice }, &tools);
        assert_eq!(text, after, "{tool} {choice:?}");
        let view = Draft::read(&text).view(&tools);
        let seen = view.tools.iter().find(|seen| seen.name == tool).unwrap();
        assert_eq!(seen.choice, if choice == Choice::Inherit { Choice::Deny } else { choice });
    }
    // Hidden and back: as it was.
    for before in [deny, &allow, &custom] {
        let hidden = click(before, &Action::Choose { tool: "b".into(), choice: Choice::Hide }, &tools);
        let back = Draft::read(before).view(&tools).tools[1].choice;
        assert_eq!(click(&hidden, &Action::Choose { tool: "b".into(), choice: back }, &tools), before);
    }
}

#[test]
fn what_others_decide_is_not_clicked_away() {
    let tools = [tool("delete_a"), tool("x")];
    for (rest, tool, choice, why) in [
        (r#""hide": ["delete_*"]"#, "delete_a", Choice::Allow, "`delete_a` is hidden by `delete_*` in `hide`"),
        (r#""tools": { "delete_*": { "deny_if": [{ "conditions": [] }] } }"#, "delete_a", Choice::Allow, "denied by"),
        (r#""all_tools": { "deny_if": [{ "conditions": [] }] }"#, "x", Choice::Custom, "the entry `all_tools`"),
        (r#""tools": {}"#, "gone", Choice::Allow, "the server has no tool `gone`"),
    ] {
        let text = format!(r#"{{ "version": "1", "default": "deny", {rest} }}"#);
        let refused = Draft::read(&text).apply(&Action::Choose { tool: tool.into(), choice }, &tools).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let text = r#"{ "version": "1", "default": "deny", "hide": ["delete_*"] }"#;
    let applied = Draft::read(text).apply(&Action::Bulk { group: Group::All, choice: Choice::Allow }, &tools).unwrap();
    assert_eq!(applied.left.iter().map(|left| left.tool.as_str()).collect::<Vec<_>>(), ["delete_a"]);
    assert!(applied.text.contains("\"x\": {}"), "{}", applied.text);
}

#[test]
fn recommended_is_one_click() {
    let tools = kernel();
    let all = click("", &Action::Recommended { tool: None }, &tools);
    let policy = Policy::parse(all.as_bytes()).unwrap();
    assert_eq!(super::tests(&all, &tools).failed, 0);
    // Where something is there already, entries are put in and the rest stays; twice is once.
    let own = "{\"version\":\"1\",\"default\":\"deny\",\"name\":\"mine\",\"tools\":{\"exec_command\":{}}}";
    let put = click(own, &Action::Recommended { tool: None }, &tools);
    assert!(
        put.starts_with(
            "{\"version\":\"1\",\"default\":\"deny\",\"name\":\"mine\",\"tools\":{\"exec_command\":{\"desc"
        )
    );
    assert_eq!(click(&put, &Action::Recommended { tool: None }, &tools), put);
    let other = Policy::parse(put.as_bytes()).unwrap();
    for facts in &tools {
        let definition = facts.definition();
        let json = |policy: &Policy| {
            let outlook = policy.outlook(&facts.name, Some(&definition));
            (outlook.standing, outlook.rules.iter().map(|rule| rule.json.clone()).collect::<Vec<_>>())
        };
        assert_eq!(json(&policy), json(&other), "{}", facts.name);
    }
    let one = click(own, &Action::Recommended { tool: Some("exec_command".into()) }, &tools);
    assert!(one.contains("\"deny_if\"") && !one.contains("manage_"), "{one}");
}
