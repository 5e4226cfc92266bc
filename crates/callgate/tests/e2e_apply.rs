//! `callgate apply` from a directory, and clients that were connected, end to end.
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

use callgate::{Ended, Gateway, command, ended};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Session, StdioServer};

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;
const DENY: &str = "{\n  \"version\": \"1\",\n  \"default\": \"deny\"\n}\n";

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        place.write("tools.json", r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#);
        place
    }

    /// A directory for `apply`: two servers, two policies, a baseline, two grants.
    fn fleet() -> Self {
        let place = Self::new();
        place.write(
            "fleet/servers/web.toml",
            "url = \"https://web.example.com/mcp\"\nheaders = { Authorization = { env = \"WEB_KEY\" } }\n",
        );
        let files = format!(
            "command = [{:?}, \"fixture\", \"--tools\", {:?}]\n",
            env!("CARGO_BIN_EXE_callgate"),
            place.path("tools.json")
        );
        place.write("fleet/servers/files.toml", &files);
        place.write("fleet/policies/web/default.json", DENY);
        place.write("fleet/policies/files/default.json", ALLOW);
        place.write("fleet/baseline.json", ALLOW);
        place.write(
            "fleet/grants.toml",
            "[[grants]]\nlabel = \"ci\"\nserver = \"files\"\npolicy = \"default\"\ntags = { team = \"a\" }\nexpires = 2036-01-01T00:00:00Z\n\n\
             [[grants]]\nlabel = \"laptop\"\nserver = \"web\"\ntoken_env = \"LAPTOP\"\n",
        );
        place.write("fleet/README.md", "# Our servers\n");
        place.write("fleet/.git/config", "");
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = command(&self.path("data"));
        command.env("HOME", self.path("")).env_remove("XDG_CONFIG_HOME");
        command.env("WEB_KEY", "hush-web").env("LAPTOP", "cg_given-token-0123456789abcdefghijklmnopqrs");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command().args(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect(0).json()
    }
}

/// `ACTION OBJECT` of everything that is not as it should be.
fn words(answer: &Value) -> Vec<String> {
    let rows = answer["plan"].as_array().unwrap().iter().filter(|row| row["action"] != "unchanged");
    rows.map(|row| format!("{} {}", row["action"].as_str().unwrap(), row["object"].as_str().unwrap())).collect()
}

#[test]
fn a_directory_is_planned_applied_checked_and_pruned() {
    let place = Place::fleet();
    let planned = place.run(&["apply", "-f", "fleet", "--dry-run"]).expect(0);
    for line in
        ["+ server/web\n", "+ server/files/policy/default\n", "+ baseline\n", "not applied: 7 to add, 0 to change"]
    {
        assert!(planned.stdout.contains(line), "{line}: {planned:?}");
    }
    place.run(&["apply", "-f", "fleet", "--check"]).expect(1);
    assert_eq!(place.json(&["server", "list"]), json!([]), "nothing was done");

    let applied = place.json(&["apply", "-f", "fleet", "--tokens-out", "tokens.json"]);
    assert_eq!((words(&applied).len(), &applied["applied"]), (7, &json!(true)));
    assert!(applied["minted"][0].get("token").is_none(), "{applied}");
    let tokens: Value = serde_json::from_slice(&std::fs::read(place.path("tokens.json")).unwrap()).unwrap();
    assert_eq!(tokens.as_array().unwrap().len(), 1, "the other one has a token of its own");
    assert!(tokens[0]["token"].as_str().unwrap().starts_with("cg_") && tokens[0]["label"] == "ci", "{tokens}");
    assert_eq!(std::fs::metadata(place.path("tokens.json")).unwrap().mode() & 0o777, 0o600);
    let grants = place.json(&["grant", "list"]);
    assert!(grants.to_string().contains("2036-01-01T00:00:00.000Z"), "{grants}");

    let again = place.run(&["apply", "-f", "fleet", "--prune", "--check"]).expect(0);
    assert_eq!(again.stdout, "nothing to do: 0 to add, 0 to change, 0 to remove, 7 as they should be\n");

    // Somebody edits by hand; somebody edits the files.
    place.write("deny.json", DENY);
    place.run(&["policy", "publish", "deny.json", "--server", "files"]).expect(0);
    let drift = place.run(&["apply", "-f", "fleet", "--check"]).expect(1);
    assert!(drift.stdout.contains("~ server/files/policy/default\n    version: 2 → 3\n"), "{drift:?}");
    assert!(drift.stdout.contains("+{\"version\":\"1\",\"default\":\"allow\"}"), "{drift:?}");
    std::fs::remove_file(place.path("fleet/baseline.json")).unwrap();
    std::fs::remove_file(place.path("fleet/servers/web.toml")).unwrap();
    std::fs::remove_dir_all(place.path("fleet/policies/web")).unwrap();
    place.write("fleet/grants.toml", "[[grants]]\nlabel = \"ci\"\nserver = \"files\"\npolicy = \"default\"\n");
    let pruned = place.json(&["apply", "-f", "fleet", "--prune"]);
    assert_eq!(
        words(&pruned),
        [
            "remove baseline",
            "remove server/web",
            "remove server/web/grant/laptop",
            "remove server/web/policy/default",
            "change server/files/policy/default",
            "change server/files/grant/ci",
        ]
    );
    place.run(&["apply", "-f", "fleet", "--prune", "--check"]).expect(0);
    for found in ["hush-web", tokens[0]["token"].as_str().unwrap(), "cg_given-token"] {
        assert_eq!(files_with(&place.path("data"), found), Vec::<PathBuf>::new(), "{found}");
    }
}

