//! A call in flight finishes under the policy that it was decided by; one that waited is decided again.

use crate::held::Leg;
use crate::http::{Answer, Open, parse};
use crate::lines::wrap;
use crate::upstream::{Say, Seen, Upstream, decent, json_answer};
use crate::world::{Plan, TOKEN, World, http_upstream, initialize, modern, post, script};
use callgate_proxy::{Sharing, UpstreamEra};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const CALL: &str = r#"{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"safe","arguments":{}}}"#;

/// What happens while a call waits, and the code or text that its answer then has.
const MEANWHILE: [(&str, &str); 3] = [("revoked", "CG2036"), ("denied", "POLICY DENIED"), ("edited", "done")];

fn meanwhile(world: &World, what: &str) {
    match what {
        "revoked" => world.revoke(&["g1"]),
        "denied" => world.publish(&json!({ "version": "1", "default": "deny" })),
        _ => world.publish(&json!({ "version": "1", "default": "deny", "tools": { "safe": {} } })),
    }
}

/// An upstream that answers messages with this method when the test says so: each one comes out of the channel, with
/// where its answer goes.
async fn stalling(method: &'static str) -> (Upstream, UnboundedReceiver<(Value, UnboundedSender<String>)>) {
    let (reached, requests) = unbounded_channel();
    let upstream = Upstream::new(move |seen: &Seen| {
        let message = seen.json();
        if message["method"] != method || seen.method == "GET" {
            return decent(seen);
        }
        let (say, receiver) = unbounded_channel();
        reached.send((message, say)).unwrap();
        Say::Events(vec![], receiver)
    })
    .await;
    (upstream, requests)
}

fn answer(message: &Value, result: &Value) -> String {
    format!("data: {}\n\n", json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }))
}

fn done() -> Value {
    json!({ "resultType": "complete", "content": [{ "type": "text", "text": "done" }] })
}

fn modern_call() -> Vec<u8> {
    let (headers, body) = modern("tools/call", Some("safe"), json!({ "name": "safe", "arguments": {} }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    post(TOKEN, &headers, body.as_bytes())
}

/// The call reached the upstream exactly where it was let through, and what was charged for it is on record.
async fn check(world: World, upstream: &Upstream, what: &str, expected: &str, answer: &str) {
    assert!(answer.contains(expected), "{what}: {answer}");
    assert_eq!(upstream.calls(), usize::from(what == "edited"), "{what}");
    let memory = world.stop().await;
    let allowed = memory.decisions().iter().filter(|one| one["outcome"] == "allow").count();
    assert_eq!(allowed, memory.outcomes().len(), "every permit has an end");
}

#[tokio::test]
async fn a_body_that_took_its_time_is_decided_by_what_is_in_force_when_it_is_there() {
    for (what, expected) in MEANWHILE {
        let upstream = Upstream::decent().await;
        let world = World::new(http_upstream(&upstream)).await;
        let session = world.session().await;
        let request = post(TOKEN, &[("Mcp-Session-Id", &session), ("Expect", "100-continue")], CALL.as_bytes());
        let (head, body) = request.split_at(request.len() - CALL.len());
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(head).await.unwrap();
        let mut asked_for = [0; 25];
        stream.read_exact(&mut asked_for).await.unwrap();
        assert_eq!(&asked_for, b"HTTP/1.1 100 Continue\r\n\r\n", "the grant was known when its body was asked for");
        meanwhile(&world, what);
        stream.write_all(body).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        check(world, &upstream, what, expected, &parse(&bytes).text()).await;
    }
}

#[tokio::test]
async fn a_call_that_waited_for_the_list_of_tools_is_decided_again() {
    for (what, expected) in MEANWHILE {
        let (upstream, mut lists) = stalling("tools/list").await;
        let world = World::modern(http_upstream(&upstream)).await;
        let stream = Open::new(world.address, &modern_call()).await;
        let (list, say) = lists.recv().await.unwrap();
        meanwhile(&world, what);
        say.send(answer(&list, &json!({ "tools": [{ "name": "safe" }] }))).unwrap();
        drop(say);
        check(world, &upstream, what, expected, &stream.rest().await.text()).await;
    }
}

#[tokio::test]
async fn so_is_one_on_lines() {
    for (what, expected) in MEANWHILE {
        for era in [UpstreamEra::Modern, UpstreamEra::Auto] {
            let (upstream, mut lists) = stalling("tools/list").await;
            let plan = Plan { era, ..Plan::default() };
            let world = World::planned(http_upstream(&upstream), plan).await;
            let mut client = wrap(&world);
            if era == UpstreamEra::Modern {
                // A legacy client in front of a modern server.
                client.ask(&initialize("2025-11-25")).await;
                client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
                client.say(CALL).await;
            } else {
                let (_, body) = modern("tools/call", Some("safe"), json!({ "name": "safe", "arguments": {} }));
                client.say(&body).await;
            }
            let (list, say) = lists.recv().await.unwrap();
            meanwhile(&world, what);
            say.send(answer(&list, &json!({ "resultType": "complete", "tools": [{ "name": "safe" }] }))).unwrap();
            drop(say);
            let told = client.hear().await;
            assert_eq!(told["id"], if era == UpstreamEra::Modern { json!("mine") } else { json!(7) }, "{told}");
            client.leave().await;
            // A session ends with its grant, whoever of the two is quicker.
            let expected = if what == "revoked" { "CG203" } else { expected };
            check(world, &upstream, what, expected, &told.to_string()).await;
        }
    }
}

#[tokio::test]
async fn a_call_that_waited_until_it_was_known_what_its_server_speaks_is_decided_again() {
    for (what, expected) in MEANWHILE {
        let (upstream, mut probes) = stalling("server/discover").await;
        let world = World::new(http_upstream(&upstream)).await;
        // Its list is asked for first, in which the probe comes.
        let stream = Open::new(world.address, &modern_call()).await;
        let (probe, say) = probes.recv().await.unwrap();
        meanwhile(&world, what);
        let versions = json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {} });
        say.send(answer(&probe, &versions)).unwrap();
        drop(say);
        check(world, &upstream, what, expected, &stream.rest().await.text()).await;
    }
}

