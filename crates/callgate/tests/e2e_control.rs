//! Changes through the API: they reach every gateway of a database, survive `kill -9` whole or not at all, and a backup
//! that was made beside calls serves the same grants elsewhere.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use anyhow::{Context, Result, ensure};
use rustix::fs::Mode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;
use testkit::{Callgate, Connection, Fixture, Gateway, PATIENCE, Postgres, Process, Response, Session, Stage, journal};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW: &str = r#"{ "version": "1", "default": "deny", "tools": { "exec_command": {} } }"#;
const DENY: &str = r#"{ "version": "1", "default": "deny", "tools": { "search_docs": {} } }"#;
const KILLS: usize = 20;

/// A gateway whose objects are in this database.
fn up(callgate: &Callgate, database: &str) -> Result<Gateway> {
    let mut command = callgate.command(["up", "--listen", "127.0.0.1:0"]);
    command.env("DATABASE_URL", database).stdin(Stdio::null()).stdout(Stdio::null());
    let mut process = Process::start(&mut command)?;
    let line = process.wait_for("listening on http://")?;
    let address = line.rsplit("http://").next().context("no address")?.trim().parse()?;
    Ok(Gateway { process, address })
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !is_so()? {
        ensure!(Instant::now() < end, "it never came to this: {what}");
        std::thread::yield_now();
    }
    Ok(())
}

fn is_denied(session: &mut Session) -> Result<bool> {
    let answer = session.call("exec_command", &json!({ "session_id": "s-1", "command": "ls" }))?;
    Ok(answer["result"]["isError"] == true)
}

#[test]
fn a_change_reaches_every_gateway_of_a_database() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Postgres::shared()?.database()?;
    let (one, other) =
        (Callgate::new(BINARY, folder.path().join("one")), Callgate::new(BINARY, folder.path().join("other")));
    let fixture = Fixture::start(&one, "kernel", &folder.path().join("fixture.log"))?;
    let first = up(&one, &database)?;
    // Gateways of one database have one set of keys.
    let keys = other.data().join("keys");
    std::fs::create_dir_all(&keys)?;
    std::fs::set_permissions(other.data(), std::fs::Permissions::from_mode(0o700))?;
    for name in ["token.key", "secrets.key"] {
        std::fs::copy(one.data().join("keys").join(name), keys.join(name))?;
    }
    let second = up(&other, &database)?;

    one.add_url("kernel", &fixture.url())?;
    one.publish("kernel", ALLOW)?;
    let grant = one.mint("kernel", "laptop")?;
    let open = |gateway: &Gateway| Session::open(gateway.address, &Gateway::path("kernel"), Some(&grant.token));
    let mut here = open(&first)?;
    let mut there = None;
    until("the other gateway knows the grant", || {
        there = open(&second).ok();
        Ok(there.is_some())
    })?;
    let mut there = there.context("a session")?;
    assert!(!is_denied(&mut here)? && !is_denied(&mut there)?);
    one.publish("kernel", DENY)?;
    assert!(is_denied(&mut here)?, "where it was published, the next call is decided by it");
    until("the other gateway decides by it", || is_denied(&mut there))?;
    one.run(["grant", "revoke", "laptop"])?;
    until("the other gateway refuses the grant", || Ok(open(&second).is_err()))?;
    Ok(())
}

