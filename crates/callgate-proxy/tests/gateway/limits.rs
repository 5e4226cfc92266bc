//! What one server may take: time, places, processes; and what it is spared when it can't be reached.

use crate::child::{SERVER, call};
use crate::http::Open;
use crate::upstream::{Say, Upstream, decent};
use crate::world::{Plan, TOKEN, World, http_upstream, initialize, modern, post, script};
use callgate_proxy::{BreakerState, Options, ServerLimits, Sharing, Timeouts};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const CALL: &str = r#"{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"safe","arguments":{}}}"#;
const ECHO: &str = r#"{"jsonrpc":"2.0","id":"other","method":"tools/call","params":{"name":"echo","arguments":{}}}"#;

/// The identity of the server `one`.
const SERVER_ID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// An upstream whose tool `safe` answers with a stream that the test feeds.
async fn slow() -> (Upstream, Arc<Mutex<Vec<UnboundedSender<String>>>>) {
    let feeds: Arc<Mutex<Vec<UnboundedSender<String>>>> = Arc::default();
    let open = Arc::clone(&feeds);
    let upstream = Upstream::new(move |seen| {
        if seen.json()["method"] == "tools/call" && seen.json()["params"]["name"] == "safe" {
            let (sender, receiver) = unbounded_channel();
            sender.send("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n".to_owned()).unwrap();
            open.lock().unwrap().push(sender);
            return Say::Events(vec![], receiver);
        }
        decent(seen)
    })
    .await;
    (upstream, feeds)
}

fn result(id: &str) -> String {
    format!("data: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"result\":{{\"content\":[]}}}}\n\n")
}

fn code(message: &Value) -> &str {
    message["error"]["data"]["code"].as_str().unwrap_or_default()
}

fn within(call: Duration) -> Plan {
    Plan { timeouts: Timeouts { call: Some(call), ..Timeouts::default() }, ..Plan::default() }
}

