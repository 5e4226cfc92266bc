//! The policy commands: exit statuses, and JSON as scripts read it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

#[path = "support/callgate.rs"]
mod callgate;

use callgate::{run, run_with_input};
use serde_json::{Value, json};
use std::path::PathBuf;

const EXEC: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "deny_if": [{ "conditions": [{ "path": "args.command", "op": "eq", "value": "rm" }], "on_deny": "rm is not for agents" }],
      "limits": [{ "counter": "exec_command_rate", "window": "minute", "max": 10, "scope": "grant" }]
    }
  },
  "tests": [
    { "name": "ls passes", "tool": "exec_command", "args": { "command": "ls" }, "expect": "allow" },
    { "name": "rm does not", "tool": "exec_command", "args": { "command": "rm" }, "expect": "deny" }
  ]
}"#;

struct Folder {
    directory: tempfile::TempDir,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self { directory }
    }

    /// Not there: the policy commands need no data directory.
    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> callgate::Ended {
        let ended = run(&self.data(), arguments);
        assert!(!self.data().exists(), "policy commands leave the data directory alone");
        ended
    }
}

#[test]
fn check_says_everything_with_its_place() {
    let broken = "{\n  \"version\": \"1\",\n  \"defualt\": \"deny\",\n  \"hide\": 3\n}";
    let folder = Folder::new(&[("good.json", EXEC), ("broken.json", broken)]);
    let good = folder.run(&["policy", "check", "good.json", "--json"]).expect(0).json();
    assert_eq!(good["ok"], json!(true));
    let broken = folder.run(&["policy", "check", "broken.json", "--json"]).expect(1).json();
    assert_eq!(broken["ok"], json!(false));
    let problems = broken["problems"].as_array().unwrap();
    assert!(problems.len() >= 2, "all at once: {broken}");
    let misspelt = problems.iter().find(|problem| problem["line"] == json!(3)).unwrap();
    assert!(misspelt["hint"].as_str().unwrap().contains("default"), "{misspelt}");
    for key in ["code", "severity", "line", "column", "pointer", "message", "hint"] {
        assert!(problems.iter().all(|problem| problem.get(key).is_some()), "{key}");
    }
    let text = folder.run(&["policy", "check", "broken.json"]).expect(1);
    assert!(text.stdout.contains("broken.json:3:"), "{text:?}");
    assert!(text.stdout.lines().last().unwrap().contains("errors"), "{text:?}");
}

#[test]
fn check_reads_standard_input_and_misses_no_file() {
    let folder = Folder::new(&[]);
    assert_eq!(run_with_input(&folder.data(), &["policy", "check", "-"], EXEC).code, 0);
    assert_eq!(run_with_input(&folder.data(), &["policy", "check", "-"], "{").code, 1);
    let missing = folder.run(&["policy", "check", "nowhere.json"]).expect(2);
    assert!(missing.stderr.contains("CG3050") && missing.stderr.contains("nowhere.json"), "{missing:?}");
    folder.run(&["policy", "check"]).expect(2);
    folder.run(&["policy", "chekc", "x"]).expect(2);
}

#[test]
fn check_warns_about_rules_that_cannot_work_on_the_servers_tools() {
    let list = r#"{"tools":[{"name":"exec_command","inputSchema":{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"}}}}}]}"#;
    let folder = Folder::new(&[("policy.json", EXEC), ("tools.json", list), ("no-list.json", "{}")]);
    let alone = folder.run(&["policy", "check", "policy.json", "--json"]).expect(0).json();
    let beside = folder.run(&["policy", "check", "policy.json", "--tools", "tools.json", "--json"]).expect(0).json();
    let warnings = |answer: &Value| answer["problems"].as_array().unwrap().len();
    assert!(warnings(&beside) > warnings(&alone), "{beside}");
    let no_list = folder.run(&["policy", "check", "policy.json", "--tools", "no-list.json"]).expect(2);
    assert!(no_list.stderr.contains("CG3053"), "{no_list:?}");
}

