//! Pages of real and of hostile servers.

use super::*;
use serde_json::{Value, json};

/// The tags that the templates have; nothing that a server writes may add another.
const TAGS: [&str; 40] = [
    "ol",
    "html",
    "head",
    "meta",
    "title",
    "link",
    "body",
    "a",
    "header",
    "div",
    "nav",
    "main",
    "footer",
    "p",
    "h1",
    "h2",
    "h3",
    "span",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "br",
    "code",
    "pre",
    "blockquote",
    "q",
    "dl",
    "dt",
    "dd",
    "ul",
    "li",
    "section",
    "details",
    "summary",
    "strong",
    "!doctype",
    "em",
];

/// The attributes that they have.
const ATTRIBUTES: [&str; 17] = [
    "data-label",
    "lang",
    "charset",
    "name",
    "content",
    "rel",
    "href",
    "class",
    "id",
    "aria-label",
    "aria-hidden",
    "role",
    "tabindex",
    "scope",
    "title",
    "html",
    "property",
];

const HOSTILE: [&str; 14] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=\"alert(1)",
    "</title><script>alert(1)</script>",
    "</pre></code><svg/onload=alert(1)>",
    "<!--",
    "]]><script>alert(1)</script>",
    "<style>*{background:url(//evil)}</style>",
    "&lt;script&gt;",
    "{{ 7*7 }} {% raw %}",
    "javascript:alert(1)",
    "\u{202e}<b>gnp.exe</b>\u{2066}",
    "<a href=javascript:alert(1)>x</a>",
];

fn document(name: &str, tools: Value, about: Value) -> ServerDocument {
    let known = tools.as_array().map(Vec::len);
    let value = json!({
        "id": "s-1", "name": name, "title": name, "description": name, "version": name, "origin": "registry",
        "tools": known, "grade": "A", "risk": "low", "about": about, "definitions": tools,
    });
    serde_json::from_str(&value.to_string()).unwrap()
}

/// Every tag of a page with its attributes, read as a browser does: from `<` to the `>` outside of quotes.
fn tags(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let after = after.strip_prefix('/').unwrap_or(after);
        let end = after.find(|c: char| c.is_whitespace() || c == '>').unwrap();
        let name = after[..end].to_lowercase();
        let mut inside = after[end..].trim_start();
        let mut attributes = Vec::new();
        while !inside.starts_with('>') {
            let end = inside.find(|c: char| c == '=' || c == '>' || c.is_whitespace()).unwrap();
            let key = inside[..end].to_lowercase();
            inside = inside[end..].trim_start();
            let mut value = String::new();
            if let Some(quoted) = inside.strip_prefix("=\"") {
                let (text, after) = quoted.split_once('"').unwrap();
                (value, inside) = (text.to_owned(), after.trim_start());
            }
            attributes.push((key, value));
        }
        found.push((name, attributes));
        rest = &inside[1..];
    }
    found
}

fn check(page: &str) {
    for (name, attributes) in tags(page) {
        assert!(TAGS.contains(&name.as_str()), "<{name}>");
        for (key, value) in attributes {
            assert!(ATTRIBUTES.contains(&key.as_str()), "<{name} {key}={value}>");
            let good =
                key != "href" || !value.contains(':') || value.starts_with("https://") || value.starts_with("http://");
            assert!(good, "{value}");
            assert!(key != "class" || value.chars().all(|c| c.is_ascii_alphanumeric() || " -".contains(c)), "{value}");
        }
    }
}

#[test]
fn nothing_that_a_server_writes_becomes_markup() {
    for text in HOSTILE {
        let tool = |name: &str| {
            json!({
                "name": name, "description": text,
                "inputSchema": { "type": "object", "properties": {
                    text: { "type": "string", "description": text }, "action": { "enum": [text, "delete"] }
                } },
            })
        };
        let about = json!({
            "repository": text, "website": text, "packages": [{ "registry": text, "identifier": text, "version": text }],
            "remotes": [{ "type": text, "url": text }],
        });
        let mut server = document(text, json!([tool(text), tool("delete_all")]), about);
        let own = || text.to_owned();
        server.aims_at = vec![super::document::AimedAt { tool: Some(own()), at: own(), what: own(), why: own() }];
        let mut providers = Providers::default();
        providers.add(text, text, text);
        let mut files = super::server(&server, &providers).unwrap();
        files.extend(index(vec![row(&server)]).unwrap());
        files.extend(attacks().unwrap());
        assert_eq!(files.len(), 5 + callgate_catalog::attacks().len());
        for file in files {
            check(&file.text);
            let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
            assert!(file.path.chars().all(plain) && !file.path.contains(".."), "{}", file.path);
        }
    }
}

