use crate::fake::{Fake, HOSTILE, assert_inert};
use serde_json::{Value, json};

const ALL: [&str; 6] =
    ["read_servers", "manage_servers", "manage_grants", "edit_policies", "read_grants", "read_decisions"];

fn server(policies: &[&str], grants: usize) -> Value {
    json!({ "name": "files", "uuid": "u-1", "url": "http://g/mcp/files", "target": { "url": "https://h/", "headers": [] },
        "settings": { "era": "auto", "share": "grant", "pinning": "first_sight", "quarantine": "hide", "idle": "5m",
            "connect_timeout": "10s", "silence_timeout": "2m", "max_in_flight": 8, "max_processes": 4 },
        "policies": policies, "grants": grants, "declared": false })
}

fn tools(text: &str) -> Value {
    let tool = |name: &str, description: &str| json!({ "name": name, "description": description, "inputSchema": { "type": "object" } });
    json!({ "tools": [tool("read_file", text), tool("delete_all", "Deletes everything for good.")] })
}

fn fake(text: &str, policies: &[&str], grants: usize) -> Fake {
    Fake::for_one_who_may(&ALL)
        .with_list("/servers", json!([server(policies, grants)]))
        .with("/servers/files", server(policies, grants))
        .with("/servers/files/tools", tools(text))
        .with_list("/decisions", json!([]))
        .with_list("/grants", json!([{ "id": "g_1", "server": "files", "label": text, "created": "2026-01-01T00:00:00Z", "declared": false }]))
}

#[tokio::test]
async fn it_goes_on_where_one_stopped() {
    let none = Fake::for_one_who_may(&ALL).with_list("/servers", json!([])).get("/start").await;
    assert_eq!(none.location, "/start/server");
    for (policies, grants, step) in [(&[][..], 0, "tools"), (&["default"], 0, "grant"), (&["default"], 1, "connect")] {
        let page = fake("x", policies, grants).get("/start").await;
        assert_eq!(page.location, format!("/start/files/{step}"));
        let step = fake("x", policies, grants).get(&page.location).await;
        assert!(step.status.is_success() && step.text.contains("aria-current=\"step\""), "{}", step.text);
    }
}

#[tokio::test]
async fn the_tools_are_shown_with_what_they_do() {
    let part = fake("Reads a file.", &[], 0).part("/start/files/tools/ask").await;
    for said in ["delete_all", "kind-destructive", "kind-read", "href=\"/start/files/policy\""] {
        assert!(part.text.contains(said), "{said}: {}", part.text);
    }
    assert!(part.text.find("delete_all").unwrap() < part.text.find("read_file").unwrap(), "the riskiest is first");
    let silent = fake("x", &[], 0).with_problem("/servers/files/tools", 503, "CG3116", "it does not tell its tools");
    assert!(silent.part("/start/files/tools/ask").await.text.contains("it does not tell its tools"));
}

#[tokio::test]
async fn what_was_shown_is_what_is_published() {
    let fake = fake("Reads a file.", &[], 0).with("/servers/files/policies/default", json!({}));
    let page = fake.get("/start/files/policy").await;
    assert!(page.text.contains("&#34;read_file&#34;") && page.text.contains("hidden, or only after a person said yes"));
    let fields = [("csrf", "the-token"), ("document", "{\r\n \"version\": \"1\" }\r\n")];
    let page = fake.post("/start/files/policy", &fields, false).await;
    assert_eq!(page.location, "/start/files/grant?done=published");
    let (asked, body) = fake.asked().pop().unwrap();
    assert_eq!(asked, "PUT /servers/files/policies/default");
    assert_eq!(body["document"], "{\n \"version\": \"1\" }\n");
}

#[tokio::test]
async fn the_first_call_appears_by_itself() {
    let minted = json!({ "id": "g_2", "token": "cg_secret", "url": "http://g/mcp/files", "notes": [] });
    let fields = [("csrf", "the-token"), ("label", "laptop"), ("client", "cursor"), ("policy", "default")];
    let page = fake("x", &["default"], 0).with("/grants", minted).post("/start/files/connect", &fields, false).await;
    assert!(
        page.text.contains("cg_secret") && page.text.contains("hx-get=\"/start/files/call?grant=g_2\""),
        "{}",
        page.text
    );
    let waiting = fake("x", &["default"], 1).part("/start/files/call?grant=g_2").await;
    assert!(waiting.text.contains("hx-trigger=\"every 2s\""));
    let call = json!([{ "id": "d_1", "time": "2026-01-01T00:00:00Z", "tool": "read_file", "outcome": "allow", "client": "c" }]);
    let arrived = fake("x", &["default"], 1).with_list("/decisions", call).part("/start/files/call?grant=g_2").await;
    assert!(arrived.text.contains("It arrived") && arrived.text.contains("href=\"/decisions/d_1\""));
    assert!(!arrived.text.contains("hx-trigger"), "it asks on and on");
}

#[tokio::test]
async fn what_servers_and_clients_say_is_inert() {
    for page in ["/start/files/tools/ask", "/start/files/grant", "/start/files/connect", "/start/files/call?grant=g_1"]
    {
        let with = |text: &str| {
            let call = json!([{ "id": text, "time": "2026-01-01T00:00:00Z", "tool": text, "outcome": "allow", "rule": text, "client": text }]);
            fake(text, &["default"], 1).with_list("/decisions", call)
        };
        let plain = with("plain").get(page).await;
        for text in HOSTILE {
            let hostile = with(text).get(page).await;
            // How many words speak for what a tool does depends on what is said of it.
            if page.ends_with("ask") {
                assert!(!hostile.text.contains("<script>alert") && !hostile.text.contains('\u{202e}'));
            } else {
                assert_inert(text, &plain.text, &hostile.text);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tools_are_judged_in_their_turn() {
    for step in ["tools/ask", "policy"] {
        let page = fake("x", &[], 0).busy().get(&format!("/start/files/{step}")).await;
        assert!(page.status.as_u16() == 503 && page.text.contains("CG3267"), "{step}: {}", page.text);
    }
}
