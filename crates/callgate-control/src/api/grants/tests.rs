use crate::api::asking::Asking;
use crate::policies::tests::register;
use callgate_store::{Role, Roles};
use serde_json::{Value, json};

fn wish(label: &str) -> Value {
    json!({ "server": "kernel", "label": label })
}

#[tokio::test]
async fn a_grant_lives_from_its_token_to_its_end() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    let admin = &asking.token(Role::Admin).await;
    let editor = &asking.token(Role::PolicyManager).await;
    let viewer = &asking.token(Role::Viewer).await;
    let policy = json!({ "document": "{ \"version\": \"1\", \"default\": \"deny\" }" });
    asking.ask(admin, "PUT /servers/kernel/policies/default", &[], policy).await;
    let body = json!({
        "server": "kernel", "label": "laptop", "expires": "2999-01-01T00:00:00Z", "tags": {"team": "a"}
    });
    let minted = asking.ask(admin, "POST /grants", &[], body).await;
    assert_eq!(minted.problem(), (201, ""));
    let (id, token) = (minted.body["id"].as_str().unwrap(), minted.body["token"].as_str().unwrap());
    assert_eq!(minted.headers["location"], format!("/api/v1/grants/{id}"));
    assert_eq!(minted.body["url"], "http://127.0.0.1:7070/mcp/kernel");

    let path = format!("/grants/{id}");
    let shown = asking.ask(viewer, &format!("GET {path}"), &[], Value::Null).await;
    assert_eq!((&shown.body["policy"], shown.tag()), (&"default".into(), minted.tag()));
    assert!(!shown.body.to_string().contains(token));
    let listed = asking.ask(viewer, "GET /grants?server=kernel&label=laptop", &[], Value::Null).await;
    assert_eq!(listed.body, json!({ "items": [shown.body], "next": null }));

    let patch = format!("PATCH {path}");
    assert_eq!(asking.ask(admin, &patch, &[], json!({"label": "x"})).await.problem(), (428, "CG3148"));
    let seen = [("if-match", minted.tag())];
    assert_eq!(asking.ask(editor, &patch, &seen, json!({"label": "x"})).await.problem(), (403, "CG3110"));
    let edited = asking.ask(admin, &patch, &seen, json!({"label": "desk/top", "expires": null})).await;
    assert_eq!((&edited.body["label"], &edited.body["expires"]), (&"desk/top".into(), &Value::Null));
    assert_eq!(edited.body["tags"], json!({"team": "a"}));
    assert_eq!(asking.ask(admin, &patch, &seen, json!({"label": "x"})).await.problem(), (412, "CG3118"));
    for (body, code) in [
        (json!({"label": 7}), "CG3145"),
        (json!({"lable": "x"}), "CG3145"),
        (json!({"expires": "tomorrow"}), "CG3051"),
        (json!({"expires": "1999-01-01T00:00:00Z"}), "CG3131"),
    ] {
        assert_eq!(
            asking.ask(admin, &patch, &[("if-match", "*")], body.clone()).await.problem(),
            (422, code),
            "{body}"
        );
    }

    // Its label is a name for it, too.
    let attached = "/grants/desk%2Ftop/policy";
    let detached = asking.ask(editor, &format!("DELETE {attached}"), &[("if-match", "*")], Value::Null).await;
    assert_eq!((detached.problem(), &detached.body["policy"]), ((200, ""), &Value::Null));
    let back = asking.ask(editor, &format!("PUT {attached}"), &[("if-match", "*")], json!({"policy": "default"})).await;
    assert_eq!((back.problem(), &back.body["policy"]), ((200, ""), &"default".into()));
    assert_eq!(
        asking.ask(viewer, &format!("DELETE {attached}"), &[("if-match", "*")], Value::Null).await.problem().0,
        403
    );

    let rotate = format!("POST {path}/rotate");
    let rotated = asking.ask(admin, &rotate, &[("if-match", "*")], json!({"overlap_seconds": 60})).await;
    assert_eq!(rotated.problem(), (200, ""));
    assert_ne!(rotated.body["token"], token);
    let shown = asking.ask(viewer, &format!("GET {path}"), &[], Value::Null).await;
    assert_eq!(shown.body["previous_until"], "2023-11-14T22:14:20.000Z");
    let revoked = asking.ask(admin, &format!("DELETE {path}"), &[("if-match", shown.tag())], Value::Null).await;
    assert_eq!((revoked.problem(), revoked.body["revoked"].is_string()), ((200, ""), true));
    assert_eq!(asking.ask(admin, &rotate, &[("if-match", "*")], Value::Null).await.problem(), (409, "CG3044"));
}

#[tokio::test]
async fn a_mint_that_is_sent_again_gives_the_same_token_once() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    let admin = &asking.token(Role::Admin).await;
    let key = [("idempotency-key", "mint-0001")];
    let first = asking.ask(admin, "POST /grants", &key, wish("laptop")).await;
    let again = asking.ask(admin, "POST /grants", &key, wish("laptop")).await;
    assert_eq!((first.problem(), again.problem()), ((201, ""), (201, "")));
    assert_eq!(first.body, again.body);
    assert_eq!(asking.ask(admin, "POST /grants", &key, wish("desktop")).await.status, 409);
    let listed = asking.ask(admin, "GET /grants", &[], Value::Null).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    let token = first.body["token"].as_str().unwrap().as_bytes();
    assert!(!asking.trial.database().windows(token.len()).any(|window| window == token));
}

#[tokio::test]
async fn grants_of_others_are_not_there() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    register(&asking.trial, "other").await;
    let admin = &asking.token(Role::Admin).await;
    let minted = asking.ask(admin, "POST /grants", &[], wish("laptop")).await;
    let id = minted.body["id"].as_str().unwrap();
    let servers = [("other".to_owned(), Role::Admin)].into();
    let blind = &asking.token_of("blind", Roles { organisation: None, servers }).await;
    for line in [
        "GET /grants/ID",
        "PATCH /grants/ID",
        "DELETE /grants/ID",
        "POST /grants/ID/rotate",
        "DELETE /grants/ID/policy",
    ] {
        let body = if line.starts_with("PATCH") { json!({}) } else { Value::Null };
        let headers = if line.starts_with("GET") { &[][..] } else { &[("if-match", "*")][..] };
        for wanted in [id, "laptop", "g_0000000000000000"] {
            let answered = asking.ask(blind, &line.replace("ID", wanted), headers, body.clone()).await;
            assert_eq!(answered.problem(), (404, "CG3044"), "{line}");
            assert_eq!(answered.body["detail"], format!("there is no grant `{wanted}`"));
        }
    }
    assert_eq!(asking.ask(blind, "GET /grants", &[], Value::Null).await.body["items"], json!([]));
    assert_eq!(asking.ask(blind, "POST /grants", &[], wish("x")).await.problem(), (404, "CG3041"));
}