#[test]
fn tests_in_the_document_decide_the_status() {
    let failing = EXEC.replace("\"expect\": \"allow\"", "\"expect\": \"deny\"");
    let folder = Folder::new(&[("good.json", EXEC), ("failing.json", &failing)]);
    let good = folder.run(&["policy", "test", "good.json", "--json"]).expect(0).json();
    assert_eq!((&good["passed"], &good["failed"]), (&json!(2), &json!(0)));
    let failed = folder.run(&["policy", "test", "failing.json", "--json"]).expect(1).json();
    assert_eq!((&failed["passed"], &failed["failed"]), (&json!(1), &json!(1)));
    assert_eq!(failed["tests"][0]["name"], json!("ls passes"));
    assert_eq!(failed["tests"][0]["passed"], json!(false));
    assert!(folder.run(&["policy", "test", "failing.json"]).expect(1).stdout.contains("FAIL  ls passes"));
}

#[test]
fn tests_know_the_tools_that_they_are_given() {
    let list = r#"{"tools":[{"name":"list_vms","description":"Lists the virtual machines.","inputSchema":{}}]}"#;
    let policy = r#"{"version":"1","default":"allow","categories":{"destructive":{"deny_if":[{"conditions":[]}]}},
"tests":[{"name":"all are listed","tool":"list_vms","expect":"allow"}]}"#;
    let folder = Folder::new(&[("policy.json", policy), ("tools.json", list)]);
    folder.run(&["policy", "test", "policy.json"]).expect(1);
    folder.run(&["policy", "test", "policy.json", "--tools", "tools.json"]).expect(0);
}

