//! Arguments that are repeated in headers: verified where a client sends them, derived where it can't.

use crate::http::Answer;
use crate::lines::{bridge, wrap};
use crate::upstream::{Say, Upstream, decent, events, json_answer};
use crate::world::{TOKEN, World, http_upstream, modern};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A list in two pages; `safe` is on the second.
fn list(seen: &crate::upstream::Seen) -> Say {
    let message = seen.json();
    let (tools, next) = match message["params"]["cursor"].as_str() {
        None => (
            json!([{ "name": "broken", "inputSchema": { "properties": { "n": { "type": "number", "x-mcp-header": "N" } } } }]),
            json!("2"),
        ),
        Some(_) => {
            let properties = json!({
                "region": { "type": "string", "x-mcp-header": "Region" },
                "count": { "type": "integer", "x-mcp-header": "Count" },
            });
            (json!([{ "name": "safe", "inputSchema": { "type": "object", "properties": properties } }]), Value::Null)
        }
    };
    json_answer(
        &json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "tools": tools, "nextCursor": next } }).to_string(),
    )
}

fn mirroring(seen: &crate::upstream::Seen) -> Say {
    match seen.json()["method"].as_str() {
        Some("tools/list") => list(seen),
        _ => decent(seen),
    }
}

fn lists(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| seen.json()["method"] == "tools/list").count()
}

async fn call(world: &World, tool: &str, arguments: Value, extra: &[(&str, &str)]) -> Answer {
    let (headers, body) = modern("tools/call", Some(tool), json!({ "name": tool, "arguments": arguments }));
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.extend(extra);
    world.post(&headers, &body).await
}

#[tokio::test]
async fn arguments_must_stand_in_their_headers() {
    let upstream = Upstream::new(mirroring).await;
    let world = World::new(http_upstream(&upstream)).await;
    let arguments = || json!({ "region": "us-west", "count": 42 });
    let (region, count) = (("Mcp-Param-Region", "us-west"), ("mcp-param-count", "42"));
    let cases: [(&[(&str, &str)], bool); 8] = [
        (&[region, count], true),
        (&[("Mcp-Param-Region", "=?base64?dXMtd2VzdA==?="), ("Mcp-Param-Count", "42.0")], true),
        (&[region, count, ("Mcp-Param-Unknown", "x")], true),
        (&[region], false),
        (&[region, ("Mcp-Param-Count", "43")], false),
        (&[("Mcp-Param-Region", "US-WEST"), count], false),
        (&[("Mcp-Param-Region", "=?base64?%%?="), count], false),
        (&[], false),
    ];
    for (headers, passes) in cases {
        let before = upstream.calls();
        let answer = call(&world, "safe", arguments(), headers).await;
        assert_eq!((answer.status, upstream.calls() - before), if passes { (200, 1) } else { (400, 0) }, "{headers:?}");
        if !passes {
            assert_eq!(answer.json()["error"]["code"], -32020, "{headers:?}");
            assert_eq!(world.memory.decisions().pop().unwrap()["outcome"], "deny");
        }
    }
    assert_eq!(lists(&upstream), 2, "each page once");
    // Unknown ones travel on as they are.
    let sent = upstream.seen().into_iter().filter_map(|seen| seen.header("mcp-param-unknown").map(str::to_owned));
    assert_eq!(sent.collect::<Vec<_>>(), ["x"]);
    // A header without its argument is as wrong as the reverse.
    assert_eq!(call(&world, "safe", json!({ "count": 42 }), &[region, count]).await.status, 400);
    assert_eq!(call(&world, "safe", json!({ "count": 42 }), &[count]).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_tool_in_no_list_repeats_nothing_and_is_not_looked_for_again_at_once() {
    let upstream = Upstream::new(mirroring).await;
    let world = World::new(http_upstream(&upstream)).await;
    for _ in 0..3 {
        assert_eq!(call(&world, "echo", json!({ "region": "x" }), &[]).await.status, 200);
    }
    assert_eq!((lists(&upstream), upstream.calls()), (2, 3));
    // A list that passes is learned from; and a tool whose annotations break the rules is in none that is modern.
    let (headers, body) = modern("tools/list", None, json!({}));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(world.post(&headers, &body).await.json()["result"]["tools"], json!([]));
    let session = world.session().await;
    let legacy = r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#;
    let listed = world.post(&[("Mcp-Session-Id", &session)], legacy).await.json();
    assert_eq!(listed["result"]["tools"][0]["name"], "broken");
    // Sessions never wait for it.
    let before = lists(&upstream);
    let plain = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"twice"}}"#;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], plain).await.status, 200);
    assert_eq!(lists(&upstream), before);
    world.stop().await;
}

