//! Ways past a gateway, as raw bytes against the real binary: each is refused and journalled, and nothing reaches the
//! server.
#![allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::{Connection, Fixture, Gateway, Response, Session, Stage, journal};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const POLICY: &str = r#"{ "version": "1", "default": "deny", "tools": { "exec_command": {} } }"#;
/// Stands in every attack; no line of the server's log may hold it.
const MARK: &str = "marked-7f3a";
/// A call that is let through: what stands around it is what makes it an attack.
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exec_command","arguments":{"session_id":"s","command":"marked-7f3a"}}}"#;
const MODERN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exec_command","arguments":{"session_id":"s","command":"marked-7f3a"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// Where a refusal is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// In the chain: the grant is known.
    Chain,
    /// Apart, counted per source and reason: no grant is known.
    Apart,
    /// In one of the two.
    Either,
    /// Nowhere: it is no HTTP, and the connection ends.
    Nowhere,
}

/// A request in the making.
#[derive(Debug, Clone)]
struct Attack {
    name: &'static str,
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    written: Written,
    /// Whether the client says that nothing more will come.
    ends: bool,
}

struct Scene {
    stage: Stage,
    session: String,
    /// A session of another grant for the same server.
    other_session: String,
}

impl Scene {
    fn set() -> Result<Self> {
        let stage = Stage::set(BINARY, "kernel", POLICY)?;
        let session = stage.session()?.id().context("a session")?.to_owned();
        let other = stage.callgate.mint("fixture", "other")?;
        let opened = Session::open(stage.gateway.address, &Gateway::path("fixture"), Some(&other.token))?;
        let other_session = opened.id().context("a session")?.to_owned();
        stage.callgate.add_url("second", &stage.fixture.url())?;
        stage.callgate.publish("second", POLICY)?;
        Ok(Self { stage, session, other_session })
    }

    fn header(&self, name: &str) -> (String, String) {
        let value = match name {
            "authorization" => format!("Bearer {}", self.stage.grant.token),
            "mcp-session-id" => self.session.clone(),
            "mcp-protocol-version" => "2025-11-25".to_owned(),
            "accept" => "application/json, text/event-stream".to_owned(),
            _ => "application/json".to_owned(),
        };
        (name.to_owned(), value)
    }

    /// A legacy call that would be let through, with this body.
    fn legacy(&self, name: &'static str, body: impl Into<Vec<u8>>) -> Attack {
        let headers = ["authorization", "content-type", "accept", "mcp-session-id", "mcp-protocol-version"];
        Attack {
            name,
            line: "POST /mcp/fixture HTTP/1.1".to_owned(),
            headers: headers.map(|name| self.header(name)).to_vec(),
            body: body.into(),
            written: Written::Chain,
            ends: false,
        }
    }

    /// A modern call that would be let through.
    fn modern(&self, name: &'static str) -> Attack {
        let attack = self.legacy(name, MODERN).without("mcp-session-id").with("mcp-protocol-version", "2026-07-28");
        attack.with("mcp-method", "tools/call").with("mcp-name", "exec_command")
    }

    fn send(&self, attack: &Attack) -> Result<Option<Response>> {
        let Some(mut connection) = self.write(attack)? else { return Ok(None) };
        Ok(connection.response().ok())
    }

    /// Sends an attack; nothing where the gateway closes before it has read everything.
    fn write(&self, attack: &Attack) -> Result<Option<Connection>> {
        let mut head = format!("{}\r\n", attack.line);
        for (name, value) in &attack.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !attack.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            let _ = write!(head, "host: {}\r\n", self.stage.gateway.address);
        }
        let is_framed =
            |name: &str| ["content-length", "transfer-encoding"].contains(&name.trim().to_lowercase().as_str());
        if !attack.headers.iter().any(|(name, _)| is_framed(name)) {
            let _ = write!(head, "content-length: {}\r\n", attack.body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&attack.body);
        let mut connection = Connection::open(self.stage.gateway.address)?;
        if connection.send(&bytes).is_err() {
            return Ok(None);
        }
        if attack.ends {
            connection.finish()?;
        }
        Ok(Some(connection))
    }