/// Publishes over the network, as any client of the API does.
fn publish(connection: &mut Connection, token: &str, document: &str) -> Result<Response> {
    let body = json!({ "document": document }).to_string();
    let head = format!(
        "PUT /api/v1/servers/fixture/policies/default HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         if-match: *\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.send(head.as_bytes())?;
    connection.response()
}

/// A policy that no other is like.
fn numbered(number: usize) -> String {
    format!(
        r#"{{ "version": "1", "name": "number {number}", "default": "deny", "tools": {{ "exec_command": {{}} }} }}"#
    )
}

#[test]
fn killed_while_publishing_the_old_or_the_new_policy_is_there_and_journal_and_store_agree() -> Result<()> {
    let mut stage = Stage::set(BINARY, "kernel", &numbered(0))?;
    let token = std::fs::read_to_string(stage.callgate.data().join("admin.token"))?.trim().to_owned();
    let (mut sent, mut acknowledged) = (0, 0);
    for round in 0..KILLS {
        if round > 0 {
            stage.gateway = stage.callgate.up()?;
        }
        let (sender, answered) = channel();
        let address = stage.gateway.address;
        let process = &mut stage.gateway.process;
        let published = std::thread::scope(|scope| -> Result<usize> {
            let publisher = scope.spawn(|| publish_until_killed(address, &token, sent, sender));
            for _ in 0..=round % 4 {
                answered.recv_timeout(PATIENCE).context("the gateway answers")?;
            }
            // Another moment of a change each time.
            (0..round * 200).for_each(|_| std::thread::yield_now());
            process.kill()?;
            Ok(publisher.join().unwrap_or_default())
        })?;
        acknowledged += published;
        sent += published + 1;
        check(&stage.callgate, sent)?;
    }
    assert!(acknowledged >= KILLS, "{acknowledged} were published");
    stage.gateway = stage.callgate.up()?;
    assert!(!is_denied(&mut stage.session()?)?, "and it serves");
    Ok(())
}

/// Publishes one policy after the other; how many were acknowledged before the gateway was gone.
fn publish_until_killed(address: std::net::SocketAddr, token: &str, from: usize, answered: Sender<()>) -> usize {
    let Ok(mut connection) = Connection::open(address) else { return 0 };
    let mut done = 0;
    while publish(&mut connection, token, &numbered(from + done + 1)).is_ok_and(|response| response.status == 200) {
        done += 1;
        if answered.send(()).is_err() {
            return done;
        }
    }
    done
}

/// The policy in force is one that was published, and the journal has exactly the versions that the store has.
fn check(callgate: &Callgate, sent: usize) -> Result<()> {
    let shown = callgate.json(["policy", "show", "--server", "fixture", "--json"])?;
    let document = shown["document"].as_str().context("a policy is in force")?;
    ensure!((0..=sent).any(|number| numbered(number) == document), "nobody published this: {document}");
    let history = callgate.json(["policy", "history", "--server", "fixture", "--json"])?;
    let versions = history.as_array().context("versions")?.iter();
    let stored: BTreeSet<(i64, String)> = versions.filter_map(version).collect();
    let records = journal::records(callgate.data())?;
    let changes = records.iter().filter(|record| record.kind == "change");
    let recorded: BTreeSet<(i64, String)> = changes
        .filter(|record| record.body["what"] == "policy publish")
        .filter_map(|record| version(&record.body["after"]))
        .collect();
    ensure!(stored == recorded, "the store has {stored:?}, the journal {recorded:?}");
    callgate.run(["journal", "verify"])?;
    Ok(())
}

fn version(row: &Value) -> Option<(i64, String)> {
    Some((row["version"].as_i64()?, row["digest"].as_str()?.to_owned()))
}

#[test]
fn a_backup_made_beside_calls_serves_the_same_grants_elsewhere() -> Result<()> {
    let mut stage = Stage::set(BINARY, "kernel", ALLOW)?;
    let archive = stage.file("callgate.tar");
    let file = archive.to_string_lossy().into_owned();
    let is_over = AtomicBool::new(false);
    let mut session = stage.session()?;
    let callgate = stage.callgate.clone();
    let calls = std::thread::scope(|scope| -> Result<usize> {
        let is_over = &is_over;
        let calls = scope.spawn(move || -> Result<usize> {
            let mut calls = 0;
            while calls < 20 || !is_over.load(Ordering::SeqCst) {
                ensure!(!is_denied(&mut session)?, "a call is denied beside the backup");
                calls += 1;
            }
            Ok(calls)
        });
        let saved = callgate.run(["backup", &file]);
        is_over.store(true, Ordering::SeqCst);
        saved?;
        calls.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the calls ended early")))
    })?;
    assert!(calls >= 20);
    let mode = std::fs::metadata(&archive)?.permissions().mode();
    assert_eq!(Mode::from_raw_mode(mode), Mode::RUSR | Mode::WUSR, "the keys are in it");
    stage.gateway.process.stop()?;

    let elsewhere = Callgate::new(BINARY, stage.file("elsewhere"));
    elsewhere.run(["restore", &file])?;
    elsewhere.run(["journal", "verify"])?;
    let gateway = elsewhere.up()?;
    let mut session = Session::open(gateway.address, &Gateway::path("fixture"), Some(&stage.grant.token))?;
    assert!(!is_denied(&mut session)?, "the same token opens the same server under the same policy");
    let again = elsewhere.output(["restore", &file])?;
    assert!(String::from_utf8_lossy(&again.stderr).contains("CG3167"), "only where nothing is yet");

    damaged(&archive, &stage.file("damaged"))
}

/// A backup that is not what was written is refused, and leaves nothing behind.
fn damaged(archive: &Path, place: &Path) -> Result<()> {
    let mut bytes = std::fs::read(archive)?;
    let needle = b"\"organisations\"";
    let at = bytes.windows(needle.len()).position(|window| window == needle).context("the first table")?;
    bytes[at + 1] = b'O';
    let file = place.with_extension("tar");
    std::fs::write(&file, bytes)?;
    let mut command = Command::new(BINARY);
    let output = command.arg("restore").arg(&file).arg("--data").arg(place).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1) && said.contains("CG3168"), "{said}");
    ensure!(std::fs::read_dir(place)?.next().is_none(), "something was put in place");
    Ok(())
}
