use crate::fake::{Fake, HOSTILE, assert_inert};
use serde_json::{Value, json};

fn tool(name: &str, text: &str) -> Value {
    json!({ "name": name, "description": text, "category": "execute", "risk": "high", "labels": ["egress"], "findings": 1,
        "server": { "id": "c-1", "name": text, "grade": "B" } })
}

fn fake(text: &str) -> Fake {
    let definition = json!({ "name": "run", "description": text, "inputSchema": { "type": "object" } });
    let server = json!({ "id": "c-1", "name": text, "title": "", "description": text, "version": text, "origin": "gateway",
        "own": true, "tools": 1, "grade": "B", "risk": "high", "about": { "repository": text },
        "definitions": [definition], "source": "", "list": [],
        "aims_at": [{ "tool": null, "at": text, "what": text, "why": "looks the same" }] });
    let mut details = tool("run", text);
    details["definition"] = definition;
    Fake::for_one_who_may(&["read_servers"])
        .with_list("/catalogue/servers", json!([server]))
        .with_list("/catalogue/tools", json!([tool("run", text), tool("run_more", text)]))
        .with("/catalogue/servers/c-1", server)
        .with("/catalogue/servers/c-1/tools/run", details)
        .with_list(
            "/catalogue/changes",
            json!([{ "at": "2026-01-01T00:00:00Z", "server": text, "server_id": "c-1",
            "tool": "run", "what": "changed", "details": { "was": text }, "own": true }]),
        )
}

#[tokio::test]
async fn who_passes_itself_off_as_a_server_of_ours_is_told() {
    let page = fake("files").get("/catalogue/c-1").await;
    assert!(page.text.contains("Aims at your servers") && page.text.contains("looks the same"), "{}", page.text);
}

#[tokio::test]
async fn the_search_passes_on_what_was_chosen() {
    let fake = fake("x");
    let part = fake.part("/catalogue?kind=tools&q=read+file*&risk=high&label=egress&grade=Z").await;
    assert!(!part.text.contains("<html") && part.text.contains("href=\"/catalogue/c-1/tools/run\""), "{}", part.text);
    assert!(
        fake.was_asked("GET /catalogue/tools?q=read%20file%2A&limit=50&risk=high&label=egress"),
        "{:?}",
        fake.asked()
    );
    let page = fake.get("/catalogue?q=x").await;
    assert!(
        page.text.contains("role=\"search\"") && page.text.contains("value=\"x\"") && page.text.contains("our own")
    );
    let empty = fake.with_list("/catalogue/servers", json!([])).get("/catalogue").await;
    assert!(empty.text.contains("The catalogue is empty"));
}

#[tokio::test]
async fn pages_lead_to_each_other() {
    let fake = fake("files");
    let server = fake.get("/catalogue/c-1").await;
    for href in [
        "/catalogue/c-1/tools/run",
        "/servers/files/policies/default?recommended",
        "/servers/files",
        "/catalogue/attacks/",
    ] {
        assert!(server.text.contains(&format!("href=\"{href}")), "{href}: {}", server.text);
    }
    let tool = fake.get("/catalogue/c-1/tools/run").await;
    assert!(
        tool.text.contains("href=\"/catalogue/c-1/tools/run_more\"") && !tool.text.contains(".html\""),
        "{}",
        tool.text
    );
    let attack = callgate_catalog::attacks().first().unwrap().id;
    assert!(fake.get("/catalogue/attacks").await.text.contains(&format!("href=\"/catalogue/attacks/{attack}\"")));
    assert!(fake.get(&format!("/catalogue/attacks/{attack}")).await.status.is_success());
    let missing = fake.get("/catalogue/attacks/none").await;
    assert!(missing.status.as_u16() == 404 && missing.text.contains("CG3265"));
}

#[tokio::test]
async fn what_is_quoted_is_inert() {
    for page in
        ["/catalogue", "/catalogue?kind=tools", "/catalogue/changes", "/catalogue/c-1", "/catalogue/c-1/tools/run"]
    {
        let plain = fake("plain").get(page).await;
        assert!(plain.status.is_success(), "{page}: {}", plain.text);
        for text in HOSTILE {
            let hostile = fake(text).get(page).await;
            assert_eq!(hostile.status, plain.status, "{page}: {}", hostile.text);
            if page.contains("c-1") {
                // What is evidence, and what leads elsewhere, depends on the text.
                assert!(!hostile.text.contains("<script>alert") && !hostile.text.contains("<img src=x"), "{page}");
                assert!(!hostile.text.contains('\u{202e}') && !hostile.text.contains("href=\"javascript:"), "{page}");
            } else {
                assert_inert(text, &plain.text, &hostile.text);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_judged_in_its_turn() {
    let page = fake("x").busy().get("/catalogue/c-1").await;
    assert!(page.status.as_u16() == 503 && page.text.contains("CG3267"), "{}", page.text);
    assert!(fake("x").busy().get("/catalogue/c-1/tools/run").await.status.is_success(), "one tool is soon done");
}

#[tokio::test]
async fn a_tool_of_any_name_has_its_page() {
    let up = json!({ "name": "..", "description": "x", "inputSchema": { "type": "object" } });
    let mut details = tool("..", "x");
    details["definition"] = up.clone();
    let fake = fake("x")
        .with("/catalogue/servers/c-1/tools/..", details)
        .with_list("/catalogue/tools", json!([tool("..", "x"), tool("~x", "x")]));
    let found = fake.get("/catalogue?kind=tools").await;
    for href in ["/catalogue/c-1/tools/~..", "/catalogue/c-1/tools/~~x"] {
        assert!(found.text.contains(&format!("href=\"{href}\"")), "{href}: {}", found.text);
    }
    let page = fake.get("/catalogue/c-1/tools/~..").await;
    assert!(page.status.is_success() && fake.was_asked("GET /catalogue/servers/c-1/tools/.."), "{:?}", fake.asked());
    assert!(page.text.contains("href=\"/catalogue/c-1/tools/~~x\""), "a related one: {}", page.text);
}