    /// Sends every attack, then ends the gateway and looks at what was written down.
    fn run(mut self, attacks: &[Attack]) -> Result<()> {
        for attack in attacks {
            let response = self.send(attack)?;
            println!("{}: {}", attack.name, response.as_ref().map_or("closed".to_owned(), summary));
            assert!(is_refusal(response.as_ref()), "{}: {response:?}", attack.name);
            let text = self.stage.fixture.messages()?.iter().map(Value::to_string).collect::<String>();
            assert!(!text.contains(MARK), "{} reached the server", attack.name);
        }
        self.still_serves()?;
        let status = self.stage.gateway.process.stop()?;
        assert!(status.success(), "the gateway ends in order: {status}");
        self.stage.callgate.run(["journal", "verify"])?;

        let chained = self.chained()?;
        let apart = self.apart()?;
        let wanted = |written: Written| attacks.iter().filter(|attack| attack.written == written).count();
        let names: Vec<&str> = attacks.iter().map(|attack| attack.name).collect();
        assert!(chained.len() >= wanted(Written::Chain), "not all of {names:?} are journalled: {chained:#?}");
        assert!(apart >= wanted(Written::Apart) as u64, "{apart} of {names:?} are noted");
        let all = wanted(Written::Chain) + wanted(Written::Apart) + wanted(Written::Either);
        assert!(chained.len() as u64 + apart >= all as u64, "{names:?}: {chained:#?}, {apart}");
        Ok(())
    }

    /// The refusals in the chain, one line each.
    fn chained(&self) -> Result<Vec<String>> {
        let records = journal::records(self.stage.callgate.data())?.into_iter();
        let is_refusal = |record: &journal::Record| {
            record.kind == "refused" || (record.kind == "decision" && record.body["outcome"] == "deny")
        };
        Ok(records.filter(is_refusal).map(|record| format!("{} {}", record.kind, record.body)).collect())
    }

    /// How many were refused without a grant: the last count of each source and reason.
    fn apart(&self) -> Result<u64> {
        let file = self.stage.callgate.data().join("journal/refused.log");
        let mut counts = BTreeMap::new();
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            let entry: Value = serde_json::from_str(line)?;
            let key = (entry["source"].to_string(), entry["reason"].to_string());
            counts.insert(key, entry["count"].as_u64().context("a count")?);
        }
        Ok(counts.values().sum())
    }

    fn still_serves(&self) -> Result<()> {
        let before = self.stage.fixture.calls()?.len();
        let fine = CALL.replace(MARK, "ls");
        let response = self.send(&self.legacy("a fine call", fine))?.context("the gateway still answers")?;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(self.stage.fixture.calls()?.len(), before + 1, "{}", response.text());
        Ok(())
    }
}

impl Attack {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self.plus(name, value)
    }

    /// Adds a header even where there is one of that name.
    fn plus(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    fn line(mut self, line: &str) -> Self {
        self.line = line.to_owned();
        self
    }

    fn ends(mut self) -> Self {
        self.ends = true;
        self
    }

    fn written(mut self, written: Written) -> Self {
        self.written = written;
        self
    }
}

/// Whether an answer says no: an HTTP error, a JSON-RPC error, an `isError` result, or no answer at all.
fn is_refusal(response: Option<&Response>) -> bool {
    let Some(response) = response else { return true };
    let answers: Vec<Value> =
        response.messages().iter().filter_map(|message| serde_json::from_slice(message).ok()).collect();
    let says_no = |answer: &Value| answer["error"].is_object() || answer["result"]["isError"] == true;
    response.status >= 400 || (!answers.is_empty() && answers.iter().all(says_no))
}

/// Status and text in one line, for whoever reads the output of a failed run.
fn summary(response: &Response) -> String {
    format!("{} {}", response.status, response.text().replace('\n', " "))
}

/// The call with its `params` written by hand.
fn params(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
}

