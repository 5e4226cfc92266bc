//! One bad server on a gateway: its own calls fail clearly, and the calls of another server don't notice.
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

#[path = "support/proc.rs"]
mod proc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{Callgate, Connection, Fixture, Gateway, Grant, Session, request};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow", "sampling": { "allow": [] }, "elicitation": { "allow": [] }, "roots": { "allow": [] } }"#;
/// Calls of the healthy server at the least, beside each fault.
const CALLS: usize = 40;

/// Notifications of the flood: more than can pass before the call's time is over.
const FLOOD: u64 = 300_000;
/// More than a line may hold.
const HUGE: u64 = 20 << 20;
/// On standard error.
const ERRORS: u64 = 1 << 20;

/// What the caller gets.
#[derive(Clone, Copy, Debug)]
enum Met {
    /// An error with the page of one of these codes, and a text that says why.
    Error(&'static [&'static str]),
    /// The answer of the server, with this text in it.
    Answer(&'static str),
}

/// A fault and what comes of it, over HTTP and over stdio.
struct Case {
    kind: &'static str,
    http: Option<Met>,
    stdio: Option<Met>,
}

const CASES: &[Case] = &[
    Case { kind: "hang", http: Some(Met::Error(&["CG2042"])), stdio: Some(Met::Error(&["CG2042"])) },
    Case { kind: "slow_head", http: Some(Met::Error(&["CG2042"])), stdio: Some(Met::Error(&["CG2042"])) },
    Case { kind: "die", http: Some(Met::Error(&["CG2041"])), stdio: Some(Met::Error(&["CG2047"])) },
    Case { kind: "garbage", http: Some(Met::Error(&["CG2044"])), stdio: Some(Met::Error(&["CG2042"])) },
    Case { kind: "garbage_events", http: Some(Met::Error(&["CG2041", "CG2044"])), stdio: None },
    Case { kind: "twice", http: Some(Met::Answer("once")), stdio: Some(Met::Answer("once")) },
    Case { kind: "other_id", http: Some(Met::Error(&["CG2044"])), stdio: Some(Met::Error(&["CG2042"])) },
    Case { kind: "flood", http: Some(Met::Error(&["CG2053"])), stdio: Some(Met::Error(&["CG2048", "CG2053"])) },
    Case {
        kind: "huge_line",
        http: Some(Met::Error(&["CG2044", "CG2045"])),
        stdio: Some(Met::Error(&["CG2045", "CG2047"])),
    },
    Case { kind: "redirect", http: Some(Met::Error(&["CG2043"])), stdio: None },
    Case { kind: "bad_status", http: Some(Met::Error(&["CG2041", "CG2044"])), stdio: None },
    Case { kind: "unasked", http: Some(Met::Answer("unasked was done")), stdio: Some(Met::Answer("unasked was done")) },
    Case { kind: "stderr_flood", http: None, stdio: Some(Met::Answer("stderr_flood was done")) },
];

impl Case {
    /// How long the server may take: short where the case is about that.
    fn times(&self) -> [&'static str; 4] {
        match self.kind {
            "hang" | "slow_head" | "garbage" | "other_id" => ["--silence-timeout", "1s", "--call-timeout", "5m"],
            "flood" => ["--silence-timeout", "1m", "--call-timeout", "2s"],
            _ => ["--silence-timeout", "1m", "--call-timeout", "5m"],
        }
    }

    fn arguments(&self) -> Value {
        let bytes = if self.kind == "huge_line" { HUGE } else { ERRORS };
        json!({ "kind": self.kind, "count": FLOOD, "bytes": bytes })
    }
}

/// The revision that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

struct Scene {
    callgate: Callgate,
    gateway: Gateway,
    healthy: Grant,
    bad: Vec<(String, Grant)>,
    fixtures: Vec<Fixture>,
    folder: tempfile::TempDir,
}

