use crate::trial::Trial;
use callgate_store::{Role, Roles};
use serde_json::{Value, json};

fn roles(role: Role) -> Roles {
    Roles { organisation: Some(role), ..Roles::default() }
}

#[tokio::test]
async fn a_server_over_http() {
    let trial = Trial::new().await;
    let api = trial.api();
    let admin = &*trial.token("default", roles(Role::Admin), false).await;
    let viewer = &*trial.token("default", roles(Role::Viewer), false).await;
    let target = json!({ "url": "https://x.example/mcp", "headers": { "Authorization": "hush-1" } });
    let new = json!({ "name": "kernel", "target": target });

    let added = api.send("POST /servers", admin, &[], new.clone()).await;
    let place = format!("/api/v1/servers/{}", added.body["uuid"].as_str().unwrap());
    assert_eq!((added.status.as_u16(), added.headers["location"].to_str().unwrap()), (201, &*place));
    let shown = api.send("GET /servers/kernel", viewer, &[], Value::Null).await;
    assert_eq!((shown.status.as_u16(), shown.tag()), (200, added.tag()));
    assert_eq!(shown.body["target"], json!({ "url": "https://x.example/mcp", "headers": ["Authorization"] }));

    let patch = json!({ "settings": { "idle": "5m" } });
    let edit = async |headers: &[&str]| api.send("PATCH /servers/kernel", admin, headers, patch.clone()).await;
    assert_eq!(edit(&[]).await.problem(), (428, "CG3148"));
    let condition = format!("If-Match: {}", added.tag());
    let edited = edit(&[&condition]).await;
    assert_eq!((edited.status.as_u16(), &edited.body["settings"]["idle"]), (200, &json!("5m")));
    // The other admin read it before, too.
    assert_eq!(edit(&[&condition]).await.problem(), (412, "CG3118"));

    let credentials = json!({ "headers": { "Authorization": "hush-2" } });
    let put = "PUT /servers/kernel/credentials";
    let set = api.send(put, admin, &["If-Match: *"], credentials.clone()).await;
    assert_eq!(set.status.as_u16(), 200);
    assert_eq!(api.send(put, viewer, &["If-Match: *"], credentials).await.problem(), (403, "CG3110"));
    let tools = api.send("GET /servers/kernel/tools", viewer, &[], Value::Null).await;
    assert_eq!(tools.body, json!({ "tools": [{ "name": "echo" }] }));
    let listed = api.send("GET /servers?limit=1", viewer, &[], Value::Null).await;
    assert_eq!((listed.body["items"].as_array().unwrap().len(), &listed.body["next"]), (1, &Value::Null));
    for answer in [&added, &shown, &edited, &set, &listed] {
        assert!(!answer.body.to_string().contains("hush"), "{}", answer.body);
    }

    let removed = api.send("DELETE /servers/kernel", admin, &["If-Match: *"], Value::Null).await;
    assert_eq!((removed.status.as_u16(), removed.body), (200, json!({ "removed": "kernel" })));
    let gone = api.send("GET /servers/kernel", viewer, &[], Value::Null).await;
    assert_eq!(gone.problem(), (404, "CG3041"));
    assert_eq!(api.send("POST /servers", "", &[], new).await.status.as_u16(), 401);
}

#[tokio::test]
async fn what_is_wrong_in_a_body_is_named_and_never_quoted() {
    let trial = Trial::new().await;
    let api = trial.api();
    let admin = &*trial.token("default", roles(Role::Admin), false).await;
    for target in [
        json!({ "url": "http://x/", "headers": "hush" }),
        json!({ "url": "http://x/", "headers": { "A": ["hush"] } }),
        json!({ "url": "http://x/", "headers": { "Host": "hush" } }),
        json!({ "url": "http://x/", "headers": { "A": "hush\u{0}" }, "hush": 1 }),
        json!({ "command": "x", "env": { "A": "hush\u{0}" } }),
        json!({ "command": "x", "headers": { "A": "hush" } }),
    ] {
        let answer = api.send("POST /servers", admin, &[], json!({ "name": "a", "target": target })).await;
        assert!(answer.status.is_client_error(), "{target}");
        let shown = answer.body.to_string();
        let unknown_field = target.get("hush").is_some();
        assert!(unknown_field || !shown.contains("hush"), "{shown}");
    }
}

#[tokio::test]
async fn only_who_may_handle_the_instance_changes_its_keys() {
    let trial = Trial::new().await;
    let api = trial.api();
    let admin = &*trial.token("default", roles(Role::Admin), false).await;
    let root = &*trial.token("default", roles(Role::Admin), true).await;
    assert_eq!(api.send("POST /keys/rotate", admin, &[], Value::Null).await.problem(), (403, "CG3110"));
    let rotated = api.send("POST /keys/rotate", root, &[], Value::Null).await;
    let expected =
        json!({ "version": 2, "resealed": 0, "unreadable": [], "unreadable_webhooks": [], "no_longer_needed": [1] });
    assert_eq!((rotated.status.as_u16(), rotated.body), (200, expected));
}
