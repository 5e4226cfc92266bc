//! Legacy sessions, headers that travel, quotas and what is given back.

use crate::http::Open;
use crate::upstream::{Say, Upstream, decent, json_answer, json_type};
use crate::world::{SECOND_TOKEN, TOKEN, World, http_upstream, initialize, modern, post};
use serde_json::json;
use tokio::sync::mpsc;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","arguments":{}}}"#;
const TWICE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"twice"}}"#;

fn head(method: &str, token: &str, session: &str) -> Vec<u8> {
    format!(
        "{method} /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_session_is_ours_and_ends_with_delete() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    assert!(session.len() >= 32 && session != "upstream-session");
    let call = world.post(&[("Mcp-Session-Id", &session), ("Cookie", "a=b"), ("X-Other", "1")], CALL).await;
    assert_eq!(call.status, 200);
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.header("mcp-session-id"), Some("upstream-session"));
    assert_eq!(seen.header("x-upstream-key"), Some("of the gateway"));
    for gone in ["authorization", "cookie", "x-other", "connection", "origin"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert_eq!(world.raw(&head("DELETE", SECOND_TOKEN, &session)).await.status, 404);
    assert_eq!(world.raw(&head("DELETE", TOKEN, &session)).await.status, 204);
    assert_eq!(upstream.seen().pop().unwrap().method, http::Method::DELETE);
    let reached = upstream.seen().len();
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.status, 404);
    assert_eq!(upstream.seen().len(), reached);
    world.stop().await;
}

#[tokio::test]
async fn notifications_are_taken_and_unknown_methods_travel() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let answer = world.post(&[("Mcp-Session-Id", &session)], note).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    let odd = r#"{"jsonrpc":"2.0","id":"x","method":"vendor/odd","params":{"unknown":[1.0,{}]},"also":true}"#;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], odd).await.json()["id"], "x");
    assert_eq!(String::from_utf8(upstream.seen().pop().unwrap().body).unwrap(), odd);
    let recorded: Vec<_> = world.memory.decisions().iter().map(|d| d["method"].as_str().unwrap().to_owned()).collect();
    assert_eq!(recorded, ["initialize", "notifications/initialized", "vendor/odd"]);
    world.stop().await;
}

#[tokio::test]
async fn a_modern_call_is_stateless_and_its_headers_travel() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let (headers, body) = modern("tools/call", Some("safe"), json!({ "name": "safe", "arguments": {} }));
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("Mcp-Param-Region", "eu"));
    let answer = world.post(&headers, &body).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "done", "{answer:?}");
    assert_eq!(answer.header("mcp-session-id"), None);
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.body, body.as_bytes());
    for (name, value) in [
        ("mcp-method", "tools/call"),
        ("mcp-name", "safe"),
        ("mcp-param-region", "eu"),
        ("mcp-protocol-version", "2026-07-28"),
    ] {
        assert_eq!(seen.header(name), Some(value));
    }
    let (headers, body) = modern("tools/call", Some("exec"), json!({ "name": "exec" }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let denied = world.post(&headers, &body).await.json();
    assert_eq!((denied["result"]["resultType"].as_str(), denied["id"].as_i64()), (Some("complete"), Some(7)));
    let (headers, body) = modern("missing/method", None, json!({}));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(world.post(&headers, &body).await.status, 404);
    let get = head("GET", TOKEN, "x");
    let get = String::from_utf8(get).unwrap().replace("Mcp-Session-Id: x", "MCP-Protocol-Version: 2026-07-28");
    assert_eq!(world.raw(get.as_bytes()).await.status, 405);
    world.stop().await;
}

#[tokio::test]
async fn a_batch_is_judged_one_by_one_where_batches_are() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session_of(TOKEN, "2025-03-26").await;
    let denied = CALL.replace("safe", "exec").replace("\"id\":1", "\"id\":2");
    let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    let body = format!("[{CALL}, {denied} ,{note}]");
    let answer = world.post(&[("Mcp-Session-Id", &session)], &body).await;
    let json = answer.json();
    assert_eq!(json.as_array().unwrap().len(), 2, "{json}");
    assert_eq!((json[0]["id"].as_i64(), json[0]["result"]["isError"].as_bool()), (Some(1), None));
    assert_eq!((json[1]["id"].as_i64(), json[1]["result"]["isError"].as_bool()), (Some(2), Some(true)));
    assert_eq!(upstream.calls(), 1);
    let notes = world.post(&[("Mcp-Session-Id", &session)], format!("[{note},{note}]")).await;
    assert_eq!(notes.status, 202);
    // A header of a later revision takes the batches away.
    let later = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-06-18")];
    assert_eq!(world.post(&later, &body).await.status, 400);
    world.stop().await;
}

