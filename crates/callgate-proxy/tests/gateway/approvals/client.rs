//! Calls about which the caller's own user is asked.

use super::desk::State;
use super::{call, decision, planned, send, text, world_of};
use crate::held::Leg;
use crate::http::Open;
use crate::lines::wrap;
use crate::upstream::Upstream;
use crate::world::{Plan, SECOND_TOKEN, TOKEN, World, http_upstream, initialize, post};
use callgate_proxy::UpstreamEra;
use serde_json::{Value, json};

fn client() -> Value {
    json!({ "ask": "client" })
}

fn leg(n: u8) -> Leg {
    let mut leg = Leg::of("tools/call", Some("safe"), json!({ "name": "safe", "arguments": { "n": n } }));
    leg.capabilities = json!({ "elicitation": {} });
    leg
}

fn answered(answer: Value) -> Value {
    json!({ "callgate_approval": answer })
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "approve": true } })
}

/// A session of a client that can ask its user.
async fn session(world: &World, capabilities: &Value) -> String {
    let body = initialize("2025-11-25").replace("\"capabilities\":{}", &format!("\"capabilities\":{capabilities}"));
    world.raw(&post(TOKEN, &[], body.as_bytes())).await.header("mcp-session-id").unwrap().to_owned()
}

#[tokio::test]
async fn a_modern_client_asks_its_user() {
    let upstream = Upstream::decent().await;
    let no = |answer: Value| (answer, State::Refused("answered by the caller's own user".into()));
    let answers = [
        (yes(), State::Approved),
        no(json!({ "action": "accept", "content": { "approve": false } })),
        no(json!({ "action": "accept", "content": {} })),
        no(json!({ "action": "decline" })),
        no(json!({ "action": "cancel" })),
    ];
    for (answer, state) in answers {
        let (world, desk) = planned(http_upstream(&upstream), client(), Plan::default()).await;
        let before = upstream.calls();
        let required = leg(6).send(&world, 1).await.json();
        let result = &required["result"];
        assert_eq!(result["resultType"], "input_required", "{required}");
        let asked = &result["inputRequests"]["callgate_approval"];
        assert_eq!((&asked["method"], &asked["params"]["mode"]), (&json!("elicitation/create"), &json!("form")));
        let message = asked["params"]["message"].as_str().unwrap();
        assert!(message.contains("Large ones need a person.") && message.contains("{\"n\":6}"), "{message}");
        let schema = &asked["params"]["requestedSchema"];
        assert_eq!(
            (&schema["properties"]["approve"]["type"], &schema["required"]),
            (&json!("boolean"), &json!(["approve"]))
        );
        assert_eq!(decision(&required)["approval"]["id"], "a_0");
        let told = leg(6).answering(&required, answered(answer.clone())).send(&world, 2).await.json();
        if state == State::Approved {
            assert_eq!(text(&told), "done", "{told}");
            assert!(matches!(desk.states()[0], State::Used(_)));
            let sent = upstream.seen().pop().unwrap().json();
            assert!(sent["params"].get("requestState").is_none() && sent["params"].get("inputResponses").is_none());
            assert_eq!((&sent["id"], &sent["params"]["arguments"]), (&json!(2), &json!({ "n": 6 })));
        } else {
            assert!(text(&told).contains("A person refused this call: answered by"), "{answer}: {told}");
            assert_eq!(desk.states(), [state]);
            assert_eq!(upstream.calls(), before);
        }
        let replayed = leg(6).answering(&required, answered(yes())).send(&world, 3).await.json();
        assert_eq!(replayed["error"]["data"]["code"], "CG2063", "{replayed}");
        world.stop().await;
    }
}

#[tokio::test]
async fn an_answer_is_for_its_question() {
    let upstream = Upstream::decent().await;
    let (world, desk) = world_of(http_upstream(&upstream), client()).await;
    let required = leg(6).send(&world, 1).await.json();
    let state = required["result"]["requestState"].as_str().unwrap();
    let mut altered = required.clone();
    let other = if &state[30..31] == "A" { "B" } else { "A" };
    altered["result"]["requestState"] = json!(format!("{}{other}{}", &state[..30], &state[31..]));
    let foreign = leg(6).answering(&required, answered(yes())).bytes(SECOND_TOKEN, 2);
    let refused = [
        leg(7).answering(&required, answered(yes())).bytes(TOKEN, 2),
        leg(6).answering(&altered, answered(yes())).bytes(TOKEN, 2),
        foreign,
    ];
    for bytes in refused {
        let told = world.raw(&bytes).await.json();
        assert_eq!(told["error"]["data"]["code"], "CG2063", "{told}");
    }
    let odd = leg(6).answering(&required, answered(json!({ "action": "sure" }))).send(&world, 2).await.json();
    assert_eq!(odd["error"]["data"]["code"], "CG2071", "{odd}");
    assert_eq!(desk.states(), [State::Pending]);
    // Without an answer it is asked again; the question is the same.
    let again = leg(6).answering(&required, json!({})).send(&world, 3).await.json();
    assert_eq!(decision(&again)["approval"]["id"], "a_0", "{again}");
    // A person was quicker: that answer counts.
    desk.say(0, State::Refused("no".into()));
    let told = leg(6).answering(&again, answered(yes())).send(&world, 4).await.json();
    assert!(text(&told).contains("A person refused this call: no"), "{told}");
    assert_eq!(upstream.calls(), 0);
    world.stop().await;
}

