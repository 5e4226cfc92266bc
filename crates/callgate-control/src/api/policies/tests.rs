use crate::api::asking::Asking;
use crate::policies::tests::register;
use callgate_store::{Role, Roles};
use serde_json::{Value, json};

const DENY: &str = "{ \"version\": \"1\",\n\t\"default\": \"deny\" }\r\n";
const READ: &str = "{ \"version\": \"1\",\n\t\"default\": \"deny\", \"tools\": { \"read\": {} } }\r\n";
const DEFAULT: &str = "/servers/kernel/policies/default";

fn document(text: &str) -> Value {
    json!({ "document": text, "file": "policy.json" })
}

#[tokio::test]
async fn two_admins_edit_the_same_policy_and_nothing_is_lost() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    let ada = &asking.token_of("ada", Roles { organisation: Some(Role::Admin), ..Roles::default() }).await;
    let bob = &asking.token_of("bob", Roles { organisation: Some(Role::Admin), ..Roles::default() }).await;
    let put = &format!("PUT {DEFAULT}");
    let made = asking.ask(ada, put, &[("if-none-match", "*")], document(DENY)).await;
    assert_eq!(made.problem(), (201, ""));
    assert_eq!(made.headers["location"], "/api/v1/servers/kernel/policies/default");
    let seen = made.tag();
    assert_eq!(seen, format!("\"{}\"", made.body["revision"]));
    let first = asking.ask(ada, put, &[("if-match", seen)], document(READ)).await;
    assert_eq!(
        (first.problem(), &first.body["version"], &first.body["by"]),
        ((200, ""), &2.into(), &"token:ada".into())
    );
    let allow = "{ \"version\": \"1\", \"default\": \"allow\" }";
    let second = asking.ask(bob, put, &[("if-match", seen)], document(allow)).await;
    assert_eq!(second.problem(), (412, "CG3118"));
    assert_eq!(asking.ask(bob, put, &[], document(allow)).await.problem(), (428, "CG3148"));
    assert_eq!(asking.ask(bob, put, &[("if-none-match", "*")], document(allow)).await.problem(), (412, "CG3118"));
    // What is in force is what the first one wrote, byte for byte.
    let shown = asking.ask(bob, &format!("GET {DEFAULT}"), &[], Value::Null).await;
    assert_eq!((&shown.body["document"], shown.tag()), (&READ.into(), first.tag()));
    let third = asking.ask(bob, put, &[("if-match", shown.tag())], document(allow)).await;
    assert_eq!((third.problem(), &third.body["version"]), ((200, ""), &3.into()));
    for (version, text) in [(1, DENY), (2, READ), (3, allow)] {
        let version = asking.ask(ada, &format!("GET {DEFAULT}/versions/{version}"), &[], Value::Null).await;
        assert_eq!(version.body["document"], text);
    }
}

#[tokio::test]
async fn a_broken_document_is_answered_with_every_problem() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    let admin = &asking.token(Role::Admin).await;
    let put = &format!("PUT {DEFAULT}");
    asking.ask(admin, put, &[], document(DENY)).await;
    let broken = "{ \"version\": \"1\",\n  \"default\": \"maybe\",\n  \"hid\": [] }";
    for line in [put.clone(), format!("{put}?dry_run=true")] {
        let refused = asking.ask(admin, &line, &[("if-match", "*")], document(broken)).await;
        assert_eq!(refused.problem(), (422, "CG3045"));
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        let problems = refused.body["problems"].as_array().unwrap();
        let places: Vec<_> =
            problems.iter().map(|row| (row["pointer"].as_str().unwrap(), row["line"].as_u64())).collect();
        assert_eq!(places, [("/default", Some(2)), ("/hid", Some(3))]);
        for key in ["code", "severity", "line", "column", "pointer", "message", "hint"] {
            assert!(problems.iter().all(|row| row.get(key).is_some()), "{key}");
        }
    }
    let shown = asking.ask(admin, &format!("GET {DEFAULT}"), &[], Value::Null).await;
    assert_eq!((&shown.body["version"], &shown.body["document"]), (&1.into(), &DENY.into()));
}

