//! The fleet commands, on the data directory itself and through a running gateway.
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

use callgate::{Ended, Gateway, command, ended, run};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;
const DENY: &str = r#"{"version":"1","default":"deny"}"#;

struct Fleet {
    directory: tempfile::TempDir,
}

impl Fleet {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("allow.json", ALLOW), ("deny.json", DENY), ("broken.json", "{\n \"version\": 1\n}")] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self { directory }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        run(&self.data(), arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect(0).json()
    }
}

/// The whole round on one data directory. The same with and without a gateway.
fn round(fleet: &Fleet) -> Value {
    let added = fleet.json(&[
        "server",
        "add",
        "kernel",
        "--url",
        "http://127.0.0.1:9/mcp",
        "--header",
        "Authorization: Bearer upstream-secret",
    ]);
    assert_eq!(added["name"], json!("kernel"));
    assert_eq!(added["target"]["headers"], json!(["Authorization"]));
    let unattached = fleet.run(&["grant", "mint", "--server", "kernel", "--label", "early", "--json"]).expect(0);
    assert!(unattached.stderr.contains("no policy yet"), "{unattached:?}");
    let published = fleet.run(&["policy", "publish", "allow.json", "--server", "kernel", "--json"]).expect(0);
    assert_eq!(published.json()["version"], json!(1));
    assert!(published.stderr.contains("grant attach early --policy default"), "{published:?}");
    assert_eq!(fleet.json(&["grant", "attach", "early", "--policy", "default"])["policy"], json!("default"));
    let minted = fleet.json(&[
        "grant",
        "mint",
        "--server",
        "kernel",
        "--label",
        "laptop",
        "--expires",
        "30d",
        "--tag",
        "team=a",
    ]);
    let keys: Vec<&String> = minted.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "token", "url"]);
    assert!(minted["token"].as_str().unwrap().starts_with("cg_"));
    assert!(minted["url"].as_str().unwrap().ends_with("/mcp/kernel"), "{minted}");
    assert_eq!(fleet.json(&["policy", "publish", "deny.json", "--server", "kernel"])["version"], json!(2));
    let same = fleet.run(&["policy", "publish", "deny.json", "--server", "kernel", "--json"]).expect(0);
    assert_eq!(same.json()["version"], json!(2), "the same document is no new version");
    let back = fleet.json(&["policy", "rollback", "--server", "kernel"]);
    assert_eq!((&back["version"], &back["repeats"]), (&json!(3), &json!(1)));
    let history = fleet.json(&["policy", "history", "--server", "kernel"]);
    let versions: Vec<&Value> = history.as_array().unwrap().iter().map(|row| &row["version"]).collect();
    assert_eq!(versions, [&json!(3), &json!(2), &json!(1)]);
    let rotated = fleet.json(&["grant", "rotate", "laptop", "--overlap", "1h"]);
    assert_eq!(rotated["id"], minted["id"]);
    assert_ne!(rotated["token"], minted["token"]);
    fleet.json(&["grant", "revoke", "early"]);
    let grants = fleet.json(&["grant", "list", "--server", "kernel"]);
    let live = grants.as_array().unwrap().iter().filter(|grant| grant["revoked"].is_null()).count();
    assert_eq!(live, 1, "{grants}");
    assert_eq!(fleet.json(&["server", "list"])[0]["policies"], json!(["default"]));
    minted
}

