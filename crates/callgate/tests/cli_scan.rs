//! What `callgate scan` says about real servers and about the project's own lists, as people read it.
//! `UPDATE_EXPECT=1` writes the snapshots anew.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use testkit::{Callgate, npm_server, peers, python_server};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");

#[test]
fn everything() -> Result<()> {
    server("server-everything", &npm_server("@modelcontextprotocol/server-everything", &[])?)
}

#[test]
fn filesystem() -> Result<()> {
    server("server-filesystem", &npm_server("@modelcontextprotocol/server-filesystem", &["/"])?)
}

#[test]
fn memory() -> Result<()> {
    server("server-memory", &npm_server("@modelcontextprotocol/server-memory", &[])?)
}

#[test]
fn git() -> Result<()> {
    server("mcp-server-git", &python_server("mcp-server-git", &[])?)
}

#[test]
fn sqlite() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = peers()?.join("python-mcp1/bin/mcp-server-sqlite");
    let database = folder.path().join("test.db");
    let command = [program.to_str(), Some("--db-path"), database.to_str()];
    let command: Vec<String> = command.into_iter().flatten().map(str::to_owned).collect();
    server("mcp-server-sqlite", &command)
}

#[test]
fn kernel_and_pare_shaped_lists() -> Result<()> {
    for list in ["kernel", "pare-docker"] {
        let file = format!("{}/../callgate-fixture/lists/{list}.json", env!("CARGO_MANIFEST_DIR"));
        scan(list, &["--tools", &file])?;
    }
    Ok(())
}

fn server(name: &str, command: &[String]) -> Result<()> {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    scan(name, &[&["--"], &command[..]].concat())
}

fn scan(name: &str, source: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let text = callgate.run([&["scan"], source].concat())?;
    // The table is padded to its widest cell.
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/scan/{name}.txt"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(snapshot.parent().context("a folder")?)?;
        std::fs::write(&snapshot, &text)?;
    }
    let expected = std::fs::read_to_string(&snapshot).context("run with UPDATE_EXPECT=1 to write it")?;
    ensure!(text == expected, "{} says something else now:\n{text}", snapshot.display());
    Ok(())
}
