//! The fixture over both transports and in both eras.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_fixture::{
    Behaviour, Eras, Fixture, FixtureError, FixtureOptions, KERNEL, ListChange, PARE_DOCKER, ToolList, serve_http,
    serve_lines,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const META: &str = "io.modelcontextprotocol/protocolVersion";

fn tools(names: &[&str]) -> ToolList {
    let tools: Vec<Value> = names.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    ToolList::from_json(&json!({"tools": tools}).to_string()).unwrap()
}

fn request(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn modern(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({META: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    request(id, method, params)
}

/// Sends the lines over stdio and gives the answers by id, once the input has ended.
async fn stdio(fixture: &Fixture, lines: &[Value]) -> Vec<Value> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut output = Vec::new();
    serve_lines(fixture.clone(), input.as_bytes(), &mut output).await.unwrap();
    let text = String::from_utf8(output).unwrap();
    let mut answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    answers
}

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

impl Server {
    async fn start(options: FixtureOptions) -> Self {
        let fixture = Fixture::new(options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve_http(listener, fixture.clone()));
        Self { address, fixture, task }
    }

    async fn open(&self, verb: &str, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head =
            format!("{verb} /mcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await.unwrap();
        stream
    }

    /// The status, the head and the body.
    async fn send(&self, verb: &str, headers: &[&str], body: &str) -> (u16, String, String) {
        let mut answer = String::new();
        self.open(verb, headers, body).await.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    async fn initialize(&self) -> String {
        let body = request(1, "initialize", json!({"protocolVersion": "2025-06-18"})).to_string();
        let (status, head, body) = self.send("POST", &[], &body).await;
        assert_eq!(status, 200);
        assert!(body.contains("\"protocolVersion\":\"2025-06-18\""), "{body}");
        head.lines().find(|line| line.starts_with("mcp-session-id: ")).unwrap().to_owned()
    }
}

#[test]
fn the_lists_that_come_along_are_complete() {
    for (list, count, some) in [(KERNEL, 18, "exec_command"), (PARE_DOCKER, 16, "exec")] {
        let list = ToolList::from_json(list).unwrap();
        assert_eq!(list.names().count(), count);
        assert!(list.names().any(|name| name == some));
    }
}

#[test]
fn a_list_of_another_shape_is_refused() {
    for bad in ["[]", "{", "{}", r#"{"tools":{}}"#, r#"{"tools":[{}]}"#, r#"{"tools":[{"name":1}]}"#] {
        assert!(ToolList::from_json(bad).is_err(), "{bad}");
    }
    assert_eq!(
        ToolList::from_json(r#"{"result":{"tools":[{"name":"a"}]}}"#).unwrap().names().collect::<Vec<_>>(),
        ["a"]
    );
    let mut options = FixtureOptions::new(tools(&[]));
    options.log = Some("/nonexistent/log".into());
    assert!(matches!(Fixture::new(options), Err(FixtureError::Log { .. })));
}

#[tokio::test]
async fn stdio_echoes_calls_in_both_eras() {
    let fixture = Fixture::new(FixtureOptions::new(tools(&["a"]))).unwrap();
    let call = json!({"name": "a", "arguments": {"x": [1]}});
    let answers = stdio(
        &fixture,
        &[
            request(1, "initialize", json!({"protocolVersion": "2025-11-25"})),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            request(2, "tools/call", call.clone()),
            modern(3, "tools/call", call.clone()),
            modern(4, "server/discover", json!({})),
            request(5, "tools/call", json!({"name": "no"})),
            request(6, "vendor/unknown", json!({})),
            request(7, "ping", json!({})),
        ],
    )
    .await;
    assert_eq!(answers.len(), 7);
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-11-25");
    let echoed =
        |answer: &Value| serde_json::from_str::<Value>(answer["result"]["content"][0]["text"].as_str().unwrap());
    assert_eq!(echoed(&answers[1]).unwrap(), json!({"name": "a", "arguments": {"x": [1]}}));
    assert_eq!(answers[1]["result"].get("resultType"), None);
    assert_eq!(echoed(&answers[2]).unwrap(), json!({"name": "a", "arguments": {"x": [1]}}));
    assert_eq!(answers[2]["result"]["resultType"], "complete");
    assert_eq!(answers[3]["result"]["supportedVersions"][0], "2026-07-28");
    assert_eq!(answers[4]["error"]["code"], -32602);
    assert_eq!(answers[5]["error"]["code"], -32601);
    assert_eq!(answers[6]["result"], json!({}));
    assert_eq!(fixture.calls(), 3);
}

#[tokio::test]
async fn pages_hold_what_they_should() {
    let mut options = FixtureOptions::new(tools(&["a", "b", "c"]));
    options.page_size = Some(2);
    let fixture = Fixture::new(options).unwrap();
    let page = |id, cursor: &str| request(id, "tools/list", json!({"cursor": cursor}));
    let lines = [request(1, "tools/list", json!({})), page(2, "from-2"), page(3, "from-9"), page(4, "x")];
    let answers = stdio(&fixture, &lines).await;
    let names = |answer: &Value| {
        answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&answers[0]), &answers[0]["result"]["nextCursor"]),
        (vec!["a".into(), "b".into()], &json!("from-2"))
    );
    assert_eq!((names(&answers[1]), answers[1]["result"].get("nextCursor")), (vec!["c".into()], None));
    assert_eq!((&answers[2]["error"]["code"], &answers[3]["error"]["code"]), (&json!(-32602), &json!(-32602)));
}

#[tokio::test]
async fn tools_fail_as_they_are_told() {
    let mut options = FixtureOptions::new(tools(&["a", "b"]));
    options.behaviours.insert("a".into(), Behaviour::Error(-32603));
    options.behaviours.insert("b".into(), Behaviour::ToolError);
    let fixture = Fixture::new(options).unwrap();
    let lines = [request(1, "tools/call", json!({"name": "a"})), request(2, "tools/call", json!({"name": "b"}))];
    let answers = stdio(&fixture, &lines).await;
    assert_eq!(answers[0]["error"]["code"], -32603);
    assert_eq!(answers[1]["result"]["isError"], true);
}

#[tokio::test]
async fn structured_content_is_there_where_a_schema_asks_for_it() {
    let fixture = Fixture::new(FixtureOptions::new(ToolList::from_json(PARE_DOCKER).unwrap())).unwrap();
    let answers = stdio(&fixture, &[request(1, "tools/call", json!({"name": "ps", "arguments": {}}))]).await;
    assert_eq!(answers[0]["result"]["structuredContent"], json!({"containers": []}));
}

#[tokio::test]
async fn the_log_has_every_message_as_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log.jsonl");
    let mut options = FixtureOptions::new(tools(&["a"]));
    options.log = Some(log.clone());
    let server = Server::start(options).await;
    let session = server.initialize().await;
    let call = r#"{"jsonrpc":"2.0", "id":2,"method":"tools/call","params":{"name":"a","arguments":{"n":1.50}}}"#;
    assert_eq!(server.send("POST", &[&session, "authorization: Bearer x"], call).await.0, 200);
    assert_eq!(server.send("POST", &[&session], "not json").await.0, 400);
    let mut output = Vec::new();
    serve_lines(server.fixture.clone(), b"{\"x\":1}\n".as_slice(), &mut output).await.unwrap();
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> =
        lines.iter().map(|line| (line["sequence"].as_u64().unwrap(), line["how"].as_str().unwrap())).collect();
    assert_eq!(seen, [(1, "POST"), (2, "POST"), (3, "POST"), (4, "stdio"), (5, "event")]);
    assert_eq!((&lines[1]["text"], &lines[1]["tool"]), (&json!(call), &json!("a")));
    assert_eq!(lines[1]["headers"]["authorization"], json!(["Bearer x"]));
    assert_eq!(lines[2]["text"], "not json");
}

#[tokio::test]
async fn sessions_are_asked_for_and_end() {
    let server = Server::start(FixtureOptions::new(tools(&["a"]))).await;
    let list = request(2, "tools/list", json!({})).to_string();
    assert_eq!(server.send("POST", &[], &list).await.0, 400);
    assert_eq!(server.send("POST", &["mcp-session-id: other"], &list).await.0, 404);
    let session = server.initialize().await;
    assert_eq!(server.send("POST", &[&session, "mcp-protocol-version: 2025-06-18"], &list).await.0, 200);
    assert_eq!(server.send("POST", &[&session, "mcp-protocol-version: 1999-01-01"], &list).await.0, 400);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(server.send("POST", &[&session], note).await.0, 202);
    assert_eq!(server.fixture.sessions(), 1);
    assert_eq!(server.send("DELETE", &[&session], "").await.0, 200);
    assert_eq!(server.send("POST", &[&session], &list).await.0, 404);
}

#[tokio::test]
async fn modern_requests_need_their_headers() {
    let server = Server::start(FixtureOptions::new(tools(&["a"]))).await;
    let body = modern(1, "tools/call", json!({"name": "a"})).to_string();
    let good = ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: a"];
    let (status, _, answer) = server.send("POST", &good, &body).await;
    assert_eq!((status, answer.contains("\"resultType\":\"complete\"")), (200, true));
    let wrong = ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: b"];
    let (status, _, answer) = server.send("POST", &wrong, &body).await;
    assert_eq!((status, answer.contains("-32020")), (400, true));
    let unknown = modern(1, "vendor/x", json!({})).to_string();
    let headers = ["mcp-protocol-version: 2026-07-28", "mcp-method: vendor/x"];
    assert_eq!(server.send("POST", &headers, &unknown).await.0, 404);
}

#[tokio::test]
async fn an_era_can_be_left_out() {
    let mut options = FixtureOptions::new(tools(&["a"]));
    options.eras = Eras::Modern;
    let fixture = Fixture::new(options.clone()).unwrap();
    let answers = stdio(&fixture, &[request(1, "initialize", json!({})), modern(2, "ping", json!({}))]).await;
    assert_eq!(
        (&answers[0]["error"]["code"], &answers[1]["result"]["resultType"]),
        (&json!(-32022), &json!("complete"))
    );
    assert_eq!(answers[0]["error"]["data"]["supported"], json!(["2026-07-28"]));
    options.eras = Eras::Legacy;
    let fixture = Fixture::new(options).unwrap();
    let answers =
        stdio(&fixture, &[request(1, "initialize", json!({})), modern(2, "server/discover", json!({}))]).await;
    assert_eq!(
        (&answers[0]["result"]["protocolVersion"], &answers[1]["error"]["code"]),
        (&json!("2025-11-25"), &json!(-32601))
    );
}

#[tokio::test]
async fn answers_come_as_events_where_they_may() {
    let mut options = FixtureOptions::new(tools(&["a"]));
    options.sse = true;
    let server = Server::start(options).await;
    let session = server.initialize().await;
    let call = request(2, "tools/call", json!({"name": "a", "_meta": {"progressToken": "p"}})).to_string();
    let accept = "accept: application/json, text/event-stream";
    let (status, head, body) = server.send("POST", &[&session, accept], &call).await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert_eq!(body.matches("event: message\ndata: {").count(), 2, "{body}");
    let (_, head, _) = server.send("POST", &[&session], &call).await;
    assert!(head.contains("content-type: application/json"), "{head}");
}

#[tokio::test]
async fn a_changed_list_is_announced() {
    let mut options = FixtureOptions::new(tools(&["a"]));
    options.list_change = Some(ListChange { after_calls: 1, tools: tools(&["b"]) });
    let server = Server::start(options).await;
    let session = server.initialize().await;
    let mut legacy = BufReader::new(server.open("GET", &[&session], "").await);
    let listen = modern(9, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})).to_string();
    let headers = ["mcp-protocol-version: 2026-07-28", "mcp-method: subscriptions/listen"];
    let mut stream = BufReader::new(server.open("POST", &headers, &listen).await);
    until(&mut stream, "notifications/subscriptions/acknowledged").await;
    until(&mut legacy, "text/event-stream").await;
    let call = request(2, "tools/call", json!({"name": "a"})).to_string();
    assert_eq!(server.send("POST", &[&session], &call).await.0, 200);
    until(&mut legacy, "notifications/tools/list_changed").await;
    assert!(until(&mut stream, "notifications/tools/list_changed").await.contains("subscriptionId\":9"));
    let list = request(3, "tools/list", json!({})).to_string();
    assert!(server.send("POST", &[&session], &list).await.2.contains("\"name\":\"b\""));
}

/// Reads lines up to the one that holds `text`.
async fn until(stream: &mut BufReader<TcpStream>, text: &str) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the stream ended before `{text}`");
        if line.contains(text) {
            return line;
        }
    }
}

#[tokio::test]
async fn a_cancelled_call_is_not_answered() {
    let mut options = FixtureOptions::new(tools(&["a"]));
    options.delay = std::time::Duration::from_secs(3600);
    let fixture = Fixture::new(options).unwrap();
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let lines = [request(1, "tools/call", json!({"name": "a"})), cancel, request(2, "ping", json!({}))];
    let answers = stdio(&fixture, &lines).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["id"], 2);
}