#[test]
fn the_commands_work_on_the_directory_itself() {
    let fleet = Fleet::new();
    let minted = round(&fleet);
    assert_eq!(std::fs::metadata(fleet.data()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(fleet.data().join("admin.token")).unwrap().mode() & 0o777, 0o600);
    fleet.json(&["server", "remove", "kernel"]);
    assert_eq!(fleet.json(&["server", "list"]), json!([]));
    fleet.run(&["journal", "verify", "--json"]).expect(0);
    let admin = std::fs::read_to_string(fleet.data().join("admin.token")).unwrap();
    for secret in [minted["token"].as_str().unwrap(), admin.trim(), "upstream-secret"] {
        assert_eq!(files_with(&fleet.data(), secret), Vec::<PathBuf>::new(), "{secret}");
    }
}

#[test]
fn the_same_commands_work_through_a_running_gateway() {
    let fleet = Fleet::new();
    let gateway = Gateway::start(&fleet.data(), &[]);
    let minted = round(&fleet);
    assert_eq!(minted["url"], json!(format!("{}/mcp/kernel", gateway.url)));
    assert_eq!(std::fs::metadata(fleet.data().join("callgate.sock")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(gateway.stop(), 0);
    assert!(!fleet.data().join("callgate.sock").exists(), "the socket goes with the gateway");
    assert_eq!(fleet.json(&["server", "list"])[0]["name"], json!("kernel"), "what was done stays");
    let after = fleet.json(&["grant", "rotate", "laptop"]);
    assert_eq!(after["url"], minted["url"], "the address outlives the gateway");
}

/// The HTTP status of `initialize` with this token.
fn status(gateway: &Gateway, token: &Value) -> u16 {
    use std::io::{Read, Write};
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let place = gateway.url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(place).unwrap();
    write!(
        stream,
        "POST /mcp/pare HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        token.as_str().unwrap(),
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_rotated_token_works_beside_the_new_one_while_they_overlap() {
    let fleet = Fleet::new();
    let gateway = Gateway::start(&fleet.data(), &[]);
    let command = env!("CARGO_BIN_EXE_callgate");
    fleet.run(&["server", "add", "pare", "--", command, "fixture", "--tools", "pare-docker"]).expect(0);
    let first = fleet.json(&["grant", "mint", "--server", "pare", "--label", "x"])["token"].clone();
    let second = fleet.json(&["grant", "rotate", "x", "--overlap", "1h"])["token"].clone();
    assert_eq!((status(&gateway, &first), status(&gateway, &second)), (200, 200));
    let third = fleet.json(&["grant", "rotate", "x"])["token"].clone();
    let all = [&first, &second, &third].map(|token| status(&gateway, token));
    assert_eq!(all, [401, 401, 200], "without an overlap the tokens before end at once");
    fleet.json(&["grant", "revoke", "x"]);
    assert_eq!(status(&gateway, &third), 401);
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn a_second_gateway_learns_who_has_the_directory() {
    let fleet = Fleet::new();
    let gateway = Gateway::start(&fleet.data(), &[]);
    let second = fleet.run(&["up", "--listen", "127.0.0.1:0"]).expect(2);
    assert!(second.stderr.contains("CG3011"), "{second:?}");
    assert!(second.stderr.contains(&format!("process {}", gateway.pid())), "{second:?}");
}

#[test]
fn changes_need_the_credential_and_reading_does_not() {
    for running in [false, true] {
        let fleet = Fleet::new();
        fleet.json(&["server", "add", "a", "--url", "http://127.0.0.1:9/"]);
        let token = std::fs::read_to_string(fleet.data().join("admin.token")).unwrap();
        std::fs::remove_file(fleet.data().join("admin.token")).unwrap();
        let _gateway = running.then(|| Gateway::start(&fleet.data(), &[]));
        let mint = ["grant", "mint", "--server", "a", "--label", "x"];
        let none = fleet.run(&mint).expect(1);
        assert!(none.stderr.contains("CG3030"), "{none:?}");
        let wrong = ended(command(&fleet.data()).args(mint).env("CALLGATE_TOKEN", "cga_wrong")).expect(1);
        assert!(wrong.stderr.contains("CG3031") && !wrong.stderr.contains("cga_wrong"), "{wrong:?}");
        ended(command(&fleet.data()).args(mint).env("CALLGATE_TOKEN", token.trim())).expect(0);
        assert_eq!(fleet.json(&["grant", "list"]).as_array().unwrap().len(), 1);
        assert!(!fleet.data().join("admin.token").exists(), "it is written at first use only");
    }
}

#[test]
fn a_policy_that_fails_is_not_published() {
    let fleet = Fleet::new();
    fleet.json(&["server", "add", "a", "--url", "http://127.0.0.1:9/"]);
    let broken = fleet.run(&["policy", "publish", "broken.json", "--server", "a"]).expect(1);
    assert!(broken.stderr.contains("CG3045") && broken.stderr.contains("broken.json:2:"), "{broken:?}");
    let failing = r#"{"version":"1","default":"deny","tests":[{"name":"t","tool":"x","expect":"allow"}]}"#;
    std::fs::write(fleet.directory.path().join("failing.json"), failing).unwrap();
    let failing = fleet.run(&["policy", "publish", "failing.json", "--server", "a"]).expect(1);
    assert!(failing.stderr.contains("the test `t` fails"), "{failing:?}");
    assert_eq!(fleet.json(&["policy", "list"]), json!([]));
}

#[test]
fn mistakes_name_the_thing_and_the_remedy() {
    let fleet = Fleet::new();
    let missing = fleet.run(&["server", "list"]).expect(2);
    assert!(missing.stderr.contains("CG3010"), "{missing:?}");
    fleet.json(&["server", "add", "a", "--url", "http://127.0.0.1:9/"]);
    for (arguments, code, words) in [
        (vec!["server", "add", "a", "--url", "http://x/"], "CG3042", "`a`"),
        (vec!["server", "add", "callgate", "--url", "http://x/"], "CG3040", "reserved"),
        (vec!["server", "add", "no/slash", "--url", "http://x/"], "CG3040", "no/slash"),
        (vec!["server", "add", "b", "--url", "ftp://x/"], "CG3040", "ftp://x/"),
        (vec!["server", "add", "b", "--url", "http://x/", "--header", "Authorization"], "CG3051", "--header"),
        (vec!["server", "add", "b", "--env", "X", "--", "cmd"], "CG3051", "--env"),
        (vec!["server", "add", "b", "--idle", "soon", "--", "cmd"], "CG3051", "--idle"),
        (vec!["server", "add", "b", "--max-in-flight", "0", "--", "cmd"], "CG3051", "--max-in-flight"),
        (vec!["server", "show", "b"], "CG3041", "`b`"),
        (vec!["grant", "mint", "--server", "b", "--label", "l"], "CG3041", "`b`"),
        (vec!["grant", "mint", "--server", "a", "--label", "l", "--policy", "p"], "CG3043", "`p`"),
        (vec!["grant", "mint", "--server", "a", "--label", "l", "--expires", "soon"], "CG3051", "30d"),
        (vec!["grant", "revoke", "nobody"], "CG3044", "`nobody`"),
        (vec!["policy", "history", "--server", "a"], "CG3043", "`default`"),
        (vec!["policy", "rollback", "--server", "a"], "CG3043", "`default`"),
        (vec!["policy", "publish", "nowhere.json", "--server", "a"], "CG3050", "nowhere.json"),
        (vec!["log", "--since", "yesterday"], "CG3051", "--since"),
        (vec!["up", "--listen", "0.0.0.0:0"], "CG3020", "--insecure"),
        (vec!["up", "--config", "nowhere.toml"], "CG3001", "nowhere.toml"),
        (vec!["up", "--demo", "--data", "data"], "CG3070", "not empty"),
        (vec!["bridge", "http://127.0.0.1:9/mcp/a", "--token-file", "none"], "CG3050", "none"),
    ] {
        let ended = fleet.run(&arguments).expect(2);
        assert!(ended.stderr.contains(code) && ended.stderr.contains(words), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn a_declared_server_is_served_and_left_to_its_file() {
    let fleet = Fleet::new();
    let config = "[servers.kernel]\nurl = \"http://127.0.0.1:9/mcp\"\npolicy = \"allow.json\"\n";
    std::fs::write(fleet.directory.path().join("callgate.toml"), config).unwrap();
    let mut gateway = Gateway::start(&fleet.data(), &["--config", "callgate.toml"]);
    assert_eq!(fleet.json(&["server", "show", "kernel"])["declared"], json!(true));
    fleet.json(&["grant", "mint", "--server", "kernel", "--label", "laptop"]);
    assert_eq!(fleet.json(&["grant", "list"])[0]["policy"], json!("default"));
    for (arguments, code) in [
        (vec!["server", "remove", "kernel"], "CG3046"),
        (vec!["server", "add", "kernel", "--url", "http://x/"], "CG3042"),
        (vec!["server", "edit", "kernel", "--idle", "1m"], "CG3046"),
        (vec!["policy", "publish", "deny.json", "--server", "kernel"], "CG3046"),
    ] {
        let refused = fleet.run(&arguments).expect(2);
        assert!(refused.stderr.contains(code), "{arguments:?}: {refused:?}");
    }
    let policy = fleet.directory.path().join("allow.json");
    std::fs::write(&policy, "{\n \"version\": 2\n}").unwrap();
    assert!(gateway.line("CG3060").contains("version 1 stays in force"));
    std::fs::write(fleet.directory.path().join("next.json"), DENY).unwrap();
    std::fs::rename(fleet.directory.path().join("next.json"), &policy).unwrap();
    gateway.line("version 2 applies");
    std::fs::write(fleet.directory.path().join("callgate.toml"), "lisen = 1").unwrap();
    gateway.signal(Signal::HUP);
    assert!(gateway.line("CG3002").contains("unknown key `lisen`"));
    std::fs::write(fleet.directory.path().join("callgate.toml"), config.replace("kernel", "other")).unwrap();
    gateway.signal(Signal::HUP);
    gateway.line("read again");
    assert_eq!(fleet.json(&["server", "show", "other"])["declared"], json!(true));
    assert_eq!(gateway.stop(), 0);
}

/// The files below a directory that contain a text.
fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if path.file_name().unwrap() != "admin.token" {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn how_a_server_is_treated_is_kept_and_shown() {
    let fleet = Fleet::new();
    fleet.json(&["server", "add", "plain", "--url", "http://127.0.0.1:9/"]);
    let typed =
        ["--era", "legacy", "--share", "grant", "--idle", "120s", "--call-timeout", "1h", "--max-processes", "4"];
    let add = [&["server", "add", "tuned"][..], &typed, &["--json", "--", "cmd"]].concat();
    let added = fleet.run(&add).expect(0).json();
    assert_eq!(added["settings"]["idle"], "2m");
    let shown = fleet.json(&["server", "show", "tuned"])["settings"].clone();
    let expected = json!({
        "era": "legacy", "share": "grant", "idle": "2m", "connect_timeout": "10s", "silence_timeout": "5m",
        "call_timeout": "1h", "max_in_flight": 1024, "max_processes": 4, "pinning": "first_sight", "quarantine": "hide",
    });
    assert_eq!(shown, expected);
    fleet.json(&["server", "edit", "tuned", "--idle", "3m"]);
    let edited = fleet.json(&["server", "show", "tuned"])["settings"].clone();
    assert_eq!(
        (&edited["idle"], &edited["call_timeout"], &edited["share"]),
        (&json!("3m"), &json!("1h"), &json!("grant"))
    );
    assert!(fleet.run(&["server", "show", "tuned"]).expect(0).stdout.contains("call_timeout"));
}

/// What version 0.1.0 left in a data directory: a server with a policy and a grant, and the hash of the credential.
fn left_by_an_earlier_version(data: &Path, grant: &str, admin: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(data.join("keys")).unwrap();
    std::fs::create_dir_all(data.join("policies/pare/default")).unwrap();
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(data.join("keys/token.key"), hex::encode([7; 32])).unwrap();
    std::fs::write(data.join("policies/pare/default/1.json"), DENY).unwrap();
    std::fs::write(data.join("policies/pare/default/2.json"), ALLOW).unwrap();
    let hash = |token: &str| blake3::keyed_hash(&[7; 32], token.as_bytes()).to_hex().to_string();
    let version = |number: u32, text: &str| json!({ "version": number, "at": 1_700_000_000_000_i64, "digest": blake3::hash(text.as_bytes()).to_hex().to_string() });
    let server = json!({
        "uuid": "5f0c1d0e-7a52-4f6e-9a57-0d5f3c1b2a49",
        "target": {
            "command": env!("CARGO_BIN_EXE_callgate"), "args": ["fixture", "--tools", "pare-docker"],
            "env": { "SECRET": "upstream-secret" }, "env_from": [],
        },
        "settings": { "idle": "2m" },
        "policies": { "default": { "versions": [version(1, DENY), version(2, ALLOW)] } },
        "grants": { "g_0123456789abcdef": {
            "label": "laptop", "policy": "default", "tags": { "team": "a" }, "token": hash(grant), "created": 1,
        } },
    });
    let outbox = json!({
        "generation": 7, "at": 1, "who": "admin", "what": "server add", "object": "server/interrupted",
        "before": null, "after": null,
    });
    let state = json!({
        "format": 1, "generation": 7, "admin": hash(admin), "servers": { "pare": server }, "outbox": outbox,
    });
    std::fs::write(data.join("state.json"), state.to_string()).unwrap();
}

#[test]
fn what_an_earlier_version_left_is_taken_over_once() {
    let fleet = Fleet::new();
    let (grant, admin) = ("cg_an-earlier-token-that-is-long-enough", "cga_an-earlier-credential");
    left_by_an_earlier_version(&fleet.data(), grant, admin);
    let gateway = Gateway::start_seeing(&fleet.data(), &[], "was taken over");
    assert_eq!(status(&gateway, &json!(grant)), 200, "the grant opens the server as before");
    let history = fleet.json(&["policy", "history", "--server", "pare"]);
    assert_eq!(history.as_array().unwrap().len(), 2, "{history}");
    assert_eq!(fleet.json(&["server", "show", "pare"])["settings"]["idle"], json!("2m"));
    assert!(!fleet.data().join("admin.token").exists(), "the credential is the one that it was");
    let added = ["server", "add", "b", "--url", "http://127.0.0.1:9/"];
    ended(command(&fleet.data()).args(added).env("CALLGATE_TOKEN", admin)).expect(0);
    assert_eq!(gateway.stop(), 0);
    assert_eq!(files_with(&fleet.data().join("journal"), "server/interrupted").len(), 1);
    for name in ["state.json", "policies"] {
        assert!(!fleet.data().join(name).exists(), "{name} is put aside");
    }
    assert!(fleet.data().join("state.json.imported").exists());
    assert_eq!(files_with(&fleet.data(), "upstream-secret"), Vec::<std::path::PathBuf>::new(), "sealed, or gone");
    let again = Gateway::start(&fleet.data(), &[]);
    assert_eq!(status(&again, &json!(grant)), 200);
    assert_eq!(fleet.json(&["server", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_earlier_state_that_cannot_be_read_is_left_as_it_is() {
    for (change, words) in [("\"format\":1", "has format 2"), ("\"servers\":", "line 1, column")] {
        let fleet = Fleet::new();
        left_by_an_earlier_version(&fleet.data(), "cg_x", "cga_x");
        let path = fleet.data().join("state.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let other = if change == "\"servers\":" { "\"severs\":" } else { "\"format\":2" };
        std::fs::write(&path, text.replace(change, other)).unwrap();
        let refused = fleet.run(&["server", "list"]).expect(2);
        assert!(refused.stderr.contains("CG3012") && refused.stderr.contains(words), "{refused:?}");
        assert!(!refused.stderr.contains("upstream-secret"), "{refused:?}");
        assert!(path.exists());
    }
}
