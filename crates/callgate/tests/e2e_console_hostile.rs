//! Markup, script, headers and invisible signs in every string that a server, a client or a member can set: on every page
//! they are text and nothing else.
#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    dead_code,
    reason = "tests stop at the first surprise"
)]

#[path = "support/console.rs"]
mod console;

use anyhow::{Context, Result, ensure};
use console::{Site, crawl, kind};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use testkit::{Connection, Gateway, Person, Session};

/// What would be seen if any of it were more than text: an element with `data-canary`, a script that sets `canary`, a
/// request elsewhere, a header of its own.
const HOSTILE: [&str; 14] = [
    "<img src=x onerror=window.canary=1 data-canary>",
    "\"><svg data-canary onload=window.canary=2>",
    "' autofocus onfocus=window.canary=3 data-canary='",
    "</script><script data-canary>window.canary=4</script>",
    "</textarea></title></pre><iframe data-canary srcdoc='<script>parent.canary=5</script>'>",
    "javascript:window.canary=6",
    "<form data-canary action=https://evil.example><button>Sign in</button></form>",
    "<b data-canary hx-get=/members hx-trigger=load>x</b>",
    "{{7*7}}${window.canary=7}<%= 7*7 %>{% raw %}#{7*7}",
    "a\r\nX-Canary: 1\r\nSet-Cookie: canary=1\r\n\r\n<b data-canary>",
    "\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}<i data-canary>",
    "]]><!--<x data-canary>--!><u data-canary>&lt;b data-canary&gt;&#60;b data-canary&#62;",
    "<link rel=stylesheet href=https://evil.example/x.css data-canary><style data-canary>*{display:none}</style>",
    "<math data-canary><mtext><a data-canary href='data:text/html,x'>link</a></mtext></math>",
];

/// A long one, without a place to break a line.
fn long() -> String {
    format!("{}<b data-canary>", "W".repeat(6_000))
}

fn all() -> impl Iterator<Item = String> {
    HOSTILE.iter().map(|text| (*text).to_owned()).chain([long()])
}

/// How many of the strings each place took; the others it refused.
type Taken = std::collections::BTreeMap<&'static str, usize>;