fn arguments(arguments: &str) -> String {
    params(&format!(r#"{{"name":"exec_command","arguments":{arguments}}}"#))
}

#[test]
fn the_plain_calls_are_let_through() -> Result<()> {
    let scene = Scene::set()?;
    for attack in [scene.legacy("legacy", CALL), scene.modern("modern")] {
        let response = scene.send(&attack)?.context("no answer")?;
        assert!(!is_refusal(Some(&response)), "{}: {}", attack.name, response.text());
    }
    assert_eq!(scene.stage.fixture.calls()?.len(), 2, "otherwise the tables below prove nothing");
    Ok(())
}

#[test]
fn json_that_two_readers_read_differently() -> Result<()> {
    let scene = Scene::set()?;
    let utf16: Vec<u8> = CALL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let tilde = CALL.replace("marked-7f3a", "marked-7f3a~");
    let invalid = tilde.bytes().map(|byte| if byte == b'~' { 0xff } else { byte });
    let nul = CALL.replace("marked-7f3a", "marked-7f3a\u{0}");
    let two = r#"{"name":"exec_command","name":"manage_apps","arguments":{"command":"marked-7f3a"}}"#;
    let escaped = r#"{"name":"exec_command","n\u0061me":"manage_apps","arguments":{"command":"marked-7f3a"}}"#;
    let twice = r#"{"name":"exec_command","arguments":{"command":"ls"},"arguments":{"command":"marked-7f3a"}}"#;
    let cases: Vec<(&'static str, Vec<u8>)> = vec![
        ("duplicate name", params(two).into()),
        ("duplicate name, escaped", params(escaped).into()),
        ("duplicate arguments", params(twice).into()),
        ("duplicate method", CALL.replacen("\"id\":1", "\"id\":1,\"method\":\"tools/list\"", 1).into()),
        ("duplicate id", CALL.replacen("\"id\":1", "\"id\":1,\"id\":2", 1).into()),
        ("duplicate params", CALL.replacen("\"id\":1", "\"id\":1,\"params\":{}", 1).into()),
        ("duplicate key in arguments", arguments(r#"{"command":"ls","command":"marked-7f3a"}"#).into()),
        ("duplicate key deep in arguments", arguments(r#"{"a":[{"b":1,"\u0062":"marked-7f3a"}]}"#).into()),
        ("batch of one", format!("[{CALL}]").into()),
        ("batch of two", format!("[{CALL},{CALL}]").into()),
        ("empty batch", "[]".into()),
        ("byte order mark", format!("\u{feff}{CALL}").into()),
        ("UTF-16", utf16),
        ("invalid UTF-8", invalid.collect()),
        ("NUL in a string", nul.into()),
        ("NUL before", format!("\0{CALL}").into()),
        ("two messages", format!("{CALL}\n{CALL}").into()),
        ("text after the message", format!("{CALL}]").into()),
        ("lone surrogate", arguments(r#"{"command":"marked-7f3a\ud800"}"#).into()),
        ("number too large", arguments(r#"{"command":"marked-7f3a","n":1e999999}"#).into()),
        ("not a number", arguments(r#"{"command":"marked-7f3a","n":NaN}"#).into()),
        ("comment", CALL.replacen("{", "{/* */", 1).into()),
        ("single quotes", CALL.replace('"', "'").into()),
        ("trailing comma", CALL.replace("}}}", "},}}").into()),
        ("empty body", Vec::new()),
        ("null", "null".into()),
        ("string", format!("\"{MARK}\"").into()),
    ];
    let attacks: Vec<Attack> = cases.into_iter().map(|(name, body)| scene.legacy(name, body)).collect();
    scene.run(&attacks)
}

#[test]
fn messages_that_are_no_calls() -> Result<()> {
    let scene = Scene::set()?;
    let deep = format!("{}\"{MARK}\"{}", "[".repeat(20_000), "]".repeat(20_000));
    let id = |id: &str| CALL.replacen("\"id\":1", &format!("\"id\":{id}"), 1);
    let method = |method: &str| CALL.replacen("tools/call", method, 1);
    let named = |name: &str| params(&format!(r#"{{"name":{name},"arguments":{{"command":"{MARK}"}}}}"#));
    let cases = vec![
        ("no id", CALL.replacen("\"id\":1,", "", 1)),
        ("null id", id("null")),
        ("fractional id", id("1.5")),
        ("huge id", id(&"9".repeat(400))),
        ("id with an exponent", id("1e400")),
        ("boolean id", id("true")),
        ("object id", id("{}")),
        ("array id", id("[1]")),
        ("response that nobody asked", format!(r#"{{"jsonrpc":"2.0","id":99,"result":{{"content":"{MARK}"}}}}"#)),
        ("error that nobody asked", format!(r#"{{"jsonrpc":"2.0","id":99,"error":{{"code":1,"message":"{MARK}"}}}}"#)),
        ("method and result", CALL.replacen("\"id\":1", "\"id\":1,\"result\":{}", 1)),
        ("method in capitals", method("TOOLS/CALL")),
        ("method with a capital", method("Tools/call")),
        ("method with a space after", method("tools/call ")),
        ("method with a space before", method(" tools/call")),
        ("method with a tab", method("tools/call\\t")),
        ("method with an escape is the method", method("t\\u006fols/call").replace("exec_command", "manage_apps")),
        ("method with a NUL", method("tools/call\\u0000")),
        ("method with a zero-width space", method("tools\u{200b}/call")),
        ("method that is a number", CALL.replacen("\"tools/call\"", "1", 1)),
        ("wrong version of JSON-RPC", CALL.replacen("2.0", "1.0", 1)),
        ("no version of JSON-RPC", CALL.replacen("\"jsonrpc\":\"2.0\",", "", 1)),
        ("params as an array", params(&format!(r#"["exec_command","{MARK}"]"#))),
        ("params as a string", params(&format!("\"{MARK}\""))),
        ("no params", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#.to_owned()),
        ("no name", params(&format!(r#"{{"arguments":{{"command":"{MARK}"}}}}"#))),
        ("name as a number", named("1")),
        ("name as an array", named(r#"["exec_command"]"#)),
        ("name in another case", named(r#""Exec_Command""#)),
        ("name with a space", named(r#""exec_command ""#)),
        ("name with a Cyrillic letter", named(r#""exec_c\u043emmand""#)),
        ("name in full-width letters", named("\"\u{ff45}xec_command\"")),
        ("name with a zero-width joiner", named(r#""exec_command\u200d""#)),
        ("name with a NUL", named(r#""exec_command\u0000""#)),
        ("empty name", named("\"\"")),
        ("arguments as an array", arguments(&format!("[\"{MARK}\"]"))),
        ("arguments as a string", arguments(&format!("\"{MARK}\""))),
        ("deep nesting", arguments(&format!("{{\"a\":{deep}}}"))),
    ];
    let attacks: Vec<Attack> = cases.into_iter().map(|(name, body)| scene.legacy(name, body)).collect();
    scene.run(&attacks)
}

#[test]
fn headers_that_lie() -> Result<()> {
    let scene = Scene::set()?;
    let legacy = |name| scene.legacy(name, CALL);
    let other = scene.other_session.clone();
    let attacks = [
        scene.modern("another method").with("mcp-method", "tools/list"),
        scene.modern("another name").with("mcp-name", "manage_apps"),
        scene.modern("name in another case").with("mcp-name", "EXEC_COMMAND"),
        scene.modern("no method").without("mcp-method"),
        scene.modern("no name").without("mcp-name"),
        scene.modern("another version").with("mcp-protocol-version", "2025-11-25"),
        scene.modern("no version").without("mcp-protocol-version"),
        scene.modern("two names").plus("mcp-name", "manage_apps"),
        scene.modern("two methods").plus("mcp-method", "tools/list"),
        legacy("a version from the future").with("mcp-protocol-version", "2099-01-01"),
        legacy("gzip, as it says").with("content-encoding", "gzip"),
        legacy("identity twice").with("content-encoding", "identity, gzip"),
        legacy("no JSON, as it says").with("content-type", "text/plain"),
        legacy("no type").without("content-type"),
        legacy("another character set").with("content-type", "application/json; charset=utf-16"),
        legacy("another grant's session").with("mcp-session-id", &other),
        legacy("no session").without("mcp-session-id"),
        legacy("an unknown session").with("mcp-session-id", "00000000-0000-0000-0000-000000000000"),
        legacy("two sessions").plus("mcp-session-id", &other),
        legacy("a foreign origin").with("origin", "http://evil.example").written(Written::Apart),
        legacy("a null origin").with("origin", "null").written(Written::Apart),
        legacy("a foreign host").with("host", "evil.example").written(Written::Apart),
        legacy("no token").without("authorization").written(Written::Apart),
        legacy("an unknown token").with("authorization", "Bearer cg_unknown").written(Written::Apart),
        legacy("a token without its scheme").with("authorization", &scene.stage.grant.token).written(Written::Apart),
        legacy("two tokens").plus("authorization", "Bearer cg_unknown").written(Written::Apart),
    ];
    scene.run(&attacks)
}

#[test]
fn paths_that_lead_elsewhere() -> Result<()> {
    let scene = Scene::set()?;
    let token = scene.stage.grant.token.clone();
    let paths = [
        "/mcp/second",
        "/mcp/second/",
        "/mcp/fixture/../second",
        "/mcp/fixture/..%2fsecond",
        "/mcp/fixture%2f..%2fsecond",
        "/mcp/./second",
        "/mcp//second",
        "//mcp/second",
        "/mcp/SECOND",
        "/mcp/%73econd",
        "/mcp/second%00",
        "/mcp/second;x",
        "/mcp/",
        "/mcp",
        "/mcp/callgate",
    ];
    let mut attacks = Vec::new();
    for path in paths {
        let attack = scene.legacy(path, CALL).line(&format!("POST {path} HTTP/1.1"));
        attacks.push(attack.written(Written::Either));
    }
    for name in ["access_token", "token", "authorization"] {
        let line = format!("POST /mcp/fixture?{name}={token} HTTP/1.1");
        let attack = scene.legacy("a token in the query", CALL).line(&line).without("authorization");
        attacks.push(attack.written(Written::Apart));
    }
    for method in ["PUT", "PATCH", "TRACE", "CONNECT", "post", "GET", "DELETE"] {
        let attack = scene.legacy("another method", CALL).line(&format!("{method} /mcp/second HTTP/1.1"));
        attacks.push(attack.written(Written::Nowhere));
    }
    scene.run(&attacks)
}

#[test]
fn requests_inside_requests() -> Result<()> {
    let scene = Scene::set()?;
    // What a smuggler hides: a call without a token of its own.
    let inner = format!(
        "POST /mcp/fixture HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{CALL}",
        CALL.len()
    );
    let chunked = format!("0\r\n\r\n{inner}");
    let raw = |name, body: &str| scene.legacy(name, body).written(Written::Nowhere);
    let length = chunked.len().to_string();
    let mut attacks = vec![
        raw("length and chunks", &chunked).plus("content-length", &length).plus("transfer-encoding", "chunked"),
        raw("chunks and length", &chunked).plus("transfer-encoding", "chunked").plus("content-length", "5"),
        raw("two lengths", CALL).plus("content-length", "0").plus("content-length", &CALL.len().to_string()),
        raw("a list of lengths", CALL).plus("content-length", &format!("{}, 0", CALL.len())),
        raw("a length with a sign", CALL).plus("content-length", &format!("+{}", CALL.len())),
        raw("a negative length", CALL).plus("content-length", "-1"),
        raw("a hexadecimal length", CALL).plus("content-length", "0x10"),
        raw("a length too large for anything", CALL).plus("content-length", "99999999999999999999999"),
        raw("a space before the colon", CALL).plus("content-length ", &CALL.len().to_string()),
        raw("an unknown coding", &chunked).plus("transfer-encoding", "xchunked"),
        raw("chunked is not the last", &chunked).plus("transfer-encoding", "chunked, identity"),
        raw("chunked, twice", &chunked).plus("transfer-encoding", "chunked").plus("transfer-encoding", "xchunked"),
        raw("a vertical tab", &chunked).plus("transfer-encoding", "\u{b}chunked"),
        raw("a chunk with a bad size", &format!("zz\r\n{CALL}\r\n0\r\n\r\n")).plus("transfer-encoding", "chunked"),
        raw("a chunk with a size too large", &format!("fffffffffffffffff\r\n{CALL}"))
            .plus("transfer-encoding", "chunked"),
        raw("a body that breaks off", CALL).plus("content-length", &(CALL.len() + 1).to_string()).ends(),
        raw("a folded header", CALL).plus("x-folded", "a\r\n authorization: b"),
        raw("a line that is no header", CALL).plus("x-a", "b\r\nnonsense"),
        raw("a NUL in a header", CALL).plus("x-a", "b\u{0}c"),
    ];
    attacks.push(raw("another protocol", CALL).line("POST /mcp/fixture HTTP/9.9"));
    attacks.push(raw("no protocol", CALL).line("POST /mcp/fixture"));
    scene.run(&attacks)
}

/// RFC 9112 section 6.3: where both are there the chunks count, and the connection ends after that request.
#[test]
fn whatever_follows_length_and_chunks_is_not_read() -> Result<()> {
    let scene = Scene::set()?;
    let fine = CALL.replace(MARK, "ls");
    let mut hidden = format!("POST /mcp/fixture HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", CALL.len());
    for (name, value) in scene.legacy("hidden", CALL).headers {
        let _ = write!(hidden, "{name}: {value}\r\n");
    }
    let body = format!("{:x}\r\n{fine}\r\n0\r\n\r\n{hidden}\r\n{CALL}", fine.len());
    let outer = scene.legacy("length and chunks", body.clone());
    let outer = outer.plus("content-length", &body.len().to_string()).plus("transfer-encoding", "chunked");
    let mut connection = scene.write(&outer)?.context("the gateway reads it")?;
    connection.response()?;
    assert!(connection.is_closed()?);
    let calls = scene.stage.fixture.calls()?;
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(!calls[0].to_string().contains(MARK), "{calls:?}");
    Ok(())
}

#[test]
fn a_revoked_grant_is_nobody() -> Result<()> {
    let scene = Scene::set()?;
    scene.stage.callgate.run(["grant", "revoke", &scene.stage.grant.id])?;
    let response = scene.send(&scene.legacy("a revoked grant", CALL))?.context("no answer")?;
    assert_eq!(response.status, 401, "{}", response.text());
    assert!(scene.stage.fixture.calls()?.is_empty());
    Ok(())
}

#[test]
fn one_line_is_one_message_for_a_stdio_server() -> Result<()> {
    let stage = Stage::set(BINARY, "kernel", POLICY)?;
    let log = stage.file("stdio.log");
    let command = [BINARY, "fixture", "--tools", "kernel", "--log", &log.to_string_lossy()].map(str::to_owned);
    stage.callgate.add_command("stdio", &command)?;
    stage.callgate.publish("stdio", POLICY)?;
    let grant = stage.callgate.mint("stdio", "stdio")?;
    let mut session = Session::open(stage.gateway.address, &Gateway::path("stdio"), Some(&grant.token))?;

    let inner = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": { "name": "manage_apps" } });
    let spread = CALL.replace(",\"params\"", "\n,\r\n\"params\"");
    let response = session.post(&spread)?;
    assert_eq!(response.status, 200, "{}", response.text());
    let response = session.post(&format!("{CALL}\n{inner}"))?;
    assert!(is_refusal(Some(&response)), "{}", response.text());
    let calls = Fixture::calls_in(&log)?;
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["tool"], "exec_command");
    Ok(())
}
