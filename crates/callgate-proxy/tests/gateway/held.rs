//! Modern clients in front of legacy servers on standard streams: held sessions, questions as `input_required`,
//! subscriptions.

use crate::http::{Answer, Open};
use crate::world::{Plan, SECOND_TOKEN, TOKEN, World, post, script};
use callgate_proxy::{Sharing, Timeouts, UpstreamConfig};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// A legacy server that does as the argument `how` says. It asks in the middle of a call, and waits for the answer.
const SERVER: &str = r#"
LOG='@LOG@'
log() { [ -n "$LOG" ] && printf '%s\n' "$1" >> "$LOG"; }
say() { printf '%s\n' "$1"; }
listen() { IFS= read -r answer; log "$answer"; }
form() { say '{"jsonrpc":"2.0","id":"'"$1"'","method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}}'; }
while IFS= read -r line; do
  log "$line"
  id=${line#*'"id":'}; id=${id%%,*}
  case $line in
    *'"method":"initialize"'*)
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"tasks":{}},"serverInfo":{"name":"sh","version":"1"},"instructions":"be kind"}}' ;;
    *'"method":"server/discover"'*)
      say '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32601,"message":"no such method"}}' ;;
    *'"method":"tools/list"'*)
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{"tools":[{"name":"delete_x"},{"name":"safe"}],"ttlMs":9,"resultType":"odd"}}' ;;
    *'"method":"resources/read"'*)
      say '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32002,"message":"not found","data":{"uri":"x"}}}' ;;
    *'"method":"resources/subscribe"'*)
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{}}'
      say '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///other"}}'
      say '{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}'
      say '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
      say '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a/b"}}' ;;
    *'"how":"progress"'*)
      token=${line#*'"progressToken":'}; token=${token%%[,\}]*}
      say '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'"$token"',"progress":1}}'
      say '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"low"}}'
      say '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"high"}}'
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[]}}' ;;
    *'"how":"ask"'*)
      form a; listen
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[],"told":'"$answer"'}}' ;;
    *'"how":"rounds"'*)
      form a; listen; form a; listen
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[],"told":'"$answer"'}}' ;;
    *'"how":"both"'*)
      say "$(form a; say '{"jsonrpc":"2.0","id":7,"method":"roots/list"}')"; listen; listen
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[],"told":'"$answer"'}}' ;;
    *'"how":"url"'*)
      say '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32042,"message":"visit","data":{"elicitations":[{"mode":"url","message":"sign in","url":"https://example.com/","elicitationId":"e"}]}}}' ;;
    *'"how":"die"'*) form a; exit 7 ;;
    *'"how":"slow"'*) say '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"working"}}' ;;
    *'"id":'*)
      say '{"jsonrpc":"2.0","id":'"$id"',"result":{"content":[],"pid":'"$$"'}}' ;;
  esac
done
"#;

pub fn server(log: &Path) -> UpstreamConfig {
    script(&SERVER.replace("@LOG@", &log.display().to_string()))
}

/// A modern request of a client with these capabilities.
pub struct Leg {
    pub method: &'static str,
    pub name: Option<&'static str>,
    pub params: Value,
    pub capabilities: Value,
}

impl Leg {
    pub fn call(how: &str, capabilities: Value) -> Self {
        let params = json!({ "name": "safe", "arguments": { "how": how } });
        Self { method: "tools/call", name: Some("safe"), params, capabilities }
    }

    pub fn of(method: &'static str, name: Option<&'static str>, params: Value) -> Self {
        Self { method, name, params, capabilities: json!({}) }
    }

    /// The leg that answers `required`.
    pub fn answering(mut self, required: &Value, responses: Value) -> Self {
        self.params["requestState"] = required["result"]["requestState"].clone();
        self.params["inputResponses"] = responses;
        self
    }

    pub fn bytes(&self, token: &str, id: i64) -> Vec<u8> {
        let mut params = self.params.clone();
        if params["_meta"].is_null() {
            params["_meta"] = json!({});
        }
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": self.method, "params": params }).to_string();
        let mut headers = vec![("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", self.method)];
        headers.extend(self.name.map(|name| ("Mcp-Name", name)));
        post(token, &headers, body.as_bytes())
    }

    pub async fn send(&self, world: &World, id: i64) -> Answer {
        world.raw(&self.bytes(TOKEN, id)).await
    }
}