#[tokio::test]
async fn another_request_that_waited_for_a_probe_is_decided_again() {
    for (what, expected) in [("revoked", "CG2036"), ("barred", "CG2060"), ("edited", "\"result\"")] {
        let (upstream, mut probes) = stalling("server/discover").await;
        let world = World::new(http_upstream(&upstream)).await;
        let (headers, body) = modern("resources/read", Some("file:///x"), json!({ "uri": "file:///x" }));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let stream = Open::new(world.address, &post(TOKEN, &headers, body.as_bytes())).await;
        let (probe, say) = probes.recv().await.unwrap();
        match what {
            "barred" => world.publish(&json!({ "version": "1", "default": "deny", "resources": { "allow": [] } })),
            _ => meanwhile(&world, what),
        }
        let versions = json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {} });
        say.send(answer(&probe, &versions)).unwrap();
        drop(say);
        let told = stream.rest().await.text();
        assert!(told.contains(expected), "{what}: {told}");
        let reads = upstream.seen().iter().filter(|seen| seen.json()["method"] == "resources/read").count();
        assert_eq!(reads, usize::from(what == "edited"), "{what}");
        world.stop().await;
    }
}

/// A legacy process that answers its first call when the file says so.
const SLOW: &str = r#"
while IFS= read -r line; do
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *'"method":"initialize"'*)
      printf '%s\n' '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}' ;;
    *'"how":"slow"'*)
      printf '%s\n' '{"jsonrpc":"2.0","id":"a","method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{}}}}'
      IFS= read -r answer
      printf '%s\n' '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[{"type":"text","text":"first"}]}}' ;;
    *'"method":"tools/call"'*)
      printf '%s\n' call >> '@LOG@'
      printf '%s\n' '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[{"type":"text","text":"done"}]}}' ;;
    *'"method":"tools/list"'*)
      printf '%s\n' '{"jsonrpc":"2.0","id":'"$id"',"result":{"tools":[{"name":"safe"}]}}' ;;
  esac
done
"#;

#[tokio::test]
async fn a_call_that_waited_for_a_session_of_its_own_is_decided_again() {
    for (what, expected) in MEANWHILE {
        let log = tempfile::NamedTempFile::new().unwrap();
        let server = script(&SLOW.replace("@LOG@", &log.path().display().to_string()));
        let plan = Plan { era: UpstreamEra::Legacy, sharing: Sharing::PerGrant, ..Plan::default() };
        let world = World::planned(server, plan).await;
        // The one session that there may be is taken by a call whose client is asked something.
        let first = Leg::call("slow", json!({ "elicitation": {} }));
        let asked = first.send(&world, 1).await.json();
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let before = world.memory.decisions().len();
        let arguments = json!({ "name": "echo", "arguments": { "how": "plain" } });
        let mut second = Leg::of("tools/call", Some("echo"), arguments);
        second.capabilities = json!({ "elicitation": {} });
        let waiting = Open::new(world.address, &second.bytes(TOKEN, 2)).await;
        while world.memory.decisions().len() == before {
            tokio::task::yield_now().await;
        }
        match what {
            "edited" => {
                world.publish(&json!({ "version": "1", "default": "deny", "tools": { "safe": {}, "echo": {} } }));
            }
            "denied" => world.publish(&json!({ "version": "1", "default": "deny", "tools": { "safe": {} } })),
            _ => world.revoke(&["g1"]),
        }
        // What waits for its client is given up with its grant; else it goes on, and then the place is free.
        if what != "revoked" {
            let answered = first.answering(&asked, json!({ "q1": { "action": "accept", "content": {} } }));
            let told = answered.send(&world, 3).await.text();
            assert!(told.contains("first"), "{told}");
        }
        let told = waiting.rest().await.text();
        assert!(told.contains(expected), "{what}: {told}");
        let calls = std::fs::read_to_string(log.path()).unwrap().lines().count();
        assert_eq!(calls, usize::from(what == "edited"), "{what}");
        world.stop().await;
    }
}

