//! A session on a server that has none, and what goes through it in one round.

use super::server::Server;
use super::{ALL, call, initialize, request, send, session, world};
use crate::http::Open;
use crate::upstream::{Upstream, decent, json_answer};
use crate::world::{TOKEN, http_upstream, post};
use serde_json::{Value, json};

#[tokio::test]
async fn every_legacy_revision_opens_a_session() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let revisions = [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("1999-01-01", "2025-11-25"),
    ];
    for (asked, agreed) in revisions {
        let answer = world.raw(&post(TOKEN, &[], initialize(asked, ALL).as_bytes())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.header("mcp-session-id").is_some());
        let json = answer.json();
        let result = &json["result"];
        assert_eq!((json["id"].as_i64(), result["protocolVersion"].as_str()), (Some(0), Some(agreed)));
        assert_eq!(result["serverInfo"], json!({ "name": "modern", "version": "3" }));
        assert_eq!(result["instructions"], "Be kind.");
        assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
        assert_eq!(result["capabilities"]["logging"], json!({}));
        assert_eq!(result["resultType"], Value::Null);
    }
    let asked = server.asked("server/discover");
    assert_eq!(asked.len(), revisions.len());
    let meta = &asked[0]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "test");
    let expected = json!({ "roots": {}, "sampling": {}, "elicitation": { "form": {}, "url": {} } });
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], expected);
    assert_eq!(server.upstream.seen().len(), revisions.len(), "nothing else was sent");
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_modern_after_all_opens_none() {
    let cases: [(&str, &str); 2] = [
        (r#""error":{"code":-32601,"message":"unknown method"}"#, "unknown method"),
        (r#""result":{"resultType":"complete","supportedVersions":["2099-01-01"],"capabilities":{}}"#, "2099-01-01"),
    ];
    for (rest, why) in cases {
        let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
            Some("server/discover") => json_answer(&format!(r#"{{"jsonrpc":"2.0","id":0,{rest}}}"#)),
            _ => decent(seen),
        })
        .await;
        let world = world(http_upstream(&upstream)).await;
        let answer = world.raw(&post(TOKEN, &[], initialize("2025-11-25", "{}").as_bytes())).await;
        assert_eq!((answer.status, answer.header("mcp-session-id")), (502, None), "{answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(why), "{answer:?}");
        assert_eq!(world.gate.open_sessions(), 0);
        world.stop().await;
    }
}

#[tokio::test]
async fn lists_and_calls_are_translated_and_judged() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, "{}").await;
    let listed = send(&world, &session, request("tools/list", &json!({}))).await.response();
    let tools = json!([{ "name": "safe", "inputSchema": { "type": "object" }, "x": 1.5 }]);
    assert_eq!((&listed["id"], &listed["result"]["tools"]), (&json!("mine"), &tools));

    let answer = send(&world, &session, call("safe", "plain")).await;
    let json = answer.response();
    assert_eq!((json["id"].as_str(), json["result"]["content"][0]["text"].as_str()), (Some("mine"), Some("done")));
    let seen = server.upstream.seen().pop().unwrap();
    assert_eq!(seen.header("mcp-name"), Some("safe"));
    let meta = &seen.json()["params"]["_meta"];
    assert_eq!(
        (meta["progressToken"].as_str(), meta["io.modelcontextprotocol/logLevel"].as_str()),
        (Some("tok"), None)
    );

    let structured = send(&world, &session, call("safe", "structured")).await.response();
    assert_eq!(structured["result"].get("structuredContent"), None, "{structured}");
    let before = server.upstream.calls();
    let denied = send(&world, &session, call("exec", "plain")).await.response();
    assert_eq!((denied["result"]["isError"].as_bool(), denied["result"].get("resultType")), (Some(true), None));
    assert_eq!(server.upstream.calls(), before);
    world.stop().await;
}

#[tokio::test]
async fn errors_are_those_that_legacy_clients_know() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, "{}").await;
    let table = [
        (request("resources/read", &json!({ "uri": "file:///x" })), 200, -32602, "unknown resource"),
        (request("prompts/list", &json!({})), 200, -32601, "no prompts"),
        (call("safe", "needs"), 200, -32600, "`sampling`"),
        (call("safe", "task"), 200, -31002, "`task`"),
        (call("safe", "page"), 200, -31002, "404"),
        (request("tasks/list", &json!({})), 200, -32601, "tasks/list"),
        (request("server/discover", &json!({})), 200, -32601, "server/discover"),
        (request("logging/setLevel", &json!({ "level": "loud" })), 200, -32602, "eight levels"),
        (request("resources/subscribe", &json!({})), 400, -32602, "`uri`"),
    ];
    for (body, status, code, why) in table {
        let answer = send(&world, &session, &body).await;
        let json = answer.response();
        assert_eq!((answer.status, json["error"]["code"].as_i64()), (status, Some(code)), "{body}: {answer:?}");
        assert_eq!(json["id"], "mine");
        assert!(json["error"]["message"].as_str().unwrap().contains(why), "{json}");
    }
    // The session lives on.
    assert_eq!(send(&world, &session, call("safe", "plain")).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn what_only_sessions_have_ends_at_the_gateway() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, "{}").await;
    let reached = server.upstream.seen().len();
    for method in ["initialized", "roots/list_changed", "progress", "cancelled"] {
        let note = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{"requestId":7}}}}"#);
        assert_eq!(send(&world, &session, note).await.status, 202, "{method}");
    }
    assert_eq!(send(&world, &session, request("ping", &json!({}))).await.response()["result"], json!({}));
    assert_eq!(server.upstream.seen().len(), reached);
    let vendor = r#"{"jsonrpc":"2.0","method":"notifications/vendor","params":{"a":1.50}}"#;
    assert_eq!(send(&world, &session, vendor).await.status, 202);
    assert_eq!(server.upstream.seen().pop().unwrap().body, vendor.as_bytes());

    let level = request("logging/setLevel", &json!({ "level": "warning" }));
    assert_eq!(send(&world, &session, level).await.response()["result"], json!({}));
    let called = send(&world, &session, call("safe", "plain")).await.response();
    assert_eq!(called["result"]["echo"]["_meta"]["io.modelcontextprotocol/logLevel"], "warning");
    world.stop().await;
}

#[tokio::test]
async fn progress_streams_and_a_cancelled_call_ends() {
    let mut server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, "{}").await;
    let answer = send(&world, &session, call("safe", "progress")).await;
    let events = answer.events();
    let steps: Vec<_> = events.iter().map(|event| event["params"]["progress"].as_i64()).collect();
    assert_eq!(steps, [Some(1), Some(2), None], "{answer:?}");
    assert_eq!((events[0]["params"]["progressToken"].as_str(), events[2]["id"].as_str()), (Some("tok"), Some("mine")));

    for how in ["hang", "silent"] {
        let headers = [("Mcp-Session-Id", session.as_str())];
        let stream = Open::new(world.address, &post(TOKEN, &headers, call("safe", how).as_bytes())).await;
        let (_, upstream) = server.held().await;
        let other = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"other"}}"#;
        assert_eq!(send(&world, &session, other).await.status, 202);
        assert!(!upstream.is_closed());
        assert_eq!(send(&world, &session, other.replace("other", "mine")).await.status, 202);
        upstream.closed().await;
        let rest = stream.rest().await;
        assert!(rest.text().contains("CG2084"), "{how}: {rest:?}");
    }
    world.stop().await;
}
