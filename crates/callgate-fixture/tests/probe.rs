//! The probe: every feature in the way of each era, and every fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_fixture::{Eras, Fixture, FixtureOptions, serve_http, serve_lines, serve_sse};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

fn probe(eras: Eras) -> FixtureOptions {
    FixtureOptions { eras, ..FixtureOptions::probe().unwrap() }
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// A modern request from a client that can do everything.
fn modern(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities();
    request(id, method, &params)
}

fn capabilities() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {},
        "extensions": {"io.modelcontextprotocol/tasks": {}}})
}

/// What the client answers when it is asked.
fn reply(method: &str) -> Value {
    match method {
        "elicitation/create" => json!({"action": "accept", "content": {"name": "Ada"}}),
        "sampling/createMessage" => {
            json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hi"}})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///srv"}]}),
        other => panic!("{other}"),
    }
}

/// A client at the other end of two pipes.
struct Pipes {
    lines: BufReader<ReadHalf<DuplexStream>>,
    input: WriteHalf<DuplexStream>,
    task: JoinHandle<std::io::Result<()>>,
    legacy: bool,
    next: u64,
    /// Notifications that came so far.
    notes: Vec<Value>,
}

impl Pipes {
    async fn open(options: FixtureOptions) -> Self {
        let legacy = options.eras != Eras::Modern;
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (output, input) = (split(theirs), split(ours));
        let task = tokio::spawn(serve_lines(Fixture::new(options).unwrap(), output.0, output.1));
        let mut pipes =
            Self { lines: BufReader::new(input.0), input: input.1, task, legacy, next: 100, notes: Vec::new() };
        if legacy {
            let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities()});
            let answer = pipes.ask("initialize", params).await;
            assert_eq!(answer["result"]["capabilities"]["tasks"]["list"], json!({}));
            pipes.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        }
        pipes
    }

    async fn send(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).await.unwrap(), 0, "the fixture has ended");
        serde_json::from_str(&line).unwrap_or(Value::String(line))
    }

    /// Sends a request; returns its id.
    async fn start(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        let message = if self.legacy { request(id, method, &params) } else { modern(id, method, params) };
        self.send(&message).await;
        id
    }

    /// The answer to a request; what the fixture asks is answered, notifications are kept.
    async fn answer(&mut self, id: u64) -> Value {
        loop {
            if let Some(answer) = self.take().await {
                assert_eq!(answer["id"], json!(id), "{answer}");
                return answer;
            }
        }
    }

    /// Takes one message and gives it back where it is an answer.
    async fn take(&mut self) -> Option<Value> {
        let message = self.receive().await;
        match (message.get("method"), message.get("id")) {
            (Some(method), Some(asked)) => {
                let result = reply(method.as_str().unwrap());
                self.send(&json!({"jsonrpc": "2.0", "id": asked, "result": result})).await;
            }
            (Some(_), None) => self.notes.push(message),
            _ => return Some(message),
        }
        None
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.start(method, params).await;
        self.answer(id).await
    }

    /// The result of a call, after as many rounds as it takes.
    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": arguments});
        loop {
            let result = self.ask("tools/call", params.clone()).await["result"].clone();
            if result["resultType"] != "input_required" {
                return result;
            }
            assert!(!self.legacy);
            params["requestState"] = result["requestState"].clone();
            let asked = result["inputRequests"].as_object().unwrap();
            let answers = asked.iter().map(|(key, asked)| (key.clone(), reply(asked["method"].as_str().unwrap())));
            params["inputResponses"] = Value::Object(answers.collect());
        }
    }

    async fn note(&mut self, method: &str) -> Value {
        loop {
            if let Some(at) = self.notes.iter().position(|note| note["method"] == method) {
                return self.notes.remove(at);
            }
            let answer = self.take().await;
            assert!(answer.is_none(), "{answer:?}");
        }
    }
}

