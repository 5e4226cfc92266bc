//! Changes on pages.

use crate::fake::{Fake, HOSTILE, assert_inert};
use http::StatusCode;
use serde_json::{Value, json};

fn change(before: Value, after: Value) -> Value {
    json!({ "time": "2026-01-02T10:00:00.000Z", "seq": 9, "organisation": "default", "generation": 3, "who": "member:ada",
        "what": "policy publish", "object": "server/kernel/policy/default", "before": before, "after": after })
}

#[tokio::test]
async fn a_change_shows_what_was_and_what_is() {
    let item = change(json!({ "version": 1, "by": "x" }), json!({ "version": 2, "by": "x" }));
    let fake = Fake::new().with("/changes", json!({ "items": [item], "next": "more" }));
    let page = fake.get("/changes?q=since%3A7d").await;
    assert!(fake.was_asked("GET /changes?q=since%3A7d&limit=50"), "{:?}", fake.asked());
    for piece in [
        r#"<tr id="change-9">"#,
        r#"<del><span class="unseen">before: </span>1</del>"#,
        r#"<ins><span class="unseen">after: </span>2</ins>"#,
        r#"<a href="/servers/kernel/policies/default/diff?from=1&#38;to=2">"#,
        r#"<a href="/changes?q=who%3A%22member%3Aada%22">member:ada</a>"#,
        r#"href="/changes?q=since%3A7d&#38;cursor=more""#,
        "from then on: 7d ago",
    ] {
        assert!(page.text.contains(piece), "{piece} in {}", page.text);
    }
    assert!(!page.text.contains("<del><span class=\"unseen\">before: </span>x"), "what stays is not shown");
    let first = Fake::new().with_list("/changes", json!([change(Value::Null, json!({ "version": 1 }))]));
    assert!(!first.get("/changes").await.text.contains("/diff?"), "the first version differs from nothing");
}

#[tokio::test]
async fn wrong_searches_and_missing_permissions_are_said() {
    let wrong = Fake::new().with_problem("/changes", 400, "CG3190", "no such").get("/changes?q=to%3Ax").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text.contains("no such") && wrong.text.contains(r#"value="to:x""#), "{}", wrong.text);
    let none = Fake::new().with_problem("/changes", 403, "CG3153", "not for you").get("/changes").await;
    assert_eq!(none.status, StatusCode::FORBIDDEN);
    assert!(none.text.contains("not for you"), "{}", none.text);
}

#[tokio::test]
async fn nothing_in_a_change_becomes_markup() {
    let fake = |text: &str| {
        // Fields stand in the order of their names.
        let key = format!("m{text}");
        let item = json!({ "time": text, "seq": 1, "who": text, "what": text, "object": text,
            "before": { key.as_str(): text, "l": [text] }, "after": { "n": { key.as_str(): text }, "l": text } });
        Fake::new().with_list("/changes", json!([item]))
    };
    for text in HOSTILE {
        assert_inert(text, &fake("plain").get("/changes").await.text, &fake(text).get("/changes").await.text);
    }
}
