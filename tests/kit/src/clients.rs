//! The real clients and servers that `cargo xtask peers` installs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// How long one of many jobs of a client may take, in milliseconds; it only ends a job that hangs.
const LIMIT: u64 = 30_000;

/// A real client, driven through its script in `tests/peers/clients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// `@modelcontextprotocol/sdk` 1.x.
    TypeScriptV1,
    /// `@modelcontextprotocol/client` 2.x.
    TypeScriptV2,
    /// `mcp` 2.x.
    Python,
    /// `fastmcp` 4.x.
    FastMcp,
    /// The command line of `@modelcontextprotocol/inspector` 2.x: connects for every step, and tells no revision.
    Inspector,
    /// `rmcp` 3.x.
    Rust,
}

impl Client {
    /// The official SDKs of TypeScript and Python.
    pub const ALL: [Self; 3] = [Self::TypeScriptV1, Self::TypeScriptV2, Self::Python];

    /// Every client there is.
    pub const EVERY: [Self; 6] =
        [Self::TypeScriptV1, Self::TypeScriptV2, Self::Python, Self::FastMcp, Self::Inspector, Self::Rust];

    /// Runs a job (see `tests/peers/clients/steps.mjs`) and returns one answer per step.
    pub fn run(self, job: &Value) -> Result<Vec<Value>> {
        let text = self.answer(job)?;
        serde_json::from_str(&text).with_context(|| format!("{self:?} printed no answers: {text}"))
    }

    /// Runs many jobs in one process, one after another, and returns what each came to: its answers, or why it broke
    /// off.
    pub fn run_all(self, jobs: &[Value]) -> Result<Vec<Result<Vec<Value>, String>>> {
        let text = self.answer(&json!({ "jobs": jobs, "limit": LIMIT }))?;
        let found: Vec<Value> =
            serde_json::from_str(&text).with_context(|| format!("{self:?} printed no answers: {text}"))?;
        ensure!(found.len() == jobs.len(), "{self:?} answered {} of {} jobs", found.len(), jobs.len());
        let answers = found.into_iter().map(|found| match found {
            Value::Array(answers) => Ok(answers),
            other => Err(other.get("failed").and_then(Value::as_str).map_or_else(|| other.to_string(), str::to_owned)),
        });
        Ok(answers.collect())
    }

    fn answer(self, work: &Value) -> Result<String> {
        let output = self
            .command()?
            .arg(work.to_string())
            .env("CALLGATE_PEERS_NPM", peers()?.join("npm/package.json"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!("{self:?} failed on {work}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(self) -> Result<Command> {
        let peers = peers()?;
        let (program, script) = match self {
            Self::TypeScriptV1 => ("bin/node", "ts_v1.mjs"),
            Self::TypeScriptV2 => ("bin/node", "ts_v2.mjs"),
            Self::Inspector => ("bin/node", "inspector.mjs"),
            Self::Python => ("python/bin/python", "python.py"),
            Self::FastMcp => ("python/bin/python", "fastmcp_client.py"),
            Self::Rust => return Ok(Command::new(peers.join("rust/debug/rmcp-client"))),
        };
        let mut command = Command::new(peers.join(program));
        command.arg(root().join("tests/peers/clients").join(script));
        Ok(command)
    }
}

/// The command of a server from npm.
pub fn npm_server(package: &str, arguments: &[&str]) -> Result<Vec<String>> {
    let peers = peers()?;
    let script = peers.join("npm/node_modules").join(package).join("dist/index.js");
    command(&[&peers.join("bin/node"), &script], arguments)
}

/// The command of a server from the Python environment.
pub fn python_server(name: &str, arguments: &[&str]) -> Result<Vec<String>> {
    command(&[&peers()?.join("python/bin").join(name)], arguments)
}

/// The folder that `cargo xtask peers` fills.
pub fn peers() -> Result<PathBuf> {
    let peers = root().join(".cache/peers");
    if !peers.join("stamp").exists() {
        bail!("the test peers are not installed: run `cargo xtask peers`");
    }
    Ok(peers)
}

pub(crate) fn command(files: &[&Path], arguments: &[&str]) -> Result<Vec<String>> {
    for file in files {
        if !file.exists() {
            bail!("`{}` is missing: run `cargo xtask peers`", file.display());
        }
    }
    let files = files.iter().map(|file| file.to_string_lossy().into_owned());
    Ok(files.chain(arguments.iter().map(|argument| (*argument).to_owned())).collect())
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.ancestors().nth(2).unwrap_or(kit).to_path_buf()
}
