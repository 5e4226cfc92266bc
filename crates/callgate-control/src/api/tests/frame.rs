//! What holds for every route: errors, headers, limits, idempotency.

use super::*;
use serde_json::json;

#[tokio::test]
async fn whatever_is_sent_the_answer_is_a_problem_with_a_code() {
    let site = Site::new().await;
    let token = site.first.credential.reveal();
    let ask = |method: Method, path: &str| Ask::new(method, path).bearer(token);
    let huge = json!({ "label": "x".repeat(body::MAX_BODY) });
    for (name, ask, expected) in [
        ("no route", ask(Method::GET, "/api/v1/nothing"), "404 CG3140"),
        ("no route at all", ask(Method::GET, "/x"), "404 CG3140"),
        ("trailing slash", ask(Method::GET, "/api/v1/members/"), "404 CG3140"),
        ("no method", ask(Method::DELETE, "/api/v1/members"), "405 CG3141"),
        ("no method of a page", ask(Method::DELETE, "/sign-in"), "405 CG3141"),
        ("too long", ask(Method::POST, "/api/v1/tokens").json(&huge), "413 CG3142"),
        ("a form", ask(Method::POST, "/api/v1/tokens").form("label=x"), "415 CG3143"),
        ("no body", ask(Method::POST, "/api/v1/tokens"), "415 CG3143"),
        ("another shape", ask(Method::POST, "/api/v1/tokens").json(&json!([])), "422 CG3145"),
        ("unknown query", ask(Method::GET, "/api/v1/members?x=1"), "400 CG3146"),
        ("limit", ask(Method::GET, "/api/v1/members?limit=0"), "400 CG3146"),
        ("cursor", ask(Method::GET, "/api/v1/members?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAA"), "400 CG3146"),
        ("bad path", ask(Method::GET, "/api/v1/members/%ff"), "400 CG3146"),
        ("NUL", ask(Method::GET, "/api/v1/members/%00"), "404 CG3140"),
        ("unknown member", ask(Method::GET, "/api/v1/members/nobody"), "404 CG3155"),
        ("no revision", ask(Method::DELETE, "/api/v1/members/admin"), "428 CG3148"),
        ("no token", Ask::get("/api/v1/members"), "401 CG3150"),
        ("wrong token", Ask::get("/api/v1/members").bearer("cga_x"), "401 CG3150"),
    ] {
        let answered = site.send(ask).await;
        assert_eq!(outcome(&answered), expected, "{name}");
        assert_eq!(answered.header("content-type"), "application/problem+json", "{name}");
        let problem = answered.json();
        assert_eq!(problem["status"], answered.status.as_u16(), "{name}");
        assert_eq!(problem["type"], format!("urn:callgate:error:{}", answered.code()), "{name}");
        assert_eq!(answered.header("allow").is_empty(), answered.status != 405, "{name}");
        assert_eq!(answered.header("www-authenticate").is_empty(), answered.status != 401, "{name}");
    }
}

