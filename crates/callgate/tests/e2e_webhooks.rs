//! Webhooks end to end: what is asked of people reaches a receiver, signed as an independent implementation wants it, in
//! order, whatever ends in between.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::{PATIENCE, Stage};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");

/// Checks messages with the reference implementation of Standard Webhooks.
const VERIFIER: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook
for message in json.load(sys.stdin):
    Webhook(message["secret"]).verify(message["body"], message["headers"])
    try:
        Webhook(message["secret"]).verify(message["body"] + " ", message["headers"])
    except Exception:
        continue
    sys.exit("a changed body passes")
print("verified")
"#;

/// A receiver of messages: answers each with the status of the moment.
struct Inbox {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    messages: Receiver<Message>,
}

#[derive(Clone, Debug)]
struct Message {
    headers: Value,
    body: String,
}

impl Inbox {
    fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let status = Arc::new(AtomicU16::new(200));
        let (sender, messages) = channel();
        let (sender, answer) = (Mutex::new(sender), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(message) = message(&stream) else { continue };
                let status = answer.load(Ordering::SeqCst);
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                drop((&stream).write_all(head.as_bytes()));
                let Ok(sender) = sender.lock() else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Ok(Self { address, status, messages })
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn next(&self) -> Result<Message> {
        self.messages.recv_timeout(PATIENCE).context("no message came")
    }
}

impl Message {
    fn id(&self) -> &str {
        self.headers["webhook-id"].as_str().unwrap_or_default()
    }

    fn json(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

fn message(mut stream: &TcpStream) -> Result<Message> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece)?;
        ensure!(read > 0, "cut off");
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers: serde_json::Map<String, Value> =
            fields.map(|(name, value)| (name.to_lowercase(), value.into())).collect();
        let length: usize = headers["content-length"].as_str().unwrap_or_default().parse()?;
        if body.len() >= length {
            return Ok(Message { headers: headers.into(), body: body.to_owned() });
        }
    }
}

/// Has an independent implementation check that these are signed with this secret.
fn verify(secret: &Value, messages: &[Message]) -> Result<()> {
    let messages: Vec<Value> = messages
        .iter()
        .map(|message| json!({ "secret": secret, "headers": message.headers, "body": message.body }))
        .collect();
    let mut python = Command::new(testkit::peers()?.join("python-mcp1/bin/python"));
    let python = python.args(["-c", VERIFIER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut python = python.spawn()?;
    let mut input = python.stdin.take().context("it was piped")?;
    input.write_all(Value::Array(messages).to_string().as_bytes())?;
    drop(input);
    let output = python.wait_with_output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn asks() -> String {
    json!({ "version": "1", "default": "deny", "tools": { "exec_command": { "approve_if": [{ "conditions": [] }] } } })
        .to_string()
}

fn call(command: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": command, "method": "tools/call",
            "params": { "name": "exec_command", "arguments": { "command": command } } })
}

#[test]
fn a_question_reaches_a_receiver_signed_and_survives_the_gateway() -> Result<()> {
    let inbox = Inbox::open()?;
    let mut stage = Stage::set(BINARY, "kernel", &asks())?;
    let url = format!("http://{}/hush", inbox.address);
    let made = stage.callgate.json(["webhook", "add", "team", "--url", &url, "--event", "approval.asked", "--json"])?;
    let secret = made["secret"].clone();
    assert_eq!(made["origin"], format!("http://{}", inbox.address));
    stage.callgate.run(["webhook", "test", "team"])?;
    let test = inbox.next()?;
    assert_eq!(test.json()?["type"], "webhook.test");

    // The receiver is down; the gateway tries, and is killed before it tries again.
    inbox.answers(503);
    let mut session = stage.session()?;
    for command in ["first", "second"] {
        let answer = session.post(&call(command).to_string())?.text();
        assert!(answer.contains("isError"), "{answer}");
    }
    let first = inbox.next()?;
    let shown = loop {
        let shown = stage.callgate.json(["webhook", "show", "team", "--json"])?;
        if shown["deliveries"][1]["status"] == 503 {
            break shown;
        }
    };
    assert_eq!(shown["deliveries"][1]["event"], first.id(), "{shown}");
    assert_eq!(shown["deliveries"][0]["attempts"], 0, "the second waits for the first: {shown}");
    stage.gateway.process.kill()?;
    inbox.answers(200);
    stage.gateway = stage.callgate.up()?;
    let (again, second) = (inbox.next()?, inbox.next()?);
    assert_eq!(again.id(), first.id(), "the same event");
    assert_eq!(again.json()?["data"]["id"], first.json()?["data"]["id"]);
    assert_eq!(second.id(), shown["deliveries"][0]["event"], "in order");
    let told = again.json()?;
    let data = &told["data"];
    assert_eq!((&told["type"], &data["tool"]), (&json!("approval.asked"), &json!("exec_command")));
    assert_eq!(data["argument_names"], json!(["command"]));
    assert!(data["url"].as_str().is_some_and(|url| url.contains("/approvals/a_")), "{data}");
    assert!(!again.body.contains("\"first\""), "no values: {data}");
    verify(&secret, &[test, first, again, second])?;

    // Whoever rotates the secret has a day: both are signed with.
    let rotated = stage.callgate.json(["webhook", "rotate-secret", "team", "--json"])?;
    stage.callgate.run(["webhook", "test", "team"])?;
    let both = [inbox.next()?];
    verify(&secret, &both)?;
    verify(&rotated["secret"], &both)?;
    Ok(())
}

#[test]
fn endpoints_are_handled_on_the_command_line() -> Result<()> {
    let inbox = Inbox::open()?;
    let stage = Stage::set(BINARY, "kernel", &asks())?;
    let file = stage.file("url");
    std::fs::write(&file, format!("http://{}/hush\n", inbox.address))?;
    let add = ["webhook", "add", "team", "--template", "slack", "--url-file"];
    let added = stage.callgate.run(add.into_iter().chain(file.to_str()))?;
    assert!(added.contains("whsec_") && !added.contains("hush"), "{added}");
    stage.callgate.run(["webhook", "test", "team"])?;
    assert_eq!(inbox.next()?.json()?["text"], "Callgate reaches this place");
    inbox.answers(500);
    let refused = stage.callgate.output(["webhook", "test", "team"])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stdout)?.contains("it answered HTTP 500"));
    stage.callgate.run(["webhook", "edit", "team", "--disable", "--server", "fixture", "--template", "teams"])?;
    let list = stage.callgate.json(["webhook", "list", "--json"])?;
    assert_eq!((&list[0]["enabled"], &list[0]["servers"]), (&json!(false), &json!(["fixture"])));
    let shown = stage.callgate.run(["webhook", "show", "team"])?;
    assert!(shown.contains("sealed") && !shown.contains("hush") && !shown.contains("whsec_"), "{shown}");
    stage.callgate.run(["webhook", "remove", "team"])?;
    let gone = stage.callgate.output(["webhook", "show", "team"])?;
    assert!(String::from_utf8(gone.stderr)?.contains("CG3231"));
    let metadata = stage.callgate.run(["webhook", "add", "cloud", "--url", "https://169.254.169.254/hush"])?;
    assert!(metadata.contains("whsec_"));
    let refused = stage.callgate.output(["webhook", "test", "cloud"])?;
    assert!(String::from_utf8(refused.stdout)?.contains("CG3234"));
    Ok(())
}
