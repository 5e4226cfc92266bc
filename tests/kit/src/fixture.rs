//! The project's own small MCP server, run as a process, with a log of what reached it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Result;
use serde_json::Value;

use crate::gateway::{Callgate, address};
use crate::process::Process;

/// A running `callgate fixture --http`.
pub struct Fixture {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

impl Fixture {
    /// Starts the fixture on a free port of loopback; `tools` is a built-in list or a file.
    pub fn start(callgate: &Callgate, tools: &str, log: &Path) -> Result<Self> {
        let mut command = callgate.command(["fixture", "--tools", tools, "--http", "127.0.0.1:0", "--log"]);
        let mut process = Process::start(command.arg(log).stdin(Stdio::null()).stdout(Stdio::null()))?;
        let line = process.wait_for("listening on http://")?;
        Ok(Self { address: address(&line)?, process, log: log.to_path_buf() })
    }

    /// The URL of its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Everything that reached it so far, as the lines of its log.
    pub fn messages(&self) -> Result<Vec<Value>> {
        Self::messages_in(&self.log)
    }

    /// The `tools/call` messages that reached it so far.
    pub fn calls(&self) -> Result<Vec<Value>> {
        Self::calls_in(&self.log)
    }

    /// The `tools/call` messages in a fixture's log, in the order of their arrival.
    pub fn calls_in(log: &Path) -> Result<Vec<Value>> {
        let all = Self::messages_in(log)?.into_iter();
        Ok(all.filter(|line| line.get("method").is_some_and(|method| method == "tools/call")).collect())
    }

    fn messages_in(log: &Path) -> Result<Vec<Value>> {
        if !log.exists() {
            return Ok(Vec::new());
        }
        Ok(fs::read_to_string(log)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }
}
