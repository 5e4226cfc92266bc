//! An MCP server on the other end of two pipes.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::Process;
use crate::rpc::{initialize, request};

/// A server that speaks MCP over stdio.
pub struct StdioServer {
    /// The process.
    pub process: Process,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl StdioServer {
    /// Starts the command and opens a legacy session with it.
    pub fn open(command: &mut Command) -> Result<Self> {
        let mut server = Self::start(command)?;
        server.ask("initialize", &initialize())?;
        server.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)?;
        Ok(server)
    }

    /// Starts the command and says nothing yet.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().context("the child has no standard output")?;
        Ok(Self { process, input, output: BufReader::new(output), next: 1 })
    }

    /// Sends one line as it is.
    pub fn send(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("standard input is closed")?;
        match input.write_all(format!("{line}\n").as_bytes()).and_then(|()| input.flush()) {
            // A server that ended before it read anything has said why.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => bail!(self.ended()),
            sent => Ok(sent?),
        }
    }

    fn ended(&mut self) -> String {
        format!("the server has ended; it said:\n{}", self.process.last_words())
    }

    /// Closes the server's standard input, which ends it.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// The next line that the server writes.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!(self.ended());
        }
        Ok(line.trim_end_matches('\n').to_owned())
    }

    /// Sends a request and returns the line that answers it; notifications on the way are passed over.
    pub fn ask(&mut self, method: &str, params: &Value) -> Result<Vec<u8>> {
        let id = self.next;
        self.next += 1;
        self.send(&request(id, method, params))?;
        loop {
            let line = self.line()?;
            let message: Value = serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
            if message.get("id") == Some(&json!(id)) && message.get("method").is_none() {
                return Ok(line.into_bytes());
            }
        }
    }

    /// Calls a tool and returns the whole answer, parsed.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }))?;
        Ok(serde_json::from_slice(&answer)?)
    }
}
