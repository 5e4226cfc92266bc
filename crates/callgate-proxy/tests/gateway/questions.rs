//! Questions that a server asks of a client, by requests, in answers and in errors: what may be asked, and what is told.

use crate::http::Open;
use crate::reach::{ask_modern, event, get, world};
use crate::upstream::{Say, Upstream, decent, events, json_answer};
use crate::world::{BARE_TOKEN, Plan, TOKEN, World, post, script};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Questions that a server may not ask, and the rule that says so.
const REFUSED: [(&str, &str, &str); 9] = [
    ("sampling/createMessage", r#"{"messages":[]}"#, "/sampling/allow"),
    (
        "sampling/createMessage",
        r#"{"modelPreferences":{"hints":[{"name":"claude-x"},{"name":"gpt"}]}}"#,
        "/sampling/allow",
    ),
    ("sampling/createMessage", r#"{"modelPreferences":{"hints":{"name":"claude-x"}}}"#, "(unreadable)"),
    ("elicitation/create", r#"{"mode":"url","url":"https://evil.example/x"}"#, "/elicitation/allow"),
    ("elicitation/create", r#"{"mode":"url"}"#, "(unreadable)"),
    ("elicitation/create", r#"{"Mode":"url","url":"https://evil.example/x"}"#, "(unreadable)"),
    ("elicitation/create", r#"{"mode":"spoken"}"#, "(unreadable)"),
    ("vendor/ask", "{}", "(default deny)"),
    ("tools/list", "{}", "(default deny)"),
];
const ALLOWED: [(&str, &str); 4] = [
    ("sampling/createMessage", r#"{"modelPreferences":{"hints":[{"name":"claude-x"}]}}"#),
    ("elicitation/create", r#"{"message":"?"}"#),
    ("elicitation/create", r#"{"mode":"url","url":"https://good.example/x","elicitationId":"e"}"#),
    ("roots/list", "{}"),
];

#[tokio::test]
async fn a_refused_question_is_answered_by_the_gateway() {
    for over_get in [false, true] {
        let (answered, mut answers) = mpsc::unbounded_channel();
        let (say, receiver) = mpsc::unbounded_channel();
        let receiver = std::sync::Mutex::new(Some(receiver));
        let upstream = Upstream::new(move |seen| {
            let message = seen.json();
            if message["error"].is_object() {
                let _ = answered.send((message.clone(), seen.header("mcp-session-id").map(str::to_owned)));
            }
            match (seen.method.as_str(), message["method"].as_str()) {
                ("GET", _) | (_, Some("tools/call")) => Say::Events(vec![], receiver.lock().unwrap().take().unwrap()),
                _ => decent(seen),
            }
        })
        .await;
        let world = world(&upstream).await;
        let session = world.session().await;
        let opening = match over_get {
            true => get(&session).into_bytes(),
            false => {
                let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe"}}"#;
                post(TOKEN, &[("Mcp-Session-Id", &session)], call.as_bytes())
            }
        };
        let mut stream = Open::new(world.address, &opening).await;
        for (number, (method, params, rule)) in REFUSED.iter().enumerate() {
            let id = format!("no-{number}");
            say.send(event(&format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{params}}}"#)))
                .unwrap();
            let (told, told_in) = answers.recv().await.unwrap();
            assert_eq!((told["id"].as_str(), told["error"]["code"].as_i64()), (Some(&*id), Some(-31001)), "{method}");
            assert_eq!(told_in.as_deref(), Some("upstream-session"));
            let decisions = world.memory.decisions();
            let recorded = decisions.iter().rev().find(|record| record["method"] == *method).unwrap();
            assert_eq!((&recorded["outcome"], &recorded["rule"]), (&json!("deny"), &json!(rule)), "{method} {params}");
            let reply = format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{}}}}"#);
            let refused = world.post(&[("Mcp-Session-Id", &session)], &reply).await;
            assert_eq!(refused.status, 400, "nobody was asked");
        }
        for (number, (method, params)) in ALLOWED.iter().enumerate() {
            say.send(event(&format!(r#"{{"jsonrpc":"2.0","id":"q{number}","method":"{method}","params":{params}}}"#)))
                .unwrap();
            stream.until(&format!("\"id\":\"q{number}\"")).await;
            assert_eq!(world.memory.decisions().pop().unwrap()["outcome"], "allow");
        }
        say.send(event(
            r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}}"#,
        ))
        .unwrap();
        stream.until("notifications/elicitation/complete").await;
        say.send(event(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#)).unwrap();
        stream.until("\"ping\"").await;
        drop(say);
        let rest = stream.rest().await;
        assert!(!rest.text().contains("no-") && !rest.text().contains("evil"), "{rest:?}");
        // The server is told of those directories only that it may be told of.
        let roots = r#"{"jsonrpc":"2.0","id":"q3","result":{"roots":[{"uri":"file:///work/a","x":1.0},{"uri":"file:///etc"}]}}"#;
        assert_eq!(world.post(&[("Mcp-Session-Id", &session)], roots).await.status, 202);
        let seen = String::from_utf8(upstream.seen().pop().unwrap().body).unwrap();
        assert_eq!(seen, roots.replace(r#",{"uri":"file:///etc"}"#, ""));
        // Another answer that happens to have roots is none.
        let form = r#"{"jsonrpc":"2.0","id":"q1","result":{"action":"accept","roots":[{"uri":"file:///etc"}]}}"#;
        assert_eq!(world.post(&[("Mcp-Session-Id", &session)], form).await.status, 202);
        assert_eq!(upstream.seen().pop().unwrap().body, form.as_bytes());
        world.stop().await;
    }
}

#[tokio::test]
async fn a_process_is_refused_its_question_too() {
    let nothing = [(json!({}), "(default deny)"), (json!({ "allow": [] }), "/roots/allow")];
    for (roots, rule) in nothing.into_iter().chain([(json!({ "deny": ["*"] }), "/roots/deny/*")]) {
        refused_roots(roots, rule).await;
    }
}

async fn refused_roots(roots: Value, rule: &str) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let server = crate::child::SERVER.replacen("LOG=\"$1\"", &format!("LOG='{}'", log.display()), 1);
    let mut deny = json!({ "version": "1", "default": "deny", "tools": { "safe": {} } });
    if roots != json!({}) {
        deny["roots"] = roots;
    }
    let world = World::planned(script(&server), Plan { policy: deny, ..Plan::default() }).await;
    let session = world.session().await;
    // The server waits for the answer to `roots/list`, which is the gateway's.
    let answer = world.post(&[("Mcp-Session-Id", &session)], crate::child::call("ask")).await;
    assert!(answer.text().contains("\"asked\":true") && !answer.text().contains("roots/list"), "{answer:?}");
    let heard = std::fs::read_to_string(&log).unwrap();
    let told: Value = serde_json::from_str(heard.lines().last().unwrap()).unwrap();
    assert_eq!((told["id"].as_str(), told["error"]["code"].as_i64()), (Some("q1"), Some(-31001)));
    let denied = world.memory.decisions().into_iter().find(|record| record["method"] == "roots/list").unwrap();
    assert_eq!((&denied["outcome"], &denied["rule"]), (&json!("deny"), &json!(rule)));
    let late =
        world.post(&[("Mcp-Session-Id", &session)], r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#).await;
    assert_eq!(late.status, 400, "the client was not asked");
    world.stop().await;
}

fn input_required(method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"result":{{"resultType":"input_required","inputRequests":{{"ok":{{"method":"elicitation/create","params":{{}}}},"k":{{"method":"{method}","params":{params}}}}}}}}}"#
    )
}

#[tokio::test]
async fn input_requests_are_judged_like_questions() {
    let refused = REFUSED.iter().map(|(method, params, rule)| (*method, *params, Some(*rule)));
    let allowed = ALLOWED.iter().map(|(method, params)| (*method, *params, None));
    for (method, params, rule) in refused.chain(allowed) {
        for in_events in [false, true] {
            let sent = input_required(method, params);
            let said = sent.clone();
            let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
                Some("tools/call" | "prompts/get") if in_events => events(&[event(&said)]),
                Some("tools/call" | "prompts/get") => json_answer(&said),
                _ => decent(seen),
            })
            .await;
            let world = world(&upstream).await;
            let body = |answer: crate::http::Answer| if in_events { answer.events()[0].clone() } else { answer.json() };
            let call = body(ask_modern(&world, "tools/call", Some("safe"), json!({ "name": "safe" })).await);
            let prompt = body(ask_modern(&world, "prompts/get", Some("p"), json!({ "name": "p" })).await);
            match rule {
                None => assert_eq!(call, serde_json::from_str::<Value>(&sent).unwrap()),
                Some(rule) => {
                    let result = &call["result"];
                    assert_eq!((&call["id"], &result["isError"]), (&json!(7), &json!(true)), "{call}");
                    assert_eq!(result["resultType"], "complete");
                    assert_eq!(result["_meta"]["dev.callgate/decision"]["rule"], rule, "{method} {params}");
                    assert!(result["_meta"]["dev.callgate/decision"]["decisionId"].is_string());
                    assert_eq!(prompt["error"]["code"], -31001);
                    assert_eq!(prompt["error"]["data"]["dev.callgate/decision"]["rule"], rule);
                    assert!(world.memory.decisions().iter().any(|record| record["rule"] == rule));
                }
            }
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn what_is_not_read_holds_no_question() {
    let large = "x".repeat(300_000);
    let question = r#""inputRequests":{"k":{"method":"sampling/createMessage","params":{}}}"#;
    let answers = [
        // Read as a whole, because its beginning says that it is more than data.
        (
            format!(
                r#"{{"jsonrpc":"2.0","id":7,"result":{{"resultType":"input_required",{question},"x":"{large}"}}}}"#
            ),
            true,
        ),
        // Broken off: what is gone can't be called back, the rest can.
        (format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"x":"{large}",{question}}}}}"#), false),
        // Duplicate keys are data in a result, and nothing but.
        (format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"a":1,"a":2,{question}}}}}"#), true),
    ];
    for (sent, is_told) in answers {
        let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
            Some("tools/call") => json_answer(&sent),
            _ => decent(seen),
        })
        .await;
        let world = world(&upstream).await;
        let answer = ask_modern(&world, "tools/call", Some("safe"), json!({ "name": "safe" })).await;
        assert!(!answer.text().contains("createMessage"), "{}", answer.text().len());
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).is_ok(), is_told);
        world.stop().await;
    }
    // The same in a stream: a request that the strict reader refuses reaches nobody.
    let twice = event(r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"a":1,"a":2}}"#);
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/call") => events(&[twice.clone(), event(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)]),
        _ => decent(seen),
    })
    .await;
    let world = world(&upstream).await;
    let session = world.session().await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe"}}"#;
    let answer = world.post(&[("Mcp-Session-Id", &session)], call).await;
    assert!(!answer.text().contains("sampling"), "{answer:?}");
    world.stop().await;
}

