//! `wrap` and `bridge`: one data directory shared by several processes, and statuses that are passed on.
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

use callgate::{Gateway, command, run, run_with_input};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

const CALLGATE: &str = env!("CARGO_BIN_EXE_callgate");

/// Three calls a month: a test is not likely to see the end of one.
const THREE: &str = r#"{"version":"1","name":"pare","default":"deny","tools":{"exec":{
  "limits":[{"counter":"exec_rate","window":"month","max":3,"scope":"grant"}]}}}"#;

/// A client of a process that speaks MCP on its standard streams.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Client {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = command(data);
        let piped = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut client = Self { child, input, output, next: 1 };
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        assert!(client.request("initialize", &hello)["result"]["serverInfo"].is_object());
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn wrap(data: &Path, policy: &Path) -> Self {
        let policy = policy.to_str().unwrap();
        Self::start(data, &["wrap", "--policy", policy, "--", CALLGATE, "fixture", "--tools", "pare-docker"])
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next;
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "ended before it answered {method}");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == json!(id) {
                return message;
            }
        }
    }

    /// The outcome of one call.
    fn exec(&mut self) -> &'static str {
        let arguments = json!({"container": "c", "command": ["ls"]});
        let answer = self.request("tools/call", &json!({"name": "exec", "arguments": arguments}));
        let decision = &answer["result"]["_meta"]["dev.callgate/decision"];
        match (&answer["result"]["isError"], decision["rule"].as_str()) {
            (Value::Bool(true), Some("/tools/exec/limits/exec_rate")) => "limit",
            (Value::Bool(true), _) => panic!("{answer}"),
            _ => "allow",
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its input and gives the status.
    fn leave(mut self) -> i32 {
        self.input = None;
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.input = None;
        drop(self.child.wait());
    }
}

struct Folder {
    directory: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("policy.json"), THREE).unwrap();
        Self { directory }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn policy(&self) -> PathBuf {
        self.directory.path().join("policy.json")
    }
}

#[test]
fn wraps_share_counters_and_one_takes_over_from_another() {
    let folder = Folder::new();
    let mut first = Client::wrap(&folder.data(), &folder.policy());
    let mut second = Client::wrap(&folder.data(), &folder.policy());
    assert_eq!((first.exec(), second.exec()), ("allow", "allow"));
    first.kill();
    let owner = || std::fs::read_to_string(folder.data().join("callgate.lock")).unwrap();
    while owner().lines().next() != Some(&second.pid().to_string()) {
        std::thread::yield_now();
    }
    // Answered over the socket of the new owner, so it serves by now.
    run(&folder.data(), &["server", "list"]).expect(0);
    assert_eq!((second.exec(), second.exec()), ("allow", "limit"));
    assert_eq!(second.leave(), 0);
    run(&folder.data(), &["journal", "verify"]).expect(0);
}

#[test]
fn a_wrap_beside_a_gateway_charges_through_it() {
    let folder = Folder::new();
    let gateway = Gateway::start(&folder.data(), &[]);
    for outcomes in [["allow", "allow"], ["allow", "limit"]] {
        let mut wrap = Client::wrap(&folder.data(), &folder.policy());
        assert_eq!([wrap.exec(), wrap.exec()], outcomes);
        assert_eq!(wrap.leave(), 0);
    }
    assert_eq!(gateway.stop(), 0);
    let log = run(&folder.data(), &["log", "--tool", "exec", "--outcome", "deny", "--json"]).expect(0);
    let record: Value = serde_json::from_str(log.stdout.trim()).unwrap();
    assert_eq!((&record["grant_label"], &record["server"]), (&json!("local"), &json!("pare")));
}

