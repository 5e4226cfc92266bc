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
        Self::start_with(callgate, tools, &[], log)
    }

    /// The same with further options, as `callgate fixture --help` lists them.
    pub fn start_with(callgate: &Callgate, tools: &str, options: &[&str], log: &Path) -> Result<Self> {
        let mut command = callgate.command(["fixture", "--tools", tools, "--http", "127.0.0.1:0"]);
        command.args(options).arg("--log");
        let mut process = Process::start(command.arg(log).stdin(Stdio::null()).stdout(Stdio::null()))?;
        let line = process.wait_for("listening on http://")?;
        Ok(Self { address: address(&line)?, process, log: log.to_path_buf() })
    }

    /// The command of a fixture over stdio, with further options.
    pub fn command(callgate: &Callgate, tools: &str, options: &[&str], log: &Path) -> Vec<String> {
        let mut command = vec![callgate.binary().to_string_lossy().into_owned()];
        command.extend(["fixture", "--tools", tools].iter().chain(options).map(|part| (*part).to_owned()));
        command.extend(["--log".to_owned(), log.to_string_lossy().into_owned()]);
        command
    }

    /// The URL of its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Every message that reached it so far, as the lines of its log.
    pub fn messages(&self) -> Result<Vec<Value>> {
        Self::messages_in(&self.log)
    }

    /// What it noted beside the messages: requests that were cancelled, signals, the end of its input.
    pub fn events(&self) -> Result<Vec<Value>> {
        Self::events_in(&self.log)
    }

    /// What a fixture noted beside the messages, by its log.
    pub fn events_in(log: &Path) -> Result<Vec<Value>> {
        Ok(Self::lines_in(log)?.into_iter().filter(is_event).collect())
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

    /// Every message in a fixture's log, in the order of their arrival.
    pub fn messages_in(log: &Path) -> Result<Vec<Value>> {
        Ok(Self::lines_in(log)?.into_iter().filter(|line| !is_event(line)).collect())
    }

    fn lines_in(log: &Path) -> Result<Vec<Value>> {
        if !log.exists() {
            return Ok(Vec::new());
        }
        Ok(fs::read_to_string(log)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }
}

fn is_event(line: &Value) -> bool {
    line.get("how").is_some_and(|how| how == "event")
}
