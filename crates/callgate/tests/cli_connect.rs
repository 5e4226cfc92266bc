//! `server import`, `connect` and `disconnect` on the files of every client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

#[path = "support/callgate.rs"]
mod callgate;
#[path = "support/clients.rs"]
mod clients;

use clients::{FIXTURES, Home, files_with, fixture, outcomes, pairs, tokens};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[test]
fn every_client_is_imported_connected_and_put_back_byte_for_byte() {
    for fixture in FIXTURES {
        let home = Home::with(fixture);
        let client = fixture.client;
        let imported = home.json(&["server", "import", client]);
        assert_eq!(
            outcomes(&imported, "servers", "outcome"),
            pairs(&[("files", "registered"), ("web", "registered")]),
            "{client}: {imported}"
        );
        let files = home.json(&["server", "show", "files"]);
        assert_eq!(
            files["target"],
            json!({ "command": "npx", "args": ["-y", "server-filesystem", "/srv"], "env": ["KEY"], "env_from": [], "cwd": null })
        );
        let again = home.json(&["server", "import", client]);
        assert_eq!(
            outcomes(&again, "servers", "outcome"),
            pairs(&[("files", "present"), ("web", "present")]),
            "{client}"
        );

        let shown = home.run(&["connect", client, "--dry-run"]).expect(0);
        assert!(shown.stdout.contains("would connect"), "{shown:?}");
        assert!(!shown.stdout.contains("upstream-secret") && !shown.stdout.contains("cg_"), "{shown:?}");
        assert_eq!((home.read(fixture.path), home.grants().len()), (fixture.text.to_owned(), 0), "{client}");

        let connected = home.json(&["connect", client]);
        assert_eq!(
            outcomes(&connected, "entries", "action"),
            pairs(&[("files", "connected"), ("web", "connected")]),
            "{client}"
        );
        let after = home.read(fixture.path);
        let one_line = !fixture.text.trim_end().contains('\n');
        assert!(after.contains(fixture.after), "{client}: {after}");
        assert_eq!(after.trim_end().contains('\n'), !one_line, "{client}: {after}");
        assert!(!after.contains("upstream-secret"), "{client}: {after}");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let backup = PathBuf::from(connected["backup"].as_str().unwrap());
        assert_eq!((mode(&home.path(fixture.path)), mode(&backup)), (0o640, 0o640), "{client}");
        assert_eq!(std::fs::read_to_string(&backup).unwrap(), fixture.text, "{client}");
        let books = home.read("data/connections.json");
        assert!(!books.contains("cg_") && !books.contains("upstream-secret"), "{books}");
        let tokens = tokens(&home, &after);
        assert_eq!(tokens.len(), 2, "{client}");
        let labels: Vec<Value> = home.grants().iter().map(|grant| grant["label"].clone()).collect();
        assert_eq!(labels, [json!(client), json!(client)]);

        let unchanged = home.json(&["connect", client]);
        assert_eq!(outcomes(&unchanged, "entries", "action"), pairs(&[("files", "unchanged"), ("web", "unchanged")]));
        assert_eq!((home.read(fixture.path), home.grants().len()), (after, 2), "{client}");
        let passed = home.json(&["server", "import", client]);
        assert_eq!(outcomes(&passed, "servers", "outcome"), pairs(&[("files", "passed"), ("web", "passed")]));

        let (connected, books) = (home.read(fixture.path), home.read("data/connections.json"));
        let would = home.json(&["disconnect", client, "--dry-run"]);
        assert_eq!(outcomes(&would, "entries", "action"), pairs(&[("files", "put back"), ("web", "put back")]));
        let unchanged = (home.read(fixture.path), home.read("data/connections.json"), home.grants().len());
        assert_eq!(unchanged, (connected, books, 2), "{client}");
        assert!(backup.exists(), "{client}");
        home.json(&["disconnect", client]);
        assert_eq!(home.read(fixture.path), fixture.text, "{client}");
        assert_eq!(home.grants(), Vec::<Value>::new(), "{client}");
        assert!(!backup.exists(), "{client}");
        for token in tokens {
            assert_eq!(files_with(&home.path("data"), &token), Vec::<PathBuf>::new(), "{client}");
        }
        assert_eq!(home.run(&["disconnect", client]).code, 1);
    }
}

