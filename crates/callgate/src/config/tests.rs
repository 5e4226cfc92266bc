//! What configurations mean, and how the wrong ones are refused.

use super::*;

fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("callgate.toml");
    std::fs::write(&path, toml).unwrap();
    std::fs::write(directory.path().join("token"), "cg_file-token-that-is-long-enough-0123456789\n").unwrap();
    Config::load(Some(&path), &Environment::with(variables)).map_err(|mut failure| {
        failure.message = failure.message.replace(&directory.path().display().to_string(), "DIR");
        failure
    })
}

#[test]
fn everything_that_can_be_declared() {
    let config = load(
        r#"
        listen = "127.0.0.1:9000"
        public_url = "https://gate.example.com/"
        journal = { sync = "disk" }
        [servers.kernel]
        url = "https://mcp.example.com/mcp"
        headers = { Authorization = { env = "KERNEL" }, X-Plain = "yes" }
        policy = "kernel.json"
        [servers.pare]
        command = "npx"
        args = ["-y", "pare"]
        env = { MODE = "quiet" }
        env_from = ["HOME"]
        era = "legacy"
        share = "grant"
        idle = "2m"
        call_timeout = "1h"
        max_processes = 4
        quarantine = "show"
        [[grants]]
        label = "laptop"
        server = "kernel"
        token_file = "token"
        "#,
        &[("KERNEL", "Bearer upstream-secret"), ("CALLGATE_LISTEN", "127.0.0.1:9001")],
    )
    .unwrap();
    assert_eq!(config.listen.port(), 9001, "the environment stands over the file");
    assert_eq!(config.public_url.as_deref(), Some("https://gate.example.com"));
    assert!(config.journal_on_disk);
    let Target::Url { headers, .. } = &config.servers[0].target else { panic!("kernel is a URL") };
    assert_eq!(headers["Authorization"].reveal(), "Bearer upstream-secret");
    assert!(config.servers[0].policy.as_ref().unwrap().ends_with("kernel.json"));
    let Target::Command { command, args, .. } = &config.servers[1].target else { panic!("pare is a command") };
    assert_eq!((command.as_str(), args.len()), ("npx", 2));
    let settings = &config.servers[1].settings;
    let expected = serde_json::json!({
        "era": "legacy", "share": "grant", "idle": "2m", "connect_timeout": "10s", "silence_timeout": "5m",
        "call_timeout": "1h", "max_in_flight": 1024, "max_processes": 4, "pinning": "first_sight", "quarantine": "show",
    });
    assert_eq!(serde_json::to_value(settings.complete()).unwrap(), expected);
    assert_eq!(config.servers[0].settings, callgate_control::settings::Settings::default());
    assert_eq!(config.grants[0].token.reveal(), "cg_file-token-that-is-long-enough-0123456789");
    assert!(!format!("{config:?}").contains("file-token"), "grants don't print their tokens");
    assert!(!format!("{config:?}").contains("upstream-secret"), "targets don't print their headers");
}

#[test]
fn each_mistake_names_its_place_and_a_remedy() {
    for (toml, variables, code, message, remedy) in [
        ("lisen = \"x\"\n", vec![], "CG3002", "DIR/callgate.toml:1:1: unknown key `lisen`", "did you mean `listen`?"),
        (
            "[servers.a]\nurl = \"http://x/\"\npolcy = \"p\"\n",
            vec![],
            "CG3002",
            ":3:1: unknown key `polcy`",
            "`policy`",
        ),
        ("listen = \n", vec![], "CG3003", "DIR/callgate.toml:1:", "correct the file"),
        ("listen = \"here\"\n", vec![], "CG3003", "`listen`: `here` is no address", "127.0.0.1:7070"),
        ("insecure = \"yes\"\n", vec![], "CG3003", ":1:12: ", "correct"),
        ("tls_cert = \"c.pem\"\n", vec![], "CG3003", "`tls_cert`: it stands alone", "`tls_key`"),
        ("[servers.a]\n", vec![], "CG3003", "`servers.a`: it has neither", "add one"),
        ("[servers.a]\nurl = \"ftp://x\"\n", vec![], "CG3003", "`servers.a.url`: `ftp://x`", "https://"),
        ("[servers.callgate]\nurl = \"http://x/\"\n", vec![], "CG3003", "reserved", "another name"),
        (
            "[servers.a]\nurl = \"http://x/\"\ncwd = \"/\"\n",
            vec![],
            "CG3003",
            "`servers.a.cwd`: it is for commands",
            "remove",
        ),
        (
            "[servers.a]\nurl = \"http://x/\"\nshare = \"grant\"\n",
            vec![],
            "CG3003",
            "`servers.a.share`: it is for commands",
            "remove",
        ),
        ("[servers.a]\ncommand = \"x\"\nera = \"new\"\n", vec![], "CG3003", "`servers.a.era`: `new`", "`modern`"),
        ("[servers.a]\ncommand = \"x\"\nidle = \"0s\"\n", vec![], "CG3003", "`servers.a.idle`: `0s`", "`15m`"),
        (
            "[servers.a]\ncommand = \"x\"\nmax_in_flight = 0\n",
            vec![],
            "CG3003",
            "`servers.a.max_in_flight`: 0",
            "1 or more",
        ),
        (
            "[servers.a]\nurl = \"http://x/\"\nheaders = { A = { env = \"NOT_SET\" } }\n",
            vec![],
            "CG3003",
            "`servers.a.headers.A`: the environment variable `NOT_SET` is unset",
            "set it",
        ),
        (
            "[[grants]]\nlabel = \"l\"\nserver = \"a\"\n",
            vec![],
            "CG3003",
            "`grants[0]`: it needs one of",
            "don't stand",
        ),
        (
            "[[grants]]\nlabel = \"l\"\nserver = \"a\"\ntoken_env = \"T\"\n",
            vec![("T", "short")],
            "CG3003",
            "`grants[0]`: the token",
            "openssl rand",
        ),
        (
            "[journal]\nsync = \"never\"\n",
            vec![],
            "CG3003",
            "`journal.sync`: `never` is unknown",
            "`process` or `disk`",
        ),
        ("", vec![("CALLGATE_LISTN", "x")], "CG3004", "`CALLGATE_LISTN` is unknown", "`CALLGATE_LISTEN`"),
        ("", vec![("CALLGATE_INSECURE", "maybe")], "CG3004", "`CALLGATE_INSECURE` is `maybe`", "`true` or `false`"),
    ] {
        let failure = load(toml, &variables).expect_err(toml);
        assert_eq!(failure.code, code, "{toml}: {failure}");
        assert!(failure.message.contains(message), "{toml}: {failure}");
        assert!(failure.remedy.contains(remedy), "{toml}: {failure}");
    }
}

#[test]
fn a_cluster_may_set_variables_of_its_own() {
    load("", &[("CALLGATE_SERVICE_HOST", "10.0.0.1"), ("CALLGATE_PORT_7070_TCP", "tcp://10.0.0.1:7070")]).unwrap();
}

#[test]
fn a_missing_file_is_an_error_only_where_it_was_named() {
    let failure = Config::load(Some(Path::new("/nowhere/callgate.toml")), &Environment::default()).unwrap_err();
    assert_eq!(failure.code, "CG3001");
    assert!(Config::load(None, &Environment::default()).is_ok());
}