fn said(result: &Value) -> Value {
    let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"));
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

#[tokio::test]
async fn tools_ask_the_client() {
    for eras in [Eras::Legacy, Eras::Modern] {
        let mut client = Pipes::open(probe(eras)).await;
        let (form, roots) = (reply("elicitation/create"), reply("roots/list")["roots"].clone());
        for (tool, expected) in [
            ("ask", json!({"name": form})),
            ("ask_twice", json!({"first": form, "second": form})),
            ("ask_url", json!({"sign_in": form})),
            ("sample", json!({"sample": reply("sampling/createMessage")})),
            ("roots", json!({"roots": roots})),
        ] {
            assert_eq!(said(&client.call(tool, json!({})).await), expected, "{eras:?} {tool}");
        }
        let read = client.ask("prompts/get", json!({"name": "asking"})).await;
        assert_eq!(read["result"]["resultType"] == "input_required", eras == Eras::Modern, "{read}");
        let read = client.ask("resources/read", json!({"uri": "fixture://asking"})).await;
        assert_eq!(read["result"]["resultType"] == "input_required", eras == Eras::Modern, "{read}");
    }
}

#[tokio::test]
async fn nobody_is_asked_who_did_not_say_that_it_can_be() {
    let mut client = Pipes::open(probe(Eras::Modern)).await;
    let mut call = modern(1, "tools/call", json!({"name": "ask_url"}));
    call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
    client.send(&call).await;
    let error = client.receive().await["error"].clone();
    assert_eq!(
        (&error["code"], &error["data"]["requiredCapabilities"]),
        (&json!(-32021), &json!({"elicitation": {"url": {}}}))
    );
    let mut client = Pipes::open(probe(Eras::Legacy)).await;
    client.ask("initialize", json!({"capabilities": {}})).await;
    let id = client.start("tools/call", json!({"name": "sample"})).await;
    assert_eq!(client.answer(id).await["error"]["code"], -32600);
}

#[tokio::test]
async fn a_slow_call_goes_on_step_by_step_and_can_be_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    for eras in [Eras::Legacy, Eras::Modern] {
        let log = directory.path().join(format!("{eras:?}"));
        let mut client = Pipes::open(FixtureOptions { log: Some(log.clone()), ..probe(eras) }).await;
        let arguments = json!({"name": "slow", "arguments": {"steps": 2}, "_meta": {"progressToken": "p"}});
        let slow = client.start("tools/call", arguments.clone()).await;
        for done in 0..=2 {
            if done > 0 {
                client.call("step", json!({})).await;
            }
            let progress = client.note("notifications/progress").await;
            assert_eq!(
                (&progress["params"]["progress"], &progress["params"]["progressToken"]),
                (&json!(done), &json!("p"))
            );
        }
        assert_eq!(said(&client.answer(slow).await["result"]), "2 steps");
        let slow = client.start("tools/call", arguments).await;
        client.note("notifications/progress").await;
        let params = json!({"requestId": slow});
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})).await;
        client.call("step", json!({})).await;
        let text = std::fs::read_to_string(log).unwrap();
        let cancelled = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let cancelled: Vec<_> =
            cancelled.filter(|line| line["event"] == "cancelled").map(|line| line["id"].clone()).collect();
        assert_eq!(cancelled, [json!(slow)]);
    }
}

#[tokio::test]
async fn changes_are_told() {
    let mut legacy = Pipes::open(probe(Eras::Legacy)).await;
    legacy.ask("resources/subscribe", json!({"uri": "fixture://text/2"})).await;
    let mut modern = Pipes::open(probe(Eras::Modern)).await;
    let filter = json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["fixture://text/2"]});
    let listen = modern.start("subscriptions/listen", json!({"notifications": filter})).await;
    assert_eq!(modern.note("notifications/subscriptions/acknowledged").await["params"]["notifications"], filter);
    for client in [&mut legacy, &mut modern] {
        for what in ["tools", "resources", "prompts"] {
            client.call("change", json!({"what": what})).await;
            let note = client.note(&format!("notifications/{what}/list_changed")).await;
            let id = &note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
            assert_eq!(id, &if client.legacy { Value::Null } else { json!(listen) });
            let listed = client.ask(&format!("{what}/list"), json!({})).await;
            assert!(listed["result"][what].as_array().unwrap().iter().any(|entry| entry["name"] == "extra"));
        }
        client.call("touch", json!({"uri": "fixture://text/1"})).await;
        client.call("touch", json!({"uri": "fixture://text/2"})).await;
        let note = client.note("notifications/resources/updated").await;
        assert_eq!(note["params"]["uri"], "fixture://text/2");
        assert_eq!(said(&client.call("extra", json!({"a": 1})).await)["arguments"], json!({"a": 1}));
    }
    // Everything that listens is told in the end.
    let id = modern.start("tools/call", json!({"name": "forget"})).await;
    let ended = modern.receive().await;
    let other = modern.receive().await;
    let ids = [&ended, &other].map(|answer| answer["id"].as_u64().unwrap());
    assert!(ids.contains(&listen) && ids.contains(&id), "{ended} {other}");
}