impl Scene {
    /// A gateway with a healthy server, and a bad one for every case: what one case does to a server must not be what
    /// the next one meets.
    fn set(transport: &str, era: Era) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let callgate = Callgate::new(BINARY, folder.path().join("data"));
        let log = |name: &str| folder.path().join(format!("{name}.log"));
        let good = Fixture::start(&callgate, "probe", &log("healthy"))?;
        let rogue = Fixture::start(&callgate, "probe", &log("bad"))?;
        callgate.add_url("healthy", &good.url())?;
        callgate.publish("healthy", ALLOW_ALL)?;
        let healthy = callgate.mint("healthy", "healthy")?;
        let mut bad = Vec::new();
        for case in CASES {
            let name = format!("bad-{}-{transport}-{era:?}", case.kind.replace('_', "-")).to_lowercase();
            let mut add: Vec<String> = ["server", "add", &name].map(str::to_owned).into();
            add.extend(case.times().map(str::to_owned));
            if transport == "stdio" {
                add.extend(["--env-from", "PATH", "--"].map(str::to_owned));
                add.extend(Fixture::command(&callgate, "probe", &[], &log(&name)));
            } else {
                add.extend(["--url".to_owned(), rogue.url()]);
            }
            callgate.run(&add)?;
            callgate.publish(&name, ALLOW_ALL)?;
            bad.push((name.clone(), callgate.mint(&name, &name)?));
        }
        let gateway = callgate.up()?;
        Ok(Self { callgate, gateway, healthy, bad, fixtures: vec![good, rogue], folder })
    }

    /// A client of a server: what it is asked to post, it posts.
    fn client(&self, server: &str, grant: &Grant, era: Era) -> Result<Client> {
        let path = Gateway::path(server);
        match era {
            Era::Legacy => {
                Ok(Client::Legacy(Box::new(Session::open(self.gateway.address, &path, Some(&grant.token))?)))
            }
            Era::Modern => {
                let connection = Connection::open(self.gateway.address)?;
                Ok(Client::Modern { connection, path, token: grant.token.clone() })
            }
        }
    }
}

enum Client {
    Legacy(Box<Session>),
    Modern { connection: Connection, path: String, token: String },
}

impl Client {
    /// Every message that answers the call, with this id.
    fn call(&mut self, id: u64, tool: &str, arguments: &Value) -> Result<Vec<Value>> {
        let mut params = json!({ "name": tool, "arguments": arguments });
        let response = match self {
            Self::Legacy(session) => session.post(&request(id, "tools/call", &params))?,
            Self::Modern { connection, path, token } => {
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
                let authorization = format!("Bearer {token}");
                let headers = [
                    ("authorization", authorization.as_str()),
                    ("content-type", "application/json"),
                    ("accept", "application/json, text/event-stream"),
                    ("mcp-protocol-version", "2026-07-28"),
                    ("mcp-method", "tools/call"),
                    ("mcp-name", tool),
                ];
                connection.post(path, &headers, request(id, "tools/call", &params).as_bytes())?
            }
        };
        let messages = response.messages();
        let parsed: Vec<Value> = messages.iter().filter_map(|message| serde_json::from_slice(message).ok()).collect();
        ensure!(!parsed.is_empty(), "{} {}", response.status, response.text().chars().take(400).collect::<String>());
        Ok(parsed)
    }
}

/// Calls the healthy server until it is told to stop, and as often as it takes; returns how long each call took.
fn calls(mut client: Client, is_over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    while took.len() < CALLS || !is_over.load(Ordering::SeqCst) {
        let start = Instant::now();
        let text = format!("call {}", took.len());
        let answers = client.call(took.len() as u64 + 100, "echo", &json!({ "text": text }))?;
        let said = answers[0]["result"]["content"][0]["text"].as_str().with_context(|| format!("{answers:?}"))?;
        ensure!(said.contains(&text), "{said}");
        took.push(start.elapsed());
    }
    Ok(took)
}

