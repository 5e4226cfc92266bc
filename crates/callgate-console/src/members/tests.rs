use crate::fake::{Fake, HOSTILE, assert_inert};
use serde_json::{Value, json};

const ALL: [&str; 3] = ["read_servers", "manage_members", "read_changes"];

fn member(text: &str) -> Value {
    json!({ "id": "m_1", "login": text, "name": text, "roles": { "organisation": "viewer", "servers": { "u-1": "admin" } },
        "password": false, "created": "2026-01-01T00:00:00Z", "disabled": null, "revision": 5,
        "link": { "path": "/sign-in?link=cgl_x", "expires": "2026-01-02T00:00:00Z", "secret": "cgl_x" } })
}

fn fake(text: &str) -> Fake {
    let token = json!({ "id": "t_1", "label": text, "roles": { "organisation": "admin" }, "instance": false,
        "created": "2026-01-01T00:00:00Z", "expires": null, "used": null, "revision": 4 });
    Fake::for_one_who_may(&ALL)
        .with_list("/members", json!([member(text)]))
        .with("/members/m_1", member(text))
        .with_list("/tokens", json!([token]))
        .with_list("/servers", json!([{ "name": "files", "uuid": "u-1" }]))
}

#[tokio::test]
async fn a_member_gets_a_link_that_is_shown_once() {
    let fake = fake("ada").with("/members", member("ada"));
    let fields = [
        ("csrf", "the-token"),
        ("login", " ada "),
        ("name", ""),
        ("organisation", "viewer"),
        ("role_server", "files"),
        ("role_role", "admin"),
    ];
    let page = fake.post("/members/add", &fields, false).await;
    assert!(page.text.contains("/sign-in?link=cgl_x") && page.text.contains("shown this once"), "{}", page.text);
    let roles = json!({ "organisation": "viewer", "servers": { "files": "admin" } });
    assert_eq!(fake.asked().pop().unwrap(), ("POST /members".to_owned(), json!({ "login": "ada", "roles": roles })));
}

#[tokio::test]
async fn roles_are_shown_by_the_names_of_servers_and_saved() {
    let fake = fake("ada");
    assert!(fake.get("/members").await.text.contains("viewer, admin of files"));
    let page = fake.get("/members/m_1").await;
    assert!(page.text.contains("value=\"files\"") && !page.text.contains("cgl_x"), "{}", page.text);
    for (path, fields, body) in [
        (
            "",
            &[("name", "Ada"), ("organisation", "admin")][..],
            json!({ "name": "Ada", "roles": { "organisation": "admin", "servers": {} } }),
        ),
        ("/standing", &[("disabled", "true")], json!({ "disabled": true })),
    ] {
        let fields = [&[("csrf", "the-token"), ("revision", "\"5\"")], fields].concat();
        let page = fake.post(&format!("/members/m_1{path}"), &fields, false).await;
        assert_eq!(page.location, "/members/m_1?done=saved");
        assert_eq!(fake.asked().pop().unwrap(), ("PATCH /members/m_1".to_owned(), body));
    }
}

#[tokio::test]
async fn saving_again_does_not_undo_what_somebody_else_did_meanwhile() {
    let chosen = |page: &str| {
        let (_, select) = page.split_once("name=\"organisation\"").unwrap();
        select.split_once("</select>").unwrap().0.to_owned()
    };
    let fields = [("csrf", "the-token"), ("revision", "\"4\""), ("name", "Ada"), ("organisation", "admin")];
    let stored = chosen(&fake("ada").get("/members/m_1").await.text);
    for (code, status, is_kept) in [("CG3118", 412, false), ("CG3030", 422, true)] {
        let fake = fake("ada").with_problem("PATCH /members/m_1", status, code, "no");
        let page = fake.post("/members/m_1", &fields, false).await;
        assert_eq!((page.status.as_u16(), chosen(&page.text) != stored), (status, is_kept), "{}", page.text);
    }
}

#[tokio::test]
async fn a_token_is_shown_once() {
    let made =
        json!({ "id": "t_2", "label": "ci", "token": "cgt_secret", "created": "2026-01-01T00:00:00Z", "revision": 1 });
    let fake = fake("x").with("/tokens", made);
    let fields = [("csrf", "the-token"), ("label", "ci"), ("organisation", "viewer"), ("expires", "2027-01-31")];
    let page = fake.post("/members/tokens/create", &fields, false).await;
    assert!(page.text.contains("cgt_secret"), "{}", page.text);
    let expected = json!({ "label": "ci", "roles": { "organisation": "viewer", "servers": {} }, "instance": false, "expires": "2027-01-31T00:00:00Z" });
    assert_eq!(fake.asked().pop().unwrap().1, expected);
    let page = self::fake("x").get("/members/tokens/create").await;
    assert!(page.text.contains("your role does not have `manage_instance`"));
}

#[tokio::test]
async fn names_are_inert() {
    for page in [
        "/members",
        "/members/add",
        "/members/m_1",
        "/members/m_1/remove",
        "/members/tokens",
        "/members/tokens/t_1/revoke",
    ] {
        let plain = fake("plain").get(page).await;
        assert!(plain.status.is_success(), "{page}: {}", plain.text);
        for text in HOSTILE {
            let hostile = fake(text).get(page).await;
            if page.ends_with("m_1") {
                assert_eq!(crate::fake::shape(&plain.text), crate::fake::shape(&hostile.text), "{text:?}");
            } else {
                assert_inert(text, &plain.text, &hostile.text);
            }
        }
    }
}

#[tokio::test]
async fn what_somebody_may_not_do_is_disabled_with_the_reason() {
    let fake = fake("x").with("/session", Fake::session(&["read_servers"]));
    for (path, label) in [
        ("/members", "Add a member"),
        ("/members/m_1", "Remove this member"),
        ("/members/tokens", "Create a token"),
        ("/members/tokens", "Revoke"),
    ] {
        let page = fake.get(path).await;
        let disabled = format!(
            "disabled title=\"your role does not have `manage_members`: ask an admin of the organisation\">{label}<"
        );
        assert!(page.text.contains(&disabled), "{label}: {}", page.text);
    }
}