#[tokio::test]
async fn log_messages_keep_to_the_level() {
    let mut legacy = Pipes::open(probe(Eras::Legacy)).await;
    assert_eq!(said(&legacy.call("log", json!({"level": "debug"})).await), "logged");
    legacy.ask("logging/setLevel", json!({"level": "error"})).await;
    assert_eq!(said(&legacy.call("log", json!({"level": "warning"})).await), "not wanted");
    assert_eq!(said(&legacy.call("log", json!({"level": "alert", "data": [1]})).await), "logged");
    assert_eq!(legacy.notes.iter().map(|note| &note["params"]["level"]).collect::<Vec<_>>(), ["debug", "alert"]);
    assert_eq!(legacy.ask("logging/setLevel", json!({"level": "loud"})).await["error"]["code"], -32602);
    let mut modern = Pipes::open(probe(Eras::Modern)).await;
    assert_eq!(said(&modern.call("log", json!({"level": "alert"})).await), "not wanted");
    let params = json!({"name": "log", "_meta": {"io.modelcontextprotocol/logLevel": "info"}});
    assert_eq!(said(&modern.ask("tools/call", params).await["result"]), "logged");
    assert_eq!(modern.ask("logging/setLevel", json!({"level": "info"})).await["error"]["code"], -32601);
}

#[tokio::test]
async fn tasks_run_in_both_eras() {
    let mut legacy = Pipes::open(probe(Eras::Legacy)).await;
    let params = json!({"name": "task", "arguments": {"ask": true}, "task": {"ttl": 1000}});
    let task = legacy.ask("tools/call", params).await["result"]["task"].clone();
    assert_eq!((&task["status"], &task["ttl"]), (&json!("input_required"), &json!(1000)));
    let id = json!({"taskId": task["taskId"]});
    let result = legacy.start("tasks/result", id.clone()).await;
    legacy.note("notifications/tasks/status").await;
    assert_eq!(legacy.ask("tasks/get", id.clone()).await["result"]["status"], "working");
    assert_eq!(legacy.ask("tasks/list", json!({})).await["result"]["tasks"][0]["taskId"], task["taskId"]);
    legacy.call("step", json!({})).await;
    let result = legacy.answer(result).await["result"].clone();
    assert_eq!(said(&result)["answer"]["content"]["name"], "Ada");
    assert_eq!(legacy.ask("tasks/cancel", id).await["error"]["code"], -32602);

    let mut modern = Pipes::open(probe(Eras::Modern)).await;
    let created = modern.ask("tools/call", json!({"name": "task", "arguments": {"ask": true}})).await["result"].clone();
    assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("input_required")));
    let mut id = json!({"taskId": created["taskId"]});
    modern.start("subscriptions/listen", json!({"notifications": {"taskIds": [created["taskId"]]}})).await;
    modern.note("notifications/subscriptions/acknowledged").await;
    let asked = modern.ask("tasks/get", id.clone()).await["result"]["inputRequests"]["name"].clone();
    assert_eq!(asked["method"], "elicitation/create");
    id["inputResponses"] = json!({"name": reply("elicitation/create")});
    assert_eq!(modern.ask("tasks/update", id.clone()).await["result"]["resultType"], "complete");
    assert_eq!(modern.note("notifications/tasks").await["params"]["status"], "working");
    modern.call("step", json!({})).await;
    let done = modern.ask("tasks/get", id.clone()).await["result"].clone();
    assert_eq!(said(&done["result"])["answer"]["content"]["name"], "Ada");
    for (method, code) in [("tasks/list", -32601), ("tasks/result", -32601)] {
        assert_eq!(modern.ask(method, id.clone()).await["error"]["code"], code);
    }
    let failing = modern.ask("tools/call", json!({"name": "task", "arguments": {"fail": true, "steps": 0}})).await;
    let failed = modern.ask("tasks/get", json!({"taskId": failing["result"]["taskId"]})).await;
    assert_eq!(failed["result"]["error"]["code"], -32603);
    assert_eq!(modern.ask("tasks/get", json!({"taskId": "none"})).await["error"]["code"], -32602);
}

