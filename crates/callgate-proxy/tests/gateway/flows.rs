//! What becomes of a call whose completion a flow requires.

use crate::upstream::{Say, Seen, Upstream, decent, json_answer};
use crate::world::{Plan, World, http_upstream};
use serde_json::{Value, json};

/// A call of `echo` is answered with as many bytes, and in the way, that its arguments say.
fn answering(seen: &Seen) -> Say {
    let message = seen.json();
    let arguments = &message["params"]["arguments"];
    if message["params"]["name"] != "echo" {
        return decent(seen);
    }
    let text = "x".repeat(usize::try_from(arguments["bytes"].as_u64().unwrap()).unwrap());
    json_answer(&match arguments["how"].as_str() {
        Some("fails") => format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"type":"text","text":"{text}"}}],"isError":true}}}}"#,
            message["id"]
        ),
        Some("twice") => format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"isError":true,"isError":false,"content":[{{"text":"{text}"}}]}}}}"#,
            message["id"]
        ),
        _ => format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"text":"{text}"}}]}}}}"#, message["id"]),
    })
}

fn call(tool: &str, arguments: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
        .to_string()
}

#[tokio::test]
async fn a_call_that_failed_completes_nothing_however_long_or_odd_its_answer_is() {
    let upstream = Upstream::new(answering).await;
    let policy = json!({
        "version": "1", "default": "allow",
        "flows": [{ "name": "first", "before": { "tool": "safe" }, "require": { "tool": "echo" }, "within": "1h" }]
    });
    let world = World::planned(http_upstream(&upstream), Plan { policy, ..Plan::default() }).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    for (bytes, how, result, completes) in [
        (10, "fails", "tool_error", false),
        (200_000, "fails", "tool_error", false),
        (10, "twice", "unread", false),
        (200_000, "twice", "unread", false),
        (200_000, "runs", "result", true),
    ] {
        let answer = world.post(&headers, call("echo", &json!({ "bytes": bytes, "how": how }))).await;
        assert!(answer.text().len() > bytes, "{bytes} {how}: it is passed on as it came");
        let refused = world.post(&headers, call("safe", &json!({}))).await.json();
        assert_eq!(refused["result"]["isError"].is_null(), completes, "{bytes} {how}: {refused}");
        let outcomes = world.memory.outcomes();
        let of_echo = outcomes.iter().rev().find(|one| one["bytes"].as_u64() > Some(bytes as u64)).unwrap();
        assert_eq!(of_echo["result"], result, "{bytes} {how}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_long_answer_that_nobody_has_to_read_passes_unread() {
    let upstream = Upstream::new(answering).await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    for (bytes, how, result) in [(10, "fails", "tool_error"), (200_000, "fails", "unread"), (10, "twice", "unread")] {
        let body = call("echo", &json!({ "bytes": bytes, "how": how }));
        assert!(world.post(&[("Mcp-Session-Id", &session)], body).await.text().len() > bytes);
        assert_eq!(world.memory.outcomes().last().unwrap()["result"], result, "{bytes} {how}");
    }
    world.stop().await;
}
