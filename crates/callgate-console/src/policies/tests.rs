//! The pages of policies, over an API that answers what the test says.

mod drafts;
pub(crate) mod fake;

use fake::{Answer, Fake};
use serde_json::{Value, json};

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' </textarea>";
const EDITOR: [&str; 4] = ["read_policies", "read_servers", "read_grants", "edit_policies"];
const PAGE: &str = "/servers/kernel/policies/default";
const TEXT: &str = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": { \"ls\": {} }\n}\n";

fn shown(version: i64, document: &str) -> Value {
    json!({
        "server": "kernel", "name": "default", "version": version, "digest": "d", "published": "2026-01-01T12:00:00Z",
        "repeats": null, "by": "member:bob", "declared": false, "revision": version * 10, "document": document,
        "warnings": [], "changed": true, "notes": [],
    })
}

fn tool(name: &str, description: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    let definition = json!({ "name": name, "description": description, "inputSchema": schema });
    json!({ "tool": name, "state": "pinned", "category": null, "labels": [], "definition": definition.to_string() })
}

fn list(items: &[Value]) -> Value {
    json!({ "items": items, "next": null })
}

fn server() -> Value {
    json!({ "name": "kernel", "uuid": "s_1", "policies": ["default"] })
}

fn kernel(document: &str, more: &[(&'static str, u16, Value)]) -> Fake {
    kernel_for(&EDITOR, document, more)
}

fn kernel_for(may: &[&str], document: &str, more: &[(&'static str, u16, Value)]) -> Fake {
    let tools = [tool("exec_command", "Runs a shell command."), tool("ls", "Lists files.")];
    let mut answers = vec![
        Fake::session(may),
        ("GET /servers", 200, list(&[server()])),
        ("GET /servers/kernel", 200, server()),
        ("GET /servers/kernel/policies/default", 200, shown(2, document)),
        ("GET /servers/kernel/definitions", 200, list(&tools)),
    ];
    answers.extend(more.iter().cloned());
    Fake::new(&answers)
}

fn problem(status: u16, code: &str, problems: Value) -> Value {
    json!({ "status": status, "title": "No", "code": code, "detail": format!("no: {HOSTILE}"), "remedy": "r", "problems": problems })
}

fn check_inert(answer: &Answer) {
    for raw in ["<script>alert", "<img", "onerror=alert(2)>'"] {
        assert!(!answer.text.contains(raw), "{raw} in {}", answer.text);
    }
}

#[tokio::test]
async fn the_list_names_what_is_in_force_and_what_others_wrote_stays_text() {
    let row = |name: &str| {
        json!({ "server": HOSTILE, "name": name, "version": 3, "published": "2026-01-01T12:00:00Z", "repeats": 1,
            "by": HOSTILE, "declared": true, "revision": 1, "grants": 7 })
    };
    let servers = list(&[json!({ "name": HOSTILE, "uuid": "s_1" })]);
    let fake = Fake::new(&[
        Fake::session(&EDITOR),
        ("GET /policies", 200, list(&[row("b"), row(HOSTILE)])),
        ("GET /servers", 200, servers),
    ]);
    let page = fake.get("/policies").await;
    assert_eq!(page.status, 200);
    check_inert(&page);
    for text in ["<td class=\"number\" data-label=\"Grants\">7</td>", "(as 1)", "from a file", "There is none."] {
        assert!(page.text.contains(text), "{text}");
    }
    // Whoever may not edit is told so, and sees the list.
    let fake = Fake::new(&[
        Fake::session(&["read_policies", "read_servers"]),
        ("GET /policies", 200, list(&[])),
        ("GET /servers", 200, list(&[])),
    ]);
    let page = fake.get("/policies").await;
    assert!(page.text.contains("does not have `edit_policies`") && page.text.contains("There is no server yet"));
}

#[tokio::test]
async fn a_new_policy_is_a_draft_until_it_is_published() {
    let fake = kernel(TEXT, &[("PUT /servers/kernel/policies/new", 201, shown(1, TEXT))]);
    let led = fake.get("/policies/new?server=kernel&name=new").await;
    assert_eq!((led.status, &led.headers["location"]), (303, &"/servers/kernel/policies/new".parse().unwrap()));
    let page = fake.get("/servers/kernel/policies/new").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Nothing is published yet") && page.text.contains("name=\"base\" value=\"0\""));
    assert!(page.text.contains("&#34;default&#34;: &#34;deny&#34;"));
    let fields = [("csrf", "t"), ("text", TEXT), ("revision", ""), ("base", "0")];
    let done = fake.post("/servers/kernel/policies/new/publish", false, &fields).await;
    assert_eq!(done.headers["location"], "/servers/kernel/policies/new?done=published");
    let put = fake.asked().pop().unwrap();
    assert_eq!((put.line.as_str(), put.revision), ("PUT /servers/kernel/policies/new", None));
    assert_eq!(put.body["document"], TEXT);
}

#[tokio::test]
async fn the_page_says_who_may_not_publish_and_why() {
    let page = kernel(TEXT, &[]).get(PAGE).await;
    assert!(page.text.contains(">Publish</button>") && page.text.contains("value=\"&#34;20&#34;\""), "{}", page.text);
    let page = kernel_for(&EDITOR[..3], TEXT, &[]).get(PAGE).await;
    assert!(page.text.contains("disabled title=\"your role does not have `edit_policies`"));
    let mut declared = shown(2, TEXT);
    declared["declared"] = json!(true);
    let page = kernel(TEXT, &[("GET /servers/kernel/policies/default", 200, declared)]).get(PAGE).await;
    assert!(page.text.contains("it is declared in the configuration file"));
}

#[tokio::test]
async fn what_is_typed_comes_back_in_parts_with_its_problems_at_their_lines() {
    let fake = kernel(TEXT, &[]);
    let broken = format!("{{\n  \"version\": \"1\",\n  \"defolt\": \"deny\", \"name\": {}\n}}", json!(HOSTILE));
    let part = fake.post(&format!("{PAGE}/draft"), true, &[("text", &broken), ("base", "2")]).await;
    assert_eq!(part.status, 200);
    check_inert(&part);
    for id in ["builder", "problems", "tests", "matrix", "said", "next"] {
        assert!(part.text.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(!part.text.contains("<html") && !part.text.contains("data-new"));
    assert!(part.text.contains("data-flaw=\"error\" data-line=\"3\" data-column=\"3\""), "{}", part.text);
    assert!(part.text.contains("What it changes") && part.text.contains("exec_command"));
    // Without script the same is a whole page, and what was typed stands in it.
    let page = fake.post(&format!("{PAGE}/draft"), false, &[("text", &broken.replace('\n', "\r\n"))]).await;
    assert!(page.text.contains("<html") && page.text.contains("&#34;defolt&#34;"));
    assert!(page.text.contains("data-flaw=\"error\" data-line=\"3\"") && !page.text.contains("hx-swap-oob"));
    check_inert(&page);
}

#[tokio::test]
async fn publishing_keeps_line_ends_and_says_which_revision_it_is_about() {
    let put = ("PUT /servers/kernel/policies/default", 200, shown(3, TEXT));
    let fake = kernel(TEXT, &[put]);
    let fields = [("text", "{\n}\n"), ("revision", "\"20\""), ("base", "2"), ("newline", "crlf")];
    let done = fake.post(&format!("{PAGE}/publish"), true, &fields).await;
    assert_eq!(done.headers["hx-redirect"], format!("{PAGE}?done=published"));
    let put = fake.asked().pop().unwrap();
    assert_eq!((put.revision.as_deref(), &put.body["document"]), (Some("\"20\""), &json!("{\r\n}\r\n")));
    let mut same = shown(2, TEXT);
    same["changed"] = json!(false);
    let fake = kernel(TEXT, &[("PUT /servers/kernel/policies/default", 200, same)]);
    let done = fake.post(&format!("{PAGE}/publish"), false, &fields).await;
    assert_eq!(done.headers["location"], format!("{PAGE}?done=same"));
}

#[tokio::test]
async fn whoever_was_slower_sees_who_was_faster_and_keeps_the_draft() {
    let faster = ("PUT /servers/kernel/policies/default", 412, problem(412, "CG3118", json!([])));
    let fake = kernel(TEXT, &[faster]);
    let fields = [("text", "{\"mine\":1}"), ("revision", "\"10\""), ("base", "1")];
    let part = fake.post(&format!("{PAGE}/publish"), true, &fields).await;
    for text in ["Version 2 was published by bob", "diff?from=1&#38;to=2", "name=\"over\" value=\"&#34;20&#34;\""] {
        assert!(part.text.contains(text), "{text} in {}", part.text);
    }
    let page = fake.post(&format!("{PAGE}/publish"), false, &fields).await;
    assert_eq!(page.status, 412);
    assert!(page.text.contains("{&#34;mine&#34;:1}") && page.text.contains("Somebody else was faster"));
    assert!(page.text.contains("name=\"base\" value=\"1\"") && page.text.contains("value=\"&#34;10&#34;\""));
    // The button says that it was seen.
    let over = [("text", "{}"), ("revision", "\"10\""), ("over", "\"20\"")];
    fake.post(&format!("{PAGE}/publish"), true, &over).await;
    let put = fake.asked().into_iter().rfind(|asked| asked.line.starts_with("PUT")).unwrap();
    assert_eq!(put.revision.as_deref(), Some("\"20\""));
}

#[tokio::test]
async fn a_refused_document_names_every_problem_with_its_line() {
    let row = json!({ "code": "CG3045", "severity": "error", "line": 7, "column": 3, "pointer": "", "message": HOSTILE, "hint": "h" });
    let refused = ("PUT /servers/kernel/policies/default", 422, problem(422, "CG3045", json!([row])));
    let part = kernel(TEXT, &[refused]).post(&format!("{PAGE}/publish"), true, &[("text", "{}")]).await;
    check_inert(&part);
    assert!(
        part.text.contains("data-line=\"7\" data-column=\"3\"") && part.text.contains("the policy is not published")
    );
}

#[tokio::test]
async fn history_difference_and_the_way_back() {
    let version = |number: i64| json!({ "server": "kernel", "name": "default", "version": number, "published": "2026-01-01T12:00:00Z", "repeats": null, "by": HOSTILE });
    let rule = json!({ "change": "added", "part": HOSTILE, "rule": HOSTILE, "effect": "looser", "before": null,
        "before_line": null, "after": { "x": HOSTILE }, "after_line": 5 });
    let compared = json!({ "from": version(1), "to": version(2), "text": format!("--- a\n+++ b\n-{HOSTILE}\n+x\n"), "rules": [rule] });
    let fake = kernel(
        TEXT,
        &[
            ("GET /servers/kernel/policies/default/versions", 200, list(&[version(2), version(1)])),
            ("GET /servers/kernel/policies/default/diff", 200, compared),
            ("POST /servers/kernel/policies/default/rollback", 200, shown(3, TEXT)),
        ],
    );
    let history = fake.get(&format!("{PAGE}/history")).await;
    check_inert(&history);
    assert!(history.text.contains("rollback?to=1") && history.text.contains("in force"));
    let diff = fake.get(&format!("{PAGE}/diff?from=1&to=2")).await;
    check_inert(&diff);
    // Times are as everywhere: relative, the exact one on hover.
    assert_eq!(diff.text.matches("<time datetime=\"2026-01-01T12:00:00Z\" title=").count(), 2, "{}", diff.text);
    assert!(!diff.text.contains(">2026-01-01T12") && !diff.text.contains(", 2026-01-01T12"));
    assert!(diff.text.contains("class=\"diff-old\"") && diff.text.contains("effect-looser"), "{}", diff.text);
    let ask = fake.get(&format!("{PAGE}/rollback?to=1")).await;
    assert!(ask.text.contains("name=\"revision\" value=\"&#34;20&#34;\"") && ask.text.contains("as version 3"));
    let done = fake.post(&format!("{PAGE}/rollback"), false, &[("to", "1"), ("revision", "\"20\"")]).await;
    assert_eq!(done.headers["location"], format!("{PAGE}?done=rolled-back"));
    let asked = fake.asked().pop().unwrap();
    assert_eq!((asked.revision.as_deref(), &asked.body["to"]), (Some("\"20\""), &json!(1)));
}

#[tokio::test]
async fn the_baseline_is_looked_at_with_the_tools_of_any_server() {
    let fake = kernel(TEXT, &[("GET /baseline", 200, shown(4, TEXT))]);
    let page = fake.get("/baseline").await;
    assert!(page.text.contains("Version 4 is in force") && page.text.contains("<option>kernel</option>"));
    let bare = fake.post("/baseline/draft", true, &[("text", TEXT)]).await;
    assert!(!bare.text.contains("exec_command"));
    let with = fake.post("/baseline/draft", true, &[("text", TEXT), ("with", "kernel")]).await;
    assert!(with.text.contains("exec_command"));
}

#[tokio::test]
async fn a_thousand_tools_are_shown_in_pages_and_found_by_words() {
    let mut tools: Vec<Value> = (0..1_000).map(|n| tool(&format!("tool_{n:04}"), "Reads one thing.")).collect();
    tools.push(tool("wipe", "Deletes everything at once."));
    let fake = kernel(TEXT, &[("GET /servers/kernel/definitions", 200, list(&tools))]);
    let draft = format!("{PAGE}/draft");
    let count = |answer: &Answer| answer.text.matches("<details data-entry id=\"t").count();
    let first = fake.post(&draft, true, &[("text", TEXT)]).await;
    assert_eq!(count(&first), 50);
    assert!(first.text.contains("1001 tools") && first.text.contains("1 of 21") && first.text.len() < 400_000);
    let last = fake.post(&draft, true, &[("text", TEXT), ("page", "21")]).await;
    assert_eq!(count(&last), 1);
    assert!(last.text.contains("<code>wipe</code></h3>"));
    let found = fake.post(&draft, true, &[("text", TEXT), ("q", "everything"), ("page", "9")]).await;
    assert!(count(&found) == 1 && found.text.contains("1 of 1001 tools"));
    // An entry that is open is filled, and stays open.
    let open = fake.post(&draft, true, &[("text", TEXT), ("q", "wipe"), ("open", "tool:wipe")]).await;
    assert!(open.text.contains("<legend>Denied if</legend>") && !first.text.contains("<legend>Denied if</legend>"));
}
