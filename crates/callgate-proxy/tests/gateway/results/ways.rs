//! The ways that an answer can take: notifications, processes, batches, tasks, resumed streams, bridges, what is no tool.

use super::{plan, policy, ruled, secret};
use crate::child::call;
use crate::lines::wrap;
use crate::reach::ask_modern;
use crate::upstream::{Say, Upstream, decent, events, json_answer};
use crate::world::{Plan, TOKEN, World, http_upstream, initialize, modern, script};
use callgate_proxy::UpstreamEra;
use serde_json::{Value, json};

const GONE: &str = "[REDACTED:aws-access-key-id]";

fn with_top_level() -> Plan {
    let mut policy = policy();
    policy["results"] = json!({ "redact": ["secrets"], "deny_if": [{ "conditions": [{ "path": "result.messages", "op": "exists" }] }] });
    Plan { policy, ..Plan::default() }
}

#[tokio::test]
async fn what_a_server_says_before_its_answer_is_looked_at_too() {
    let secret = secret();
    let progress = format!(
        "id: 1\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\ndata: \"params\":{{\"progressToken\":\"tok\",\"progress\":1,\"message\":\"{secret}\"}}}}\n\n"
    );
    let answer = format!(
        "data: {{\"jsonrpc\":\"2.0\",\ndata: \"id\":\"mine\",\"result\":{{\"content\":[{{\"text\":\"{secret}\"}}]}}}}\n\n"
    );
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/call") => events(&[progress.clone(), answer.clone()]),
        _ => decent(seen),
    })
    .await;
    let world = World::planned(http_upstream(&upstream), plan()).await;
    let session = world.session().await;
    let answer = world.post(&[("Mcp-Session-Id", &session)], call("plain")).await;
    // An event may have several lines of data, and keeps them.
    let text = answer.text();
    let data = |event: &str| event.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<String>();
    let said: Vec<Value> = text.trim().split("\n\n").map(|event| serde_json::from_str(&data(event)).unwrap()).collect();
    assert_eq!(
        (said[0]["params"]["message"].as_str(), said[0]["params"]["progressToken"].as_str()),
        (Some(GONE), Some("tok"))
    );
    assert_eq!(said[1]["result"]["content"][0]["text"], GONE);
    assert_eq!(answer.ids(), ["1"], "the event keeps its id");
    assert_eq!(ruled(&world.memory, &secret).len(), 2);
    world.stop().await;
}

/// A legacy server in a few lines of shell that shows a secret in everything that it says.
fn telling(secret: &str) -> String {
    r#"
while IFS= read -r line; do
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *'"method":"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}\n' "$id" ;;
    *'"method":"server/discover"'*)
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}\n' "$id" ;;
    *'"method":"tools/call"'*)
      case $line in *'"progressToken":'*)
        token=${line#*'"progressToken":'}; token=${token%%[,\}]*}
        printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1,"message":"@SECRET@"}}\n' "$token" ;;
      esac
      printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"it is @SECRET@"}]}}\n' "$id" ;;
    *'"method":"prompts/get"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"messages":[{"role":"user","content":{"type":"text","text":"@SECRET@"}}]}}\n' "$id" ;;
    *'"method":"resources/read"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"contents":[{"uri":"file:///a","text":"@SECRET@"}]}}\n' "$id" ;;
    *'"method":"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"safe"}]}}\n' "$id" ;;
    *'"method":"notifications/poke"'*)
      printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"@SECRET@"}}\n' ;;
    *'"id":'*) printf '{"jsonrpc":"2.0","id":%s,"result":{}}\n' "$id" ;;
  esac
done
"#
    .replace("@SECRET@", secret)
}

