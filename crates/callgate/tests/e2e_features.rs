//! Resumption, cancellation, changes, elicitation and sampling with real clients: in one era, in the other, and where
//! client and server are of different ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testkit::{Callgate, Fixture, peers};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow" }"#;

/// A real client, and the era that it is told to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// TypeScript v1: legacy.
    First,
    /// TypeScript v2, `auto`: modern where the server is.
    Second,
    /// TypeScript v2 as it is without being told.
    SecondLegacy,
    /// Python 2.x, `auto`: modern where the server is.
    Python,
}

/// How the fixture is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Http,
    Stdio,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

impl Client {
    fn is_modern(self) -> bool {
        matches!(self, Self::Second | Self::Python)
    }

    fn run(self, url: &str, token: &str, features: &[&str]) -> Result<Value> {
        let peers = peers()?;
        let (program, script) = match self {
            Self::First => (peers.join("bin/node"), "features_v1.mjs"),
            Self::Second | Self::SecondLegacy => (peers.join("bin/node"), "features_v2.mjs"),
            Self::Python => (peers.join("python/bin/python"), "features.py"),
        };
        let era = if self.is_modern() { "auto" } else { "legacy" };
        let job = json!({ "url": url, "token": token, "era": era, "features": features });
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/clients");
        let output = Command::new(program)
            .arg(scripts.join(script))
            .arg(job.to_string())
            .env("CALLGATE_PEERS_NPM", peers.join("npm/package.json"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .output()?;
        let (said, complained) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("{self:?} failed: {complained}");
        }
        serde_json::from_str(&said).with_context(|| format!("{self:?} printed `{said}`: {complained}"))
    }
}

/// What one client saw through the gateway, and what the fixture behind it noted.
struct Run {
    saw: Value,
    messages: Vec<Value>,
    events: Vec<Value>,
}

/// `era` is what the fixture speaks, `declared` what the gateway is told of it.
fn run(client: Client, era: &str, declared: &str, transport: Transport, features: &[&str]) -> Result<Run> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let log: PathBuf = folder.path().join("fixture.log");
    let options = ["--era", era];
    let mut fixture = None;
    match transport {
        Transport::Stdio => {
            let command = Fixture::command(&callgate, "probe", &options, &log);
            let add = ["server", "add", "probe", "--era", declared, "--env-from", "PATH", "--"].map(str::to_owned);
            callgate.run(add.into_iter().chain(command))?;
        }
        Transport::Http => {
            let started = fixture.insert(Fixture::start_with(&callgate, "probe", &options, &log)?);
            callgate.run(["server", "add", "probe", "--era", declared, "--url", &started.url()])?;
        }
        Transport::Sse => {
            let options = [&options[..], &["--transport", "sse"]].concat();
            let started = fixture.insert(Fixture::start_with(&callgate, "probe", &options, &log)?);
            let url = format!("http://{}/sse", started.address);
            callgate.run(["server", "add", "probe", "--era", declared, "--url", &url])?;
        }
    }
    callgate.publish("probe", ALLOW_ALL)?;
    let grant = callgate.mint("probe", "test")?;
    let mut gateway = callgate.up()?;
    let saw = client.run(&gateway.url("probe"), &grant.token, features);
    let saw = saw.with_context(|| format!("the gateway said: {}", gateway.process.said()))?;
    Ok(Run { saw, messages: Fixture::messages_in(&log)?, events: Fixture::events_in(&log)? })
}