#[test]
fn the_status_of_the_server_is_passed_on() {
    let folder = Folder::new();
    let policy = folder.policy();
    let wrap = ["wrap", "--policy", policy.to_str().unwrap(), "--"];
    for (script, status) in [("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0)] {
        // Its input stays open until it has ended by itself.
        let mut command = command(&folder.data());
        let piped = command.args(wrap).args(["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let input = child.stdin.take();
        let status_of = child.wait().unwrap().code();
        drop(input);
        assert_eq!(status_of, Some(status), "{script}");
    }
    let missing = run_with_input(&folder.data(), &[&wrap[..], &["/nowhere/server"]].concat(), "");
    assert_eq!(missing.code, 2, "{missing:?}");
    assert!(missing.stdout.is_empty() && missing.stderr.contains("/nowhere/server"), "{missing:?}");
}

#[test]
fn a_policy_that_can_not_be_read_begins_nothing() {
    let folder = Folder::new();
    let missing = folder.data().join("nope.json");
    let wrap = ["wrap", "--policy", missing.to_str().unwrap(), "--", CALLGATE, "fixture", "--tools", "pare-docker"];
    let refused = run_with_input(&folder.data(), &wrap, "");
    assert_eq!(refused.code, 2, "{refused:?}");
    assert_eq!((refused.stdout.as_str(), refused.stderr.matches("nope.json").count()), ("", 1), "{refused:?}");
    assert!(refused.stderr.contains("CG3061"), "{refused:?}");
}

#[test]
fn a_bridge_presents_its_token_to_the_gateway() {
    let folder = Folder::new();
    let gateway = Gateway::start(&folder.data(), &[]);
    let fleet = |arguments: &[&str]| run(&folder.data(), arguments).expect(0);
    fleet(&["server", "add", "pare", "--", CALLGATE, "fixture", "--tools", "pare-docker"]);
    fleet(&["policy", "publish", folder.policy().to_str().unwrap(), "--server", "pare"]);
    let minted = fleet(&["grant", "mint", "--server", "pare", "--label", "bridge", "--json"]).json();
    let tokens = folder.directory.path().join("token");
    std::fs::write(&tokens, minted["token"].as_str().unwrap()).unwrap();
    let url = minted["url"].as_str().unwrap();
    let mut bridge = Client::start(&folder.data(), &["bridge", url, "--token-file", tokens.to_str().unwrap()]);
    let outcomes: Vec<_> = (0..4).map(|_| bridge.exec()).collect();
    assert_eq!(outcomes, ["allow", "allow", "allow", "limit"]);
    let listed = bridge.request("tools/list", &json!({}));
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 16);
    assert_eq!(bridge.leave(), 0);
    let tools = run(&folder.data(), &["server", "tools", "pare", "--json"]).expect(0).json();
    assert_eq!(tools["tools"].as_array().unwrap().len(), 16);
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn scan_asks_a_server_itself() {
    let folder = Folder::new();
    let scanned =
        run(&folder.data(), &["scan", "--json", "--", CALLGATE, "fixture", "--tools", "kernel"]).expect(0).json();
    assert_eq!(scanned.as_array().unwrap().len(), 18);
    for key in ["tool", "category", "risk", "confidence", "labels", "actions", "evidence", "findings", "rule"] {
        assert!(scanned.as_array().unwrap().iter().all(|tool| tool.get(key).is_some()), "{key}");
    }
    let policy =
        run(&folder.data(), &["policy", "recommend", "--", CALLGATE, "fixture", "--tools", "kernel"]).expect(0);
    assert_eq!(run_with_input(&folder.data(), &["policy", "test", "-"], &policy.stdout).code, 0);
    let ended = run(&folder.data(), &["scan", "--", "sh", "-c", "exit 3"]).expect(2);
    assert!(ended.stderr.contains("CG3052"), "{ended:?}");
}

#[test]
fn the_demo_shows_calls_that_passed_and_calls_that_did_not() {
    let folder = Folder::new();
    let mut command = command(&folder.data());
    let arguments = ["up", "--demo", "--listen", "127.0.0.1:0", "--data", "demo"];
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("Ctrl-C") {
        assert_ne!(output.read_line(&mut text).unwrap(), 0, "{text}");
    }
    for wanted in [
        "/mcp/kernel",
        "/mcp/pare-docker",
        "Bearer cg_",
        "exec_command_rate",
        "(default deny)",
        "/tools/build/approve_if/",
        "approvals watch",
        "curl -s",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
