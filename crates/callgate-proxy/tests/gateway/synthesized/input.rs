//! What a server wants to know, asked of the client; every leg judged and charged.

use super::server::Server;
use super::{ALL, call, impatient, response, send, session, with_policy, world};
use crate::http::Open;
use crate::world::{TOKEN, World, post};
use callgate_proxy::Timeouts;
use serde_json::{Value, json};
use std::time::Duration;

async fn open(world: &World, session: &str, body: &str) -> Open {
    Open::new(world.address, &post(TOKEN, &[("Mcp-Session-Id", session)], body.as_bytes())).await
}

fn asked(id: u32) -> String {
    format!("\"id\":\"callgate-{id}\"")
}

#[tokio::test]
async fn a_form_is_asked_and_its_answer_reaches_the_server() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, ALL).await;
    let answers = [
        json!({ "action": "accept", "content": { "name": "x", "n": 1.5 } }),
        json!({ "action": "decline" }),
        json!({ "action": "cancel" }),
    ];
    for (index, answer) in answers.into_iter().enumerate() {
        // Two ids for each call: its question, and its second leg.
        let id = 1 + 2 * index;
        let mut stream = open(&world, &session, &call("safe", "elicit")).await;
        stream.until(&asked(u32::try_from(id).unwrap())).await;
        let reply = response(&format!("callgate-{id}"), &answer);
        assert_eq!(send(&world, &session, &reply).await.status, 202);
        let events = stream.rest().await.events();
        assert_eq!(events[0]["method"], "elicitation/create");
        assert_eq!(events[0]["params"]["message"], "who?");
        assert_eq!(events[1]["id"], "mine");
        let echo = &events[1]["result"]["echo"];
        assert_eq!(echo["inputResponses"], json!({ "who": answer }));
        assert_eq!((echo["requestState"].as_str(), &echo["arguments"]["how"]), (Some("state 0"), &json!("elicit")));
        assert_eq!(send(&world, &session, &reply).await.status, 400, "answered twice");
    }
    let sent: Vec<_> = server.upstream.seen().iter().map(|seen| seen.json()).collect();
    let legs: Vec<_> =
        sent.iter().filter(|sent| sent["method"] == "tools/call").map(|sent| sent["id"].clone()).collect();
    assert_eq!(legs.len(), 6);
    assert!(legs.iter().step_by(2).all(|id| id == "mine") && legs.iter().skip(1).step_by(2).all(|id| id != "mine"));
    let memory = world.stop().await;
    let recorded = memory.decisions().iter().filter(|decision| decision["method"] == "tools/call").count();
    assert_eq!(recorded, 6, "every leg is a call of its own");
    assert_eq!(memory.outcomes().iter().filter(|outcome| outcome["result"] == "input_required").count(), 3);
}

#[tokio::test]
async fn everything_that_is_asked_at_once_is_answered_at_once() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, ALL).await;
    let mut stream = open(&world, &session, &call("safe", "all")).await;
    stream.until(&asked(3)).await;
    // In another order than asked.
    for (id, result) in [(3, json!({ "action": "accept" })), (1, json!({ "roots": [] })), (2, json!({ "model": "m" }))]
    {
        assert_eq!(send(&world, &session, response(&format!("callgate-{id}"), &result)).await.status, 202);
    }
    let events = stream.rest().await.events();
    let methods: Vec<_> = events.iter().filter_map(|event| event["method"].as_str()).collect();
    assert_eq!(methods, ["roots/list", "sampling/createMessage", "elicitation/create"]);
    assert_eq!(events[2]["params"]["elicitationId"], "callgate-3", "2025-11-25 wants one");
    let expected = json!({ "r": { "roots": [] }, "s": { "model": "m" }, "u": { "action": "accept" } });
    assert_eq!(events[3]["result"]["echo"]["inputResponses"], expected);
    world.stop().await;
}

