//! The rows and columns of the compatibility matrix, and the document that shows them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::{Client, Process, Reference, Warm, npm_server};

/// The first revision without `initialize`.
pub(crate) const MODERN: &str = "2026-07-28";

/// Which revision a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Era {
    /// It sends `initialize`.
    Legacy,
    /// It asks `server/discover` first.
    Modern,
}

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// A child process.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE, the transport of 2024-11-05.
    Sse,
}

/// How the client reaches the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// `callgate up`, Streamable HTTP.
    Http,
    /// `callgate wrap`, stdio.
    Wrap,
}

/// A client in one era: a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mode {
    /// The client.
    pub(crate) client: Client,
    /// What it asks for.
    pub(crate) era: Era,
}

/// A server over one transport, and a way into the gateway.
pub(crate) struct Row<'a> {
    /// The server.
    pub(crate) server: &'a Server,
    /// Between gateway and server.
    pub(crate) upstream: Upstream,
    /// Between client and gateway.
    pub(crate) front: Front,
}

/// What came of a pair.
pub(crate) enum Cell {
    /// The same list and the same answer as directly, in the era of the direct run.
    Same,
    /// The same, and the client speaks the modern era with a server that speaks only legacy ones.
    Bridged,
    /// It can't work directly, for this reason.
    Impossible(&'static str),
    /// It works directly and not through the gateway.
    Broken(String),
}

/// A real server.
pub(crate) struct Server {
    /// Its package.
    pub(crate) name: &'static str,
    /// What starts it over stdio.
    pub(crate) command: Vec<String>,
    /// A tool that harms nothing, and arguments for it.
    pub(crate) call: (&'static str, Value),
    /// Whether it speaks the modern era, besides the legacy one.
    pub(crate) is_modern: bool,
    urls: Vec<(Upstream, String)>,
    /// What in its answers depends on the calls before: a process may serve several clients.
    varies: &'static [&'static str],
    /// The same server over HTTP, as long as this lives.
    _running: Vec<Process>,
}

/// The TypeScript SDK's server for trying everything.
const EVERYTHING: &str = "@modelcontextprotocol/server-everything";

/// The reference server of the Python SDK, which is in no package.
const REFERENCE: &str = "everything-server";

/// Every client in every era it knows.
pub(crate) const MODES: [Mode; 11] = [
    Mode { client: Client::TypeScriptV1, era: Era::Legacy },
    Mode { client: Client::TypeScriptV2, era: Era::Legacy },
    Mode { client: Client::TypeScriptV2, era: Era::Modern },
    Mode { client: Client::Python, era: Era::Legacy },
    Mode { client: Client::Python, era: Era::Modern },
    Mode { client: Client::FastMcp, era: Era::Legacy },
    Mode { client: Client::FastMcp, era: Era::Modern },
    Mode { client: Client::Inspector, era: Era::Legacy },
    Mode { client: Client::Inspector, era: Era::Modern },
    Mode { client: Client::Rust, era: Era::Legacy },
    Mode { client: Client::Rust, era: Era::Modern },
];

/// Pairs that can't work even directly, with the reason. A pair that does work directly has no place here.
const IMPOSSIBLE: &[(Client, Era, &str, Upstream, &str)] = &[];

impl Server {
    fn new(name: &'static str, command: Vec<String>, call: (&'static str, Value)) -> Self {
        Self { name, command, call, is_modern: false, urls: Vec::new(), varies: &[], _running: Vec::new() }
    }

    /// The transports it has.
    pub(crate) fn upstreams(&self) -> Vec<Upstream> {
        [Upstream::Stdio].into_iter().chain(self.urls.iter().map(|(upstream, _)| *upstream)).collect()
    }

    /// Its URL where that is how it is reached.
    pub(crate) fn url(&self, upstream: Upstream) -> Option<&str> {
        self.urls.iter().find(|(found, _)| *found == upstream).map(|(_, url)| url.as_str())
    }

    /// Its name on the gateway.
    pub(crate) fn registered(&self, upstream: Upstream) -> String {
        let short = self.name.rsplit('/').next().unwrap_or(self.name);
        format!("{short}-{upstream:?}").to_lowercase()
    }

    /// How a client reaches it without a gateway; over stdio where few clients still know the transport.
    pub(crate) fn directly(&self, upstream: Upstream) -> Value {
        match self.url(upstream) {
            Some(url) if upstream == Upstream::Http => json!({ "url": url }),
            _ => json!({ "command": self.command }),
        }
    }

    /// An answer without what depends on the calls before it.
    pub(crate) fn comparable(&self, answer: &Value) -> String {
        let text = answer.to_string();
        self.varies.iter().fold(text, |text, name| {
            let mut parts = text.split(name);
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| {
                text + name + part.trim_start_matches(|c: char| "\\\": 0123456789".contains(c))
            })
        })
    }
}