#[tokio::test]
async fn a_process_behind_http_behind_lines_and_behind_a_client_of_the_other_era() {
    let secret = secret();
    let world = World::planned(script(&telling(&secret)), plan()).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let check = |events: &[Value]| {
        let text = json!(events).to_string();
        assert!(!text.contains(&secret), "{text}");
        assert_eq!(events.last().unwrap()["result"]["content"][0]["text"], format!("it is {GONE}"), "{text}");
    };
    check(&world.post(&headers, call("plain")).await.events());
    let mut client = wrap(&world);
    client.ask(&initialize("2025-11-25")).await;
    client.say(&call("plain")).await;
    check(&[client.hear().await, client.hear().await]);
    client.leave().await;
    // A modern client: the gateway holds the session.
    let params = json!({ "name": "safe", "arguments": {}, "_meta": { "progressToken": "tok" } });
    let held = ask_modern(&world, "tools/call", Some("safe"), params).await;
    let said = if held.header("content-type") == Some("text/event-stream") { held.events() } else { vec![held.json()] };
    check(&said);
    assert!(ruled(&world.memory, &secret).len() >= 5);
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_in_front_of_a_modern_server() {
    let secret = secret();
    let text = format!("it is {secret}");
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/call") => {
            let message = seen.json();
            let round = message["params"]["requestState"].is_string();
            let result = match round {
                false => json!({ "resultType": "input_required", "requestState": secret_state(),
                    "inputRequests": { "q": { "method": "elicitation/create", "params": { "mode": "form", "message": text, "requestedSchema": { "type": "object", "properties": {} } } } } }),
                true => json!({ "resultType": "complete", "content": [{ "type": "text", "text": text }] }),
            };
            json_answer(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string())
        }
        _ => decent(seen),
    })
    .await;
    let mut plan = plan();
    plan.era = UpstreamEra::Modern;
    plan.policy["elicitation"] = json!({ "allow": ["form"] });
    let world = World::planned(http_upstream(&upstream), plan).await;
    let mut client = wrap(&world);
    let hello = initialize("2025-11-25").replace("\"capabilities\":{}", "\"capabilities\":{\"elicitation\":{}}");
    client.ask(&hello).await;
    let question = client.ask(&call("plain")).await;
    assert_eq!(
        (question["method"].as_str(), question["params"]["message"].as_str()),
        (Some("elicitation/create"), Some("it is [REDACTED:aws-access-key-id]"))
    );
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept", "content": {} } });
    let done = client.ask(&answer.to_string()).await;
    assert_eq!(done["result"]["content"][0]["text"], format!("it is {GONE}"));
    client.leave().await;
    let sent = upstream
        .seen()
        .into_iter()
        .map(|seen| seen.json())
        .filter(|message| message["params"]["requestState"].is_string());
    assert_eq!(
        sent.map(|message| message["params"]["requestState"].clone()).collect::<Vec<_>>(),
        [json!(secret_state())],
        "the state is the server's own"
    );
    world.stop().await;
}

/// A state that looks like a secret, and is none of the client's business.
fn secret_state() -> String {
    super::secret()
}

#[tokio::test]
async fn what_comes_beside_an_answer_that_no_rule_looks_at() {
    let secret = secret();
    let log = format!(
        "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"data\":\"{secret}\"}}}}\n\n"
    );
    let list = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[]}}\n\n".to_owned();
    let refusal = format!(r#"{{"jsonrpc":"2.0","error":{{"code":-32600,"message":"{secret}"}}}}"#);
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/list") => events(&[log.clone(), list.clone()]),
        Some("notifications/poke") => json_answer(&refusal),
        _ => decent(seen),
    })
    .await;
    let world = World::planned(http_upstream(&upstream), with_top_level()).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let said = world.post(&headers, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await.events();
    assert_eq!(said[0]["params"]["data"], GONE, "{said:?}");
    // Nobody asked anything with a notification, so that nothing of an answer to it is anybody's.
    let told = world.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/poke"}"#).await;
    assert_eq!((told.status, told.text().as_str()), (202, ""));
    ruled(&world.memory, &secret);
    world.stop().await;
}

#[tokio::test]
async fn each_answer_of_a_batch() {
    let secret = secret();
    let text = secret.clone();
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/call") => {
            let id = &seen.json()["id"];
            json_answer(&json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [{ "text": text }] } }).to_string())
        }
        _ => decent(seen),
    })
    .await;
    let world = World::planned(http_upstream(&upstream), plan()).await;
    let session = world.session_of(TOKEN, "2025-03-26").await;
    let one = |id: u32, tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    let batch = format!("[{},{}]", one(1, "safe"), one(2, "echo"));
    let headers = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-03-26")];
    let answer = world.post(&headers, batch).await;
    let all = if answer.header("content-type") == Some("text/event-stream") {
        answer.events()
    } else {
        answer.json().as_array().unwrap().clone()
    };
    let of = |id: u32| all.iter().find(|one| one["id"] == id).unwrap()["result"]["content"][0]["text"].clone();
    assert_eq!((of(1), of(2)), (json!(GONE), json!(secret)));
    world.stop().await;
}

