//! Clients of 2024-11-05: one stream to listen to, POSTs to speak.

use crate::child::{SERVER, call};
use crate::http::{Answer, Open};
use crate::upstream::{Upstream, decent, events};
use crate::world::{
    BARE_TOKEN, OTHER_TOKEN, Plan, SECOND_TOKEN, TOKEN, World, http_upstream, initialize, post, script,
};
use callgate_proxy::{Options, UpstreamConfig};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;

const READY: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#;

fn stream(token: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn to(path: &str, request: Vec<u8>) -> Vec<u8> {
    String::from_utf8(request).unwrap().replacen("/mcp/one", path, 1).into_bytes()
}

struct Client {
    stream: Open,
    endpoint: String,
    heard: usize,
}

impl Client {
    async fn new(world: &World) -> Self {
        let mut stream = Open::new(world.address, &stream(TOKEN, "/mcp/one/sse")).await;
        let head = stream.until("\n\n").await;
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        let first = head.split_once("event: endpoint\ndata: ").unwrap_or_else(|| panic!("no endpoint: {head}")).1;
        let endpoint = first.lines().next().unwrap().to_owned();
        assert!(endpoint.starts_with("/mcp/one/messages?session="), "{endpoint}");
        Self { stream, endpoint, heard: 0 }
    }

    async fn say(&self, world: &World, body: &str) -> Answer {
        world.raw(&to(&self.endpoint, post(TOKEN, &[("Accept", "")], body.as_bytes()))).await
    }

    /// The next message on the stream.
    async fn hear(&mut self) -> Value {
        loop {
            let text = String::from_utf8_lossy(&self.stream.seen).into_owned();
            let mut messages = text.split("event: message\ndata: ").skip(1 + self.heard);
            if let Some((data, _)) = messages.next().and_then(|rest| rest.split_once("\n\n")) {
                self.heard += 1;
                return serde_json::from_str(data).unwrap();
            }
            assert!(self.stream.more().await, "the stream ended: {text}");
        }
    }

    async fn ask(&mut self, world: &World, body: &str) -> Value {
        let taken = self.say(world, body).await;
        assert_eq!((taken.status, taken.body.len()), (202, 0), "{taken:?}");
        self.hear().await
    }
}

/// A stream that is not opened.
async fn refused(world: &World, token: &str, path: &str) -> Answer {
    world.raw(&stream(token, path)).await
}

fn ended(world: &World) -> bool {
    world.gate.open_sessions() == 0
}

#[tokio::test]
async fn an_older_client_in_front_of_a_process() {
    let world = World::new(script(SERVER)).await;
    let mut client = Client::new(&world).await;
    assert_eq!(client.ask(&world, &initialize("2024-11-05")).await["result"]["serverInfo"]["name"], "sh");
    assert_eq!(client.say(&world, READY).await.status, 202);
    assert_eq!(client.ask(&world, LIST).await["result"]["tools"], json!([{ "name": "safe" }]));
    assert_eq!(client.ask(&world, &call("plain")).await["id"], "mine");
    let denied = client.ask(&world, &call("plain").replace("\"safe\"", "\"exec\"")).await;
    assert_eq!(denied["result"]["isError"], true);
    // A question of the server, and its answer, once.
    let answer = r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#;
    assert_eq!(client.ask(&world, &call("ask")).await["method"], "roots/list");
    assert_eq!(client.ask(&world, answer).await["result"]["asked"], true);
    assert_eq!(client.ask(&world, answer).await["error"]["data"]["code"], "CG2033");
    let poke = r#"{"jsonrpc":"2.0","method":"notifications/poke"}"#;
    assert_eq!(client.ask(&world, poke).await["method"], "notifications/tools/list_changed");
    assert_eq!(world.gate.open_sessions(), 1);
    // To leave is to end the session.
    drop(client.stream);
    while !ended(&world) {
        tokio::task::yield_now().await;
    }
    let recorded = world.memory.decisions();
    assert!(recorded.iter().any(|decision| decision["tool"] == "exec" && decision["outcome"] == "deny"));
    world.stop().await;
}

#[tokio::test]
async fn an_older_client_in_front_of_an_http_server() {
    let upstream = Upstream::new(|seen| match seen.method.as_str() {
        "GET" => {
            events(&["data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n".to_owned()])
        }
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let mut client = Client::new(&world).await;
    assert_eq!(client.ask(&world, &initialize("2024-11-05")).await["result"]["protocolVersion"], "2024-11-05");
    assert_eq!(client.ask(&world, READY).await["method"], "notifications/tools/list_changed");
    assert_eq!(client.ask(&world, &call("plain")).await["result"]["content"][0]["text"], "done");
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.header("mcp-session-id"), Some("upstream-session"));
    assert_eq!(seen.header("authorization"), None);
    drop(client.stream);
    while !upstream.seen().iter().any(|seen| seen.method == http::Method::DELETE) {
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn an_address_is_no_credential() {
    let world = World::new(script(SERVER)).await;
    let mut client = Client::new(&world).await;
    client.ask(&world, &initialize("2024-11-05")).await;
    let say = |token: &str, path: &str| to(path, post(token, &[], call("plain").as_bytes()));
    let session = client.endpoint.split_once('?').unwrap().1.to_owned();
    let before = world.memory.outcomes().len();
    let endpoint = client.endpoint.clone();
    let two = endpoint.replace("/one/", "/two/");
    for (token, path, status) in [
        (SECOND_TOKEN, endpoint.as_str(), 404),
        (BARE_TOKEN, &endpoint, 404),
        (OTHER_TOKEN, &endpoint, 404),
        (OTHER_TOKEN, &two, 404),
        (TOKEN, &two, 404),
        ("cg_nobody", &endpoint, 401),
        (TOKEN, "/mcp/one/messages", 404),
        (TOKEN, "/mcp/one/messages?session=", 404),
        (TOKEN, &format!("/mcp/one/messages?session=x&{session}"), 404),
        (TOKEN, &format!("/mcp/one/messages?{session}&{session}"), 404),
        (TOKEN, &format!("/mcp/one/messages?{}", session.to_uppercase()), 404),
        (TOKEN, &format!("/mcp/one/messages?{session}&token=cg_first"), 400),
        (TOKEN, &format!("/mcp/one/messages/?{session}"), 404),
        (TOKEN, &format!("/mcp/one/%6dessages?{session}"), 404),
        (TOKEN, &format!("/mcp/one/../one/messages?{session}"), 404),
        (TOKEN, &format!("/mcp//messages?{session}"), 404),
        (TOKEN, &format!("/mcp/one/sse?{session}"), 405),
    ] {
        let answer = world.raw(&say(token, path)).await;
        assert_eq!(answer.status, status, "{token} {path}: {answer:?}");
    }
    let anonymous = String::from_utf8(say(TOKEN, &client.endpoint)).unwrap();
    let anonymous = anonymous.replace("Authorization: Bearer cg_first\r\n", "");
    assert_eq!(world.raw(anonymous.as_bytes()).await.status, 401);
    let foreign =
        String::from_utf8(say(TOKEN, &client.endpoint)).unwrap().replace("Host: localhost", "Host: evil.example");
    assert_eq!(world.raw(foreign.as_bytes()).await.status, 403);
    for (token, path, status) in [
        (OTHER_TOKEN, "/mcp/one/sse", 404),
        ("cg_nobody", "/mcp/one/sse", 401),
        (TOKEN, "/mcp/one/sse?token=cg_first", 400),
        (TOKEN, "/mcp/one/sse/", 404),
        (TOKEN, "/mcp/one/SSE", 404),
        (TOKEN, "/mcp/one//sse", 404),
        (TOKEN, "/mcp/one/messages", 405),
    ] {
        assert_eq!(refused(&world, token, path).await.status, status, "{token} {path}");
    }
    // The session id of this transport opens nothing on the other one.
    let id = session.split_once('=').unwrap().1;
    assert_eq!(world.post(&[("Mcp-Session-Id", id)], call("plain")).await.status, 404);
    assert_eq!(world.memory.outcomes().len(), before, "nothing reached the server");
    assert_eq!(client.ask(&world, &call("plain")).await["id"], "mine");
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_where_it_is_posted() {
    let world = World::planned(script(SERVER), Plan { options: small(), ..Plan::default() }).await;
    let mut client = Client::new(&world).await;
    client.ask(&world, &initialize("2024-11-05")).await;
    for (body, status) in [
        ("{", 400),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, 400),
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"safe"}}"#, 400),
        (&format!("{{\"x\":\"{}\"}}", "x".repeat(5000)), 413),
    ] {
        assert_eq!(client.say(&world, body).await.status, status, "{body}");
    }
    let wrong = to(&client.endpoint, post(TOKEN, &[("Content-Type", "text/plain")], LIST.as_bytes()));
    assert_eq!(world.raw(&wrong).await.status, 415);
    // This session agreed on a revision without batches.
    assert_eq!(client.ask(&world, &format!("[{LIST}]")).await["error"]["data"]["code"], Value::Null);
    assert_eq!(client.ask(&world, LIST).await["id"], 3);
    client.stream.until(":\n\n").await;
    world.stop().await;
}

fn small() -> Options {
    Options {
        workers: 2,
        max_body: 4096,
        keep_alive: Duration::from_millis(20),
        max_sessions_per_grant: 1,
        ..Options::default()
    }
}

#[tokio::test]
async fn caps_revocation_and_the_end_count_here_too() {
    let upstream = Upstream::decent().await;
    let upstreams: [fn(&Upstream) -> UpstreamConfig; 2] = [|_| script(SERVER), http_upstream];
    for config in upstreams {
        let world = World::planned(config(&upstream), Plan { options: small(), ..Plan::default() }).await;
        let mut client = Client::new(&world).await;
        client.ask(&world, &initialize("2024-11-05")).await;
        let full = refused(&world, TOKEN, "/mcp/one/sse").await;
        assert_eq!((full.status, &full.json()["error"]["data"]["code"]), (429, &"CG2032".into()));
        world.revoke(&["g1"]);
        let said = client.stream.rest().await;
        assert_eq!(said.status, 200);
        while !ended(&world) {
            tokio::task::yield_now().await;
        }
        world.revoke(&[]);
        let again = to(&client.endpoint, post(TOKEN, &[], LIST.as_bytes()));
        assert_eq!(world.raw(&again).await.status, 404);
        world.stop().await;
    }
}

#[tokio::test]
async fn what_was_asked_is_answered_before_the_gateway_ends() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let world = World::new(script(&SERVER.replacen("LOG=\"$1\"", &format!("GATE='{}'", gate.display()), 1))).await;
    let mut client = Client::new(&world).await;
    client.ask(&world, &initialize("2024-11-05")).await;
    assert_eq!(client.say(&world, &call("wait")).await.status, 202);
    let address = world.address;
    let stopping = tokio::spawn(world.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap()).await.unwrap();
    assert_eq!(client.hear().await["result"]["waited"], true);
    stopping.await.unwrap();
}
