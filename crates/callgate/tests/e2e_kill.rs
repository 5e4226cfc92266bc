//! `kill -9` under load, twenty times: the journal verifies, no counter lets more through than its limit, and whatever
//! reached the server has its record.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::{Gateway, PATIENCE, Session, Stage, journal};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const KILLS: usize = 20;
const CLIENTS: usize = 8;
/// Reached before the last kill, so that kills fall on both sides of it.
const MAX: u64 = 1000;

#[test]
fn killed_under_load_nothing_is_lost_and_nothing_slips_through() -> Result<()> {
    let policy = json!({
        "version": "1",
        "default": "deny",
        "tools": { "exec_command": { "limits": [
            { "counter": "exec_command_rate", "window": "month", "max": MAX, "scope": "grant" }
        ] } }
    });
    let mut stage = Stage::set(BINARY, "kernel", &policy.to_string())?;
    for round in 0..KILLS {
        if round > 0 {
            stage.gateway = stage.callgate.up()?;
            stage.callgate.run(["journal", "verify"])?;
        }
        load_and_kill(&mut stage, round)?;
    }
    stage.gateway = stage.callgate.up()?;
    stage.callgate.run(["journal", "verify"])?;
    let last = stage.session()?.post(&call("last"))?.text();

    let decisions = journal::decisions(stage.callgate.data())?;
    let allowed: Vec<&Value> = decisions.iter().filter(|decision| is_allowed_call(decision)).collect();
    let mut charged: BTreeMap<i64, u64> = BTreeMap::new();
    for decision in &allowed {
        let start = decision["charges"][0]["window_start"].as_i64().context("an allowed call charges its window")?;
        *charged.entry(start).or_default() += 1;
    }
    assert!(charged.values().all(|count| *count <= MAX), "{charged:?}");

    let reached: Vec<String> = stage.fixture.calls()?.iter().map(marker).collect::<Result<_>>()?;
    assert!(reached.len() as u64 <= MAX * charged.len() as u64, "{} calls reached the server", reached.len());
    let recorded: BTreeSet<&str> = allowed.iter().filter_map(|decision| decision["request_id"].as_str()).collect();
    for call in &reached {
        assert!(recorded.contains(json!(call).to_string().as_str()), "`{call}` reached the server without a record");
    }
    let unique: BTreeSet<&String> = reached.iter().collect();
    assert_eq!(unique.len(), reached.len(), "no call reached the server twice");
    // Otherwise the test has not shown what it is for.
    let in_first_month = charged.values().next().copied().unwrap_or_default();
    assert_eq!(in_first_month, MAX, "the limit was reached under the kills: {charged:?}; the last call: {last}");
    Ok(())
}

/// Lets the clients run until a number of calls that differs from round to round was answered, and kills the gateway
/// while the next ones are under way.
fn load_and_kill(stage: &mut Stage, round: usize) -> Result<()> {
    let answers = 40 + round * 17 % 60;
    let (sender, answered) = channel();
    let address = stage.gateway.address;
    let token = stage.grant.token.clone();
    let process = &mut stage.gateway.process;
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (token, sender) = (token.as_str(), sender.clone());
            scope.spawn(move || {
                let session = Session::open(address, &Gateway::path("fixture"), Some(token));
                // The connection breaks when the gateway is killed; that ends the client.
                if let Ok(session) = session {
                    client_loop(session, round, client, &sender);
                }
            });
        }
        drop(sender);
        let mut all = Ok(());
        for _ in 0..answers {
            all = all.and(answered.recv_timeout(PATIENCE).context("the gateway answers"));
        }
        process.kill()?;
        all
    })
}

fn client_loop(mut session: Session, round: usize, client: usize, answered: &Sender<()>) {
    for number in 0.. {
        let id = format!("r{round}-c{client}-n{number}");
        let params =
            json!({ "name": "exec_command", "arguments": { "session_id": "s-1", "command": "ls", "args": [id] } });
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let Ok(response) = session.post(&body.to_string()) else { return };
        if response.status != 200 || answered.send(()).is_err() {
            return;
        }
    }
}

/// A call whose id and argument name it.
fn call(id: &str) -> String {
    let params = json!({ "name": "exec_command", "arguments": { "session_id": "s-1", "command": "ls", "args": [id] } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

fn is_allowed_call(decision: &Value) -> bool {
    decision["outcome"] == "allow" && decision["tool"] == "exec_command"
}

/// The argument that names the call, off a line of the fixture's log.
fn marker(line: &Value) -> Result<String> {
    let message: Value = serde_json::from_str(line["text"].as_str().context("no text")?)?;
    let marker = message["params"]["arguments"]["args"][0].as_str();
    marker.map(str::to_owned).with_context(|| format!("no marker in {line}"))
}