#[tokio::test]
async fn each_message_of_a_batch_is_decided_when_its_turn_comes() {
    for (what, expected) in MEANWHILE {
        let (upstream, mut calls) = stalling("tools/call").await;
        let world = World::new(http_upstream(&upstream)).await;
        let session = world.session_of(TOKEN, "2025-03-26").await;
        let batch = format!("[{CALL},{}]", CALL.replace("mine", "second"));
        let stream = Open::new(world.address, &post(TOKEN, &[("Mcp-Session-Id", &session)], batch.as_bytes())).await;
        let (first, say) = calls.recv().await.unwrap();
        meanwhile(&world, what);
        say.send(answer(&first, &done())).unwrap();
        drop(say);
        if what == "edited" {
            let (second, say) = calls.recv().await.unwrap();
            say.send(answer(&second, &done())).unwrap();
        }
        let answers = stream.rest().await.json();
        let of = |id: &str| answers.as_array().unwrap().iter().find(|answer| answer["id"] == id).cloned();
        assert!(of("second").is_some_and(|answer| answer.to_string().contains(expected)), "{what}: {answers}");
        if what != "revoked" {
            assert_eq!(of("mine").unwrap()["result"]["content"][0]["text"], "done", "it was in flight: {answers}");
        }
        assert_eq!(upstream.calls(), if what == "edited" { 2 } else { 1 }, "{what}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_question_in_a_call_is_decided_when_it_is_asked_and_the_call_finishes() {
    let (upstream, mut calls) = stalling("tools/call").await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let mut stream = Open::new(world.address, &post(TOKEN, &[("Mcp-Session-Id", &session)], CALL.as_bytes())).await;
    let (call, say) = calls.recv().await.unwrap();
    let ask = |id: &str| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"method\":\"roots/list\"}}\n\n");
    say.send(ask("before")).unwrap();
    stream.until("before").await;
    world.publish(&json!({ "version": "1", "default": "deny" }));
    say.send(ask("after")).unwrap();
    say.send(answer(&call, &done())).unwrap();
    drop(say);
    let told = stream.rest().await;
    assert!(!told.text().contains("after"), "{}", told.text());
    assert_eq!(told.events().pop().unwrap()["result"]["content"][0]["text"], "done");
    let decided: Vec<_> = world.memory.decisions().into_iter().filter(|one| one["method"] == "roots/list").collect();
    assert_eq!((decided.len(), &decided[0]["outcome"], &decided[1]["outcome"]), (2, &json!("allow"), &json!("deny")));
    world.stop().await;
}

#[tokio::test]
async fn a_stream_that_waits_for_events_follows_the_policy() {
    let feed: Arc<Mutex<Option<UnboundedSender<String>>>> = Arc::default();
    let open = Arc::clone(&feed);
    let upstream = Upstream::new(move |seen| match seen.method.as_str() {
        "GET" => {
            let (say, receiver) = unbounded_channel();
            *open.lock().unwrap() = Some(say);
            Say::Events(vec![], receiver)
        }
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let mut stream = Open::new(world.address, crate::reach::get(&session).as_bytes()).await;
    let say = loop {
        if let Some(say) = feed.lock().unwrap().take() {
            break say;
        }
        tokio::task::yield_now().await;
    };
    let event = |method: &str, params: Value| {
        format!("data: {}\n\n", json!({ "jsonrpc": "2.0", "method": method, "params": params }))
    };
    let updated = |uri: &str| event("notifications/resources/updated", json!({ "uri": uri }));
    let ask = |id: &str| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"method\":\"roots/list\"}}\n\n");
    say.send(updated("file:///one")).unwrap();
    say.send(ask("asked-1")).unwrap();
    stream.until("asked-1").await;
    world.publish(&json!({ "version": "1", "default": "deny", "resources": { "allow": ["file:///open"] } }));
    for said in [updated("file:///two"), ask("asked-2"), updated("file:///open")] {
        say.send(said).unwrap();
    }
    let told = stream.until("file:///open").await;
    assert!(told.contains("file:///one") && !told.contains("file:///two") && !told.contains("asked-2"), "{told}");
    world.revoke(&["g1"]);
    let rest: Answer = stream.rest().await;
    assert!(!rest.text().contains("file:///three"), "it ended");
    world.stop().await;
}

#[tokio::test]
async fn nothing_is_decided_twice_while_nothing_changes() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/list") => {
            json_answer(&json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": { "tools": [] } }).to_string())
        }
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    world.raw(&modern_call()).await;
    let memory = world.stop().await;
    let calls = memory.decisions().into_iter().filter(|one| one["method"] == "tools/call").count();
    assert_eq!((calls, upstream.calls()), (1, 1));
}