#[test]
fn one_mistake_and_nothing_is_applied() {
    let place = Place::fleet();
    place.write("fleet/policies/files/default.json", "{\n  \"version\": \"1\",\n  \"defualt\": \"deny\"\n}");
    let refused = place.run(&["apply", "-f", "fleet"]);
    assert!(refused.code != 0 && refused.stderr.contains("CG3176"), "{refused:?}");
    assert!(refused.stderr.contains("fleet/policies/files/default.json:3:3: error"), "{refused:?}");
    assert_eq!(place.json(&["server", "list"]), json!([]));

    place.write("fleet/servers/kernel.toml", "url = \"https://x/\"\ncolour = \"blue\"\n");
    place.write("fleet/servers/notes.txt", "");
    place.write("fleet/servers/ftp.toml", "url = \"ftp://x/\"\n");
    place.write("fleet/servers/key.toml", "url = \"https://x/\"\nheaders = { A = { env = \"NOBODY_SET_THIS\" } }\n");
    place.write("fleet/grants.toml", "[[grants]]\nlabel = \"ci\"\nserver = \"files\"\nexpires = \"soon\"\n");
    let refused = place.run(&["apply", "-f", "fleet"]).expect(2);
    for part in [
        "fleet/servers/kernel.toml:2:1: unknown key `colour` [CG3002]",
        "fleet/servers/notes.txt: nothing is known of this file",
        "`fleet/servers/ftp.toml`: `url`: `ftp://x/` has to begin with",
        "`NOBODY_SET_THIS` is unset or empty",
        "`fleet/grants.toml`: `grants[0]`: `expires`: `soon` is no moment",
    ] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert!(place.run(&["apply", "-f", "nowhere"]).expect(2).stderr.contains("CG3177"));
    let refused = Place::fleet();
    refused.write("tokens.json", "{}");
    let said = refused.run(&["apply", "-f", "fleet", "--tokens-out", "tokens.json"]).expect(2);
    assert!(said.stderr.contains("CG3178"), "{said:?}");
    assert!(!refused.path("data").exists(), "nothing was even begun");
}

#[test]
fn a_client_that_is_connected_calls_tools_through_the_gateway() {
    let place = Place::new();
    let tools = place.path("tools.json").display().to_string();
    let entry = json!({ "command": env!("CARGO_BIN_EXE_callgate"), "args": ["fixture", "--tools", tools] });
    let desktop = match cfg!(target_os = "macos") {
        true => "Library/Application Support/Claude/claude_desktop_config.json",
        false => ".config/Claude/claude_desktop_config.json",
    };
    let before = serde_json::to_string_pretty(&json!({ "mcpServers": { "files": entry } })).unwrap();
    for path in [desktop, ".cursor/mcp.json"] {
        place.write(path, &before);
    }
    place.write("policy.json", r#"{"version":"1","default":"deny","tools":{"echo":{}}}"#);
    let gateway = Gateway::start(&place.path("data"), &[]);
    let imported = place.json(&["server", "import", "cursor"]);
    assert_eq!(imported["servers"][0]["outcome"], "registered", "{imported}");
    place.run(&["policy", "publish", "policy.json", "--server", "files"]).expect(0);
    for client in ["claude-desktop", "cursor"] {
        let connected = place.json(&["connect", client]);
        assert_eq!(connected["entries"][0]["action"], "connected", "{connected}");
    }
    let entry = |path: &str| -> Value {
        let file: Value = serde_json::from_slice(&std::fs::read(place.path(path)).unwrap()).unwrap();
        file["mcpServers"]["files"].clone()
    };
    // What the client would start, started as the client would.
    let bridge = entry(desktop);
    let mut client = Command::new(bridge["command"].as_str().unwrap());
    client.args(bridge["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
    let mut client = StdioServer::open(&mut client).unwrap();
    let answer = client.call("echo", &json!({ "text": "hello" })).unwrap();
    assert!(answer["result"].to_string().contains("hello"), "{answer}");
    let denied = client.call("exec", &json!({})).unwrap();
    assert!(denied["result"].to_string().contains("POLICY DENIED"), "{denied}");
    client.close();

    let direct = entry(".cursor/mcp.json");
    let address = gateway.url.trim_start_matches("http://").parse().unwrap();
    let path = direct["url"].as_str().unwrap().strip_prefix(&gateway.url).unwrap().to_owned();
    let token = direct["headers"]["Authorization"].as_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let mut session = Session::open(address, &path, Some(&token)).unwrap();
    let answer = session.call("echo", &json!({ "text": "hello" })).unwrap();
    assert!(answer.to_string().contains("hello"), "{answer:?}");
    for (client, path) in [("cursor", ".cursor/mcp.json"), ("claude-desktop", desktop)] {
        place.json(&["disconnect", client]);
        assert_eq!(std::fs::read_to_string(place.path(path)).unwrap(), before);
    }
    assert!(Session::open(address, &path, Some(&token)).is_err(), "its grant has ended");
}

/// Files below a directory that contain this.
fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}
