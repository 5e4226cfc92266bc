//! Ways past a gateway: each is refused, is recorded, and nothing of it reaches the upstream.

use crate::upstream::{Say, Upstream};
use crate::world::{BARE_TOKEN, OTHER_TOKEN, Plan, SECOND_TOKEN, TOKEN, World, http_upstream, modern, post};
use callgate_proxy::Options;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","arguments":{}}}"#;

fn call(inner: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,{inner}}}"#)
}

/// Bodies of a legacy session: what it is, the body, the status.
fn bodies() -> Vec<(&'static str, Vec<u8>, u16)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let nested = format!(
        r#""method":"tools/call","params":{{"name":"safe","arguments":{{"a":{}1{}}}}}"#,
        "[".repeat(80),
        "]".repeat(80)
    );
    let many: Vec<String> = (0..300_000).map(|n| format!("\"k{n}\":1")).collect();
    let many = format!(r#""method":"tools/call","params":{{"name":"safe","arguments":{{{}}}}}"#, many.join(","));
    let utf16: Vec<u8> = CALL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("a name twice", text(&call(r#""method":"tools/call","params":{"name":"safe","name":"exec"}"#)), 400),
        (
            "a name twice, escaped",
            text(&call(r#""method":"tools/call","params":{"name":"safe","n\u0061me":"exec"}"#)),
            400,
        ),
        ("a method twice", text(&call(r#""method":"ping","method":"tools/call","params":{"name":"exec"}"#)), 400),
        (
            "params twice",
            text(&call(r#""method":"tools/call","params":{"name":"safe"},"params":{"name":"exec"}"#)),
            400,
        ),
        (
            "a key of another case",
            text(&call(r#""method":"ping","Method":"tools/call","params":{"name":"exec"}"#)),
            400,
        ),
        (
            "a duplicate in the arguments",
            text(&call(r#""method":"tools/call","params":{"name":"safe","arguments":{"a":1,"a":2}}"#)),
            400,
        ),
        ("a batch", text(&format!("[{CALL}]")), 400),
        ("a byte order mark", [b"\xEF\xBB\xBF", CALL.as_bytes()].concat(), 400),
        ("UTF-16", utf16, 400),
        ("invalid UTF-8", [CALL.as_bytes(), b"\xff"].concat(), 400),
        ("a NUL behind", [CALL.as_bytes(), b"\0"].concat(), 400),
        ("a second message behind", text(&format!("{CALL}\n{CALL}")), 400),
        ("another case of the method", text(&call(r#""method":"Tools/Call","params":{"name":"exec"}"#)), 400),
        ("space around the method", text(&call(r#""method":" tools/call","params":{"name":"exec"}"#)), 400),
        ("a slash behind the method", text(&call(r#""method":"tools/call/","params":{"name":"exec"}"#)), 400),
        ("no id", text(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"safe"}}"#), 400),
        ("a null id", text(r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"safe"}}"#), 400),
        ("a fractional id", text(r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"safe"}}"#), 400),
        ("a huge id", text(&format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(5000))), 400),
        ("deep nesting", text(&call(&nested)), 413),
        ("300,000 keys", text(&call(&many)), 413),
        (
            "arguments as an array",
            text(&call(r#""method":"tools/call","params":{"name":"safe","arguments":["x"]}"#)),
            400,
        ),
        ("params as an array", text(&call(r#""method":"tools/call","params":["safe"]"#)), 400),
        ("a name that is no string", text(&call(r#""method":"tools/call","params":{"name":["safe"]}"#)), 400),
        ("a response that nobody asked for", text(r#"{"jsonrpc":"2.0","id":5,"result":{}}"#), 400),
        ("nothing", Vec::new(), 400),
        (
            "a number that is none",
            text(&call(r#""method":"tools/call","params":{"name":"safe","arguments":{"a":1e999999}}"#)),
            400,
        ),
        // These are answered as tool results, for the model to read.
        ("a hidden tool", text(&call(r#""method":"tools/call","params":{"name":"delete_all"}"#)), 200),
        ("an unlisted tool", text(&call(r#""method":"tools/call","params":{"name":"exec"}"#)), 200),
        ("a look-alike", text(&call(r#""method":"tools/call","params":{"name":"s\u0430fe"}"#)), 200),
        ("another normal form", text(&call(r#""method":"tools/call","params":{"name":"saf\u0065\u0301"}"#)), 200),
        ("another case of the tool", text(&call(r#""method":"tools/call","params":{"name":"Safe"}"#)), 200),
    ]
}

#[tokio::test]
async fn bodies_that_could_be_read_two_ways() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let before = upstream.seen().len();
    for (what, body, status) in bodies() {
        let refused = world.memory.refusals();
        let answer = world.post(&[("Mcp-Session-Id", &session)], &body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(upstream.seen().len(), before, "{what} reached the upstream");
        assert_eq!(world.memory.refusals(), refused + 1, "{what} is not recorded once");
        if status == 200 {
            let json = answer.json();
            assert_eq!(json["result"]["isError"], true, "{what}");
            assert!(json["result"]["content"][0]["text"].as_str().unwrap().starts_with("[POLICY DENIED] "), "{what}");
            assert_eq!(json["result"]["_meta"]["dev.callgate/decision"]["outcome"], "deny", "{what}");
        } else {
            assert!(answer.json()["error"]["code"].is_i64(), "{what}");
        }
    }
    // The gateway is none the worse for it.
    assert_eq!(world.post(&[("Mcp-Session-Id", &session)], CALL).await.json()["result"]["extra"], json!(1.5));
    world.stop().await;
}

/// Heads that are refused: what it is, the bytes, the status.
fn heads(session: &str, foreign_session: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let own =
        |headers: &[(&str, &str)]| post(TOKEN, &[&[("Mcp-Session-Id", session)], headers].concat(), CALL.as_bytes());
    let path = |path: &str| {
        let request = String::from_utf8(own(&[])).unwrap();
        request.replacen("/mcp/one", path, 1).into_bytes()
    };
    vec![
        ("no token", own(&[("Authorization", "")]), 401),
        ("an unknown token", own(&[("Authorization", "Bearer cg_unknown")]), 401),
        ("another scheme", own(&[("Authorization", "Basic cg_first")]), 401),
        ("a token in the query", path("/mcp/one?access_token=cg_first"), 400),
        ("a grant of another server", post(OTHER_TOKEN, &[("Mcp-Session-Id", session)], CALL.as_bytes()), 404),
        ("another grant's session", post(SECOND_TOKEN, &[("Mcp-Session-Id", session)], CALL.as_bytes()), 404),
        ("another's session for ours", own(&[("Mcp-Session-Id", foreign_session)]), 404),
        ("an invented session", own(&[("Mcp-Session-Id", "0123456789")]), 404),
        ("no session", own(&[("Mcp-Session-Id", "")]), 400),
        ("a foreign host", own(&[("Host", "evil.example")]), 403),
        ("a foreign origin", own(&[("Origin", "https://evil.example")]), 403),
        ("an opaque origin", own(&[("Origin", "null")]), 403),
        ("a foreign absolute target", path("http://evil.example/mcp/one"), 403),
        ("dots in the path", path("/mcp/two/../one"), 404),
        ("an escaped slash", path("/mcp/two%2f..%2fone"), 404),
        ("an escaped letter", path("/mcp/%6fne"), 404),
        ("a doubled slash", path("/mcp//one"), 404),
        ("two slashes behind", path("/mcp/one//"), 404),
        ("another server", path("/mcp/two"), 404),
        ("no server", path("/mcp/"), 404),
        ("a compressed body", own(&[("Content-Encoding", "gzip")]), 415),
        ("another type", own(&[("Content-Type", "text/plain")]), 415),
        ("no type", own(&[("Content-Type", "")]), 415),
        ("another charset", own(&[("Content-Type", "application/json; charset=utf-16")]), 415),
        ("an unknown version", own(&[("MCP-Protocol-Version", "2031-01-01")]), 400),
        ("the modern version alone", own(&[("MCP-Protocol-Version", "2026-07-28")]), 400),
        ("another HTTP method", String::from_utf8(own(&[])).unwrap().replacen("POST", "PUT", 1).into_bytes(), 405),
        ("events only", own(&[("Accept", "text/event-stream")]), 406),
    ]
}

#[tokio::test]
async fn heads_that_present_something_else() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let foreign = world.session_of(SECOND_TOKEN, "2025-11-25").await;
    let before = upstream.seen().len();
    for (what, request, status) in heads(&session, &foreign) {
        let refused = world.memory.refusals();
        let answer = world.raw(&request).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(upstream.seen().len(), before, "{what} reached the upstream");
        assert_eq!(world.memory.refusals(), refused + 1, "{what} is not recorded once");
        assert_eq!(status == 401, answer.header("www-authenticate").is_some(), "{what}");
    }
    assert!(world.memory.early().iter().all(|(_, path)| !path.contains("cg_")), "a token was recorded");
    world.stop().await;
}

#[tokio::test]
async fn modern_headers_that_disagree_with_the_body() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let (headers, body) = modern("tools/call", Some("safe"), json!({ "name": "safe", "arguments": {} }));
    let with = |changes: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let mut all = headers.clone();
        for (name, value) in changes {
            all.retain(|(known, _)| known != name);
            if !value.is_empty() {
                all.push((name, (*value).to_owned()));
            }
        }
        all
    };
    let cases = [
        ("another method", with(&[("Mcp-Method", "ping")]), -32020),
        ("no method", with(&[("Mcp-Method", "")]), -32020),
        ("another tool", with(&[("Mcp-Name", "echo")]), -32020),
        ("no tool", with(&[("Mcp-Name", "")]), -32020),
        ("another version", with(&[("MCP-Protocol-Version", "2025-11-25")]), -32020),
        ("no version", with(&[("MCP-Protocol-Version", "")]), -32020),
    ];
    for (what, headers, code) in cases {
        let refused = world.memory.refusals();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = world.post(&headers, &body).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (400, Some(code)), "{what}: {answer:?}");
        assert_eq!(upstream.seen().len(), 0, "{what} reached the upstream");
        assert_eq!(world.memory.refusals(), refused + 1, "{what} is not recorded once");
    }
    world.stop().await;
}

#[tokio::test]
async fn two_lengths_smuggle_nothing() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let before = upstream.seen().len();
    let head = |extra: &str| {
        format!(
            "POST /mcp/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMcp-Session-Id: {session}\r\nConnection: close\r\n{extra}\r\n\r\n"
        )
    };
    let second = head(&format!("Content-Length: {}", CALL.len())) + CALL;
    let cases = [
        ("two lengths", head("Content-Length: 3\r\nContent-Length: 5") + "0\r\n\r\n" + &second),
        ("a length that is none", head("Content-Length: +3") + "{}\n" + &second),
        ("an encoding that is none", head("Transfer-Encoding: xchunked") + "0\r\n\r\n" + &second),
        (
            "an encoding hidden",
            head("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity") + "0\r\n\r\n" + &second,
        ),
        (
            "both",
            head(&format!("Content-Length: {}\r\nTransfer-Encoding: chunked", second.len() + 5))
                + "0\r\n\r\n"
                + &second,
        ),
    ];
    for (what, request) in cases {
        let answer = world.raw(request.as_bytes()).await;
        assert_eq!(answer.status / 100, 4, "{what}: {answer:?}");
        assert!(!answer.text().contains("HTTP/1.1 200"), "{what}: {answer:?}");
        assert_eq!(upstream.seen().len(), before, "{what} reached the upstream");
    }
    world.stop().await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_never_end() {
    let upstream = Upstream::decent().await;
    let options = Options { max_body: 1000, body_timeout: Duration::from_millis(50), workers: 1, ..Options::default() };
    let world = World::planned(http_upstream(&upstream), Plan { options, ..Plan::default() }).await;
    let long = post(TOKEN, &[], &[b' '; 2000]);
    assert_eq!(world.raw(&long).await.status, 413);
    let chunked = post(TOKEN, &[("Content-Length", ""), ("Transfer-Encoding", "chunked")], b"");
    let chunks =
        [&chunked[..], &b"200\r\n"[..], &[b' '; 0x200], b"\r\n200\r\n", &[b' '; 0x200], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(world.raw(&chunks).await.status, 413);
    let slow = post(TOKEN, &[("Content-Length", "100")], b"{");
    assert_eq!(world.raw(&slow).await.status, 408);
    assert_eq!(world.memory.refusals(), 3);
    assert_eq!(upstream.seen().len(), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_head_that_never_ends_loses_its_connection() {
    let upstream = Upstream::decent().await;
    let options = Options { head_timeout: Duration::from_millis(50), workers: 1, ..Options::default() };
    let world = World::planned(http_upstream(&upstream), Plan { options, ..Plan::default() }).await;
    let mut slow = tokio::net::TcpStream::connect(world.address).await.unwrap();
    slow.write_all(b"POST /mcp/one HTTP/1.1\r\nHost: localhost\r\nX-Drip: ").await.unwrap();
    let mut said = Vec::new();
    // Ends only because the gateway closes: the client never does.
    slow.read_to_end(&mut said).await.unwrap();
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(upstream.seen().len(), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Upstream::decent().await;
    let to = format!("http://{}/mcp", target.address);
    let upstream = Upstream::new(move |_| Say::Plain(307, vec![("location", to.clone())], vec![])).await;
    let world = World::modern(http_upstream(&upstream)).await;
    let (headers, body) = modern("tools/call", Some("safe"), json!({ "name": "safe" }));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = world.post(&headers, &body).await;
    assert_eq!((answer.status, answer.json()["error"]["data"]["code"].as_str()), (502, Some("CG2043")), "{answer:?}");
    // Not even for the list, which is asked for before a tool is called that nobody has listed.
    assert_eq!((upstream.seen().len(), upstream.calls(), target.seen().len()), (1, 0, 0));
    world.stop().await;
}

#[tokio::test]
async fn a_grant_without_a_policy_is_told_and_no_more() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session_of(BARE_TOKEN, "2025-11-25").await;
    let ask =
        async |body: &str| world.raw(&post(BARE_TOKEN, &[("Mcp-Session-Id", &session)], body.as_bytes())).await.json();
    let told = ask(CALL).await;
    assert_eq!(told["result"]["_meta"]["dev.callgate/decision"]["rule"], "(no policy)");
    for method in ["resources/list", "prompts/list", "completion/complete", "tasks/get", "vendor/method"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"taskId":"x","ref":{{}},"argument":{{}}}}}}"#
        );
        assert_eq!(ask(&body).await["error"]["code"], -31001, "{method}");
    }
    assert_eq!(ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await["result"]["tools"][0]["name"], "echo");
    let reached: Vec<_> =
        upstream.seen().iter().map(|seen| seen.json()["method"].as_str().unwrap().to_owned()).collect();
    assert_eq!(reached, ["initialize", "tools/list"]);
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_leave() {
    let upstream = Upstream::decent().await;
    let world = World::new(http_upstream(&upstream)).await;
    let session = world.session().await;
    let before = upstream.seen().len();
    world.memory.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = world.post(&[("Mcp-Session-Id", &session)], CALL).await;
    assert_eq!(answer.json()["result"]["isError"], true, "{answer:?}");
    let ping = world.post(&[("Mcp-Session-Id", &session)], r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(ping.status, 503, "{ping:?}");
    assert_eq!(upstream.seen().len(), before);
    world.stop().await;
}
