//! Calls that are held: over HTTP in both eras, in sessions that the gateway hosts, on lines, and for old clients.

use super::desk::State;
use super::{call, decision, planned, policy, send, text, world_of};
use crate::child::SERVER;
use crate::held::Leg;
use crate::http::Open;
use crate::lines::{bridge, wrap};
use crate::upstream::Upstream;
use crate::world::{Plan, SECOND_TOKEN, TOKEN, World, http_upstream, initialize, post, script};
use callgate_proxy::{Options, UpstreamEra};
use serde_json::{Value, json};
use std::time::Duration;

const HOLD: &str = "hold";

fn hold() -> Value {
    json!({ "ask": HOLD })
}

async fn open(world: &World, session: &str, body: &str) -> Open {
    Open::new(world.address, &post(TOKEN, &[("Mcp-Session-Id", session)], body.as_bytes())).await
}

fn with_token(body: &str) -> String {
    body.replace("\"params\":{", "\"params\":{\"_meta\":{\"progressToken\":\"p\"},")
}

/// Keeps alive often, so that it is seen.
fn lively() -> Plan {
    let options = Options { workers: 2, keep_alive: Duration::from_millis(20), ..Options::default() };
    Plan { options, ..Plan::default() }
}

#[tokio::test]
async fn a_held_call_goes_on_after_a_yes() {
    let upstream = Upstream::decent().await;
    let legacy = |body: &str, session: &str| post(TOKEN, &[("Mcp-Session-Id", session)], body.as_bytes());
    for kind in ["legacy", "modern", "hosted"] {
        let config = if kind == "hosted" { script(SERVER) } else { http_upstream(&upstream) };
        let (world, desk) = planned(config, hold(), lively()).await;
        let mut arguments = json!({ "n": 6, "how": "plain" });
        let bytes = match kind {
            "modern" => {
                let mut leg = Leg::of("tools/call", Some("safe"), json!({ "name": "safe", "arguments": arguments }));
                leg.params["_meta"] = json!({ "progressToken": "p" });
                leg.bytes(TOKEN, 7)
            }
            _ => legacy(&with_token(&call(&arguments)), &world.session().await),
        };
        let mut stream = Open::new(world.address, &bytes).await;
        // The first byte comes at once, and more while it waits.
        let head = stream.until("notifications/progress").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{kind}: {head}");
        stream.until("\"progress\":0.000003").await;
        assert_eq!((world.gate.waiting_approvals(), desk.states().len()), (1, 1), "{kind}");
        assert_eq!(world.figure("callgate_waiting_approvals").await, 1);
        desk.say(0, State::Approved);
        let events = stream.rest().await.events();
        let note = &events[0]["params"];
        assert_eq!(note["progressToken"], "p");
        assert!(note["message"].as_str().unwrap().contains("/approvals/a_0"), "{note}");
        let response = events.last().unwrap();
        assert_eq!((&response["id"], &response["result"]["isError"]), (&json!(7), &Value::Null), "{kind}: {response}");
        assert!(response["result"].is_object(), "{kind}: {response}");
        assert!(matches!(desk.states()[0], State::Used(_)), "{kind}");
        assert_eq!(world.gate.waiting_approvals(), 0);
        arguments["n"] = json!(7);
        let memory = world.stop().await;
        let calls = memory.decisions().into_iter().filter(|one| one["method"] == "tools/call");
        let outcomes: Vec<_> = calls.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect();
        assert_eq!(outcomes, ["approve", "allow"], "{kind}");
    }
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn what_ends_a_wait_without_a_yes() {
    for (what, expected, state) in [
        ("no", "A person refused this call: no", State::Refused("no".into())),
        ("expired", "Nobody answered", State::Expired),
        ("revoked", "CG2036", State::Withdrawn),
        ("denied", "POLICY DENIED", State::Withdrawn),
        ("draining", "APPROVAL REQUIRED", State::Pending),
        ("deleted", "CG2031", State::Withdrawn),
    ] {
        let upstream = Upstream::decent().await;
        let (mut world, desk) = planned(http_upstream(&upstream), hold(), Plan::default()).await;
        let session = world.session().await;
        let mut stream = open(&world, &session, &call(&json!({ "n": 6 }))).await;
        stream.until("\r\n:").await;
        match what {
            "no" => drop(desk.say(0, State::Refused("no".into()))),
            "expired" => drop(desk.say(0, State::Expired)),
            "revoked" => world.revoke(&["g1"]),
            "denied" => world.publish(&json!({ "version": "1", "default": "deny" })),
            "draining" => world.stopping(),
            _ => {
                let delete = post(TOKEN, &[("Mcp-Session-Id", &session)], b"");
                let delete = String::from_utf8(delete).unwrap().replacen("POST", "DELETE", 1);
                world.raw(delete.as_bytes()).await;
            }
        }
        let told = stream.rest().await;
        assert!(told.text().contains(expected), "{what}: {}", told.text());
        assert_eq!((upstream.calls(), world.gate.waiting_approvals()), (0, 0), "{what}");
        desk.becomes(0, state).await;
        let memory = world.stop().await;
        let reasons: Vec<_> = memory.decisions().into_iter().filter(|one| one["method"] == "tools/call").collect();
        let last = reasons.last().unwrap();
        match what {
            "no" => assert_eq!(last["reason"], "approval refused"),
            "expired" => assert_eq!((&last["reason"], &last["approval"]), (&json!("approval expired"), &json!("a_0"))),
            _ => {}
        }
    }
}

#[tokio::test]
async fn another_policy_while_it_waits_is_decided_by() {
    let upstream = Upstream::decent().await;
    let (world, desk) = planned(http_upstream(&upstream), hold(), Plan::default()).await;
    let session = world.session().await;
    let mut stream = open(&world, &session, &call(&json!({ "n": 6 }))).await;
    stream.until("\r\n:").await;
    // It asks still, and is another policy: the question is another one, and the old one is nobody's.
    world.publish(&policy(json!({ "ask": "hold", "description": "the same" })));
    desk.asked(2).await;
    desk.becomes(0, State::Withdrawn).await;
    assert!(!desk.say(0, State::Approved));
    // Now it asks no more.
    world.publish(&json!({ "version": "1", "default": "deny", "tools": { "safe": {} } }));
    assert_eq!(text(&stream.rest().await.response()), "done");
    desk.becomes(1, State::Withdrawn).await;
    assert_eq!(upstream.calls(), 1);
    world.stop().await;
}

#[tokio::test]
async fn who_goes_away_is_not_waited_for() {
    let upstream = Upstream::decent().await;
    for kind in ["disconnected", "cancelled", "one of two"] {
        let (world, desk) = planned(http_upstream(&upstream), hold(), Plan::default()).await;
        let session = world.session().await;
        let body = call(&json!({ "n": 6 }));
        let mut stream = open(&world, &session, &body).await;
        stream.until("\r\n:").await;
        let mut second = None;
        if kind == "one of two" {
            let mut other = open(&world, &session, &body.replace(":7", ":8")).await;
            other.until("\r\n:").await;
            second = Some(other);
        }
        if kind == "cancelled" {
            let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
            assert_eq!(send(&world, &session, cancel).await.status, 202);
            assert_eq!(stream.rest().await.events(), Vec::<Value>::new(), "nobody wants an answer");
        } else {
            drop(stream);
        }
        let left = usize::from(kind == "one of two");
        while world.gate.waiting_approvals() != left {
            tokio::task::yield_now().await;
        }
        match second {
            None => desk.becomes(0, State::Withdrawn).await,
            Some(other) => {
                assert_eq!(desk.states(), [State::Pending], "somebody else waits");
                desk.say(0, State::Approved);
                assert_eq!(text(&other.rest().await.response()), "done");
            }
        }
        let sent = upstream.seen().iter().filter(|seen| seen.json()["method"] == "notifications/cancelled").count();
        assert_eq!(sent, 0, "the server never heard of the call");
        world.stop().await;
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn who_can_not_wait_comes_again() {
    let upstream = Upstream::decent().await;
    let options =
        |all, of_grant| Options { workers: 2, max_waiting: all, max_waiting_per_grant: of_grant, ..Options::default() };
    for (what, options) in [("silent", options(9, 9)), ("full", options(1, 9)), ("grant", options(9, 1))] {
        let (world, desk) = planned(http_upstream(&upstream), hold(), Plan { options, ..Plan::default() }).await;
        let (session, other) = (world.session().await, world.session_of(SECOND_TOKEN, "2025-11-25").await);
        let body = call(&json!({ "n": 6 }));
        if what == "silent" {
            // An old client that does not say what it accepts.
            let asked = world.raw(&post(TOKEN, &[("Mcp-Session-Id", &session), ("Accept", "")], body.as_bytes())).await;
            assert_eq!(decision(&asked.json())["approval"]["id"], "a_0", "{asked:?}");
        } else {
            let mut stream = open(&world, &session, &body).await;
            stream.until("\r\n:").await;
            let second = call(&json!({ "n": 7 }));
            let asked = send(&world, &session, &second).await.json();
            assert_eq!(decision(&asked)["approval"]["id"], "a_1", "{asked}");
            let bytes = post(SECOND_TOKEN, &[("Mcp-Session-Id", &other)], body.as_bytes());
            let mut third = Open::new(world.address, &bytes).await;
            third.until(if what == "grant" { "\r\n:" } else { "a_2" }).await;
            drop(stream);
            desk.becomes(0, State::Withdrawn).await;
        }
        let told = if what == "silent" { 0 } else { 1 };
        assert_eq!(desk.states()[told], State::Pending, "who was told to come again may");
        world.stop().await;
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_call_is_held_as_long_as_its_rule_says() {
    let upstream = Upstream::decent().await;
    let (world, desk) = world_of(http_upstream(&upstream), json!({ "ask": "hold", "hold_for": "1s" })).await;
    let session = world.session().await;
    let told = open(&world, &session, &call(&json!({ "n": 6 }))).await.rest().await;
    assert!(text(&told.response()).starts_with("[APPROVAL REQUIRED]"), "{}", told.text());
    assert_eq!(desk.states(), [State::Pending], "it stays, and may be answered later");
    desk.say(0, State::Approved);
    let passed = open(&world, &session, &call(&json!({ "n": 6 }))).await.rest().await;
    assert_eq!(text(&passed.response()), "done");
    // A question that is over ends the wait, too.
    *desk.stands.lock().unwrap() = 50;
    let over = open(&world, &session, &call(&json!({ "n": 8 }))).await.rest().await;
    assert!(text(&over.response()).contains("Nobody answered"), "{}", over.text());
    world.stop().await;
}

#[tokio::test]
async fn on_lines_and_for_old_clients() {
    let upstream = Upstream::decent().await;
    for (kind, era) in [("legacy", UpstreamEra::Auto), ("process", UpstreamEra::Auto), ("modern", UpstreamEra::Modern)]
    {
        let config = if kind == "process" { script(SERVER) } else { http_upstream(&upstream) };
        let (world, desk) = planned(config, hold(), Plan { era, ..lively() }).await;
        let mut client = wrap(&world);
        let body = match kind {
            "modern" => {
                let params = json!({ "name": "safe", "arguments": { "n": 6 }, "_meta": { "progressToken": "p" } });
                let bytes = Leg::of("tools/call", Some("safe"), params).bytes(TOKEN, 7);
                String::from_utf8(bytes).unwrap().rsplit("\r\n\r\n").next().unwrap().to_owned()
            }
            _ => {
                client.ask(&initialize("2025-11-25")).await;
                client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
                with_token(&call(&json!({ "n": 6, "how": "plain" })))
            }
        };
        client.say(&body).await;
        assert_eq!(client.hear().await["method"], "notifications/progress", "{kind}");
        // Meanwhile others pass.
        client.say(&body.replace("\"n\":6", "\"n\":5").replace("\"id\":7", "\"id\":8")).await;
        loop {
            let heard = client.hear().await;
            if heard["id"] == 8 {
                assert!(heard["result"].is_object(), "{kind}: {heard}");
                break;
            }
        }
        desk.say(0, State::Approved);
        let answer = loop {
            let heard = client.hear().await;
            if heard["id"] == 7 {
                break heard;
            }
        };
        assert!(answer["result"]["isError"].is_null() && answer["result"].is_object(), "{kind}: {answer}");

        // Cancelled: nobody is asked any more, and nothing is answered.
        client.say(&body.replace("\"id\":7", "\"id\":9")).await;
        desk.asked(2).await;
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#;
        client.say(cancel).await;
        desk.becomes(1, State::Withdrawn).await;

        // Who has said everything is told to come again.
        client.say(&body.replace("\"id\":7", "\"id\":10")).await;
        desk.asked(3).await;
        client.leave().await;
        assert_eq!((world.gate.waiting_approvals(), &desk.states()[2]), (0, &State::Pending), "{kind}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_thousand_waiting_calls_cost_no_thread_and_free_their_places() {
    let upstream = Upstream::decent().await;
    let options = Options { workers: 2, max_waiting_per_grant: 2_000, ..Options::default() };
    let (world, desk) = planned(http_upstream(&upstream), hold(), Plan { options, ..Plan::default() }).await;
    let session = world.session().await;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    let mut streams = Vec::new();
    for n in 0..1_000 {
        let mut stream = open(&world, &session, &call(&json!({ "n": 6 + n % 20 }))).await;
        stream.until("\r\n:").await;
        streams.push(stream);
    }
    assert_eq!((world.gate.waiting_approvals(), desk.rows().len()), (1_000, 20));
    assert_eq!(threads(), before, "no call has a thread");
    streams.truncate(500);
    while world.gate.waiting_approvals() != 500 {
        tokio::task::yield_now().await;
    }
    drop(streams);
    while world.gate.waiting_approvals() != 0 {
        tokio::task::yield_now().await;
    }
    for number in 0..20 {
        desk.becomes(number, State::Withdrawn).await;
    }
    assert_eq!(upstream.calls(), 0);
    world.stop().await;
}

#[tokio::test]
async fn through_the_bridge() {
    let upstream = Upstream::decent().await;
    for (ask, capabilities) in [("hold", "{}"), ("client", "{\"elicitation\":{}}")] {
        let (world, desk) = planned(http_upstream(&upstream), json!({ "ask": ask }), lively()).await;
        let mut client = bridge(&world, TOKEN);
        client
            .ask(&initialize("2025-11-25").replace("\"capabilities\":{}", &format!("\"capabilities\":{capabilities}")))
            .await;
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client.say(&call(&json!({ "n": 6 }))).await;
        let row = desk.asked(1).await.remove(0);
        let told = match ask {
            "hold" => {
                assert_eq!(row.state, State::Pending);
                desk.say(0, State::Approved);
                client.hear().await
            }
            _ => {
                let question = client.hear().await;
                assert_eq!(question["method"], "elicitation/create", "{question}");
                let yes = json!({ "action": "accept", "content": { "approve": true } });
                client.ask(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": yes }).to_string()).await
            }
        };
        assert_eq!(text(&told), "done", "{ask}: {told}");
        client.leave().await;
        world.stop().await;
    }
}

#[tokio::test]
async fn a_client_of_2024_is_told_on_its_stream() {
    let upstream = Upstream::decent().await;
    let (world, desk) = planned(http_upstream(&upstream), hold(), lively()).await;
    let get = format!(
        "GET /mcp/one/sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n\r\n"
    );
    let mut stream = Open::new(world.address, get.as_bytes()).await;
    let seen = stream.until("\n\n").await;
    let place = seen.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
    let say = |body: &str| {
        let bytes = String::from_utf8(post(TOKEN, &[], body.as_bytes())).unwrap();
        bytes.replacen("/mcp/one", &place, 1).into_bytes()
    };
    world.raw(&say(&initialize("2024-11-05"))).await;
    stream.until("protocolVersion").await;
    world.raw(&say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)).await;
    world.raw(&say(&with_token(&call(&json!({ "n": 6 }))))).await;
    stream.until("notifications/progress").await;
    desk.say(0, State::Approved);
    stream.until("\"done\"").await;

    // Who goes away is not waited for.
    world.raw(&say(&call(&json!({ "n": 7 })))).await;
    desk.asked(2).await;
    while world.gate.waiting_approvals() != 1 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    desk.becomes(1, State::Withdrawn).await;
    assert_eq!(upstream.calls(), 1);
    world.stop().await;
}
