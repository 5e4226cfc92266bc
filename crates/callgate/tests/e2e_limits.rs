//! Limits over the command line: what counts, setting to zero, and both after the gateway was killed.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use anyhow::Result;
use serde_json::{Value, json};
use testkit::Stage;

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const RULE: &str = "/tools/exec_command/limits/monthly";

/// How many of so many calls are let through.
fn allowed(stage: &Stage, calls: usize) -> Result<usize> {
    let mut session = stage.session()?;
    let arguments = json!({ "session_id": "s-1", "command": "ls" });
    let mut allowed = 0;
    for _ in 0..calls {
        allowed += usize::from(session.call("exec_command", &arguments)?["result"]["isError"] != true);
    }
    Ok(allowed)
}

/// What the limit counts, as the command line says.
fn used(stage: &Stage) -> Result<Value> {
    let listed = stage.callgate.json(["limits", "list", "--server", "fixture", "--json"])?;
    Ok(listed.as_array().and_then(|limits| limits.first()).map(|limit| limit["used"].clone()).unwrap_or_default())
}

fn reset(stage: &Stage) -> Result<Value> {
    stage.callgate.json(["limits", "reset", "fixture", RULE, "--reason", "agreed", "--json"])
}

fn killed(stage: &mut Stage) -> Result<()> {
    stage.gateway.process.kill()?;
    stage.gateway = stage.callgate.up()?;
    stage.callgate.run(["journal", "verify"])?;
    Ok(())
}

#[test]
fn a_limit_that_was_reset_counts_anew_also_after_a_crash() -> Result<()> {
    let limits = json!([{ "counter": "monthly", "window": "month", "max": 3, "scope": "grant" }]);
    let policy = json!({ "version": "1", "default": "deny", "tools": { "exec_command": { "limits": limits } } });
    let mut stage = Stage::set(BINARY, "kernel", &policy.to_string())?;
    assert_eq!((allowed(&stage, 5)?, used(&stage)?), (3, json!(3)));
    let limit = stage.callgate.json(["limits", "list", "--json"])?[0].clone();
    assert_eq!((&limit["rule"], &limit["near"], &limit["scope"]), (&json!(RULE), &json!(true), &json!("grant")));

    assert_eq!(reset(&stage)?["counters"], 1);
    assert_eq!((used(&stage)?, allowed(&stage, 2)?, used(&stage)?), (Value::Null, 2, json!(2)));
    killed(&mut stage)?;
    assert_eq!((used(&stage)?, allowed(&stage, 3)?), (json!(2), 1), "what was charged since stays charged");
    assert_eq!(reset(&stage)?["counters"], 1);
    killed(&mut stage)?;
    assert_eq!((used(&stage)?, allowed(&stage, 5)?), (Value::Null, 3), "and what was reset stays reset");

    let refused = stage.callgate.output(["limits", "reset", "fixture", "/tools/x/limits/y", "--reason", "agreed"])?;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("CG3253"));
    Ok(())
}
