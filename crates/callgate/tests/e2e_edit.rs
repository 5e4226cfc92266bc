//! An edited policy applies to the next call; an invalid one changes nothing and says so.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Callgate, Fixture, Gateway, Session, Stage, StdioServer};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW: &str = r#"{ "version": "1", "default": "deny", "tools": { "exec_command": {} } }"#;
const DENY: &str = r#"{ "version": "1", "default": "deny", "tools": { "search_docs": {} } }"#;
const BROKEN: &str = r#"{ "version": "1", "default": "deny", "tols": { "exec_command": {} } }"#;
const FAILING: &str = r#"{ "version": "1", "default": "deny", "tools": {},
  "tests": [{ "name": "exec", "tool": "exec_command", "args": {}, "expect": "allow" }] }"#;

#[test]
fn a_published_policy_applies_to_the_next_call() -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", ALLOW)?;
    let mut session = stage.session()?;
    let arguments = json!({ "session_id": "s-1", "command": "ls" });
    let mut is_denied =
        || -> Result<bool> { Ok(session.call("exec_command", &arguments)?["result"]["isError"] == true) };
    assert!(!is_denied()?);
    stage.callgate.publish("fixture", DENY)?;
    assert!(is_denied()?, "the next call is judged by the new policy, in the session that was open");
    stage.callgate.publish("fixture", ALLOW)?;
    assert!(!is_denied()?);

    for (document, what) in [(BROKEN, "tols"), (FAILING, "exec"), ("{", "")] {
        let file = stage.file("policy.json");
        std::fs::write(&file, document)?;
        let file = file.to_string_lossy().into_owned();
        let output = stage.callgate.output(["policy", "publish", &file, "--server", "fixture"])?;
        assert_eq!(output.status.code(), Some(1), "{document} is not published");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(what), "says what is wrong with it: {said}");
        assert!(!is_denied()?, "the old policy is still in force");
    }
    Ok(())
}

#[test]
fn an_edited_file_applies_to_the_next_call_of_wrap() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let policy = folder.path().join("policy.json");
    std::fs::write(&policy, ALLOW)?;
    let mut command = callgate.command(["wrap", "--policy"]);
    command.arg(&policy).args(["--", BINARY, "fixture", "--tools", "kernel"]);
    let mut server = StdioServer::open(&mut command)?;
    let arguments = json!({ "session_id": "s-1", "command": "ls" });
    let call = |server: &mut StdioServer| -> Result<Value> { server.call("exec_command", &arguments) };
    assert_ne!(call(&mut server)?["result"]["isError"], true);

    std::fs::write(&policy, DENY)?;
    server.process.wait_for("version 2 applies from the next call")?;
    let answer = call(&mut server)?;
    assert_eq!(answer["result"]["isError"], true, "{answer}");

    std::fs::write(&policy, BROKEN)?;
    server.process.wait_for("version 2 stays in force")?;
    let said = server.process.said();
    assert!(said.contains("CG3060") && said.contains("tols"), "with a code, and what is wrong: {said}");
    let answer = call(&mut server)?;
    assert_eq!(answer["result"]["isError"], true, "the last good policy stays: {answer}");

    std::fs::write(&policy, ALLOW)?;
    server.process.wait_for("version 3 applies from the next call")?;
    assert_ne!(call(&mut server)?["result"]["isError"], true, "and a good one counts again");
    Ok(())
}

#[test]
fn an_edited_file_applies_to_the_next_call_of_up() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let fixture = Fixture::start(&callgate, "kernel", &folder.path().join("fixture.log"))?;
    let token = "cg_a-token-that-is-long-enough-for-a-grant";
    let configuration = format!(
        "[servers.kernel]\nurl = \"{}\"\npolicy = \"policy.json\"\n\n\
         [[grants]]\nlabel = \"laptop\"\nserver = \"kernel\"\ntoken_file = \"token\"\n",
        fixture.url()
    );
    let file = folder.path().join("callgate.toml");
    let policy = folder.path().join("policy.json");
    std::fs::write(&file, configuration)?;
    std::fs::write(folder.path().join("token"), token)?;
    std::fs::write(&policy, ALLOW)?;
    let mut gateway = callgate.up_with(&["--config", &file.to_string_lossy()])?;
    let mut session = Session::open(gateway.address, &Gateway::path("kernel"), Some(token))?;
    let arguments = json!({ "session_id": "s-1", "command": "ls" });
    let mut is_denied =
        || -> Result<bool> { Ok(session.call("exec_command", &arguments)?["result"]["isError"] == true) };
    assert!(!is_denied()?);

    std::fs::write(&policy, DENY)?;
    gateway.process.wait_for("version 2 applies from the next call")?;
    assert!(is_denied()?);

    std::fs::write(&policy, BROKEN)?;
    gateway.process.wait_for("version 2 stays in force")?;
    let said = gateway.process.said();
    assert!(said.contains("CG3060") && said.contains("tols"), "{said}");
    assert!(is_denied()?, "the last good policy stays");
    Ok(())
}

#[test]
fn a_policy_that_is_broken_at_the_start_refuses_everything() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let policy = folder.path().join("policy.json");
    let log = folder.path().join("fixture.log");
    std::fs::write(&policy, BROKEN)?;
    let mut command = callgate.command(["wrap", "--policy"]);
    command.arg(&policy).args(["--", BINARY, "fixture", "--tools", "kernel", "--log"]).arg(&log);
    let mut server = StdioServer::open(&mut command)?;
    let answer = server.call("exec_command", &json!({ "session_id": "s-1", "command": "ls" }))?;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(Fixture::calls_in(&log)?.is_empty());
    assert!(server.process.said().contains("tols"), "and says why");
    Ok(())
}