/// Every feature, for one pair of client and server; each is a line of its own where it isn't as it should be.
fn check(client: Client, era: &str, declared: &str, transport: Transport) -> Result<()> {
    let mut features = vec!["ask", "ask_twice", "ask_url", "sample", "roots", "progress", "cancel", "changed"];
    if !client.is_modern() {
        features.push("resumed");
        // A modern server and a pair of pipes can't close a stream and keep its answer.
        if era == "legacy" && transport == Transport::Http {
            features.push("closed");
        }
    }
    let run = run(client, era, declared, transport, &features)?;
    let accepted = json!({ "action": "accept", "content": { "name": "Ada" } });
    let colour = json!({ "action": "accept", "content": { "colour": "Ada" } });
    let expected = [
        ("ask", json!({ "name": accepted })),
        ("ask_twice", json!({ "first": accepted, "second": colour })),
        ("ask_url", json!({ "sign_in": { "action": "accept" } })),
        (
            "sample",
            json!({ "sample": {
            "role": "assistant", "model": "none", "content": { "type": "text", "text": "said: hello" } } }),
        ),
        ("roots", json!({ "roots": [{ "uri": "file:///workspace", "name": "workspace" }] })),
        ("progress", json!({ "result": "2 steps", "seen": [0, 1, 2] })),
        ("cancel", json!({ "cancelled": true, "after": { "text": "still here" } })),
        ("changed", json!({ "notified": true, "before": false, "after": true })),
        ("resumed", json!({ "result": "1 steps", "resumed": true })),
        ("closed", json!({ "result": "after the stream was closed", "resumed": true })),
    ];
    let mut problems = Vec::new();
    for (feature, expected) in expected.iter().filter(|(feature, _)| features.contains(feature)) {
        if !is_same(&run.saw[*feature], expected) {
            problems.push(format!("{feature}: {} and not {expected}", run.saw[*feature]));
        }
    }
    if client.is_modern() && run.saw["version"] != "2026-07-28" {
        problems.push(format!("the client speaks {}", run.saw["version"]));
    }
    // What the client says that it cancelled has to be cancelled at the server, and nothing else has.
    let cancelled: Vec<&Value> = run.events.iter().filter(|event| event["event"] == "cancelled").collect();
    let stopped = run.messages.iter().filter(|line| line["tool"] == "slow").nth(1).map(|line| &line["id"]);
    let cancels = cancelled.iter().filter(|event| Some(&event["id"]) == stopped).count();
    if cancels != 1 {
        problems.push(format!("cancelled at the server: {cancelled:?}, and not {stopped:?}"));
    }
    if run.messages.iter().any(|line| line["text"].as_str().is_some_and(|text| text.contains("cg_"))) {
        problems.push("the grant's token has reached the server".to_owned());
    }
    assert!(problems.is_empty(), "{client:?} and {era} over {transport:?}:\n{}", problems.join("\n"));
    Ok(())
}

/// Whether two values are the same, numbers compared as numbers.
fn is_same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => found.as_f64() == expected.as_f64(),
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| is_same(found, value)))
        }
        _ => found == expected,
    }
}

macro_rules! features {
    ($($name:ident: $client:ident, $era:literal as $declared:literal, $transport:ident;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            check(Client::$client, $era, $declared, Transport::$transport)
        })*
    };
}

features! {
    legacy_in_front_of_legacy_http: First, "legacy" as "auto", Http;
    legacy_in_front_of_legacy_stdio: First, "legacy" as "auto", Stdio;
    legacy_in_front_of_legacy_sse: First, "legacy" as "auto", Sse;
    newer_legacy_in_front_of_legacy_http: SecondLegacy, "legacy" as "auto", Http;
    newer_legacy_in_front_of_modern_http: SecondLegacy, "modern" as "auto", Http;
    legacy_in_front_of_modern_http: First, "modern" as "auto", Http;
    legacy_in_front_of_modern_stdio: First, "modern" as "auto", Stdio;
    legacy_in_front_of_declared_modern_http: First, "modern" as "modern", Http;
    legacy_in_front_of_declared_modern_stdio: First, "modern" as "modern", Stdio;
    modern_in_front_of_modern_http: Second, "modern" as "auto", Http;
    modern_in_front_of_modern_stdio: Second, "modern" as "auto", Stdio;
    modern_in_front_of_legacy_http: Second, "legacy" as "auto", Http;
    modern_in_front_of_legacy_stdio: Second, "legacy" as "auto", Stdio;
    modern_in_front_of_legacy_sse: Second, "legacy" as "auto", Sse;
    modern_in_front_of_declared_legacy_http: Second, "legacy" as "legacy", Http;
    python_in_front_of_modern_http: Python, "modern" as "auto", Http;
    python_in_front_of_modern_stdio: Python, "modern" as "auto", Stdio;
    python_in_front_of_legacy_http: Python, "legacy" as "auto", Http;
    python_in_front_of_legacy_stdio: Python, "legacy" as "auto", Stdio;
    python_in_front_of_legacy_sse: Python, "legacy" as "auto", Sse;
}
