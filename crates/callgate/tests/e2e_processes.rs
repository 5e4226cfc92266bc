//! Servers that are commands: what they are given, how they end, and that nothing of them stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

#[path = "support/proc.rs"]
mod proc;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;
use testkit::{Callgate, Connection, Fixture, Gateway, Grant, PATIENCE, Process, Session};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow" }"#;
/// What every child may find beside what is named for it.
const GIVEN: [&str; 14] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TZ",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "SYSTEMROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// A gateway in front of the probe as a command, named `probe`.
struct Scene {
    callgate: Callgate,
    gateway: Gateway,
    grant: Grant,
    log: PathBuf,
    folder: tempfile::TempDir,
}

impl Scene {
    /// `settings` are of `server add`, `options` of the fixture.
    fn set(settings: &[&str], options: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let callgate = Callgate::new(BINARY, folder.path().join("data"));
        let log = folder.path().join("fixture.log");
        let command = Fixture::command(&callgate, "probe", options, &log);
        Self::of(folder, callgate, settings, &command, log)
    }

    fn of(
        folder: tempfile::TempDir,
        callgate: Callgate,
        settings: &[&str],
        command: &[String],
        log: PathBuf,
    ) -> Result<Self> {
        let mut add: Vec<String> = ["server", "add", "probe"].iter().chain(settings).map(ToString::to_string).collect();
        add.push("--".to_owned());
        add.extend(command.iter().cloned());
        callgate.run(&add)?;
        callgate.publish("probe", ALLOW_ALL)?;
        let grant = callgate.mint("probe", "test")?;
        let mut up = callgate.command(["up", "--listen", "127.0.0.1:0"]);
        up.envs([("SECRET", "not for children"), ("NAMED", "from the gateway"), ("LANG", "C")]);
        up.env_remove("CALLGATE_LOG").stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = Process::start(&mut up)?;
        let line = process.wait_for("listening on http://")?;
        let address = line.rsplit("http://").next().context("an address")?.trim().parse()?;
        Ok(Self { callgate, gateway: Gateway { process, address }, grant, log, folder })
    }

    fn pid(&self) -> u32 {
        self.gateway.process.id()
    }

    fn session(&self) -> Result<Session> {
        Session::open(self.gateway.address, &Gateway::path("probe"), Some(&self.grant.token))
    }

    /// Ends a session as a client should.
    fn end(&self, session: &Session) -> Result<()> {
        let head = format!(
            "DELETE /mcp/probe HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nmcp-session-id: {}\r\n\r\n",
            self.grant.token,
            session.id().context("a session has an id")?
        );
        let mut connection = Connection::open(self.gateway.address)?;
        connection.send(head.as_bytes())?;
        let status = connection.response()?.status;
        ensure!(matches!(status, 200 | 202 | 204), "DELETE: {status}");
        Ok(())
    }

