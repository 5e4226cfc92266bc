//! What a modern server has its client bring back: it comes back as it was given, once, or not at all.

use crate::http::Answer;
use crate::upstream::{Say, Seen, Upstream, decent, events, json_answer};
use crate::world::{Plan, SECOND_TOKEN, TOKEN, World, http_upstream, modern, post, script};
use serde_json::{Value, json};

/// With a quote, an escape and what is no ASCII.
const STATE: &str = "s \"\\ ü";

fn asking(seen: &Seen) -> Say {
    let message = seen.json();
    if !matches!(message["method"].as_str(), Some("tools/call" | "prompts/get")) {
        return decent(seen);
    }
    let result = match message["params"]["requestState"].as_str() {
        Some(state) => json!({ "resultType": "complete", "content": [], "state": state }),
        None => json!({ "resultType": "input_required", "requestState": STATE, "x": 1.5 }),
    };
    let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
    match message["params"]["arguments"]["how"].as_str() {
        Some("events") => events(&[format!("data: {body}\n\n")]),
        _ => json_answer(&body),
    }
}

async fn ask(world: &World, token: &str, method: &str, params: Value) -> Value {
    let (headers, body) = modern(method, params["name"].as_str(), params.clone());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    told(&world.raw(&post(token, &headers, body.as_bytes())).await)
}

fn told(answer: &Answer) -> Value {
    if answer.header("content-type") == Some("text/event-stream") { answer.events()[0].clone() } else { answer.json() }
}

fn given(answer: &Value) -> String {
    answer["result"]["requestState"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_state_comes_back_once_and_for_its_request() {
    let upstream = Upstream::new(asking).await;
    let world = World::new(http_upstream(&upstream)).await;
    for how in ["json", "events"] {
        let params = || json!({ "name": "safe", "arguments": { "how": how, "n": 1.5 } });
        let first = ask(&world, TOKEN, "tools/call", params()).await;
        let state = given(&first);
        assert!(!state.contains(' ') && first["result"]["x"] == 1.5, "{first}");
        let with = |state: &str, change: &dyn Fn(&mut Value)| {
            let mut params = params();
            params["requestState"] = json!(state);
            change(&mut params);
            params
        };
        let mut altered = state.clone();
        altered.replace_range(20..21, if &state[20..21] == "A" { "B" } else { "A" });
        let before = upstream.calls();
        let refused = [
            (TOKEN, "tools/call", with(&altered, &|_| {})),
            (TOKEN, "tools/call", with(STATE, &|_| {})),
            (TOKEN, "tools/call", with("", &|_| {})),
            (TOKEN, "tools/call", with(&state, &|params| params["requestState"] = json!(7))),
            (TOKEN, "tools/call", with(&state, &|params| params["name"] = json!("echo"))),
            (TOKEN, "tools/call", with(&state, &|params| params["arguments"]["n"] = json!(2))),
            (TOKEN, "tools/call", with(&state, &|params| params["extra"] = json!(2))),
            (TOKEN, "prompts/get", with(&state, &|_| {})),
            (SECOND_TOKEN, "tools/call", with(&state, &|_| {})),
        ];
        for (token, method, params) in refused {
            let answer = ask(&world, token, method, params.clone()).await;
            assert_eq!(answer["error"]["data"]["code"], "CG2063", "{params}: {answer}");
            let record = world.memory.decisions().pop().unwrap();
            assert_eq!((&record["outcome"], &record["rule"]), (&json!("deny"), &json!("(request: request state)")));
        }
        assert_eq!(upstream.calls(), before);
        // The order of keys and the way a number is written make no other request; nor do the answers.
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{{"requestState":"{state}","inputResponses":{{}},"arguments":{{"n":1.50,"how":"{how}"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}},"name":"safe"}}}}"#
        );
        let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "safe")];
        let second = told(&world.post(&headers, &body).await);
        assert_eq!(second["result"]["state"], STATE, "{second}");
        let sent = String::from_utf8(upstream.seen().pop().unwrap().body).unwrap();
        assert_eq!(sent, body.replace(&state, &STATE.replace('\\', "\\\\").replace('"', "\\\"")));
        let replayed = told(&world.post(&headers, &body).await);
        assert_eq!(replayed["error"]["code"], -32602, "{replayed}");
        assert!(replayed["error"]["message"].as_str().unwrap().contains("used before"), "{replayed}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_leg_that_is_denied_does_not_use_the_state() {
    let upstream = Upstream::new(asking).await;
    let policy = |max: u8| {
        let limit = json!([{ "counter": "c", "window": "day", "max": max, "scope": "grant" }]);
        json!({ "version": "1", "default": "deny", "tools": { "safe": { "limits": limit } } })
    };
    let world = World::planned(http_upstream(&upstream), Plan { policy: policy(1), ..Plan::default() }).await;
    let state = given(&ask(&world, TOKEN, "tools/call", json!({ "name": "safe" })).await);
    let retry = || json!({ "name": "safe", "requestState": state });
    let denied = ask(&world, TOKEN, "tools/call", retry()).await;
    assert_eq!(denied["result"]["isError"], true, "every leg is charged: {denied}");
    world.publish(&policy(2));
    assert_eq!(ask(&world, TOKEN, "tools/call", retry()).await["result"]["state"], STATE);
    world.stop().await;
}

#[tokio::test]
async fn large_states_and_processes_and_sessions() {
    // A state of a process, which is large.
    let server = r#"
        big=$(head -c 100000 /dev/zero | tr '\0' 'y')
        while IFS= read -r line; do
          id=${line#*'"id":'}; id=${id%%,*}
          case $line in
            *'"method":"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[]}}\n' "$id" ;;
            *'"requestState":"yyyy'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[],"ok":true}}\n' "$id" ;;
            *) printf '{"jsonrpc":"2.0","id":%s,"result":{"resultType":"input_required","requestState":"%s"}}\n' "$id" "$big" ;;
          esac
        done"#;
    let world = World::modern(script(server)).await;
    let state = given(&ask(&world, TOKEN, "tools/call", json!({ "name": "safe" })).await);
    assert!(state.len() > 100_000 && !state.contains("yyyyyyyyyyyy"));
    let second = ask(&world, TOKEN, "tools/call", json!({ "name": "safe", "requestState": state })).await;
    assert_eq!(second["result"]["ok"], true, "{second}");
    world.stop().await;
    // Sessions know no such thing: whatever is called so is theirs.
    let upstream = Upstream::new(asking).await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","requestState":"mine"}}"#;
    let answer = world.post(&[("Mcp-Session-Id", &session)], call).await;
    assert_eq!(answer.json()["result"]["state"], "mine", "{answer:?}");
    world.stop().await;
}