#[tokio::test]
async fn a_quota_is_kept_and_what_did_not_run_is_given_back() {
    type Script = fn() -> Say;
    let cases: [(&str, Script, bool); 5] = [
        ("a result", || json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#), false),
        (
            "an error that says it did not run",
            || json_answer(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"bad"}}"#),
            true,
        ),
        (
            "another error",
            || json_answer(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"broke"}}"#),
            false,
        ),
        ("a broken connection", || Say::Nothing, false),
        ("a page", || Say::Plain(500, vec![("content-type", "text/html".into())], b"<p>".to_vec()), false),
    ];
    for (what, script, given_back) in cases {
        let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
            Some("tools/call") => script(),
            _ => decent(seen),
        })
        .await;
        let world = World::new(http_upstream(&upstream)).await;
        let session = world.session().await;
        for _ in 0..4 {
            world.post(&[("Mcp-Session-Id", &session)], TWICE).await;
        }
        assert_eq!(upstream.calls(), if given_back { 4 } else { 2 }, "{what}");
        let memory = world.stop().await;
        let kept = memory.outcomes().iter().filter(|outcome| outcome["kept"] == true).count();
        assert_eq!(kept, if given_back { 1 } else { 3 }, "{what}: {:?}", memory.outcomes());
    }
}

#[tokio::test]
async fn an_unreachable_server_costs_nothing_and_is_told() {
    let upstream = Upstream::decent().await;
    let config = http_upstream(&upstream);
    drop(upstream);
    let world = World::modern(config).await;
    let (headers, body) = modern("tools/call", Some("twice"), json!({ "name": "twice" }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for _ in 0..3 {
        let answer = world.post(&headers, &body).await;
        assert_eq!((answer.status, answer.json()["error"]["data"]["code"].as_str()), (502, Some("CG2040")));
        assert_eq!(answer.json()["id"], 7);
    }
    let memory = world.stop().await;
    assert!(memory.outcomes().iter().all(|o| o["kept"] == false && o["result"] == "unreachable"));
}

#[tokio::test]
async fn an_edit_of_the_policy_counts_from_the_next_call() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.json()["result"]["isError"], json!(null));
    world.publish(&json!({ "version": "1", "default": "deny" }));
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.json()["result"]["isError"], true);
    world.stop().await;
}

#[tokio::test]
async fn revoking_a_grant_ends_its_streams_and_sessions() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let upstream = Upstream::new(move |seen| match seen.method.as_str() {
        "GET" => Say::Events(vec![], receiver.lock().unwrap().take().unwrap()),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let mut stream = Open::new(world.address, &head("GET", TOKEN, &session)).await;
    sender.send("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n".to_owned()).unwrap();
    stream.until("list_changed").await;
    world.revoke(&["g1"]);
    stream.rest().await;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.status, 401);
    // What was another's goes on.
    assert_eq!(world.raw(&post(SECOND_TOKEN, &[], initialize("2025-11-25").as_bytes())).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_the_upstream_refuses_again_is_lost_here_too() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/call") => Say::Plain(
            404,
            vec![json_type()],
            b"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001,\"message\":\"Session not found\"},\"id\":null}".to_vec(),
        ),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.status, 404);
    let reached = upstream.seen().len();
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.json()["error"]["data"]["code"], "CG2031");
    assert_eq!(upstream.seen().len(), reached);
    world.stop().await;
}
