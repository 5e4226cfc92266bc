//! Runs the built binary: commands that end, and gateways that serve until they are dropped.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, where the command ended as it should.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// A command without anything of this process's environment that callgate looks at.
pub fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callgate"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CALLGATE_")) {
        command.env_remove(name);
    }
    command.env("CALLGATE_DATA", data).current_dir(data.parent().unwrap_or(data)).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(data: &Path, arguments: &[&str]) -> Ended {
    ended(command(data).args(arguments))
}

/// Runs a command to its end, with this on its standard input.
pub fn run_with_input(data: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut command = command(data);
    let piped = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    of(child.wait_with_output().unwrap())
}

/// Runs a prepared command to its end.
pub fn ended(command: &mut Command) -> Ended {
    of(command.output().unwrap())
}

fn of(output: std::process::Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running `callgate up`; ends in order when it is dropped.
pub struct Gateway {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub url: String,
    pub seen: String,
}

impl Gateway {
    /// Starts a gateway on a free port and waits until it says that it listens.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_seeing(data, arguments, "")
    }

    /// The same, and keeps the line that it says this in before it listens.
    pub fn start_seeing(data: &Path, arguments: &[&str], wanted: &str) -> Self {
        let mut command = command(data);
        command.args(["up", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut gateway = Self { child, stderr, url: String::new(), seen: String::new() };
        if !wanted.is_empty() {
            gateway.seen = gateway.line(wanted);
        }
        let line = gateway.line("listening on ");
        gateway.url = line.trim_start_matches("listening on ").to_owned();
        gateway
    }

    /// The next line on standard error that contains this; reads as long as the gateway runs.
    pub fn line(&mut self, wanted: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the gateway ended before it said `{wanted}`: {seen}");
            if line.contains(wanted) {
                return line.trim_end().to_owned();
            }
            seen.push_str(&line);
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it and gives its status.
    pub fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            self.child.wait().unwrap();
        }
    }
}