#[tokio::test]
async fn the_result_that_a_task_brings() {
    let secret = secret();
    let text = secret.clone();
    let upstream = Upstream::new(move |seen| {
        let message = seen.json();
        let (id, name) = (message["id"].clone(), message["params"]["name"].clone());
        let number = message["params"]["arguments"]["n"].as_str().unwrap_or_default().to_owned();
        let answer = |result: Value| json_answer(&json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string());
        let is_modern = seen.header("mcp-method").is_some();
        let done = json!({ "content": [{ "type": "text", "text": text }] });
        match message["method"].as_str() {
            Some("tools/call") if is_modern => answer(json!({ "resultType": "task", "taskId": format!("m-{}", name.as_str().unwrap()), "status": "working", "ttlMs": 60000 })),
            Some("tools/call") => answer(json!({ "task": { "taskId": format!("l-{}{number}", name.as_str().unwrap()), "status": "working", "ttl": 60000 } })),
            Some("tasks/result") => answer(done),
            Some("tasks/get") => answer(json!({ "resultType": "complete", "taskId": message["params"]["taskId"], "status": "completed", "result": done })),
            _ => decent(seen),
        }
    })
    .await;
    let world = World::planned(http_upstream(&upstream), plan()).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    for (tool, expected) in [("safe", GONE), ("echo", secret.as_str())] {
        let begun =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","task":{{}}}}}}"#);
        assert!(world.post(&headers, begun).await.json()["result"]["task"].is_object());
        let ask = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tasks/result","params":{{"taskId":"l-{tool}"}}}}"#);
        let brought = world.post(&headers, ask).await.json();
        assert_eq!(brought["result"]["content"][0]["text"], expected, "{tool}: {brought}");
        ask_modern(&world, "tools/call", Some(tool), json!({ "name": tool, "arguments": {} })).await;
        let id = format!("m-{tool}");
        let brought = ask_modern(&world, "tasks/get", Some(&id), json!({ "taskId": id })).await.json();
        assert_eq!(brought["result"]["result"]["content"][0]["text"], expected, "{tool}: {brought}");
        assert_eq!(brought["result"]["taskId"], json!(id));
    }
    let records = ruled(&world.memory, &secret);
    let methods: Vec<&str> = records.iter().map(|one| one["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["tools/call", "tasks/get"]);
    assert!(records.iter().all(|one| one["tool"] == "safe"));
    // A task from before there were rules could be of any tool.
    let mut without = policy();
    without["tools"]["safe"] = json!({});
    world.publish(&without);
    let begun =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"n":"2"},"task":{}}}"#;
    world.post(&headers, begun).await;
    world.publish(&policy());
    let ask = r#"{"jsonrpc":"2.0","id":2,"method":"tasks/result","params":{"taskId":"l-echo2"}}"#;
    let refused = world.post(&headers, ask).await.json();
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["data"]["code"]),
        (&json!(-31001), &json!("CG2110")),
        "{refused}"
    );
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_a_resumed_stream_brings() {
    let secret = secret();
    let primed = "id: up-1\nretry: 5\ndata: \n\n";
    let event = |id: &str| {
        format!(
            "id: up-2\ndata: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"result\":{{\"content\":[{{\"text\":\"{secret}\"}}]}}}}\n\n"
        )
    };
    let (mine, other) = (event("mine"), event("other"));
    let upstream = Upstream::new(move |seen| match (seen.method.as_str(), seen.json()["method"].as_str()) {
        (_, Some("tools/call")) => events(&[primed.to_owned()]),
        ("GET", _) if seen.header("last-event-id") == Some("up-1") => events(std::slice::from_ref(&mine)),
        ("GET", _) if seen.header("last-event-id") == Some("up-0") => events(std::slice::from_ref(&other)),
        _ => decent(seen),
    })
    .await;
    let world = World::planned(http_upstream(&upstream), plan()).await;
    let session = world.session().await;
    let begun = world.post(&[("Mcp-Session-Id", &session)], call("plain")).await;
    assert_eq!(begun.text(), primed);
    let get = |last: &str| {
        format!(
            "GET /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n\
             Mcp-Session-Id: {session}\r\nLast-Event-ID: {last}\r\nConnection: close\r\n\r\n"
        )
    };
    let rest = world.raw(get("up-1").as_bytes()).await;
    assert_eq!(rest.response()["result"]["content"][0]["text"], GONE);
    // Of which call this is nobody knows.
    let refused = world.raw(get("up-0").as_bytes()).await.response();
    assert_eq!((&refused["id"], &refused["error"]["data"]["code"]), (&json!("other"), &json!("CG2110")), "{refused}");
    ruled(&world.memory, &secret);
    world.stop().await;
}