#[tokio::test]
async fn who_can_not_ask_comes_again() {
    let upstream = Upstream::decent().await;
    let cases = [
        (client(), json!({})),
        (client(), json!({ "elicitation": { "url": {} } })),
        (json!({ "ask": "client", "four_eyes": true }), json!({ "elicitation": {} })),
    ];
    for (terms, capabilities) in cases {
        let (world, desk) = world_of(http_upstream(&upstream), terms.clone()).await;
        let mut modern = leg(6);
        modern.capabilities = capabilities.clone();
        let told = modern.send(&world, 1).await.json();
        assert!(text(&told).starts_with("[APPROVAL REQUIRED]"), "{terms} {capabilities}: {told}");
        let session = session(&world, &capabilities).await;
        let told = send(&world, &session, &call(&json!({ "n": 7 }))).await.json();
        assert!(text(&told).starts_with("[APPROVAL REQUIRED]"), "{terms} {capabilities}: {told}");
        assert_eq!(desk.states(), [State::Pending, State::Pending]);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_legacy_client_asks_its_user_on_the_open_answer() {
    let upstream = Upstream::decent().await;
    for (answer, passes) in [(yes(), true), (json!({ "action": "decline" }), false)] {
        let (world, desk) = world_of(http_upstream(&upstream), client()).await;
        let session = session(&world, &json!({ "elicitation": {} })).await;
        let bytes = post(TOKEN, &[("Mcp-Session-Id", &session)], call(&json!({ "n": 6 })).as_bytes());
        let mut stream = Open::new(world.address, &bytes).await;
        let seen = stream.until("requestedSchema").await;
        let question: Value =
            seen.lines().find_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).unwrap();
        assert_eq!(question["method"], "elicitation/create");
        let response = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer }).to_string();
        // Nobody else can answer it.
        let other = world.session_of(SECOND_TOKEN, "2025-11-25").await;
        let foreign = super::send_as(&world, SECOND_TOKEN, &other, &response).await;
        assert_eq!(foreign.status, 400, "{foreign:?}");
        assert_eq!(send(&world, &session, &response).await.status, 202);
        let told = stream.rest().await.response();
        assert_eq!(text(&told) == "done", passes, "{told}");
        assert_eq!(send(&world, &session, &response).await.status, 400, "it was answered");
        assert_eq!(matches!(desk.states()[0], State::Used(_)), passes);
        world.stop().await;
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn so_does_one_on_lines() {
    let upstream = Upstream::decent().await;
    for era in [UpstreamEra::Auto, UpstreamEra::Modern] {
        let (world, desk) = planned(http_upstream(&upstream), client(), Plan { era, ..Plan::default() }).await;
        let mut client = wrap(&world);
        let hello = initialize("2025-11-25").replace("\"capabilities\":{}", "\"capabilities\":{\"elicitation\":{}}");
        client.ask(&hello).await;
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        let question = client.ask(&call(&json!({ "n": 6 }))).await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let error = json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -1, "message": "no user" } });
        let told = client.ask(&error.to_string()).await;
        assert!(text(&told).starts_with("[APPROVAL REQUIRED]"), "{told}");
        let question = client.ask(&call(&json!({ "n": 6 }))).await;
        let told = client.ask(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": yes() }).to_string()).await;
        assert!(told["result"].is_object() && told["result"]["isError"].is_null(), "{told}");
        client.leave().await;
        assert!(matches!(desk.states()[..], [State::Used(_)]));
        world.stop().await;
    }
}

#[tokio::test]
async fn a_modern_client_on_lines_asks_its_user() {
    let upstream = Upstream::decent().await;
    let (world, desk) =
        planned(http_upstream(&upstream), client(), Plan { era: UpstreamEra::Modern, ..Plan::default() }).await;
    let mut client = wrap(&world);
    let line =
        |leg: &Leg, id| String::from_utf8(leg.bytes(TOKEN, id)).unwrap().rsplit("\r\n\r\n").next().unwrap().to_owned();
    let required = client.ask(&line(&leg(6), 1)).await;
    assert_eq!(required["result"]["resultType"], "input_required", "{required}");
    let odd = client.ask(&line(&leg(6).answering(&required, answered(json!(1))), 2)).await;
    assert_eq!(odd["error"]["data"]["code"], "CG2071", "{odd}");
    let told = client.ask(&line(&leg(6).answering(&required, answered(yes())), 3)).await;
    assert_eq!(text(&told), "done", "{told}");
    client.leave().await;
    assert!(matches!(desk.states()[..], [State::Used(_)]));
    world.stop().await;
}