#[tokio::test]
async fn resources_prompts_and_completion_are_served() {
    for eras in [Eras::Legacy, Eras::Modern] {
        let mut client = Pipes::open(FixtureOptions { page_size: Some(3), ..probe(eras) }).await;
        let first = client.ask("resources/list", json!({})).await["result"].clone();
        let second = client.ask("resources/list", json!({"cursor": first["nextCursor"]})).await["result"].clone();
        assert_eq!([&first, &second].map(|page| page["resources"].as_array().unwrap().len()), [3, 1]);
        assert_eq!(first.get("ttlMs").is_some(), eras == Eras::Modern);
        let template = client.ask("resources/templates/list", json!({})).await;
        assert_eq!(template["result"]["resourceTemplates"][0]["uriTemplate"], "fixture://item/{id}");
        for (uri, key, value) in [
            ("fixture://text/1", "text", Some("content of fixture://text/1")),
            ("fixture://item/7", "text", Some("item 7")),
            ("fixture://bytes", "blob", None),
        ] {
            let read = client.ask("resources/read", json!({"uri": uri})).await;
            let found = read["result"]["contents"][0][key].as_str().unwrap();
            assert!(value.is_none_or(|value| found == value), "{read}");
        }
        let missing = client.ask("resources/read", json!({"uri": "fixture://none"})).await;
        assert_eq!(missing["error"]["code"], if eras == Eras::Modern { -32602 } else { -32002 });
        assert_eq!(client.ask("prompts/list", json!({})).await["result"]["prompts"][1]["name"], "greet");
        let greet = json!({"name": "greet", "arguments": {"name": "Ada"}});
        let greeting = client.ask("prompts/get", greet).await["result"]["messages"][0]["content"]["text"].clone();
        assert!(greeting.as_str().unwrap().contains("Ada"));
        assert_eq!(client.ask("prompts/get", json!({"name": "greet"})).await["error"]["code"], -32602);
        let argument = json!({"name": "style", "value": "po"});
        let reference = json!({"type": "ref/prompt", "name": "greet"});
        let completed = client.ask("completion/complete", json!({"ref": reference, "argument": argument})).await;
        assert_eq!(completed["result"]["completion"]["values"], json!(["polite", "poetic"]));
        assert_eq!(client.ask("vendor/x", json!({})).await["error"]["code"], -32601);
    }
}

#[tokio::test]
async fn results_are_of_every_kind() {
    let mut client = Pipes::open(probe(Eras::Both)).await;
    let big = client.call("big", json!({"text": 100_000, "image": 3})).await;
    assert_eq!(big["content"][0]["text"].as_str().unwrap().len(), 100_000);
    assert_eq!(big["content"][1]["data"], "AAEC");
    assert_eq!(client.call("structured", json!({})).await["structuredContent"]["count"], 1);
    assert_eq!(client.call("structured", json!({"invalid": true})).await["structuredContent"]["count"], "one");
    assert_eq!(client.call("link", json!({})).await["content"][1]["resource"]["text"], "embedded");
    assert_eq!(client.call("echo", json!({"text": "x"})).await["x-fixture"]["kept"], true);
    assert_eq!(said(&client.call("env", json!({})).await)["pid"], std::process::id());
    assert_eq!(client.call("misbehave", json!({"kind": "nap"})).await, Value::Null);
}

