//! Each real tool list behind the gateway, with the policy that is recommended for it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Callgate, Fixture, Gateway, Session, result_bytes};

/// What came of one list.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) result: Result<Seen>,
}

/// What was seen.
pub(super) struct Seen {
    pub(super) tools: usize,
    /// Whether the list came through the gateway byte for byte; a policy that hides tools makes it shorter.
    pub(super) is_list_equal: bool,
    pub(super) allowed: usize,
    pub(super) denied: usize,
    /// Tools whose call went another way than `policy explain` says.
    pub(super) odd: Vec<String>,
}

/// Evaluates every list of a folder.
pub(super) fn run(binary: &Path, folder: &Path) -> Result<Vec<Row>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    let name = |file: &Path| file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(files.iter().map(|file| Row { name: name(file), result: one(binary, file) }).collect())
}

fn one(binary: &Path, list: &Path) -> Result<Seen> {
    let (_guard, folder) = super::folder()?;
    let callgate = Callgate::new(binary, folder.join("data"));
    let list = list.canonicalize()?.to_string_lossy().into_owned();
    let policy = callgate.run(["policy", "recommend", "--tools", &list]).context("recommend")?;
    let file = folder.join("policy.json").to_string_lossy().into_owned();
    fs::write(&file, &policy)?;
    callgate.run(["policy", "check", &file, "--tools", &list]).context("the recommended policy is not valid")?;

    let fixture = Fixture::start(&callgate, &list, &folder.join("fixture.log"))?;
    callgate.add_url("eval", &fixture.url())?;
    callgate.publish("eval", &policy)?;
    let grant = callgate.mint("eval", "eval")?;
    let mut direct = Session::open(fixture.address, "/mcp", None)?;
    let expected = result_bytes(&direct.ask("tools/list", &json!({}))?)?;
    let gateway = callgate.up()?;
    let mut session = Session::open(gateway.address, &Gateway::path("eval"), Some(&grant.token))?;
    let found = result_bytes(&session.ask("tools/list", &json!({}))?)?;

    let parsed: Value = serde_json::from_str(&expected)?;
    let tools = parsed.get("tools").and_then(Value::as_array).context("no tools")?;
    ensure!(!tools.is_empty(), "an empty list shows nothing");
    let mut seen =
        Seen { tools: tools.len(), is_list_equal: found == expected, allowed: 0, denied: 0, odd: Vec::new() };
    for tool in tools {
        let name = tool.get("name").and_then(Value::as_str).context("a tool without a name")?;
        let explained = explain(&callgate, &file, name, &list)?;
        let before = fixture.calls()?.len();
        let answer = session.call(name, &json!({}))?;
        let decision = answer.pointer("/result/_meta/dev.callgate~1decision/outcome").and_then(Value::as_str);
        let has_reached = fixture.calls()?.len() > before;
        let outcome = decision.unwrap_or("allow");
        // Until a person can be asked, a call that needs one is refused.
        let is_as_explained = (explained == "allow") == (outcome == "allow") && has_reached == (outcome == "allow");
        if !is_as_explained {
            seen.odd.push(name.to_owned());
        }
        *(if has_reached { &mut seen.allowed } else { &mut seen.denied }) += 1;
    }
    callgate.run(["journal", "verify"])?;
    Ok(seen)
}

/// What `policy explain` says about a call without arguments.
fn explain(callgate: &Callgate, policy: &str, tool: &str, list: &str) -> Result<String> {
    let arguments = ["policy", "explain", policy, "--tool", tool, "--args", "{}", "--tools", list, "--json"];
    let output = callgate.output(arguments)?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("explain: {}", String::from_utf8_lossy(&output.stderr)))?;
    let outcome = answer.get("outcome").and_then(Value::as_str);
    outcome.map(str::to_owned).context("explain names no outcome")
}
