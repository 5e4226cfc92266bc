//! The stream of a session, made of `subscriptions/listen`.

use super::server::{Server, event};
use super::{request, send, session, world};
use crate::http::Open;
use crate::world::{TOKEN, World};
use serde_json::{Value, json};

async fn listen(world: &World, session: &str) -> Open {
    let get = format!(
        "GET /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
    );
    Open::new(world.address, get.as_bytes()).await
}

fn news(asked: &Value, what: &str, uri: Option<&str>) -> String {
    let mut params = json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": asked["id"] } });
    if let Some(uri) = uri {
        params["uri"] = uri.into();
    }
    event(&json!({ "jsonrpc": "2.0", "method": format!("notifications/{what}"), "params": params }))
}

fn about(what: &str, uri: &str) -> String {
    request(&format!("resources/{what}"), &json!({ "uri": uri }))
}

#[tokio::test]
async fn lists_and_resources_that_change_are_told_on_the_stream() {
    let mut server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, "{}").await;
    // Subscribed to before anybody listens.
    assert_eq!(send(&world, &session, about("subscribe", "file:///a")).await.response()["result"], json!({}));
    let mut stream = listen(&world, &session).await;
    let (asked, first) = server.held().await;
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": ["file:///a"] });
    assert_eq!(asked["params"]["notifications"], filter);
    first.send(news(&asked, "tools/list_changed", None)).unwrap();
    first.send(news(&asked, "resources/updated", Some("file:///a"))).unwrap();
    first.send(news(&asked, "message", None)).unwrap();
    let seen = stream.until("file:///a").await;
    assert!(seen.contains("tools/list_changed") && !seen.contains("subscriptionId"), "{seen}");

    // Answered once the server agreed; the first stream ends only then.
    assert_eq!(send(&world, &session, about("subscribe", "file:///b")).await.response()["result"], json!({}));
    let (asked, second) = server.held().await;
    assert_eq!(asked["params"]["notifications"]["resourceSubscriptions"], json!(["file:///a", "file:///b"]));
    first.closed().await;
    second.send(news(&asked, "resources/updated", Some("file:///b"))).unwrap();
    stream.until("file:///b").await;

    assert_eq!(send(&world, &session, about("unsubscribe", "file:///a")).await.response()["result"], json!({}));
    let (asked, third) = server.held().await;
    assert_eq!(asked["params"]["notifications"]["resourceSubscriptions"], json!(["file:///b"]));
    third.send(news(&asked, "resources/updated", Some("file:///b/c"))).unwrap();
    let seen = stream.until("file:///b/c").await;
    assert!(!seen.contains("notifications/message") && !seen.contains("acknowledged"), "{seen}");
    drop(stream);
    third.closed().await;
    let memory = world.stop().await;
    let recorded = memory.decisions().iter().filter(|decision| decision["method"] == "(subscriptions)").count();
    assert_eq!(recorded, 3);
}

#[tokio::test]
async fn a_resource_that_the_server_does_not_watch_is_refused() {
    let mut server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, "{}").await;
    let _stream = listen(&world, &session).await;
    let (_, _first) = server.held().await;
    let refused = send(&world, &session, about("subscribe", "file:///unknown")).await.response();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let (asked, _second) = server.held().await;
    assert_eq!(asked["params"]["notifications"]["resourceSubscriptions"], json!(["file:///unknown"]));
    let (asked, _third) = server.held().await;
    assert_eq!(asked["params"]["notifications"], json!({ "toolsListChanged": true }));
    world.stop().await;
}

#[tokio::test]
async fn a_stream_takes_the_place_of_an_earlier_one_and_ends_with_its_session() {
    let mut server = Server::new().await;
    let world = world(server.config()).await;
    let (mine, other) = (session(&world, "{}").await, session(&world, "{}").await);
    let first = listen(&world, &mine).await;
    let (_, upstream) = server.held().await;
    let second = listen(&world, &mine).await;
    first.rest().await;
    upstream.closed().await;
    let (_, upstream) = server.held().await;
    let mut third = listen(&world, &other).await;
    let (asked, others) = server.held().await;
    let delete = format!(
        "DELETE /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nMcp-Session-Id: {mine}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(world.raw(delete.as_bytes()).await.status, 204);
    second.rest().await;
    upstream.closed().await;
    others.send(news(&asked, "tools/list_changed", None)).unwrap();
    third.until("list_changed").await;
    world.stop().await;
}

#[tokio::test]
async fn a_subscription_that_breaks_off_is_opened_again() {
    let mut server = Server::new().await;
    let world = world(server.config()).await;
    let session = session(&world, "{}").await;
    let mut stream = listen(&world, &session).await;
    let (_, first) = server.held().await;
    drop(first);
    let (asked, second) = server.held().await;
    second.send(news(&asked, "tools/list_changed", None)).unwrap();
    stream.until("list_changed").await;
    world.stop().await;
}
