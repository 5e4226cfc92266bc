//! A full run with a marked secret wherever one can be: none of them is in a database, a journal, a log, an answer, a
//! backup or a message, but where it is meant to be shown, once.
//!
//! What a server itself says is the server's: the answer that a client gets is the one that the server gave, and a
//! command's standard error is in the gateway's log. Both are left out here, for the secrets of that server alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests stop at the first surprise"
)]

#[path = "support/secret_run.rs"]
mod secret_run;
#[path = "support/secrets.rs"]
mod secrets;

use rustix::process::Signal;
use secret_run::{Run, Up, echo, last_link, url_encoded, verdict};
use secrets::{Needle, files};
use serde_json::{Value, json};
use testkit::Postgres;

/// Lets everything pass but what is written into the fields of a page.
const ALLOW: &str = r#"{"version":"1","default":"allow","tools":{
    "type_text":{"deny_if":[{"conditions":[{"path":"args.text","op":"regex","value":"."}]}]},
    "submit_form":{"approve_if":[{"conditions":[{"path":"args.text","op":"regex","value":"."}]}]}}}"#;
const MODERN: &str = "2026-07-28";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn no_secret_is_left_anywhere_with_sqlite() {
    let mut run = Run::new(None);
    full(&mut run);
    for place in ["running/callgate.db", "running/callgate.db-wal", "stopped/callgate.db"] {
        assert!(run.said.iter().any(|(name, _)| name == place), "{place} was not looked at");
    }
    verdict(&run);
}

#[test]
fn no_secret_is_left_anywhere_with_postgresql() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.database().unwrap();
    // A password that this server does not ask for, and that is one all the same.
    let password = secrets::marked("password of the database").replace(['+', '/', '='], "");
    let mut run = Run::new(Some(url.replacen("postgres@", &format!("postgres:{password}@"), 1)));
    run.needles.push(Needle::new("password of the database", &password));
    full(&mut run);
    let tables = postgres.sql(&url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'").unwrap();
    assert!(tables.lines().any(|table| table == "servers"), "{tables}");
    for table in tables.lines() {
        let dump = postgres.sql(&url, &format!("COPY \"{table}\" TO STDOUT")).unwrap();
        run.said.push((format!("the table `{table}`"), dump.into_bytes()));
    }
    verdict(&run);
}

/// Everything that can hold a secret, on one data directory.
fn full(run: &mut Run) {
    let declared = run.secret("header of a declared server");
    let given = format!("cg_{}", run.secret("token of a declared grant"));
    run.write("declared", &format!("Bearer {declared}"));
    run.write("given", &given);
    run.write("policy.json", ALLOW);
    let configuration = format!(
        "[servers.declared]\nurl = \"{}\"\nheaders = {{ Authorization = {{ file = \"declared\" }} }}\npolicy = \
         \"policy.json\"\n[[grants]]\nlabel = \"given\"\nserver = \"declared\"\ntoken_file = \"given\"\n",
        echo()
    );
    let configuration = match run.command(&[]).get_envs().find(|(name, _)| *name == "DATABASE_URL").unwrap().1 {
        Some(url) => format!("database_url = \"{}\"\n{configuration}", url.to_str().unwrap()),
        None => configuration,
    };
    run.write("callgate.toml", &configuration);
    let up = run.up(&["--config", "callgate.toml"]);
    let admin = std::fs::read_to_string(run.path("data/admin.token")).unwrap().trim().to_owned();
    run.needles.push(Needle::new("admin.token", &admin).allowed("/admin.token"));

    servers(run, &up);
    let (token, files_token) = grants(run, &up, &admin);
    people(run, &up, &admin);
    refused(run, &up, &admin, &token);
    calls(run, &up, &[&token, &given]);
    judged(run, &up, &files_token);
    look(run, &up, &admin);
    broken_configuration(run, &up, &configuration);
    files(&run.path("data"), "running", &mut run.said);
    let log = up.stop();
    run.said.push(("the gateway's log".to_owned(), log));
    let link = last_link(run);
    run.shown("the first link", &link);
    messages(run);
    keys(run);
    files(&run.path("data"), "stopped", &mut run.said);
    for backup in ["with.tar", "without.tar"] {
        let mut kept = Vec::new();
        let path = run.path("backups").join(backup);
        std::fs::create_dir_all(run.path("backups")).unwrap();
        std::fs::rename(run.path(backup), path).unwrap();
        files(&run.path("backups"), "backup", &mut kept);
        run.said.extend(kept);
    }
}

