//! The gateway's own binary: its command line, and a running `callgate up`.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::Process;

/// The binary and the data directory that it works on.
#[derive(Debug, Clone)]
pub struct Callgate {
    binary: PathBuf,
    data: PathBuf,
}

/// A grant as `grant mint --json` prints it.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The grant's id.
    pub id: String,
    /// The bearer token.
    pub token: String,
}

/// A running `callgate up`.
pub struct Gateway {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Callgate {
    /// The binary at a path, on a data directory that needn't exist yet.
    pub fn new(binary: impl AsRef<Path>, data: impl AsRef<Path>) -> Self {
        Self { binary: binary.as_ref().to_path_buf(), data: data.as_ref().to_path_buf() }
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// A command of the binary, on the data directory and with nothing of the caller's environment that it reads.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CALLGATE_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).env("CALLGATE_DATA", &self.data).current_dir(std::env::temp_dir());
        command
    }

    /// Runs a command to its end and returns whatever came of it.
    pub fn output<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).output().with_context(|| format!("`{}` can't be run", self.binary.display()))
    }

    /// Runs a command that has to succeed; returns its standard output.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_os_string()).collect();
        let output = self.output(&arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`callgate {arguments:?}` failed, {}: {said}", output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command with `--json` that has to succeed; returns what it printed, parsed.
    pub fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Value> {
        let text = self.run(arguments)?;
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }

    /// Registers a server by its URL.
    pub fn add_url(&self, name: &str, url: &str) -> Result<()> {
        self.run(["server", "add", name, "--url", url]).map(|_| ())
    }

    /// Registers a server by its command.
    pub fn add_command(&self, name: &str, command: &[String]) -> Result<()> {
        let head = ["server", "add", name, "--env-from", "PATH", "--env-from", "HOME", "--"];
        self.run(head.into_iter().chain(command.iter().map(String::as_str))).map(|_| ())
    }

    /// Publishes a policy for a server, from a file that is written into the data directory's parent.
    pub fn publish(&self, server: &str, policy: &str) -> Result<()> {
        let file = tempfile::NamedTempFile::with_suffix(".json")?;
        std::fs::write(file.path(), policy)?;
        self.run([OsStr::new("policy"), "publish".as_ref(), file.path().as_ref(), "--server".as_ref(), server.as_ref()])
            .map(|_| ())
    }

    /// Mints a grant for a server.
    pub fn mint(&self, server: &str, label: &str) -> Result<Grant> {
        let minted = self.json(["grant", "mint", "--server", server, "--label", label, "--json"])?;
        let field = |name: &str| {
            let value = minted.get(name).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("`grant mint` printed no {name}"))
        };
        Ok(Grant { id: field("id")?, token: field("token")? })
    }

    /// The newest records of the journal, as `callgate log --json` prints them.
    pub fn log(&self) -> Result<Vec<Value>> {
        let text = self.run(["log", "--json"])?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
    }

    /// Starts `callgate up` on a free port of loopback and waits until it is ready.
    pub fn up(&self) -> Result<Gateway> {
        self.up_with(&[])
    }

    /// The same with further arguments.
    pub fn up_with(&self, arguments: &[&str]) -> Result<Gateway> {
        let mut process = self.start_up(arguments)?;
        let line = process.wait_for("listening on http://")?;
        Ok(Gateway { address: address(&line)?, process })
    }

    /// The same, and the line before that holds this text.
    pub fn up_seeing(&self, text: &str) -> Result<(Gateway, String)> {
        let mut process = self.start_up(&[])?;
        let seen = process.wait_for(text)?;
        let line = process.wait_for("listening on http://")?;
        Ok((Gateway { address: address(&line)?, process }, seen))
    }

    fn start_up(&self, arguments: &[&str]) -> Result<Process> {
        let mut command = self.command(["up", "--listen", "127.0.0.1:0"]);
        Process::start(command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()))
    }
}

impl Gateway {
    /// The path of a server's endpoint.
    pub fn path(server: &str) -> String {
        format!("/mcp/{server}")
    }

    /// The URL of a server's endpoint.
    pub fn url(&self, server: &str) -> String {
        format!("http://{}/mcp/{server}", self.address)
    }
}

/// Reads the address off `… listening on http://ADDR…`.
pub(crate) fn address(line: &str) -> Result<SocketAddr> {
    let (_, after) = line.split_once("http://").with_context(|| format!("no address in `{line}`"))?;
    let end =
        after.find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']'))).unwrap_or(after.len());
    let text = after.get(..end).unwrap_or(after);
    text.parse().with_context(|| format!("`{text}` is no address"))
}