    fn metric(&self, name: &str) -> Result<u64> {
        let mut connection = Connection::open(self.gateway.address)?;
        connection.send(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let text = connection.response()?.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {name} in {text}"))?.parse()?)
    }
}

/// What a tool said, read as JSON.
fn said(answer: &Value) -> Result<Value> {
    let text = answer["result"]["content"][0]["text"].as_str().with_context(|| format!("no text: {answer}"))?;
    Ok(serde_json::from_str(text)?)
}

/// Processes that a child has started; what is left of them ends with this.
#[derive(Default)]
struct Started(Vec<(u32, &'static str)>);

impl Started {
    /// Has the child start one of each kind: plain, with its pipes, in a session of its own.
    fn fork(&mut self, session: &mut Session) -> Result<()> {
        for (kind, arguments) in
            [("plain", json!({})), ("with pipes", json!({ "hold": true })), ("escaped", json!({ "escape": true }))]
        {
            let told = said(&session.call("fork", &arguments)?)?;
            self.0.push((u32::try_from(told["pid"].as_u64().context("a pid")?)?, kind));
        }
        Ok(())
    }

    fn left(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(pid, _)| proc::is_alive(*pid)).map(|(_, kind)| *kind).collect()
    }

    /// Waits until none is left.
    #[track_caller]
    fn end(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.left().is_empty() {
            assert!(Instant::now() < end, "still there: {:?}", self.left());
            std::thread::yield_now();
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        for (pid, _) in &self.0 {
            let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
            // It is gone already, where all is well.
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

#[test]
fn a_child_is_given_what_is_named_and_nothing_else() -> Result<()> {
    let cwd = tempfile::tempdir()?;
    let cwd = cwd.path().canonicalize()?;
    let cwd = cwd.to_str().context("a path in UTF-8")?;
    let scene = Scene::set(&["--env", "OWN=1", "--env-from", "NAMED", "--cwd", cwd], &[])?;
    let told = said(&scene.session()?.call("env", &json!({}))?)?;
    let environment = told["environment"].as_object().context("an environment")?;
    assert_eq!((&environment["OWN"], &environment["NAMED"]), (&json!("1"), &json!("from the gateway")));
    let strange: Vec<&String> = environment
        .keys()
        .filter(|name| !GIVEN.contains(&name.as_str()) && !matches!(name.as_str(), "OWN" | "NAMED"))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert_eq!(told["cwd"], cwd);
    let group = told["group"].as_u64().context("a group")?;
    assert_ne!(group, u64::from(scene.pid()));
    let mine = proc::descendants(scene.pid());
    assert!(mine.contains(&u32::try_from(group)?), "the group is the child's own: {told}");
    // Beside its pipes and what it opened itself, a child has nothing open: no journal, no socket of the gateway.
    let data = scene.callgate.data().to_string_lossy().into_owned();
    let open: Vec<&str> = told["open"].as_array().context("descriptors")?.iter().filter_map(Value::as_str).collect();
    assert!(!open.iter().any(|link| link.starts_with(&data)), "{open:?}");
    Ok(())
}

#[test]
fn what_a_child_says_on_standard_error_is_logged_up_to_a_cap() -> Result<()> {
    let mut scene = Scene::set(&[], &[])?;
    let mut session = scene.session()?;
    let flood = json!({ "kind": "stderr_flood", "bytes": 8 << 20 });
    assert_eq!(session.call("misbehave", &flood)?["result"]["content"][0]["text"], "stderr_flood was done");
    let line = scene.gateway.process.wait_for("stderr flood")?;
    assert!(line.contains("probe"), "which server said it? {line}");
    let ended = scene.gateway.process.stop()?;
    assert!(ended.success(), "{ended}");
    let logged = scene.gateway.process.said().len();
    assert!(logged < 2 << 20, "{logged} bytes of 8 MiB were logged");
    Ok(())
}

#[test]
fn after_a_death_a_new_process_serves_but_not_one_for_every_call() -> Result<()> {
    let scene = Scene::set(&[], &[])?;
    let mut session = scene.session()?;
    let died = session.call("misbehave", &json!({ "kind": "die" }))?;
    assert_eq!(died["error"]["data"]["code"], "CG2047", "{died}");
    proc::until("a new session is served", || {
        let answered = scene.session().and_then(|mut session| session.call("echo", &json!({})));
        answered.is_ok_and(|answer| answer.get("result").is_some())
    });

    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let starts = folder.path().join("starts");
    let script = format!("echo started >> {}; exit 3", starts.display());
    let command = ["sh", "-c", &script].map(str::to_owned);
    let scene = Scene::of(folder, callgate, &[], &command, starts.clone())?;
    let mut refusals = BTreeSet::new();
    for _ in 0..50 {
        let error = scene.session().err().context("a server that ends at once serves nobody")?.to_string();
        refusals.insert(["CG2046", "CG2047", "CG2050"].into_iter().find(|code| error.contains(code)).context(error)?);
    }
    let started = fs::read_to_string(&starts)?.lines().count();
    assert!((1..=10).contains(&started), "started {started} times for 50 sessions");
    assert!(refusals.contains("CG2046") || refusals.contains("CG2050"), "{refusals:?}");
    Ok(())
}

#[test]
fn who_ignores_the_end_of_its_input_and_sigterm_is_killed() -> Result<()> {
    let scene = Scene::set(&[], &["--fault", "ignore_term"])?;
    let mut session = scene.session()?;
    let stubborn = said(&session.call("env", &json!({}))?)?["pid"].as_u64().context("a pid")?;
    let stubborn = u32::try_from(stubborn)?;
    scene.end(&session)?;
    proc::until("the process is gone", || !proc::is_alive(stubborn));
    let events = Fixture::events_in(&scene.log)?;
    let seen: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(
        seen[..2],
        ["input_ended", "signal"],
        "first its input ends, then it is asked, then it is killed: {seen:?}"
    );
    proc::until("nothing of it is left", || proc::descendants(scene.pid()).is_empty());
    Ok(())
}

#[test]
fn what_a_child_has_started_ends_with_it() -> Result<()> {
    let scene = Scene::set(&[], &[])?;
    let mut session = scene.session()?;
    let mut started = Started::default();
    started.fork(&mut session)?;
    scene.end(&session)?;
    started.end();
    Ok(())
}

#[test]
fn nothing_outlives_a_gateway_that_was_killed() -> Result<()> {
    let mut scene = Scene::set(&[], &["--fault", "ignore_term"])?;
    let mut sessions = [scene.session()?, scene.session()?];
    let mut started = Started::default();
    for session in &mut sessions {
        started.fork(session)?;
    }
    started.0.extend(proc::descendants(scene.pid()).into_iter().map(|pid| (pid, "child")));
    scene.gateway.process.kill()?;
    started.end();
    Ok(())
}

#[test]
fn two_hundred_sessions_that_nobody_ends_leave_nothing() -> Result<()> {
    let scene = Scene::set(&["--idle", "2s"], &[])?;
    let pid = scene.pid();
    let drop_sessions = |count: usize| -> Result<()> {
        for _ in 0..count {
            let mut session = scene.session()?;
            let answer = session.call("echo", &json!({ "text": "hello" }))?;
            ensure!(answer.get("result").is_some(), "{answer}");
        }
        proc::until("every process is gone", || proc::descendants(pid).is_empty());
        proc::until("every session is gone", || scene.metric("callgate_sessions").is_ok_and(|open| open == 0));
        Ok(())
    };
    // Whatever is made once is made by now: pools, caches, the allocator's own reserves.
    drop_sessions(200)?;
    let (descriptors, resident) = (proc::descriptors(pid), proc::resident(pid));
    drop_sessions(200)?;
    proc::until("every descriptor is closed", || proc::descriptors(pid) <= descriptors);
    let after = proc::resident(pid);
    println!("resident memory before and after 200 sessions: {resident} KiB, {after} KiB");
    assert!(after * 10 <= resident * 11, "{resident} KiB before, {after} KiB after");
    Ok(())
}