fn servers(run: &mut Run, up: &Up) {
    let (first, key) = (run.secret("upstream header"), run.secret("second upstream header"));
    let header = format!("Authorization: Bearer {first}");
    let url = echo();
    run.run(&["server", "add", "web", "--url", &url, "--header", &header, "--header", &format!("X-Key: {key}")], 0);
    let replaced = run.secret("replaced upstream header");
    run.run(&["server", "credentials", "web", "--header", &format!("Authorization: Bearer {replaced}")], 0);

    let variable = crate::secrets::marked("variable of a command");
    run.needles.push(Needle::new("variable of a command", &variable).allowed("the gateway's log"));
    let script = format!("env >&2; exec '{}' fixture --tools kernel", env!("CARGO_BIN_EXE_callgate"));
    let variable = format!("KEY={variable}");
    run.run(&["server", "add", "files", "--env", &variable, "--env-from", "PATH", "--", "sh", "-c", &script], 0);
    let imported = run.secret("variable of an imported server");
    let client = json!({ "mcpServers": {
        "imported": { "command": "npx", "args": ["-y", "x"], "env": { "KEY": imported } },
        "unusable": { "command": 7, "env": { "KEY": imported }, "headers": { "Authorization": imported } },
    } });
    std::fs::create_dir(run.path("home/.cursor")).unwrap();
    run.write("home/.cursor/mcp.json", &client.to_string());
    run.run(&["server", "import", "cursor", "--dry-run"], 0);
    run.run(&["server", "import", "cursor"], 0);
    for server in ["web", "files", "imported"] {
        run.run(&["policy", "publish", "policy.json", "--server", server], 0);
    }
    run.run(&["connect", "cursor", "--dry-run"], 0);
    run.run(&["connect", "cursor"], 0);
    run.run(&["server", "list", "--json"], 0);
    let before = run.said.len();
    for server in ["web", "web", "declared"] {
        run.run(&["server", "tools", server], 2);
    }
    let said = run.said[before..].iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect::<String>();
    assert!(said.contains("CG3"), "the servers refuse: {said}");
    run.run(&["server", "tools", "files"], 0);
    assert!(up.address.port() > 0);
}

