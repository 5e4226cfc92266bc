use crate::fake::{Fake, HOSTILE, assert_inert};
use serde_json::{Value, json};

const ALL: [&str; 5] = ["read_servers", "manage_servers", "manage_grants", "edit_policies", "read_grants"];

fn settings() -> Value {
    json!({ "era": "auto", "share": "grant", "pinning": "first_sight", "quarantine": "hide", "idle": "5m",
        "connect_timeout": "10s", "silence_timeout": "2m", "call_timeout": null, "max_in_flight": 8, "max_processes": 4 })
}

fn server(name: &str, text: &str) -> Value {
    json!({ "name": name, "uuid": "u-1", "url": "http://127.0.0.1:7070/mcp/files", "settings": settings(),
        "target": { "command": text, "args": [text], "env": [text], "env_from": [text], "cwd": text },
        "policies": [], "grants": 2, "declared": false, "revision": 7 })
}

fn definition(tool: &str, state: &str, text: &str) -> Value {
    json!({ "tool": tool, "state": state, "fingerprint": format!("f-{tool}"), "candidate": null, "category": "execute",
        "category_is_set": false, "risk": "high", "labels": [text], "labels_are_set": false, "findings": 1,
        "first_seen": "2026-01-01T00:00:00Z", "approved_by": text, "revision": 3 })
}

fn known(tool: &str, text: &str) -> Value {
    json!({ "name": tool, "description": text, "category": "read", "risk": "low", "labels": [], "findings": 0,
        "server": { "id": "c-1", "name": "files", "grade": "B" } })
}

fn fake(tool: &str, text: &str) -> Fake {
    let mut detail = definition(tool, "changed", text);
    let listed = json!({ "name": tool, "description": text, "inputSchema": { "type": "object", "properties": {
        text: { "type": "string", "description": text } } } });
    detail["definition"] = json!(listed.to_string());
    detail["diff"] =
        json!(format!("--- pinned\n+++ listed now\n-{}\n+new\n", text.replace(['\r', '\n', '\u{202e}'], " ")));
    Fake::for_one_who_may(&ALL)
        .with("/servers/files", server("files", text))
        .with_list("/servers", json!([server("files", text)]))
        .with_list("/servers/files/definitions", json!([definition(tool, "changed", text)]))
        .with("/servers/files/definitions/run", detail)
        .with_list("/catalogue/tools", json!([known(tool, text), known("other", text)]))
        .with_list("/catalogue/servers", json!([{ "name": "files", "grade": "B", "risk": "high", "tools": 2 }]))
        .with("/servers/files/tools", json!({ "tools": [listed] }))
        .with("/servers/files/health", json!({ "state": "failing", "breaker": "open", "since": "2026-01-01T00:00:00Z",
            "last_error": { "at": "2026-01-01T00:00:00Z", "what": text }, "in_flight": 1, "sessions": 0, "processes": 2 }))
}

#[tokio::test]
async fn without_a_server_the_list_leads_to_the_first_run() {
    let page = Fake::for_one_who_may(&ALL).with_list("/servers", json!([])).get("/servers").await;
    assert!(page.status.is_success() && page.text.contains("href=\"/start\""), "{}", page.text);
    let page = Fake::for_one_who_may(&["read_servers"]).with_list("/servers", json!([])).get("/servers").await;
    assert!(page.text.contains("your role does not have `manage_servers`"));
}