/// The policies that a page quotes.
fn quoted(page: &str) -> Vec<String> {
    let blocks = page.split("<pre").skip(1).filter_map(|rest| Some(rest.split_once('>')?.1.split_once("</pre>")?.0));
    let plain = |block: &str| {
        let block = block.trim_start_matches("<code>").trim_end_matches("</code>").to_owned();
        let entities = [("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&#60;", "<")];
        let more = [("&gt;", ">"), ("&#62;", ">"), ("&amp;", "&"), ("&#38;", "&")];
        entities.into_iter().chain(more).fold(block, |text, (entity, letter)| text.replace(entity, letter))
    };
    blocks.map(plain).filter(|block| block.trim_start().starts_with('{')).collect()
}

#[test]
fn every_policy_that_a_page_quotes_can_be_published() {
    let tool = |name: &str, description: &str| {
        let command = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
        json!({ "name": name, "description": description, "inputSchema": command })
    };
    let tools = json!([
        tool("read_file", "Reads a file."),
        tool("run_command", "Runs a shell command."),
        tool("delete_file", "Deletes a file."),
        tool("wipe_all", "Wipes everything."),
    ]);
    let files = super::server(&document("files", tools, json!({})), &Providers::default()).unwrap();
    let policies: Vec<String> = files.iter().flat_map(|file| quoted(&file.text)).collect();
    // The server's own; of each tool its entry, twice, how to limit and how to hide it.
    assert!(policies.len() >= 13, "{}", policies.len());
    for policy in policies {
        let read = callgate_policy::Policy::parse(policy.as_bytes());
        assert!(read.is_ok(), "{policy}\n{:?}", read.err());
    }
}

#[test]
fn links_lead_to_files_that_are_there() {
    let tool =
        |name: &str| json!({ "name": name, "description": "Reads a thing.", "inputSchema": { "type": "object" } });
    let names = ["read_file", "Read File", "read-file", "日本", "index", ".."];
    let server = document("files", json!(names.map(tool)), json!({}));
    let mut files = super::server(&server, &Providers::default()).unwrap();
    files.extend(index(vec![row(&server)]).unwrap());
    files.extend(attacks().unwrap());
    let paths: std::collections::BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(paths.len(), names.len() + 3 + callgate_catalog::attacks().len());
    for file in &files {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (_, attributes) in tags(&file.text) {
            for (_, href) in attributes.into_iter().filter(|(key, _)| key == "href") {
                let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
                for part in href.split('/').filter(|_| !href.starts_with('#')) {
                    if part == ".." {
                        path.pop();
                    } else {
                        path.push(part)
                    }
                }
                let path = path.join("/");
                assert!(
                    href.starts_with('#') || path == "style.css" || paths.contains(&path),
                    "{} → {href}",
                    file.path
                );
            }
        }
    }
}

#[test]
fn many_servers_make_many_pages_in_order() {
    let rows: Vec<IndexRow> = (0..PER_PAGE + 1)
        .rev()
        .map(|n| {
            row(&ServerDocument { id: format!("s{n}"), ..document(&format!("server {n:04}"), json!([]), json!({})) })
        })
        .collect();
    let files = index(rows).unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["index.html", "page-2.html"]);
    assert!(files[0].text.contains("server 0000") && files[1].text.contains("server 0200"));
    assert!(files[0].text.contains("href=\"page-2.html\"") && files[1].text.contains("href=\"index.html\""));
    assert!(index(Vec::new()).unwrap()[0].text.contains("empty"));
}

#[test]
fn every_page_answers_the_usual_questions() {
    let tools = json!([{
        "name": "exec_command", "description": "Runs a shell command.",
        "inputSchema": { "type": "object", "properties": { "command": { "type": "string" } }, "required": ["command"] },
    }]);
    let files = super::server(&document("kernel", tools, json!({})), &Providers::default()).unwrap();
    for question in
        ["What does", "How do I enforce", "Which risk", "rate-limit", "How do I block", "Which server provides"]
    {
        assert!(files[1].text.contains(question), "{question}");
    }
    assert!(files[1].text.contains("execute") && files[1].text.contains("Recommended policy"));
    assert!(files[0].text.contains("policy.json"));
    let enabled = callgate_catalog::attacks()
        .iter()
        .filter(|attack| files[1].text.contains(&format!("attacks/{}.html", attack.id)));
    assert!(enabled.count() > 0, "a shell enables something");
}
