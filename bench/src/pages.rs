//! The console at its size: how long each page takes to its first byte.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Callgate, Connection, Gateway, Session};

use crate::{catalogue, compare, index};

/// What was measured.
#[derive(Debug)]
pub(crate) struct Pages {
    tools: usize,
    decisions: u64,
    /// Of each page: its path, the median and the longest time to the first byte, and its bytes.
    pages: Vec<(String, Duration, Duration, usize)>,
}

/// So often each page is asked for, after a first time.
const ROUNDS: usize = 11;

const GRANTS: usize = 20;
const SERVER: &str = "bench";

/// A console that an admin is signed in to.
struct Visitor {
    gateway: Gateway,
    cookie: String,
}

/// Lets a gateway front a server of so many tools, fills its index, and visits its pages.
pub(crate) fn measure(binary: &Path, tools: usize, decisions: u64) -> Result<Pages> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(binary, folder.path().join("data"));
    let (_upstream, behind) = compare::upstream(Some(tools))?;
    let grant = furnish(&callgate, folder.path(), &format!("http://{behind}/mcp"), tools)?;
    index::measure(decisions, Some(callgate.data()))?;
    let visitor = Visitor::sign_in(&callgate)?;
    let mut pages = Vec::new();
    for path in visitor.paths(&grant)? {
        visitor.first_byte(&path)?;
        let mut times = Vec::with_capacity(ROUNDS);
        let mut size = 0;
        for _ in 0..ROUNDS {
            let (time, body) = visitor.first_byte(&path)?;
            times.push(time);
            size = body.len();
        }
        times.sort_unstable();
        let at = |place: usize| times.get(place).copied().unwrap_or_default();
        pages.push((path, at(ROUNDS / 2), at(ROUNDS - 1), size));
    }
    Ok(Pages { tools, decisions, pages })
}

/// A server, its recommended policy in two versions, grants, and calls. Returns the identity of one grant.
fn furnish(callgate: &Callgate, folder: &Path, upstream: &str, tools: usize) -> Result<String> {
    callgate.add_url(SERVER, upstream)?;
    let list = folder.join("tools.json");
    std::fs::write(&list, catalogue::tool_list(tools))?;
    let recommended = callgate.run(["policy", "recommend", "--tools", &list.to_string_lossy()])?;
    callgate.publish(SERVER, &recommended)?;
    callgate.publish(SERVER, &recommended.replacen("\"description\": \"", "\"description\": \"Edited. ", 1))?;
    let grants: Result<Vec<_>> = (0..GRANTS).map(|number| callgate.mint(SERVER, &format!("agent-{number}"))).collect();
    let grants = grants?;
    let first = grants.first().context("no grant")?;
    let gateway = callgate.up()?;
    let mut session = Session::open(gateway.address, &Gateway::path(SERVER), Some(&first.token))?;
    let listed: Value = serde_json::from_slice(&session.ask("tools/list", &json!({}))?)?;
    let listed = listed.pointer("/result/tools").and_then(Value::as_array).context("no tools")?;
    let names = listed.iter().filter_map(|tool| tool.get("name").and_then(Value::as_str));
    for name in names.take(GRANTS) {
        session.call(name, &json!({}))?;
    }
    Ok(first.id.clone())
}

impl Visitor {
    fn sign_in(callgate: &Callgate) -> Result<Self> {
        let added = callgate.json(["member", "add", "visitor", "--role", "admin", "--json"])?;
        let link = added.pointer("/link/path").and_then(Value::as_str).context("no link")?;
        let (_, link) = link.split_once("link=").context("no link in its path")?;
        let gateway = callgate.up()?;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = format!("link={link}");
        let answer = Connection::open(gateway.address)?.post("/sign-in", &form, body.as_bytes())?;
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.with_context(|| format!("not signed in: {} {}", answer.status, answer.text()))?.to_owned();
        Ok(Self { gateway, cookie })
    }

    /// Every kind of page, by way of the links that lead to it.
    fn paths(&self, grant: &str) -> Result<Vec<String>> {
        let tool = self.link("/servers/bench", "/servers/bench/tools/")?;
        let decision = self.link("/decisions", "/decisions/0")?;
        let entry = self.link("/catalogue", "/catalogue/")?;
        let of_catalogue = self.link(&entry, &format!("{entry}/tools/"))?;
        let policy = "/servers/bench/policies/default";
        let paths = [
            "/",
            "/?since=24h",
            "/servers",
            "/servers/bench",
            "/servers/bench/standing",
            "/servers/bench/definitions",
            &tool,
            "/servers/bench/settings",
            "/policies",
            policy,
            &format!("{policy}/history"),
            &format!("{policy}/diff?from=1&to=2"),
            "/decisions",
            "/decisions?q=outcome:deny",
            "/decisions?q=tool:exec_command+outcome:deny+since:1h",
            "/decisions?q=nowhere",
            &decision,
            "/approvals",
            "/limits",
            "/grants",
            &format!("/grants/{grant}"),
            "/grants/mint",
            "/catalogue",
            "/catalogue?q=file",
            &entry,
            &of_catalogue,
            "/catalogue/changes",
            "/catalogue/attacks",
            "/try",
            "/try?server=bench",
            "/members",
            "/members/tokens",
            "/changes",
            "/start/server",
            "/start/bench/tools",
            "/start/bench/policy",
            "/start/bench/grant",
        ];
        Ok(paths.map(str::to_owned).into())
    }

    /// The first link on a page that begins so.
    fn link(&self, page: &str, begin: &str) -> Result<String> {
        let (_, body) = self.first_byte(page)?;
        let mut links = body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let found =
            links.find(|link| link.starts_with(begin) && !link.contains("attacks") && !link.contains("changes"));
        found.map(|link| link.replace("&amp;", "&")).with_context(|| format!("{page} leads to no {begin}…"))
    }

    /// How long it took from the request to the first byte of the answer; what it says.
    fn first_byte(&self, path: &str) -> Result<(Duration, String)> {
        let mut connection = Connection::open(self.gateway.address)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n", self.gateway.address, self.cookie);
        let begin = Instant::now();
        connection.send(request.as_bytes())?;
        ensure!(!connection.is_closed()?, "{path}: no answer");
        let time = begin.elapsed();
        let answer = connection.response()?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
        Ok((time, answer.text()))
    }
}

impl Pages {
    /// The figures as a table.
    pub(crate) fn table(&self) -> String {
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1e3;
        let mut text = format!(
            "{} tools on one server, {} decisions in the index of a SQLite database; {ROUNDS} requests of each page, on a\n\
             connection of their own.\n\n| page | first byte, median ms | longest ms | kB |\n\
             |---|---|---|---|",
            self.tools, self.decisions
        );
        for (path, middle, longest, size) in &self.pages {
            let (middle, longest) = (milliseconds(middle), milliseconds(longest));
            // Writing into a `String` can't fail.
            let _ = write!(text, "\n| `{path}` | {middle:.1} | {longest:.1} | {:.0} |", *size as f64 / 1e3);
        }
        text
    }
}
