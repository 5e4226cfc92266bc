//! A person's yes, with the official clients of both eras over HTTP and stdio: asked for in each way, counted once,
//! good for nothing else, and there after a crash.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use testkit::{Callgate, Client, Connection, Fixture, Gateway, Grant, Process, Session, journal};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const TOOL: &str = "exec_command";
/// The official clients, each in the eras that it speaks.
const CLIENTS: [(Client, &str); 5] = [
    (Client::TypeScriptV1, "legacy"),
    (Client::TypeScriptV2, "auto"),
    (Client::TypeScriptV2, "legacy"),
    (Client::Python, "auto"),
    (Client::Python, "legacy"),
];

/// A gateway in front of the fixture, under a policy that asks a person about one tool.
struct Scene {
    callgate: Callgate,
    fixture: Fixture,
    gateway: Option<Gateway>,
    grant: Grant,
    policy: String,
    folder: tempfile::TempDir,
}

fn policy(terms: &Value) -> String {
    let mut rule = json!({ "conditions": [], "on_deny": "A person looks at every command." });
    for (name, value) in terms.as_object().unwrap() {
        rule[name] = value.clone();
    }
    json!({ "version": "1", "default": "deny", "name": "fixture", "tools": { TOOL: { "approve_if": [rule] } } })
        .to_string()
}

fn arguments(command: &str) -> Value {
    json!({ "session_id": "s-1", "command": command, "args": [] })
}

impl Scene {
    fn set(policy: String) -> Result<Self> {
        Self::with_tools("kernel", &[], policy)
    }

    fn with_tools(tools: &str, options: &[&str], policy: String) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let callgate = Callgate::new(BINARY, folder.path().join("data"));
        let fixture = Fixture::start_with(&callgate, tools, options, &folder.path().join("fixture.log"))?;
        callgate.add_url("fixture", &fixture.url())?;
        callgate.publish("fixture", &policy)?;
        let grant = callgate.mint("fixture", "laptop")?;
        let gateway = Some(callgate.up()?);
        Ok(Self { callgate, fixture, gateway, grant, policy, folder })
    }

    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    fn session(&self) -> Result<Session> {
        Session::open(self.gateway().address, &Gateway::path("fixture"), Some(&self.grant.token))
    }

    /// What a client connects to: the gateway, or a wrap beside it.
    fn target(&self, transport: &str) -> Result<Value> {
        if transport == "http" {
            return Ok(json!({ "url": self.gateway().url("fixture"), "token": self.grant.token }));
        }
        let (file, log) = (self.folder.path().join("policy.json"), self.folder.path().join("fixture.log"));
        std::fs::write(&file, &self.policy)?;
        let (data, log) = (self.callgate.data().to_string_lossy().into_owned(), log.to_string_lossy().into_owned());
        let wrap = ["wrap", "--policy", path(&file), "--data", &data, "--", BINARY, "fixture", "--tools", "kernel"];
        let command: Vec<&str> = [&[BINARY], &wrap[..], &["--log", &log]].concat();
        Ok(json!({ "command": command }))
    }

    fn approve(&self, id: &str) -> Result<()> {
        self.callgate.run(["approvals", "approve", id]).map(drop)
    }

    fn state(&self, id: &str) -> Result<String> {
        let shown = self.callgate.json(["approvals", "show", id, "--json"])?;
        Ok(shown["state"].as_str().context("no state")?.to_owned())
    }

    fn reached(&self) -> Result<usize> {
        Ok(self.fixture.calls()?.len())
    }

    fn decisions(&self) -> Result<Vec<Value>> {
        let all = journal::decisions(self.callgate.data())?;
        Ok(all.into_iter().filter(|one| one["method"] == "tools/call").collect())
    }
}

/// `callgate approvals watch --json`: the questions as they are asked.
struct Watch {
    lines: std::io::Lines<BufReader<ChildStdout>>,
    _process: Process,
}

impl Watch {
    fn open(callgate: &Callgate) -> Result<Self> {
        let mut command = callgate.command(["approvals", "watch", "--json"]);
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let out = process.child().stdout.take().context("no output")?;
        Ok(Self { lines: BufReader::new(out).lines(), _process: process })
    }

    /// The id of the next question.
    fn next(&mut self) -> Result<String> {
        let line = self.lines.next().context("it ended")??;
        let told: Value = serde_json::from_str(&line)?;
        Ok(told["id"].as_str().context("no id")?.to_owned())
    }
}