#[tokio::test]
async fn faults_strike_over_stdio() {
    let mut client = Pipes::open(probe(Eras::Legacy)).await;
    let misbehave =
        |kind: &str| json!({"name": "misbehave", "arguments": {"kind": kind, "count": 250, "bytes": 100_000}});
    let id = client.start("tools/call", misbehave("twice")).await;
    let answers = [client.receive().await, client.receive().await];
    assert_eq!(answers.clone().map(|answer| answer["id"].clone()), [json!(id), json!(id)]);
    assert_eq!(answers.map(|answer| said(&answer["result"])), [json!("once"), json!("twice")]);
    let id = client.start("tools/call", misbehave("other_id")).await;
    assert_eq!(client.receive().await["id"], json!(id + 1000));
    client.start("tools/call", misbehave("garbage")).await;
    let mut garbage = Vec::new();
    client.lines.read_until(b'\n', &mut garbage).await.unwrap();
    assert!(garbage.starts_with(b"\xff\xfe<html>"));
    let id = client.start("tools/call", misbehave("flood")).await;
    client.answer(id).await;
    assert_eq!(client.notes.len(), 250);
    let id = client.start("tools/call", misbehave("huge_line")).await;
    assert_eq!(said(&client.answer(id).await["result"]).as_str().unwrap().len(), 100_000);
    let id = client.start("tools/call", misbehave("unasked")).await;
    client.answer(id).await;
    let id = client.start("tools/call", misbehave("redirect")).await;
    assert_eq!(client.answer(id).await["error"]["code"], -32603);
    client.start("tools/call", misbehave("hang")).await;
    assert_eq!(said(&client.call("echo", json!({})).await), json!({}));
    client.start("tools/call", misbehave("die")).await;
    let mut half = String::new();
    client.lines.read_to_string(&mut half).await.unwrap();
    assert!(half.ends_with("{\"ty"), "{half}");
    assert!(client.task.await.unwrap().is_err());
}

#[tokio::test]
async fn a_fault_strikes_after_so_many_requests() {
    let plan = "other_id@ping:after 2".parse().unwrap();
    let mut client = Pipes::open(FixtureOptions { faults: vec![plan], ..probe(Eras::Legacy) }).await;
    client.ask("ping", json!({})).await;
    client.ask("ping", json!({})).await;
    let id = client.start("ping", json!({})).await;
    assert_eq!(client.receive().await["id"], json!(id + 1000));
}

#[tokio::test]
async fn the_end_of_input_ends_what_waits() {
    let mut client = Pipes::open(probe(Eras::Legacy)).await;
    for tool in ["slow", "ask"] {
        client.start("tools/call", json!({"name": tool})).await;
    }
    client.start("tools/call", json!({"name": "misbehave", "arguments": {"kind": "hang"}})).await;
    client.input.shutdown().await.unwrap();
    client.task.await.unwrap().unwrap();
}

/// A fixture over HTTP.
struct Server {
    address: SocketAddr,
    fixture: Fixture,
    task: JoinHandle<std::io::Result<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const ACCEPT: &str = "accept: application/json, text/event-stream";

impl Server {
    async fn start(options: FixtureOptions) -> Self {
        let fixture = Fixture::new(options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve_http(listener, fixture.clone()));
        Self { address, fixture, task }
    }

    async fn open(&self, verb: &str, headers: &[&str], body: &str) -> BufReader<TcpStream> {
        open(self.address, verb, "/mcp", headers, body).await
    }

    /// The status, the head and the body.
    async fn send(&self, verb: &str, headers: &[&str], body: &str) -> (u16, String, String) {
        let mut answer = Vec::new();
        // A connection that is cut is an end, too.
        let _ = self.open(verb, headers, body).await.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    async fn initialize(&self) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities()});
        let (status, head, body) = self.send("POST", &[ACCEPT], &request(1, "initialize", &params).to_string()).await;
        assert_eq!(status, 200, "{body}");
        head.lines().find(|line| line.starts_with("mcp-session-id: ")).unwrap().to_owned()
    }
}

async fn open(address: SocketAddr, verb: &str, path: &str, headers: &[&str], body: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("{verb} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await.unwrap();
    BufReader::new(stream)
}

/// Reads lines up to the one that holds `text`.
async fn until(stream: &mut BufReader<TcpStream>, text: &str) -> String {
    let mut read = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the stream ended before `{text}`: {read}");
        if line.contains(text) {
            return line;
        }
        read.push_str(&line);
    }
}

fn call(id: u64, tool: &str, arguments: &Value) -> String {
    request(id, "tools/call", &json!({"name": tool, "arguments": arguments})).to_string()
}

