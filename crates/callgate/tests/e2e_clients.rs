//! The main job with the official clients: ten calls a minute reach the server, the eleventh is told why it doesn't.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Callgate, Client, Fixture, Stage, StdioServer, journal};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");

const KERNEL: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "limits": [{ "counter": "exec_command_rate", "window": "minute", "max": 10, "scope": "grant" }]
    }
  }
}"#;

const PARE: &str = r#"{
  "version": "1",
  "default": "deny",
  "name": "docker",
  "tools": {
    "exec": { "limits": [{ "counter": "exec_rate", "window": "minute", "max": 10, "scope": "grant" }] }
  }
}"#;

/// Ten calls fill a minute. A run that crosses into the next minute gets ten more: at most 20 calls are let through
/// before the first denial, and the journal says which minute each was charged to.
const MOST: usize = 21;

#[test]
fn kernel_over_http_with_typescript_v1() -> Result<()> {
    kernel(Client::TypeScriptV1)
}

#[test]
fn kernel_over_http_with_typescript_v2() -> Result<()> {
    kernel(Client::TypeScriptV2)
}

#[test]
fn kernel_over_http_with_python() -> Result<()> {
    kernel(Client::Python)
}

#[test]
fn pare_over_stdio_with_typescript_v1() -> Result<()> {
    pare(Client::TypeScriptV1)
}

#[test]
fn pare_over_stdio_with_typescript_v2() -> Result<()> {
    pare(Client::TypeScriptV2)
}

#[test]
fn pare_over_stdio_with_python() -> Result<()> {
    pare(Client::Python)
}

fn kernel(client: Client) -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", KERNEL)?;
    let arguments = json!({ "session_id": "s-1", "command": "ls", "args": ["-la"] });
    let target = json!({ "url": stage.gateway.url("fixture"), "token": stage.grant.token });
    let others = names(&stage.callgate, "kernel", "exec_command")?;
    let answers = client.run(&job(target, "exec_command", &arguments, &others))?;
    let decisions = journal::decisions(stage.callgate.data())?;
    check(&answers, &decisions, &others, "exec_command", &stage.fixture.calls()?)
}

fn pare(client: Client) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let log = folder.path().join("fixture.log");
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, PARE)?;
    let data = callgate.data().to_string_lossy();
    let command = json!([
        BINARY,
        "wrap",
        "--policy",
        policy,
        "--data",
        data,
        "--",
        BINARY,
        "fixture",
        "--tools",
        "pare-docker",
        "--log",
        log
    ]);
    let arguments = json!({ "container": "web", "command": ["ls", "-la"] });
    let others = names(&callgate, "pare-docker", "exec")?;
    let answers = client.run(&job(json!({ "command": command }), "exec", &arguments, &others))?;
    let decisions = journal::decisions(callgate.data())?;
    check(&answers, &decisions, &others, "exec", &Fixture::calls_in(&log)?)
}

/// The other tools of a built-in list, asked of the fixture itself.
fn names(callgate: &Callgate, list: &str, tool: &str) -> Result<Vec<String>> {
    let mut server = StdioServer::open(&mut callgate.command(["fixture", "--tools", list]))?;
    let answer: Value = serde_json::from_slice(&server.ask("tools/list", &json!({}))?)?;
    let tools = answer["result"]["tools"].as_array().context("no tools")?;
    let names = tools.iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned);
    let others: Vec<String> = names.filter(|name| name != tool).collect();
    ensure!(others.len() + 1 == tools.len() && !others.is_empty(), "`{tool}` is one of several tools of {list}");
    Ok(others)
}

/// List, call until denied, then call every other tool once.
fn job(mut target: Value, tool: &str, arguments: &Value, others: &[String]) -> Value {
    let mut steps =
        vec![json!({ "list": true }), json!({ "until_denied": tool, "arguments": arguments, "most": MOST })];
    steps.extend(others.iter().map(|other| json!({ "call": other, "arguments": {} })));
    target["steps"] = Value::from(steps);
    target
}

fn check(answers: &[Value], decisions: &[Value], others: &[String], tool: &str, reached: &[Value]) -> Result<()> {
    let listed = answers[0]["tools"].as_array().context("no list")?;
    assert_eq!(listed.len(), others.len() + 1, "default deny does not shorten the list");

    let calls = answers[1]["calls"].as_array().context("no calls")?;
    let (denied, allowed) = calls.split_last().context("no call was made")?;
    for (index, call) in allowed.iter().enumerate() {
        assert_eq!(call["isError"], false, "call {}: {call}", index + 1);
    }
    let rule = format!("/tools/{tool}/limits/{tool}_rate");
    assert_eq!(denied["isError"], true, "no call was denied: {denied}");
    assert_eq!(denied["decision"]["outcome"], "deny", "{denied}");
    assert_eq!(denied["decision"]["rule"], *rule, "{denied}");
    let retry = denied["decision"]["retryAfterMs"].as_u64().context("says when to retry, as data")?;
    assert!((1..=60_000).contains(&retry), "{denied}");
    let text = denied["content"][0]["text"].as_str().context("says why")?;
    assert!(text.starts_with("[POLICY DENIED] "), "{text}");
    assert!(text.contains("10") && text.contains(&format!("{tool}_rate")), "names the limit: {text}");

    let per_minute = charged(decisions, tool);
    assert!(per_minute.values().all(|count| *count <= 10), "{per_minute:?}");
    let last = per_minute.values().next_back();
    assert_eq!(last, Some(&10), "refused only when the minute held ten: {per_minute:?}");

    for (other, answer) in others.iter().zip(&answers[2..]) {
        assert_eq!(answer["isError"], true, "{other}: {answer}");
        assert_eq!(answer["decision"]["rule"], "(default deny)", "{other}: {answer}");
    }
    let tools: Vec<&str> = reached.iter().filter_map(|call| call["tool"].as_str()).collect();
    assert_eq!(tools, vec![tool; allowed.len()], "the server's own log: what was allowed reached it, and nothing else");
    Ok(())
}

/// How many calls the journal charged to each window.
fn charged(decisions: &[Value], tool: &str) -> BTreeMap<i64, u64> {
    let mut windows = BTreeMap::new();
    for decision in decisions.iter().filter(|decision| decision["outcome"] == "allow" && decision["tool"] == tool) {
        let start = decision["charges"][0]["window_start"].as_i64().unwrap_or_default();
        *windows.entry(start).or_default() += 1;
    }
    windows
}

#[test]
fn a_job_that_is_not_there_fails() {
    assert!(Path::new(BINARY).exists());
    let job = json!({ "command": [BINARY, "no-such-command"], "steps": [] });
    assert!(Client::Python.run(&job).is_err(), "a script that can't connect must not look like a pass");
}
