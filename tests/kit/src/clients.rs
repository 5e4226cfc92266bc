//! The real clients and servers that `cargo xtask peers` installs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// An official client, driven through its script in `tests/peers/clients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `@modelcontextprotocol/sdk` 1.x.
    TypeScriptV1,
    /// `@modelcontextprotocol/client` 2.x.
    TypeScriptV2,
    /// `mcp` 2.x.
    Python,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TypeScriptV1, Self::TypeScriptV2, Self::Python];

    /// Runs a job (see `tests/peers/clients/steps.mjs`) and returns one answer per step.
    pub fn run(self, job: &Value) -> Result<Vec<Value>> {
        let peers = peers()?;
        let scripts = root().join("tests/peers/clients");
        let (program, script) = match self {
            Self::TypeScriptV1 => (peers.join("bin/node"), "ts_v1.mjs"),
            Self::TypeScriptV2 => (peers.join("bin/node"), "ts_v2.mjs"),
            Self::Python => (peers.join("python/bin/python"), "python.py"),
        };
        let output = Command::new(program)
            .arg(scripts.join(script))
            .arg(job.to_string())
            .env("CALLGATE_PEERS_NPM", peers.join("npm/package.json"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!("{self:?} failed on {job}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        serde_json::from_str(&text).with_context(|| format!("{self:?} printed no answers: {text}"))
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

fn command(files: &[&Path], arguments: &[&str]) -> Result<Vec<String>> {
    for file in files {
        if !file.exists() {
            bail!("`{}` is missing: run `cargo xtask peers`", file.display());
        }
    }
    let files = files.iter().map(|file| file.to_string_lossy().into_owned());
    Ok(files.chain(arguments.iter().map(|argument| (*argument).to_owned())).collect())
}

fn root() -> PathBuf {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.ancestors().nth(2).unwrap_or(kit).to_path_buf()
}