/// One call by hand; its response.
fn call(session: &mut Session, command: &str) -> Result<Value> {
    session.call(TOOL, &arguments(command))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn job(target: &Value, era: &str, steps: usize, command: &str) -> Value {
    let step = json!({ "call": TOOL, "arguments": arguments(command) });
    let mut job = target.clone();
    job["era"] = json!(era);
    job["steps"] = Value::from(vec![step; steps]);
    job
}

fn id(answer: &Value) -> Result<String> {
    let id = answer["decision"]["approval"]["id"].as_str();
    id.map(str::to_owned).with_context(|| format!("no approval: {answer}"))
}

fn id_of(response: &Value) -> Result<String> {
    let id = response["result"]["_meta"]["dev.callgate/decision"]["approval"]["id"].as_str();
    id.map(str::to_owned).with_context(|| format!("no approval: {response}"))
}

#[test]
fn asked_and_called_again() -> Result<()> {
    let scene = Scene::set(policy(&json!({})))?;
    for transport in ["http", "stdio"] {
        let target = scene.target(transport)?;
        for (client, era) in CLIENTS {
            let command = format!("{client:?}-{era}-{transport}");
            let before = scene.reached()?;
            let asked = client.run(&job(&target, era, 1, &command))?.remove(0);
            assert_eq!(
                (&asked["isError"], &asked["decision"]["outcome"]),
                (&json!(true), &json!("approve")),
                "{asked}"
            );
            let text = asked["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("A person looks at every command.") && text.contains("/approvals/a_"), "{text}");
            let approval = id(&asked)?;
            scene.approve(&approval)?;
            let answers = client.run(&job(&target, era, 2, &command))?;
            assert_eq!(answers[0]["isError"], false, "{command}: {answers:?}");
            assert_ne!(id(&answers[1])?, approval, "a yes is good once");
            assert_eq!((scene.reached()? - before, scene.state(&approval)?.as_str()), (1, "used"), "{command}");
        }
    }
    scene.callgate.run(["journal", "verify"]).map(drop)
}

#[test]
fn held_until_a_person_answers() -> Result<()> {
    let scene = Scene::set(policy(&json!({ "ask": "hold" })))?;
    let mut watch = Watch::open(&scene.callgate)?;
    for transport in ["http", "stdio"] {
        let target = scene.target(transport)?;
        for (client, era) in CLIENTS {
            for yes in [true, false] {
                let command = format!("{client:?}-{era}-{transport}-{yes}");
                let work = job(&target, era, 1, &command);
                let before = scene.reached()?;
                let answers = std::thread::scope(|scope| -> Result<Vec<Value>> {
                    let calling = scope.spawn(|| client.run(&work));
                    let approval = watch.next()?;
                    let verb = if yes { "approve" } else { "deny" };
                    scene.callgate.run(["approvals", verb, &approval, "--reason", "because"])?;
                    calling.join().unwrap()
                })?;
                assert_eq!(answers[0]["isError"], !yes, "{command}: {answers:?}");
                if !yes {
                    assert_eq!(answers[0]["decision"]["outcome"], "deny", "{answers:?}");
                    assert!(answers[0]["content"][0]["text"].as_str().unwrap().contains("because"), "{answers:?}");
                }
                assert_eq!(scene.reached()? - before, usize::from(yes), "{command}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_caller_s_own_user_is_asked() -> Result<()> {
    let scene = Scene::set(policy(&json!({ "ask": "client" })))?;
    for transport in ["http", "stdio"] {
        let target = scene.target(transport)?;
        for (client, era) in CLIENTS {
            for (answer, yes) in [
                (json!({ "action": "accept", "content": { "approve": true } }), true),
                (json!({ "action": "accept", "content": { "approve": false } }), false),
                (json!({ "action": "decline" }), false),
            ] {
                let command = format!("{client:?}-{era}-{transport}-{answer}");
                let before = scene.reached()?;
                let mut work = job(&target, era, 1, &command);
                work["elicit"] = answer;
                let answers = client.run(&work)?;
                assert_eq!(answers[0]["isError"], !yes, "{command}: {answers:?}");
                assert_eq!(scene.reached()? - before, usize::from(yes), "{command}");
            }
            // Who has no user to ask comes again.
            let asked = client.run(&job(&target, era, 1, &format!("{client:?}-{era}-{transport}-nobody")))?;
            assert_eq!(asked[0]["decision"]["outcome"], "approve", "{asked:?}");
        }
    }
    // The answers are on record as what they are.
    let records = journal::records(scene.callgate.data())?;
    let changes: Vec<String> =
        records.iter().filter(|one| one.kind == "change").map(|one| one.body.to_string()).collect();
    let by_users = changes.iter().filter(|change| change.contains("approval approve") && change.contains("grant"));
    ensure!(by_users.count() == CLIENTS.len() * 2, "{changes:?}");
    Ok(())
}

#[test]
fn a_wrap_that_owns_its_data_directory_asks_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let (file, log) = (folder.path().join("policy.json"), folder.path().join("fixture.log"));
    std::fs::write(&file, policy(&json!({ "ask": "hold" })))?;
    let wrap = ["wrap", "--policy", path(&file), "--data", path(callgate.data()), "--"];
    let fixture = [BINARY, "fixture", "--tools", "kernel", "--log", path(&log)];
    let command: Vec<&str> = [&[BINARY], &wrap[..], &fixture[..]].concat();
    let work = job(&json!({ "command": command }), "legacy", 1, "ls");
    let answers = std::thread::scope(|scope| -> Result<Vec<Value>> {
        let calling = scope.spawn(|| Client::TypeScriptV1.run(&work));
        // There is nothing to watch before the wrap runs.
        let approval = loop {
            match Watch::open(&callgate)?.next() {
                Ok(id) => break id,
                Err(_) if !calling.is_finished() => {}
                Err(error) => return Err(error),
            }
        };
        callgate.run(["approvals", "approve", &approval])?;
        calling.join().unwrap()
    })?;
    assert_eq!((&answers[0]["isError"], Fixture::calls_in(&log)?.len()), (&json!(false), 1), "{answers:?}");
    Ok(())
}

#[test]
fn of_many_answers_at_once_one_counts() -> Result<()> {
    let scene = Scene::set(policy(&json!({})))?;
    let mut session = scene.session()?;
    let approval = id_of(&call(&mut session, "ls")?)?;
    let verbs = ["approve", "deny", "approve", "deny", "approve", "deny"];
    let done: Vec<bool> = std::thread::scope(|scope| {
        let say = |verb| scene.callgate.output(["approvals", verb, &approval]).unwrap().status.success();
        let saying: Vec<_> = verbs.into_iter().map(|verb| scope.spawn(move || say(verb))).collect();
        saying.into_iter().map(|said| said.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    let counted = verbs[done.iter().position(|done| *done).unwrap()];
    let answer = call(&mut session, "ls")?;
    assert_eq!(answer["result"]["isError"] == json!(true), counted == "deny", "{counted}: {answer}");
    Ok(())
}

#[test]
fn a_yes_covers_exactly_what_was_asked() -> Result<()> {
    let scene = Scene::set(policy(&json!({})))?;
    let mut session = scene.session()?;
    let approval = id_of(&call(&mut session, "ls -l")?)?;
    scene.approve(&approval)?;
    for other in ["ls -L", "ls -l ", "ls  -l", ""] {
        assert_ne!(id_of(&call(&mut session, other)?)?, approval, "{other}");
    }
    // Another grant, and another policy that reads the same to people.
    let second = scene.callgate.mint("fixture", "desktop")?;
    let mut stranger = Session::open(scene.gateway().address, &Gateway::path("fixture"), Some(&second.token))?;
    assert_ne!(id_of(&call(&mut stranger, "ls -l")?)?, approval);
    scene.callgate.publish("fixture", &policy(&json!({ "description": "the same" })))?;
    assert_ne!(id_of(&call(&mut session, "ls -l")?)?, approval);
    assert_eq!((scene.reached()?, scene.state(&approval)?.as_str()), (0, "approved"));
    Ok(())
}

#[test]
fn a_grant_that_is_revoked_while_its_call_is_held() -> Result<()> {
    let scene = Scene::set(policy(&json!({ "ask": "hold" })))?;
    let mut watch = Watch::open(&scene.callgate)?;
    let mut session = scene.session()?;
    std::thread::scope(|scope| -> Result<()> {
        let calling = scope.spawn(|| call(&mut session, "ls"));
        let approval = watch.next()?;
        scene.callgate.run(["grant", "revoke", &scene.grant.id])?;
        let told = calling.join().unwrap()?;
        assert_eq!(told["error"]["data"]["code"], "CG2036", "{told}");
        // Whatever is said now comes too late.
        let _late = scene.callgate.output(["approvals", "approve", &approval])?;
        assert_eq!(scene.reached()?, 0);
        Ok(())
    })
}

#[test]
fn nobody_is_asked_where_the_limits_leave_no_room() -> Result<()> {
    let limits = json!([{ "counter": "commands", "window": "month", "max": 1, "scope": "grant" }]);
    let rule = json!({ "version": "1", "default": "deny", "tools": { TOOL: {
        "approve_if": [{ "conditions": [{ "path": "args.command", "op": "eq", "value": "rm" }] }], "limits": limits
    } } });
    let scene = Scene::set(rule.to_string())?;
    let mut session = scene.session()?;
    assert!(call(&mut session, "ls")?["result"]["isError"] != json!(true));
    let told = call(&mut session, "rm")?;
    let decision = &told["result"]["_meta"]["dev.callgate/decision"];
    assert_eq!((&decision["outcome"], &decision["approval"]), (&json!("deny"), &Value::Null), "{told}");
    assert!(decision["rule"].as_str().unwrap().contains("/limits/"), "{told}");
    let listed = scene.callgate.json(["approvals", "list", "--json"])?;
    assert_eq!(listed, json!([]));
    Ok(())
}

#[test]
fn killed_between_question_and_answer_it_is_still_asked_and_still_good_once() -> Result<()> {
    let mut scene = Scene::set(policy(&json!({})))?;
    let approval = id_of(&call(&mut scene.session()?, "ls")?)?;
    for kill in [true, false] {
        let mut gateway = scene.gateway.take().unwrap();
        if kill {
            gateway.process.kill()?
        } else {
            gateway.process.stop()?
        };
        scene.gateway = Some(scene.callgate.up()?);
        assert_eq!(id_of(&call(&mut scene.session()?, "ls")?)?, approval, "it stands");
    }
    scene.approve(&approval)?;
    let mut gateway = scene.gateway.take().unwrap();
    gateway.process.kill()?;
    scene.gateway = Some(scene.callgate.up()?);

    // A hundred at once: one passes, the others ask anew, together.
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": TOOL, "arguments": arguments("ls") } });
    let session = scene.session()?;
    let (token, held) = (format!("Bearer {}", scene.grant.token), session.id().unwrap().to_owned());
    let headers = [
        ("authorization", token.as_str()),
        ("mcp-session-id", &held),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    let mut connections = Vec::new();
    for _ in 0..100 {
        let mut connection = Connection::open(scene.gateway().address)?;
        let mut head =
            format!("POST /mcp/fixture HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.to_string().len());
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        connection.send(format!("{head}\r\n{body}").as_bytes())?;
        connections.push(connection);
    }
    let mut asked = std::collections::BTreeMap::new();
    let mut passed = 0;
    for mut connection in connections {
        let answer: Value = serde_json::from_slice(&connection.response()?.body)?;
        match id_of(&answer) {
            Ok(id) => *asked.entry(id).or_insert(0) += 1,
            Err(_) => passed += usize::from(answer["result"]["isError"] != json!(true)),
        }
    }
    assert_eq!((passed, asked.values().sum::<usize>(), asked.len()), (1, 99, 1), "{asked:?}");
    assert!(!asked.contains_key(&approval));
    assert_eq!(scene.reached()?, 1);

    // Killed after that, it stays used.
    let mut gateway = scene.gateway.take().unwrap();
    gateway.process.kill()?;
    scene.gateway = Some(scene.callgate.up()?);
    assert_ne!(id_of(&call(&mut scene.session()?, "ls")?)?, approval);
    assert_eq!((scene.reached()?, scene.state(&approval)?.as_str()), (1, "used"));
    let under: Vec<_> = scene.decisions()?.into_iter().filter(|one| one["approval"] == json!(approval)).collect();
    ensure!(under.iter().any(|one| one["outcome"] == "allow"), "{under:?}");
    scene.callgate.run(["journal", "verify"]).map(drop)
}

#[test]
fn a_tool_that_changed_after_the_yes_is_not_covered() -> Result<()> {
    let list = |text: &str| {
        json!({ "tools": [{ "name": TOOL, "description": text, "inputSchema": { "type": "object" } }] }).to_string()
    };
    let folder = tempfile::tempdir()?;
    let tools = folder.path().join("tools.json");
    std::fs::write(&tools, list("Runs a command."))?;
    let scene = Scene::with_tools(path(&tools), &["--live", "--announce", "--era", "legacy"], policy(&json!({})))?;
    let mut session = scene.session()?;
    session.ask("tools/list", &json!({}))?;
    let approval = id_of(&call(&mut session, "ls")?)?;
    scene.approve(&approval)?;
    std::fs::write(&tools, list("Runs a command, and tells everybody."))?;
    session.ask("tools/list", &json!({}))?;
    let denied = call(&mut session, "ls")?;
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    scene.callgate.run(["server", "approve-definitions", "fixture"])?;
    // The tool may be called again, but it is not what the yes was about.
    assert_ne!(id_of(&call(&mut session, "ls")?)?, approval);
    assert_eq!((scene.reached()?, scene.state(&approval)?.as_str()), (0, "approved"));
    Ok(())
}
