//! What is shown: rows with their problems, pickers, the matrix, the tests.

use super::*;
use crate::builder::matrix::{Side, Standing};
use callgate_policy::{CODES, Category, Severity, Unlisted};

#[test]
fn problems_stand_at_their_parts() {
    let text = r#"{
  "version": "1",
  "default": "maybe",
  "hide": ["a", "a", ""],
  "tools": {
    "a": {
      "limit": [],
      "deny_if": [{ "conditions": [{ "path": "arg.x", "op": "eq", "value": 1 }, { "path": "args.x", "op": "like" }], "on_deny": 5 }],
      "limits": [{ "counter": "c", "window": "minute", "scope": "grant" }]
    },
    "gone": { "require": [{ "conditions": [], "any": [] }] }
  },
  "tests": [{ "name": "t", "tool": "a", "expect": "no" }]
}"#;
    let view = Draft::read(text).view(&[tool("a")]);
    let lines = |problems: &[ProblemView]| problems.iter().map(|problem| problem.line).collect::<Vec<_>>();
    let entry = view.tools[0].entry.as_ref().unwrap();
    assert_eq!((entry.line, entry.deny_if[0].line, entry.limits[0].line), (6, 8, 9));
    assert_eq!(lines(&entry.text_only[0].problems), [7]);
    let rule = &entry.deny_if[0];
    assert_eq!(rule.conditions.iter().map(|row| lines(&row.problems)).collect::<Vec<_>>(), [[8], [8]]);
    assert_eq!(lines(&rule.text_only[0].problems), [8]);
    assert_eq!(lines(&entry.limits[0].problems), [9]);
    assert_eq!(lines(&view.strangers[0].require[0].problems), [11]);
    assert_eq!(view.text_only.iter().map(|part| part.key.as_str()).collect::<Vec<_>>(), ["default", "tests"]);
    assert_eq!(lines(&view.text_only[1].problems), [13]);
    assert_eq!(lines(&view.hide[2].problems), [4]);
    // Nothing is told twice, and nothing is lost.
    assert!(view.elsewhere.is_empty(), "{:?}", view.elsewhere);
    assert!(view.problems.len() >= 9 && view.problems.iter().all(|problem| CODES.contains(&problem.code)));
    assert_eq!(view.default, None);
}

#[test]
fn an_empty_text_shows_a_new_policy() {
    let view = Draft::read("  \n").view(&[tool("a")]);
    assert!(view.readable && view.editable && !view.problems.is_empty());
    assert_eq!(
        (view.default, view.tools[0].choice, view.tools[0].inherited),
        (Some(Unlisted::Deny), Choice::Deny, true)
    );
}

#[test]
fn tools_know_what_else_holds_for_them() {
    let text = r#"{ "version": "1", "default": "deny", "hide": ["secret_*"], "all_tools": {},
        "categories": { "read": {} }, "tools": { "read_*": { "limits": [] }, "*_file": {}, "read_file": {}, "gone": {} } }"#;
    let tools: Vec<ToolFacts> = ["read_file", "secret_x", "other"].iter().map(|name| tool(name)).collect();
    let view = Draft::read(text).view(&tools);
    let also: Vec<String> = view.tools[0].also.iter().map(ToString::to_string).collect();
    assert_eq!(also, ["all_tools", "read", "read_*", "*_file"]);
    assert_eq!((view.tools[1].choice, view.tools[1].because.as_str()), (Choice::Hide, "secret_*"));
    assert_eq!((view.tools[2].choice, view.tools[2].because.as_str()), (Choice::Allow, "read"));
    assert_eq!((view.hide[0].matches, view.patterns[0].matches, view.strangers[0].matches), (1, 1, 0));
    assert_eq!((view.categories[0].matches, view.all_tools.unwrap().matches), (3, 3));
}

