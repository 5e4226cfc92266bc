//! Real clients × real servers × eras × transports: every pair that works directly works through the gateway, and
//! `docs/compatibility.md` holds the table that this measured.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

#[path = "support/matrix.rs"]
mod matrix;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use matrix::{Cell, Era, Front, MODES, Mode, Row, Server};
use serde_json::{Value, json};
use testkit::{Callgate, Client, Gateway, Grant, Warm};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow" }"#;

/// A gateway with every server registered over every transport it has.
struct Stage {
    callgate: Callgate,
    gateway: Gateway,
    grants: BTreeMap<String, Grant>,
    policy: PathBuf,
}

/// What a client met: the revision where it tells, the list, and the answer to the call.
struct Seen {
    revision: Option<String>,
    tools: Value,
    answer: Value,
}

#[test]
fn everybody_with_everybody() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let warm = Warm::start()?;
    let servers = matrix::servers(folder.path(), &warm)?;
    let stage = Stage::set(folder.path(), &servers)?;
    let rows = matrix::rows(&servers);
    let mut work = Vec::new();
    for client in Client::EVERY {
        work.push((client, jobs(&stage, client, &rows)?));
    }
    let answers = std::thread::scope(|scope| {
        let threads: Vec<_> = work.iter().map(|(client, jobs)| scope.spawn(|| client.run_all(jobs))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a client's thread ends")).collect::<Result<Vec<_>>>()
    })?;
    let mut columns = BTreeMap::new();
    for ((client, _), answers) in work.iter().zip(answers) {
        columns.extend(cells(*client, &rows, answers)?);
    }
    matrix::publish(&rows, &columns)
}

impl Stage {
    fn set(folder: &Path, servers: &[Server]) -> Result<Self> {
        let callgate = Callgate::new(BINARY, folder.join("data"));
        let policy = folder.join("policy.json");
        std::fs::write(&policy, ALLOW_ALL)?;
        let mut grants = BTreeMap::new();
        for server in servers {
            for upstream in server.upstreams() {
                let name = server.registered(upstream);
                match server.url(upstream) {
                    Some(url) => callgate.add_url(&name, url)?,
                    None => callgate.add_command(&name, &server.command)?,
                }
                callgate.publish(&name, ALLOW_ALL)?;
                grants.insert(name.clone(), callgate.mint(&name, "matrix")?);
            }
        }
        let gateway = callgate.up()?;
        Ok(Self { callgate, gateway, grants, policy })
    }

    /// How a client reaches a row's server through the gateway.
    fn through(&self, row: &Row<'_>) -> Result<Value> {
        let name = row.server.registered(row.upstream);
        if row.front == Front::Http {
            let grant = self.grants.get(&name).context("every server has a grant")?;
            return Ok(json!({ "url": self.gateway.url(&name), "token": grant.token }));
        }
        let data = self.callgate.data().to_string_lossy();
        let policy = self.policy.to_string_lossy();
        let wrapped = format!("{name}-wrapped");
        let mut command: Vec<&str> = vec![BINARY, "wrap", "--policy", &policy, "--data", &data, "--name", &wrapped];
        match row.server.url(row.upstream) {
            Some(url) => command.extend(["--url", url]),
            None => {
                command.push("--");
                command.extend(row.server.command.iter().map(String::as_str));
            }
        }
        Ok(json!({ "command": command }))
    }
}

