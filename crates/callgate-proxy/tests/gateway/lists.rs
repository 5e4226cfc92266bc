//! What a client is shown: hidden tools are gone, everything else is what the server sent, byte for byte.

use crate::upstream::{Say, TOOLS, Upstream, decent, events, json_answer};
use crate::world::{World, http_upstream, modern};
use serde_json::json;

const LIST: &str = r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#;

#[tokio::test]
async fn hidden_tools_are_taken_out_and_no_other_byte_changes() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let answer = world.post(&[("Mcp-Session-Id", &session)], LIST).await;
    let text = answer.text();
    let (before, rest) = text.split_once(r#""tools":["#).unwrap();
    let (list, after) = rest.rsplit_once(']').unwrap();
    assert_eq!((before, after), (r#"{"jsonrpc":"2.0","id":3,"result":{"#, r#","cacheScope":"public","ttlMs":5}}"#));
    let echo = r#"{"name":"echo","inputSchema":{"type":"object"}, "execution" : {"x":1.50}}"#;
    let shown: String = list.replace(echo, "E").replace(r#"{"name":"safe"}"#, "S").split_whitespace().collect();
    assert_eq!(shown, "E,S", "{text}");
    // Nothing is cached of a legacy list, so nothing is said about it.
    assert!(answer.text().contains(r#""cacheScope":"public""#));
    // With nothing to hide, the bytes are the server's.
    world.publish(&json!({ "version": "1", "default": "allow" }));
    let answer = world.post(&[("Mcp-Session-Id", &session)], LIST).await;
    let sent = format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{"tools":{TOOLS},"cacheScope":"public","ttlMs":5}}}}"#);
    assert_eq!(answer.text(), sent);
    world.stop().await;
}

#[tokio::test]
async fn modern_lists_are_private() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let (headers, body) = modern("tools/list", None, json!({}));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = world.post(&headers, &body).await;
    assert_eq!(answer.json()["result"]["cacheScope"], "private", "{answer:?}");
    assert!(!answer.text().contains("delete_all"));
    world.stop().await;
}

#[tokio::test]
async fn lists_in_streams_are_filtered_too() {
    let upstream = Upstream::new(|seen| match (seen.method.as_str(), seen.json()["method"].as_str()) {
        // The stream of a GET brings the answer of a list that was asked for elsewhere.
        ("GET", _) => events(&[format!(
            "id: 7\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{{\"tools\":{TOOLS}}}}}\n\n"
        )]),
        (_, Some("tools/list" | "vendor/list")) => events(&[
            ": a comment\n\n".to_owned(),
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n".to_owned(),
            format!("id: 9\ndata: {{\"jsonrpc\":\"2.0\",\"id\":3,\ndata: \"result\":{{\"tools\":{TOOLS}}}}}\n\n"),
        ]),
        _ => decent(seen),
    })
    .await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    for body in [LIST.to_owned(), LIST.replace("tools/list", "vendor/list")] {
        let answer = world.post(&[("Mcp-Session-Id", &session)], &body).await;
        let text = answer.text();
        assert!(text.starts_with(": a comment\n\ndata: {\"jsonrpc\""), "{text}");
        assert!(text.contains("id: 9\n") && text.contains("safe") && !text.contains("delete_all"), "{text}");
    }
    let get = format!(
        "GET /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer cg_first\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\nLast-Event-ID: 4\r\nConnection: close\r\n\r\n"
    );
    let answer = world.raw(get.as_bytes()).await;
    let text = answer.text();
    assert!(text.starts_with("event: message\nid: 7\n") && !text.contains("delete_all"), "{text}");
    let resumed = upstream.seen().pop().unwrap();
    assert_eq!(
        (resumed.header("last-event-id"), resumed.header("mcp-session-id")),
        (Some("4"), Some("upstream-session"))
    );
    world.stop().await;
}

#[tokio::test]
async fn an_unreadable_list_is_an_error() {
    let lists = [
        r#"{"jsonrpc":"2.0","id":3,"result":{"tools":{"a":{"name":"delete_all"}}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{"tools":[{"title":"delete_all"}]}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{"tools":[],"tools":[{"name":"delete_all"}]}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{"Tools":[{"name":"delete_all"}]}}"#,
        r#"{"jsonrpc":"2.0","id":4,"result":{"tools":[{"name":"delete_all"}]}}"#,
        r#"[{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"delete_all"}]}}]"#,
        "delete_all",
    ];
    for list in lists {
        let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
            Some("tools/list") => json_answer(list),
            _ => decent(seen),
        })
        .await;
        let world = World::new(http_upstream(&upstream)).await;
        let session = world.session().await;
        let answer = world.post(&[("Mcp-Session-Id", &session)], LIST).await;
        assert_eq!((answer.status, answer.json()["error"]["data"]["code"].as_str()), (502, Some("CG2044")), "{list}");
        assert!(!answer.text().contains("delete_all"), "{answer:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn results_are_the_servers_bytes_also_when_large_or_odd() {
    let large = "x".repeat(300_000);
    let odd = [
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"n":1.50,"big":12345678901234567890123}}"#.to_owned(),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"\\udc80\"}]}}".to_owned(),
        r#"{ "jsonrpc":"2.0", "id":1, "result":{"a":1,"a":2} }"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[],"large":"{large}"}}}}"#),
    ];
    // What is passed on unread is not known to be a result.
    for (sent, result) in odd.into_iter().zip(["result", "unread", "unread", "unread"]) {
        let answer = sent.clone();
        let upstream = Upstream::new(move |seen| match seen.json()["method"].as_str() {
            Some("tools/call") => Say::Plain(200, vec![crate::upstream::json_type()], answer.clone().into()),
            _ => decent(seen),
        })
        .await;
        let world = World::new(http_upstream(&upstream)).await;
        let session = world.session().await;
        let call =
            r#"{"jsonrpc" : "2.0","id":1 ,"method":"tools/call","params":{"name":"safe","arguments":{"n":1.50}}}"#;
        let got = world.post(&[("Mcp-Session-Id", &session)], call).await;
        assert_eq!(got.text(), sent);
        assert_eq!(String::from_utf8(upstream.seen().pop().unwrap().body).unwrap(), call);
        let memory = world.stop().await;
        let outcome = memory.outcomes().pop().unwrap();
        assert_eq!((outcome["result"].as_str(), outcome["kept"].as_bool()), (Some(result), Some(true)));
    }
}