#[test]
fn pickers_are_the_tools_own_schema() {
    let kernel = kernel();
    let exec = kernel.iter().find(|facts| facts.name == "exec_command").unwrap();
    let pickers = Pickers::of(exec);
    let paths: Vec<&str> = pickers.arguments.iter().map(|picker| picker.path.as_str()).collect();
    let (command, args) = (pickers.find("args.command").unwrap(), pickers.find("args.args").unwrap());
    assert!(paths.starts_with(&["args.project", "args.project_id", "args.session_id", "args.command", "args.args"]));
    for path in ["args.args[join]", "args.args[*]", "args.args[all]", "args.timeout_sec", "args.as_root"] {
        assert!(paths.contains(&path), "{paths:?}");
    }
    assert_eq!(
        (command.kind, command.required, args.kind, args.required),
        (PickerKind::Text, true, PickerKind::List, false)
    );
    assert_eq!(pickers.find("args.timeout_sec").unwrap().kind, PickerKind::Number);
    assert_eq!(command.description, "The program to start.");
    let nested = r##"{ "name": "n", "inputSchema": { "$defs": { "node": { "type": "object", "properties": {
        "a.b": { "enum": ["x", "y", null] }, "next": { "$ref": "#/$defs/node" } } } },
        "anyOf": [{ "properties": { "node": { "$ref": "#/$defs/node" } } },
                  { "properties": { "rows": { "type": "array", "items": { "type": "object", "properties": { "\"": { "type": ["integer", "null"] } } } } } }] } }"##;
    let pickers = Pickers::of(&ToolFacts::read(nested).unwrap());
    let listed = pickers.find("args.node[\"a.b\"]").unwrap();
    assert_eq!(
        (listed.kind, listed.values.as_slice()),
        (PickerKind::Text, &["\"x\"".to_owned(), "\"y\"".into(), "null".into()][..])
    );
    assert_eq!(pickers.find("args.rows[*][\"\\\"\"]").unwrap().kind, PickerKind::Number);
    assert!(pickers.arguments.len() < 60);
    for picker in pickers.arguments.iter().chain(&pickers.facts).chain(&pickers.results) {
        callgate_policy::Path::parse(&picker.path).unwrap();
    }
    let names = |kind: PickerKind| kind.operators().iter().map(|choice| choice.name).collect::<Vec<_>>();
    assert!(names(PickerKind::Number).contains(&"gt") && !names(PickerKind::Number).contains(&"regex"));
    assert!(names(PickerKind::Text).contains(&"host_in") && !names(PickerKind::Text).contains(&"lt"));
    assert_eq!(names(PickerKind::Any).len(), callgate_policy::OPERATORS.len());
}

#[test]
fn the_matrix_is_the_engines() {
    let tools: Vec<ToolFacts> = ["a", "b", "c", "d"].iter().map(|name| tool(name)).collect();
    let before = r#"{ "version": "1", "default": "deny", "hide": ["d"], "tools": { "a": {}, "b": { "rate_limit": "5/hour" } } }"#;
    let after = r#"{ "version": "1", "default": "deny", "tools": { "c": { "require": [{ "name": "r", "conditions": [{ "path": "args.x", "op": "in", "value": ["y", "z"] }] }] },
        "b": { "limits": [{ "counter": "b_rate", "window": "hour", "max": 6, "scope": "grant" }], "results": { "redact": ["email"] } } },
        "flows": [{ "name": "f", "after": { "tool": "a" }, "deny": { "tool": "c" } }] }"#;
    let matrix = matrix(before, after, &tools);
    let shown: Vec<String> = matrix
        .rows
        .iter()
        .map(|row| {
            let side = |side: &Side| format!("{} [{}]", side.standing.as_str(), side.rules.join("; "));
            format!("{} {} -> {} {:?}", row.tool, side(&row.before), side(&row.after), row.changed)
        })
        .collect();
    expect_test::expect![[r#"
        a allow [] -> deny [] Closed
        b custom [b_rate: at most 5 an hour per grant] -> custom [b_rate: at most 6 an hour per grant; results: takes out email] Rules
        c deny [] -> custom [require r: args.x is one of y, z; flow f] Opened
        d hidden [] -> deny [] Rules"#]]
    .assert_eq(&shown.join("\n"));
    assert_eq!(matrix.changed, 4);
    let broken = super::matrix(before, "{", &tools);
    assert_eq!((broken.after_is_usable, broken.changed, broken.rows[0].after.standing), (false, 0, Standing::Unusable));
    assert!(!super::matrix("", before, &tools).before_is_usable);
}

#[test]
fn tests_run_with_the_tools_as_they_are() {
    let text = r#"{ "version": "1", "default": "deny", "categories": { "read": {} },
  "tests": [
    { "name": "reads", "tool": "a", "expect": "allow", "rule": "" },
    { "name": "wrong", "tool": "gone", "expect": "allow" } ] }"#;
    let view = tests(text, &[tool("a")]);
    assert_eq!((view.ran, view.passed, view.failed), (true, 1, 1));
    let (right, wrong) = (&view.rows[0], &view.rows[1]);
    assert_eq!((right.passed, right.line, right.got.as_str()), (true, 3, "allow"));
    assert_eq!((wrong.expected.as_str(), wrong.got.as_str()), ("allow", "deny by (default deny)"));
    assert!(!tests("{", &[]).ran);
    let many = text.replacen("\"expect\"", "\"calls\": 1000000, \"expect\"", 1);
    let view = tests(&many, &[tool("a")]);
    assert!(view.too_many && !view.ran && view.rows.is_empty());
}

