//! The first sign-in, members, tokens and organisations, through the command line.
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
use std::path::{Path, PathBuf};
use std::process::Command;

/// Somebody with a home of their own, at one data directory.
struct Person {
    home: PathBuf,
    data: PathBuf,
}

impl Person {
    fn new(folder: &Path, name: &str) -> Self {
        Self { home: folder.join(name), data: folder.join("data") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.data);
        command.args(arguments).env("HOME", &self.home).env_remove("XDG_CONFIG_HOME");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect(0).json()
    }
}

#[test]
fn the_first_link_signs_the_admin_in_once_and_roles_hold_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Person::new(folder.path(), "admin");
    let (bob, script) = (Person::new(folder.path(), "bob"), Person::new(folder.path(), "script"));
    let gateway = Gateway::start_seeing(&admin.data, &[], "sign in as `admin`");
    let link = gateway.seen.rsplit(' ').next().unwrap().to_owned();
    assert!(link.starts_with(&format!("{}/sign-in?link=cgl_", gateway.url)), "{link}");
    // From here on nothing but what somebody signed in with counts.
    std::fs::remove_file(admin.data.join("admin.token")).unwrap();
    let without = bob.run(&["server", "add", "a", "--url", "http://127.0.0.1:9/"]).expect(1);
    assert!(without.stderr.contains("CG3030"), "{without:?}");

    assert_eq!(admin.json(&["login", "--link", &link])["login"], json!("admin"));
    let again = bob.run(&["login", "--link", &link]).expect(1);
    assert!(again.stderr.contains("CG3151"), "a link is good for one sign-in: {again:?}");
    admin.run(&["server", "add", "a", "--url", "http://127.0.0.1:9/"]).expect(0);
    admin.run(&["server", "add", "b", "--url", "http://127.0.0.1:9/"]).expect(0);

    let added = admin.json(&["member", "add", "Bob@example.com", "--role", "viewer", "--server", "a"]);
    assert_eq!(added["login"], json!("bob@example.com"));
    let secret = added["link"]["secret"].as_str().unwrap();
    bob.run(&["login", "--link", secret]).expect(0);
    let visible = bob.json(&["server", "list"]);
    assert_eq!(visible.as_array().unwrap().len(), 1, "bob has a role for one server: {visible}");
    assert_eq!(visible[0]["name"], json!("a"));
    for (arguments, code) in [
        (vec!["server", "show", "b"], "CG3041"),
        (vec!["server", "remove", "a"], "CG3110"),
        (vec!["grant", "mint", "--server", "a", "--label", "x"], "CG3110"),
        (vec!["member", "list"], "CG3110"),
    ] {
        let refused = bob.run(&arguments);
        assert!(refused.code != 0 && refused.stderr.contains(code), "{arguments:?}: {refused:?}");
    }

    admin.run(&["member", "role", "bob@example.com", "policy_manager"]).expect(0);
    std::fs::write(folder.path().join("deny.json"), r#"{"version":"1","default":"deny"}"#).unwrap();
    bob.run(&["policy", "publish", "deny.json", "--server", "b"]).expect(0);
    let history = admin.json(&["policy", "history", "--server", "b"]);
    assert_eq!(history[0]["by"], json!("member:bob@example.com"));
    admin.run(&["member", "role", "bob@example.com", "--none"]).expect(0);
    bob.run(&["policy", "publish", "deny.json", "--server", "b", "--name", "other"]).expect(1);

    let made = admin.json(&["token", "create", "--label", "ci", "--role", "viewer", "--expires", "1d"]);
    let token = made["token"].as_str().unwrap();
    let listed = ended(script.command(&["server", "list", "--json"]).env("CALLGATE_TOKEN", token)).expect(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let whole = admin.run(&["token", "create", "--label", "all", "--role", "admin", "--instance"]).expect(1);
    assert!(whole.stderr.contains("CG3157"), "{whole:?}");
    admin.run(&["token", "revoke", "ci"]).expect(0);
    let revoked = ended(script.command(&["server", "list"]).env("CALLGATE_TOKEN", token)).expect(1);
    assert!(revoked.stderr.contains("CG3031") && !revoked.stderr.contains(token), "{revoked:?}");

    admin.run(&["member", "remove", "bob@example.com"]).expect(0);
    bob.run(&["server", "list"]).expect(1);
    admin.run(&["logout"]).expect(0);
    admin.run(&["member", "list"]).expect(1);
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn a_password_signs_in_from_elsewhere_and_organisations_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let operator = Person::new(folder.path(), "operator");
    let gateway = Gateway::start(&operator.data, &[]);
    operator.run(&["server", "add", "a", "--url", "http://127.0.0.1:9/"]).expect(0);
    let made = operator.json(&["organisation", "add", "research", "--admin", "ada"]);
    let names = operator.json(&["organisation", "list"]);
    assert_eq!(names.as_array().unwrap().len(), 2, "{names}");

    // Ada has no data directory: the gateway is elsewhere for her.
    let ada = Person { home: folder.path().join("ada"), data: folder.path().join("nowhere") };
    let run = |arguments: &[&str]| ended(ada.command(arguments).env_remove("CALLGATE_DATA"));
    let link = made["link"]["url"].as_str().unwrap();
    run(&["login", "--link", link, "--url", &gateway.url]).expect(0);
    let servers = run(&["server", "list", "--json"]).expect(0).json();
    assert_eq!(servers, json!([]), "what another organisation has is not there");
    run(&["server", "add", "a", "--url", "http://127.0.0.1:9/"]).expect(0);
    assert!(run(&["server", "show", "b"]).expect(2).stderr.contains("CG3041"));
    let refused = run(&["organisation", "list"]).expect(1);
    assert!(refused.stderr.contains("CG3110"), "{refused:?}");
    assert_eq!(operator.json(&["server", "list"]).as_array().unwrap().len(), 1);
    run(&["logout"]).expect(0);

    std::fs::write(folder.path().join("password"), "not the right one\n").unwrap();
    let file = folder.path().join("password");
    let wrong = ["login", "ada", "--organisation", "research", "--password-file", file.to_str().unwrap(), "--url"];
    let wrong = run(&[&wrong[..], &[&gateway.url]].concat()).expect(1);
    assert!(wrong.stderr.contains("CG3151") && !wrong.stderr.contains("not the right"), "{wrong:?}");
    let silent = run(&["login", "ada", "--url", &gateway.url]).expect(2);
    assert!(silent.stderr.contains("CG3164"), "nothing is asked without a terminal: {silent:?}");
    let clear = run(&["login", "ada", "--url", "http://gate.example.com"]).expect(2);
    assert!(clear.stderr.contains("CG3160"), "{clear:?}");
    assert_eq!(gateway.stop(), 0);
}
