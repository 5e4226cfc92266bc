//! Questions on pages.

use crate::fake::{Fake, HOSTILE, assert_inert};
use http::StatusCode;
use serde_json::{Value, json};

fn question(id: &str, state: &str) -> Value {
    json!({ "id": id, "state": state, "server": "kernel", "server_id": "u-1", "tool": "exec", "grant": "g_1", "grant_label": "laptop",
        "identity": "ada", "client": "claude", "policy": "default", "policy_version": 2, "rule": "/tools/exec/approve_if/always",
        "message": "A person decides.", "argument_keys": ["amount", "command"],
        "arguments": { "amount": 1.50, "command": "rm\n-rf" },
        "ask": "hold", "four_eyes": true, "remember_seconds": 900, "decision": "d1", "asked": "2026-01-02T10:00:00.000Z",
        "expires": "2099-01-02T10:00:00.000Z", "url": "http://x/approvals/a", "reason": "",
        "answered_by": if state == "pending" { Value::Null } else { "member:ada".into() } })
}

fn listed(id: &str, state: &str) -> Value {
    let mut question = question(id, state);
    for private in ["arguments", "message"] {
        question.as_object_mut().unwrap().remove(private);
    }
    question
}

fn inbox() -> Fake {
    Fake::new()
        .with_list("/approvals", json!([listed("a_2", "pending"), listed("a_1", "pending"), listed("a_0", "refused")]))
        .with("/approvals/a_1", question("a_1", "pending"))
        .with("/approvals/a_2", question("a_2", "pending"))
        .with("/approvals/a_0", question("a_0", "refused"))
}

#[tokio::test]
async fn who_answers_for_one_server_may_answer_its_questions() {
    for (server, may) in [("u-1", true), ("u-2", false), ("kernel", false)] {
        let roles = json!({ "organisation": [], "servers": { server: ["read_decisions", "decide_approvals"] } });
        let session = json!({ "organisation": "default", "who": "member:ada", "csrf": "the-token", "may": roles });
        let page = inbox().with("/session", session).get("/approvals").await.text;
        assert_eq!(!page.contains("your role does not have `decide_approvals`"), may, "{server}: {page}");
    }
}

#[tokio::test]
async fn the_inbox_shows_what_exactly_is_asked() {
    let page = inbox().get("/approvals").await;
    assert_eq!(page.status, StatusCode::OK);
    for piece in [
        r#"id="ask-a_1""#,
        "&#34;rm\\n\n-rf&#34;",
        "A person decides.",
        "in the name of ada",
        "/tools/exec/approve_if/always",
        r#"name="answer" value="approve" data-key="y""#,
        r#"name="csrf" value="the-token""#,
        "Let a yes stay, up to 15 min",
        "left</time>",
        r#"<span class="badge outcome-deny">refused</span>"#,
        r#"sse-connect="/approvals/events""#,
    ] {
        assert!(page.text.contains(piece), "{piece} in {}", page.text);
    }
    let at = |id: &str| page.text.find(&format!("id=\"ask-{id}\"")).unwrap();
    assert!(at("a_1") < at("a_2"), "the oldest comes first");
    assert!(!page.text.contains("id=\"ask-a_0\""), "what is over does not wait");
}

#[tokio::test]
async fn numbers_are_shown_as_they_were_sent() {
    let text = question("a_1", "pending").to_string().replace("1.5", "1.50e0000");
    let fake =
        Fake::new().with_list("/approvals", json!([listed("a_1", "pending")])).with("/approvals/a_1", text.into());
    let page = fake.get("/approvals").await.text;
    assert!(page.contains("<code>1.50e0000</code>"), "{page}");
}