#[test]
fn entries_are_put_back_into_a_file_that_was_edited_since() {
    for fixture in FIXTURES {
        let home = Home::with(fixture);
        home.json(&["server", "import", fixture.client]);
        home.json(&["connect", fixture.client]);
        // Somebody else edits the file: one thing of another kind, one new server.
        let added = home.read(fixture.path);
        let edited = match fixture.client {
            "codex" => format!("personality = \"none\"\n{added}\n[mcp_servers.new]\ncommand = \"x\"\n"),
            "vscode" => added.replacen("\"servers\": {", "\"servers\": { \"new\": { \"command\": \"x\" },", 1),
            _ => added.replacen("\"mcpServers\":", "\"new\": 1, \"mcpServers\":", 1),
        };
        assert_ne!(edited, added);
        home.write(fixture.path, &edited);
        home.json(&["disconnect", fixture.client]);
        let expected = match fixture.client {
            "codex" => format!("personality = \"none\"\n{}\n[mcp_servers.new]\ncommand = \"x\"\n", fixture.text),
            "vscode" => fixture.text.replacen("\"servers\": {", "\"servers\": { \"new\": { \"command\": \"x\" },", 1),
            _ => fixture.text.replacen("\"mcpServers\":", "\"new\": 1, \"mcpServers\":", 1),
        };
        assert_eq!(home.read(fixture.path), expected, "{}", fixture.client);
        assert_eq!(home.grants(), Vec::<Value>::new());
    }
}

#[test]
fn servers_are_added_where_the_file_has_none_and_removed_again() {
    for fixture in FIXTURES {
        let home = Home::new();
        home.run(&["server", "add", "kernel", "--url", "https://kernel.example.com/mcp"]).expect(0);
        assert_eq!(home.run(&["connect", fixture.client]).code, 1, "nothing to connect");
        let path = match fixture.path {
            // A project's file is only taken where it is there.
            "project/.mcp.json" => ".claude.json",
            "project/.vscode/mcp.json" => match cfg!(target_os = "macos") {
                true => "Library/Application Support/Code/User/mcp.json",
                false => ".config/Code/User/mcp.json",
            },
            _ => fixture.path,
        };
        let answer = home.json(&["connect", fixture.client, "--server", "kernel"]);
        assert_eq!(answer["file"], json!(home.path(path)), "{}", fixture.client);
        assert!(home.read(path).contains("http://127.0.0.1:7070/mcp/kernel"), "{}", fixture.client);
        let mode = std::fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "a file with a token is its owner's");
        home.json(&["disconnect", fixture.client]);
        assert!(!home.path(path).exists(), "{}", fixture.client);

        home.write(path, fixture.text);
        home.json(&["connect", fixture.client, "--server", "kernel"]);
        assert!(home.read(path).contains("server-filesystem"), "the others stay as they are");
        home.json(&["disconnect", fixture.client, "--server", "kernel"]);
        assert_eq!(home.read(path), fixture.text, "{}", fixture.client);
    }
}

#[test]
fn one_server_after_the_other_and_back() {
    let fixture = fixture("cursor");
    let home = Home::with(fixture);
    home.json(&["server", "import", "cursor"]);
    home.json(&["connect", "cursor", "--server", "web"]);
    home.json(&["connect", "cursor", "--server", "files", "--bridge"]);
    assert!(home.read(fixture.path).contains("\"bridge\""));
    home.json(&["disconnect", "cursor", "--server", "web"]);
    assert!(home.read(fixture.path).contains("upstream-secret") && home.read(fixture.path).contains("\"bridge\""));
    assert_eq!(home.grants().len(), 1);
    home.json(&["disconnect", "cursor"]);
    assert_eq!(home.read(fixture.path), fixture.text);
}

#[test]
fn what_must_not_be_guessed_is_left() {
    let fixture = fixture("cursor");
    let home = Home::with(fixture);
    // A server of the same name, elsewhere: the client must not end up there by itself.
    home.run(&["server", "add", "web", "--url", "https://other.example.com/mcp"]).expect(0);
    let answer = home.run(&["connect", "cursor", "--json"]).expect(1).json();
    assert_eq!(outcomes(&answer, "entries", "action"), pairs(&[("files", "left"), ("web", "left")]));
    let imported = home.run(&["server", "import", "cursor", "--server", "web", "--json"]).expect(1).json();
    assert!(imported["servers"][0]["why"].as_str().unwrap().contains("it is another one"), "{imported}");
    home.json(&["connect", "cursor", "--server", "web"]);
    // Edited by hand since: what somebody wrote stays.
    let mine = home.read(fixture.path).replace("http://127.0.0.1:7070/mcp/web", "https://mine.example.com/");
    let mine = mine.split("Bearer cg_").next().unwrap().to_owned() + "mine\" }\r\n\t\t}\r\n\t}\r\n}\r\n";
    home.write(fixture.path, &mine);
    let left = home.json(&["disconnect", "cursor"]);
    assert_eq!(left["entries"][0]["action"], "left");
    assert_eq!((home.read(fixture.path), home.grants().len()), (mine, 0));
}

#[test]
fn a_backup_that_is_gone_is_no_reason_to_guess() {
    let fixture = fixture("cursor");
    let home = Home::with(fixture);
    home.json(&["server", "import", "cursor"]);
    let connected = home.json(&["connect", "cursor"]);
    let after = home.read(fixture.path);
    std::fs::write(connected["backup"].as_str().unwrap(), "{}").unwrap();
    let refused = home.run(&["disconnect", "cursor"]).expect(1);
    assert!(refused.stderr.contains("CG3174"), "{refused:?}");
    assert_eq!((home.read(fixture.path), home.grants().len()), (after, 2));
}

