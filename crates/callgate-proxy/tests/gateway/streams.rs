//! Event streams: whose messages they are, what becomes of the call, and what a client may answer.

use crate::http::Open;
use crate::upstream::{Say, Upstream, decent, events};
use crate::world::{Plan, TOKEN, World, http_upstream, post};
use callgate_proxy::{Options, Timeouts};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","arguments":{}}}"#;

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

#[tokio::test]
async fn only_the_answer_to_this_request_and_only_once() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/call") => events(&[
            event(r#"{"jsonrpc":"2.0","id":99,"result":{"content":"of another"}}"#),
            event(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#),
            event(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#),
            event(r#"{"jsonrpc":"2.0","id":1,"result":{"content":"again"}}"#),
        ]),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let answer = world.post(&[("Mcp-Session-Id", &session)], CALL).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let methods: Vec<_> = answer.events().iter().map(|e| (e["id"].as_i64(), e["method"].is_string())).collect();
    assert_eq!(methods, [(None, true), (Some(1), false)]);
    let memory = world.stop().await;
    assert_eq!(memory.outcomes().pop().unwrap()["result"], "tool_error");
}

#[tokio::test]
async fn events_arrive_as_they_are_sent_and_questions_are_answered_once() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/call") => Say::Events(vec![], receiver.lock().unwrap().take().unwrap()),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let mut stream = Open::new(world.address, &post(TOKEN, &[("Mcp-Session-Id", &session)], CALL.as_bytes())).await;
    let ask = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{}}"#;
    // Cut in the middle of a line: an event counts when it is whole.
    sender.send(format!("data: {}", &ask[..20])).unwrap();
    sender.send(format!("{}\n\n", &ask[20..])).unwrap();
    stream.until("elicitation/create").await;
    let reply = r#"{"jsonrpc":"2.0","id":"q","result":{"action":"decline"}}"#;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], reply).await.status, 202);
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], reply).await.status, 400, "answered twice");
    let other = reply.replace("\"q\"", "\"z\"");
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], other).await.status, 400, "nobody asked");
    sender.send(event(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#)).unwrap();
    drop(sender);
    let rest = stream.rest().await;
    assert!(rest.text().contains("\"content\":[]"), "{rest:?}");
    let replies = upstream.seen().iter().filter(|seen| seen.body == reply.as_bytes()).count();
    assert_eq!(replies, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_stream_that_breaks_or_goes_on_for_ever_says_so() {
    let options = Options { max_message: 10_000, workers: 1, ..Options::default() };
    let timeouts = Timeouts { silence: Duration::from_millis(100), ..Timeouts::default() };
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let upstream = Upstream::new(move |seen| match seen.json()["params"]["arguments"]["how"].as_str() {
        Some("endless line") => events(&[format!("data: {}", "x".repeat(200_000))]),
        Some("silent") => Say::Events(vec![], receiver.lock().unwrap().take().unwrap()),
        Some("unreadable") => events(&[event("{"), event(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)]),
        _ => decent(seen),
    })
    .await;
    let world = World::planned(http_upstream(&upstream), Plan { options, timeouts, ..Plan::default() }).await;
    let session = world.session().await;
    for (how, code) in [("endless line", "CG2044"), ("silent", "CG2042")] {
        let body = CALL.replace("\"arguments\":{}", &format!("\"arguments\":{{\"how\":\"{how}\"}}"));
        let answer = world.post(&[("Mcp-Session-Id", &session)], &body).await;
        let last = answer.events().pop().unwrap();
        assert_eq!((last["id"].as_i64(), last["error"]["data"]["code"].as_str()), (Some(1), Some(code)), "{how}");
    }
    drop(sender);
    // What a tool says is data: it is passed on, whatever it is.
    let body = CALL.replace("\"arguments\":{}", "\"arguments\":{\"how\":\"unreadable\"}");
    let answer = world.post(&[("Mcp-Session-Id", &session)], &body).await;
    assert!(answer.text().starts_with("data: {\n\n"), "{}", answer.text());
    world.stop().await;
}

#[tokio::test]
async fn the_small_pages_answer() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes();
    for (path, status, text) in [
        ("/healthz", 200, "ok"),
        ("/readyz", 200, "ready"),
        ("/", 200, "/mcp/{server}"),
        ("/metrics", 200, "callgate_sessions 0"),
        ("/nothing", 404, "CG2024"),
        ("/mcp", 404, "CG2024"),
    ] {
        let answer = world.raw(&get(path)).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
    }
    world.stop().await;
}
