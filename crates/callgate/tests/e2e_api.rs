//! The admin API of a running gateway: by somebody else's reading of its document, and what was decided as seen by
//! those who may see it.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;
use testkit::{Callgate, Connection, PATIENCE, Response, Stage};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const POLICY: &str =
    r#"{ "version": "1", "default": "deny", "hide": ["manage_credentials"], "tools": { "exec_command": {} } }"#;

/// Sends one request to the API.
fn ask(address: SocketAddr, method: &str, path: &str, token: &str, body: Option<&Value>) -> Result<Response> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut connection = Connection::open(address)?;
    let head = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nif-match: *\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.send(head.as_bytes())?;
    connection.response()
}

/// The same where it has to succeed; its JSON.
fn good(address: SocketAddr, method: &str, path: &str, token: &str, body: Option<&Value>) -> Result<Value> {
    let response = ask(address, method, path, token, body)?;
    ensure!((200..300).contains(&response.status), "{method} {path}: {} {}", response.status, response.text());
    Ok(serde_json::from_slice(&response.body)?)
}

/// The credential of the first use.
fn root(callgate: &Callgate) -> Result<String> {
    Ok(std::fs::read_to_string(callgate.data().join("admin.token"))?.trim().to_owned())
}

/// The rows of a list, once there are this many: the index follows the journal.
fn rows(address: SocketAddr, path: &str, token: &str, count: usize) -> Result<Vec<Value>> {
    let end = Instant::now() + PATIENCE;
    loop {
        let list = good(address, "GET", path, token, None)?;
        let items = list["items"].as_array().context("no list")?;
        if items.len() >= count {
            return Ok(items.clone());
        }
        ensure!(Instant::now() < end, "{path} never had {count} rows: {list}");
        std::thread::yield_now();
    }
}

/// A token with these roles, by its maker's token.
fn token(address: SocketAddr, maker: &str, label: &str, roles: &Value) -> Result<String> {
    let made = good(address, "POST", "/tokens", maker, Some(&json!({ "label": label, "roles": roles })))?;
    Ok(made["token"].as_str().context("no token")?.to_owned())
}

#[test]
fn nothing_that_is_generated_breaks_the_api_or_its_document() -> Result<()> {
    let peers = testkit::peers()?;
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let gateway = callgate.up()?;
    let mut command = Command::new(peers.join("python-schemathesis/bin/schemathesis"));
    command.arg("--config-file").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/schemathesis.toml"));
    command.args(["run", "--url"]).arg(format!("http://{}", gateway.address));
    command.arg(format!("http://{}/api/v1/openapi.json", gateway.address));
    command.args(["--checks", "all", "--workers", "1", "--max-examples", "3", "--seed", "7", "--phases"]);
    command.args(["examples,coverage,fuzzing,stateful", "--generation-database", "none", "--warnings", "off"]);
    command.args(["--suppress-health-check", "all", "--no-color", "--request-timeout", "20"]);
    // A stream has no end that it could wait for.
    command.args(["--exclude-operation-id", "approval_events", "--exclude-operation-id", "decision_events"]);
    command.env("CALLGATE_TOKEN", root(&callgate)?).env("NO_PROXY", "*").current_dir(folder.path());
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn decisions_are_seen_by_those_who_may_see_their_server() -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", POLICY)?;
    let (at, root) = (stage.gateway.address, root(&stage.callgate)?);
    let mut session = stage.session()?;
    session.call("exec_command", &json!({ "session_id": "s-1", "command": "ls" }))?;
    session.call("manage_credentials", &json!({ "session_id": "s-1" }))?;

    let decisions = rows(at, "/decisions?q=tool:exec_command%20outcome:allow", &root, 1)?;
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    let denied = rows(at, "/decisions?tool=manage_credentials&outcome=deny", &root, 1)?;
    assert_eq!(denied[0]["argument_keys"], json!(["session_id"]), "{denied:?}");
    let id = denied[0]["id"].as_str().context("no id")?;
    assert_eq!(good(at, "GET", &format!("/decisions/{id}"), &root, None)?["tool"], "manage_credentials");

    stage.callgate.add_url("elsewhere", "http://127.0.0.1:9/mcp")?;
    let scoped = |server: &str| token(at, &root, server, &json!({ "servers": { (server): "viewer" } }));
    let (here, elsewhere) = (scoped("fixture")?, scoped("elsewhere")?);
    let made = good(at, "POST", "/organisations", &root, Some(&json!({ "name": "other" })))?;
    let link = json!({ "link": made["link"]["secret"], "as": "token" });
    let other = good(at, "POST", "/sessions", "", Some(&link))?["token"].as_str().context("no session")?.to_owned();
    for (who, token, sees) in
        [("of the server", &here, true), ("of another", &elsewhere, false), ("other", &other, false)]
    {
        let listed = good(at, "GET", "/decisions", token, None)?["items"].as_array().context("no list")?.len();
        assert_eq!(listed > 0, sees, "{who} sees {listed} decisions");
        let one = ask(at, "GET", &format!("/decisions/{id}"), token, None)?;
        assert_eq!(one.status, if sees { 200 } else { 404 }, "{who}: {}", one.text());
        let exported = ask(at, "GET", "/export?format=ocsf", token, None)?;
        assert_eq!((exported.status, exported.text().contains("manage_credentials")), (200, sees), "{who}");
        let changes = ask(at, "GET", "/changes", token, None)?;
        let may = who == "other";
        assert_eq!(changes.status, if may { 200 } else { 403 }, "{who}: {}", changes.text());
        assert!(!changes.text().contains("fixture"), "{who}: {}", changes.text());
    }
    Ok(())
}

#[test]
fn what_was_refused_and_what_was_hidden_can_be_looked_up() -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", POLICY)?;
    let (at, root) = (stage.gateway.address, root(&stage.callgate)?);
    let refused = Connection::open(at)?.post("/mcp/fixture", &[("authorization", "Bearer cg_nobodys")], b"{}")?;
    assert_eq!(refused.status, 401);
    let mut session = stage.session()?;
    session.ask("tools/list", &json!({}))?;
    let found = rows(at, "/refusals", &root, 2)?;
    let text = serde_json::to_string(&found)?;
    assert!(text.contains("127.0.0.1") && text.contains("manage_credentials"), "{text}");
    assert!(!text.contains("cg_nobodys"), "{text}");
    Ok(())
}