#[test]
fn every_field_that_is_written_is_one_of_the_language() {
    use super::place::Level;
    let schema = callgate_policy::schema();
    for level in [Level::Document, Level::Entry, Level::Results, Level::Rule, Level::Condition, Level::Limit] {
        for key in level.order() {
            assert!(schema.contains(&format!("\"{key}\"")), "{key}");
        }
    }
}

#[test]
fn what_rules_can_not_do_on_the_tools_is_told_at_the_rule() {
    let text = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "deny_if": [
        { "conditions": [{ "path": "args.nope", "op": "eq", "value": 1 }] },
        { "conditions": [{ "path": "args.project", "op": "exists" }, { "path": "args.timeout_sec", "op": "eq", "value": "5" }] }
      ],
      "limits": [{ "counter": "c", "window": "minute", "max": 5, "scope": "grant", "increment_from": "args.command" }]
    },
    "exec_comand": {}
  }
}"#;
    let tools = kernel();
    let view = Draft::read(text).view(&tools);
    let told = |problems: &[ProblemView]| {
        assert!(problems.iter().all(|problem| problem.severity == Severity::Warning));
        problems.iter().map(|problem| (problem.code, problem.line)).collect::<Vec<_>>()
    };
    let entry = view.tools.iter().find_map(|tool| tool.entry.as_ref()).unwrap();
    let conditions = entry.deny_if.iter().flat_map(|rule| &rule.conditions);
    let conditions: Vec<_> = conditions.map(|condition| told(&condition.problems)).collect();
    assert_eq!(conditions, [vec![("CG1202", 7)], vec![], vec![("CG1203", 8)]]);
    assert_eq!(told(&entry.limits[0].problems), [("CG1203", 10)]);
    assert_eq!(told(&view.strangers[0].problems), [("CG1201", 12)]);
    assert_eq!(told(&view.problems), [("CG1202", 7), ("CG1203", 8), ("CG1203", 10), ("CG1201", 12)]);
    assert!(view.elsewhere.is_empty() && !view.is_unadvised, "{:?}", view.elsewhere);
    // Without tools nothing can be said about them, and nothing of a text that is no policy.
    assert_eq!(Draft::read(text).view(&[]).problems, []);
    let broken = Draft::read(&text.replace("\"deny\"", "\"maybe\"")).view(&tools);
    assert!(broken.problems.iter().all(|problem| problem.severity == Severity::Error), "{:?}", broken.problems);
}

#[test]
fn rules_of_a_category_are_held_against_its_tools_only() {
    let of = |name: &str, kind: &str, category| {
        let schema = serde_json::json!({ "type": "object", "properties": { "x": { "type": kind } } });
        let definition = serde_json::json!({ "name": name, "inputSchema": schema });
        let mut facts = ToolFacts::read(&definition.to_string()).unwrap();
        facts.category = category;
        facts
    };
    let tools = [of("a", "number", Category::Read), of("b", "string", Category::Write)];
    let text = |category: &str| {
        format!(
            r#"{{ "version": "1", "default": "deny", "categories": {{ "{category}": {{ "deny_if": [{{ "conditions": [{{ "path": "args.x", "op": "gt", "value": 1 }}] }}] }} }} }}"#
        )
    };
    let codes = |text: &str| {
        let view = Draft::read(text).view(&tools);
        view.problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    assert_eq!((codes(&text("read")), codes(&text("write"))), (vec![], vec!["CG1203"]));
    // A thousand warnings are enough.
    let many: Vec<ToolFacts> = (0..1_100).map(|number| of(&format!("t{number}"), "string", Category::Write)).collect();
    assert_eq!(Draft::read(&text("write")).view(&many).problems.len(), 1_000);
}

#[test]
fn a_draft_that_is_too_large_for_advice_says_so() {
    let tools: Vec<ToolFacts> = (0..2_100).map(|number| tool(&format!("tool_{number}"))).collect();
    let bulk = Action::Bulk { group: Group::All, choice: Choice::Allow };
    // How many tools the draft names, and how many the server has.
    for (named, there, is_unadvised) in [(2_100, 2_100, true), (1_500, 200, true), (500, 500, false), (500, 490, false)]
    {
        let text = click("", &bulk, &tools[..named]);
        let view = Draft::read(&text).view(&tools[..there]);
        assert_eq!(view.is_unadvised, is_unadvised, "{named} {there}");
        assert_eq!(view.problems.is_empty(), is_unadvised || named == there, "{named} {there}");
    }
}
