//! What is no tool: resources, prompts and tasks that a client may not reach.

use crate::upstream::{Upstream, decent, events, json_answer};
use crate::world::{Plan, SECOND_TOKEN, TOKEN, World, http_upstream, modern, post, script};
use serde_json::{Value, json};

fn policy() -> Value {
    json!({
        "version": "1", "default": "deny", "hide": ["hidden"], "tools": { "safe": {} },
        "resources": { "allow": ["file:///pub/*"], "deny": ["*secret*"] },
        "prompts": { "deny": ["hidden_*"] },
        "sampling": { "allow": ["claude-*"] },
        "elicitation": { "allow": ["form", "https://good.example/*"] },
        "roots": { "allow": ["file:///work/*"] }
    })
}

pub async fn world(upstream: &Upstream) -> World {
    World::planned(http_upstream(upstream), Plan { policy: policy(), ..Plan::default() }).await
}

pub async fn ask_modern(world: &World, method: &str, name: Option<&str>, params: Value) -> crate::http::Answer {
    let (headers, body) = modern(method, name, params);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.post(&headers, &body).await
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn what_is_out_of_reach_is_refused_by_name_and_never_forwarded() {
    let upstream = Upstream::decent().await;
    let world = world(&upstream).await;
    let session = world.session().await;
    let cases = [
        ("resources/read", r#"{"uri":"file:///pub/a"}"#, None),
        ("resources/read", r#"{"uri":"file:///etc/passwd"}"#, Some("/resources/allow")),
        ("resources/read", r#"{"u\u0072i":"file:///pub/secret"}"#, Some("/resources/deny/*secret*")),
        ("resources/subscribe", r#"{"uri":"file:///etc/passwd"}"#, Some("/resources/allow")),
        ("resources/unsubscribe", r#"{"uri":"file:///etc/passwd"}"#, None),
        ("prompts/get", r#"{"name":"plain"}"#, None),
        ("prompts/get", r#"{"name":"hidden_one"}"#, Some("/prompts/deny/hidden_*")),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"plain"}}"#, None),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"hidden_one"}}"#, Some("/prompts/deny/hidden_*")),
        ("completion/complete", r#"{"ref":{"type":"ref/resource","uri":"file:///etc/{x}"}}"#, Some("/resources/allow")),
    ];
    for (method, params, rule) in cases {
        let before = upstream.seen().len();
        let answer = world.post(&[("Mcp-Session-Id", &session)], request(method, params)).await;
        let (error, data) = (&answer.json()["error"], &answer.json()["error"]["data"]);
        assert_eq!(answer.status, 200, "{params}");
        assert_eq!(upstream.seen().len() - before, usize::from(rule.is_none()), "{method} {params}: {error}");
        let Some(rule) = rule else { continue };
        assert_eq!((error["code"].as_i64(), data["code"].as_str()), (Some(-31001), Some("CG2060")), "{method}");
        assert_eq!(data["dev.callgate/decision"]["rule"], rule, "{method} {params}");
        assert_eq!(world.memory.decisions().pop().unwrap()["rule"], rule);
    }
    // What can't be read, or could be read in two ways, can't be judged.
    let unreadable = [
        ("resources/read", r#"{"uri":5}"#),
        ("resources/read", "{}"),
        ("resources/read", r#"{"uri":"file:///pub/a","URI":"file:///etc/passwd"}"#),
        ("prompts/get", r#"{"Name":"hidden_one"}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/tool","name":"hidden"}}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"plain","uri":5,"Name":"hidden_one"}}"#),
        ("tasks/get", r#"{"taskid":"t"}"#),
    ];
    let before = upstream.seen().len();
    for (method, params) in unreadable {
        let answer = world.post(&[("Mcp-Session-Id", &session)], request(method, params)).await;
        assert!(answer.json()["error"].is_object(), "{method} {params}: {answer:?}");
    }
    let listen = json!({ "notifications": { "resourceSubscriptions": ["file:///pub/a", "file:///etc/passwd"] } });
    let answer = ask_modern(&world, "subscriptions/listen", None, listen).await;
    assert_eq!(answer.json()["error"]["data"]["dev.callgate/decision"]["rule"], "/resources/allow");
    let answer = ask_modern(&world, "resources/read", Some("file:///x"), json!({ "uri": "file:///x" })).await;
    assert_eq!(answer.json()["error"]["code"], -31001);
    assert_eq!(upstream.seen().len(), before);
    world.stop().await;
}

const RESOURCES: &str =
    r#"[ {"uri":"file:///pub/a","n":1.50} , {"uri":"file:///pub/secret"},{"uri":"file:///etc/passwd"}]"#;

#[tokio::test]
async fn lists_of_every_kind_are_filtered_wherever_they_come() {
    let lists = [
        ("resources/list", "resources", RESOURCES, r#"[ {"uri":"file:///pub/a","n":1.50} ]"#),
        (
            "resources/templates/list",
            "resourceTemplates",
            r#"[{"uriTemplate":"file:///etc/{x}"},{"uriTemplate":"file:///pub/{x}"}]"#,
            r#"[{"uriTemplate":"file:///pub/{x}"}]"#,
        ),
        ("prompts/list", "prompts", r#"[{"name":"hidden_one"},{"name":"plain"}]"#, r#"[{"name":"plain"}]"#),
    ];
    for (method, key, list, expected) in lists {
        let whole = format!(r#"{{"jsonrpc":"2.0","id":5,"result":{{"{key}":{list},"nextCursor":"n","x":1.0}}}}"#);
        let sent = whole.clone();
        let upstream = Upstream::new(move |seen| match (seen.method.as_str(), seen.json()["method"].as_str()) {
            ("GET", _) => events(&[format!("id: 7\ndata: {sent}\n\n")]),
            (_, Some("resources/list" | "resources/templates/list" | "prompts/list")) => json_answer(&sent),
            _ => decent(seen),
        })
        .await;
        let world = world(&upstream).await;
        let session = world.session().await;
        let answer = world.post(&[("Mcp-Session-Id", &session)], request(method, "{}")).await;
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(squeezed(&answer.text()), squeezed(&whole.replace(list, expected)), "{method}");
        let resumed = world.raw(get(&session).as_bytes()).await;
        assert_eq!(resumed.events()[0]["result"][key], serde_json::from_str::<Value>(expected).unwrap(), "{resumed:?}");
        // Without a section nothing is taken out, and every byte stays.
        world.publish(&json!({ "version": "1", "default": "deny" }));
        let answer = world.post(&[("Mcp-Session-Id", &session)], request(method, "{}")).await;
        assert_eq!(answer.text(), whole);
        world.stop().await;
    }
    for list in [r#"{"resources":{}}"#, r#"{"resources":[{"URI":"x"}]}"#, r#"{"Resources":[]}"#, "{}"] {
        let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
            Some("resources/list") => json_answer(&format!(r#"{{"jsonrpc":"2.0","id":5,"result":{list}}}"#)),
            _ => decent(seen),
        })
        .await;
        let world = world(&upstream).await;
        let session = world.session().await;
        let answer = world.post(&[("Mcp-Session-Id", &session)], request("resources/list", "{}")).await;
        assert_eq!(answer.json()["error"]["data"]["code"], "CG2044", "{list}");
        world.stop().await;
    }
}

pub fn get(session: &str) -> String {
    format!(
        "GET /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer cg_first\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    )
}

pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

#[tokio::test]
async fn nobody_hears_of_what_is_out_of_reach() {
    let updated = |uri: &str| {
        event(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#))
    };
    let said = [
        updated("file:///pub/secret"),
        updated("file:///etc/passwd"),
        event(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{}}"#),
        event(r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"of another"}}"#),
        event(r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}}"#),
        updated("file:///pub/a"),
        event(r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#),
    ];
    let upstream = Upstream::new(move |seen| if seen.method == "GET" { events(&said) } else { decent(seen) }).await;
    let world = world(&upstream).await;
    let session = world.session().await;
    let heard = world.raw(get(&session).as_bytes()).await.events();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(
        (&heard[0]["params"]["uri"], &heard[1]["method"]),
        (&json!("file:///pub/a"), &json!("notifications/resources/list_changed"))
    );
    world.stop().await;
}

#[tokio::test]
async fn a_task_is_its_owners() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/call") => {
            let id = &seen.json()["params"]["arguments"]["task"];
            json_answer(&format!(r#"{{"jsonrpc":"2.0","id":5,"result":{{"task":{{"taskId":{id},"status":"working","ttl":60000}}}}}}"#))
        }
        Some("tasks/list") => json_answer(
            r#"{"jsonrpc":"2.0","id":5,"result":{"tasks":[{"taskId":"one"},{"taskId":"two"},{"taskId":"nobodys"}],"x":1.0}}"#,
        ),
        // What a task brings is data, whatever it looks like.
        Some("tasks/result") => json_answer(r#"{"jsonrpc":"2.0","id":5,"result":{"content":[],"tools":[{"name":"hidden"}]}}"#),
        _ => decent(seen),
    })
    .await;
    let world = world(&upstream).await;
    let (first, second) = (world.session().await, world.session_of(SECOND_TOKEN, "2025-11-25").await);
    let ask = async |token: &str, session: &str, method: &str, params: Value| {
        let body = request(method, &params.to_string());
        world.raw(&post(token, &[("Mcp-Session-Id", session)], body.as_bytes())).await
    };
    let begin = |task: &str| json!({ "name": "safe", "arguments": { "task": task }, "task": { "ttl": 60000 } });
    ask(TOKEN, &first, "tools/call", begin("one")).await;
    ask(SECOND_TOKEN, &second, "tools/call", begin("two")).await;
    let listed = ask(TOKEN, &first, "tasks/list", json!({})).await;
    assert_eq!(listed.text(), r#"{"jsonrpc":"2.0","id":5,"result":{"tasks":[{"taskId":"one"}],"x":1.0}}"#);
    let result = ask(TOKEN, &first, "tasks/result", json!({ "taskId": "one" })).await;
    assert!(result.text().contains("hidden"), "{result:?}");
    for method in ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"] {
        assert!(ask(TOKEN, &first, method, json!({ "taskId": "one" })).await.json()["result"].is_object());
        let before = upstream.seen().len();
        for (token, session, task) in [(TOKEN, &first, "two"), (SECOND_TOKEN, &second, "one"), (TOKEN, &first, "none")]
        {
            let answer = ask(token, session, method, json!({ "taskId": task })).await.json();
            assert_eq!(
                (&answer["error"]["code"], &answer["error"]["data"]["code"]),
                (&json!(-32602), &json!("CG2062"))
            );
        }
        assert_eq!(upstream.seen().len(), before, "{method}");
    }
    let listen = json!({ "notifications": { "taskIds": ["one", "two"] } });
    assert_eq!(
        ask_modern(&world, "subscriptions/listen", None, listen).await.json()["error"]["data"]["code"],
        "CG2062"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_task_of_the_extension_is_its_owners_and_asks_no_more_than_others() {
    let upstream = Upstream::new(|seen| match seen.json()["method"].as_str() {
        Some("tools/call") => json_answer(
            r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"task","taskId":"t","status":"working","ttlMs":null}}"#,
        ),
        Some("tasks/get") => json_answer(
            r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","taskId":"t","status":"input_required","ttlMs":null,"inputRequests":{"k":{"method":"sampling/createMessage","params":{}}}}}"#,
        ),
        _ => decent(seen),
    })
    .await;
    let world = world(&upstream).await;
    let ask = async || ask_modern(&world, "tasks/get", Some("t"), json!({ "taskId": "t" })).await.json();
    assert_eq!(ask().await["error"]["code"], -32602, "not begun yet");
    ask_modern(&world, "tools/call", Some("safe"), json!({ "name": "safe" })).await;
    let told = ask().await;
    assert_eq!(
        (&told["error"]["code"], &told["error"]["data"]["dev.callgate/decision"]["rule"]),
        (&json!(-31001), &json!("/sampling/allow"))
    );
    world.stop().await;
}

#[tokio::test]
async fn errors_of_modern_servers_have_their_status() {
    let error = |code: i64| format!(r#"{{"jsonrpc":"2.0","id":ID,"error":{{"code":{code},"message":"m"}}}}"#);
    let lines = |code: i64| {
        let said = error(code).replace("ID", "%s");
        script(&format!(
            "while IFS= read -r line; do id=${{line#*'\"id\":'}}; id=${{id%%,*}}; printf '{said}\\n' \"$id\"; done"
        ))
    };
    for (code, status) in [(-32601, 404), (-32022, 400), (-32021, 400), (-32020, 400), (-32602, 200), (-32603, 200)] {
        let said = error(code).replace("ID", "7");
        let upstream = Upstream::new(move |_| json_answer(&said)).await;
        for upstream in [http_upstream(&upstream), lines(code)] {
            let world = World::modern(upstream).await;
            let answer = ask_modern(&world, "prompts/get", Some("p"), json!({ "name": "p" })).await;
            assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (status, Some(code)), "{answer:?}");
            world.stop().await;
        }
    }
    // What the request itself lacks is told before any server hears of it.
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "ping")];
    let answer = world.post(&headers, request("ping", "{}")).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (400, Some(-32602)), "{answer:?}");
    world.stop().await;
}
