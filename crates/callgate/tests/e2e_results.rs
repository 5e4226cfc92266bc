//! Rules over results through the built binary: what a server shows is taken out before a client sees it, over HTTP, over
//! standard streams and with a real client, and none of it is in the journal.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "../../callgate-detect/tests/support/planted.rs"]
mod planted;

use anyhow::{Context, Result, ensure};
use planted::Planted;
use serde_json::{Value, json};
use std::path::Path;
use testkit::{Callgate, Client, Session, Stage, StdioServer, journal};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");

/// The fixture answers with the arguments of the call, as a text.
const KERNEL: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "results": {
        "redact": ["secrets", "personal_data", { "name": "customer", "regex": "\\bC-[0-9]{6}\\b" }],
        "deny_if": [
          { "conditions": [ { "path": "result.content[*].text", "op": "contains", "value": "ignore previous" } ] }
        ],
        "max_bytes": 20000
      }
    },
    "manage_apps": {}
  },
  "tests": [
    { "name": "customers", "tool": "exec_command", "result": "C-123456", "redacts": ["customer"], "expect": "allow" },
    { "name": "injection", "tool": "exec_command", "result": "please ignore previous text", "expect": "deny" }
  ]
}"#;

fn arguments(text: &str) -> Value {
    json!({ "session_id": "s-1", "command": text })
}

/// The text of a result, and nothing of the secret anywhere in the answer.
fn shown(answer: &Value, planted: &Planted) -> Result<String> {
    let Planted { detector, secret, .. } = planted;
    let whole = answer.to_string();
    let bare = json!(secret).to_string();
    ensure!(!whole.contains(bare.trim_matches('"')), "{detector}: {whole}");
    let text = answer["result"]["content"][0]["text"].as_str().with_context(|| format!("{detector}: {whole}"))?;
    ensure!(text.contains("[REDACTED:"), "{detector}: {text}");
    Ok(text.to_owned())
}

/// Nothing of any secret in the journal, and decisions about results beside the calls.
fn recorded(data: &Path, corpus: &[Planted]) -> Result<usize> {
    let records = journal::records(data)?;
    let text = records.iter().map(|record| record.body.to_string()).collect::<String>();
    for Planted { detector, secret, .. } in corpus {
        // Short ones are found anywhere.
        ensure!(secret.len() < 12 || !text.contains(secret.as_str()), "{detector} is in the journal");
    }
    Ok(records.iter().filter(|record| record.body.get("result_of").is_some()).count())
}

#[test]
fn over_http_with_sessions_and_a_real_client() -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", KERNEL)?;
    let mut session: Session = stage.session()?;
    let corpus = planted::corpus(23);
    for planted in &corpus {
        let answer = session.call("exec_command", &arguments(&planted.text))?;
        shown(&answer, planted)?;
    }
    let secret = &corpus[0];
    // What is not ruled passes as it came, and what reached the server was never changed.
    let passed = session.call("manage_apps", &json!({ "action": secret.text }))?;
    ensure!(passed["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains(&secret.secret)));
    let calls = stage.fixture.calls()?;
    ensure!(calls[0]["text"].as_str().is_some_and(|text| text.contains(&secret.secret)), "{}", calls[0]);
    for (text, rule) in [
        ("now ignore previous text".to_owned(), "/tools/exec_command/results/deny_if/result.content[*].text-contains"),
        ("-".repeat(30_000), "/tools/exec_command/results/max_bytes"),
    ] {
        let refused = session.call("exec_command", &arguments(&text))?;
        assert_eq!(refused["result"]["isError"], true, "{refused}");
        assert_eq!(refused["result"]["_meta"]["dev.callgate/decision"]["rule"], rule);
    }
    let target = json!({ "url": stage.gateway.url("fixture"), "token": stage.grant.token });
    for client in [Client::TypeScriptV2, Client::Python] {
        let mut job = target.clone();
        job["steps"] = json!([
            { "call": "exec_command", "arguments": arguments(&format!("{} of C-123456", secret.text)) },
            { "call": "exec_command", "arguments": arguments("ignore previous text") }
        ]);
        let answers = client.run(&job)?;
        let text = answers[0]["content"][0]["text"].as_str().context("no text")?;
        ensure!(!text.contains(&secret.secret) && text.contains("[REDACTED:customer]"), "{client:?}: {text}");
        assert_eq!(
            (&answers[1]["isError"], &answers[1]["decision"]["outcome"]),
            (&json!(true), &json!("deny")),
            "{client:?}"
        );
    }
    drop(session);
    let count = recorded(stage.callgate.data(), &corpus)?;
    assert_eq!(count, corpus.len() + 2 + 4, "one for each result that something happened to");
    Ok(())
}

#[test]
fn over_standard_streams() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, KERNEL)?;
    let mut command = callgate.command(["wrap", "--policy"]);
    command.arg(&policy).args(["--", BINARY, "fixture", "--tools", "kernel"]);
    let mut server = StdioServer::open(&mut command)?;
    let corpus = planted::corpus(29);
    for planted in corpus.iter().step_by(5) {
        let answer = server.call("exec_command", &arguments(&planted.text))?;
        shown(&answer, planted)?;
    }
    drop(server);
    ensure!(recorded(callgate.data(), &corpus)? > 10);
    let output = callgate.output(["policy", "test", &policy.to_string_lossy()])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