#[tokio::test]
async fn a_call_over_http_that_takes_too_long_is_cancelled_and_its_session_goes_on() {
    let (upstream, _feeds) = slow().await;
    let world = World::planned(http_upstream(&upstream), within(Duration::from_millis(50))).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let answer = world.post(&headers, CALL).await.events().pop().unwrap();
    assert_eq!((code(&answer), &answer["id"]), ("CG2053", &json!("mine")));
    let cancelled = loop {
        let seen = upstream.seen().into_iter().find(|seen| seen.json()["method"] == "notifications/cancelled");
        match seen {
            Some(seen) => break seen,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(cancelled.json()["params"]["requestId"], "mine");
    assert_eq!(cancelled.header("mcp-session-id"), Some("upstream-session"));
    assert_eq!(world.post(&headers, ECHO).await.status, 200);
    let memory = world.stop().await;
    assert!(memory.decisions().iter().any(|one| one["method"] == "(cancel)"), "it left with a record of its own");
    assert!(memory.outcomes().iter().any(|one| one["result"] == "timeout" && one["kept"] == true));
}

#[tokio::test]
async fn a_modern_call_that_takes_too_long_is_cancelled_by_going_away() {
    let (upstream, feeds) = slow().await;
    let world = World::planned(http_upstream(&upstream), within(Duration::from_millis(50))).await;
    let (headers, body) = modern("tools/call", Some("safe"), json!({ "name": "safe", "arguments": {} }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(code(&world.post(&headers, &body).await.events().pop().unwrap()), "CG2053");
    let feed = feeds.lock().unwrap().pop().unwrap();
    feed.closed().await;
    assert!(upstream.seen().iter().all(|seen| seen.json()["method"] != "notifications/cancelled"));
    world.stop().await;
}

#[tokio::test]
async fn a_call_to_a_process_that_takes_too_long_is_cancelled_and_the_process_goes_on() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let server = script(&SERVER.replacen("LOG=\"$1\"", &format!("LOG='{}'", log.path().display()), 1));
    let world = World::planned(server, within(Duration::from_millis(50))).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    assert_eq!(code(&world.post(&headers, call("ask")).await.response()), "CG2053");
    // The script reads one line before it goes on, and so tells what it was.
    assert_eq!(world.post(&headers, call("plain")).await.response()["id"], "mine");
    assert!(std::fs::read_to_string(log.path()).unwrap().contains("notifications/cancelled"));
    world.stop().await;
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_and_costs_nothing() {
    let (upstream, feeds) = slow().await;
    let limits = ServerLimits { in_flight: 1, ..ServerLimits::default() };
    let world = World::planned(http_upstream(&upstream), Plan { limits, ..Plan::default() }).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let mut first = Open::new(world.address, &post(TOKEN, &headers, CALL.as_bytes())).await;
    first.until("progress").await;
    assert_eq!(world.figure("callgate_in_flight{server=\"one\"}").await, 1);
    let twice = ECHO.replace("echo", "twice");
    for _ in 0..3 {
        let full = world.post(&headers, &twice).await;
        assert_eq!((full.status, code(&full.json())), (503, "CG2051"));
    }
    let note = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    assert_eq!(world.post(&headers, note).await.status, 202, "a notification takes no place");
    feeds.lock().unwrap().pop().unwrap().send(result("mine")).unwrap();
    first.until("\"result\"").await;
    drop(first);
    while world.figure("callgate_in_flight{server=\"one\"}").await > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        assert_eq!(world.post(&headers, &twice).await.json()["result"]["isError"], Value::Null);
    }
    let memory = world.stop().await;
    let refused: Vec<_> = memory.outcomes().into_iter().filter(|one| one["result"] == "not_forwarded").collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|one| one["kept"] == false));
}

#[tokio::test]
async fn an_upstream_that_can_not_be_reached_is_left_alone_for_a_while() {
    let upstream = Upstream::decent().await;
    let place = http_upstream(&upstream);
    drop(upstream);
    let world = World::new(place).await;
    let (headers, body) = modern("tools/call", Some("twice"), json!({ "name": "twice" }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut tried = 0;
    let rests = loop {
        let answer = world.post(&headers, &body).await;
        match code(&answer.json()) {
            "CG2040" => tried += 1,
            _ => break answer,
        }
        assert!(tried < 50);
    };
    assert_eq!((rests.status, code(&rests.json()), tried), (503, "CG2050", 5));
    assert!(rests.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(world.figure("callgate_resting{server=\"one\"}").await, 1);
    let health = world.gate.health(SERVER_ID).unwrap();
    assert_eq!((health.reached, health.last_ok), (Some(false), None));
    assert_ne!(health.breaker, BreakerState::Closed);
    assert!(health.last_error.is_some_and(|(_, why)| why.starts_with("it can't be reached: ")));
    let memory = world.stop().await;
    assert!(memory.outcomes().iter().all(|one| one["kept"] == false));
}

#[tokio::test]
async fn what_a_tool_answers_never_stops_the_way_to_it() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/call") => Say::Plain(500, vec![], vec![]),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    for _ in 0..12 {
        assert_eq!(world.post(&[("Mcp-Session-Id", &session)], ECHO).await.status, 500);
    }
    assert_eq!(upstream.calls(), 12);
    let health = world.gate.health(SERVER_ID).unwrap();
    assert_eq!((health.reached, health.breaker, health.last_error), (Some(true), BreakerState::Closed, None));
    assert!(health.last_ok >= health.since && health.since.is_some());
    assert_eq!((health.sessions, health.in_flight, health.processes), (1, 0, 0));
    assert_eq!(world.gate.health("another"), None);
    world.stop().await;
}

#[tokio::test]
async fn one_process_too_many_is_not_started() {
    let limits = ServerLimits { processes: 1, ..ServerLimits::default() };
    let world = World::planned(script(SERVER), Plan { limits, ..Plan::default() }).await;
    let session = world.session().await;
    let open = async || world.raw(&post(TOKEN, &[], initialize("2025-11-25").as_bytes())).await;
    let full = open().await;
    assert_eq!((full.status, code(&full.json())), (503, "CG2052"));
    assert_eq!(world.figure("callgate_processes{server=\"one\"}").await, 1);
    let delete = format!(
        "DELETE /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nMcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(world.raw(delete.as_bytes()).await.status, 204);
    while open().await.status != 200 {
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn the_sessions_of_a_grant_can_share_one_process() {
    let world = World::planned(script(SERVER), Plan { sharing: Sharing::PerGrant, ..Plan::default() }).await;
    let (one, two) = (world.session().await, world.session().await);
    let pid = async |session: &str| {
        world.post(&[("Mcp-Session-Id", session)], call("plain")).await.response()["result"]["pid"].as_i64().unwrap()
    };
    let shared = pid(&one).await;
    assert_eq!(pid(&two).await, shared);
    let delete = format!(
        "DELETE /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nMcp-Session-Id: {one}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(world.raw(delete.as_bytes()).await.status, 204);
    assert_eq!(pid(&two).await, shared, "it outlives each of its sessions");
    let others = world.session_of(crate::world::SECOND_TOKEN, "2025-11-25").await;
    let answer =
        world.raw(&post(crate::world::SECOND_TOKEN, &[("Mcp-Session-Id", &others)], call("plain").as_bytes())).await;
    assert_ne!(answer.response()["result"]["pid"].as_i64(), Some(shared), "another grant has another one");
    assert_eq!(world.figure("callgate_processes{server=\"one\"}").await, 2);
    world.stop().await;
}

#[tokio::test]
async fn what_is_in_flight_at_the_very_end_is_told_so() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/call") => Say::Silence,
        _ => decent(seen),
    })
    .await;
    let options = Options { grace: Duration::from_millis(1), workers: 2, ..Options::default() };
    let mut world = World::planned(http_upstream(&upstream), Plan { options, ..Plan::default() }).await;
    let session = world.session().await;
    let call = post(TOKEN, &[("Mcp-Session-Id", &session)], CALL.as_bytes());
    let waiting = Open::new(world.address, &call).await;
    while upstream.calls() == 0 {
        tokio::task::yield_now().await;
    }
    world.stopping();
    let answer = waiting.rest().await;
    assert_eq!((answer.status, code(&answer.json())), (503, "CG2037"), "{answer:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_call_that_nothing_comes_back_to_is_cancelled_in_time() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/call") => Say::Silence,
        _ => decent(seen),
    })
    .await;
    let world = World::planned(http_upstream(&upstream), within(Duration::from_millis(50))).await;
    let session = world.session().await;
    let answer = world.post(&[("Mcp-Session-Id", &session)], CALL).await;
    assert_eq!((answer.status, code(&answer.json())), (504, "CG2053"));
    while !upstream.seen().iter().any(|seen| seen.json()["params"]["requestId"] == "mine") {
        tokio::task::yield_now().await;
    }
    assert!(world.stop().await.outcomes().iter().any(|one| one["result"] == "timeout"));
}
