//! The Python SDK's reference server and the published conformance suite, which is written against it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::clients::{command, peers, root};
use crate::gateway::address;
use crate::process::Process;

/// The running reference server: both eras on one endpoint.
pub struct Reference {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How one check of the suite went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It did not apply, or only tells something.
    Noted,
    /// It failed, or warns that what a server should do is not done.
    Failed,
}

/// What one check of the suite found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How it went.
    pub verdict: Verdict,
    /// What it asks for, and where it failed what it met, in the suite's words.
    pub said: String,
}

/// The checks of one run, by scenario, id and number: a scenario may run a check several times.
pub type Checks = BTreeMap<(String, String, usize), Check>;

impl Reference {
    /// Its path under every address it listens on.
    pub const PATH: &'static str = "/mcp";

    /// Starts it over HTTP on a free port of loopback.
    pub fn start() -> Result<Self> {
        let started = Self::command()?;
        let (program, arguments) = started.split_first().context("a command has a program")?;
        let mut command = Command::new(program);
        command.args(arguments).arg("0").env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
        let line = process.wait_for("running on http://")?;
        Ok(Self { address: address(&line)?, process })
    }

    /// The command that runs it over stdio.
    pub fn command() -> Result<Vec<String>> {
        let script = root().join("tests/peers/servers/everything.py");
        command(&[&peers()?.join("python/bin/python"), &script, &Self::sources()?], &[])
    }

    /// The folder of its sources.
    pub(crate) fn sources() -> Result<PathBuf> {
        Ok(peers()?.join("python-src/mcp/examples/servers/everything-server"))
    }

    /// The URL of its endpoint.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, Self::PATH)
    }
}

/// Runs the published suite for servers on a URL, as a revision requires it, scored and unscored scenarios alike.
pub fn conformance(url: &str, revision: &str) -> Result<Checks> {
    let peers = peers()?;
    let results = tempfile::tempdir()?;
    let suite = peers.join("npm/node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let mut run = Command::new(peers.join("bin/node"));
    run.arg(suite).args(["server", "--url", url, "--requirements", revision, "--output-dir"]).arg(results.path());
    let output = run.stdin(Stdio::null()).output()?;
    let mut checks = Checks::new();
    for entry in fs::read_dir(results.path())? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(folder.join("checks.json"))?;
        let found: Vec<Value> = serde_json::from_str(&text).with_context(|| format!("{name}: no list of checks"))?;
        for check in &found {
            add(&mut checks, scenario(&name), check);
        }
    }
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(!checks.is_empty(), "the suite found nothing: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(checks)
}

/// `server-tools-list-2026-11-22T02-14-39-435Z` → `tools-list`.
fn scenario(folder: &str) -> &str {
    let name = folder.strip_prefix("server-").unwrap_or(folder);
    let stamp = "-2026-11-22T02-14-39-435Z".len();
    name.get(..name.len().saturating_sub(stamp)).unwrap_or(name)
}

fn add(checks: &mut Checks, scenario: &str, check: &Value) {
    let text = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = match text("errorMessage") {
        "" => text("description").to_owned(),
        error => format!("{}: {error}", text("description")),
    };
    let verdict = match text("status") {
        "SUCCESS" => Verdict::Passed,
        "INFO" | "SKIPPED" => Verdict::Noted,
        _ => Verdict::Failed,
    };
    let found = Check { verdict, said };
    let mut key = (scenario.to_owned(), text("id").to_owned(), 0);
    while checks.contains_key(&key) {
        key.2 += 1;
    }
    checks.insert(key, found);
}