fn elicits() -> Value {
    json!({ "elicitation": {}, "roots": {} })
}

fn accept(name: &str) -> Value {
    json!({ "q1": { "action": "accept", "content": { "name": name } } })
}

fn log_of(log: &tempfile::NamedTempFile) -> Vec<Value> {
    let text = std::fs::read_to_string(log.path()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_legacy_server_is_found_out_once_and_served_through_one_session() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let listed = Leg::of("tools/list", None, json!({ "_meta": { "own": 1 } })).send(&world, 1).await.json();
    assert_eq!(
        listed["result"],
        json!({ "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": [{ "name": "safe" }] })
    );
    let called = Leg::call("plain", json!({})).send(&world, 2).await.json();
    assert_eq!((called["id"].as_i64(), called["result"]["resultType"].as_str()), (Some(2), Some("complete")));
    let discovered = Leg::of("server/discover", None, json!({})).send(&world, 3).await.json();
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["supportedVersions"].as_array().unwrap().len(), 5);
    assert_eq!((result["capabilities"].get("tasks"), &result["instructions"]), (None, &json!("be kind")));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "sh");
    let missing = Leg::of("resources/read", Some("file:///x"), json!({ "uri": "file:///x" })).send(&world, 4).await;
    assert_eq!(
        (missing.json()["error"]["code"].as_i64(), &missing.json()["error"]["data"]["uri"]),
        (Some(-32602), &json!("x"))
    );
    for (method, params) in [("ping", json!({})), ("tasks/list", json!({}))] {
        let refused = Leg::of(method, None, params).send(&world, 5).await;
        assert_eq!((refused.status, refused.json()["error"]["code"].as_i64()), (404, Some(-32601)), "{refused:?}");
    }
    assert_eq!((world.gate.held_sessions(), world.gate.shared_processes()), (1, 1));

    let lines = log_of(&log);
    let methods: Vec<_> = lines.iter().map(|line| line["method"].as_str().unwrap()).collect();
    assert_eq!(
        methods,
        ["server/discover", "initialize", "notifications/initialized", "tools/list", "tools/call", "resources/read"]
    );
    assert_eq!(lines[1]["params"]["clientInfo"]["name"], "test");
    // The client's own `_meta` stays, the protocol's does not travel.
    assert_eq!(lines[3]["params"], json!({ "_meta": { "own": 1 } }));
    assert_eq!(lines[4]["params"], json!({ "name": "safe", "arguments": { "how": "plain" } }));
    let recorded: Vec<_> =
        world.memory.decisions().iter().map(|one| one["method"].as_str().unwrap().to_owned()).collect();
    assert_eq!(recorded[..5], ["tools/list", "(probe)", "(initialize)", "(initialized)", "tools/call"]);
    world.stop().await;
}

#[tokio::test]
async fn progress_and_log_messages_reach_the_request_that_wants_them() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let mut leg = Leg::call("progress", json!({}));
    leg.params["_meta"] = json!({ "progressToken": "mine", "io.modelcontextprotocol/logLevel": "warning" });
    let events = leg.send(&world, 1).await.events();
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[0]["params"]["progressToken"], "mine");
    assert_eq!(events[1]["params"]["data"], "high");
    assert_eq!(events[2]["result"]["resultType"], "complete");
    // Without a level there are no log messages, and without a token no progress.
    let silent = Leg::call("progress", json!({})).send(&world, 2).await;
    assert_eq!(silent.header("content-type"), Some("application/json"), "{silent:?}");
    let levels: Vec<_> = log_of(&log).into_iter().filter(|line| line["method"] == "logging/setLevel").collect();
    assert_eq!(levels.len(), 1);
    assert_eq!(levels[0]["params"], json!({ "level": "warning" }));
    world.stop().await;
}

