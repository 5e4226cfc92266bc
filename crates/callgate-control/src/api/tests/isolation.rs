//! Organisations never see each other: every route, with every role of another organisation, with real identities.

use super::seed::{Seed, operations};
use super::*;
use serde_json::json;

/// Another organisation, and a token of its first admin's making for each role.
async fn strangers(site: &Site) -> (String, Vec<(&'static str, String)>) {
    let made = site.root(Method::POST, "/api/v1/organisations", Some(json!({ "name": "other" }))).await;
    let link = made.json()["link"]["secret"].clone();
    let session = Ask::post("/api/v1/sessions").json(&json!({ "link": link, "as": "token" }));
    let admin = site.send(session).await.json()["token"].as_str().unwrap().to_owned();
    let theirs = site.seed(admin.clone(), "theirs").await;
    let mut callers = vec![("its admin's session", admin.clone())];
    for (name, roles) in [
        ("viewer", json!({ "organisation": "viewer" })),
        ("policy_manager", json!({ "organisation": "policy_manager" })),
        ("admin", json!({ "organisation": "admin" })),
        ("nothing", json!({})),
        ("viewer of a server", json!({ "servers": { (theirs.server.as_str()): "viewer" } })),
        ("admin of a server", json!({ "servers": { (theirs.server.as_str()): "admin" } })),
    ] {
        let body = json!({ "label": name, "roles": roles });
        let made = site.send(Ask::post("/api/v1/tokens").bearer(&admin).json(&body)).await;
        callers.push((name, made.json()["token"].as_str().unwrap().to_owned()));
    }
    (admin, callers)
}

/// What a stranger's request for our things must not say. What stands in the request may be repeated.
fn tells(answered: &Answered, ours: &Seed) -> bool {
    answered.text.contains(&format!("{}-", ours.mark)) || answered.text.contains(&format!("{}.example", ours.mark))
}

#[tokio::test]
async fn nothing_of_an_organisation_is_there_for_another() {
    let site = Site::new().await;
    let ours = site.seed(site.first.credential.reveal().to_owned(), "ours").await;
    let (_, callers) = strangers(&site).await;
    for operation in operations() {
        let Some(path) = operation.path(&ours) else { continue };
        let ours_is_named = path != operation.path
            && ["{server}", "{grant}", "{member}", "{token}", "{webhook}", "{approval}", "{id}"]
                .iter()
                .any(|part| operation.path.contains(part));
        for (name, token) in &callers {
            // `*` would change it, whatever it is.
            for revision in ["*", "\"999999999\""] {
                let ask = Ask::new(operation.method.clone(), &path).bearer(token).header("if-match", revision);
                let answered = site.send(if operation.body { ask.json(&body(&operation.id)) } else { ask }).await;
                let what = format!("{name}: {} {path}: {answered:?}", operation.method);
                assert!(!tells(&answered, &ours), "{what}");
                assert!(!answered.status.is_server_error(), "{what}");
                if ours_is_named {
                    assert!(matches!(answered.status.as_u16(), 401 | 403 | 404), "{what}");
                }
            }
        }
    }
    for (path, mark) in [
        ("/api/v1/servers", "ours-server"),
        ("/api/v1/grants", "ours-grant"),
        ("/api/v1/members", "ours-login"),
        ("/api/v1/tokens", "ours-token"),
        ("/api/v1/webhooks", "ours-webhook"),
        ("/api/v1/baseline", "ours-policy"),
        ("/api/v1/approvals", "ours-tool"),
        ("/api/v1/decisions", "ours-tool"),
        ("/api/v1/summary", "ours-server"),
    ] {
        let mine = site.send(Ask::get(path).bearer(&ours.admin)).await;
        assert!(mine.text.contains(mark), "{path} lost something: {mine:?}");
    }
}

#[tokio::test]
async fn what_is_named_in_a_body_is_looked_for_at_home() {
    let site = Site::new().await;
    let ours = site.seed(site.first.credential.reveal().to_owned(), "ours").await;
    let (admin, _) = strangers(&site).await;
    for (path, body) in [
        ("/api/v1/grants", json!({ "server": ours.server, "label": "x" })),
        ("/api/v1/tokens", json!({ "label": "x", "roles": { "servers": { (ours.server.as_str()): "viewer" } } })),
        ("/api/v1/members", json!({ "login": "x", "roles": { "servers": { (ours.server.as_str()): "viewer" } } })),
    ] {
        let answered = site.send(Ask::post(path).bearer(&admin).json(&body)).await;
        assert!(answered.status.is_client_error() && !tells(&answered, &ours), "{path}: {answered:?}");
    }
    // Two organisations may use the same names, and a list's cursor is of one of them.
    let login = json!({ "login": "ours-login" });
    assert_eq!(site.send(Ask::post("/api/v1/members").bearer(&admin).json(&login)).await.status, 201);
    let cursor = site.root(Method::GET, "/api/v1/members?limit=1", None).await.json()["next"].clone();
    let path = format!("/api/v1/members?cursor={}", cursor.as_str().unwrap());
    assert_eq!(outcome(&site.send(Ask::get(&path).bearer(&admin)).await), "400 CG3146");
}

/// A body that is good where the thing is there.
fn body(id: &str) -> Value {
    match id {
        "policy_publish" | "baseline_publish" => json!({ "document": r#"{"version":"1","default":"deny"}"# }),
        "definition_approve_several" => json!({ "tools": {} }),
        "grant_attach" => json!({ "policy": "default" }),
        "session_start" => json!({ "link": "cgl_x" }),
        "session_password" => json!({ "new": "short" }),
        _ => json!({}),
    }
}
