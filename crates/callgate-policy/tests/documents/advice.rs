//! Advice against the shapes that real tools have, with descriptions left out.

use crate::{files, listing};
use callgate_policy::{Definition, Policy, advise};
use expect_test::{expect, expect_file};

const STRINGS: &str = r#"{"type":"array","items":{"type":"string"}}"#;

fn tools() -> Vec<Definition> {
    let exec_command = format!(
        r#"{{"type":"object","properties":{{"session_id":{{"type":"string"}},"command":{{"type":"string"}},"args":{STRINGS},
            "cwd":{{"type":"string"}},"timeout_sec":{{"type":"integer"}},"as_root":{{"type":"boolean"}}}},"required":["session_id","command"]}}"#
    );
    let docker_exec = format!(
        r#"{{"type":"object","properties":{{"container":{{"type":"string"}},"command":{STRINGS},"env":{STRINGS},
            "timeout":{{"type":"integer"}}}},"required":["container","command"],"additionalProperties":false}}"#
    );
    let docker_run = format!(
        r#"{{"type":"object","properties":{{"image":{{"type":"string"}},"command":{STRINGS},"entrypoint":{{"type":"string"}}}}}}"#
    );
    let manage = r##"{"type":"object","properties":{"action":{"type":"string","enum":["create","list","get","delete"]},
        "limit":{"type":"integer"},"project_id":{"type":["string","null"]},"start_url":{"anyOf":[{"type":"string"},{"type":"null"}]},
        "viewport":{"$ref":"#/$defs/size"},"free":{}},"required":["action"],"$defs":{"size":{"type":"object",
        "properties":{"width":{"type":"integer"}}}}}"##;
    let charge = r#"{"type":"object","properties":{"amount":{"type":"integer"},"note":{"type":"string"}}}"#;
    [
        ("exec_command", Some(exec_command.as_str())),
        ("exec", Some(&docker_exec)),
        ("run", Some(&docker_run)),
        ("manage_browsers", Some(manage)),
        ("create_charge", Some(charge)),
        ("broken", Some("{\"type\":")),
        ("silent", None),
    ]
    .into_iter()
    .map(|(name, schema)| Definition {
        name: name.to_owned(),
        input_schema: schema.map(str::to_owned),
        ..Definition::default()
    })
    .collect()
}

#[test]
fn advice_on_whole_documents() {
    for path in files("advice", "json") {
        let policy = Policy::parse(&std::fs::read(&path).unwrap()).unwrap();
        expect_file![path.with_extension("advice")].assert_eq(&listing(&advise(&policy, &tools())));
    }
}

fn codes(tool: &str, deny_if: &str) -> String {
    let document =
        format!("{{\"version\":\"1\",\"default\":\"deny\",\"tools\":{{\"{tool}\":{{\"deny_if\":[{deny_if}]}}}}}}");
    let policy = Policy::parse(document.as_bytes()).unwrap();
    let definitions: Vec<Definition> = tools().into_iter().filter(|definition| definition.name == tool).collect();
    let advice = advise(&policy, &definitions);
    advice.iter().map(|problem| problem.code).collect::<Vec<_>>().join(" ")
}

/// A rule that blocks `rm` works on all three shapes, or the checker says that it doesn't.
#[test]
fn rules_against_rm_on_the_shapes_that_servers_have() {
    let rm = r#""op":"regex","value":"\\brm\\b""#;
    let one = |path: &str| format!("{{\"conditions\":[{{\"path\":\"{path}\",{rm}}}]}}");
    let both = |a: &str, b: &str| format!("{{\"any\":[{{\"path\":\"{a}\",{rm}}},{{\"path\":\"{b}\",{rm}}}]}}");
    let cases = [
        ("exec_command", one("args.command")),
        ("exec_command", one("args.args[join]")),
        ("exec_command", one("args.args")),
        ("exec_command", both("args.command", "args.args[join]")),
        ("exec_command", format!("{},{}", one("args.command"), one("args.args[*]"))),
        ("exec", one("args.command")),
        ("exec", one("args.command[0]")),
        ("exec", one("args.command[join]")),
        ("exec", one("args.command[*]")),
        ("exec", r#"{"conditions":[{"path":"args.command[*]","op":"eq","value":"rm"}]}"#.to_owned()),
        ("exec", r#"{"conditions":[{"path":"args.command","op":"contains","value":"rm"}]}"#.to_owned()),
        ("run", one("args.command[join]")),
        ("run", both("args.entrypoint", "args.command[join]")),
    ];
    let mut told = String::new();
    for (tool, deny_if) in cases {
        told.push_str(&format!("{tool} {deny_if}: {}\n", codes(tool, &deny_if)));
    }
    expect![[r#"
        exec_command {"conditions":[{"path":"args.command","op":"regex","value":"\\brm\\b"}]}: CG1205
        exec_command {"conditions":[{"path":"args.args[join]","op":"regex","value":"\\brm\\b"}]}: CG1205
        exec_command {"conditions":[{"path":"args.args","op":"regex","value":"\\brm\\b"}]}: CG1203 CG1205
        exec_command {"any":[{"path":"args.command","op":"regex","value":"\\brm\\b"},{"path":"args.args[join]","op":"regex","value":"\\brm\\b"}]}: 
        exec_command {"conditions":[{"path":"args.command","op":"regex","value":"\\brm\\b"}]},{"conditions":[{"path":"args.args[*]","op":"regex","value":"\\brm\\b"}]}: 
        exec {"conditions":[{"path":"args.command","op":"regex","value":"\\brm\\b"}]}: CG1203
        exec {"conditions":[{"path":"args.command[0]","op":"regex","value":"\\brm\\b"}]}: CG1205
        exec {"conditions":[{"path":"args.command[join]","op":"regex","value":"\\brm\\b"}]}: 
        exec {"conditions":[{"path":"args.command[*]","op":"regex","value":"\\brm\\b"}]}: 
        exec {"conditions":[{"path":"args.command[*]","op":"eq","value":"rm"}]}: CG1205
        exec {"conditions":[{"path":"args.command","op":"contains","value":"rm"}]}: CG1205
        run {"conditions":[{"path":"args.command[join]","op":"regex","value":"\\brm\\b"}]}: CG1205
        run {"any":[{"path":"args.entrypoint","op":"regex","value":"\\brm\\b"},{"path":"args.command[join]","op":"regex","value":"\\brm\\b"}]}: 
    "#]].assert_eq(&told);
}

#[test]
fn silence_where_nothing_is_wrong() {
    let document = br#"{"version":"1","default":"deny","tools":{
        "exec_command":{"limits":[{"counter":"c","window":"minute","max":10,"scope":"grant"}]},
        "manage_*":{"deny_if":[{"conditions":[{"path":"args.action","op":"eq","value":"delete"}]}],
                    "require":[{"conditions":[{"path":"args.start_url","op":"host_in","value":["example.com"]}]},
                               {"conditions":[{"path":"args.viewport.width","op":"lt","value":9000}]},
                               {"conditions":[{"path":"args.free.a[0].b","op":"eq","value":1}]},
                               {"conditions":[{"path":"args.project_id","op":"eq","value":null}]}]},
        "silent":{"require":[{"conditions":[{"path":"args.whatever","op":"gt","value":1}]}]}}}"#;
    let policy = Policy::parse(document).unwrap();
    let tools: Vec<Definition> = tools().into_iter().filter(|definition| definition.name != "broken").collect();
    assert_eq!(listing(&advise(&policy, &tools)), "");
}
