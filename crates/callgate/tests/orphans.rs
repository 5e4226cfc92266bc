//! Nothing that a server started outlives the gateway, however the gateway ends.
#![cfg(target_os = "linux")]
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

use callgate::{Gateway, run};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// Starts one process in its group, one that leaves it, and one whose parent goes; writes down who they are.
const SERVER: &str = r#"
sleep 1000 & echo $! >> PIDS
setsid sleep 1001 & echo $! >> PIDS
(setsid sh -c 'echo $$ >> PIDS; exec sleep 1002' &)
while ! [ "$(wc -l < PIDS)" = 3 ]; do sleep 0.01; done
echo $$ >> PIDS
STUBBORN
while IFS= read -r line; do
  printf '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"sh","version":"1"}}}\n'
done
AFTER
"#;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A gateway with one session on such a server, and the processes that it started.
fn started(directory: &Path, stubborn: bool) -> (Gateway, Vec<String>) {
    let (data, pids) = (directory.join("data"), directory.join("pids"));
    let (trap, after) = if stubborn { ("trap '' TERM HUP", "while :; do sleep 0.05; done") } else { ("", "") };
    let script = SERVER.replace("PIDS", pids.to_str().unwrap()).replace("STUBBORN", trap).replace("AFTER", after);
    run(&data, &["server", "add", "sh", "--era", "legacy", "--", "/bin/sh", "-c", &script]).expect(0);
    let grant = run(&data, &["grant", "mint", "--server", "sh", "--label", "l", "--json"]).expect(0).json();
    let gateway = Gateway::start(&data, &[]);
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let mut client = TcpStream::connect(&address).unwrap();
    let token = grant["token"].as_str().unwrap();
    write!(
        client,
        "POST /mcp/sh HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{INITIALIZE}",
        INITIALIZE.len()
    )
    .unwrap();
    if !stubborn {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
    }
    let started = loop {
        let text = std::fs::read_to_string(&pids).unwrap_or_default();
        let started: Vec<String> = text.lines().map(str::to_owned).collect();
        if started.len() == 4 && text.ends_with('\n') {
            break started;
        }
        std::thread::yield_now();
    };
    assert!(started.iter().all(|pid| lives(pid)), "{started:?}");
    (gateway, started)
}

/// Comes back when all of them have ended; a test that hangs here has failed.
fn gone(pids: &[String]) {
    while pids.iter().any(|pid| lives(pid)) {
        std::thread::yield_now();
    }
}

#[test]
fn killed_outright_the_gateway_leaves_nothing_behind() {
    for stubborn in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (gateway, pids) = started(directory.path(), stubborn);
        gateway.signal(Signal::KILL);
        gone(&pids);
    }
}

#[test]
fn ended_in_order_it_leaves_nothing_behind_either() {
    for stubborn in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (gateway, pids) = started(directory.path(), stubborn);
        assert_eq!(gateway.stop(), 0);
        gone(&pids);
    }
}

#[test]
fn a_server_that_dies_takes_with_it_what_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let (gateway, pids) = started(directory.path(), false);
    let server = rustix::process::Pid::from_raw(pids[3].parse().unwrap()).unwrap();
    rustix::process::kill_process(server, Signal::KILL).unwrap();
    gone(&pids);
    assert_eq!(gateway.stop(), 0);
}
