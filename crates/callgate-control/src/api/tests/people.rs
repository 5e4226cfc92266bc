//! Members, tokens and organisations.

use super::*;
use serde_json::json;

#[tokio::test]
async fn members_are_added_edited_and_removed() {
    let site = Site::new().await;
    let body = json!({ "login": " Ada@Example.COM ", "name": "Ada", "roles": { "organisation": "viewer" } });
    let added = site.root(Method::POST, "/api/v1/members", Some(body.clone())).await;
    assert_eq!(added.status, 201, "{added:?}");
    let ada = added.json();
    assert_eq!((&ada["login"], &ada["password"]), (&json!("ada@example.com"), &json!(false)));
    assert!(ada["link"]["path"].as_str().unwrap().starts_with("/sign-in?link=cgl_"));
    assert_eq!(added.header("etag"), format!("\"{}\"", ada["revision"]));
    assert_eq!(outcome(&site.root(Method::POST, "/api/v1/members", Some(body)).await), "409 CG3102");
    let path = added.header("location");
    let by_login = site.root(Method::GET, "/api/v1/members/ADA@example.com", None).await;
    assert_eq!(by_login.json()["id"], ada["id"]);
    assert!(by_login.json().get("link").is_none());

    let patch = |revision: &str, body: Value| {
        let ask = Ask::new(Method::PATCH, path).bearer(site.first.credential.reveal()).header("if-match", revision);
        site.send(ask.json(&body))
    };
    let edited = patch(added.header("etag"), json!({ "roles": { "organisation": "policy_manager" } })).await;
    assert_eq!((edited.status.as_u16(), &edited.json()["name"]), (200, &json!("Ada")));
    assert_eq!(edited.json()["roles"]["organisation"], "policy_manager");
    // Somebody else read the same revision: nothing is lost.
    let late = patch(added.header("etag"), json!({ "name": "Countess" })).await;
    assert_eq!(outcome(&late), "412 CG3118");
    for body in [
        json!({ "name": "" }),
        json!({ "password": "short" }),
        json!({ "roles": { "servers": { "nowhere": "viewer" } } }),
        json!({ "login": "other" }),
        json!({ "roles": { "organisation": "owner" } }),
    ] {
        let refused = patch("*", body.clone()).await;
        assert_eq!(refused.status, 422, "{body} {refused:?}");
    }
    assert_eq!(outcome(&site.root(Method::DELETE, path, None).await), "204");
    assert_eq!(outcome(&site.root(Method::GET, path, None).await), "404 CG3155");
    let words = site.trial.journal.words();
    for word in [
        "member add member/ada@example.com",
        "member edit member/ada@example.com",
        "member remove member/ada@example.com",
    ] {
        assert!(words.iter().any(|found| found == word), "{word}: {words:?}");
    }
}

#[tokio::test]
async fn the_last_admin_stays() {
    let site = Site::new().await;
    for (method, body) in [
        (Method::DELETE, None),
        (Method::PATCH, Some(json!({ "disabled": true }))),
        (Method::PATCH, Some(json!({ "roles": {} }))),
        (Method::PATCH, Some(json!({ "roles": { "organisation": "policy_manager" } }))),
    ] {
        let refused = site.root(method, "/api/v1/members/admin", body.clone()).await;
        assert_eq!(outcome(&refused), "409 CG3156", "{body:?}");
    }
    let two = json!({ "login": "two", "roles": { "organisation": "admin" } });
    site.root(Method::POST, "/api/v1/members", Some(two)).await;
    // One that is shut out is none.
    site.root(Method::PATCH, "/api/v1/members/two", Some(json!({ "disabled": true }))).await;
    assert_eq!(outcome(&site.root(Method::DELETE, "/api/v1/members/admin", None).await), "409 CG3156");
    site.root(Method::PATCH, "/api/v1/members/two", Some(json!({ "disabled": false }))).await;
    let both = ["admin", "two"].map(|login| format!("/api/v1/members/{login}"));
    let removed = futures_util::future::join_all(both.iter().map(|path| site.root(Method::DELETE, path, None))).await;
    let mut outcomes: Vec<String> = removed.iter().map(outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["204", "409 CG3156"]);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let site = Site::new().await;
    let admin = site.token("plain admin", json!({ "organisation": "admin" })).await;
    let create = |body: Value| site.send(Ask::post("/api/v1/tokens").bearer(&admin).json(&body));
    assert_eq!(outcome(&create(json!({ "label": "a", "roles": { "organisation": "admin" } })).await), "201");
    assert_eq!(outcome(&create(json!({ "label": "b", "instance": true })).await), "403 CG3157");
    let revoke = Ask::new(Method::DELETE, "/api/v1/tokens/admin").bearer(&admin).header("if-match", "*");
    assert_eq!(outcome(&site.send(revoke).await), "403 CG3157");
    let instance = site.root(Method::POST, "/api/v1/tokens", Some(json!({ "label": "c", "instance": true }))).await;
    assert_eq!(instance.json()["instance"], true);
    for expires in ["2001-01-01T00:00:00Z", "tomorrow"] {
        let body = json!({ "label": "d", "expires": expires });
        assert_eq!(outcome(&create(body).await), "422 CG3158", "{expires}");
    }
    let list = site.root(Method::GET, "/api/v1/tokens", None).await;
    assert!(!list.text.contains("cga_"), "{list:?}");
}

