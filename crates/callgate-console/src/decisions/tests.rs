//! Decisions on pages.

use crate::fake::{Fake, HOSTILE, assert_inert};
use http::StatusCode;
use serde_json::{Value, json};

fn decision(id: &str) -> Value {
    json!({ "id": id, "time": "2026-01-02T10:00:00.000Z", "seq": 7, "outcome": "deny", "reason": "deny_if",
        "rule": "/tools/exec/deny_if/dangerous", "place": { "baseline": false, "pointer": "/tools/exec/deny_if/0", "line": 3 },
        "message": "No rm.", "organisation": "default", "grant": "g_1", "grant_label": "laptop", "server": "kernel",
        "method": "tools/call", "tool": "exec", "policy": "default", "policy_version": 2, "session": "s1",
        "client": "claude", "client_version": "2", "argument_keys": ["args", "command"] })
}

#[tokio::test]
async fn a_list_shows_what_was_found_and_where_the_rest_is() {
    let fake = Fake::new().with("/decisions", json!({ "items": [decision("d1"), decision("d2")], "next": "more" }));
    let page = fake.get("/decisions?q=tool%3Aexec+outcome%3Adeny").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(fake.was_asked("GET /decisions?q=tool%3Aexec%20outcome%3Adeny&limit=50"), "{:?}", fake.asked());
    for piece in [
        r#"<tr id="d-d1">"#,
        r#"<a href="/decisions/d2">exec</a>"#,
        r#"<a href="/decisions/d1#rule"><code>/tools/exec/deny_if/dangerous</code></a>"#,
        r#"<span class="badge outcome-deny">denied</span>"#,
        r#"href="/decisions?q=tool%3Aexec%20outcome%3Adeny&#38;cursor=more""#,
        r#"value="tool:exec outcome:deny""#,
        "the outcome is `deny`",
        r#"sse-connect="/decisions/events?q=tool%3Aexec%20outcome%3Adeny""#,
    ] {
        assert!(page.text.contains(piece), "{piece} in {}", page.text);
    }
    // An older part does not move.
    let older = fake.get("/decisions?q=x&cursor=more").await.text;
    assert!(!older.contains("sse-connect") && older.contains(r#"<a href="/decisions?q=x">Newest</a>"#), "{older}");
    assert!(!fake.get("/decisions?q=until%3A1h").await.text.contains("sse-connect"));
    let part = fake.part("/decisions?q=x").await.text;
    assert!(part.starts_with(r#"<div id="found""#), "{part}");
}

#[tokio::test]
async fn what_was_typed_wrongly_stays_to_be_mended() {
    let fake = Fake::new().with_problem("/decisions", 400, "CG3190", "`q`, character 1: there is no qualifier `to`");
    let page = fake.get("/decisions?q=to%3Ax").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text.contains("there is no qualifier `to`") && page.text.contains(r#"value="to:x""#), "{}", page.text);
    let page = Fake::new().get("/decisions").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let empty = Fake::new().with_list("/decisions", json!([])).get("/decisions").await.text;
    assert!(empty.contains(r#"<a href="/start">"#), "{empty}");
}

#[tokio::test]
async fn a_search_is_explained_as_it_is_typed() {
    let fake = Fake::new().with_list("/servers", json!([{ "name": "kernel" }]));
    let part = fake.part("/decisions/explain?q=outcome%3Adeny+server%3A").await.text;
    assert!(part.starts_with(r#"<div id="searching">"#), "{part}");
    assert!(part.contains(r#"data-text="outcome:deny server:kernel""#), "{part}");
}

#[tokio::test]
async fn a_text_that_did_not_decide_is_not_shown_as_if_it_had() {
    let mut made = decision("d1");
    made["policy_digest"] = json!("then");
    let version = |digest: &str| json!({ "document": "{\n \"tools\": {\n  \"exec\": {}\n }\n}", "digest": digest });
    let of = "/servers/kernel/policies/default/versions/2";
    let fake = Fake::new().with("/decisions/d1", made).with(of, version("then"));
    assert!(fake.get("/decisions/d1").await.text.contains("class=\"marked\""));
    // Deleted and made anew, a policy has a version 2 again.
    let page = fake.with(of, version("now")).get("/decisions/d1").await.text;
    assert!(page.contains("was made anew since") && !page.contains("class=\"marked\""), "{page}");
}

#[tokio::test]
async fn a_decision_shows_the_line_of_its_rule() {
    let document = "{\n  \"tools\": { \"exec\": {\n    \"deny_if\": [{}]\n  } }\n}";
    let fake = Fake::new()
        .with("/decisions/d1", decision("d1"))
        .with("/servers/kernel/policies/default/versions/2", json!({ "document": document, "digest": "" }));
    let page = fake.get("/decisions/d1").await;
    assert_eq!(page.status, StatusCode::OK);
    for piece in [
        r#"<tr class="marked"><th scope="row" class="number">3<span class="unseen">, marked</span></th><td><code>    &#34;deny_if&#34;: [{}]</code>"#,
        "Policy default of kernel, version 2, line 3 of 5: the rule.",
        r#"<a href="/servers/kernel/policies/default">Open it in the builder</a>"#,
        "server=kernel&#38;policy=default&#38;version=2&#38;tool=exec&#38;grant=laptop",
        "<q>No rm.</q>",
        "It did not leave the gateway.",
        r#"<a href="/limits?server=kernel&#38;grant=g_1">"#,
    ] {
        assert!(page.text.contains(piece), "{piece} in {}", page.text);
    }
    assert_eq!(page.text.matches("class=\"marked\"").count(), 2, "in the excerpt and in the whole text");
    // The text may be gone; the decision is shown all the same.
    let page = Fake::new().with("/decisions/d1", decision("d1")).get("/decisions/d1").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("there is no such route") && page.text.contains("No rm."), "{}", page.text);
}

#[tokio::test]
async fn results_shadows_and_baselines_are_shown() {
    let mut made = decision("d1");
    let more = json!({ "outcome": "approve", "place": { "baseline": true, "pointer": "/tools/exec", "line": 0 },
        "result": "tool_error", "latency_us": 12_300, "bytes": 2_048, "upstream_status": 200, "redacted": { "aws_key": 3 },
        "retry_after_ms": 61_000,
        "shadow": [{ "rule": "/tools/exec/limits/x", "outcome": "deny", "reason": "limit", "message": "full" }] });
    made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let versions = json!([
        { "version": 3, "published": "2026-01-02T10:00:00.001Z" }, { "version": 2, "published": "2026-01-02T09:00:00.000Z" },
    ]);
    let fake = Fake::new()
        .with("/decisions/d1", made)
        .with_list("/baseline/versions", versions)
        .with("/baseline/versions/2", json!({ "document": "{\n \"tools\": {\n  \"exec\": {}\n }\n}", "digest": "" }));
    let text = fake.get("/decisions/d1").await.text;
    for piece in [
        "baseline, version 2, line 3 of 5",
        "tool error",
        "12.3 ms",
        "2 KiB",
        "<dt>aws_key</dt><dd>3</dd>",
        "reset 1 min after",
        "/tools/exec/limits/x",
        "full",
    ] {
        assert!(text.contains(piece), "{piece} in {text}");
    }
}

#[tokio::test]
async fn new_decisions_come_as_rows() {
    let stream = format!(": hello\n\nevent: decision\ndata: {}\n\nevent: other\ndata: 1\n\n", decision("d9"));
    let fake = Fake::new().with("/decisions/events", stream.into());
    let answer = fake.get("/decisions/events?q=tool%3Aexec").await;
    assert!(fake.was_asked("GET /decisions/events?q=tool%3Aexec"), "{:?}", fake.asked());
    assert!(answer.text.contains("event: decision\nid: d-d9\ndata: "), "{}", answer.text);
    assert!(answer.text.contains("data: <tr id=\"d-d9\">"), "{}", answer.text);
    assert_eq!(answer.text.matches("event: ").count(), 1);
    assert_eq!(Fake::new().get("/decisions/events").await.status, StatusCode::NOT_FOUND);
    // Where the browser lost it, it goes on.
    fake.follow("/decisions/events", "d-d9").await;
    assert!(fake.was_asked("GET /decisions/events after d9"), "{:?}", fake.asked());
}

fn everywhere(text: &str) -> Value {
    json!({ "id": text, "time": text, "outcome": text, "reason": text, "rule": text, "message": text, "grant": text,
        "grant_label": text, "identity": text, "server": text, "method": text, "tool": text, "session": text,
        "client": text, "client_version": text, "request_id": text, "argument_keys": [text, text],
        "arguments_digest": text, "policy_digest": text, "result_of": text, "redacted": { text: 1 }, "result": text,
        "policy": text, "policy_version": 1, "place": { "baseline": true, "pointer": text, "line": 1 },
        "shadow": [{ "rule": text, "outcome": text, "reason": text, "message": text }] })
}

#[tokio::test]
async fn nothing_in_a_decision_becomes_markup() {
    let fake = |text: &str| {
        let event = format!("event: decision\ndata: {}\n\n", everywhere(text));
        Fake::new()
            .with_list("/decisions", json!([everywhere(text)]))
            .with("/decisions/d1", everywhere(text))
            .with("/decisions/events", event.into())
            .with_list("/servers", json!([{ "name": text }]))
            .with_list("/baseline/versions", json!([{ "version": 1, "published": "" }]))
            .with("/baseline/versions/1", json!({ "document": text.replace(['\r', '\n'], ""), "digest": "" }))
    };
    for text in HOSTILE {
        for path in ["/decisions", "/decisions/d1", "/decisions/events", "/decisions/explain?q=server:"] {
            // Names of servers are suggested in the part only.
            let read = async |fake: Fake| match path.contains("explain") {
                true => fake.part(path).await,
                false => fake.get(path).await,
            };
            let (plain, hostile) = (read(fake("plain")).await, read(fake(text)).await);
            assert_inert(text, &plain.text, &hostile.text);
        }
        let query: String =
            url::form_urlencoded::byte_serialize(format!("\"{}\"", text.replace('"', "")).as_bytes()).collect();
        let (plain, hostile) =
            (fake("x").get("/decisions?q=x").await, fake("x").get(&format!("/decisions?q={query}")).await);
        assert_inert(
            text,
            plain.text.split("id=\"found\"").next().unwrap(),
            hostile.text.split("id=\"found\"").next().unwrap(),
        );
    }
}

#[tokio::test]
async fn what_a_search_means_is_a_whole_page_for_whoever_comes_by_its_address() {
    let fake = Fake::new().with_list("/decisions", json!([decision("d1")])).with_list("/servers", json!([]));
    let page = fake.get("/decisions/explain?q=outcome%3Adeny").await;
    assert!(
        page.status.is_success() && page.text.contains("<html") && page.text.contains("outcome:deny"),
        "{}",
        page.text
    );
    assert!(!fake.part("/decisions/explain?q=outcome%3Adeny").await.text.contains("<html"));
}
