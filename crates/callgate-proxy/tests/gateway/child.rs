//! Child processes as upstreams: ids of their own, streams, questions, and a sure end.

use crate::http::Open;
use crate::world::{TOKEN, World, modern, post, script};
use serde_json::json;
use std::path::Path;

/// A server in a few lines of shell. The id comes first in what the gateway writes, as in what the tests send.
pub const SERVER: &str = r#"
LOG="$1"
while IFS= read -r line; do
  [ -n "$LOG" ] && printf '%s\n' "$line" >> "$LOG"
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *'"method":"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"sh","version":"1"}}}\n' "$id" ;;
    *'"how":"progress"'*)
      printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1}}\n' "$id"
      printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":999,"progress":1}}\n'
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}\n' "$id" ;;
    *'"how":"ask"'*)
      printf '{"jsonrpc":"2.0","id":"q1","method":"roots/list"}\n'
      IFS= read -r answer
      [ -n "$LOG" ] && printf '%s\n' "$answer" >> "$LOG"
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[],"asked":true}}\n' "$id" ;;
    *'"how":"strange"'*)
      printf '{"jsonrpc":"2.0","id":424242,"result":{"stolen":1}}\nnot json\n'
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}\n' "$id"
      printf '{"jsonrpc":"2.0","id":%s,"result":{"again":1}}\n' "$id" ;;
    *'"how":"unreadable"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"a":1,"a":2}}\n' "$id" ;;
    *'"how":"die"'*) exit 7 ;;
    *'"how":"wait"'*)
      read -r _ < "$GATE"
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[],"waited":true}}\n' "$id" ;;
    *'"method":"notifications/poke"'*)
      printf '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n' ;;
    *'"method":"tools/list"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"delete_x"},{"name":"safe"}]}}\n' "$id" ;;
    *'"id":'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[],"pid":%s}}\n' "$id" "$$" ;;
  esac
done
"#;

pub fn call(how: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{{"name":"safe","arguments":{{"how":"{how}"}},"_meta":{{"progressToken":"tok"}}}}}}"#
    )
}

fn server_with_log(log: &Path) -> callgate_proxy::UpstreamConfig {
    script(&SERVER.replacen("LOG=\"$1\"", &format!("LOG='{}'", log.display()), 1))
}

fn exists(pid: i64) -> bool {
    // A zombie is gone too: nobody but its parent still sees it.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_session_has_a_process_of_its_own() {
    let world = World::new(script(SERVER)).await;
    let (first, second) = (world.session().await, world.session().await);
    let ask = async |session: &str| world.post(&[("Mcp-Session-Id", session)], call("plain")).await;
    let answer = ask(&first).await;
    assert_eq!((answer.status, answer.response()["id"].as_str()), (200, Some("mine")), "{answer:?}");
    let (one, two) = (
        answer.response()["result"]["pid"].as_i64().unwrap(),
        ask(&second).await.response()["result"]["pid"].as_i64().unwrap(),
    );
    assert_ne!(one, two);
    let delete = format!(
        "DELETE /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nMcp-Session-Id: {first}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(world.raw(delete.as_bytes()).await.status, 204);
    assert_eq!(ask(&first).await.status, 404);
    assert_eq!(ask(&second).await.response()["result"]["pid"].as_i64(), Some(two));
    // Stopping waits until every process has ended.
    world.stop().await;
    assert!(!exists(one) && !exists(two));
}

#[tokio::test]
async fn modern_calls_share_one_process() {
    let world = World::new(script(SERVER)).await;
    let (headers, body) = modern("tools/call", Some("safe"), json!({ "name": "safe", "arguments": {} }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = body.replacen("\"id\":7,", "", 1).replacen('{', "{\"id\":7,", 1);
    let one = world.post(&headers, &body).await.json();
    let two = world.post(&headers, &body).await.json();
    assert_eq!(one["id"], 7);
    assert_eq!(one["result"]["pid"], two["result"]["pid"]);
    assert_eq!(world.gate.shared_processes(), 1);
    world.stop().await;
}

#[tokio::test]
async fn answers_find_their_request_and_no_other() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server_with_log(log.path())).await;
    let session = world.session().await;
    let send = async |how: &str| world.post(&[("Mcp-Session-Id", &session)], call(how)).await;

    let progress = send("progress").await;
    let events = progress.events();
    assert_eq!(events.len(), 2, "{progress:?}");
    assert_eq!(events[0]["params"]["progressToken"], "tok");
    assert_eq!(events[1]["id"], "mine");

    let strange = send("strange").await;
    assert_eq!((strange.events().len(), strange.response()["id"].as_str()), (1, Some("mine")), "{strange:?}");
    assert_eq!(send("unreadable").await.response()["error"]["data"]["code"], "CG2044");
    assert_eq!(send("plain").await.response()["id"], "mine");

    let list = r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#;
    assert_eq!(
        world.post(&[("Mcp-Session-Id", &session)], list).await.response()["result"]["tools"],
        json!([{ "name": "safe" }])
    );

    // A line end inside of a message is no second message.
    let before = std::fs::read_to_string(log.path()).unwrap().lines().count();
    let split = call("plain").replace("\"params\":", "\n\"params\":\r\n");
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], split).await.status, 200);
    let after = std::fs::read_to_string(log.path()).unwrap();
    assert_eq!(after.lines().count(), before + 1, "{after}");
    world.stop().await;
}