#[test]
fn explain_decides_the_last_of_identical_calls() {
    let folder = Folder::new(&[("policy.json", EXEC)]);
    let explain = |tool: &str, args: &str, calls: &str| {
        folder.run(&["policy", "explain", "policy.json", "--tool", tool, "--args", args, "--calls", calls, "--json"])
    };
    let tenth = explain("exec_command", r#"{"command":"ls"}"#, "10").expect(0).json();
    assert_eq!((&tenth["outcome"], &tenth["rule"]), (&json!("allow"), &json!("")));
    assert_eq!(tenth["charges"][0]["counter"], json!("exec_command_rate"));
    let eleventh = explain("exec_command", r#"{"command":"ls"}"#, "11").expect(1).json();
    assert_eq!(eleventh["outcome"], json!("deny"));
    assert_eq!(eleventh["rule"], json!("/tools/exec_command/limits/exec_command_rate"));
    assert_eq!(eleventh["line"], json!(7));
    let rm = explain("exec_command", r#"{"command":"rm"}"#, "1").expect(1).json();
    assert_eq!(rm["rule"], json!("/tools/exec_command/deny_if/args.command-eq"));
    assert_eq!(rm["message"], json!("rm is not for agents"));
    assert_eq!(rm["pointer"], json!("/tools/exec_command/deny_if/0"));
    let unlisted = explain("other", "{}", "1").expect(1).json();
    assert_eq!(unlisted["rule"], json!("(default deny)"));
    for key in ["outcome", "rule", "message", "charges", "shadow", "pointer", "line"] {
        assert!(unlisted.get(key).is_some(), "{key}: {unlisted}");
    }
}

#[test]
fn explain_answers_for_what_is_no_tool() {
    let policy = r#"{
  "version": "1",
  "default": "deny",
  "resources": { "allow": ["file:///workspace/*"], "deny": ["file:///workspace/.env*"] },
  "prompts": { "allow": ["*"], "deny": ["admin_*"] },
  "sampling": { "allow": ["claude-*"] },
  "elicitation": { "allow": ["form", "https://accounts.example.com/*"] }
}"#;
    let folder = Folder::new(&[("policy.json", policy)]);
    for (option, subject, rule, line) in [
        ("--resource", "file:///workspace/a", "", json!(null)),
        ("--resource", "file:///workspace/../a", "/resources/allow", json!(4)),
        ("--resource", "file:///workspace/.env", "/resources/deny/file:~1~1~1workspace~1.env*", json!(4)),
        ("--prompt", "review", "", json!(null)),
        ("--prompt", "admin_reset", "/prompts/deny/admin_*", json!(5)),
        ("--sampling", "claude-x", "", json!(null)),
        ("--sampling", "", "/sampling/allow", json!(6)),
        ("--elicitation", "form", "", json!(null)),
        ("--elicitation", "https://evil.example/", "/elicitation/allow", json!(7)),
        ("--root", "file:///workspace", "(default deny)", json!(3)),
    ] {
        let status = i32::from(!rule.is_empty());
        let ended = folder.run(&["policy", "explain", "policy.json", option, subject, "--json"]).expect(status);
        let answer = ended.json();
        assert_eq!((&answer["rule"], &answer["line"]), (&json!(rule), &line), "{option} {subject}");
        assert_eq!(answer["outcome"], json!(if rule.is_empty() { "allow" } else { "deny" }), "{option} {subject}");
    }
    let text = folder.run(&["policy", "explain", "policy.json", "--prompt", "admin_reset"]).expect(1).stdout;
    assert!(text.contains("because  not allowed") && text.contains("policy.json:5 /prompts/deny/0"), "{text}");
    for arguments in [
        vec!["policy.json"],
        vec!["policy.json", "--tool", "x", "--prompt", "y"],
        vec!["policy.json", "--root", "a:b", "--prompt", "y"],
        vec!["policy.json", "--prompt", "y", "--args", "{}"],
        vec!["policy.json", "--prompt", "y", "--calls", "2"],
    ] {
        let all: Vec<&str> = ["policy", "explain"].into_iter().chain(arguments).collect();
        folder.run(&all).expect(2);
    }
}

#[test]
fn explain_refuses_what_it_cannot_read() {
    let folder = Folder::new(&[("policy.json", EXEC), ("broken.json", "{}")]);
    for (arguments, code) in [
        (vec!["policy.json", "--tool", "x", "--args", "{"], "CG3051"),
        (vec!["policy.json", "--tool", "x", "--at", "noon"], "CG3051"),
        (vec!["broken.json", "--tool", "x"], "CG3045"),
        (vec!["nowhere.json", "--tool", "x"], "CG3050"),
    ] {
        let all: Vec<&str> = ["policy", "explain"].into_iter().chain(arguments).collect();
        let ended = folder.run(&all).expect(2);
        assert!(ended.stderr.contains(code), "{all:?}: {ended:?}");
    }
}

#[test]
fn convert_writes_a_policy_that_checks() {
    let faq = r#"{"version":"1","default":"allow","tools":{"exec":{"rate_limit":"5/hour"}}}"#;
    let folder = Folder::new(&[("faq.json", faq), ("broken.json", "{")]);
    let converted = folder.run(&["policy", "convert", "faq.json"]).expect(0);
    assert!(converted.stdout.contains("exec_rate"), "{converted:?}");
    assert_eq!(run_with_input(&folder.data(), &["policy", "check", "-"], &converted.stdout).code, 0);
    folder.run(&["policy", "convert", "broken.json"]).expect(1);
}

#[test]
fn the_schema_is_json_schema() {
    let folder = Folder::new(&[]);
    let schema = folder.run(&["policy", "schema"]).expect(0).json();
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"), "{schema}");
}

#[test]
fn codes_are_explained_and_unknown_ones_get_those_that_are_near() {
    let folder = Folder::new(&[]);
    for code in ["cg3011", "3011"] {
        assert!(folder.run(&["explain", code]).expect(0).stdout.starts_with("# CG3011: "));
    }
    let unknown = folder.run(&["explain", "CG3016"]).expect(2);
    assert!(unknown.stderr.contains("CG3080") && unknown.stderr.contains("CG3015: "), "{unknown:?}");
    assert!(!unknown.stderr.contains("CG1001"), "not all of them: {unknown:?}");
    let all = folder.run(&["explain", "--list"]).expect(0).stdout;
    assert!(all.contains("CG1001: ") && all.contains("CG4001: "));
}

#[test]
fn the_reference_of_commands_is_current() {
    let folder = Folder::new(&[]);
    let generated = folder.run(&["__help-markdown"]).expect(0).stdout;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == generated, "docs/cli.md is not current: run this test with UPDATE_EXPECT=1");
}

#[test]
fn every_command_shows_an_example() {
    let folder = Folder::new(&[]);
    let reference = folder.run(&["__help-markdown"]).expect(0).stdout;
    for section in reference.split("\n## ").skip(1) {
        let name = section.lines().next().unwrap();
        let group = section.contains("<COMMAND>\n");
        assert!(group || section.contains("Example"), "{name} has no example");
    }
}
