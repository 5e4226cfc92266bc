//! Modern clients in front of legacy servers over HTTP, HTTP+SSE servers for clients of both eras, and which era an
//! upstream turns out to speak.

use crate::held::Leg;
use crate::http::Open;
use crate::upstream::{Say, Seen, Upstream, decent, json_answer, json_type};
use crate::world::{Plan, TOKEN, World, http_upstream, initialize, post};
use callgate_proxy::{HttpUpstream, UpstreamConfig};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// A legacy Streamable HTTP server: every session has a GET stream, and calls are answered as `how` says.
#[derive(Default)]
struct Legacy {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: usize,
    ended: bool,
    /// The stream of each session, open or to be fetched.
    streams: HashMap<String, UnboundedSender<String>>,
    /// Calls that wait for the client's answer: the call's id and its stream.
    asked: Vec<(Value, UnboundedSender<String>)>,
    /// What a resumed stream brings.
    resumed: Vec<String>,
}

fn event(id: &str, message: &Value) -> String {
    format!("id: {id}\ndata: {message}\n\n")
}

fn done(id: &Value, told: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [], "told": told } })
}

fn form() -> Value {
    json!({ "jsonrpc": "2.0", "id": "ask", "method": "elicitation/create", "params": { "message": "who?",
        "requestedSchema": { "type": "object", "properties": { "name": { "type": "string" } } } } })
}

impl Legacy {
    async fn start() -> (Arc<Self>, Upstream) {
        let server = Arc::new(Self::default());
        let own = Arc::clone(&server);
        (server, Upstream::new(move |seen| own.answer(seen)).await)
    }

    fn answer(&self, seen: &Seen) -> Say {
        let mut state = self.state.lock().unwrap();
        let message = seen.json();
        let id = message["id"].clone();
        let session = seen.header("mcp-session-id").unwrap_or_default().to_owned();
        if seen.method == "GET" {
            return Say::Events(vec![], state.get(&session, seen.header("last-event-id")));
        }
        if seen.method == "DELETE" {
            return Say::Plain(200, vec![], vec![]);
        }
        if message["method"] == "initialize" {
            state.sessions += 1;
            state.ended = false;
            let result = json!({ "jsonrpc": "2.0", "id": id, "result": { "protocolVersion": "2025-06-18",
                "capabilities": { "tools": { "listChanged": true } }, "serverInfo": { "name": "h", "version": "1" } } });
            let name = format!("s{}", state.sessions);
            return Say::Plain(200, vec![("mcp-session-id", name), json_type()], result.to_string().into());
        }
        if session.is_empty() {
            return Say::Plain(
                400,
                vec![json_type()],
                br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#.to_vec(),
            );
        }
        if state.ended {
            return Say::Plain(404, vec![], vec![]);
        }
        if message["method"].is_null() {
            let (call, stream) = state.asked.pop().unwrap();
            let _ = stream.send(event("9", &done(&call, &message)));
            return Say::Plain(202, vec![], vec![]);
        }
        if id.is_null() {
            return Say::Plain(202, vec![], vec![]);
        }
        if message["method"] == "tools/list" {
            return decent(seen);
        }
        state.call(&message, id, &session)
    }
}

impl State {
    fn get(&mut self, session: &str, last: Option<&str>) -> UnboundedReceiver<String> {
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(last) = last {
            assert_eq!(last, "7");
            for message in self.resumed.drain(..) {
                sender.send(message).unwrap();
            }
            return receiver;
        }
        self.streams.insert(session.to_owned(), sender);
        receiver
    }

    fn call(&mut self, message: &Value, id: Value, session: &str) -> Say {
        let (sender, receiver) = mpsc::unbounded_channel();
        match message["params"]["arguments"]["how"].as_str().unwrap_or_default() {
            "ask" => {
                sender.send(event("1", &form())).unwrap();
                self.asked.push((id, sender));
                Say::Events(vec![], receiver)
            }
            // The question comes on the session's own stream, as some servers do.
            "aside" => match self.streams.get(session) {
                Some(stream) => {
                    stream.send(event("1", &form())).unwrap();
                    self.asked.push((id, sender));
                    Say::Events(vec![], receiver)
                }
                None => json_answer(&done(&id, &json!("no stream yet")).to_string()),
            },
            // The stream ends on purpose, and is to be taken up again.
            "polling" => {
                sender.send("id: 7\nretry: 1\ndata: \n\n".to_owned()).unwrap();
                self.resumed.push(event("8", &done(&id, &json!("resumed"))));
                Say::Events(vec![], receiver)
            }
            "changed" => match self.streams.get(session) {
                Some(stream) => {
                    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
                    let _ = stream.send(event("2", &note));
                    json_answer(&done(&id, &json!("told")).to_string())
                }
                None => json_answer(&done(&id, &json!("no stream yet")).to_string()),
            },
            _ => json_answer(&done(&id, &json!(session)).to_string()),
        }
    }
}