#[tokio::test]
async fn a_question_becomes_input_required_and_its_answer_goes_on_with_the_call() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let asked = Leg::call("ask", elicits()).send(&world, 1).await.json();
    assert_eq!((asked["id"].as_i64(), asked["result"]["resultType"].as_str()), (Some(1), Some("input_required")));
    let question = &asked["result"]["inputRequests"]["q1"];
    assert_eq!(
        (question["method"].as_str(), question["params"]["message"].as_str()),
        (Some("elicitation/create"), Some("who?"))
    );
    assert_eq!(world.gate.waiting_calls(), 1);
    // What does not fit is refused, and the call still waits.
    for bad in [
        json!({ "q1": { "action": "accept", "content": {} } }),
        json!({ "q1": { "action": "shrug" } }),
        json!({ "q1": 1 }),
    ] {
        let refused = Leg::call("ask", elicits()).answering(&asked, bad).send(&world, 2).await;
        assert_eq!(
            (refused.status, refused.json()["error"]["data"]["code"].as_str()),
            (400, Some("CG2071")),
            "{refused:?}"
        );
    }
    let done = Leg::call("ask", elicits()).answering(&asked, accept("ada")).send(&world, 3).await.json();
    assert_eq!(done["id"], 3, "{done}");
    assert_eq!(done["result"]["told"]["result"]["content"]["name"], "ada");
    assert_eq!((world.gate.waiting_calls(), world.gate.held_sessions()), (0, 1));
    // Each leg is judged, and each answer is good for one use.
    let legs = world.memory.decisions().into_iter().filter(|one| one["method"] == "tools/call").count();
    assert_eq!(legs, 5);
    let replayed = Leg::call("ask", elicits()).answering(&asked, accept("eve")).send(&world, 4).await.json();
    assert_eq!(replayed["error"]["data"]["code"], "CG2063");
    assert!(!log_of(&log).iter().any(|line| line.to_string().contains("eve")));
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_the_same_request_does_not_go_on() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let asked = Leg::call("ask", elicits()).send(&world, 1).await.json();
    let state = asked["result"]["requestState"].as_str().unwrap().to_owned();
    let mut altered = asked.clone();
    let flipped = if state.ends_with('0') { "1" } else { "0" };
    altered["result"]["requestState"] = format!("{}{flipped}", &state[..state.len() - 1]).into();
    let mut other = Leg::call("ask", elicits()).answering(&asked, accept("x"));
    other.params["arguments"]["more"] = 1.into();
    let foreign = Leg::call("ask", elicits()).answering(&asked, accept("x"));
    let cases = [
        ("altered", TOKEN, Leg::call("ask", elicits()).answering(&altered, accept("x"))),
        ("other arguments", TOKEN, other),
        ("another grant", SECOND_TOKEN, foreign),
    ];
    let before = log_of(&log).len();
    for (what, token, leg) in cases {
        let refused = world.raw(&leg.bytes(token, 2)).await;
        assert_eq!(
            (refused.status, refused.json()["error"]["data"]["code"].as_str()),
            (200, Some("CG2063")),
            "{what}: {refused:?}"
        );
    }
    assert_eq!(log_of(&log).len(), before);
    // Answers without a state continue nothing: the call begins anew, and is asked anew.
    let mut anew = Leg::call("ask", elicits()).answering(&asked, accept("x"));
    anew.params.as_object_mut().unwrap().remove("requestState");
    assert_eq!(anew.send(&world, 4).await.json()["result"]["resultType"], "input_required");
    // Another order of the same arguments is the same request.
    let mut same = Leg::call("ask", elicits()).answering(&asked, accept("ada"));
    same.params["arguments"] = serde_json::from_str("{ \"how\" : \"\\u0061sk\" }").unwrap();
    assert_eq!(same.send(&world, 3).await.json()["result"]["told"]["result"]["action"], "accept");
    world.stop().await;
}