#[tokio::test]
async fn two_rounds_and_a_round_without_a_question() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, ALL).await;
    let mut stream = open(&world, &session, &call("safe", "rounds")).await;
    stream.until(&asked(1)).await;
    send(&world, &session, response("callgate-1", &json!({ "action": "decline" }))).await;
    stream.until(&asked(3)).await;
    send(&world, &session, response("callgate-3", &json!({ "roots": [] }))).await;
    let events = stream.rest().await.events();
    let methods: Vec<_> = events.iter().map(|event| event["method"].as_str()).collect();
    assert_eq!(methods, [Some("notifications/progress"), Some("elicitation/create"), Some("roots/list"), None]);
    let echo = &events[3]["result"]["echo"];
    assert_eq!(
        (&echo["inputResponses"], &echo["requestState"]),
        (&json!({ "r": { "roots": [] } }), &json!("state one"))
    );

    let later = send(&world, &session, call("safe", "later")).await.events();
    assert_eq!(later[0]["result"]["echo"]["requestState"], "soon");
    assert_eq!(later[0]["result"]["echo"].get("inputResponses"), None);
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_cannot_or_will_not_answer_ends_the_call() {
    let server = Server::new().await;
    let timeouts = Timeouts { idle: Duration::from_millis(300), ..Timeouts::default() };
    let world = world(server.config()).await;
    let bare = session(&world, r#"{"elicitation":{}}"#).await;
    let refused = send(&world, &bare, call("safe", "all")).await.response();
    assert_eq!(refused["error"]["data"]["code"], "CG2080", "{refused}");
    assert_eq!(server.upstream.calls(), 1, "nothing was asked, and no leg followed");

    let mut stream = open(&world, &bare, &call("safe", "elicit")).await;
    stream.until(&asked(1)).await;
    let error = json!({ "jsonrpc": "2.0", "id": "callgate-1", "error": { "code": -1, "message": "no screen" } });
    assert_eq!(send(&world, &bare, error.to_string()).await.status, 202);
    let last = stream.rest().await.events().pop().unwrap();
    assert_eq!((last["id"].as_str(), last["error"]["data"]["code"].as_str()), (Some("mine"), Some("CG2081")));
    assert!(last["error"]["message"].as_str().unwrap().contains("no screen"), "{last}");
    world.stop().await;

    let world = impatient(server.config(), timeouts).await;
    let session = session(&world, ALL).await;
    let stream = open(&world, &session, &call("safe", "elicit")).await;
    let last = stream.rest().await.events().pop().unwrap();
    assert_eq!(last["error"]["data"]["code"], "CG2081", "{last}");
    // Its question is nobody's any more.
    assert_eq!(send(&world, &session, response("callgate-1", &json!({ "action": "accept" }))).await.status, 400);
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_asks_for_ever_is_stopped() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, ALL).await;
    let mut stream = open(&world, &session, &call("safe", "ever")).await;
    for round in 0..16 {
        stream.until(&asked(1 + 2 * round)).await;
        let reply = response(&format!("callgate-{}", 1 + 2 * round), &json!({ "action": "decline" }));
        assert_eq!(send(&world, &session, reply).await.status, 202);
    }
    let last = stream.rest().await.events().pop().unwrap();
    assert_eq!(last["error"]["data"]["code"], "CG2082", "{last}");
    assert_eq!(server.upstream.calls(), 17);
    world.stop().await;
}

#[tokio::test]
async fn every_leg_is_judged_by_the_policy_of_its_moment_and_charged() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, ALL).await;
    let accept = json!({ "action": "accept", "content": {} });
    // Two legs use up what `twice` has.
    let mut stream = open(&world, &session, &call("twice", "elicit")).await;
    stream.until(&asked(1)).await;
    send(&world, &session, response("callgate-1", &accept)).await;
    assert_eq!(stream.rest().await.events()[1]["result"]["content"][0]["text"], "done");
    let spent = send(&world, &session, call("twice", "plain")).await.response();
    assert_eq!(spent["result"]["isError"], true, "{spent}");

    let mut stream = open(&world, &session, &call("safe", "elicit")).await;
    stream.until(&asked(3)).await;
    let calls = server.upstream.calls();
    world.publish(&json!({ "version": "1", "default": "deny" }));
    send(&world, &session, response("callgate-3", &accept)).await;
    let last = stream.rest().await.events().pop().unwrap();
    assert_eq!((last["id"].as_str(), last["result"]["isError"].as_bool()), (Some("mine"), Some(true)), "{last}");
    assert_eq!(server.upstream.calls(), calls);
    world.stop().await;
}

