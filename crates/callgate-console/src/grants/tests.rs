use crate::fake::{Fake, HOSTILE, assert_inert};
use serde_json::{Value, json};

const ALL: [&str; 5] = ["read_servers", "read_grants", "manage_grants", "edit_policies", "read_policies"];

fn grant(text: &str) -> Value {
    json!({ "id": "g_1", "server": "files", "label": text, "policy": "default", "tags": { text: text },
        "created": "2026-01-01T00:00:00Z", "expires": null, "last_used": null, "previous_until": null, "revoked": null,
        "declared": false, "revision": 3 })
}

fn fake(text: &str) -> Fake {
    let server = json!({ "name": "files", "uuid": "u-1", "url": "http://g/mcp/files", "policies": ["default", "strict"],
        "grants": 1, "declared": false });
    let minted =
        json!({ "id": "g_1", "token": "cg_secret", "url": "http://g/mcp/files", "revision": 3, "notes": [text] });
    Fake::for_one_who_may(&ALL)
        .with_list("/grants", json!([grant(text)]))
        .with("/grants/g_1", grant(text))
        .with("/grants/g_1/rotate", minted)
        .with_list("/servers", json!([server]))
        .with("/servers/files", server)
}

#[tokio::test]
async fn a_token_is_shown_once_with_what_to_copy() {
    let minted = json!({ "id": "g_1", "token": "cg_secret", "url": "http://g/mcp/files", "revision": 3, "notes": [] });
    let fake = fake("laptop").with("/grants", minted);
    let fields = [
        ("csrf", "the-token"),
        ("server", "files"),
        ("label", " laptop "),
        ("client", "codex"),
        ("expires", "2027-01-31"),
        ("tags", "team = a=b"),
    ];
    let page = fake.post("/grants/mint", &fields, false).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    let (asked, body) = fake.asked().pop().unwrap();
    assert_eq!(asked, "POST /grants");
    assert_eq!(
        body,
        json!({ "server": "files", "label": "laptop", "expires": "2027-01-31T00:00:00Z", "tags": { "team": "a=b" } })
    );
    for part in [
        "cg_secret",
        "[mcp_servers.files]",
        "claude mcp add",
        "serverUrl",
        "curl -sS",
        "Gemini CLI",
        "data-copy=\"token\"",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // The one that was chosen is open, no other.
    assert_eq!(page.text.matches("<details class=\"way\" open>").count(), 1);
    let shown = fake.get("/grants/g_1").await;
    assert!(!shown.text.contains("cg_secret") && shown.text.contains("cg_…"));
}

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed() {
    let fields = [("csrf", "the-token"), ("server", "files"), ("label", "lap"), ("expires", "soon"), ("tags", "a=b")];
    let fake = fake("x");
    let page = fake.post("/grants/mint", &fields, false).await;
    assert_eq!(page.status.as_u16(), 422);
    for part in ["the end `soon` is no time", "value=\"lap\"", "a=b</textarea>"] {
        assert!(page.text.contains(part), "{part}");
    }
    assert!(!fake.was_asked("POST /grants"));
}

#[tokio::test]
async fn who_may_mint_for_one_server_is_offered_that_one() {
    let server = |name: &str, uuid: &str| json!({ "name": name, "uuid": uuid, "policies": ["default"] });
    let fake = Fake::for_one_who_may(&["read_servers", "read_grants"])
        .with_list("/servers", json!([server("alpha", "u-1"), server("beta", "u-2")]));
    let none = fake.get("/grants/mint").await;
    assert!(none.text.contains("<option selected>alpha") && none.text.contains("<option>beta"));
    assert!(none.text.contains("your role does not have `manage_grants`"));

    let session = json!({ "organisation": "default", "who": "member:ada", "csrf": "the-token",
        "may": { "organisation": ["read_servers", "read_grants"], "servers": { "u-2": ["manage_grants"] } } });
    let one = fake.with("/session", session);
    let page = one.get("/grants/mint").await;
    assert!(page.text.contains("<option selected>beta") && !page.text.contains("alpha"), "{}", page.text);
    assert!(!page.text.contains("your role does not have `manage_grants`"));
    let other = one.get("/grants/mint?server=alpha").await;
    assert!(
        other.text.contains("<option selected>alpha") && other.text.contains("your role does not have `manage_grants`")
    );
}

#[tokio::test]
async fn what_was_typed_stays_where_it_is_refused_and_not_where_somebody_was_faster() {
    let typed = [("csrf", "the-token"), ("revision", "\"2\""), ("label", "mine"), ("tags", "a=b"), ("expires", "soon")];
    let page = fake("theirs").post("/grants/g_1", &typed, false).await;
    assert_eq!(page.status.as_u16(), 422);
    for part in ["value=\"mine\"", "value=\"soon\"", "\na=b</textarea>"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let overlap = fake("theirs").post("/grants/g_1/rotate", &[("csrf", "the-token"), ("overlap", "1")], false).await;
    assert!(overlap.text.contains("name=\"overlap\" value=\"1\"") && overlap.text.contains("value=\"theirs\""));

    let typed = [("csrf", "the-token"), ("revision", "\"2\""), ("label", "mine"), ("tags", "a=b")];
    let stale = fake("theirs").with_problem("PATCH /grants/g_1", 412, "CG3118", "somebody was faster");
    let page = stale.post("/grants/g_1", &typed, false).await;
    assert_eq!(page.status.as_u16(), 412);
    assert!(page.text.contains("value=\"theirs\"") && !page.text.contains("mine"), "{}", page.text);
}

#[tokio::test]
async fn grants_are_changed_as_their_forms_say() {
    let fake = fake("x");
    for (path, fields, asked, body, word) in [
        ("policy", &[("policy", "strict")][..], "PUT /grants/g_1/policy", json!({ "policy": "strict" }), "attached"),
        ("policy", &[("detach", "yes")], "DELETE /grants/g_1/policy", Value::Null, "detached"),
        ("revoke", &[], "DELETE /grants/g_1", Value::Null, "revoked"),
    ] {
        let fake = fake.clone().with("/grants/g_1/policy", grant("x"));
        let fields = [&[("csrf", "the-token"), ("revision", "\"3\"")], fields].concat();
        let page = fake.post(&format!("/grants/g_1/{path}"), &fields, false).await;
        assert_eq!(page.location, format!("/grants/g_1?done={word}"));
        assert_eq!(fake.asked().pop().unwrap(), (asked.to_owned(), body));
    }
    let page = fake.post("/grants/g_1/rotate", &[("csrf", "the-token"), ("overlap", "1h")], false).await;
    assert!(page.text.contains("cg_secret"));
    assert_eq!(fake.asked().pop().unwrap().1, json!({ "overlap_seconds": 3600 }));
}

#[tokio::test]
async fn a_viewer_is_told_why_not() {
    let viewer = Fake::for_one_who_may(&["read_grants", "read_servers"])
        .with("/grants/g_1", grant("x"))
        .with("/servers/files", json!({ "uuid": "u-1", "url": "http://g/mcp/files", "policies": ["default"] }));
    let page = viewer.get("/grants/g_1").await;
    assert!(page.text.contains("your role does not have `manage_grants`"));
    assert!(page.text.contains("<button type=\"submit\" disabled title=\"your role does not have `edit_policies`"));
    assert!(!page.text.contains("/grants/g_1/revoke"));
}

#[tokio::test]
async fn labels_and_tags_are_inert() {
    for page in ["/grants", "/grants/g_1", "/grants/g_1/revoke", "/grants/mint"] {
        let plain = fake("plain").get(page).await;
        assert!(plain.status.is_success(), "{page}: {}", plain.text);
        for text in HOSTILE {
            let hostile = fake(text).get(page).await;
            if page.ends_with("g_1") {
                assert_eq!(crate::fake::shape(&plain.text), crate::fake::shape(&hostile.text), "{text:?}");
            } else {
                assert_inert(text, &plain.text, &hostile.text);
            }
        }
    }
}

#[tokio::test]
async fn what_a_viewer_may_not_do_is_disabled_with_the_reason() {
    let viewer = fake("x").with("/session", Fake::session(&["read_grants", "read_servers"]));
    for (path, label) in [("/grants", "Mint a grant"), ("/grants/g_1", "Revoke this grant")] {
        let page = viewer.get(path).await;
        let disabled = format!(
            "disabled title=\"your role does not have `manage_grants`: ask an admin of the organisation\">{label}<"
        );
        assert!(page.text.contains(&disabled), "{label}: {}", page.text);
    }
}