#[tokio::test]
async fn each_era_refuses_the_other() {
    let discover = modern(1, "server/discover", json!({})).to_string();
    let headers = [ACCEPT, "mcp-protocol-version: 2026-07-28", "mcp-method: server/discover"];
    let legacy = Server::start(probe(Eras::Legacy)).await;
    let (status, _, body) = legacy.send("POST", &headers, &discover).await;
    assert_eq!((status, body.contains("-32600")), (400, true), "{body}");
    let modern = Server::start(probe(Eras::Modern)).await;
    let (status, _, body) = modern.send("POST", &[ACCEPT], &request(1, "initialize", &json!({})).to_string()).await;
    assert_eq!(
        (status, body.contains("-32022") && body.contains("\"supported\":[\"2026-07-28\"]")),
        (400, true),
        "{body}"
    );
    for verb in ["GET", "DELETE"] {
        assert_eq!(modern.send(verb, &[], "").await.0, 405);
    }
    assert_eq!(modern.send("POST", &headers, &discover).await.0, 200);
}

#[tokio::test]
async fn parameters_travel_in_headers() {
    let server = Server::start(probe(Eras::Modern)).await;
    let body = modern(1, "tools/call", json!({"name": "region", "arguments": {"region": "eu-ü", "replicas": 3}}));
    let encoded = "mcp-param-region: =?base64?ZXUtw7w=?=";
    for (region, replicas, expected) in [
        (encoded, "mcp-param-replicas: 3.0", 200),
        (encoded, "mcp-param-replicas: 4", 400),
        (encoded, "x: y", 400),
        ("mcp-param-region: eu", "mcp-param-replicas: 3", 400),
    ] {
        let standard = ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: region"];
        let headers = [&standard[..], &[region, replicas]].concat();
        let (status, _, answer) = server.send("POST", &headers, &body.to_string()).await;
        assert_eq!((status, answer.contains("-32020")), (expected, expected == 400), "{replicas} {answer}");
    }
}

#[tokio::test]
async fn a_stream_that_was_closed_is_picked_up_again() {
    let server = Server::start(probe(Eras::Legacy)).await;
    let session = server.initialize().await;
    let (_, _, first) = server.send("POST", &[ACCEPT, &session], &call(2, "notify_close", &json!({}))).await;
    assert!(first.contains("retry: 10\ndata:\n\n") && first.contains("before") && !first.contains("after"), "{first}");
    let last = first.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap();
    let (_, _, again) = server.send("GET", &[&session, &format!("last-event-id: {last}")], "").await;
    assert!(
        again.contains("\"data\":\"after\"") && again.contains("\"result\"") && !again.contains("before"),
        "{again}"
    );
    assert_eq!(server.send("GET", &[&session, "last-event-id: 9-9"], "").await.0, 400);
}

#[tokio::test]
async fn the_stream_of_a_session_carries_changes_and_can_be_picked_up() {
    let server = Server::start(probe(Eras::Legacy)).await;
    let session = server.initialize().await;
    let mut stream = server.open("GET", &[&session], "").await;
    until(&mut stream, "text/event-stream").await;
    server.send("POST", &[&session], &call(2, "change", &json!({}))).await;
    until(&mut stream, "id: 0-1").await;
    until(&mut stream, "tools/list_changed").await;
    drop(stream);
    server.send("POST", &[&session], &call(3, "change", &json!({"what": "prompts"}))).await;
    let mut stream = server.open("GET", &[&session, "last-event-id: 0-1"], "").await;
    until(&mut stream, "prompts/list_changed").await;
}

#[tokio::test]
async fn over_http_a_client_is_asked_on_its_stream_and_answers_by_post() {
    let server = Server::start(probe(Eras::Legacy)).await;
    let session = server.initialize().await;
    let mut stream = server.open("POST", &[ACCEPT, &session], &call(2, "ask", &json!({}))).await;
    until(&mut stream, "\"method\":\"elicitation/create\"").await;
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": reply("elicitation/create")}).to_string();
    assert_eq!(server.send("POST", &[&session], &answer).await.0, 202);
    assert!(until(&mut stream, "\"result\"").await.contains("Ada"));
}