#[test]
fn what_others_write_is_text_on_every_page() -> Result<()> {
    let site = Site::open()?;
    let mut taken = Taken::new();
    let _servers = seed_tools(&site, &mut taken)?;
    seed_policies(&site, &mut taken)?;
    let tokens = seed_grants(&site, &mut taken)?;
    seed_people(&site, &mut taken)?;
    seed_catalogue(&site, &mut taken)?;
    seed_calls(&site, &tokens, &mut taken)?;
    println!("taken of {}: {taken:?}", all().count());
    for place in [
        "tool name",
        "description",
        "schema",
        "grant label",
        "tag",
        "message",
        "policy text",
        "argument",
        "member name",
        "client",
        "reason",
    ] {
        ensure!(taken.get(place).is_some_and(|count| *count > 0), "nothing hostile was taken as {place}: {taken:?}");
    }
    let admin = site.admin()?;
    let from = ["/", "/start", "/servers", "/policies", "/decisions", "/approvals", "/limits", "/grants", "/catalogue"];
    let mut from: Vec<String> = from.map(str::to_owned).into();
    from.extend(["/try", "/members", "/changes", "/add/server"].map(str::to_owned));
    let mut wrong = Vec::new();
    admin.goto("/servers/hostile")?;
    admin.click("a[href='/servers/hostile/tools/~..']")?;
    admin.arrive("/servers/hostile/tools/~..")?;
    admin.read("Goes up.")?;
    for path in queries() {
        let status = admin.look(&path)?.status;
        ensure!(matches!(status, 200 | 400), "{path}: status {status}");
        inert(&admin, &path, &mut wrong)?;
    }
    let visited = crawl(&admin, &from, 4, &mut wrong, |path, wrong| inert(&admin, path, wrong))?;
    let kinds: BTreeSet<String> = visited.iter().map(|path| kind(path)).collect();
    println!("{} pages of {} kinds: {kinds:?}", visited.len(), kinds.len());
    headers(&site, &visited)?;
    ensure!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// What stands in URLs is set by whoever makes a link.
fn queries() -> Vec<String> {
    let escape = |text: &str| text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"));
    let mut paths = Vec::new();
    for text in all().filter(|text| text.len() < 2_000) {
        let text = escape(&text);
        paths.push(format!("/decisions?q={text}"));
        paths.push(format!("/changes?q={text}"));
        paths.push(format!("/?done={text}"));
        paths.push(format!("/catalogue?q={text}"));
    }
    paths
}

/// One server, whose tools are hostile in every part.
fn seed_tools(site: &Site, taken: &mut Taken) -> Result<Vec<testkit::Fixture>> {
    let mut tools: Vec<Value> = all()
        .enumerate()
        .map(|(index, text)| {
            let property = json!({
                "type": "string", "title": text, "description": text, "enum": [text, "b"], "default": text, "pattern": text,
            });
            json!({
                "name": if index % 2 == 0 { text.chars().take(120).collect::<String>() } else { format!("tool_{index}") },
                "title": text,
                "description": text,
                "inputSchema": { "type": "object", "title": text, "description": text, "properties": { &*text: property } },
                "annotations": { "title": text },
            })
        })
        .collect();
    // A browser takes this name for a step in the path.
    tools.push(json!({ "name": "..", "description": "Goes up.", "inputSchema": { "type": "object" } }));
    let file = site.file("hostile.json");
    std::fs::write(&file, json!({ "tools": tools }).to_string())?;
    let fixture = site.serve("hostile", &file.to_string_lossy())?;
    let listed = site.done("GET", "/servers/hostile/tools", None)?;
    let text = listed.to_string();
    ensure!(text.contains("data-canary"), "the list is there: {text}");
    for place in ["tool name", "description", "schema"] {
        taken.insert(place, tools.len());
    }
    Ok(vec![fixture])
}

fn seed_policies(site: &Site, taken: &mut Taken) -> Result<()> {
    for (index, text) in all().enumerate() {
        let document = json!({
            "version": "1",
            "default": "allow",
            "name": text,
            "description": text,
            "tools": { &*text: {
                "description": text,
                "deny_if": [{
                    "name": format!("rule-{index}"),
                    "conditions": [{ "path": "args.refuse", "op": "eq", "value": text }],
                    "on_deny": text,
                }],
            } },
            "all_tools": {
                "deny_if": [{ "conditions": [{ "path": "args.refuse", "op": "eq", "value": "yes" }], "on_deny": text }],
                "approve_if": [{ "conditions": [{ "path": "args.ask", "op": "eq", "value": "yes" }], "on_deny": text }],
                "limits": [{ "counter": "all", "window": "hour", "max": 1000, "scope": "grant" }],
            },
            "tests": [{ "name": text, "tool": text, "args": { "x": text }, "expect": "allow" }],
        });
        let body = json!({ "document": format!("{document:#}"), "file": text });
        for name in [format!("policy-{index}"), "default".to_owned()] {
            let (status, answer) = site.api("PUT", &format!("/servers/hostile/policies/{name}"), Some(&body))?;
            count(taken, "policy text", status, &answer);
            count(taken, "message", status, &answer);
        }
        let path = format!("/servers/hostile/policies/{}", escaped(&text));
        let plain = json!({ "document": r#"{ "version": "1", "default": "allow" }"# });
        let (status, answer) = site.api("PUT", &path, Some(&plain))?;
        count(taken, "policy name", status, &answer);
    }
    Ok(())
}

fn seed_grants(site: &Site, taken: &mut Taken) -> Result<Vec<String>> {
    let mut tokens = Vec::new();
    for text in all() {
        let (status, answer) = site.api("POST", "/grants", Some(&json!({ "server": "hostile", "label": text })))?;
        count(taken, "grant label", status, &answer);
        tokens.extend(answer["token"].as_str().map(str::to_owned));
        let tags: Map<String, Value> =
            [("tag".to_owned(), json!(text)), (text.clone(), json!("value"))].into_iter().collect();
        for (place, tags) in [("tag", json!({ "tag": text })), ("tag name", Value::Object(tags))] {
            let body = json!({ "server": "hostile", "label": format!("{place} {}", tokens.len()), "tags": tags });
            let (status, answer) = site.api("POST", "/grants", Some(&body))?;
            count(taken, place, status, &answer);
            tokens.extend(answer["token"].as_str().map(str::to_owned));
        }
    }
    Ok(tokens)
}

fn seed_people(site: &Site, taken: &mut Taken) -> Result<()> {
    for (index, text) in all().enumerate() {
        let body = json!({ "login": format!("member-{index}"), "name": text });
        let (status, answer) = site.api("POST", "/members", Some(&body))?;
        count(taken, "member name", status, &answer);
        let (status, answer) = site.api("POST", "/members", Some(&json!({ "login": text })))?;
        count(taken, "login", status, &answer);
        let (status, answer) =
            site.api("POST", "/tokens", Some(&json!({ "label": text, "roles": { "organisation": "viewer" } })))?;
        count(taken, "token label", status, &answer);
        let hook = json!({ "name": text, "url": "https://127.0.0.1:9/x" });
        let (status, answer) = site.api("POST", "/webhooks", Some(&hook))?;
        count(taken, "webhook name", status, &answer);
        let server = json!({ "name": text, "target": { "url": "http://127.0.0.1:9/" } });
        let (status, answer) = site.api("POST", "/servers", Some(&server))?;
        count(taken, "server name", status, &answer);
        let command = json!({ "name": format!("command-{index}"), "target": { "command": text, "args": [text] } });
        let (status, answer) = site.api("POST", "/servers", Some(&command))?;
        count(taken, "command", status, &answer);
    }
    Ok(())
}

fn seed_catalogue(site: &Site, taken: &mut Taken) -> Result<()> {
    for (index, text) in all().enumerate() {
        let entry = json!({
            "servers": [{ "server": {
                "name": format!("io.example/hostile-{index}"),
                "title": text,
                "description": text,
                "version": "1.0.0",
                "websiteUrl": text,
                "repository": { "url": text, "source": text },
                "remotes": [{ "type": "streamable-http", "url": "https://evil.example/mcp" }],
            } }],
        });
        let (status, answer) = site.api("POST", "/catalogue/import", Some(&entry))?;
        count(taken, "catalogue entry", status, &answer);
    }
    Ok(())
}

/// Calls, questions and answers with hostile arguments, tools, reasons and clients.
fn seed_calls(site: &Site, tokens: &[String], taken: &mut Taken) -> Result<()> {
    let texts: Vec<String> = all().collect();
    for (text, token) in texts.iter().zip(tokens) {
        let client = json!({ "name": text, "version": text });
        let mut session = Session::open_as(site.gateway.address, &Gateway::path("hostile"), Some(token), &client)?;
        *taken.entry("client").or_default() += 1;
        session.ask("tools/list", &json!({}))?;
        let tool: String = text.chars().take(120).collect();
        for arguments in [
            json!({ &**text: text }),
            json!({ "refuse": text, "other": [text, { &**text: text }] }),
            json!({ "refuse": "yes", "x": text }),
            json!({ "ask": "yes", "x": text }),
        ] {
            // Whatever comes of it is on record.
            for name in [tool.as_str(), "tool_1"] {
                session.ask("tools/call", &json!({ "name": name, "arguments": arguments }))?;
            }
        }
        *taken.entry("argument").or_default() += 1;
    }
    let waiting = site.done("GET", "/approvals?limit=100", None)?;
    let items = waiting["items"].as_array().context("questions")?.clone();
    ensure!(!items.is_empty(), "no question is open, so no reason was given: {waiting}");
    for (index, (question, text)) in items.iter().zip(texts.iter().cycle()).enumerate().take(2 * texts.len()) {
        let id = question["id"].as_str().context("an id")?;
        let verb = if index % 2 == 0 { "approve" } else { "deny" };
        let (status, answer) =
            site.api("POST", &format!("/approvals/{id}/{verb}"), Some(&json!({ "reason": text })))?;
        count(taken, "reason", status, &answer);
        if index + 6 > items.len() {
            // Some stay open.
            break;
        }
    }
    Ok(())
}

fn count(taken: &mut Taken, place: &'static str, status: u16, answer: &Value) {
    assert!(status < 500, "{place}: {status} {answer}");
    *taken.entry(place).or_default() += usize::from((200..300).contains(&status));
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"))
}

/// That nothing on the page that is open is more than text. The browser itself says so where something ran, opened a
/// dialog, asked elsewhere or was stopped by the content security policy.
fn inert(person: &Person<'_>, path: &str, wrong: &mut Vec<String>) -> Result<()> {
    let found = person.evaluate(FOUND)?;
    wrong.extend(found.as_array().into_iter().flatten().map(|one| format!("{path}: {one}")));
    Ok(())
}

const FOUND: &str = r#"(() => {
  const found = [];
  if (window.canary !== undefined) found.push(`script ran: ${window.canary}`);
  const shown = (element) => element.outerHTML.slice(0, 160);
  for (const element of document.querySelectorAll('[data-canary]')) found.push(`element: ${shown(element)}`);
  for (const element of document.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      const runs = name.startsWith('on') || name.startsWith('hx-on');
      const leads = ['href', 'src', 'action', 'formaction', 'xlink:href', 'srcset', 'poster'].includes(name);
      const safe = !leads || new URL(value, location.href).origin === location.origin || /^https?:/.test(value) && element.rel.includes('noreferrer');
      if (runs || !safe) found.push(`attribute ${name}: ${shown(element)}`);
    }
  }
  for (const script of document.scripts) if (!script.src) found.push(`inline script: ${shown(script)}`);
  if (document.cookie.includes('canary')) found.push('cookie');
  for (const sign of ['\u202e', '\u2066']) if (document.body.innerText.includes(sign)) found.push(`U+${sign.charCodeAt(0).toString(16)} as it is`);
  return found;
})()"#;

/// That no page has a header that other pages haven't.
fn headers(site: &Site, paths: &[String]) -> Result<()> {
    let viewer = site.member("observer", "admin")?;
    let plain: BTreeSet<String> = viewer.goto("/")?.headers.into_iter().map(|(name, _)| name).collect();
    let mut connection = Connection::open(site.gateway.address)?;
    for path in paths.iter().filter(|path| path.contains('?') || path.contains('%')) {
        let visited = viewer.look(path)?;
        let names: BTreeSet<String> = visited.headers.into_iter().map(|(name, _)| name).collect();
        ensure!(names.is_subset(&plain), "{path}: {names:?}");
    }
    // Nobody is signed in here: the page that was asked for goes into a header.
    for text in all().filter(|text| text.len() < 2_000) {
        let path = format!("/decisions?q={}", escaped(&text));
        connection.send(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", site.gateway.address).as_bytes())?;
        let response = connection.response()?;
        ensure!(response.status == 303, "{path}: {}", response.status);
        ensure!(
            response.header("x-canary").is_none() && response.header("set-cookie").is_none(),
            "{path}: {response:?}"
        );
    }
    Ok(())
}