#[tokio::test]
async fn every_answer_forbids_caches_frames_and_guesses() {
    let site = Site::new().await;
    for path in ["/sign-in", "/sign-in/style.css", "/api/v1/openapi.json", "/api/v1/members", "/x"] {
        let answered = site.send(Ask::get(path)).await;
        assert_eq!(answered.header("cache-control"), "no-store", "{path}");
        assert_eq!(answered.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answered.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert!(answered.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(!answered.header("referrer-policy").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn lists_come_in_parts() {
    let site = Site::new().await;
    for number in 0..5 {
        let added = site.root(Method::POST, "/api/v1/members", Some(json!({ "login": format!("m{number}") }))).await;
        assert_eq!(added.status, 201, "{added:?}");
    }
    let (mut logins, mut path) = (Vec::new(), "/api/v1/members?limit=2".to_owned());
    loop {
        let part = site.root(Method::GET, &path, None).await.json();
        let items = part["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        logins.extend(items.iter().map(|item| item["login"].as_str().unwrap().to_owned()));
        let Some(cursor) = part["next"].as_str() else { break };
        path = format!("/api/v1/members?limit=2&cursor={cursor}");
        let elsewhere = site.root(Method::GET, &format!("/api/v1/tokens?cursor={cursor}"), None).await;
        assert_eq!(outcome(&elsewhere), "400 CG3146");
    }
    logins.sort();
    assert_eq!(logins, ["admin", "m0", "m1", "m2", "m3", "m4"]);
}

#[tokio::test]
async fn a_post_that_is_sent_again_is_answered_as_the_first_time() {
    let site = Site::new().await;
    let ask = |label: &str, key: &str| {
        let ask = Ask::post("/api/v1/tokens").bearer(site.first.credential.reveal()).header("idempotency-key", key);
        ask.json(&json!({ "label": label, "roles": { "organisation": "viewer" } }))
    };
    let first = site.send(ask("one", "key-00001")).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = site.send(ask("one", "key-00001")).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.header("idempotency-replayed"), "true");
    for name in ["etag", "location", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(outcome(&site.send(ask("two", "key-00001")).await), "409 CG3147");
    // A precondition is a part of the request, also an empty one.
    for condition in ["", "*"] {
        let other = ask("one", "key-00001").header("if-match", condition);
        assert_eq!(outcome(&site.send(other).await), "409 CG3147", "{condition:?}");
    }
    assert_eq!(outcome(&site.send(ask("one", "key-00002")).await), "409 CG3102");
    // An error changed nothing and is not remembered.
    assert_eq!(outcome(&site.send(ask("three", "key-00002")).await), "201");
    for key in ["short", "has spaces in it", &"x".repeat(129)] {
        assert_eq!(outcome(&site.send(ask("four", key)).await), "400 CG3146", "{key}");
    }
    // Another caller with the same key is another request.
    let other = site.token("other", json!({ "organisation": "admin" })).await;
    let ask = Ask::post("/api/v1/tokens").bearer(&other).header("idempotency-key", "key-00001");
    assert_eq!(outcome(&site.send(ask.json(&json!({ "label": "five" }))).await), "201");
    let kept = String::from_utf8_lossy(&site.trial.database()).into_owned();
    assert!(!kept.contains(first.json()["token"].as_str().unwrap()), "the token stands in the database");
}

#[tokio::test]
async fn what_was_begun_and_never_answered_is_not_begun_again() {
    let site = Site::new().await;
    let ask = |key: &str| {
        let ask = Ask::post("/api/v1/tokens").bearer(site.first.credential.reveal()).header("idempotency-key", key);
        ask.json(&json!({ "label": key, "roles": { "organisation": "viewer" } }))
    };
    assert_eq!(outcome(&site.send(ask("key-00001")).await), "201");
    // The change is there and the answer is an error, as where the gateway is killed between the two.
    site.trial.journal.set_broken(true);
    assert_eq!(outcome(&site.send(ask("key-00002")).await), "503 CG3115");
    site.trial.journal.set_broken(false);
    assert_eq!(outcome(&site.send(ask("key-00002")).await), "409 CG3149");
    let tokens = site.root(Method::GET, "/api/v1/tokens", None).await.json();
    assert_eq!(tokens["items"].as_array().unwrap().len(), 3, "{tokens}");
}

#[tokio::test]
async fn with_a_key_a_body_may_be_as_long_as_without() {
    let site = Site::new().await;
    let long = "x".repeat(2 * body::MAX_BODY);
    let document = format!(r#"{{"version":"1","description":"{long}","default":"deny"}}"#);
    let apply = json!({ "dry_run": true, "baseline": { "document": document } });
    let tokens = json!({ "label": long });
    for (path, body) in [("/api/v1/apply", &apply), ("/api/v1/tokens", &tokens)] {
        let ask = || Ask::post(path).bearer(site.first.credential.reveal()).json(body);
        let without = site.send(ask()).await;
        let with = site.send(ask().header("idempotency-key", "key-00001")).await;
        assert_eq!(outcome(&with), outcome(&without), "{path}");
        assert_eq!(with.status == 413, path == "/api/v1/tokens", "{with:?}");
    }
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_does_the_work() {
    let site = Site::new().await;
    let asks = (0..8).map(|_| {
        let ask = Ask::post("/api/v1/tokens").bearer(site.first.credential.reveal());
        site.send(ask.header("idempotency-key", "key-00001").json(&json!({ "label": "one" })))
    });
    let answers = futures_util::future::join_all(asks).await;
    let made = answers.iter().filter(|answer| answer.status == 201).map(|answer| &answer.text);
    assert_eq!(made.collect::<std::collections::BTreeSet<_>>().len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "CG3147"), "{answers:?}");
    let tokens = site.root(Method::GET, "/api/v1/tokens", None).await.json();
    assert_eq!(tokens["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_local_socket_reads_and_does_nothing_else_without_a_credential() {
    let site = Site::new().await;
    let local = |method, path: &str| Ask::new(method, path).via(Via::LocalSocket);
    let me = site.send(local(Method::GET, "/api/v1/session")).await;
    assert_eq!((me.status.as_u16(), &me.json()["who"]), (200, &json!("local")));
    assert_eq!(outcome(&site.send(local(Method::GET, "/api/v1/members")).await), "403 CG3110");
    let new = local(Method::POST, "/api/v1/tokens").json(&json!({ "label": "x" }));
    assert_eq!(outcome(&site.send(new).await), "403 CG3110");
    for (organisation, expected) in [("nobodys", "404 CG3155"), ("", "404 CG3155"), ("default", "200")] {
        let ask = local(Method::GET, "/api/v1/session").header("callgate-organisation", organisation);
        assert_eq!(outcome(&site.send(ask).await), expected, "{organisation}");
    }
    let with = local(Method::GET, "/api/v1/members").bearer(site.first.credential.reveal());
    assert_eq!(outcome(&site.send(with).await), "200");
}