#[tokio::test]
async fn where_the_list_can_not_be_had_the_call_is_refused() {
    let failing = Arc::new(AtomicBool::new(true));
    let fails = Arc::clone(&failing);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/list") if fails.load(Ordering::SeqCst) => {
            counted.fetch_add(1, Ordering::SeqCst);
            Say::Nothing
        }
        Some("tools/list") => json_answer(&format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"none"}}}}"#,
            seen.json()["id"]
        )),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let answer = call(&world, "safe", json!({}), &[]).await;
    assert_eq!((answer.status, answer.json()["error"]["data"]["code"].as_str()), (502, Some("CG2041")), "{answer:?}");
    assert_eq!((upstream.calls(), asked.load(Ordering::SeqCst)), (0, 1));
    // A server that has no list wants nothing repeated.
    failing.store(false, Ordering::SeqCst);
    assert_eq!(call(&world, "safe", json!({}), &[]).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn clients_on_lines_have_their_headers_derived() {
    let upstream = Upstream::new(mirroring).await;
    let world = World::new(http_upstream(&upstream)).await;
    let (_, body) =
        modern("tools/call", None, json!({ "name": "safe", "arguments": { "region": "zürich", "count": 7 } }));
    let derived = || {
        let seen = upstream.seen().pop().unwrap();
        (seen.header("mcp-param-region").map(str::to_owned), seen.header("mcp-param-count").map(str::to_owned))
    };
    let expected = (Some("=?base64?esO8cmljaA==?=".to_owned()), Some("7".to_owned()));
    let mut client = wrap(&world);
    assert!(client.ask(&body).await["result"].is_object());
    assert_eq!(derived(), expected);
    client.leave().await;
    let mut client = bridge(&world, TOKEN);
    assert!(client.ask(&body).await["result"].is_object());
    assert_eq!(derived(), expected);
    client.leave().await;
    world.stop().await;
}

#[tokio::test]
async fn a_list_that_changed_and_is_withheld_stops_calls_until_it_is_seen() {
    let withheld = Arc::new(AtomicBool::new(true));
    let is_withheld = Arc::clone(&withheld);
    let upstream = Upstream::new(move |seen| {
        let message = seen.json();
        let id = &message["id"];
        match message["method"].as_str() {
            Some("tools/list") if is_withheld.load(Ordering::SeqCst) => json_answer(
                &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": "not now" } }).to_string(),
            ),
            Some("tools/call") if message["params"]["name"] == "echo" => events(&[
                "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n".to_owned(),
                format!("data: {}\n\n", json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [] } })),
            ]),
            _ => decent(seen),
        }
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    world.pin(&["echo", "safe"]);
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let call = |tool: &str| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } }).to_string()
    };
    assert!(world.post(&headers, call("safe")).await.json()["result"].is_object());
    world.post(&headers, call("echo")).await;
    for _ in 0..2 {
        let refused = world.post(&headers, call("safe")).await.json();
        assert_eq!(refused["error"]["data"]["code"], "CG2044", "{refused}");
    }
    assert_eq!(upstream.calls(), 2);
    withheld.store(false, Ordering::SeqCst);
    assert!(world.post(&headers, call("safe")).await.json()["result"].is_object());
    assert_eq!(upstream.calls(), 3);
    world.stop().await;
}