#[tokio::test]
async fn a_request_that_uses_an_id_again_does_not_answer_for_the_first() {
    let secret = secret();
    let primed = "id: up-1\nretry: 5\ndata: \n\n";
    let late = format!(
        "id: up-2\ndata: {{\"jsonrpc\":\"2.0\",\"id\":\"mine\",\"result\":{{\"content\":[{{\"text\":\"{secret}\"}}]}}}}\n\n"
    );
    let upstream = Upstream::new(move |seen| match (seen.method.as_str(), seen.json()["params"]["name"].as_str()) {
        (_, Some("safe")) => events(&[primed.to_owned()]),
        ("GET", _) => events(std::slice::from_ref(&late)),
        _ => decent(seen),
    })
    .await;
    let list = r#"{"jsonrpc":"2.0","id":"mine","method":"tools/list"}"#.to_owned();
    for again in [list, call("plain").replace("\"safe\"", "\"echo\"")] {
        let world = World::planned(http_upstream(&upstream), plan()).await;
        let session = world.session().await;
        let headers = [("Mcp-Session-Id", session.as_str())];
        assert_eq!(world.post(&headers, call("plain")).await.text(), primed);
        assert_eq!(world.post(&headers, &again).await.status, 200);
        let get = format!(
            "GET /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n\
             Mcp-Session-Id: {session}\r\nLast-Event-ID: up-1\r\nConnection: close\r\n\r\n"
        );
        let refused = world.raw(get.as_bytes()).await.response();
        assert_eq!(refused["error"]["data"]["code"], "CG2110", "{again}: {refused}");
        ruled(&world.memory, &secret);
        world.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_tool_is_under_the_rules_at_the_top() {
    let secret = secret();
    let world = World::planned(script(&telling(&secret)), with_top_level()).await;
    let session = world.session().await;
    let headers = [("Mcp-Session-Id", session.as_str())];
    let ask = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
    };
    let read = world.post(&headers, ask("resources/read", json!({ "uri": "file:///a" }))).await.response();
    assert_eq!(
        (&read["result"]["contents"][0]["text"], &read["result"]["contents"][0]["uri"]),
        (&json!(GONE), &json!("file:///a"))
    );
    let refused = world.post(&headers, ask("prompts/get", json!({ "name": "p" }))).await.response();
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["data"]["code"]),
        (&json!(-31001), &json!("CG2110")),
        "{refused}"
    );
    assert_eq!(refused["error"]["data"]["dev.callgate/decision"]["rule"], "/results/deny_if/result.messages-exists");
    // What the server says to nobody in particular.
    let mut client = wrap(&world);
    client.ask(&initialize("2025-11-25")).await;
    let said = client.ask(r#"{"jsonrpc":"2.0","method":"notifications/poke"}"#).await;
    assert_eq!(said["params"]["data"], GONE, "{said}");
    client.leave().await;
    // Modern: caches may not share what depends on the grant, and that is kept.
    let (headers, body) = modern("resources/read", Some("file:///a"), json!({ "uri": "file:///a" }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let read = world.post(&headers, &body).await.response();
    assert_eq!(
        (&read["result"]["contents"][0]["text"], &read["result"]["cacheScope"]),
        (&json!(GONE), &json!("private")),
        "{read}"
    );
    let methods: Vec<Value> = ruled(&world.memory, &secret).iter().map(|one| one["method"].clone()).collect();
    assert_eq!(methods, ["resources/read", "prompts/get", "resources/read"]);
    world.stop().await;
}

#[tokio::test]
async fn without_rules_nothing_is_read_that_was_not_read_before() {
    let whole = r#"{"jsonrpc":"2.0","id":"mine","result":{"a":1,"a":2}}"#;
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/call") => Say::Pieces(vec![whole.as_bytes().to_vec()]),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], call("plain")).await.text(), whole);
    assert!(world.memory.decisions().iter().all(|one| one.get("result_of").is_none()));
    world.stop().await;
}