#[tokio::test]
async fn several_rounds_and_several_questions_at_once() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let first = Leg::call("rounds", elicits()).send(&world, 1).await.json();
    let second = Leg::call("rounds", elicits()).answering(&first, accept("one")).send(&world, 2).await.json();
    assert_eq!(second["result"]["resultType"], "input_required", "{second}");
    assert_eq!(second["id"], 2);
    let responses = json!({ "q2": { "action": "accept", "content": { "name": "two" } } });
    let done = Leg::call("rounds", elicits()).answering(&second, responses).send(&world, 3).await.json();
    assert_eq!(done["result"]["told"]["result"]["content"]["name"], "two");

    let mut required = Leg::call("both", elicits()).send(&world, 4).await.json();
    let mut answered = 0;
    // However the two questions arrive, each is asked until it is answered, and none twice after that.
    while required["result"]["resultType"] == "input_required" {
        let (key, question) = required["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
        let response = match question["method"].as_str().unwrap() {
            "roots/list" => json!({ "roots": [{ "uri": "file:///r" }] }),
            _ => json!({ "action": "decline" }),
        };
        let leg = Leg::call("both", elicits()).answering(&required, json!({ key: response }));
        required = leg.send(&world, 5 + answered).await.json();
        answered += 1;
        assert!(answered <= 2, "{required}");
    }
    assert_eq!((answered, required["result"]["resultType"].as_str()), (2, Some("complete")));
    let replies: Vec<_> = log_of(&log).into_iter().filter(|line| line["method"].is_null()).collect();
    assert_eq!(replies.len(), 4);
    assert!(replies.iter().any(|reply| reply["id"] == 7 && reply["result"]["roots"][0]["uri"] == "file:///r"));
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_can_not_be_asked_is_not_asked() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let done = Leg::call("ask", json!({ "sampling": {} })).send(&world, 1).await.json();
    assert_eq!(
        (done["result"]["resultType"].as_str(), done["result"]["told"]["error"]["code"].as_i64()),
        (Some("complete"), Some(-32601))
    );
    let url = Leg::call("url", json!({ "elicitation": { "url": {} } })).send(&world, 2).await.json();
    assert_eq!(
        url["result"]["inputRequests"]["q1"]["params"],
        json!({ "mode": "url", "message": "sign in", "url": "https://example.com/" })
    );
    let again = Leg::call("url", json!({ "elicitation": { "url": {} } }));
    let again = again.answering(&url, json!({ "q1": { "action": "accept" } })).send(&world, 3).await.json();
    assert_eq!(again["result"]["resultType"], "input_required");
    let lacking = Leg::call("url", elicits()).send(&world, 4).await.json();
    assert_eq!(lacking["error"]["code"], -32021);
    world.stop().await;
}

#[tokio::test]
async fn a_question_that_the_policy_denies_is_refused_to_the_server() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let policy = json!({ "version": "1", "default": "deny", "tools": { "safe": {} } });
    let world = World::planned(server(log.path()), Plan { policy, ..Plan::default() }).await;
    let done = Leg::call("ask", elicits()).send(&world, 1).await.json();
    assert_eq!(done["result"]["told"]["error"]["data"]["code"], "CG2061", "{done}");
    let denied = world.memory.decisions().into_iter().find(|one| one["method"] == "elicitation/create").unwrap();
    assert_eq!(denied["outcome"], "deny");
    assert_eq!(world.gate.waiting_calls(), 0);
    world.stop().await;
}

#[tokio::test]
async fn two_calls_at_once_do_not_mix() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let (one, two) = (Leg::call("ask", elicits()), Leg::call("ask", elicits()));
    let first = one.send(&world, 1).await.json();
    let second = two.send(&world, 2).await.json();
    assert_ne!(first["result"]["requestState"], second["result"]["requestState"]);
    assert_eq!((world.gate.held_sessions(), world.gate.waiting_calls()), (2, 2));
    let told = async |required: &Value, name: &str, id: i64| {
        let leg = Leg::call("ask", elicits()).answering(required, accept(name));
        leg.send(&world, id).await.json()["result"]["told"]["result"]["content"]["name"].clone()
    };
    assert_eq!(told(&second, "second", 3).await, "second");
    assert_eq!(told(&first, "first", 4).await, "first");
    world.stop().await;
}

