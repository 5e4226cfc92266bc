//! Rules on arguments against the shapes of real tools: a rule that blocks `rm` has to work on all, or be warned about.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::{Callgate, Stage, StdioServer};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");

/// Kernel's `exec_command` takes `command: string` and `args: string[]`.
const KERNEL: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "deny_if": [
        {
          "conditions": [{ "path": "args.command", "op": "regex", "value": "(^|[\\s/;&|])rm(\\s|$)" }],
          "on_deny": "Nothing is removed here."
        },
        {
          "conditions": [{ "path": "args.args[join]", "op": "regex", "value": "(^|[\\s/;&|])rm(\\s|$)" }],
          "on_deny": "Nothing is removed here."
        }
      ]
    }
  }
}"#;

/// Pare's docker `exec` takes `command: string[]`.
const PARE: &str = r#"{
  "version": "1",
  "default": "deny",
  "name": "docker",
  "tools": {
    "exec": {
      "deny_if": [
        {
          "conditions": [{ "path": "args.command[join]", "op": "regex", "value": "(^|[\\s/;&|])rm(\\s|$)" }],
          "on_deny": "Nothing is removed here."
        }
      ]
    }
  }
}"#;

#[test]
fn rm_is_blocked_on_command_and_args() -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", KERNEL)?;
    let mut session = stage.session()?;
    let command = "/tools/exec_command/deny_if/args.command-regex";
    let args = "/tools/exec_command/deny_if/args.args[join]-regex";
    let cases = [
        (json!({ "command": "rm", "args": ["-rf", "/"] }), Some(command)),
        (json!({ "command": "/bin/rm" }), Some(command)),
        (json!({ "command": "rm -rf /" }), Some(command)),
        (json!({ "command": "sh", "args": ["-c", "rm -rf /"] }), Some(args)),
        (json!({ "command": "sudo", "args": ["rm", "-rf", "/"] }), Some(args)),
        (json!({ "command": "sh", "args": ["-c", "true;rm x"] }), Some(args)),
        // Not what the schema says: a rule that can't read the value must not wave it through.
        (json!({ "command": ["rm", "-rf", "/"] }), Some(command)),
        (json!({ "command": "sh", "args": "rm -rf /" }), Some(args)),
        (json!({ "command": "sh", "args": [["rm"]] }), Some(args)),
        (json!({ "command": "ls", "args": ["-la", "/srv"] }), None),
        (json!({ "command": "echo", "args": ["farm", "alarm"] }), None),
        (json!({ "command": "ls" }), None),
        (json!({ "command": "ls", "args": [] }), None),
    ];
    let mut expected = Vec::new();
    for (mut arguments, rule) in cases {
        arguments["session_id"] = json!("s-1");
        let answer = session.call("exec_command", &arguments)?;
        check(&answer, rule, &arguments)?;
        if rule.is_none() {
            expected.push(arguments);
        }
    }
    assert_eq!(arguments_of(&stage.fixture.calls()?)?, expected, "only what was allowed reached the server");
    Ok(())
}

#[test]
fn rm_is_blocked_on_a_command_vector() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let policy = folder.path().join("policy.json");
    let log = folder.path().join("fixture.log");
    std::fs::write(&policy, PARE)?;
    let mut command = callgate.command(["wrap", "--policy"]);
    command.arg(&policy).args(["--", BINARY, "fixture", "--tools", "pare-docker", "--log"]).arg(&log);
    let mut server = StdioServer::open(&mut command)?;
    let rule = "/tools/exec/deny_if/args.command[join]-regex";
    let cases = [
        (json!(["rm", "-rf", "/"]), Some(rule)),
        (json!(["/usr/bin/rm", "x"]), Some(rule)),
        (json!(["sh", "-c", "rm -rf /"]), Some(rule)),
        (json!("rm -rf /"), Some(rule)),
        (json!(["ls", "-la"]), None),
        (json!(["cat", "farm.txt"]), None),
        (json!([]), None),
    ];
    let mut expected = Vec::new();
    for (command, rule) in cases {
        let arguments = json!({ "container": "web", "command": command });
        let answer = server.call("exec", &arguments)?;
        check(&answer, rule, &arguments)?;
        if rule.is_none() {
            expected.push(arguments);
        }
    }
    assert_eq!(arguments_of(&testkit::Fixture::calls_in(&log)?)?, expected);
    Ok(())
}

