use super::*;
use crate::environment::Environment;
use clap::ValueEnum;

fn found(fields: Value) -> Found {
    let fields = fields.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    Found { place: Vec::new(), name: "a".into(), fields, source: String::new() }
}

fn reading(client: Client, fields: Value) -> Reading {
    let environment = Environment::with(&[("KEY", "k"), ("OTHER", "o")]);
    let around = Surroundings { client, environment: &environment, project: Some("/p".into()) };
    read(&found(fields), &around, &["http://127.0.0.1:7070".to_owned()], false)
}

#[test]
fn servers_are_read_from_the_forms_of_each_client() {
    let url = |headers: Value| json!({ "url": "https://h/mcp", "headers": headers });
    for (client, fields, expected) in [
        (
            Client::Cursor,
            json!({ "url": "https://h/mcp", "headers": { "A": "Bearer ${env:KEY}" } }),
            url(json!({ "A": "Bearer k" })),
        ),
        (Client::Windsurf, json!({ "serverUrl": "https://h/mcp" }), url(json!({}))),
        (
            Client::Gemini,
            json!({ "httpUrl": "https://h/mcp", "headers": { "A": "$KEY" }, "trust": true }),
            url(json!({ "A": "k" })),
        ),
        (
            Client::ClaudeCode,
            json!({ "type": "http", "url": "https://h/mcp", "headers": { "A": "${KEY}" } }),
            url(json!({ "A": "k" })),
        ),
        (
            Client::Codex,
            json!({ "url": "https://h/mcp", "bearer_token_env_var": "KEY", "http_headers": { "B": "c" }, "env_http_headers": { "D": "OTHER" } }),
            url(json!({ "Authorization": "Bearer k", "B": "c", "D": "o" })),
        ),
        (
            Client::Vscode,
            json!({ "type": "stdio", "command": "npx", "args": ["${workspaceFolder}/x"], "env": { "KEY": "${env:KEY}", "T": "literal", "R": "${env:OTHER}" } }),
            json!({ "command": "npx", "args": ["/p/x"], "env": { "T": "literal", "R": "o" }, "env_from": ["KEY"], "cwd": null }),
        ),
        (
            Client::Codex,
            json!({ "command": "x", "cwd": "sub", "env_vars": ["A", { "name": "B" }] }),
            json!({ "command": "x", "args": [], "env": {}, "env_from": ["A", "B"], "cwd": "/p/sub" }),
        ),
    ] {
        match reading(client, fields.clone()) {
            Reading::Server { target, .. } => assert_eq!(target, expected, "{fields}"),
            other => panic!("{fields}: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_registered_says_why() {
    for (client, fields, why) in [
        (
            Client::Vscode,
            json!({ "url": "https://h/", "headers": { "A": "${input:token}" } }),
            "the header `A` needs `${input:token}`",
        ),
        (Client::Cursor, json!({ "command": "x", "env": { "A": "${env:NONE}" } }), "`env.A` needs the variable `NONE`"),
        (
            Client::ClaudeCode,
            json!({ "command": "x", "args": ["--key", "${KEY}"] }),
            "argument 2 needs the variable `KEY` outside",
        ),
        (Client::Cursor, json!({ "command": "x", "envFile": ".env" }), "`envFile`"),
        (Client::Cursor, json!({ "command": "x", "url": "https://h/" }), "both"),
        (Client::Cursor, json!({}), "neither"),
        (Client::Cursor, json!({ "url": "ftp://h/" }), "has to begin with"),
        (Client::Cursor, json!({ "command": "x", "args": "y" }), "`args` is no list"),
        (Client::Cursor, json!({ "command": "x", "env": { "A": 1 } }), "`env.A` is no string"),
    ] {
        match reading(client, fields.clone()) {
            Reading::Unusable(got) => assert!(got.contains(why), "{fields}: {got}"),
            other => panic!("{fields}: {other:?}"),
        }
    }
    assert_eq!(reading(Client::Cursor, json!({ "command": "x", "disabled": true })), Reading::Disabled);
    assert_eq!(reading(Client::Codex, json!({ "command": "x", "enabled": false })), Reading::Disabled);
}

#[test]
fn entries_of_callgate_are_known() {
    for fields in [
        json!({ "url": "http://127.0.0.1:7070/mcp/files" }),
        json!({ "url": "https://elsewhere/mcp/x", "headers": { "authorization": "Bearer cg_abc" } }),
        json!({ "command": "/usr/bin/callgate", "args": ["bridge", "http://x/"] }),
        json!({ "command": "callgate", "args": ["wrap", "--policy", "p.json", "--", "x"] }),
    ] {
        assert_eq!(reading(Client::Cursor, fields.clone()), Reading::Ours, "{fields}");
    }
}

#[test]
fn what_is_the_clients_own_stays() {
    let before = vec![
        ("command".to_owned(), json!("npx")),
        ("disabled".to_owned(), json!(false)),
        ("env".to_owned(), json!({ "A": "b" })),
        ("timeout".to_owned(), json!(60)),
    ];
    let keys = |client, link: &Link<'_>| {
        written(client, link, &before).into_iter().map(|(key, _)| key).collect::<Vec<_>>().join(" ")
    };
    let http = Link::Http { url: "http://g/mcp/a", token: "cg_x" };
    assert_eq!(keys(Client::ClaudeCode, &http), "type url headers disabled timeout");
    assert_eq!(keys(Client::Codex, &http), "url http_headers disabled timeout");
    assert_eq!(keys(Client::Windsurf, &http), "serverUrl headers disabled timeout");
    assert_eq!(keys(Client::Gemini, &http), "httpUrl headers disabled timeout");
    let bridge = Link::Bridge { url: "u", program: "/bin/callgate", token_file: "/t" };
    assert_eq!(keys(Client::ClaudeDesktop, &bridge), "command args disabled timeout");
}

#[test]
fn names_are_made_usable() {
    for (name, usable) in [
        ("files", "files"),
        ("My Web!", "My-Web"),
        ("@scope/x", "scope-x"),
        ("日本", "server"),
        ("callgate", "callgate-server"),
    ] {
        assert_eq!(usable_name(name), usable);
        assert!(callgate_policy::ServerName::parse(usable).is_ok());
    }
    assert_eq!(usable_name(&"x".repeat(100)).len(), 64);
}

#[test]
fn what_is_shown_to_copy_is_what_connect_writes() {
    let (url, token) = ("http://127.0.0.1:7070/mcp/my.files", "cg_x");
    for client in Client::value_variants().iter().copied().filter(|client| client.speaks_http()) {
        let shown = callgate_control::connect::ready(client.form(), "my.files", url, token);
        for shown in shown.iter().filter(|shown| shown.syntax != callgate_control::connect::Syntax::Shell) {
            let entries = match client.is_toml() {
                true => super::super::sections::entries(&shown.text).unwrap(),
                false => super::super::jsonc::entries(&shown.text, &client.places(Path::new("/p"))).unwrap(),
            };
            assert_eq!(entries.len(), 1, "{}", shown.text);
            assert_eq!(entries[0].name, "my.files");
            let mut expected = written(client, &Link::Http { url, token }, &Vec::new());
            let mut got = entries[0].fields.clone();
            got.sort_by(|one, other| one.0.cmp(&other.0));
            expected.sort_by(|one, other| one.0.cmp(&other.0));
            // Where the token comes from elsewhere, all but the token is the same.
            assert!(got == expected || !shown.text.contains(token), "{}", shown.text);
            assert!(!shown.text.contains(token) || shown.title == "In its file", "{}", shown.title);
        }
    }
}
