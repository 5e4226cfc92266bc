//! Tries of calls, over an API that answers what the test says.

use crate::policies::tests::fake::{Answer, Fake};
use serde_json::{Value, json};

const HOSTILE: &str = "\"><script>alert(1)</script>";
const TEXT: &str = r#"{
  "version": "1",
  "default": "deny",
  "tools": {
    "exec": {
      "deny_if": [
        { "conditions": [{ "path": "args.command", "op": "contains", "value": "rm" }], "on_deny": "No rm." }
      ],
      "limits": [{ "counter": "execs", "window": "minute", "max": 2, "scope": "grant" }]
    }
  }
}
"#;

fn fake() -> Fake {
    let list = |items: Value| json!({ "items": items, "next": null });
    let schema = json!({ "type": "object", "required": ["command"], "properties": {
        "command": { "type": "string", "description": HOSTILE }, "times": { "type": "integer" }
    } });
    let definition = json!({ "name": "exec", "description": "Runs.", "inputSchema": schema }).to_string();
    let tool = json!({ "tool": "exec", "state": "pinned", "labels": [], "definition": definition });
    let grant = json!({ "id": "g_1", "label": "laptop", "policy": null, "tags": { "team": "a" }, "revoked": null });
    let strict = r#"{ "version": "1", "default": "allow", "hide": ["secret"] }"#;
    Fake::new(&[
        Fake::session(&["read_policies", "read_servers", "read_grants"]),
        ("GET /servers", 200, list(json!([{ "name": "kernel", "uuid": "s_1" }]))),
        ("GET /servers/kernel", 200, json!({ "name": "kernel", "uuid": "s_1" })),
        ("GET /servers/kernel/policies", 200, list(json!([{ "name": "default" }]))),
        ("GET /servers/kernel/policies/default", 200, json!({ "version": 2, "document": TEXT })),
        ("GET /servers/kernel/policies/default/versions/1", 200, json!({ "document": "{" })),
        ("GET /servers/kernel/definitions", 200, list(json!([tool]))),
        ("GET /grants", 200, list(json!([grant]))),
        ("GET /baseline", 200, json!({ "version": 1, "document": strict })),
    ])
}

async fn tried(query: &str) -> Answer {
    fake().get(&format!("/try?server=kernel&{query}")).await
}

#[tokio::test]
async fn a_try_says_outcome_rule_line_and_charges() {
    let allowed = tried("policy=default&tool=exec&args=%7B%22command%22%3A%22ls%22%7D").await;
    assert_eq!(allowed.status, 200);
    for text in ["outcome-allow", "execs", "nothing stood against it"] {
        assert!(allowed.text.contains(text), "{text}");
    }
    let denied = tried("policy=default&tool=exec&args=%7B%22command%22%3A%22rm+-r%22%7D").await;
    for text in [
        "outcome-deny",
        "/tools/exec/deny_if/args.command-contains",
        "No rm.",
        "/servers/kernel/policies/default?version=2&#38;line=7",
        "class=\"this\"><span class=\"line-number\">7</span>",
    ] {
        assert!(denied.text.contains(text), "{text} in {}", denied.text);
    }
    let third = tried("policy=default&tool=exec&calls=3&args=%7B%22command%22%3A%22ls%22%7D").await;
    assert!(third.text.contains("outcome-deny") && third.text.contains("Try again after"));
    // The baseline holds on top, and is named.
    let hidden = tried("policy=default&tool=secret").await;
    assert!(
        hidden.text.contains("/baseline?version=1&#38;line=1") && hidden.text.contains("(hidden)"),
        "{}",
        hidden.text
    );
    // A grant without a policy is denied everything.
    let bare = tried("grant=laptop&policy=&tool=exec&args=%7B%22command%22%3A%22ls%22%7D").await;
    assert!(bare.text.contains("(no policy)") && bare.text.contains("laptop"));
}

#[tokio::test]
async fn fields_lead_to_a_url_with_the_arguments_as_json() {
    let led = tried("policy=default&tool=exec&was=&arg.command=ls+-l&arg.times=3&args=%7B%7D").await;
    assert_eq!(led.status, 303);
    let location = led.headers["location"].to_str().unwrap();
    assert_eq!(
        location,
        "/try?server=kernel&policy=default&tool=exec&args=%7B%22command%22%3A%22ls%20-l%22%2C%22times%22%3A3%7D"
    );
    let form = tried("tool=exec").await;
    assert!(form.text.contains("name=\"arg.command\"") && !form.text.contains("<script>alert"));
    // Enter in any field sends both, and there is nothing else to be pressed.
    assert_eq!(form.text.matches("<button type=\"submit\"").count(), 1, "{}", form.text);
    let own = tried("policy=&grant=laptop&tool=exec&was=%7B%7D&args=%7B%22other%22%3A1%7D").await;
    let location = own.headers["location"].to_str().unwrap();
    assert_eq!(location, "/try?server=kernel&grant=laptop&tool=exec&args=%7B%22other%22%3A1%7D&policy=");
}

#[tokio::test]
async fn json_that_nothing_goes_into_is_shown_with_what_was_typed_beside_it() {
    let page = tried("policy=default&tool=exec&was=%7B%7D&arg.command=ls+-l&args=%7B%22a%22").await;
    assert_eq!(page.status, 422);
    for part in
        ["the arguments can&#39;t be read", "value=\"ls -l\"", "{&#34;a&#34;</textarea>", "name=\"was\" value=\"{}\""]
    {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
}

#[tokio::test]
async fn what_cannot_be_tried_is_said_and_what_was_typed_stays() {
    for (query, status, why) in [
        ("policy=default&tool=exec&args=%7B", 422, "the arguments can&#39;t be read"),
        ("policy=default&tool=exec&at=noon", 422, "`noon` is no moment"),
        ("policy=default&tool=exec&calls=0", 422, "`0` is no number of calls"),
        ("policy=default&tool=exec&tags=a", 422, "`a` is no tag"),
        ("policy=default&tool=exec&version=1", 422, "is no policy for this gateway"),
        ("grant=nobody&tool=exec", 422, "no live grant `nobody`"),
        ("policy=gone&tool=exec", 404, "no GET /servers/kernel/policies/gone"),
    ] {
        let answer = tried(query).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(answer.text.contains(why), "{query}: {}", answer.text);
        assert!(answer.text.contains("value=\"exec\""), "{query}");
    }
    let hostile = tried("policy=default&tool=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&label=%3Cscript%3Ealert(2)").await;
    assert!(!hostile.text.contains("<script>alert"));
}
