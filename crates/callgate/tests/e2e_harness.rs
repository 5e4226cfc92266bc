//! The MCP wire tests of `agent-security-harness`: what a bare server withstands, it withstands behind the gateway, and
//! what the reference server lets through stops here.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use testkit::{Callgate, Check, Reference, Verdict, wire_tests};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow" }"#;

/// The tests that the reference server fails over HTTP: malformed JSON-RPC, and a body without bounds.
const STOPPED_HERE: [&str; 2] = ["MCP-008", "MCP-018"];

#[test]
fn legacy_over_http() -> Result<()> {
    over_http(&[])
}

#[test]
fn modern_over_http() -> Result<()> {
    over_http(&["--protocol-version", "2026-07-28"])
}

/// The same two over stdio. All others the harness runs over HTTP as well, where it waits less.
#[test]
fn malformed_and_unbounded_over_stdio() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, ALLOW_ALL)?;
    let data = folder.path().join("data");
    let reference = Reference::command()?.join(" ");
    let command = format!("{BINARY} wrap --policy {} --data {} -- {reference}", policy.display(), data.display());
    let arguments = ["--transport", "stdio", "--categories", "malformed_messages,dos", "--command", &command];
    let through = wire_tests(&arguments)?;
    for test in STOPPED_HERE {
        ensure!(through[test].verdict == Verdict::Passed, "{test}: {}", through[test].said);
    }
    Ok(())
}

fn over_http(protocol: &[&str]) -> Result<()> {
    let reference = Reference::start()?;
    let direct = wire_tests(&[&["--transport", "http", "--url", &reference.url()], protocol].concat())?;

    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    callgate.add_url("reference", &reference.url())?;
    callgate.publish("reference", ALLOW_ALL)?;
    let grant = callgate.mint("reference", "harness")?;
    let gateway = callgate.up()?;
    let token = format!("Authorization: Bearer {}", grant.token);
    let target = ["--transport", "http", "--url", &gateway.url("reference"), "--header", &token];
    let through = wire_tests(&[&target, protocol].concat())?;

    println!("{}", table(&direct, &through));
    for test in STOPPED_HERE {
        ensure!(direct[test].verdict == Verdict::Failed, "{test} passes on the bare server: {}", direct[test].said);
        ensure!(through[test].verdict == Verdict::Passed, "{test}: {}", through[test].said);
    }
    for (test, _) in direct.iter().filter(|(_, check)| check.verdict == Verdict::Passed) {
        ensure!(through.get(test).is_some_and(|check| check.verdict == Verdict::Passed), "{test} passes directly only");
    }
    for (test, check) in &through {
        ensure!(check.verdict != Verdict::Failed, "{test} fails through the gateway: {}", check.said);
    }
    Ok(())
}

fn table(direct: &BTreeMap<String, Check>, through: &BTreeMap<String, Check>) -> String {
    let verdict = |checks: &BTreeMap<String, Check>, test: &str| match checks.get(test).map(|check| check.verdict) {
        Some(Verdict::Passed) => "pass",
        Some(Verdict::Failed) => "FAIL",
        Some(Verdict::Noted) => "not run",
        None => "missing",
    };
    let mut lines = vec![format!("{:<12}{:<9}{:<9}", "test", "bare", "through")];
    for (test, check) in through {
        lines.push(format!("{test:<12}{:<9}{:<9}{}", verdict(direct, test), verdict(through, test), check.said));
    }
    lines.join("\n")
}