/// What one client does, in one process: every server directly and through the gateway, in each era.
fn jobs(stage: &Stage, client: Client, rows: &[Row<'_>]) -> Result<Vec<Value>> {
    let mut jobs = Vec::new();
    for mode in MODES.iter().filter(|mode| mode.client == client) {
        for row in rows {
            // Both ways into the gateway are compared with the same direct run.
            if row.front == Front::Http {
                jobs.push(job(row.server.directly(row.upstream), mode.era, row.server));
            }
            let mut through = job(stage.through(row)?, mode.era, row.server);
            // Through the gateway no client needs to fall back, whatever the server speaks.
            through["strict"] = json!(mode.era == Era::Modern);
            jobs.push(through);
        }
    }
    Ok(jobs)
}

/// What the answers to a client's jobs come to, in the order of the jobs.
fn cells(client: Client, rows: &[Row<'_>], answers: Vec<Result<Vec<Value>, String>>) -> Result<Vec<(Mode, Vec<Cell>)>> {
    let mut answers = answers.into_iter().map(|answers| answers.and_then(|steps| seen(&steps)));
    let mut columns = Vec::new();
    for mode in MODES.iter().filter(|mode| mode.client == client) {
        let mut cells = Vec::new();
        let mut directly = Err("not run".to_owned());
        for row in rows {
            if row.front == Front::Http {
                directly = answers.next().context("an answer per job")?;
            }
            let through = answers.next().context("an answer per job")?;
            cells.push(compare(*mode, row, &directly, &through)?);
        }
        columns.push((*mode, cells));
    }
    Ok(columns)
}

fn job(mut target: Value, era: Era, server: &Server) -> Value {
    let (tool, arguments) = &server.call;
    target["era"] = json!(if era == Era::Legacy { "legacy" } else { "auto" });
    target["steps"] = json!([{ "revision": true }, { "list": true }, { "call": tool, "arguments": arguments }]);
    target
}

fn seen(steps: &[Value]) -> Result<Seen, String> {
    let [revision, list, answer] = steps else { return Err(format!("{} answers to three steps", steps.len())) };
    if let Some(error) = list.get("error").or_else(|| answer.get("error")) {
        return Err(format!("refused: {error}"));
    }
    let revision = revision["revision"].as_str().map(str::to_owned);
    Ok(Seen { revision, tools: list["tools"].clone(), answer: answer.clone() })
}

fn compare(mode: Mode, row: &Row<'_>, direct: &Result<Seen, String>, through: &Result<Seen, String>) -> Result<Cell> {
    let place =
        format!("{:?} {:?}, {}, {:?} upstream, {:?}", mode.client, mode.era, row.server.name, row.upstream, row.front);
    let direct = match direct {
        Ok(direct) => direct,
        Err(reason) => return matrix::impossible(mode, row).with_context(|| format!("{place}: directly: {reason}")),
    };
    ensure!(matrix::impossible(mode, row).is_err(), "{place}: works directly, and is listed as impossible");
    ensure!(direct.tools.as_array().is_some_and(|tools| !tools.is_empty()), "{place}: no tools directly");
    ensure!(direct.answer["isError"] == false, "{place}: the call fails directly: {}", direct.answer);
    let through = match through {
        Ok(through) => through,
        Err(reason) => return Ok(Cell::Broken(format!("{place}: {reason}"))),
    };
    let is_bridged = mode.era == Era::Modern && !row.server.is_modern;
    let [expected, found] = [direct, through].map(|seen| tools(&seen.tools, is_bridged));
    if found != expected {
        return Ok(Cell::Broken(format!("{place}: another list\n  {expected}\n  {found}")));
    }
    let [expected, found] = [direct, through].map(|seen| row.server.comparable(&seen.answer));
    if found != expected {
        return Ok(Cell::Broken(format!("{place}: another answer\n  {expected}\n  {found}")));
    }
    let speaks = |seen: &Seen, modern: bool| {
        let told = seen.revision.as_deref().map(|revision| revision >= matrix::MODERN);
        told.is_none_or(|told| told == modern)
    };
    ensure!(speaks(direct, mode.era == Era::Modern && row.server.is_modern), "{place}: directly {:?}", direct.revision);
    if !speaks(through, mode.era == Era::Modern) {
        return Ok(Cell::Broken(format!("{place}: in another era: {:?}", through.revision)));
    }
    Ok(if is_bridged { Cell::Bridged } else { Cell::Same })
}

/// A list as it is compared. `execution` belongs to the tasks of 2025-11-25: a client that speaks the modern era may not
/// know it.
fn tools(list: &Value, is_bridged: bool) -> Value {
    let mut list = list.clone();
    for tool in list.as_array_mut().into_iter().flatten().filter(|_| is_bridged) {
        tool.as_object_mut().map(|tool| tool.remove("execution"));
    }
    list
}
