//! The first page.

use crate::fake::{Fake, HOSTILE, assert_inert};
use http::StatusCode;
use serde_json::{Value, json};

fn summary() -> Value {
    json!({ "since": "2026-01-02T10:00:00Z", "until": "2026-01-02T11:00:00Z", "bucket_seconds": 600,
        "buckets": [{ "at": "2026-01-02T10:00:00Z", "allow": 3, "deny": 1, "approve": 0, "errors": 0, "p50_us": 1000,
            "p95_us": 2000, "p99_us": 4000 }],
        "totals": { "allow": 12_345, "deny": 17, "approve": 2, "errors": 1 }, "by_server": [],
        "top_rules": [{ "server": "kernel", "rule": "(default deny)", "tool": "rm", "denied": 16, "last": "2026-01-02T10:01:00Z" }] })
}

fn limits() -> Value {
    let limit = |rule: &str, used: u64| {
        json!({ "server": "kernel", "grant": null, "scope": "server", "rule": rule, "used": used, "limit": 10,
            "window_seconds": 60 })
    };
    json!([limit("/near", 9), limit("/far", 1)])
}

fn busy() -> Fake {
    let health = json!({ "state": "failing", "since": null, "breaker": "open", "last_ok": "2026-01-02T10:00:00Z",
        "last_error": { "at": "2026-01-02T10:00:00Z", "what": "connection refused" }, "in_flight": 3, "sessions": 2,
        "processes": 1 });
    Fake::new()
        .with("/summary", summary())
        .with_list("/limits", limits())
        .with_list("/approvals", json!([{ "id": "a_1", "state": "pending", "tool": "exec", "server": "kernel" }]))
        .with_list("/servers", json!([{ "name": "calm" }, { "name": "kernel" }]))
        .with("/servers/kernel/health", health)
        .with("/servers/calm/health", json!({ "state": "ok", "breaker": "closed" }))
        .with_list(
            "/refusals",
            json!([{ "kind": "early", "source": "192.0.2.1", "reason": "unknown token", "count": 40 }]),
        )
}

#[tokio::test]
async fn it_shows_what_happens_now() {
    let fake = busy();
    let page = fake.get("/?since=24h").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(fake.was_asked("GET /summary?since=24h"), "{:?}", fake.asked());
    for piece in [
        r#"<p class="figure">17</p>"#,
        r#"<p class="figure">12,345</p>"#,
        r#"<rect class="bar-deny""#,
        r#"<path class="line-p99""#,
        r#"href="/decisions?q=server%3Akernel%20tool%3Arm%20rule%3A%22%28default%20deny%29%22%20outcome%3Adeny%20since%3A24h""#,
        "9 of 10 calls",
        r#"<a href="/approvals#ask-a_1">"#,
        "failing, breaker open",
        "connection refused",
        "unknown token",
        r#"hx-get="/?since=24h""#,
        r#"<a href="/?since=24h" aria-current="true">last day</a>"#,
    ] {
        assert!(page.text.contains(piece), "{piece} in {}", page.text);
    }
    assert!(!page.text.contains("/far"), "what is not near is on the page of the limits");
    let at = |name: &str| page.text.find(&format!("<a href=\"/servers/{name}\">")).unwrap();
    assert!(at("kernel") < at("calm"), "what needs a look comes first");
    let part = fake.part("/?since=bad").await.text;
    assert!(part.trim_start().starts_with(r#"<div id="now" hx-get="/?since=1h""#), "{part}");
}

#[tokio::test]
async fn a_part_that_gets_no_answer_says_so_and_the_rest_is_shown() {
    let page = Fake::new().get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.text.matches("there is no such route").count(), 5, "{}", page.text);
    let some = busy().with_problem("/summary", 503, "CG3250", "the summary is being built").get("/").await.text;
    assert!(some.contains("the summary is being built") && some.contains("9 of 10 calls"), "{some}");
    let unwell = busy().with_problem("/servers/calm/health", 503, "CG3253", "no data plane").get("/").await.text;
    assert!(unwell.contains("not known: no data plane"), "{unwell}");
}

#[tokio::test]
async fn the_very_beginning_leads_to_the_first_run() {
    let text = Fake::new().with_list("/servers", json!([])).get("/").await.text;
    assert!(text.contains(r#"<a class="button" href="/start">"#), "{text}");
    assert!(!busy().get("/").await.text.contains("Set up the first one"));
}

#[tokio::test]
async fn nothing_on_it_becomes_markup() {
    let fake = |text: &str| {
        let mut summary = summary();
        summary["top_rules"] = json!([{ "server": text, "rule": text, "tool": text, "denied": 1, "last": text }]);
        summary["buckets"] = json!([{ "at": "2026-01-02T10:00:00Z", "allow": 1 }, { "at": text, "allow": 1 }]);
        let limit = json!({ "server": text, "grant": { "id": text, "label": text }, "scope": text, "rule": text,
            "tool": text, "used": 1, "limit": 1, "unit": text, "resets_at": text });
        let health = json!({ "state": text, "since": text, "breaker": text, "last_ok": text,
            "last_error": { "at": text, "what": text } });
        Fake::new()
            .with("/summary", summary)
            .with_list("/limits", json!([limit]))
            .with_list(
                "/approvals",
                json!([{ "id": text, "state": "pending", "tool": text, "server": text, "expires": text }]),
            )
            .with_list("/servers", json!([{ "name": text }, { "name": "known" }]))
            .with("/servers/known/health", health)
            .with_list("/refusals", json!([{ "source": text, "reason": text, "count": 1, "time": text }]))
    };
    for text in HOSTILE {
        assert_inert(text, &fake("plain").get("/").await.text, &fake(text).get("/").await.text);
    }
}

#[tokio::test]
async fn the_one_server_of_many_that_fails_is_shown_first() {
    let names: Vec<String> = (0..30).map(|number| format!("s{number:02}")).collect();
    let named: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    let mut fake = busy().with_list("/servers", json!(named));
    for name in &names {
        let state = if name == "s29" { "failing" } else { "ok" };
        fake = fake.with(&format!("/servers/{name}/health"), json!({ "state": state, "breaker": "closed" }));
    }
    let page = fake.get("/").await.text;
    let at = |name: &str| page.find(&format!("<a href=\"/servers/{name}\">"));
    assert!(at("s29").unwrap() < at("s00").unwrap(), "{page}");
    assert!(at("s23").is_some() && at("s24").is_none(), "no more than 25 rows: {page}");
    assert!(page.contains("All servers"));
}

#[tokio::test]
async fn a_section_that_a_role_does_not_open_says_why_to_everybody() {
    let page = Fake::for_one_who_may(&["read_servers"]).get("/").await.text;
    let reason = "your role does not have `manage_members`";
    let entry = format!(r#"tabindex="0" title="{reason}">Members<span class="unseen">: {reason}</span></a>"#);
    assert!(page.contains(&entry), "{page}");
    assert!(!page.contains(r#"href="/members""#));
}