#[tokio::test]
async fn a_token_ends_when_it_is_revoked() {
    let site = Site::new().await;
    let token = site.token("ci", json!({ "organisation": "viewer" })).await;
    let ask = || Ask::get("/api/v1/session").bearer(&token);
    assert_eq!(site.send(ask()).await.json()["who"], "token:ci");
    assert_eq!(outcome(&site.root(Method::DELETE, "/api/v1/tokens/ci", None).await), "204");
    assert_eq!(outcome(&site.send(ask()).await), "401 CG3150");
    // A session can't be removed as a token, nor can a link.
    let other = site.root(Method::DELETE, "/api/v1/tokens/c_0000000000000000", None).await;
    assert_eq!(outcome(&other), "404 CG3155");
}

#[tokio::test]
async fn organisations_are_for_who_handles_the_instance() {
    let site = Site::new().await;
    let made = site.root(Method::POST, "/api/v1/organisations", Some(json!({ "name": "lab", "admin": "Eve" }))).await;
    assert_eq!((made.status.as_u16(), &made.json()["admin"]), (201, &json!("eve")));
    let again = site.root(Method::POST, "/api/v1/organisations", Some(json!({ "name": "lab" }))).await;
    assert_eq!(outcome(&again), "409 CG3102");
    let bad = site.root(Method::POST, "/api/v1/organisations", Some(json!({ "name": "a b" }))).await;
    assert_eq!(outcome(&bad), "422 CG3158");
    let list = site.root(Method::GET, "/api/v1/organisations", None).await.json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["default", "lab"]);
    let link = made.json()["link"]["secret"].as_str().unwrap().to_owned();
    let session = Ask::post("/api/v1/sessions").json(&json!({ "link": link, "as": "token" }));
    let session = site.send(session).await.json();
    assert_eq!(session["organisation"], "lab");
    let token = session["token"].as_str().unwrap();
    assert_eq!(outcome(&site.send(Ask::get("/api/v1/organisations").bearer(token)).await), "403 CG3110");
    let members = site.send(Ask::get("/api/v1/members").bearer(token)).await.json();
    assert_eq!(members["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_first_use_ends_once_its_credential_is_kept() {
    let site = Site::new().await;
    let again = site.trial.control.first_use().await.unwrap().unwrap();
    let ask = |token: &str| site.send(Ask::get("/api/v1/organisations").bearer(token));
    assert_eq!(outcome(&ask(site.first.credential.reveal()).await), "401 CG3150");
    assert_eq!(outcome(&ask(again.credential.reveal()).await), "200");
    site.trial.control.first_use_done().await.unwrap();
    assert!(site.trial.control.first_use().await.unwrap().is_none());
    let database = String::from_utf8_lossy(&site.trial.database()).into_owned();
    for secret in [&again.credential, &again.link.secret] {
        assert!(!database.contains(secret.reveal()), "a secret stands in the database");
    }
}
