//! What was taken out of lists is on record: once for a grant, a policy and a set of names, whatever is spoken.

use crate::held;
use crate::lines::wrap;
use crate::reach::ask_modern;
use crate::upstream::{Upstream, decent, json_answer};
use crate::world::{SECOND_TOKEN, World, http_upstream, initialize, post};
use callgate_proxy::UpstreamConfig;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server, given what is there to make it of.
type Server = fn(&Upstream, &std::path::Path) -> UpstreamConfig;

const LIST: &str = r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#;

async fn list_in_session(world: &World, session: &str) {
    let answer = world.post(&[("Mcp-Session-Id", session)], LIST).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The records, without what names the session.
fn records(world: &World) -> Vec<Value> {
    let mut all = world.memory.withheld();
    for record in &mut all {
        record.as_object_mut().unwrap().remove("session");
    }
    all
}

#[tokio::test]
async fn it_is_recorded_once_until_grant_policy_or_names_change() {
    let extra = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&extra);
    let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
        Some("tools/list") if count.load(Ordering::SeqCst) > 0 => {
            let tools = (0..count.load(Ordering::SeqCst)).rev();
            let tools: Vec<Value> =
                tools.map(|n| json!({ "name": format!("delete_{n}_{}", "x".repeat(200)) })).collect();
            json_answer(&json!({ "jsonrpc": "2.0", "id": 3, "result": { "tools": tools } }).to_string())
        }
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    list_in_session(&world, &session).await;
    list_in_session(&world, &session).await;
    list_in_session(&world, &world.session().await).await;
    let expected = json!({
        "organisation": "home", "grant": "g1", "grant_label": "g1", "server": "one", "method": "tools/list",
        "policy": "p", "policy_version": 1, "names": ["delete_all"], "count": 1
    });
    assert_eq!(records(&world), [expected]);
    assert!(world.memory.withheld()[0]["session"].is_string());

    let second = world.session_of(SECOND_TOKEN, "2025-11-25").await;
    let listed = world.raw(&post(SECOND_TOKEN, &[("Mcp-Session-Id", &second)], LIST.as_bytes())).await;
    assert_eq!((listed.status, records(&world).len()), (200, 2), "another grant");
    assert_eq!(records(&world)[1]["grant"], "g2");

    extra.store(130, Ordering::SeqCst);
    list_in_session(&world, &session).await;
    list_in_session(&world, &session).await;
    let many = records(&world).pop().unwrap();
    assert_eq!((records(&world).len(), &many["count"]), (3, &json!(130)), "other names");
    let names = many["names"].as_array().unwrap();
    assert!(names.len() == 100 && names.iter().all(|name| name.as_str().unwrap().chars().count() == 128));

    // Nothing to take out is nothing to record.
    world.publish(&json!({ "version": "1", "default": "allow" }));
    list_in_session(&world, &session).await;
    assert_eq!(records(&world).len(), 3);
    world.stop().await;
}

#[tokio::test]
async fn what_could_not_be_recorded_is_recorded_with_the_next_list() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let list = async || ask_modern(&world, "tools/list", None, json!({})).await;
    assert_eq!(list().await.status, 200);
    assert_eq!(records(&world).len(), 1);
    world.publish(&json!({ "version": "1", "default": "allow", "hide": ["echo"] }));
    world.memory.refuse_withheld(true);
    let answer = list().await;
    assert!(answer.status == 200 && !answer.text().contains("echo"), "the list passes as it may: {answer:?}");
    assert_eq!((records(&world).len(), world.figure("callgate_unrecorded_total").await), (1, 1));
    world.memory.refuse_withheld(false);
    list().await;
    list().await;
    assert_eq!(records(&world).len(), 2);
    assert_eq!(records(&world)[1]["names"], json!(["echo"]));
    world.stop().await;
}

/// Every way that a list can take from a server to a client.
#[tokio::test]
async fn it_is_recorded_in_every_era_and_over_every_transport() {
    let upstream = Upstream::decent().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let servers: [(&str, Server, bool); 3] = [
        ("legacy process", |_, log| held::server(log), false),
        ("server of both eras", |upstream, _| http_upstream(upstream), false),
        ("modern server", |upstream, _| http_upstream(upstream), true),
    ];
    for (name, server, is_modern) in servers {
        for client in ["session", "modern", "wrap"] {
            let config = server(&upstream, log.path());
            let world = if is_modern { World::modern(config).await } else { World::new(config).await };
            match client {
                "session" => list_in_session(&world, &world.session().await).await,
                "modern" => drop(ask_modern(&world, "tools/list", None, json!({})).await),
                _ => {
                    let mut client = wrap(&world);
                    client.ask(&initialize("2025-11-25")).await;
                    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
                    assert!(client.ask(LIST).await["result"]["tools"].is_array());
                    client.leave().await;
                }
            }
            let found = records(&world);
            assert_eq!(found.len(), 1, "{client} in front of a {name}: {found:?}");
            assert!(found[0]["names"][0].as_str().unwrap().starts_with("delete_"), "{found:?}");
            assert_eq!((&found[0]["grant"], &found[0]["policy_version"]), (&json!("g1"), &json!(1)));
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn resources_and_prompts_are_recorded_by_their_own_lists() {
    let upstream = Upstream::new(|seen| {
        let lists = [("resources", "uri"), ("resourceTemplates", "uriTemplate"), ("prompts", "name")];
        let asked = seen.json()["method"].as_str().unwrap_or_default().to_owned();
        let list = match asked.as_str() {
            "resources/list" => lists[0],
            "resources/templates/list" => lists[1],
            "prompts/list" => lists[2],
            _ => return decent(seen),
        };
        let entries = json!([{ list.1: "file:///etc/passwd" }, { list.1: "plain" }]);
        json_answer(&json!({ "jsonrpc": "2.0", "id": 7, "result": { list.0: entries } }).to_string())
    })
    .await;
    let world = crate::reach::world(&upstream).await;
    for (method, names) in [
        ("resources/list", json!(["file:///etc/passwd", "plain"])),
        ("resources/templates/list", json!(["file:///etc/passwd", "plain"])),
        ("prompts/list", Value::Null),
    ] {
        ask_modern(&world, method, None, json!({})).await;
        let found = records(&world).into_iter().find(|record| record["method"] == method);
        assert_eq!(found.map_or(Value::Null, |record| record["names"].clone()), names, "{method}");
    }
    world.stop().await;
}