fn elicits() -> Value {
    json!({ "elicitation": {} })
}

async fn told(world: &World, leg: &Leg) -> Value {
    leg.send(world, 1).await.json()["result"]["told"].clone()
}

/// Calls until the session's own stream is open.
async fn with_stream(world: &World, how: &str, capabilities: Value) -> Value {
    loop {
        let answer = Leg::call(how, capabilities.clone()).send(world, 4).await.json();
        if answer["result"]["told"] != "no stream yet" {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_session_is_held_over_http_and_opened_anew_when_it_is_lost() {
    let (server, upstream) = Legacy::start().await;
    let world = World::new(http_upstream(&upstream)).await;
    assert_eq!(told(&world, &Leg::call("plain", json!({}))).await, "s1");
    assert_eq!(told(&world, &Leg::call("plain", json!({}))).await, "s1");
    let seen = upstream.seen();
    let call = seen.iter().rfind(|seen| seen.json()["method"] == "tools/call").unwrap();
    assert_eq!((call.header("mcp-session-id"), call.header("mcp-protocol-version")), (Some("s1"), Some("2025-06-18")));
    for gone in ["mcp-method", "mcp-name", "authorization"] {
        assert_eq!(call.header(gone), None, "{gone}");
    }
    assert_eq!(call.header("x-upstream-key"), Some("of the gateway"));
    // The session is lost: nothing ran, so the call is sent again in a new one.
    server.state.lock().unwrap().ended = true;
    let anew = Leg::call("plain", json!({})).send(&world, 1).await.json();
    assert_eq!(anew["result"]["told"], "s2", "{anew}");
    assert_eq!(world.gate.held_sessions(), 1);
    world.stop().await;
    let last = upstream.seen().pop().unwrap();
    assert_eq!((last.method.as_str(), last.header("mcp-session-id")), ("DELETE", Some("s2")));
}

#[tokio::test]
async fn questions_over_http_reach_the_client_on_whatever_stream_they_come() {
    let (_server, upstream) = Legacy::start().await;
    let world = World::new(http_upstream(&upstream)).await;
    for how in ["ask", "aside"] {
        let asked = with_stream(&world, how, elicits()).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{how}: {asked}");
        let response = json!({ "q1": { "action": "accept", "content": { "name": how } } });
        let done = Leg::call(how, elicits()).answering(&asked, response).send(&world, 2).await.json();
        assert_eq!(done["result"]["told"]["result"]["content"]["name"], how);
        assert_eq!(done["result"]["told"]["id"], "ask");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_stream_that_ends_on_purpose_is_taken_up_again() {
    let (_server, upstream) = Legacy::start().await;
    let world = World::new(http_upstream(&upstream)).await;
    let answer = Leg::call("polling", json!({})).send(&world, 1).await.json();
    assert_eq!(answer["result"]["told"], "resumed", "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn a_subscription_hears_what_comes_on_the_sessions_stream() {
    let (_server, upstream) = Legacy::start().await;
    let world = World::new(http_upstream(&upstream)).await;
    let listen = Leg::of("subscriptions/listen", None, json!({ "notifications": { "toolsListChanged": true } }));
    let mut open = Open::new(world.address, &listen.bytes(TOKEN, 5)).await;
    open.until("acknowledged").await;
    with_stream(&world, "changed", json!({})).await;
    open.until("notifications/tools/list_changed").await;
    drop(open);
    world.stop().await;
}

/// An HTTP+SSE server: messages are taken on one path, and answered on the stream of the other.
async fn sse(endpoint: &'static str) -> Upstream {
    let stream: Mutex<Option<UnboundedSender<String>>> = Mutex::default();
    Upstream::new(move |seen| {
        let mut stream = stream.lock().unwrap();
        match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", _) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                sender.send(format!("event: endpoint\ndata: {endpoint}\n\n")).unwrap();
                *stream = Some(sender);
                Say::Events(vec![], receiver)
            }
            (_, "/messages") => {
                let message = seen.json();
                if !message["id"].is_null() && message["method"].is_string() {
                    let Say::Plain(_, _, body) = decent(seen) else { panic!("not plain") };
                    let body = String::from_utf8(body).unwrap();
                    let _ = stream.as_ref().unwrap().send(format!("event: message\ndata: {body}\n\n"));
                }
                Say::Plain(202, vec![], b"Accepted".to_vec())
            }
            _ => Say::Plain(405, vec![], vec![]),
        }
    })
    .await
}

fn at_sse(upstream: &Upstream) -> UpstreamConfig {
    UpstreamConfig::Http(HttpUpstream::parse(&format!("http://{}/sse", upstream.address), &[]).unwrap())
}

#[tokio::test]
async fn an_sse_server_serves_clients_of_both_eras() {
    let upstream = sse("/messages").await;
    let world = World::new(at_sse(&upstream)).await;
    let session = world.session_of(TOKEN, "2025-06-18").await;
    let call = r#"{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"safe"}}"#;
    let called = world.post(&[("Mcp-Session-Id", &session)], call).await.json();
    assert_eq!(
        (called["id"].as_str(), &called["result"]["content"][0]["text"]),
        (Some("mine"), &json!("done")),
        "{called}"
    );
    let modern = Leg::call("plain", json!({})).send(&world, 3).await.json();
    assert_eq!((modern["id"].as_i64(), modern["result"]["resultType"].as_str()), (Some(3), Some("complete")));
    // It is known now: nothing is posted to the stream's own place again.
    let before = upstream.seen().iter().filter(|seen| seen.method == "POST" && seen.path == "/sse").count();
    let again = world.session_of(TOKEN, "2024-11-05").await;
    assert_ne!(again, session);
    let after = upstream.seen().iter().filter(|seen| seen.method == "POST" && seen.path == "/sse").count();
    assert_eq!(before, after);
    world.stop().await;
}

#[tokio::test]
async fn an_endpoint_on_another_origin_is_refused() {
    let upstream = sse("http://127.0.0.1:1/messages").await;
    let world = World::new(at_sse(&upstream)).await;
    let refused = world.raw(&post(TOKEN, &[], initialize("2025-06-18").as_bytes())).await;
    assert_eq!(refused.status, 405, "{refused:?}");
    let refused = Leg::call("plain", json!({})).send(&world, 3).await;
    assert_eq!(refused.json()["error"]["data"]["code"], "CG2041", "{refused:?}");
    assert!(!upstream.seen().iter().any(|seen| seen.path == "/messages"));
    world.stop().await;
}

#[tokio::test]
async fn what_an_upstream_speaks_is_asked_once_and_by_need() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let probes = || upstream.seen().iter().filter(|seen| seen.json()["method"] == "server/discover").count();
    world.session().await;
    assert_eq!(probes(), 0);
    for _ in 0..2 {
        assert_eq!(Leg::call("plain", json!({})).send(&world, 1).await.status, 200);
    }
    assert_eq!((probes(), world.gate.held_sessions()), (1, 0));
    // The upstream's own answer passes, with what the gateway adds.
    let discovered = Leg::of("server/discover", None, json!({})).send(&world, 9).await.json();
    assert_eq!(discovered["id"], 9);
    assert_eq!(discovered["result"]["supportedVersions"].as_array().unwrap().len(), 5);
    assert_eq!(
        (&discovered["result"]["cacheScope"], &discovered["result"]["ttlMs"]),
        (&json!("private"), &json!(1000))
    );
    world.stop().await;
}

#[tokio::test]
async fn trouble_teaches_nothing() {
    let broken = Arc::new(Mutex::new(true));
    let state = Arc::clone(&broken);
    let upstream = Upstream::new(move |seen| match *state.lock().unwrap() {
        true => Say::Plain(503, vec![], vec![]),
        false => decent(seen),
    })
    .await;
    let world = World::planned(http_upstream(&upstream), Plan::default()).await;
    let failed = Leg::call("plain", json!({})).send(&world, 1).await;
    assert_eq!(failed.json()["error"]["data"]["code"], "CG2041", "{failed:?}");
    *broken.lock().unwrap() = false;
    assert_eq!(Leg::call("plain", json!({})).send(&world, 1).await.status, 200);
    assert_eq!(world.gate.held_sessions(), 0);
    assert_eq!(upstream.calls(), 1);
    world.stop().await;
}