#[test]
fn the_check_warns_about_rules_that_cannot_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    // CG1202: no such argument; CG1203: a shape that the rule can't read; CG1205: it leaves half of a command unseen.
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("exec_command", "kernel", &["args.command", "args.args[join]"], &[]),
        ("exec_command", "kernel", &["args.command", "args.args[*]"], &[]),
        ("exec_command", "kernel", &["args.command"], &["CG1205"]),
        ("exec_command", "kernel", &["args.args[join]"], &["CG1205"]),
        ("exec_command", "kernel", &["args.command", "args.args"], &["CG1203"]),
        ("exec_command", "kernel", &["args.command[*]", "args.args[*]"], &["CG1203"]),
        ("exec_command", "kernel", &["args.command[join]", "args.args[*]"], &["CG1203"]),
        ("exec_command", "kernel", &["args.cmd", "args.command", "args.args[*]"], &["CG1202"]),
        ("exec", "pare-docker", &["args.command[join]"], &[]),
        ("exec", "pare-docker", &["args.command[*]"], &[]),
        ("exec", "pare-docker", &["args.command"], &["CG1203"]),
        ("exec", "pare-docker", &["args.args[*]", "args.command[*]"], &["CG1202"]),
    ];
    let policy = folder.path().join("policy.json");
    for (tool, list, paths, codes) in cases {
        let rule = |path: &&str| json!({ "conditions": [{ "path": path, "op": "regex", "value": "^rm$" }] });
        let deny: Vec<Value> = paths.iter().map(rule).collect();
        let document = json!({ "version": "1", "default": "deny", "tools": { *tool: { "deny_if": deny } } });
        std::fs::write(&policy, document.to_string())?;
        let tools = list_file(list);
        let output = callgate.output(["policy", "check", &policy.to_string_lossy(), "--tools", &tools, "--json"])?;
        assert_eq!(output.status.code(), Some(0), "warnings are no errors: {paths:?}");
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let problems = report["problems"].as_array().context("no problems")?;
        assert!(problems.iter().all(|problem| problem["severity"] == "warning"), "{problems:?}");
        let found: Vec<&str> = problems.iter().filter_map(|problem| problem["code"].as_str()).collect();
        assert_eq!(found, *codes, "{list} {paths:?}: {problems:?}");
    }
    Ok(())
}

fn list_file(list: &str) -> String {
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../callgate-fixture/lists");
    lists.join(format!("{list}.json")).to_string_lossy().into_owned()
}

fn check(answer: &Value, rule: Option<&str>, arguments: &Value) -> Result<()> {
    let result = &answer["result"];
    let Some(rule) = rule else {
        assert!(result.is_object() && result["isError"] != true, "{arguments}: {answer}");
        return Ok(());
    };
    assert_eq!(result["isError"], true, "{arguments}: {answer}");
    let decision = &result["_meta"]["dev.callgate/decision"];
    assert_eq!(decision["outcome"], "deny", "{arguments}: {answer}");
    assert_eq!(decision["rule"], *rule, "{arguments}: {answer}");
    let text = result["content"][0]["text"].as_str().context("no text")?;
    assert!(text.contains("Nothing is removed here."), "{arguments}: {text}");
    Ok(())
}

/// The arguments of the calls in a fixture's log.
fn arguments_of(calls: &[Value]) -> Result<Vec<Value>> {
    let messages = calls.iter().map(|call| {
        let text = call["text"].as_str().context("no text")?;
        let message: Value = serde_json::from_str(text)?;
        Ok(message["params"]["arguments"].clone())
    });
    messages.collect()
}