#[tokio::test]
async fn a_call_that_nobody_answers_is_given_up() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let timeouts = Timeouts { idle: Duration::from_millis(50), ..Timeouts::default() };
    let world = World::planned(server(log.path()), Plan { timeouts, ..Plan::default() }).await;
    let asked = Leg::call("ask", elicits()).send(&world, 1).await.json();
    while world.gate.waiting_calls() > 0 {
        tokio::task::yield_now().await;
    }
    let late = Leg::call("ask", elicits()).answering(&asked, accept("late")).send(&world, 2).await.json();
    assert_eq!(late["error"]["data"]["code"], "CG2063");
    // The server was told, and its call was cancelled.
    loop {
        let lines = log_of(&log);
        let told = lines.iter().any(|line| line["id"] == "a" && line["error"]["code"] == -32603);
        if told && lines.iter().any(|line| line["method"] == "notifications/cancelled") {
            break;
        }
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_while_its_client_is_away_is_told_with_the_next_leg() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let asked = Leg::call("die", elicits()).send(&world, 1).await.json();
    let gone = Leg::call("die", elicits()).answering(&asked, accept("x")).send(&world, 2).await;
    assert_eq!(gone.json()["error"]["data"]["code"], "CG2047", "{gone:?}");
    assert_eq!(Leg::call("plain", elicits()).send(&world, 3).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_has_cancelled() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let mut leg = Leg::call("slow", json!({}));
    leg.params["_meta"] = json!({ "io.modelcontextprotocol/logLevel": "debug" });
    let mut open = Open::new(world.address, &leg.bytes(TOKEN, 1)).await;
    open.until("working").await;
    drop(open);
    loop {
        let lines = log_of(&log);
        if let Some(cancelled) = lines.iter().find(|line| line["method"] == "notifications/cancelled") {
            let call = lines.iter().find(|line| line["method"] == "tools/call").unwrap();
            assert_eq!(cancelled["params"]["requestId"], call["id"]);
            break;
        }
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_subscription_is_acknowledged_filtered_and_ended() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    let wanted =
        json!({ "toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["file:///a"] });
    let leg = Leg::of("subscriptions/listen", None, json!({ "notifications": wanted }));
    let mut open = Open::new(world.address, &leg.bytes(TOKEN, 5)).await;
    let seen = open.until("file:///a/b").await;
    let data: Vec<Value> = seen
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(data[0]["method"], "notifications/subscriptions/acknowledged");
    // The server says nothing of prompts, so they are not promised.
    assert_eq!(
        data[0]["params"]["notifications"],
        json!({ "toolsListChanged": true, "resourceSubscriptions": ["file:///a"] })
    );
    let methods: Vec<_> = data.iter().skip(1).map(|one| one["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["notifications/tools/list_changed", "notifications/resources/updated"]);
    assert!(data.iter().all(|one| one["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 5), "{data:?}");
    drop(open);
    while !log_of(&log).iter().any(|line| line["method"] == "resources/unsubscribe") {
        tokio::task::yield_now().await;
    }
    let bad = Leg::of("subscriptions/listen", None, json!({ "notifications": { "toolsListChanged": 1 } }))
        .send(&world, 6)
        .await;
    assert_eq!(bad.json()["error"]["data"]["code"], "CG2071");
    world.stop().await;
}

#[tokio::test]
async fn a_revoked_grant_loses_its_held_sessions() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(server(log.path())).await;
    Leg::call("ask", elicits()).send(&world, 1).await;
    assert_eq!((world.gate.held_sessions(), world.gate.waiting_calls()), (1, 1));
    world.revoke(&["g1"]);
    while world.gate.held_sessions() + world.gate.waiting_calls() > 0 {
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_silent_or_dying_process_is_a_legacy_one() {
    for (what, on_probe) in [("silent", ""), ("dies", "exit 1")] {
        let log = tempfile::NamedTempFile::new().unwrap();
        let text = SERVER.replace("@LOG@", &log.path().display().to_string());
        let start = text.find("      say '{\"jsonrpc\":\"2.0\",\"id\":'\"$id\"',\"error\":{\"code\":-32601").unwrap();
        let end = text[start..].find(";;").unwrap() + start;
        let text = format!("{}{on_probe}{}", &text[..start], &text[end..]);
        let timeouts = Timeouts { silence: Duration::from_millis(400), ..Timeouts::default() };
        let world = World::planned(script(&text), Plan { timeouts, ..Plan::default() }).await;
        let called = Leg::call("plain", json!({})).send(&world, 1).await;
        assert_eq!(called.json()["result"]["resultType"], "complete", "{what}: {called:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn one_process_per_grant_serves_one_call_after_the_other() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let plan = Plan { sharing: Sharing::PerGrant, ..Plan::default() };
    let world = World::planned(server(log.path()), plan).await;
    let asked = Leg::call("ask", elicits()).send(&world, 1).await.json();
    let second = Leg::call("plain", elicits()).bytes(TOKEN, 2);
    let second = tokio::spawn(Open::new(world.address, Box::leak(second.into_boxed_slice())));
    let done = Leg::call("ask", elicits()).answering(&asked, accept("x")).send(&world, 3).await.json();
    assert_eq!(done["result"]["resultType"], "complete");
    assert_eq!(second.await.unwrap().rest().await.json()["result"]["resultType"], "complete");
    assert_eq!(world.gate.held_sessions(), 1);
    world.stop().await;
}
