//! The MCP wire tests of `agent-security-harness`: attacks on a server, each with a verdict.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::clients::peers;
use crate::reference::{Check, Verdict};

/// Runs the wire tests with these arguments, which name the target; returns the verdicts by the tests' ids.
pub fn wire_tests<S: AsRef<str>>(arguments: &[S]) -> Result<BTreeMap<String, Check>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("report.json");
    let mut harness = Command::new(peers()?.join("python/bin/agent-security"));
    harness.args(["test", "mcp"]).args(arguments.iter().map(AsRef::as_ref)).arg("--report").arg(&file);
    harness.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder.path());
    // It says by its exit status that a test failed, which is no failure of the run.
    let output = harness.stdin(Stdio::null()).output()?;
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&file).with_context(|| format!("the harness wrote no report: {}", said()))?;
    let report: Value = serde_json::from_str(&text)?;
    let results = report.get("results").and_then(Value::as_array).context("a report without results")?;
    let found: BTreeMap<String, Check> = results.iter().map(finding).collect();
    ensure!(!found.is_empty(), "the harness ran no test: {}", said());
    Ok(found)
}

fn finding(result: &Value) -> (String, Check) {
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
    let is = |name: &str| result.get(name).and_then(Value::as_bool).unwrap_or_default();
    let verdict = match (is("passed"), is("not_evaluated")) {
        (_, true) => Verdict::Noted,
        (true, false) => Verdict::Passed,
        (false, false) => Verdict::Failed,
    };
    (text("test_id").to_owned(), Check { verdict, said: format!("{}: {}", text("name"), text("details")) })
}
