//! Calls that need a person's yes: asked for, waited for, used once, and for nothing else.

mod client;
mod desk;
mod hold;
mod legs;

use crate::http::{Answer, Open};
use crate::upstream::{Say, Seen, Upstream, decent, json_answer};
use crate::world::{Plan, SECOND_TOKEN, TOKEN, World, http_upstream, post};
use callgate_proxy::UpstreamConfig;
use desk::{Desk, State};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a person has to say yes to, asked in this way.
fn policy(terms: Value) -> Value {
    let mut rule =
        json!({ "conditions": [{ "path": "args.n", "op": "gt", "value": 5 }], "on_deny": "Large ones need a person." });
    for (name, value) in terms.as_object().unwrap() {
        rule[name] = value.clone();
    }
    json!({
        "version": "1", "default": "deny", "elicitation": { "allow": ["*"] },
        "tools": {
            "echo": {},
            "safe": { "approve_if": [rule] },
            "twice": {
                "approve_if": [{ "conditions": [] }],
                "limits": [{ "counter": "c", "window": "day", "max": 1, "scope": "grant" }]
            }
        }
    })
}

async fn world_of(upstream: UpstreamConfig, terms: Value) -> (World, Arc<Desk>) {
    planned(upstream, terms, Plan::default()).await
}

async fn planned(upstream: UpstreamConfig, terms: Value, plan: Plan) -> (World, Arc<Desk>) {
    let desk = Desk::new();
    let world = World::planned(upstream, Plan { policy: policy(terms), approvals: desk.clone(), ..plan }).await;
    (world, desk)
}

fn call(arguments: &Value) -> String {
    named("safe", arguments)
}

fn named(tool: &str, arguments: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
        .to_string()
}

/// A legacy call.
async fn send(world: &World, session: &str, body: &str) -> Answer {
    send_as(world, TOKEN, session, body).await
}

async fn send_as(world: &World, token: &str, session: &str, body: &str) -> Answer {
    world.raw(&post(token, &[("Mcp-Session-Id", session)], body.as_bytes())).await
}