#[tokio::test]
async fn the_policy_says_what_a_server_may_ask_and_be_told() {
    let server = Server::new().await;
    let policy = |elicitation: &str, roots: &str| {
        json!({
            "version": "1", "default": "deny", "tools": { "safe": {} },
            "sampling": { "allow": ["*"] }, "elicitation": { "allow": [elicitation] }, "roots": { "allow": [roots] }
        })
    };
    let world = with_policy(server.config(), policy("https://elsewhere.example/*", "*")).await;
    let session = session(&world, ALL).await;
    let denied = send(&world, &session, call("safe", "elicit")).await;
    assert_eq!(denied.events().len(), 1, "the client was not asked: {denied:?}");
    assert_eq!(
        (denied.response()["id"].as_str(), denied.response()["result"]["isError"].as_bool()),
        (Some("mine"), Some(true))
    );

    world.publish(&policy("*", "file:///workspace/*"));
    let mut stream = open(&world, &session, &call("safe", "all")).await;
    stream.until(&asked(3)).await;
    let roots = json!({ "roots": [{ "uri": "file:///etc" }, { "uri": "file:///workspace/a", "name": "a" }] });
    for (id, result) in [(1, roots), (2, json!({ "model": "m" })), (3, json!({ "action": "accept" }))] {
        assert_eq!(send(&world, &session, response(&format!("callgate-{id}"), &result)).await.status, 202);
    }
    let last = stream.rest().await.events().pop().unwrap();
    let told = &last["result"]["echo"]["inputResponses"]["r"]["roots"];
    assert_eq!(told, &json!([{ "uri": "file:///workspace/a", "name": "a" }]), "{last}");
    world.stop().await;
}

#[tokio::test]
async fn a_revoked_grant_and_an_ended_session_end_what_waits() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, ALL).await;
    let mut stream = open(&world, &session, &call("safe", "elicit")).await;
    stream.until(&asked(1)).await;
    let delete = format!(
        "DELETE /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nMcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(world.raw(delete.as_bytes()).await.status, 204);
    assert!(stream.rest().await.text().contains("CG2031"));
    let again = super::session(&world, ALL).await;
    let mut stream = open(&world, &again, &call("safe", "elicit")).await;
    stream.until(&asked(1)).await;
    world.revoke(&["g1"]);
    assert!(stream.rest().await.text().contains("CG2036"));
    assert_eq!(server.upstream.calls(), 2);
    world.stop().await;
}

#[tokio::test]
async fn two_sessions_do_not_mix() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let (first, second) = (session(&world, ALL).await, session(&world, ALL).await);
    let mut one = open(&world, &first, &call("safe", "elicit")).await;
    one.until(&asked(1)).await;
    let says = |name: &str| response("callgate-1", &json!({ "action": "accept", "content": { "name": name } }));
    assert_eq!(send(&world, &second, says("thief")).await.status, 400);
    let mut two = open(&world, &second, &call("safe", "elicit")).await;
    two.until(&asked(1)).await;
    assert_eq!(send(&world, &second, says("two")).await.status, 202);
    assert_eq!(send(&world, &first, says("one")).await.status, 202);
    for (stream, name) in [(one, "one"), (two, "two")] {
        let last: Value = stream.rest().await.events().pop().unwrap();
        assert_eq!(last["result"]["echo"]["inputResponses"]["who"]["content"]["name"], name);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_between_two_legs_is_told() {
    let server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, ALL).await;
    let mut stream = open(&world, &session, &call("safe", "dies")).await;
    stream.until(&asked(1)).await;
    send(&world, &session, response("callgate-1", &json!({ "action": "decline" }))).await;
    let last = stream.rest().await.events().pop().unwrap();
    assert_eq!((last["id"].as_str(), last["error"]["data"]["code"].as_str()), (Some("mine"), Some("CG2041")));
    assert_eq!(send(&world, &session, call("safe", "plain")).await.status, 200);
    world.stop().await;
}
