//! Python servers that start at once, for tests that start many.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;
use tempfile::TempDir;

use crate::clients::{command, peers, root};
use crate::process::Process;
use crate::reference::Reference;

/// The Python servers, loaded once: their commands hand their pipes to a fork of it (`tests/peers/servers/warm.py`).
/// They run as long as this lives.
pub struct Warm {
    _process: Process,
    folder: TempDir,
}

impl Warm {
    /// Loads the servers and waits until they can be started.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(peers()?.join("python/bin/python"));
        command.arg(Self::script()).arg(folder.path().join("socket")).arg(Reference::sources()?);
        let mut process =
            Process::start(command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stdout(Stdio::null()))?;
        process.wait_for("warm")?;
        Ok(Self { _process: process, folder })
    }

    /// The command of a server: `everything-server`, `mcp-server-git` or `mcp-server-time`.
    pub fn command(&self, server: &str, arguments: &[&str]) -> Result<Vec<String>> {
        let (python, socket) = (peers()?.join("python/bin/python"), self.folder.path().join("socket"));
        let mut all = command(&[&python, &Self::script(), &socket], &[server])?;
        // Nothing but the standard library is loaded before the pipes are handed over.
        all.splice(1..1, ["-I", "-S"].map(str::to_owned));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Ok(all)
    }

    fn script() -> PathBuf {
        root().join("tests/peers/servers/warm.py")
    }
}