#[tokio::test]
async fn forgotten_sessions_are_gone() {
    let server = Server::start(probe(Eras::Legacy)).await;
    let session = server.initialize().await;
    let mut stream = server.open("GET", &[&session], "").await;
    until(&mut stream, "text/event-stream").await;
    assert_eq!(server.send("POST", &[&session], &call(2, "forget", &json!({}))).await.0, 200);
    assert_eq!(server.send("POST", &[&session], &call(3, "echo", &json!({}))).await.0, 404);
    assert_eq!(server.fixture.sessions(), 0);
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_disconnect_cancels_in_the_modern_era_only() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let server = Server::start(FixtureOptions { log: Some(log.clone()), ..probe(Eras::Both) }).await;
    let session = server.initialize().await;
    let cancelled = |id: u64| {
        let text = std::fs::read_to_string(&log).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == "cancelled" && line["id"] == id).count()
    };
    let mut stream = server.open("POST", &[ACCEPT, &session], &call(7, "slow", &json!({"steps": 1}))).await;
    until(&mut stream, "id: 1-0").await;
    drop(stream);
    let slow = modern(8, "tools/call", json!({"name": "slow"})).to_string();
    let headers = [ACCEPT, "mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: slow"];
    let mut stream = server.open("POST", &headers, &slow).await;
    until(&mut stream, "open").await;
    drop(stream);
    while cancelled(8) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cancelled(7), 0);
    server.fixture.step();
    let (_, _, again) = server.send("GET", &[&session, "last-event-id: 1-0"], "").await;
    assert!(again.contains("1 steps"), "{again}");
}

#[tokio::test]
async fn faults_strike_over_http() {
    let server = Server::start(probe(Eras::Legacy)).await;
    let session = server.initialize().await;
    let arguments = |kind: &str| json!({"kind": kind, "count": 250, "bytes": 100_000, "url": "http://10.0.0.1/"});
    for (kind, status, part) in [
        ("garbage", 200, "<html>"),
        ("garbage_events", 200, "<html>"),
        ("redirect", 302, "elsewhere"),
        ("bad_status", 500, "bad day"),
        ("twice", 200, "\"twice\""),
        ("other_id", 200, "\"id\":1002"),
        ("flood", 200, "flood was done"),
        ("huge_line", 200, &"x".repeat(30_000)),
        ("die", 200, "{\"ty"),
        ("unasked", 200, "sampling/createMessage"),
    ] {
        let (found, head, body) =
            server.send("POST", &[ACCEPT, &session], &call(2, "misbehave", &arguments(kind))).await;
        assert_eq!(found, status, "{kind}");
        assert!(body.contains(part), "{kind}: {head} {body}");
        assert_eq!(head.contains("location: http://10.0.0.1/"), kind == "redirect", "{head}");
        // The chunk that would say that this is all is missing.
        assert!(kind != "die" || !body.ends_with("0\r\n\r\n"), "{body}");
    }
    let mut hanging = server.open("POST", &[ACCEPT, &session], &call(2, "misbehave", &arguments("hang"))).await;
    until(&mut hanging, "id: 1").await;
    assert_eq!(server.send("DELETE", &[&session], "").await.0, 200);
    hanging.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn the_oldest_transport_answers_on_the_stream() {
    let fixture = Fixture::new(probe(Eras::Legacy)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(serve_sse(listener, fixture.clone()));
    let mut stream = open(address, "GET", "/sse", &["accept: text/event-stream"], "").await;
    until(&mut stream, "event: endpoint").await;
    let path = until(&mut stream, "data: ").await.trim().strip_prefix("data: ").unwrap().to_owned();
    let post = async |body: String| {
        let mut answer = String::new();
        open(address, "POST", &path, &[], &body).await.read_to_string(&mut answer).await.unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    let initialize = json!({"protocolVersion": "2024-11-05", "capabilities": capabilities()});
    assert_eq!(post(request(1, "initialize", &initialize).to_string()).await, 202);
    assert!(until(&mut stream, "\"id\":1").await.contains("\"protocolVersion\":\"2024-11-05\""));
    post(call(2, "ask", &json!({}))).await;
    until(&mut stream, "elicitation/create").await;
    post(json!({"jsonrpc": "2.0", "id": 1, "result": reply("elicitation/create")}).to_string()).await;
    assert!(until(&mut stream, "\"id\":2").await.contains("Ada"));
    drop(stream);
    while post(call(3, "echo", &json!({}))).await != 404 {
        tokio::task::yield_now().await;
    }
    let mut refused = String::new();
    open(address, "POST", "/sse", &[], "{}").await.read_to_string(&mut refused).await.unwrap();
    assert!(refused.contains("405"));
    task.abort();
}