/// Tokens that are in force, of `web` and of `files`.
fn grants(run: &mut Run, up: &Up, admin: &str) -> (String, String) {
    let _first = run.reveal(&["grant", "mint", "--server", "web", "--label", "laptop"], "cg_");
    let token = run.reveal(&["grant", "rotate", "laptop", "--overlap", "1h"], "cg_");
    let files = run.reveal(&["grant", "mint", "--server", "files", "--label", "files"], "cg_");
    run.reveal(&["token", "create", "--label", "ci", "--role", "viewer"], "cga_");
    let bearer = format!("Bearer {admin}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "one-and-the-same")];
    let body = r#"{"server":"web","label":"again"}"#;
    let once = run.ask(up, "POST /api/v1/grants", &headers, body);
    assert_eq!(once.status, 201, "{}", once.text());
    let minted = serde_json::from_slice::<Value>(&once.body).unwrap()["token"].as_str().unwrap().to_owned();
    run.shown("a token that is asked for twice", &minted);
    let again = run.ask(up, "POST /api/v1/grants", &headers, body);
    assert_eq!((again.status, &again.body), (201, &once.body));
    run.shown("a token that is asked for twice, again", &minted);
    run.ask(up, "POST /api/v1/grants", &headers, r#"{"server":"web","label":"other"}"#);
    let desired = run.secret("token of an applied grant");
    let header = run.secret("header of an applied server");
    let apply = json!({ "dry_run": true,
        "servers": [{ "name": "web", "target": { "url": "http://127.0.0.1:9/mcp", "headers": { "X-Key": header } } }],
        "grants": [{ "server": "web", "label": "desired", "token": format!("cg_{desired}") }] });
    let bearer = [("authorization", bearer.as_str())];
    for dry_run in [true, false] {
        let mut apply = apply.clone();
        apply["dry_run"] = json!(dry_run);
        let applied = run.ask(up, "POST /api/v1/apply", &bearer, &apply.to_string());
        assert_eq!(applied.status, 200, "{}", applied.text());
    }
    (token, files)
}

fn people(run: &mut Run, up: &Up, admin: &str) {
    let link = run.reveal(&["member", "add", "ada@example.com", "--role", "admin"], "cgl_");
    let unused = run.reveal(&["member", "link", "admin"], "cgl_");
    assert_ne!(link, unused);
    let cookie_of = |headers: &[(String, String)]| {
        let cookie = headers.iter().find(|(name, _)| name == "set-cookie").unwrap().1.clone();
        cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned()
    };
    let signed = run.ask(up, "POST /api/v1/sessions", &[], &json!({ "link": link }).to_string());
    assert_eq!(signed.status, 201, "{}", signed.text());
    let session = cookie_of(&signed.headers);
    let csrf = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["csrf"].as_str().unwrap().to_owned();
    let token = csrf(&signed.body);
    run.shown("a CSRF token", &token);
    run.shown("a session", &session);
    let used = run.ask(up, "POST /api/v1/sessions", &[], &json!({ "link": link }).to_string());
    assert_eq!(used.status, 401);

    let (password, next) = (run.secret("password of a member"), run.secret("next password of a member"));
    let cookie = format!("callgate={session}");
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
    let wrong = run.secret("CSRF token that is wrong");
    for (headers, body, status) in [
        ([headers[0], ("x-csrf-token", wrong.as_str())], json!({ "new": password }), 403),
        (headers, json!({ "new": password }), 204),
        (headers, json!({ "old": next, "new": next }), 403),
        (headers, json!({ "old": password, "new": next }), 204),
    ] {
        let answer = run.ask(up, "PUT /api/v1/session/password", &headers, &body.to_string());
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let by_password = json!({ "login": "ada@example.com", "password": next, "as": "token" }).to_string();
    let signed = run.ask(up, "POST /api/v1/sessions", &[], &by_password);
    let signed: Value = serde_json::from_slice(&signed.body).unwrap();
    run.shown("a session as a token", signed["token"].as_str().unwrap());
    run.shown("its CSRF token", signed["csrf"].as_str().unwrap());
    let form = ("content-type", "application/x-www-form-urlencoded");
    let typed = run.secret("password that is typed wrong");
    let fields: String = url_encoded(&[("login", "ada@example.com"), ("password", &typed)]);
    assert_eq!(run.ask(up, "POST /sign-in", &[form], &fields).status, 401);
    let given = run.secret("password that an admin gives");
    let bearer = format!("Bearer {admin}");
    let patch = [("authorization", bearer.as_str()), ("if-match", "*")];
    let body = json!({ "password": given }).to_string();
    assert_eq!(run.ask(up, "PATCH /api/v1/members/ada@example.com", &patch, &body).status, 200);
    run.write("password", &given);
    run.run(&["login", "ada@example.com", "--password-file", "password"], 0);
    run.run(&["member", "list", "--json"], 0);
    run.run(&["logout"], 0);
}

/// Requests that fail, with a secret in each.
fn refused(run: &mut Run, up: &Up, admin: &str, token: &str) {
    let secret = run.secret("secret in a request that fails");
    let short = &secret[5..16];
    run.needles.push(Needle::new("password that is too short", short));
    let bearer = format!("Bearer {admin}");
    let quoted = Value::from(secret.as_str()).to_string();
    let long = format!("{{\"login\":\"admin\",\"password\":\"{}\"}}", secret.repeat(400));
    let url = "http://127.0.0.1:9/mcp";
    for (request, body) in [
        ("POST /api/v1/servers", format!(r#"{{"name":"x","target":{{"url":"{url}","headers":{quoted}}}}}"#)),
        ("POST /api/v1/servers", format!(r#"{{"name":"x","target":{{"url":"{url}","headers":[{quoted}]}}}}"#)),
        ("POST /api/v1/servers", format!(r#"{{"name":"x","target":{{"url":"{url}","headers":{{"A":[{quoted}]}}}}}}"#)),
        ("POST /api/v1/servers", format!(r#"{{"name":"x","target":{{"url":"{url}","headers":{{"A b":{quoted}}}}}}}"#)),
        (
            "POST /api/v1/servers",
            format!(r#"{{"name":"x","target":{{"url":"{url}","headers":{{"A":"{secret}\n"}}}}}}"#),
        ),
        ("POST /api/v1/servers", format!(r#"{{"name":"x","target":{{"url":"{url}","headers":{{"A":{quoted}"#)),
        (
            "POST /api/v1/servers",
            format!(r#"{{"name":"x","name":"x","target":{{"url":"{url}","headers":{{"A":{quoted}}}}}}}"#),
        ),
        ("POST /api/v1/servers", format!(r#"{{"name":"x y","target":{{"url":"{url}","headers":{{"A":{quoted}}}}}}}"#)),
        ("POST /api/v1/servers", format!(r#"{{"name":"web","target":{{"url":"{url}","headers":{{"A":{quoted}}}}}}}"#)),
        ("POST /api/v1/servers", format!(r#"{{"name":"x","target":{{"command":"x","env":{{"A=B":{quoted}}}}}}}"#)),
        (
            "POST /api/v1/servers",
            format!(r#"{{"name":"x","target":{{"command":"x","env":{{"A":"{secret}\u0000"}}}}}}"#),
        ),
        ("POST /api/v1/servers", format!(r#"{{"name":"x","target":{{"command":"x","headers":{{"A":{quoted}}}}}}}"#)),
        ("PUT /api/v1/servers/web/credentials", format!(r#"{{"env":{{"A":{quoted}}}}}"#)),
        ("PUT /api/v1/servers/web/credentials", format!(r#"{{"headers":{{"A":7,"B":{quoted}}}}}"#)),
        ("PUT /api/v1/servers/declared/credentials", format!(r#"{{"headers":{{"A":{quoted}}}}}"#)),
        ("PUT /api/v1/servers/nobody/credentials", format!(r#"{{"headers":{{"A":{quoted}}}}}"#)),
        ("PATCH /api/v1/members/ada@example.com", format!(r#"{{"password":"{short}"}}"#)),
        ("PATCH /api/v1/members/ada@example.com", format!(r#"{{"password":[{quoted}]}}"#)),
        ("POST /api/v1/sessions", format!(r#"{{"login":"admin","password":{quoted}}}"#)),
        ("POST /api/v1/sessions", format!(r#"{{"login":"admin","password":[{quoted}]}}"#)),
        ("POST /api/v1/sessions", format!(r#"{{"login":"admin","password":{{"x":{quoted}}}}}"#)),
        ("POST /api/v1/sessions", format!(r#"{{"login":"admin","pasword":{quoted}}}"#)),
        ("POST /api/v1/sessions", format!(r#"{{"link":{quoted}}}"#)),
        ("POST /api/v1/sessions", format!(r#"{{"link":{quoted},"as":{quoted}}}"#)),
        ("POST /api/v1/sessions", long),
        ("POST /api/v1/apply", format!(r#"{{"grants":[{{"server":"web","label":"x","token":[{quoted}]}}]}}"#)),
        ("POST /api/v1/apply", format!(r#"{{"grants":[{{"server":"web","label":"x","token":"{short}"}}]}}"#)),
        ("POST /api/v1/apply", format!(r#"{{"grants":[{{"server":"web","label":"x","token":"{token}"}}]}}"#)),
        (
            "POST /api/v1/apply",
            format!(r#"{{"servers":[{{"name":"x","target":{{"url":7,"headers":{{"A":{quoted}}}}}}}]}}"#),
        ),
    ] {
        let headers =
            [("authorization", bearer.as_str()), ("if-match", "*"), ("idempotency-key", &secret[5..30]), JSON];
        // Both: a request that is remembered takes another way.
        for headers in [&headers[..2], &headers] {
            let answer = run.ask(up, request, headers, &body);
            assert!((400..500).contains(&answer.status), "{request} {}", answer.text());
        }
    }
    for header in [("authorization", format!("Bearer cga_{secret}")), ("authorization", format!("Basic {secret}"))]
        .into_iter()
        .chain([("cookie", format!("callgate=cgs_{secret}")), ("callgate-organisation", secret.clone())])
    {
        let header = (header.0, header.1.as_str());
        assert_eq!(run.ask(up, "GET /api/v1/servers", &[header], "").status, 401);
        assert!(run.ask(up, "POST /mcp/web", &[header], "{}").status >= 400);
    }
    assert!(run.ask(up, &format!("POST /mcp/web?token={token}"), &[], "{}").status >= 400);
    assert!(run.ask(up, &format!("GET /api/v1/servers?token={token}"), &[], "").status >= 400);
    assert!(run.ask(up, &format!("GET /api/v1/grants/{token}"), &[("authorization", &bearer)], "").status >= 400);
}

/// Calls through the gateway. What the servers answer is theirs.
fn calls(run: &mut Run, up: &Up, tokens: &[&str]) {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let accept = ("accept", "application/json, text/event-stream");
    for (server, token) in ["web", "declared"].into_iter().zip(tokens) {
        for _ in 0..4 {
            let before = run.said.len();
            let bearer = format!("Bearer {token}");
            run.ask(up, &format!("POST /mcp/{server}"), &[("authorization", &bearer), accept], body);
            run.said.truncate(before);
        }
    }
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"exec_command","arguments":{}}}"#;
    let bearer = format!("Bearer {}", tokens[0]);
    let before = run.said.len();
    run.ask(up, "POST /mcp/web", &[("authorization", &bearer), accept], call);
    run.said.truncate(before);
}

/// Calls that a rule is against, and that a person is asked about, for what stands in an argument.
fn judged(run: &mut Run, up: &Up, token: &str) {
    let bearer = format!("Bearer {token}");
    for tool in ["type_text", "submit_form"] {
        let argument = run.secret(&format!("argument of {tool}"));
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {} });
        let params = json!({ "name": tool, "arguments": { "text": argument }, "_meta": meta });
        let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }).to_string();
        let before = run.said.len();
        let headers = [
            ("authorization", bearer.as_str()),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        let told = run.ask(up, "POST /mcp/files", &headers, &call);
        run.said.truncate(before);
        // Whoever called is told of the value that was in the way; nobody else is.
        assert!(told.text().contains(&argument[..20]), "{}", told.text());
    }
}

/// Everything that can be read, with its keys changed meanwhile.
fn look(run: &mut Run, up: &Up, admin: &str) {
    run.run(&["key", "rotate"], 0);
    run.run(&["backup", "with.tar"], 0);
    run.run(&["backup", "--without-keys", "without.tar"], 0);
    for command in [
        &["server", "list"][..],
        &["server", "show", "web"],
        &["server", "show", "files", "--json"],
        &["grant", "list", "--json"],
        &["token", "list"],
        &["member", "list"],
        &["organisation", "list"],
        &["log"],
        &["log", "--json"],
        &["journal", "verify"],
    ] {
        run.run(command, 0);
    }
    let bearer = format!("Bearer {admin}");
    let paths = "servers servers/web servers/files servers/declared servers/imported servers/web/policies policies grants \
                 members members/ada@example.com tokens session organisations decisions changes refusals \
                 export?format=jsonl export?format=ocsf openapi.json";
    for path in paths.split_whitespace() {
        let answer = run.ask(up, &format!("GET /api/v1/{path}"), &[("authorization", &bearer)], "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    assert_eq!(run.ask(up, "GET /metrics", &[], "").status, 200);
}

/// A configuration that can't be read is not repeated.
fn broken_configuration(run: &mut Run, up: &Up, good: &str) {
    let written = run.secret("header in a broken configuration");
    for broken in [
        format!("{good}[servers.b]\nurl = \"http://127.0.0.1:9/\"\nheaders = {{ A = \"{written}\" \n"),
        format!("{good}[servers.b]\nurl = \"http://127.0.0.1:9/\"\nheaders = [\"{written}\"]\n"),
        format!("{good}[servers.b]\nurl = \"http://127.0.0.1:9/\"\nheaders = {{ A = [\"{written}\"] }}\n"),
        format!("{good}[servers.b]\nurl = \"http://127.0.0.1:9/\"\nheaders = {{ A = \"{written}\\n\" }}\n"),
        format!("{good}[secrets]\nkey_file = [\"{written}\"]\n"),
    ] {
        run.write("callgate.toml", &broken);
        up.signal(Signal::HUP);
        up.line("stays in force");
    }
    run.write("callgate.toml", good);
}

/// What the process says about secrets that it can't use.
fn messages(run: &mut Run) {
    let keys = run.secret("keys that are none");
    let password = run.secret("password of a database that is not there").replace(['+', '/', '='], "");
    run.needles.push(Needle::new("password of a database that is not there", &password));
    run.write("keys.toml", "[secrets]\nkey_env = \"KEYS\"\n");
    let url = format!("postgres://u:{password}@127.0.0.1:1/x");
    run.write("database.toml", &format!("database_url = \"{url}\"\n"));
    for (file, variable) in [("keys.toml", keys.as_str()), ("keys.toml", &format!("1:{keys}")), ("database.toml", "")] {
        let data = run.path("elsewhere");
        let arguments = ["up", "--config", file, "--listen", "127.0.0.1:0"];
        let mut command = run.command(&arguments);
        command.env("KEYS", variable).env("CALLGATE_DATA", &data).env_remove("DATABASE_URL");
        run.ended(command, &arguments, 2);
        files(&data, "elsewhere", &mut run.said);
    }
    let wrong = run.secret("token of a command");
    let mut command = run.command(&["member", "list"]);
    command.env("CALLGATE_TOKEN", format!("cga_{wrong}"));
    run.ended(command, &["member", "list"], 1);
}

/// The keys themselves are secrets, too, wherever they aren't kept.
fn keys(run: &mut Run) {
    let mut all = Vec::new();
    files(&run.path("data"), "", &mut all);
    let mut found = 0;
    for (name, bytes) in all.into_iter().filter(|(name, _)| name.ends_with(".key")) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for line in text.lines().filter(|line| line.len() >= 32) {
            let key = line.rsplit(':').next().unwrap();
            let inside = format!("with.tar!{}", name.trim_start_matches('/'));
            run.needles.push(Needle::new(&name, key).allowed(&name).allowed(&inside).allowed("/with.tar"));
            found += 1;
        }
    }
    assert!(found >= 4, "token, arguments, secrets twice");
}