#[tokio::test]
async fn a_dry_run_a_rollback_a_difference_and_the_end() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    let editor = &asking.token(Role::PolicyManager).await;
    let put = format!("PUT {DEFAULT}");
    let dry = asking.ask(editor, &format!("{put}?dry_run=true"), &[], document(DENY)).await;
    assert_eq!((dry.problem(), &dry.body["changed"], dry.tag()), ((200, ""), &true.into(), ""));
    assert_eq!(asking.ask(editor, &format!("GET {DEFAULT}"), &[], Value::Null).await.problem(), (404, "CG3043"));
    asking.ask(editor, &put, &[], document(DENY)).await;
    let second = asking.ask(editor, &put, &[("if-match", "*")], document(READ)).await;
    let same = asking.ask(editor, &put, &[("if-match", "*")], document(READ)).await;
    assert_eq!((&same.body["changed"], same.tag()), (&false.into(), second.tag()));

    let difference = asking.ask(editor, &format!("GET {DEFAULT}/diff?from=1&to=2"), &[], Value::Null).await;
    assert_eq!((&difference.body["from"]["version"], &difference.body["to"]["version"]), (&1.into(), &2.into()));
    let rule = &difference.body["rules"][0];
    assert_eq!(
        (&rule["change"], &rule["rule"], &rule["effect"]),
        (&"added".into(), &"/tools/read".into(), &"looser".into())
    );
    assert_eq!(
        asking.ask(editor, &format!("GET {DEFAULT}/diff?to=7"), &[], Value::Null).await.problem(),
        (404, "CG3043")
    );

    let back = format!("POST {DEFAULT}/rollback");
    assert_eq!(asking.ask(editor, &back, &[], Value::Null).await.problem(), (428, "CG3148"));
    let at = [("if-match", second.tag())];
    let third = asking.ask(editor, &back, &at, Value::Null).await;
    assert_eq!((third.problem(), &third.body["version"], &third.body["repeats"]), ((200, ""), &3.into(), &1.into()));
    let fourth = asking.ask(editor, &back, &[("if-match", "*")], json!({"to": 2})).await;
    assert_eq!((&fourth.body["version"], &fourth.body["repeats"]), (&4.into(), &2.into()));
    assert_eq!(asking.ask(editor, &back, &[("if-match", "*")], json!({"to": 4})).await.problem(), (422, "CG3043"));
    let versions = asking.ask(editor, &format!("GET {DEFAULT}/versions?limit=3"), &[], Value::Null).await;
    assert_eq!(
        (versions.body["items"].as_array().unwrap().len(), &versions.body["items"][0]["version"]),
        (3, &4.into())
    );
    let next = versions.body["next"].as_str().unwrap();
    let rest = asking.ask(editor, &format!("GET {DEFAULT}/versions?cursor={next}"), &[], Value::Null).await;
    assert_eq!((&rest.body["items"][0]["version"], &rest.body["next"]), (&1.into(), &Value::Null));

    let delete = format!("DELETE {DEFAULT}");
    assert_eq!(asking.ask(editor, &delete, &[], Value::Null).await.problem(), (428, "CG3148"));
    assert_eq!(asking.ask(editor, &delete, &at, Value::Null).await.problem(), (412, "CG3118"));
    let now = [("if-match", fourth.tag())];
    assert_eq!(asking.ask(editor, &delete, &now, Value::Null).await.problem(), (204, ""));
    assert_eq!(asking.ask(editor, "GET /policies", &[], Value::Null).await.body, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn the_baseline_is_the_organisations_own() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    let editor = &asking.token(Role::PolicyManager).await;
    let servers = [("kernel".to_owned(), Role::PolicyManager)].into();
    let scoped = &asking.token_of("scoped", Roles { organisation: None, servers }).await;
    assert_eq!(asking.ask(editor, "GET /baseline", &[], Value::Null).await.problem(), (404, "CG3043"));
    let made = asking.ask(editor, "PUT /baseline", &[("if-none-match", "*")], document(DENY)).await;
    assert_eq!(
        (made.problem(), &made.body["server"], &made.body["name"]),
        ((201, ""), &Value::Null, &"baseline".into())
    );
    assert_eq!(
        asking.ask(scoped, "PUT /baseline", &[("if-match", "*")], document(READ)).await.problem(),
        (403, "CG3110")
    );
    assert_eq!(asking.ask(scoped, "GET /baseline", &[], Value::Null).await.problem(), (403, "CG3110"));
    let second = asking.ask(editor, "PUT /baseline", &[("if-match", made.tag())], document(READ)).await;
    assert_eq!((second.problem(), &second.body["version"]), ((200, ""), &2.into()));
    let difference = asking.ask(editor, "GET /baseline/diff", &[], Value::Null).await;
    assert_eq!(difference.body["rules"].as_array().unwrap().len(), 1);
    let back = asking.ask(editor, "POST /baseline/rollback", &[("if-match", "*")], Value::Null).await;
    assert_eq!((back.problem(), &back.body["repeats"]), ((200, ""), &1.into()));
    assert_eq!(
        asking.ask(editor, "GET /baseline/versions", &[], Value::Null).await.body["items"].as_array().unwrap().len(),
        3
    );
    assert_eq!(asking.ask(editor, "GET /baseline/versions/2", &[], Value::Null).await.body["document"], READ);
    assert_eq!(asking.ask(editor, "DELETE /baseline", &[("if-match", "*")], Value::Null).await.problem(), (204, ""));
}

#[tokio::test]
async fn a_large_document_fits_and_one_that_is_too_large_is_a_problem_of_the_document() {
    let asking = Asking::new().await;
    register(&asking.trial, "kernel").await;
    let admin = &asking.token(Role::Admin).await;
    let text = |length: usize| {
        let start = "{\"version\":\"1\",\"default\":\"deny\"";
        format!("{start}{}}}", "\n".repeat(length - start.len() - 1))
    };
    let put = format!("PUT {DEFAULT}");
    let made = asking.ask(admin, &put, &[], document(&text(1 << 20))).await;
    assert_eq!(made.problem(), (201, ""));
    let refused = asking.ask(admin, &put, &[("if-match", "*")], document(&text((1 << 20) + 1))).await;
    assert_eq!(refused.problem(), (422, "CG3045"));
}