#[tokio::test]
async fn a_server_shows_what_waits_before_everything_else() {
    let page = fake("run", "Runs it.").get("/servers/files").await;
    for part in [
        "1 of its tools have a definition",
        "changed: to approve",
        "listed, not called yet",
        "policies/default?recommended",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(page.text.find("tools/run").unwrap() < page.text.find("tools/other").unwrap());
    let standing = fake("run", "x").part("/servers/files/standing").await;
    for part in ["could not be reached", "1 to approve", "1 in flight, 2 processes"] {
        assert!(standing.text.contains(part), "{part}: {}", standing.text);
    }
}

#[tokio::test]
async fn a_thousand_tools_stand_on_one_page() {
    let tools: Vec<Value> = (0..1000).map(|n| definition(&format!("tool_{n}"), "pinned", "egress")).collect();
    let fake = fake("run", "x").with_list("/servers/files/definitions", json!(tools));
    let page = fake.get("/servers/files").await;
    assert_eq!(page.text.matches("href=\"/servers/files/tools/tool_").count(), 1000);
    // As many questions as with one tool, as far as the API gives all in one part.
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn a_server_is_added_as_it_was_typed() {
    let added = Fake::for_one_who_may(&ALL).with("/servers", json!({ "name": "files" }));
    let fields = [
        ("csrf", "the-token"),
        ("by", "url"),
        ("name", "files"),
        ("url", "https://h/mcp"),
        ("headers", "Authorization: Bearer s"),
    ];
    let page = added.post("/add/server", &fields, false).await;
    assert_eq!((page.status.as_u16(), page.location.as_str()), (303, "/servers/files?done=added"));
    let target = json!({ "url": "https://h/mcp", "headers": { "Authorization": "Bearer s" } });
    assert_eq!(
        added.asked().pop().unwrap(),
        ("POST /servers".to_owned(), json!({ "name": "files", "target": target }))
    );

    let refused = Fake::for_one_who_may(&ALL).with_problem("/servers", 409, "CG3040", "there is one of this name");
    let page = refused.post("/add/server", &fields, false).await;
    assert_eq!(page.status.as_u16(), 409);
    assert!(page.text.contains("there is one of this name") && page.text.contains("value=\"https://h/mcp\""));
    assert!(!page.text.contains("Bearer s\n") && !page.text.contains(">Authorization: Bearer s<"), "a secret is shown");
}

#[tokio::test]
async fn exactly_what_was_shown_is_approved() {
    let fake = fake("run", "x").with("/servers/files/approve-definitions", json!({ "approved": ["run"] }));
    let page = fake.get("/servers/files/definitions").await;
    assert!(page.text.contains("name=\"fingerprint\" value=\"f-run\"") && page.text.contains("class=\"diff-old\""));
    let fields =
        [("csrf", "the-token"), ("tool", "run"), ("fingerprint", "f-run"), ("tool", "b"), ("fingerprint", "f-b")];
    let page = fake.post("/servers/files/definitions", &fields, false).await;
    assert_eq!(page.location, "/servers/files/definitions?done=approved");
    assert_eq!(fake.asked().pop().unwrap().1, json!({ "tools": { "run": "f-run", "b": "f-b" } }));
}

#[tokio::test]
async fn a_server_goes_only_where_its_name_was_typed() {
    let fake = fake("run", "x");
    let page = fake.post("/servers/files/remove", &[("csrf", "the-token"), ("name", "file")], false).await;
    assert_eq!(page.status.as_u16(), 422);
    assert!(!fake.asked().iter().any(|(asked, _)| asked.starts_with("DELETE")));
    let fields = [("csrf", "the-token"), ("name", "files"), ("revision", "\"7\"")];
    let page = fake.post("/servers/files/remove", &fields, false).await;
    assert_eq!(page.location, "/servers?done=removed");
}

#[tokio::test]
async fn settings_and_what_a_person_says_are_saved() {
    let fake = fake("run", "x");
    let fields = [
        ("csrf", "the-token"),
        ("by", "command"),
        ("command", "npx"),
        ("args", "-y\nx"),
        ("era", "legacy"),
        ("max_in_flight", "9"),
    ];
    let page = fake.post("/servers/files/settings", &fields, false).await;
    assert_eq!(page.location, "/servers/files?done=saved");
    let place = json!({ "command": "npx", "args": ["-y", "x"], "env_from": [], "cwd": null });
    let settings = json!({ "era": "legacy", "max_in_flight": 9, "call_timeout": null });
    assert_eq!(fake.asked().pop().unwrap().1, json!({ "settings": settings, "target": place }));
    let page = fake.post("/servers/files/settings", &[("csrf", "the-token"), ("max_in_flight", "many")], false).await;
    assert!(page.status.as_u16() == 422 && page.text.contains("requests at once"));
    for (fields, expected) in [
        (&[("csrf", "the-token"), ("category", "read")][..], json!({ "category": "read", "labels": null })),
        (
            &[("csrf", "the-token"), ("labels", "set"), ("label", "bulk")],
            json!({ "category": null, "labels": ["bulk"] }),
        ),
    ] {
        let page = fake.post("/servers/files/tools/run", fields, false).await;
        assert_eq!(page.location, "/servers/files/tools/run?done=saved");
        assert_eq!(fake.asked().pop().unwrap().1, expected);
    }
}

#[tokio::test]
async fn what_a_server_says_is_inert_on_every_page() {
    let pages = [
        "/servers",
        "/servers/files",
        "/servers/files/definitions",
        "/servers/files/settings",
        "/servers/files/remove",
        "/servers/files/tools/run",
        "/servers/files/ask",
        "/servers/files/standing",
    ];
    for page in pages {
        let plain = fake("run", "plain").get(page).await;
        assert!(plain.status.is_success(), "{page}: {}", plain.text);
        for text in HOSTILE {
            let hostile = fake("run", text).get(page).await;
            assert_eq!(hostile.status, plain.status, "{page}");
            if ["/run", "/settings", "/ask"].iter().any(|end| page.ends_with(end)) {
                // A field holds exactly what is kept, a policy is exactly what would be published, and how many words
                // speak for what a tool does depends on what is said of it.
                assert!(!hostile.text.contains("<script>alert") && !hostile.text.contains("<img src=x"), "{page}");
            } else {
                assert_inert(text, &plain.text, &hostile.text);
            }
        }
    }
}

#[tokio::test]
async fn what_was_said_of_a_tool_stays_where_it_is_refused_and_not_where_somebody_was_faster() {
    let said = [("csrf", "the-token"), ("category", "destructive"), ("labels", "set"), ("label", "bulk")];
    let parts = ["<option selected>destructive", "value=\"set\" checked", "value=\"bulk\" checked"];
    for (code, status, is_kept) in [("CG3118", 412, false), ("CG3030", 422, true)] {
        let fake = fake("run", "x").with_problem("PATCH /servers/files/definitions/run", status, code, "no");
        let page = fake.post("/servers/files/tools/run", &said, false).await;
        assert_eq!(page.status.as_u16(), status);
        for part in parts {
            assert_eq!(page.text.contains(part), is_kept, "{part}: {}", page.text);
        }
    }
}

#[tokio::test]
async fn a_server_of_any_name_has_its_page() {
    let fake =
        fake("run", "x").with("/servers/add", server("add", "x")).with_list("/servers/add/definitions", json!([]));
    let page = fake.get("/servers/add").await;
    assert!(page.status.is_success() && page.text.contains("<h1>add"), "{}", page.text);
}

#[tokio::test]
async fn what_a_viewer_may_not_do_is_disabled_with_the_reason() {
    let mut fake = fake("run", "x");
    fake = fake.with("/session", Fake::session(&["read_servers"]));
    for (path, label) in [("/servers", "Add a server"), ("/servers/files/settings", "Remove this server")] {
        let page = fake.get(path).await;
        let disabled = format!(
            "disabled title=\"your role does not have `manage_servers`: ask an admin of the organisation\">{label}<"
        );
        assert!(page.text.contains(&disabled), "{label}: {}", page.text);
    }
}

#[tokio::test]
async fn how_a_server_does_is_a_page_for_whoever_comes_by_its_address() {
    let fake = fake("run", "x");
    let page = fake.get("/servers/files/standing").await;
    assert!(
        page.text.contains("<html")
            && page.text.contains("1 to approve")
            && page.text.contains("href=\"/servers/files\"")
    );
    let part = fake.part("/servers/files/standing").await;
    assert!(!part.text.contains("<html") && part.text.contains("1 to approve"), "{}", part.text);
}

#[tokio::test]
async fn a_part_that_fails_is_not_a_page_in_a_page() {
    let fake = fake("run", "x").with_problem("/catalogue/tools", 503, "CG3002", "no answer");
    let (part, page) = (fake.part("/catalogue?kind=tools").await, fake.get("/catalogue?kind=tools").await);
    assert_eq!((part.status.as_u16(), page.status.as_u16()), (503, 503));
    assert!(part.text.contains("no answer") && !part.text.contains("<html"), "{}", part.text);
    assert!(page.text.contains("no answer") && page.text.contains("<html"), "{}", page.text);
}

#[tokio::test(start_paused = true)]
async fn tools_are_judged_in_their_turn_and_who_does_not_come_to_it_is_told_so() {
    let fake = fake("run", "x").busy();
    let page = fake.get("/servers/files/ask").await;
    assert_eq!(page.status.as_u16(), 503);
    assert!(page.text.contains("CG3267") && page.text.contains("try again in a moment"), "{}", page.text);
    let part = fake.part("/servers/files/ask").await;
    assert!(
        part.status.is_success() && part.text.contains("CG3267"),
        "htmx shows what is answered well: {}",
        part.text
    );
}

/// Tools whose names browsers would take for steps in the path.
#[tokio::test]
async fn a_tool_of_any_name_has_its_page() {
    for (tool, segment) in [(".", "~."), ("..", "~.."), ("~", "~~"), ("~x", "~~x")] {
        let api = format!("/servers/files/definitions/{tool}");
        let mut detail = definition(tool, "changed", "x");
        detail["definition"] = json!(json!({ "name": tool, "inputSchema": { "type": "object" } }).to_string());
        detail["diff"] = json!("+new\n");
        let fake = fake(tool, "x")
            .with(&api, detail)
            .with(&format!("POST {api}/approve"), json!({}))
            .with(&format!("DELETE {api}"), json!({}));
        let place = format!("/servers/files/tools/{segment}");
        let escaped = format!("href=\"{place}\"");
        for page in ["/servers/files", "/servers/files/definitions"] {
            let page = fake.get(page).await;
            assert!(page.text.contains(&escaped), "{tool}: {}", page.text);
        }
        let page = fake.get(&place).await;
        assert!(page.status.is_success(), "{tool}: {}", page.text);
        assert!(fake.was_asked(&format!("GET {api}")), "as it is called: {:?}", fake.asked());
        let fields = [("csrf", "the-token"), ("category", "read"), ("fingerprint", "f"), ("revision", "\"3\"")];
        let said = fake.post(&place, &fields, false).await;
        assert_eq!(said.location, format!("{place}?done=saved"));
        let approved = fake.post(&format!("{place}/approve"), &fields, false).await;
        assert_eq!(approved.location, format!("{place}?done=approved"));
        let forgotten = fake.post(&format!("{place}/forget"), &fields, false).await;
        assert_eq!(forgotten.location, "/servers/files?done=removed");
    }
}
