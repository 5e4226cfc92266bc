//! HTTP servers that close the stream of an answer and are asked for it again, on behalf of clients that can't.

use crate::child::call;
use crate::lines::{Client, bridge, wrap};
use crate::upstream::{Say, Seen, Upstream, decent, events};
use crate::world::{Plan, TOKEN, World, http_upstream, initialize};
use callgate_proxy::Timeouts;
use std::time::Duration;

/// "polls" brings the answer at the third try, "breaks" loses the connection on the way, "forgets" knows nothing of it
/// later, and what "ends" can't be asked for again.
fn polled(seen: &Seen) -> Say {
    let primed = |id: &str| format!("id: {id}\nretry: 10\ndata: \n\n");
    let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"tok\",\"progress\":1}}\n\n";
    let answer = "id: end\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"mine\",\"result\":{\"content\":[],\"polled\":true}}\n\n";
    match (seen.method.as_str(), seen.json()["params"]["arguments"]["how"].as_str(), seen.header("last-event-id")) {
        ("POST", Some("polls"), _) => events(&[primed("polls-1")]),
        ("GET", _, Some("polls-1")) => events(&[format!("id: polls-2\n{progress}")]),
        ("GET", _, Some("polls-2")) => events(&[answer.to_owned()]),
        ("POST", Some("breaks"), _) => Say::Broken(format!("{}{progress}", primed("breaks-1"))),
        ("GET", _, Some("breaks-1")) => events(&[answer.to_owned()]),
        ("POST", Some("forgets"), _) => events(&[primed("forgets-1")]),
        ("POST", Some("ends"), _) => events(&[progress.to_owned()]),
        ("POST", Some("never"), _) => events(&[primed("never-1")]),
        ("GET", _, Some("never-1")) => events(&[]),
        ("GET", _, Some(_)) => Say::Plain(400, vec![], vec![]),
        _ => decent(seen),
    }
}

async fn converse<T>(mut client: Client<T>) {
    client.ask(&initialize("2025-11-25")).await;
    assert_eq!(client.ask(&call("polls")).await["method"], "notifications/progress");
    assert_eq!(client.hear().await["result"]["polled"], true);
    assert_eq!(client.ask(&call("breaks")).await["method"], "notifications/progress");
    assert_eq!(client.hear().await["result"]["polled"], true);
    assert_eq!(client.ask(&call("forgets")).await["error"]["data"]["code"], "CG2041");
    assert_eq!(client.ask(&call("ends")).await["method"], "notifications/progress");
    assert_eq!(client.hear().await["error"]["data"]["code"], "CG2041");
    client.leave().await;
}

#[tokio::test]
async fn the_stdio_front_asks_again() {
    let upstream = Upstream::new(polled).await;
    let world = World::new(http_upstream(&upstream)).await;
    converse(wrap(&world)).await;
    assert_eq!(upstream.calls(), 4, "each call is made once");
    let results: Vec<_> = world.memory.outcomes().iter().map(|outcome| outcome["result"].clone()).collect();
    let results: Vec<_> = results.iter().filter(|result| *result != "accepted").collect();
    assert_eq!(results, ["result", "result", "result", "broken", "broken"], "initialize, and the four calls");
    let again = upstream.seen().into_iter().find(|seen| seen.header("last-event-id") == Some("polls-1")).unwrap();
    assert_eq!(again.header("mcp-session-id"), Some("upstream-session"));
    assert_eq!(again.header("mcp-protocol-version"), Some("2025-11-25"));
    world.stop().await;
}

#[tokio::test]
async fn the_bridge_asks_again_through_the_gateway() {
    let upstream = Upstream::new(polled).await;
    let world = World::new(http_upstream(&upstream)).await;
    converse(bridge(&world, TOKEN)).await;
    assert_eq!(upstream.calls(), 4, "each call is made once");
    world.stop().await;
}

#[tokio::test]
async fn nobody_asks_for_ever() {
    let upstream = Upstream::new(polled).await;
    let timeouts = Timeouts { silence: Duration::from_millis(100), ..Timeouts::default() };
    let world = World::planned(http_upstream(&upstream), Plan { timeouts, ..Plan::default() }).await;
    let mut client = wrap(&world);
    client.ask(&initialize("2025-11-25")).await;
    assert_eq!(client.ask(&call("never")).await["error"]["data"]["code"], "CG2042");
    client.leave().await;
    world.stop().await;
}