#[tokio::test]
async fn an_answer_goes_to_the_api_with_its_reason() {
    let fake = inbox().with("/approvals/a_1/deny", question("a_1", "refused"));
    let form = [("csrf", "the-token"), ("id", "a_1"), ("answer", "deny"), ("reason", "not today")];
    let answered = fake.post("/approvals", &form, false).await;
    assert_eq!((answered.status, answered.location.as_str()), (StatusCode::SEE_OTHER, "/approvals?done=denied"));
    let asked = fake.asked();
    let (what, body) = asked.last().unwrap();
    assert_eq!((what.as_str(), body), ("POST /approvals/a_1/deny", &json!({ "reason": "not today" })));
    // As a part, what waited is replaced by what it is now.
    let part = fake.post("/approvals", &form, true).await;
    assert!(part.text.contains(r#"<article class="card ask over" id="ask-a_1">"#), "{}", part.text);
}

#[tokio::test]
async fn an_answer_that_does_not_count_says_why_and_keeps_what_was_typed() {
    let fake = inbox().with_problem("/approvals/a_1/approve", 403, "CG3213", "who asks may not answer");
    let form = [("csrf", "the-token"), ("id", "a_1"), ("answer", "approve"), ("reason", "because")];
    let part = fake.post("/approvals", &form, true).await;
    assert_eq!(part.status, StatusCode::OK);
    assert!(part.text.contains("who asks may not answer") && part.text.contains(r#"value="because""#), "{}", part.text);
    let page = fake.post("/approvals", &form, false).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("who asks may not answer") && page.text.contains(r#"id="ask-a_2""#), "{}", page.text);
    // Somebody was faster.
    let late = Fake::new().with("/approvals/a_1", question("a_1", "approved")).with_problem(
        "/approvals/a_1/approve",
        409,
        "CG3211",
        "it was answered",
    );
    assert!(late.post("/approvals", &form, true).await.text.contains("by member:ada"));
    let neither = inbox().post("/approvals", &[("csrf", "the-token"), ("id", "a_1")], false).await;
    assert_eq!(neither.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn who_may_not_answer_sees_why() {
    let fake = Fake::for_one_who_may(&["read_decisions"])
        .with_list("/approvals", json!([listed("a_1", "pending")]))
        .with("/approvals/a_1", listed("a_1", "pending"));
    let text = fake.get("/approvals").await.text;
    assert!(text.contains("your role does not have `decide_approvals`"), "{text}");
    assert!(!text.contains("data-key") && text.contains("Names of the arguments: amount, command."), "{text}");
}

#[tokio::test]
async fn questions_come_and_go_by_themselves() {
    let stream = "event: approval\ndata: {\"id\":\"a_1\",\"state\":\"pending\"}\n\n\
                  event: approval\ndata: {\"id\":\"a_0\",\"state\":\"refused\"}\n\n\
                  event: approval\ndata: {\"id\":\"gone\",\"state\":\"pending\"}\n\n";
    let text = inbox().with("/approvals/events", stream.into()).get("/approvals/events").await.text;
    assert!(text.contains("event: asked\nid: ask-a_1\ndata: "), "{text}");
    assert!(text.contains("event: over\nid: ask-a_0\ndata: "), "{text}");
    assert!(text.contains("id=\"ask-a_0\" hx-swap-oob=\"true\""), "{text}");
    assert!(text.contains("data: -rf&#34;</code>"), "a line of an argument stays a line: {text}");
    assert_eq!(text.matches("event: ").count(), 2);
}

#[tokio::test]
async fn nothing_in_a_question_becomes_markup() {
    let fake = |text: &str| {
        let mut waits = json!({ "id": text, "state": "pending" });
        for field in [
            "server",
            "tool",
            "grant",
            "grant_label",
            "identity",
            "client",
            "policy",
            "rule",
            "message",
            "decision",
            "asked",
            "expires",
            "reason",
            "answered_by",
            "ask",
        ] {
            waits[field] = text.into();
        }
        waits["argument_keys"] = json!([text]);
        let mut over = waits.clone();
        over["state"] = text.into();
        waits["arguments"] = json!({ text: { text: [text] } });
        let event = format!("event: approval\ndata: {}\n\n", json!({ "id": "w", "state": text }));
        Fake::new()
            .with_list("/approvals", json!([waits, over]))
            .with("/approvals/w", waits)
            .with("/approvals/events", event.into())
    };
    for text in HOSTILE {
        for path in ["/approvals", "/approvals/events"] {
            let (plain, hostile) = (fake("plain").get(path).await, fake(text).get(path).await);
            assert_inert(text, &plain.text, &hostile.text);
        }
    }
}
