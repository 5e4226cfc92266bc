//! The same on lines: a modern process behind HTTP, and a legacy client on stdio in front of either.

use super::server::{Server, event};
use super::{ALL, call, initialize, request, response, send, session, world};
use crate::http::Open;
use crate::lines::wrap;
use crate::world::{TOKEN, post, script};
use callgate_proxy::{StdioEnd, UpstreamConfig};
use serde_json::json;
use std::path::Path;

/// A modern server in a few lines of shell.
const MODERN: &str = r#"
LOG='@LOG@'
listen=0
say() { printf '%s\n' "$1"; }
while IFS= read -r line; do
  printf '%s\n' "$line" >> "$LOG"
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *'"method":"server/discover"'*)
      say '{"jsonrpc":"2.0","id":'$id',"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"resources":{"subscribe":true},"logging":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"sh","version":"1"}}}}' ;;
    *'"method":"subscriptions/listen"'*)
      listen=$id
      say '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":'$id'},"notifications":{"resourceSubscriptions":["file:///a"]}}}' ;;
    *'"how":"touch"'*)
      say '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","_meta":{"io.modelcontextprotocol/subscriptionId":'$listen'}}}'
      say '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"touched"}}'
      say '{"jsonrpc":"2.0","id":'$id',"result":{"resultType":"complete","content":[]}}' ;;
    *'"how":"elicit"'*'"inputResponses":{"who":{"action":"accept"}},"requestState":"s"'*)
      say '{"jsonrpc":"2.0","id":'$id',"result":{"resultType":"complete","content":[],"asked":true}}' ;;
    *'"how":"elicit"'*)
      say '{"jsonrpc":"2.0","id":'$id',"result":{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{}}}},"requestState":"s"}}' ;;
    *'"how":"hang"'*)
      say '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'$id',"progress":1}}' ;;
    *'"method":"notifications/cancelled"'*) ;;
    *'"how":"die"'*) exit 7 ;;
    *'"id":'*) say '{"jsonrpc":"2.0","id":'$id',"result":{"resultType":"complete","content":[],"pid":'$$'}}' ;;
  esac
done
"#;

fn modern_process(log: &Path) -> UpstreamConfig {
    script(&MODERN.replace("@LOG@", &log.display().to_string()))
}

#[tokio::test]
async fn a_modern_process_behind_http() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = world(modern_process(log.path())).await;
    let (mine, other) = (session(&world, ALL).await, session(&world, ALL).await);
    let pid =
        async |session: &str| send(&world, session, call("safe", "plain")).await.response()["result"]["pid"].clone();
    assert_eq!(pid(&mine).await, pid(&other).await, "sessions are the gateway's: one process serves a grant");

    let headers = [("Mcp-Session-Id", mine.as_str())];
    let mut stream = Open::new(world.address, &post(TOKEN, &headers, call("safe", "elicit").as_bytes())).await;
    stream.until("\"id\":\"callgate-1\"").await;
    assert_eq!(send(&world, &mine, response("callgate-1", &json!({ "action": "accept" }))).await.status, 202);
    let last = stream.rest().await.events().pop().unwrap();
    assert_eq!((last["id"].as_str(), last["result"]["asked"].as_bool()), (Some("mine"), Some(true)));

    let mut stream = Open::new(world.address, &post(TOKEN, &headers, call("safe", "hang").as_bytes())).await;
    stream.until("\"progressToken\":\"tok\"").await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mine"}}"#;
    assert_eq!(send(&world, &mine, cancelled).await.status, 202);
    assert!(stream.rest().await.text().contains("CG2084"));
    // The line before this one's answer.
    send(&world, &mine, call("safe", "plain")).await;
    assert!(std::fs::read_to_string(log.path()).unwrap().contains("notifications/cancelled"));
    world.stop().await;
}

#[tokio::test]
async fn news_and_log_messages_of_a_shared_process() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = world(modern_process(log.path())).await;
    let session = session(&world, ALL).await;
    let get = format!(
        "GET /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    );
    let subscribe = request("resources/subscribe", &json!({ "uri": "file:///a" }));
    assert_eq!(send(&world, &session, &subscribe).await.response()["result"], json!({}));
    let mut stream = Open::new(world.address, get.as_bytes()).await;
    stream.until("event-stream").await;
    // Asked for once more, it is answered when the subscription stands.
    assert_eq!(send(&world, &session, &subscribe).await.response()["result"], json!({}));
    let touched = send(&world, &session, call("safe", "touch")).await.events();
    assert_eq!((touched[0]["params"]["data"].as_str(), touched[1]["id"].as_str()), (Some("touched"), Some("mine")));
    let seen = stream.until("file:///a").await;
    assert!(!seen.contains("subscriptionId"), "{seen}");
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_on_lines_in_front_of_a_modern_process() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = world(modern_process(log.path())).await;
    let mut client = wrap(&world);
    let opened = client.ask(&initialize("2025-06-18", ALL)).await;
    assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(opened["result"]["serverInfo"]["name"], "sh");
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(client.ask(&call("safe", "plain")).await["id"], "mine");
    assert_eq!(client.ask(&call("exec", "plain")).await["result"]["isError"], true);
    let question = client.ask(&call("safe", "elicit")).await;
    assert_eq!(question["method"], "elicitation/create");
    let answer = response(question["id"].as_str().unwrap(), &json!({ "action": "accept" }));
    assert_eq!(client.ask(&answer).await["result"]["asked"], true);
    assert_eq!(client.ask(&answer).await["error"]["data"]["code"], "CG2033");
    assert_eq!(client.ask(&call("safe", "die")).await["error"]["data"]["code"], "CG2047");
    let StdioEnd::ServerEnded(Some(status)) = client.leave().await else { panic!("it went on") };
    assert_eq!(status.code(), Some(7));
    assert_eq!((world.gate.open_sessions(), world.gate.shared_processes()), (0, 0));
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_on_lines_in_front_of_a_modern_http_server() {
    let mut server = Server::new().await;
    let world = world(server.config()).await;
    let mut client = wrap(&world);
    assert_eq!(client.ask(&initialize("2024-11-05", ALL)).await["result"]["serverInfo"]["name"], "modern");
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let (asked, upstream) = server.held().await;
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": asked["id"] });
    let changed =
        json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": { "_meta": meta } });
    upstream.send(event(&changed)).unwrap();
    assert_eq!(
        client.hear().await,
        json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {} })
    );
    let question = client.ask(&call("safe", "elicit")).await;
    let answer = response(question["id"].as_str().unwrap(), &json!({ "action": "decline" }));
    let answered = client.ask(&answer).await;
    assert_eq!(answered["result"]["echo"]["inputResponses"]["who"]["action"], "decline");
    client.leave().await;
    upstream.closed().await;
    assert_eq!(world.gate.open_sessions(), 0);
    world.stop().await;
}