/// Starts every server that has HTTP, and says how the others are started; `folder` is theirs.
pub(crate) fn servers(folder: &Path, warm: &Warm) -> Result<Vec<Server>> {
    let mut servers = npm_servers(folder)?;
    servers.extend(python_servers(folder, warm)?);
    Ok(servers)
}

fn npm_servers(folder: &Path) -> Result<Vec<Server>> {
    let files = folder.join("files");
    fs::create_dir_all(&files)?;
    fs::write(files.join("a.txt"), "line one\nline two — ü\n")?;
    let [files, file] = [files.clone(), files.join("a.txt")].map(|path| path.to_string_lossy().into_owned());
    let memory = format!("MEMORY_FILE_PATH={}", folder.join("memory.json").display());
    // Compiled once, started many times.
    let compiled = format!("NODE_COMPILE_CACHE={}", folder.join("compiled").display());
    let npm = |package: &'static str, arguments: &[&str], call: (&'static str, Value)| -> Result<Server> {
        let environment = ["env".to_owned(), compiled.clone(), memory.clone()];
        let command = environment.into_iter().chain(npm_server(package, arguments)?).collect();
        Ok(Server::new(package, command, call))
    };
    let thought = json!({ "thought": "one", "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1 });
    let (http, process) = everything_over("streamableHttp")?;
    let (sse, other) = everything_over("sse")?;
    Ok(vec![
        Server {
            urls: vec![(Upstream::Http, format!("{http}/mcp")), (Upstream::Sse, format!("{sse}/sse"))],
            _running: vec![process, other],
            ..npm(EVERYTHING, &[], ("get-sum", json!({ "a": 1.5, "b": 2 })))?
        },
        npm("@modelcontextprotocol/server-filesystem", &[&files], ("read_text_file", json!({ "path": file })))?,
        npm("@modelcontextprotocol/server-memory", &[], ("read_graph", json!({})))?,
        Server {
            varies: &["thoughtHistoryLength"],
            ..npm("@modelcontextprotocol/server-sequential-thinking", &[], ("sequentialthinking", thought))?
        },
    ])
}

fn python_servers(folder: &Path, warm: &Warm) -> Result<Vec<Server>> {
    let python = |name: &'static str, arguments: &[&str], call: (&'static str, Value)| -> Result<Server> {
        Ok(Server { is_modern: true, ..Server::new(name, warm.command(name, arguments)?, call) })
    };
    let repository = repository(folder)?;
    let noon = json!({ "source_timezone": "Europe/Berlin", "time": "12:30", "target_timezone": "Asia/Tokyo" });
    let reference = Reference::start()?;
    Ok(vec![
        python("mcp-server-git", &["--repository", &repository], ("git_status", json!({ "repo_path": repository })))?,
        python("mcp-server-time", &["--local-timezone", "UTC"], ("convert_time", noon))?,
        Server {
            urls: vec![(Upstream::Http, reference.url())],
            _running: vec![reference.process],
            ..python(REFERENCE, &[], ("test_multiple_content_types", json!({})))?
        },
    ])
}

/// All rows, both ways into the gateway after each other.
pub(crate) fn rows(servers: &[Server]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for server in servers {
        for upstream in server.upstreams() {
            rows.extend([Front::Http, Front::Wrap].map(|front| Row { server, upstream, front }));
        }
    }
    rows
}

/// The cell of a pair that can't work directly, where it is known why.
pub(crate) fn impossible(mode: Mode, row: &Row<'_>) -> Result<Cell> {
    let key = (mode.client, mode.era, row.server.name, row.upstream);
    let known = IMPOSSIBLE.iter().find(|(client, era, server, upstream, _)| (*client, *era, *server, *upstream) == key);
    known.map(|(.., reason)| Cell::Impossible(reason)).context("a pair that fails directly needs a known reason")
}

fn everything_over(transport: &str) -> Result<(String, Process)> {
    let command = npm_server(EVERYTHING, &[transport])?;
    let (node, script) = command.split_first().context("a command has a program")?;
    let loopback = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/servers/loopback.mjs");
    let mut command = Command::new(node);
    command.arg("--import").arg(loopback).args(script);
    let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
    let line = process.wait_for("listening on http://")?;
    let (_, address) = line.split_once("http://").context("an address")?;
    Ok((format!("http://{}", address.trim()), process))
}

fn repository(folder: &Path) -> Result<String> {
    let repository = folder.join("repository");
    fs::create_dir_all(&repository)?;
    let status =
        Command::new("git").current_dir(&repository).args(["init", "--quiet", "--initial-branch=main"]).status()?;
    ensure!(status.success(), "git init: {status}");
    Ok(repository.to_string_lossy().into_owned())
}