#[tokio::test]
async fn an_error_that_leads_to_a_url_is_a_question() {
    for (url, passes) in [("https://good.example/x", true), ("https://evil.example/x", false)] {
        let sent = format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32042,"message":"m","data":{{"elicitations":[{{"mode":"url","elicitationId":"e","url":"{url}","message":"m"}}]}}}}}}"#
        );
        let said = sent.clone();
        let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
            Some("tools/call") => json_answer(&said),
            _ => decent(seen),
        })
        .await;
        let world = world(&upstream).await;
        let session = world.session().await;
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe"}}"#;
        let answer = world.post(&[("Mcp-Session-Id", &session)], call).await;
        if passes {
            assert_eq!(answer.text(), sent);
        } else {
            let meta = &answer.json()["result"]["_meta"]["dev.callgate/decision"];
            assert_eq!(meta["rule"], "/elicitation/allow", "{answer:?}");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn roots_in_input_responses_are_filtered() {
    let upstream = Upstream::decent().await;
    let world = world(&upstream).await;
    let responses = json!({
        "a": { "roots": [{ "uri": "file:///etc" }, { "uri": "file:///work/b" }] },
        "b": { "action": "accept", "content": { "roots": [{ "uri": "file:///etc" }] } },
        "c": { "Roots": [{ "uri": "file:///etc" }] },
    });
    ask_modern(&world, "tools/call", Some("safe"), json!({ "name": "safe", "inputResponses": responses })).await;
    let sent = upstream.seen().pop().unwrap().json()["params"]["inputResponses"].clone();
    assert_eq!(sent["a"], json!({ "roots": [{ "uri": "file:///work/b" }] }));
    assert_eq!((&sent["b"], &sent["c"]), (&responses_b(), &json!({ "roots": [] })));
    world.stop().await;
}

fn responses_b() -> Value {
    json!({ "action": "accept", "content": { "roots": [{ "uri": "file:///etc" }] } })
}

#[tokio::test]
async fn without_a_policy_a_server_may_ask_nothing() {
    let (answered, mut answers) = mpsc::unbounded_channel();
    let upstream = Upstream::new(move |seen| {
        let message = seen.json();
        if message["error"].is_object() {
            let _ = answered.send(message.clone());
        }
        match seen.method.as_str() {
            "GET" => events(&[
                event(r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#),
                event(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#),
            ]),
            _ => decent(seen),
        }
    })
    .await;
    let world = world(&upstream).await;
    let session = world.session_of(BARE_TOKEN, "2025-11-25").await;
    let heard = world.raw(get(&session).replace(TOKEN, BARE_TOKEN).as_bytes()).await.events();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(answers.recv().await.unwrap()["id"], "q");
    world.stop().await;
}