#[tokio::test]
async fn a_question_reaches_the_client_and_its_answer_the_server() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server_with_log(log.path())).await;
    let session = world.session().await;
    let unasked = r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], unasked).await.status, 400);
    let mut stream =
        Open::new(world.address, &post(TOKEN, &[("Mcp-Session-Id", &session)], call("ask").as_bytes())).await;
    stream.until("roots/list").await;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], unasked).await.status, 202);
    let rest = stream.rest().await;
    assert_eq!(rest.events().pop().unwrap()["result"]["asked"], true);
    assert!(std::fs::read_to_string(log.path()).unwrap().contains("\"roots\":[]"));
    world.stop().await;
}

#[tokio::test]
async fn a_process_that_dies_fails_its_calls_and_ends_its_session() {
    let world = World::new(script(SERVER)).await;
    let session = world.session().await;
    let died = world.post(&[("Mcp-Session-Id", &session)], call("die")).await;
    assert_eq!(died.response()["error"]["data"]["code"], "CG2047", "{died:?}");
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], call("plain")).await.status, 404);
    let again = world.session().await;
    assert_eq!(world.post(&[("Mcp-Session-Id", &again)], call("plain")).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_process_that_dies_at_once_is_not_started_over_and_over() {
    let world = World::new(script("exit 3")).await;
    let start = async || {
        let body = crate::world::initialize("2025-11-25");
        world.raw(&post(TOKEN, &[], body.as_bytes())).await.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    let mut said = Vec::new();
    while !said.iter().any(|text: &String| text.contains("the next try is in")) {
        said.push(start().await);
        assert!(said.len() < 50, "{said:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_process_that_ignores_its_end_is_killed_with_its_children() {
    let stubborn =
        "trap '' TERM; sleep 1000 & printf '%s\\n' \"$!\" > \"$PIDS\"; while :; do read -r x || sleep 0.05; done";
    let pids = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(script(&stubborn.replace("$PIDS", &pids.path().display().to_string()))).await;
    let waiting = Open::new(world.address, &post(TOKEN, &[], crate::world::initialize("2025-11-25").as_bytes())).await;
    let child: i64 = loop {
        match std::fs::read_to_string(pids.path()).unwrap().trim().parse() {
            Ok(pid) => break pid,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert!(exists(child));
    world.stop().await;
    assert!(!exists(child));
    drop(waiting);
}

#[tokio::test]
async fn a_process_sees_only_what_it_is_given() {
    let show = r#"while IFS= read -r line; do id=${line#*'"id":'}; id=${id%%,*}; printf '{"jsonrpc":"2.0","id":%s,"result":{"env":"%s"}}\n' "$id" "$(env | cut -d= -f1 | sort | tr '\n' ' ')"; done"#;
    let world = World::new(script(show)).await;
    let answer = world.raw(&post(TOKEN, &[], crate::world::initialize("2025-11-25").as_bytes())).await;
    let env = answer.json()["result"]["env"].as_str().unwrap().to_owned();
    // The shell sets the rest by itself.
    let given: Vec<&str> =
        env.split_whitespace().filter(|name| !matches!(*name, "PWD" | "OLDPWD" | "SHLVL" | "_")).collect();
    assert_eq!(given, ["PATH"]);
    world.stop().await;
}