/// Compares the measured table with the one in `docs/compatibility.md`, or writes it there with `UPDATE_EXPECT=1`; fails
/// on anything that works directly only.
pub(crate) fn publish(rows: &[Row<'_>], columns: &BTreeMap<Mode, Vec<Cell>>) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("no `{BEGIN}` in docs/compatibility.md"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no `{END}` in docs/compatibility.md"))?;
    let measured = format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(rows, columns)?);
    println!("{}", table(rows, columns)?);
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    if is_update {
        fs::write(&file, &measured)?;
    }
    let broken = columns.values().flatten().filter_map(|cell| match cell {
        Cell::Broken(reason) => Some(reason.as_str()),
        _ => None,
    });
    let broken: Vec<&str> = broken.collect();
    ensure!(broken.is_empty(), "{} pairs work directly only:\n{}", broken.len(), broken.join("\n"));
    ensure!(is_update || measured == text, "docs/compatibility.md shows another table; UPDATE_EXPECT=1 rewrites it");
    Ok(())
}

const BEGIN: &str = "<!-- measured by crates/callgate/tests/e2e_matrix.rs; UPDATE_EXPECT=1 rewrites it -->";
const END: &str = "<!-- end of what was measured -->";

fn table(rows: &[Row<'_>], columns: &BTreeMap<Mode, Vec<Cell>>) -> Result<String> {
    let mut text = "| server | reached over | client over |".to_owned();
    for mode in MODES {
        let era = if mode.era == Era::Modern { ", modern" } else { "" };
        write!(text, " {}{era} |", client(mode.client).0)?;
    }
    writeln!(text, "\n|{}", "---|".repeat(3 + MODES.len()))?;
    let mut reasons: Vec<&str> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let upstream = match row.upstream {
            Upstream::Stdio => "stdio",
            Upstream::Http => "HTTP",
            Upstream::Sse => "HTTP+SSE",
        };
        let front = if row.front == Front::Http { "HTTP" } else { "stdio" };
        write!(text, "| {} | {upstream} | {front} |", row.server.name)?;
        for mode in MODES {
            let cell = columns.get(&mode).and_then(|cells| cells.get(index)).context("a cell per row and column")?;
            match cell {
                Cell::Same => write!(text, " ✓ |")?,
                Cell::Bridged => write!(text, " ⇄ |")?,
                Cell::Broken(_) => write!(text, " ✗ |")?,
                Cell::Impossible(reason) => {
                    let place = reasons.iter().position(|known| known == reason).unwrap_or(reasons.len());
                    if place == reasons.len() {
                        reasons.push(reason);
                    }
                    write!(text, " – ({}) |", place + 1)?;
                }
            }
        }
        writeln!(text)?;
    }
    for (index, reason) in reasons.iter().enumerate() {
        writeln!(text, "\n({}) {reason}", index + 1)?;
    }
    writeln!(text, "\n| client or server | version |\n|---|---|")?;
    let clients = Client::EVERY.map(|found| client(found).1);
    let mut names: Vec<&str> = rows.iter().map(|row| row.server.name).collect();
    names.dedup();
    for name in clients.into_iter().chain(names) {
        writeln!(text, "| {name} | {} |", version(name)?)?;
    }
    Ok(text)
}

/// A client's name in the table's head, and its package.
fn client(client: Client) -> (&'static str, &'static str) {
    match client {
        Client::TypeScriptV1 => ("TypeScript v1", "@modelcontextprotocol/sdk"),
        Client::TypeScriptV2 => ("TypeScript v2", "@modelcontextprotocol/client"),
        Client::Python => ("Python", "mcp"),
        Client::FastMcp => ("FastMCP", "fastmcp"),
        Client::Inspector => ("Inspector", "@modelcontextprotocol/inspector"),
        Client::Rust => ("Rust", "rmcp"),
    }
}

/// The pinned version of a package, from the manifest that names it.
fn version(package: &str) -> Result<String> {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers");
    if package == REFERENCE {
        return Ok(format!("of mcp {}", version("mcp")?));
    }
    for (file, before, after) in [
        ("npm/package.json", format!("\"{package}\": \""), '"'),
        ("python/requirements.txt", format!("\n{package}=="), '\n'),
        ("rust/Cargo.toml", format!("\n{package} = {{ version = \"="), '"'),
    ] {
        let text = fs::read_to_string(manifests.join(file))?;
        if let Some((_, rest)) = text.split_once(&before) {
            return Ok(rest.split(after).next().unwrap_or_default().to_owned());
        }
    }
    bail!("no manifest pins `{package}`")
}
