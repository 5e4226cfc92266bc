//! One run: every contender in turn, round after round, so that what the machine does else hits all alike.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::{Callgate, Gateway, Process};

use crate::fill::{self, Start};
use crate::fleet::Fleet;
use crate::load::{self, Era, Seen, Target};
use crate::nginx::Nginx;
use crate::plane::Size;
use crate::{procfs, report};

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The gateway's binary; without it only nginx and no gateway are compared.
    pub(crate) gateway: Option<PathBuf>,
    pub(crate) calls: usize,
    pub(crate) rounds: usize,
    pub(crate) connections: usize,
    pub(crate) report: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { gateway: None, calls: 20_000, rounds: 5, connections: 8, report: None }
    }
}

/// What one contender showed over all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// CPU time of the contender itself for 10,000 calls, one figure per round; none for "direct".
    pub(crate) cpu: Vec<Duration>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) resident: Option<u64>,
}

/// Memory and start of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Idle {
    pub(crate) resident: u64,
    pub(crate) ready: Vec<Duration>,
}

pub(crate) const POLICY: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec_command": {
      "require": [{ "conditions": [{ "path": "args.command", "op": "in", "value": ["ls", "cat", "git", "grep"] }] }],
      "deny_if": [{ "conditions": [{ "path": "args.args[join]", "op": "regex", "value": "(^|[ /])rm( |$)" }] }],
      "limits": [{ "counter": "exec_command_rate", "window": "minute", "max": 100000000, "scope": "grant" }]
    }
  }
}"#;
const STARTS: usize = 20;
const FLEET: Size = Size { grants: 100_000, policies: 1_000 };

struct Contender {
    row: Row,
    id: Option<u32>,
    target: Target,
}

/// Measures everything and prints the tables; writes them where the options say so.
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_upstream, behind) = upstream(None)?;
    let nginx = Nginx::start(folder.path(), behind)?;

    let gateway = options.gateway.as_ref().map(|binary| gateway(binary, folder.path(), behind)).transpose()?;

    let plain = |address: SocketAddr| Target { address, path: "/mcp".to_owned(), token: "cg_none".to_owned() };
    let mut tables = Vec::new();
    for era in [Era::Legacy, Era::Modern] {
        let mut contenders = vec![
            contender("no gateway", None, plain(behind)),
            contender("nginx, plain reverse proxy", Some(nginx.process.id()), plain(nginx.address)),
        ];
        if let Some(gateway) = &gateway {
            contenders.push(contender("callgate", Some(gateway.running.process.id()), gateway.target.clone()));
        }
        rounds(options, era, &mut contenders)?;
        tables.push((era, contenders.into_iter().map(|contender| contender.row).collect::<Vec<_>>()));
    }
    let idle = gateway.as_ref().map(|gateway| &gateway.idle);
    let weight = fleet()?;
    let data = folder.path().join("fleet");
    let start = |binary: &PathBuf| fill::start(binary, &data, &format!("http://{behind}/mcp"), FLEET);
    let start = options.gateway.as_ref().map(start).transpose()?;
    let text = report::text(options, &tables, idle, (&weight, start.as_ref()), &Nginx::version()?);
    println!("{text}");
    if let Some(file) = &options.report {
        std::fs::write(file, text).with_context(|| format!("`{}` can't be written", file.display()))?;
    }
    Ok(())
}

/// The start of a gateway with a fleet in its store, alone.
pub(crate) fn start(binary: &Path, size: Size) -> Result<Start> {
    let folder = tempfile::tempdir()?;
    let (_upstream, behind) = upstream(None)?;
    fill::start(binary, &folder.path().join("data"), &format!("http://{behind}/mcp"), size)
}

/// The server behind every contender, with so many tools.
pub(crate) fn upstream(tools: Option<usize>) -> Result<(Process, SocketAddr)> {
    let tools = tools.map(|count| count.to_string());
    let mut command = Command::new(std::env::current_exe()?);
    let mut upstream = Process::start(command.arg("upstream").args(tools).stdin(Stdio::null()).stdout(Stdio::null()))?;
    let line = upstream.wait_for("listening on http://")?;
    let behind = line.rsplit("http://").next().unwrap_or_default().trim().parse()?;
    Ok((upstream, behind))
}

/// The weight of a fleet, taken in a process of its own.
fn fleet() -> Result<Fleet> {
    let size = [FLEET.grants.to_string(), FLEET.policies.to_string()];
    let output = Command::new(std::env::current_exe()?).arg("fleet").args(size).output()?;
    Fleet::read(&String::from_utf8_lossy(&output.stdout))
}

struct Measured {
    running: Gateway,
    target: Target,
    idle: Idle,
}

/// Sets the gateway up with a server, a policy and a grant, and measures it at rest before it is loaded.
fn gateway(binary: &Path, folder: &Path, behind: SocketAddr) -> Result<Measured> {
    let callgate = Callgate::new(binary, folder.join("data"));
    callgate.add_url("bench", &format!("http://{behind}/mcp"))?;
    callgate.publish("bench", POLICY)?;
    let grant = callgate.mint("bench", "bench")?;
    let idle = idle(&callgate)?;
    let running = callgate.up()?;
    let target = Target { address: running.address, path: Gateway::path("bench"), token: grant.token };
    Ok(Measured { running, target, idle })
}

fn contender(name: &'static str, id: Option<u32>, target: Target) -> Contender {
    Contender { row: Row { name, cpu: Vec::new(), seen: Vec::new(), resident: None }, id, target }
}

fn rounds(options: &Options, era: Era, contenders: &mut [Contender]) -> Result<()> {
    let mut calls = Vec::new();
    for contender in contenders.iter() {
        let call = load::prepare(&contender.target, era).with_context(|| contender.row.name)?;
        // Warms caches, pools and allocators; not counted.
        load::burst(&contender.target, &call, options.calls / 10, options.connections)?;
        calls.push(call);
    }
    for round in 1..=options.rounds {
        for (contender, call) in contenders.iter_mut().zip(&calls) {
            eprintln!("{era:?}, round {round} of {}: {}", options.rounds, contender.row.name);
            let before = contender.id.map(procfs::cpu).transpose()?;
            let seen = load::burst(&contender.target, call, options.calls, options.connections)?;
            let after = contender.id.map(procfs::cpu).transpose()?;
            if let (Some(before), Some(after)) = (before, after) {
                let share = 10_000.0 / seen.latencies.len() as f64;
                contender.row.cpu.push((after - before).mul_f64(share));
            }
            contender.row.seen.push(seen);
        }
    }
    for contender in contenders {
        contender.row.resident = contender.id.map(procfs::resident).transpose()?;
    }
    Ok(())
}

/// Starts the gateway again and again: how long until it is ready, and how much memory it holds with nothing to do.
fn idle(callgate: &Callgate) -> Result<Idle> {
    let mut ready = Vec::new();
    let mut resident = 0;
    for _ in 0..STARTS {
        let start = Instant::now();
        let mut gateway = callgate.up()?;
        ready.push(start.elapsed());
        resident = procfs::resident(gateway.process.id())?;
        gateway.process.stop()?;
    }
    ready.sort_unstable();
    Ok(Idle { resident, ready })
}
