//! The stdio front and the bridge: a client on lines, an upstream over HTTP or on lines.

use crate::child::{SERVER, call};
use crate::upstream::{TOOLS, Upstream, decent, events};
use crate::world::{TOKEN, World, http_upstream, initialize, modern, script};
use callgate_policy::GrantId;
use callgate_proxy::{HttpUpstream, StdioEnd, Timeouts, run_bridge, run_stdio};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex, split};
use tokio::task::JoinHandle;

/// A client on lines.
pub struct Client<T> {
    out: WriteHalf<DuplexStream>,
    from: Lines<BufReader<ReadHalf<DuplexStream>>>,
    front: JoinHandle<T>,
}

impl<T> Client<T> {
    pub async fn say(&mut self, line: &str) {
        self.out.write_all(line.as_bytes()).await.unwrap();
        self.out.write_all(b"\n").await.unwrap();
    }

    pub async fn hear(&mut self) -> Value {
        let line = self.from.next_line().await.unwrap().expect("a line");
        serde_json::from_str(&line).unwrap()
    }

    pub async fn ask(&mut self, line: &str) -> Value {
        self.say(line).await;
        self.hear().await
    }

    pub async fn leave(mut self) -> T {
        self.out.shutdown().await.unwrap();
        self.front.await.unwrap()
    }
}

pub fn wrap(world: &World) -> Client<StdioEnd> {
    let (near, far) = duplex(1 << 20);
    let (input, output) = split(far);
    let gate = Arc::clone(&world.gate);
    let front =
        tokio::spawn(async move { run_stdio(gate, &GrantId::parse("g1").unwrap(), input, output).await.unwrap() });
    client(near, front)
}

pub fn bridge(world: &World, token: &str) -> Client<()> {
    let (near, far) = duplex(1 << 20);
    let (input, output) = split(far);
    let headers = [("Authorization".to_owned(), format!("Bearer {token}"))];
    let gateway = HttpUpstream::parse(&format!("http://{}/mcp/one", world.address), &headers).unwrap();
    let front = tokio::spawn(async move { run_bridge(gateway, Timeouts::default(), input, output).await.unwrap() });
    client(near, front)
}

fn client<T>(near: DuplexStream, front: JoinHandle<T>) -> Client<T> {
    let (from, out) = split(near);
    Client { out, from: BufReader::new(from).lines(), front }
}

#[tokio::test]
async fn a_stdio_server_behind_the_stdio_front() {
    let world = World::new(script(SERVER)).await;
    let mut client = wrap(&world);
    assert_eq!(client.ask(&initialize("2025-11-25")).await["result"]["serverInfo"]["name"], "sh");
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(client.ask(&call("plain")).await["id"], "mine");
    let denied = client.ask(&call("plain").replace("\"safe\"", "\"exec\"")).await;
    assert_eq!(denied["result"]["isError"], true);
    let listed = client.ask(r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#).await;
    assert_eq!(listed["result"]["tools"], json!([{ "name": "safe" }]));
    let refused = client.ask(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"safe"}}"#).await;
    assert_eq!(refused["error"]["code"], -32600);
    // A question of the server, and its answer.
    assert_eq!(client.ask(&call("ask")).await["method"], "roots/list");
    assert_eq!(client.ask(r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#).await["result"]["asked"], true);
    assert_eq!(client.ask(r#"{"jsonrpc":"2.0","id":"q1","result":{}}"#).await["error"]["data"]["code"], "CG2033");
    assert_eq!(client.leave().await, StdioEnd::ClientLeft);
    world.stop().await;
}

#[tokio::test]
async fn the_servers_exit_is_the_fronts() {
    let world = World::new(script(SERVER)).await;
    let mut client = wrap(&world);
    client.ask(&initialize("2025-11-25")).await;
    assert_eq!(client.ask(&call("die")).await["error"]["data"]["code"], "CG2047");
    let StdioEnd::ServerEnded(Some(status)) = client.leave().await else { panic!("it went on") };
    assert_eq!(status.code(), Some(7));
    world.stop().await;
}

#[tokio::test]
async fn what_was_asked_is_answered_though_the_client_says_no_more() {
    let world = World::new(script(SERVER)).await;
    let mut client = wrap(&world);
    client.say(&initialize("2025-11-25")).await;
    client.say(&call("plain")).await;
    client.out.shutdown().await.unwrap();
    assert_eq!(client.hear().await["id"], 0);
    assert_eq!(client.hear().await["id"], "mine");
    assert_eq!(client.front.await.unwrap(), StdioEnd::ClientLeft);
    world.stop().await;
}

#[tokio::test]
async fn an_http_server_behind_the_stdio_front_in_both_eras() {
    let upstream = Upstream::new(|seen| match seen.method.as_str() {
        "GET" => {
            events(&["data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n".to_owned()])
        }
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let mut client = wrap(&world);
    client.ask(&initialize("2025-11-25")).await;
    // The stream is opened once the client is ready, and list_changed arrives.
    let changed = client.ask(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    let called = client.ask(&call("plain")).await;
    assert_eq!(called["result"]["content"][0]["text"], "done");
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(
        (seen.header("mcp-session-id"), seen.header("mcp-protocol-version")),
        (Some("upstream-session"), Some("2025-11-25"))
    );
    let (_, body) = modern("tools/call", Some("safe"), json!({ "name": "safe" }));
    assert_eq!(client.ask(&body).await["id"], 7);
    let seen = upstream.seen().pop().unwrap();
    for (name, value) in [("mcp-method", "tools/call"), ("mcp-name", "safe"), ("mcp-protocol-version", "2026-07-28")] {
        assert_eq!(seen.header(name), Some(value));
    }
    assert_eq!(seen.header("mcp-session-id"), None);
    client.leave().await;
    assert!(upstream.seen().iter().any(|seen| seen.method == http::Method::DELETE));
    world.stop().await;
}

#[tokio::test]
async fn the_bridge_carries_both_eras_to_a_gateway() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let mut client = bridge(&world, TOKEN);
    assert_eq!(client.ask(&initialize("2025-11-25")).await["result"]["serverInfo"]["name"], "u");
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(client.ask(&call("plain")).await["result"]["content"][0]["text"], "done");
    assert_eq!(client.ask(&call("plain").replace("\"safe\"", "\"exec\"")).await["result"]["isError"], true);
    let (_, body) = modern("tools/list", None, json!({}));
    let listed = client.ask(&body).await;
    let names: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["echo", "safe"]);
    assert!(TOOLS.contains("delete_all"));
    client.leave().await;
    assert_eq!(world.gate.open_sessions(), 0);
    world.stop().await;
}