fn check(expected: Met, answers: &[Value]) -> Result<()> {
    let mine: Vec<&Value> = answers.iter().filter(|message| message.get("method").is_none()).collect();
    ensure!(mine.len() == 1, "not one answer: {mine:?}");
    let answer = mine[0];
    ensure!(answer["id"] == 7, "under another id: {answer}");
    // `roots/list` may be asked; what the policy says of roots is which of them are told.
    let is_denied =
        |message: &Value| message["method"] == "sampling/createMessage" || message["method"] == "elicitation/create";
    ensure!(!answers.iter().any(is_denied), "nobody allowed the server to ask: {answers:?}");
    match expected {
        Met::Error(codes) => {
            let code = answer["error"]["data"]["code"].as_str();
            ensure!(code.is_some_and(|code| codes.contains(&code)), "not {codes:?}: {answer}");
            let why = answer["error"]["message"].as_str();
            ensure!(why.is_some_and(|why| why.contains("server")), "why? {answer}");
        }
        Met::Answer(text) => ensure!(answer["result"]["content"][0]["text"] == text, "not `{text}`: {answer}"),
    }
    Ok(())
}

/// Median and slowest, in microseconds.
fn figures(took: &mut [Duration]) -> (u128, u128) {
    took.sort();
    (took[took.len() / 2].as_micros(), took[took.len() - 1].as_micros())
}

fn run(transport: &str, era: Era) -> Result<()> {
    let scene = Scene::set(transport, era)?;
    let pid = scene.gateway.process.id();
    let healthy = |era| scene.client("healthy", &scene.healthy, era);
    let before = {
        let is_over = AtomicBool::new(true);
        calls(healthy(era)?, &is_over)?;
        figures(&mut calls(healthy(era)?, &is_over)?)
    };
    let descriptors = proc::descriptors(pid);
    let mut table = format!(
        "{transport}, {era:?}: a healthy server's calls\n{:<16}{:>10}{:>10}\n",
        "beside", "median µs", "slowest µs"
    );
    table.push_str(&format!("{:<16}{:>10}{:>10}\n", "nothing", before.0, before.1));
    let mut problems = Vec::new();
    for (case, (name, grant)) in CASES.iter().zip(&scene.bad) {
        let expected = if transport == "stdio" { case.stdio } else { case.http };
        let Some(expected) = expected else { continue };
        let is_over = AtomicBool::new(false);
        let mut client = scene.client(name, grant, era)?;
        let beside = healthy(era)?;
        let (answers, took) = std::thread::scope(|scope| {
            let calls = scope.spawn(|| calls(beside, &is_over));
            let answers = client.call(7, "misbehave", &case.arguments());
            is_over.store(true, Ordering::SeqCst);
            (answers, calls.join().unwrap())
        });
        if let Err(error) = answers.and_then(|answers| check(expected, &answers)) {
            problems.push(format!("{}: {error:#}", case.kind));
        }
        let (median, slowest) = figures(&mut took.with_context(|| format!("beside {}", case.kind))?);
        table.push_str(&format!("{:<16}{median:>10}{slowest:>10}\n", case.kind));
    }
    println!("{table}");
    assert!(problems.is_empty(), "{transport}, {era:?}:\n{}", problems.join("\n"));
    for (name, _) in &scene.bad {
        scene.callgate.run(["server", "remove", name])?;
    }
    proc::until("no process of a bad server is left", || proc::descendants(pid).is_empty());
    // A connection or two are in the pool, more or fewer than before.
    proc::until("no descriptor is left", || proc::descriptors(pid) <= descriptors + 2);
    Ok(())
}

#[test]
fn a_bad_server_over_http_hurts_nobody_else() -> Result<()> {
    run("http", Era::Legacy)
}

#[test]
fn a_bad_server_over_http_hurts_nobody_else_modern() -> Result<()> {
    run("http", Era::Modern)
}

#[test]
fn a_bad_server_over_stdio_hurts_nobody_else() -> Result<()> {
    run("stdio", Era::Legacy)
}

#[test]
fn a_bad_server_over_stdio_hurts_nobody_else_modern() -> Result<()> {
    run("stdio", Era::Modern)
}
