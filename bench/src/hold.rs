//! Calls that wait for a person: what they weigh, in the whole gateway.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use testkit::{Callgate, Connection, Fixture, Gateway, Grant, PATIENCE};

use crate::procfs;

const POLICY: &str = r#"{ "version": "1", "default": "deny", "tools": { "exec_command": {
    "approve_if": [{ "conditions": [], "ask": "hold" }] } } }"#;
/// As many questions of one grant may be open.
const PER_GRANT: usize = 20;

/// How long the allocator keeps what is free.
const GIVEN_BACK: Duration = Duration::from_secs(15);

/// What was measured.
#[derive(Debug)]
pub(crate) struct Held {
    calls: usize,
    /// Resident bytes before and while they wait.
    before: u64,
    during: u64,
    threads: (usize, usize),
}

/// Lets so many different calls wait at once.
pub(crate) fn measure(binary: &Path, calls: usize) -> Result<Held> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(binary, folder.path().join("data"));
    let fixture = Fixture::start(&callgate, "kernel", &folder.path().join("fixture.log"))?;
    callgate.add_url("fixture", &fixture.url())?;
    callgate.publish("fixture", POLICY)?;
    let grants: Result<Vec<Grant>> =
        (0..calls.div_ceil(PER_GRANT)).map(|number| callgate.mint("fixture", &format!("g{number}"))).collect();
    let grants = grants?;
    let gateway = callgate.up()?;
    // What is made at the first use is no part of what waits.
    let warm = wait(gateway.address, &grants, grants.len(), "warm")?;
    drop(warm);
    until_waiting(&gateway, 0)?;
    let id = gateway.process.id();
    let (before, threads) = (procfs::resident(id)?, threads(id)?);
    let waiting = wait(gateway.address, &grants, calls, "held")?;
    until_waiting(&gateway, calls)?;
    // What was used to ask and is free again goes back to the system within seconds.
    std::thread::sleep(GIVEN_BACK);
    let held = Held { calls, before, during: procfs::resident(id)?, threads: (threads, self::threads(id)?) };
    drop(waiting);
    until_waiting(&gateway, 0)?;
    Ok(held)
}

impl Held {
    /// The figures, for people.
    pub(crate) fn lines(&self) -> String {
        let more = self.during.saturating_sub(self.before) as f64;
        format!(
            "{} calls that wait for a person: {:.1} MB more resident ({:.1} kB each; {:.1} MB before), {} threads before \
             and {} while they wait",
            self.calls,
            more / 1e6,
            more / 1e3 / self.calls.max(1) as f64,
            self.before as f64 / 1e6,
            self.threads.0,
            self.threads.1
        )
    }
}

/// Sends calls, the grants in turn, and reads the first byte of each answer.
fn wait(address: SocketAddr, grants: &[Grant], calls: usize, mark: &str) -> Result<Vec<TcpStream>> {
    let one = |(number, grant): (usize, &Grant)| {
        let arguments = json!({ "session_id": "s-1", "command": format!("{mark}-{number}"), "args": [] });
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": "exec_command", "arguments": arguments, "_meta": meta });
        let body = json!({ "jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params }).to_string();
        let head = format!(
            "POST /mcp/fixture HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
             mcp-name: exec_command\r\ncontent-length: {}\r\n\r\n",
            grant.token,
            body.len()
        );
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut answer = Vec::new();
        while !answer.windows(3).any(|window| window == b":\n\n") {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece)?;
            ensure!(count > 0, "it was not held: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
        Ok(stream)
    };
    (0..calls).zip(grants.iter().cycle()).map(one).collect()
}

/// Waits until so many calls wait, as the gateway counts them.
fn until_waiting(gateway: &Gateway, calls: usize) -> Result<()> {
    let end = std::time::Instant::now() + PATIENCE;
    let wanted = format!("callgate_waiting_approvals {calls}");
    while std::time::Instant::now() < end {
        let mut connection = Connection::open(gateway.address)?;
        connection.send(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        if connection.response()?.text().lines().any(|line| line == wanted) {
            return Ok(());
        }
    }
    bail!("never were {calls} calls waiting")
}

fn threads(id: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{id}/task")).with_context(|| format!("process {id} is gone"))?.count())
}
