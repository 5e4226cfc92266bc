//! A call that needs a yes, answered on the command line.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use testkit::Stage;

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const POLICY: &str = r#"{ "version": "1", "default": "deny",
    "tools": { "exec_command": { "approve_if": [{ "conditions": [], "remember_for": "1h" }] } } }"#;

fn command(stage: &Stage, arguments: &[&str]) -> Result<Value> {
    stage.callgate.json(arguments.iter().chain(&["--json"]))
}

/// Whether the call was let through; else the identity of the question about it.
fn asked(answer: &Value) -> Result<Option<String>> {
    let result = &answer["result"];
    let approval = &result["_meta"]["dev.callgate/decision"]["approval"];
    if result["isError"] != true {
        return Ok(None);
    }
    Ok(Some(approval["id"].as_str().with_context(|| format!("no question: {result}"))?.to_owned()))
}

#[test]
fn a_call_is_asked_about_watched_answered_and_made_once() -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", POLICY)?;
    let mut watch = stage.callgate.command(["approvals", "watch", "--json"]);
    let mut watch = watch.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(watch.stdout.take().context("no output")?).lines();
    let mut session = stage.session()?;
    let arguments = json!({ "session_id": "s-1", "command": "ls \u{202e}" });
    let id = asked(&session.call("exec_command", &arguments)?)?.context("it was let through")?;
    let told: Value = serde_json::from_str(&lines.next().context("nothing was told")??)?;
    watch.kill()?;
    watch.wait()?;
    ensure!((&told["id"], &told["tool"]) == (&json!(id), &json!("exec_command")), "{told}");

    let listed = command(&stage, &["approvals", "list", "--state", "pending"])?;
    ensure!(listed[0]["id"] == *id && listed[0]["arguments"].is_null(), "{listed}");
    let shown = stage.callgate.run(["approvals", "show", &id])?;
    ensure!(shown.contains("command: \"ls ⟨U+202E⟩\""), "{shown}");
    let approved = command(&stage, &["approvals", "approve", &id, "--reason", "fine"])?;
    ensure!(approved["state"] == "approved", "{approved}");
    let late = stage.callgate.command(["approvals", "deny", &id]).output()?;
    ensure!(late.status.code() == Some(1), "{late:?}");
    ensure!(String::from_utf8_lossy(&late.stderr).contains("CG3211"), "{late:?}");

    ensure!(asked(&session.call("exec_command", &json!({ "session_id": "s-1", "command": "ls" }))?)?.is_some());
    ensure!(asked(&session.call("exec_command", &arguments)?)?.is_none(), "the yes covers it");
    let again = asked(&session.call("exec_command", &arguments)?)?.context("the yes was used up")?;
    let same = ["approvals", "approve", &again, "--remember", "10m", "--same", "session_id"];
    ensure!(command(&stage, &same)?["remembered"] == json!(["session_id"]));
    for text in ["ls", "pwd"] {
        let arguments = json!({ "session_id": "s-1", "command": text });
        ensure!(asked(&session.call("exec_command", &arguments)?)?.is_none(), "the yes stays");
    }
    stage.callgate.run(["approvals", "revoke", &again])?;
    ensure!(asked(&session.call("exec_command", &json!({ "session_id": "s-1", "command": "id" }))?)?.is_some());
    Ok(())
}