fn decision(answer: &Value) -> &Value {
    &answer["result"]["_meta"]["dev.callgate/decision"]
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_call_is_asked_about_and_passes_once_after_a_yes() {
    let upstream = Upstream::decent().await;
    let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
    let session = world.session().await;
    assert_eq!(text(&send(&world, &session, &call(&json!({ "n": 5 }))).await.json()), "done", "no rule asks");
    let body = call(&json!({ "n": 6, "to": "x" }));

    let asked = send(&world, &session, &body).await.json();
    assert_eq!((&asked["result"]["isError"], &decision(&asked)["outcome"]), (&json!(true), &json!("approve")));
    let row = desk.rows().pop().unwrap();
    let approval = &decision(&asked)["approval"];
    assert_eq!((approval["id"].as_str(), approval["url"].as_str()), (Some("a_0"), Some(&*row.approval.at.to_string())));
    assert!(approval["expiresAt"].as_str().unwrap().ends_with('Z'), "{approval}");
    let told = text(&asked);
    assert!(told.starts_with("[APPROVAL REQUIRED] Large ones need a person.") && told.contains("a_0"), "{told}");
    assert!(told.contains(&row.approval.at.to_string()) && told.contains("repeat exactly the same call"), "{told}");
    let question = &row.question;
    assert_eq!((question.arguments.as_str(), question.tool.as_str()), (r#"{"n":6,"to":"x"}"#, "safe"));
    assert_eq!((question.rule.as_str(), question.policy_version), ("/tools/safe/approve_if/args.n-gt", 1));
    assert_eq!(question.client.as_ref().unwrap().name, "test");

    // The order of keys and the way a number is written make no other question.
    let same = body.replace(r#"{"n":6,"to":"x"}"#, r#"{ "to": "x", "n": 6.0 }"#);
    assert_eq!(decision(&send(&world, &session, &same).await.json())["approval"], *approval);
    assert_eq!((desk.rows().len(), upstream.calls()), (1, 1));

    assert!(desk.say(0, State::Approved) && !desk.say(0, State::Refused(String::new())), "the first answer counts");
    assert_eq!(text(&send(&world, &session, &same).await.json()), "done");
    let again = send(&world, &session, &body).await.json();
    assert_eq!(decision(&again)["approval"]["id"], "a_1", "a yes is good once: {again}");
    assert_eq!(upstream.calls(), 2);

    let memory = world.stop().await;
    let calls: Vec<_> = memory.decisions().into_iter().filter(|one| one["method"] == "tools/call").collect();
    let seen: Vec<_> = calls.iter().map(|one| (one["outcome"].as_str().unwrap(), one["approval"].as_str())).collect();
    assert_eq!(
        seen,
        [("allow", None), ("approve", None), ("approve", Some("a_0")), ("allow", Some("a_0")), ("approve", None)]
    );
    assert_eq!(calls[3]["rule"], "/tools/safe/approve_if/args.n-gt", "the record names who asked");
    assert_eq!(desk.states()[0], State::Used(calls[3]["id"].as_str().unwrap().parse().unwrap()));
}

#[tokio::test]
async fn a_yes_covers_nothing_else() {
    let upstream = Upstream::decent().await;
    let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
    let (session, other) = (world.session().await, world.session_of(SECOND_TOKEN, "2025-11-25").await);
    let body = call(&json!({ "n": 6, "to": "x" }));
    send(&world, &session, &body).await;
    desk.say(0, State::Approved);
    let others = [
        (TOKEN, &session, body.replace("\"x\"", "\"y\"")),
        (TOKEN, &session, body.replace("\"to\"", "\"t0\"")),
        (TOKEN, &session, body.replace(":6", ":6.5")),
        (SECOND_TOKEN, &other, body.clone()),
    ];
    for (number, (token, session, body)) in others.into_iter().enumerate() {
        let asked = send_as(&world, token, session, &body).await.json();
        assert_eq!(decision(&asked)["approval"]["id"], format!("a_{}", number + 1), "{body}: {asked}");
    }
    // Nor does it cover the same call under another policy, though nobody would see the difference.
    world.publish(&policy(json!({ "description": "the same" })));
    let asked = send(&world, &session, &body).await.json();
    assert_eq!(decision(&asked)["approval"]["id"], "a_5", "{asked}");
    assert_eq!((upstream.calls(), &desk.states()[0]), (0, &State::Approved));
    world.stop().await;
}

#[tokio::test]
async fn a_yes_to_one_rule_is_none_to_another() {
    let upstream = Upstream::decent().await;
    let mut rules = policy(json!({}));
    rules["flows"] = json!([{ "name": "after-echo", "after": { "tool": "echo" }, "within": "1h",
        "approve": { "tool": "safe" }, "four_eyes": true }]);
    let desk = Desk::new();
    let plan = Plan { policy: rules, approvals: desk.clone(), ..Plan::default() };
    let world = World::planned(http_upstream(&upstream), plan).await;
    let session = world.session().await;
    let body = call(&json!({ "n": 6 }));
    send(&world, &session, &body).await;
    desk.say(0, State::Approved);
    // Before the yes is used, a flow wants another person for the same call.
    assert_eq!(text(&send(&world, &session, &named("echo", &json!({}))).await.json()), "done");
    let asked = send(&world, &session, &body).await.json();
    assert_eq!(decision(&asked)["approval"]["id"], "a_1", "{asked}");
    let questions: Vec<_> = desk.rows().into_iter().map(|row| (row.question.terms.four_eyes(), row.state)).collect();
    assert_eq!(questions, [(false, State::Approved), (true, State::Pending)]);
    desk.say(1, State::Approved);
    assert_eq!(text(&send(&world, &session, &body).await.json()), "done");
    assert_eq!(desk.states()[0], State::Approved, "the one that was asked for is used");
    world.stop().await;
}

#[tokio::test]
async fn a_flow_that_fires_while_a_yes_is_looked_up_asks_for_its_own() {
    let upstream = Upstream::decent().await;
    let mut rules = policy(json!({}));
    rules["flows"] = json!([{ "name": "once", "after": { "tool": "safe" }, "within": "1h",
        "approve": { "tool": "safe" }, "four_eyes": true }]);
    let desk = Desk::new();
    let plan = Plan { policy: rules, approvals: desk.clone(), ..Plan::default() };
    let world = World::planned(http_upstream(&upstream), plan).await;
    let session = world.session().await;
    let bodies = [call(&json!({ "n": 6 })), call(&json!({ "n": 7 }))];
    for (number, body) in bodies.iter().enumerate() {
        send(&world, &session, body).await;
        desk.say(number, State::Approved);
    }
    // Both were weighed before the other one left; one leaves, and the other is after it.
    let [first, second] = bodies.map(|body| post(TOKEN, &[("Mcp-Session-Id", &session)], body.as_bytes()));
    let (first, second) = (Open::new(world.address, &first).await, Open::new(world.address, &second).await);
    let answers = [first.rest().await.json(), second.rest().await.json()];
    let asked: Vec<_> = answers.iter().filter(|answer| decision(answer)["outcome"] == "approve").collect();
    assert_eq!((asked.len(), upstream.calls(), desk.rows().len()), (1, 1, 3), "{answers:?}");
    assert!(desk.rows()[2].question.terms.four_eyes());
    world.stop().await;
}

#[tokio::test]
async fn what_changes_while_a_yes_is_used_up_is_decided_by() {
    let upstream = Upstream::decent().await;
    let denies = json!({ "version": "1", "default": "deny", "tools": { "echo": {} } });
    for (rules, id) in [(denies, None), (policy(json!({ "description": "the same" })), Some("a_1"))] {
        let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
        let session = world.session().await;
        let body = call(&json!({ "n": 6 }));
        send(&world, &session, &body).await;
        desk.say(0, State::Approved);
        *desk.meanwhile.lock().unwrap() = Some(Box::new(world.publishing(&rules)));
        let refused = send(&world, &session, &body).await.json();
        assert_eq!(decision(&refused)["approval"]["id"].as_str(), id, "{refused}");
        assert_eq!(decision(&refused)["outcome"], if id.is_some() { "approve" } else { "deny" }, "{refused}");
        assert_eq!((upstream.calls(), &desk.states()[0]), (0, &State::Approved), "the yes is not lost");
        world.stop().await;
    }
}

#[tokio::test]
async fn of_a_hundred_at_once_exactly_one_passes() {
    let upstream = Upstream::decent().await;
    let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
    let session = world.session().await;
    let body = call(&json!({ "n": 6 }));
    send(&world, &session, &body).await;
    desk.say(0, State::Approved);
    let bytes = post(TOKEN, &[("Mcp-Session-Id", &session)], body.as_bytes());
    let mut opened = Vec::new();
    for _ in 0..100 {
        opened.push(Open::new(world.address, &bytes).await);
    }
    let mut answers = Vec::new();
    for open in opened {
        answers.push(open.rest().await);
    }
    let passed = answers.iter().filter(|answer| answer.text().contains("done")).count();
    let asked = answers.iter().filter(|answer| decision(&answer.json())["approval"]["id"] == "a_1").count();
    assert_eq!((passed, asked, upstream.calls(), desk.rows().len()), (1, 99, 1, 2));
    world.stop().await;
}

#[tokio::test]
async fn a_no_holds_and_says_why() {
    let upstream = Upstream::decent().await;
    let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
    let session = world.session().await;
    let body = call(&json!({ "n": 6 }));
    send(&world, &session, &body).await;
    desk.say(0, State::Refused("not on a Friday".to_owned()));
    for _ in 0..2 {
        let refused = send(&world, &session, &body).await.json();
        assert_eq!(decision(&refused)["outcome"], "deny", "{refused}");
        assert_eq!(decision(&refused)["approval"]["id"], "a_0");
        assert!(text(&refused).contains("A person refused this call: not on a Friday"), "{refused}");
    }
    let memory = world.stop().await;
    let record = memory.decisions().pop().unwrap();
    assert_eq!((&record["reason"], &record["approval"]), (&json!("approval refused"), &json!("a_0")));
    assert_eq!((upstream.calls(), desk.rows().len()), (0, 1));
}

#[tokio::test]
async fn nobody_is_asked_where_the_limits_leave_no_room() {
    let upstream = Upstream::decent().await;
    let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
    let session = world.session().await;
    let body = |n: u8| named("twice", &json!({ "n": n }));
    for n in [1, 2] {
        send(&world, &session, &body(n)).await;
        desk.say(usize::from(n) - 1, State::Approved);
    }
    assert_eq!(text(&send(&world, &session, &body(1)).await.json()), "done");
    let exhausted = send(&world, &session, &body(2)).await.json();
    assert_eq!(decision(&exhausted)["rule"], "/tools/twice/limits/c", "{exhausted}");
    let exhausted = send(&world, &session, &body(3)).await.json();
    assert_eq!(decision(&exhausted)["rule"], "/tools/twice/limits/c", "{exhausted}");
    assert_eq!(desk.states().len(), 2);
    assert_eq!(desk.states()[1], State::Approved, "what did not run used nothing up");
    world.stop().await;
}

#[tokio::test]
async fn a_call_that_certainly_did_not_run_gives_the_yes_back() {
    fn answer(seen: &Seen) -> Say {
        let message = seen.json();
        match (message["method"].as_str(), message["params"]["arguments"]["n"].as_u64()) {
            (Some("tools/call"), Some(6)) => json_answer(
                &json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -32602, "message": "no" } })
                    .to_string(),
            ),
            (Some("tools/call"), _) => Say::Nothing,
            _ => decent(seen),
        }
    }
    let upstream = Upstream::new(answer).await;
    let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
    let session = world.session().await;
    for (number, n, kept) in [(0, 6, false), (1, 7, true)] {
        let body = call(&json!({ "n": n }));
        send(&world, &session, &body).await;
        desk.say(number, State::Approved);
        send(&world, &session, &body).await;
        assert_eq!(desk.states()[number] != State::Approved, kept, "{n}");
    }
    world.stop().await;
}

#[tokio::test]
async fn where_nobody_can_be_asked_it_says_so() {
    let upstream = Upstream::decent().await;
    let world = World::planned(http_upstream(&upstream), Plan { policy: policy(json!({})), ..Plan::default() }).await;
    let session = world.session().await;
    let refused = send(&world, &session, &call(&json!({ "n": 6 }))).await.json();
    assert!(text(&refused).contains("callgate up") && text(&refused).contains("CG2121"), "{refused}");
    assert_eq!(world.stop().await.decisions().pop().unwrap()["reason"], "fault");

    let (world, desk) = world_of(http_upstream(&upstream), json!({})).await;
    let session = world.session().await;
    *desk.most.lock().unwrap() = 1;
    send(&world, &session, &call(&json!({ "n": 6 }))).await;
    let refused = send(&world, &session, &call(&json!({ "n": 7 }))).await.json();
    assert!(text(&refused).contains("1 questions of this grant are open"), "{refused}");
    world.memory.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = send(&world, &session, &call(&json!({ "n": 8 }))).await.json();
    assert!(text(&refused).contains("could not be recorded") && desk.rows().len() == 1, "{refused}");
    assert_eq!(upstream.calls(), 0);
    world.stop().await;
}

#[tokio::test]
async fn in_a_batch_nothing_waits() {
    let upstream = Upstream::decent().await;
    for ask in ["retry", "hold", "client"] {
        let (world, desk) = world_of(http_upstream(&upstream), json!({ "ask": ask })).await;
        let session = world.session_of(TOKEN, "2025-03-26").await;
        let batch = format!("[{},{}]", call(&json!({ "n": 6 })), call(&json!({ "n": 1 })).replace(":7", ":8"));
        let answers = send(&world, &session, &batch).await.json();
        assert_eq!(decision(&answers[0])["approval"]["id"], "a_0", "{answers}");
        assert_eq!(text(&answers[1]), "done");
        assert_eq!(desk.states(), [State::Pending]);
        world.stop().await;
    }
}
