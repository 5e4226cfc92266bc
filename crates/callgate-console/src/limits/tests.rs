//! Limits on pages.

use crate::fake::{Fake, HOSTILE, assert_inert};
use http::StatusCode;
use serde_json::{Value, json};

fn counter(rule: &str, used: Value, limit: Value) -> Value {
    json!({ "server": "kernel", "grant": { "id": "g_1", "label": "laptop" }, "scope": "grant", "rule": rule, "tool": "exec",
        "used": used, "limit": limit, "unit": "calls", "window_seconds": 3600, "resets_at": "2099-01-01T00:00:00Z",
        "near": false })
}

#[tokio::test]
async fn counters_stand_as_figures_nearest_to_exhaustion_first() {
    let items = json!([
        counter("/half", json!(5_000), json!(10_000)),
        counter("/full", json!("10.50"), json!("10.50")),
        counter("/none", json!(0), json!(3)),
    ]);
    let fake = Fake::new().with_list("/limits", items).with_list("/servers", json!([{ "name": "kernel" }]));
    let page = fake.get("/limits?server=kernel").await;
    assert!(fake.was_asked("GET /limits?server=kernel&limit=100"), "{:?}", fake.asked());
    let at = |rule: &str| page.text.find(&format!("<code>{rule}</code>")).unwrap();
    assert!(at("/full") < at("/half") && at("/half") < at("/none"));
    for piece in [
        r#"value="0.5" aria-label="5,000 of 10,000 calls""#,
        "10.50 of 10.50 calls",
        r#"<span class="badge outcome-deny">used up</span>"#,
        "in 1 h",
        r#"href="/limits/reset?server=kernel&#38;rule=%2Fhalf&#38;grant=g_1""#,
        r#"<option value="kernel" selected>"#,
    ] {
        assert!(page.text.contains(piece), "{piece} in {}", page.text);
    }
    let part = fake.part("/limits?server=kernel").await.text;
    assert!(part.trim_start().starts_with(r#"<div id="counters" hx-get="/limits?server=kernel""#), "{part}");
    let empty = Fake::new().with_list("/limits", json!([])).get("/limits").await.text;
    assert!(empty.contains("No limit has counted anything yet"), "{empty}");
}

#[tokio::test]
async fn a_reset_is_asked_about_and_says_why() {
    let items = json!([counter("/full", json!(3), json!(3)), counter("/other", json!(1), json!(3))]);
    let fake = Fake::new().with_list("/limits", items).with("/limits/reset", json!({}));
    let page = fake.get("/limits/reset?server=kernel&rule=%2Ffull&grant=g_1").await.text;
    assert!(page.contains("3 of 3 calls") && !page.contains("/other"), "{page}");
    assert!(!fake.asked().iter().any(|(asked, _)| asked.starts_with("POST")), "looking resets nothing");
    let form =
        [("csrf", "the-token"), ("server", "kernel"), ("rule", "/full"), ("grant", "g_1"), ("reason", "a release")];
    let done = fake.post("/limits/reset", &form, false).await;
    assert_eq!(
        (done.status, done.location.as_str()),
        (StatusCode::SEE_OTHER, "/limits?server=kernel&grant=g_1&done=reset")
    );
    let expected = json!({ "server": "kernel", "rule": "/full", "grant": "g_1", "reason": "a release" });
    assert_eq!(fake.asked().last(), Some(&("POST /limits/reset".to_owned(), expected)));

    let fake = fake.with_problem("/limits/reset", 403, "CG3153", "your role may not");
    let refused = fake.post("/limits/reset", &form, false).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.text.contains("your role may not") && refused.text.contains(r#"value="a release""#),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn who_edits_the_policies_of_one_server_may_reset_its_limits() {
    let roles = json!({ "organisation": [], "servers": { "u-1": ["read_decisions", "edit_policies"] } });
    let session = json!({ "organisation": "default", "who": "member:ada", "csrf": "the-token", "may": roles });
    let fake = Fake::new()
        .with("/session", session)
        .with_list("/limits", json!([counter("/x", json!(1), json!(2))]))
        .with("/servers/kernel", json!({ "uuid": "u-1" }));
    let reset = "/limits/reset?server=kernel&rule=%2Fx";
    assert!(!fake.get(reset).await.text.contains("your role does not have `edit_policies`"));
    let other = fake.with("/servers/kernel", json!({ "uuid": "u-2" }));
    assert!(other.get(reset).await.text.contains("your role does not have `edit_policies`"));
}

#[tokio::test]
async fn who_may_not_reset_sees_why() {
    let fake =
        Fake::for_one_who_may(&["read_decisions"]).with_list("/limits", json!([counter("/x", json!(1), json!(2))]));
    let page = fake.get("/limits/reset?server=kernel&rule=%2Fx").await.text;
    assert!(page.contains("disabled title=\"your role does not have `edit_policies`"), "{page}");
}

#[tokio::test]
async fn nothing_in_a_counter_becomes_markup() {
    let fake = |text: &str| {
        let item = json!({ "server": text, "grant": { "id": text, "label": text }, "scope": text, "rule": text, "tool": text,
            "used": text, "limit": text, "unit": text, "window_seconds": 1, "resets_at": text });
        Fake::new().with_list("/limits", json!([item])).with_list("/servers", json!([{ "name": text }]))
    };
    for text in HOSTILE {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for path in ["/limits?server=&grant=", "/limits/reset?server=&grant=&rule="] {
            let (plain, hostile) =
                (fake("plain").get(&format!("{path}plain")).await, fake(text).get(&format!("{path}{encoded}")).await);
            assert_inert(text, &plain.text, &hostile.text);
        }
    }
}
