//! `POST /apply` over the router.

use super::*;
use serde_json::json;

const PATH: &str = "/api/v1/apply";

fn desired(document: &str) -> Value {
    json!({
        "servers": [{ "name": "web", "target": { "url": "https://web.example.com/", "headers": { "K": "hush" } } }],
        "policies": [{ "server": "web", "name": "default", "document": document, "file": "default.json" }],
        "grants": [{ "server": "web", "label": "laptop", "policy": "default", "expires": "2036-01-01T00:00:00Z" }],
    })
}

#[tokio::test]
async fn a_fleet_is_applied_and_its_tokens_are_shown_once() {
    let site = Site::new().await;
    // Larger than any other request may be.
    let large = format!("{}{}", r#"{"version":"1","default":"deny"}"#, " ".repeat(900_000));
    let mut body = desired(&large);
    body["policies"][0]["file"] = " ".repeat(200_000).into();
    let applied = site.root(Method::POST, PATH, Some(body.clone())).await;
    assert_eq!(applied.status, 200, "{applied:?}");
    let answer = applied.json();
    assert_eq!((&answer["applied"], answer["plan"].as_array().unwrap().len()), (&json!(true), 3));
    assert!(answer["minted"][0]["token"].as_str().unwrap().starts_with("cg_"), "{answer}");
    assert!(!applied.text.contains("hush"));
    let again = site.root(Method::POST, PATH, Some(body)).await.json();
    assert_eq!((&again["changed"], &again["applied"], &again["minted"]), (&json!(false), &json!(false), &json!([])));
}

#[tokio::test]
async fn what_cannot_be_applied_is_a_problem_without_secrets() {
    let site = Site::new().await;
    let refused = site.root(Method::POST, PATH, Some(desired("{\n \"version\": 7 }"))).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (422, &json!("CG3176")));
    assert!(!refused.json()["problems"].as_array().unwrap().is_empty(), "{refused:?}");
    for (member, value) in [("token", json!(4711)), ("expires", json!("4711")), ("colour", json!("4711"))] {
        let mut body = desired("{}");
        body["grants"][0][member] = value;
        let refused = site.root(Method::POST, PATH, Some(body)).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.text.contains(member) && !refused.text.contains("4711"), "{refused:?}");
    }
    let viewer = site.token("viewer", json!({ "organisation": "policy_manager" })).await;
    let asked = Ask::new(Method::POST, PATH).bearer(&viewer).json(&json!({ "dry_run": true }));
    assert_eq!(site.send(asked).await.status, 403);
}

#[tokio::test]
async fn a_plan_that_is_another_one_by_now_is_not_applied() {
    let site = Site::new().await;
    let admin = site.first.credential.reveal().to_owned();
    let send = async |body: &Value, plan: Option<&str>| {
        let ask = Ask::post(PATH).bearer(&admin).json(body);
        site.send(match plan {
            Some(plan) => ask.header("if-match", plan),
            None => ask,
        })
        .await
    };
    let body = desired(r#"{"version":"1","default":"deny"}"#);
    assert_eq!(send(&body, None).await.status, 200);
    let mut wanted = body.clone();
    wanted["servers"][0]["target"]["url"] = "https://eu.example.com/".into();
    let mut dry = wanted.clone();
    dry["dry_run"] = true.into();
    let seen = send(&dry, None).await;
    let plan = seen.header("etag").to_owned();
    assert_eq!(plan, format!("\"{}\"", seen.json()["plan_id"].as_str().unwrap()));
    // Somebody else is faster.
    let theirs = json!({ "settings": { "idle": "7m" } });
    assert_eq!(site.root(Method::PATCH, "/api/v1/servers/web", Some(theirs)).await.status, 200);
    assert_eq!(outcome(&send(&wanted, Some(&plan)).await), "412 CG3118");
    let server = site.root(Method::GET, "/api/v1/servers/web", None).await.json();
    assert_eq!(
        (&server["settings"]["idle"], &server["target"]["url"]),
        (&json!("7m"), &json!("https://web.example.com/"))
    );
    for (wrong, expected) in [("7", "400 CG3146"), ("W/\"7\"", "400 CG3146"), ("\"7\"", "412 CG3118")] {
        assert_eq!(outcome(&send(&wanted, Some(wrong)).await), expected, "{wrong}");
    }
    let plan = send(&dry, None).await.header("etag").to_owned();
    assert_eq!(send(&wanted, Some(&plan)).await.json()["applied"], true);
    assert_eq!(send(&body, Some("*")).await.json()["applied"], true);
}