#[test]
fn a_disconnect_that_could_not_revoke_is_finished_later() {
    for (added, edited) in [(false, false), (false, true), (true, false)] {
        let fixture = fixture("cursor");
        let home = if added { Home::new() } else { Home::with(fixture) };
        if added {
            home.run(&["server", "add", "web", "--url", "https://mcp.example.com/mcp"]).expect(0);
            home.json(&["connect", "cursor", "--server", "web"]);
        } else {
            home.json(&["server", "import", "cursor"]);
            home.json(&["connect", "cursor"]);
        }
        let mut expected = fixture.text.to_owned();
        if edited {
            let edit = |text: &str| text.replacen("\"mcpServers\":", "\"new\": 1, \"mcpServers\":", 1);
            home.write(fixture.path, &edit(&home.read(fixture.path)));
            expected = edit(&expected);
        }
        let live = home.grants().len();
        let credential = home.path("data/admin.token");
        let kept = std::fs::read(&credential).unwrap();
        std::fs::remove_file(&credential).unwrap();
        for _ in 0..2 {
            let refused = home.run(&["disconnect", "cursor"]).expect(1);
            assert!(refused.stderr.contains("CG3030"), "{refused:?}");
        }
        assert_eq!(home.grants().len(), live);
        std::fs::write(&credential, kept).unwrap();
        home.json(&["disconnect", "cursor"]);
        assert_eq!(home.grants().len(), 0);
        match added {
            true => assert!(!home.path(fixture.path).exists()),
            false => assert_eq!(home.read(fixture.path), expected),
        }
        // Connected again, and nothing is in the way of it.
        home.json(&["connect", "cursor", "--server", "web"]);
        assert_eq!(home.grants().len(), 1);
    }
}

#[test]
fn a_revoked_grant_is_renewed_and_the_way_back_stays() {
    let fixture = fixture("gemini");
    let home = Home::with(fixture);
    home.json(&["server", "import", "gemini"]);
    home.json(&["connect", "gemini"]);
    let grant = home.grants()[0]["id"].as_str().unwrap().to_owned();
    home.run(&["grant", "revoke", &grant]).expect(0);
    let renewed = home.json(&["connect", "gemini"]);
    let mut actions: Vec<String> =
        outcomes(&renewed, "entries", "action").into_iter().map(|(_, action)| action).collect();
    actions.sort();
    assert_eq!(actions, ["renewed", "unchanged"]);
    assert_eq!(home.grants().len(), 2);
    home.json(&["disconnect", "gemini"]);
    assert_eq!((home.read(fixture.path), home.grants().len()), (fixture.text.to_owned(), 0));
}

#[test]
fn placeholders_and_broken_files() {
    let home = Home::new();
    home.write(
        "project/.vscode/mcp.json",
        r#"{ "servers": {
            "asked": { "type": "http", "url": "https://a.example.com/", "headers": { "Authorization": "Bearer ${input:t}" } },
            "shell": { "type": "http", "url": "https://b.example.com/", "headers": { "X": "${env:SHELL_KEY}" } },
            "here": { "command": "x", "args": ["${workspaceFolder}/a"], "env": { "SHELL_KEY": "${env:SHELL_KEY}" } },
            "Two words": { "command": "y" }
        } }"#,
    );
    let imported = home.json(&["server", "import", "vscode"]);
    assert_eq!(
        outcomes(&imported, "servers", "outcome"),
        pairs(&[("asked", "skipped"), ("shell", "registered"), ("here", "registered"), ("Two words", "registered")])
    );
    assert!(imported["servers"][0]["why"].as_str().unwrap().contains("${input:t}"), "{imported}");
    assert!(!imported.to_string().contains("from-the-shell"), "{imported}");
    let target = &home.json(&["server", "show", "here"])["target"];
    let place = home.path("project").join("a");
    assert_eq!((&target["env_from"], &target["args"]), (&json!(["SHELL_KEY"]), &json!([place])));
    assert_eq!(home.json(&["server", "show", "Two-words"])["target"]["command"], "y");

    for (text, place) in [("{\n \"servers\": {\n  \"a\": 1 } }", ":3:3: "), ("{ \"servers\": {\n,} }", ":2:1: ")] {
        home.write("project/.vscode/mcp.json", text);
        for arguments in [&["server", "import", "vscode"][..], &["connect", "vscode"]] {
            let refused = home.run(arguments).expect(2);
            assert!(refused.stderr.contains(place) && refused.stderr.contains("CG3171"), "{refused:?}");
        }
        assert_eq!(home.read("project/.vscode/mcp.json"), text);
    }
    assert!(home.run(&["server", "import", "nowhere.json"]).expect(2).stderr.contains("CG3170"));
}
