//! A call in several legs leaves under one yes; what is no intact leg of it is a new call.

use super::desk::State;
use super::{decision, planned, policy, text};
use crate::held::{Leg, server};
use crate::http::Open;
use crate::synthesized::{ALL, call, response, send, session};
use crate::upstream::{Say, Seen, Upstream, decent, json_answer};
use crate::world::{Plan, TOKEN, World, http_upstream, post};
use callgate_proxy::UpstreamEra;
use serde_json::{Value, json};
use std::sync::Arc;

/// A modern server that wants input once.
fn asking(seen: &Seen) -> Say {
    let message = seen.json();
    if message["method"] != "tools/call" {
        return decent(seen);
    }
    let result = match message["params"]["requestState"].as_str() {
        Some(_) => json!({ "resultType": "complete", "content": [{ "type": "text", "text": "done" }] }),
        None => json!({ "resultType": "input_required", "requestState": "s", "inputRequests": {} }),
    };
    json_answer(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string())
}

fn leg() -> Leg {
    let mut leg = Leg::of("tools/call", Some("safe"), json!({ "name": "safe", "arguments": { "n": 6, "how": "ask" } }));
    leg.capabilities = json!({ "elicitation": {} });
    leg
}

/// The call is asked about, approved, and its first leg has left.
async fn first(world: &World, desk: &Arc<super::Desk>) -> Value {
    let asked = leg().send(world, 1).await.json();
    assert_eq!(decision(&asked)["approval"]["id"], "a_0", "{asked}");
    desk.say(0, State::Approved);
    let required = leg().send(world, 2).await.json();
    assert_eq!(required["result"]["resultType"], "input_required", "{required}");
    required
}

#[tokio::test]
async fn the_next_leg_goes_on_under_the_yes_of_the_first() {
    let log = tempfile::NamedTempFile::new().unwrap();
    for era in [UpstreamEra::Modern, UpstreamEra::Legacy] {
        let upstream = Upstream::new(asking).await;
        let config = if era == UpstreamEra::Modern { http_upstream(&upstream) } else { server(log.path()) };
        let (world, desk) = planned(config, json!({}), Plan { era, ..Plan::default() }).await;
        let required = first(&world, &desk).await;
        let answers = json!({ "q1": { "action": "accept", "content": { "name": "x" } } });
        let done = leg().answering(&required, answers).send(&world, 3).await.json();
        assert!(done["result"]["isError"].is_null() && done["result"].is_object(), "{era:?}: {done}");
        assert_eq!(desk.rows().len(), 1, "nobody was asked again");
        // From the start it is a new call.
        let asked = leg().send(&world, 4).await.json();
        assert_eq!(decision(&asked)["approval"]["id"], "a_1", "{asked}");
        let memory = world.stop().await;
        let calls = memory.decisions().into_iter().filter(|one| one["method"] == "tools/call");
        let seen: Vec<_> = calls.map(|one| one["approval"].as_str().unwrap_or("-").to_owned()).collect();
        assert_eq!(seen, ["-", "a_0", "a_0", "-"], "{era:?}");
    }
}

#[tokio::test]
async fn a_leg_under_another_policy_is_a_new_call() {
    let log = tempfile::NamedTempFile::new().unwrap();
    for era in [UpstreamEra::Modern, UpstreamEra::Legacy] {
        let upstream = Upstream::new(asking).await;
        let config = if era == UpstreamEra::Modern { http_upstream(&upstream) } else { server(log.path()) };
        let (world, desk) = planned(config, json!({}), Plan { era, ..Plan::default() }).await;
        let required = first(&world, &desk).await;
        world.publish(&policy(json!({ "description": "the same" })));
        let next = || leg().answering(&required, json!({ "q1": { "action": "accept", "content": { "name": "x" } } }));
        let asked = next().send(&world, 3).await.json();
        assert!(text(&asked).starts_with("[APPROVAL REQUIRED]"), "{era:?}: {asked}");
        // The state is not used up by that: after a yes, the same leg goes on.
        desk.say(1, State::Approved);
        let done = next().send(&world, 4).await.json();
        assert!(done["result"]["isError"].is_null() && done["result"].is_object(), "{era:?}: {done}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_yes_of_a_call_that_waits_covers_no_message_that_does_not_take_the_call() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let (world, desk) =
        planned(server(log.path()), json!({}), Plan { era: UpstreamEra::Legacy, ..Plan::default() }).await;
    let params = json!({ "name": "safe", "arguments": { "n": 6, "how": "url" } });
    let mut leg = Leg::of("tools/call", Some("safe"), params.clone());
    leg.capabilities = json!({ "elicitation": { "url": {} } });
    leg.send(&world, 1).await;
    desk.say(0, State::Approved);
    let required = leg.send(&world, 2).await.json();
    assert_eq!(required["result"]["resultType"], "input_required", "{required}");
    let calls = || std::fs::read_to_string(log.path()).unwrap().matches("tools/call").count();
    assert_eq!(calls(), 1);

    // The same call in a legacy session, with the state of the one that waits: it would leave as often as it is sent.
    let legacy = world.session().await;
    let mut body = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params });
    body["params"]["requestState"] = required["result"]["requestState"].clone();
    for _ in 0..3 {
        let asked = super::send(&world, &legacy, &body.to_string()).await.json();
        assert_eq!(decision(&asked)["approval"]["id"], "a_1", "{asked}");
    }
    assert_eq!((calls(), desk.rows().len(), desk.states()[1].clone()), (1, 2, State::Pending));

    // The leg that takes the call has its yes, and no other has it afterwards.
    let next = leg.answering(&required, json!({ "q1": { "action": "accept" } }));
    let again = next.send(&world, 4).await.json();
    assert_eq!(again["result"]["resultType"], "input_required", "{again}");
    let used = next.send(&world, 5).await.json();
    assert_eq!(decision(&used)["approval"]["id"], "a_1", "{used}");
    assert_eq!(calls(), 2);
    world.stop().await;
}

#[tokio::test]
async fn the_legs_of_a_legacy_client_s_call_leave_under_one_yes() {
    let server = crate::synthesized::server::Server::new().await;
    let plan = Plan { era: UpstreamEra::Modern, ..Plan::default() };
    let (world, desk) = planned(server.config(), json!({}), plan).await;
    let session = session(&world, ALL).await;
    let body = call("safe", "elicit").replace("\"how\"", "\"n\":6,\"how\"");
    let asked = send(&world, &session, &body).await.json();
    assert_eq!(decision(&asked)["approval"]["id"], "a_0", "{asked}");
    desk.say(0, State::Approved);
    let mut stream = Open::new(world.address, &post(TOKEN, &[("Mcp-Session-Id", &session)], body.as_bytes())).await;
    stream.until("\"id\":\"callgate-1\"").await;
    let answer = response("callgate-1", &json!({ "action": "accept", "content": { "name": "x", "n": 1.5 } }));
    assert_eq!(send(&world, &session, &answer).await.status, 202);
    let events = stream.rest().await.events();
    assert!(events.last().unwrap()["result"]["echo"].is_object(), "{events:?}");
    assert_eq!((desk.rows().len(), server.asked("tools/call").len()), (1, 2));
    world.stop().await;
}
