//! Every method that a server answers, asked directly and through the gateway: what comes is the same, in one era and
//! where client and server are of different ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::{Callgate, Connection, Fixture, Gateway, Session, request};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow" }"#;

/// A request and whether both eras know it.
fn requests() -> Vec<(&'static str, Value)> {
    let call = |tool: &str, arguments: Value| {
        ("tools/call", json!({ "name": tool, "arguments": arguments, "x-fixture": { "number": 1.0 } }))
    };
    let reference = json!({ "type": "ref/prompt", "name": "greet" });
    let template = json!({ "type": "ref/resource", "uri": "fixture://item/{id}" });
    vec![
        ("tools/list", json!({})),
        ("tools/list", json!({ "cursor": "from-3" })),
        ("tools/list", json!({ "cursor": "nowhere" })),
        call(
            "echo",
            json!({ "text": "grüße, 世界 \u{1f600} \"quoted\" \\ / \n \u{2028}", "more": [1, 1.5, null, {}] }),
        ),
        call("big", json!({ "text": 300_000, "image": 300_000 })),
        call("structured", json!({})),
        call("structured", json!({ "invalid": true })),
        call("link", json!({})),
        call("region", json!({ "region": "eu-ü", "replicas": 3 })),
        call("no such tool", json!({})),
        ("resources/list", json!({})),
        ("resources/list", json!({ "cursor": "from-3" })),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "fixture://text/1" })),
        ("resources/read", json!({ "uri": "fixture://bytes" })),
        ("resources/read", json!({ "uri": "fixture://item/7" })),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "plain" })),
        ("prompts/get", json!({ "name": "greet", "arguments": { "name": "Ada" } })),
        ("prompts/get", json!({ "name": "greet" })),
        ("completion/complete", json!({ "ref": reference, "argument": { "name": "style", "value": "p" } })),
        ("completion/complete", json!({ "ref": template, "argument": { "name": "id", "value": "1" } })),
        ("vendor/unknown", json!({ "x": 1 })),
    ]
}

/// A client that is nothing but bytes.
enum Client {
    Legacy(Box<Session>),
    Modern { connection: Connection, path: String, token: Option<String>, next: u64 },
}

impl Client {
    fn open(era: &str, address: SocketAddr, path: &str, token: Option<&str>) -> Result<Self> {
        if era == "legacy" {
            return Ok(Self::Legacy(Box::new(Session::open(address, path, token)?)));
        }
        let connection = Connection::open(address)?;
        Ok(Self::Modern { connection, path: path.to_owned(), token: token.map(str::to_owned), next: 1 })
    }

    /// The message that answers, without its id.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        let mut answer: Value = match self {
            Self::Legacy(session) => serde_json::from_slice(&session.ask(method, params)?)?,
            Self::Modern { connection, path, token, next } => {
                *next += 1;
                ask_modern(connection, path, token.as_deref(), *next, method, params)?
            }
        };
        answer.as_object_mut().context("an object")?.remove("id");
        Ok(answer)
    }
}

fn ask_modern(
    connection: &mut Connection,
    path: &str,
    token: Option<&str>,
    id: u64,
    method: &str,
    params: &Value,
) -> Result<Value> {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
        headers.push(("mcp-name", name.to_owned()));
    }
    if params["name"] == "region" {
        headers.push(("mcp-param-region", "=?base64?ZXUtw7w=?=".to_owned()));
        headers.push(("mcp-param-replicas", "3".to_owned()));
    }
    headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = connection.post(path, &headers, request(id, method, &params).as_bytes())?;
    let messages = response.messages();
    let mut parsed = messages.iter().filter_map(|message| serde_json::from_slice::<Value>(message).ok());
    let answer = parsed.find(|message| message["id"] == id);
    answer.with_context(|| format!("{method}: {} {}", response.status, response.text()))
}

/// Takes off what an era says on its own, and what a gateway has to say differently.
fn plain(mut answer: Value, is_bridged: bool) -> Value {
    let Some(result) = answer.get_mut("result").and_then(Value::as_object_mut) else { return answer };
    // A list that passes a gateway depends on the grant.
    result.remove("cacheScope");
    if !is_bridged {
        return answer;
    }
    result.remove("resultType");
    result.remove("ttlMs");
    let is_empty = result.get_mut("_meta").and_then(Value::as_object_mut).is_some_and(|meta| {
        meta.remove("io.modelcontextprotocol/serverInfo");
        meta.is_empty()
    });
    if is_empty {
        result.remove("_meta");
    }
    answer
}

fn check(client: &str, server: &str, transport: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let paged = ["--page", "3", "--era"];
    let direct =
        Fixture::start_with(&callgate, "probe", &[&paged[..], &[client]].concat(), &folder.path().join("direct.log"))?;
    let log = folder.path().join("through.log");
    let options = [&paged[..], &[server]].concat();
    let mut running = None;
    let declared = ["server", "add", "probe", "--era", server].map(str::to_owned);
    if transport == "stdio" {
        let command = Fixture::command(&callgate, "probe", &options, &log);
        callgate.run(declared.into_iter().chain(["--".to_owned()]).chain(command))?;
    } else {
        let options = [&options[..], &["--transport", transport]].concat();
        let url = running.insert(Fixture::start_with(&callgate, "probe", &options, &log)?).url();
        callgate.run(declared.into_iter().chain(["--url".to_owned(), url]))?;
    }
    callgate.publish("probe", ALLOW_ALL)?;
    let grant = callgate.mint("probe", "test")?;
    let gateway = callgate.up()?;
    let mut directly = Client::open(client, direct.address, "/mcp", None)?;
    let mut through = Client::open(client, gateway.address, &Gateway::path("probe"), Some(&grant.token))?;
    let mut problems = Vec::new();
    for (method, params) in requests() {
        let expected = plain(directly.ask(method, &params)?, client != server);
        let found = through.ask(method, &params).map(|answer| plain(answer, client != server));
        let short = |answer: &Value| answer.to_string().chars().take(300).collect::<String>();
        match found {
            Ok(found) if found == expected => {}
            Ok(found) => problems.push(format!("{method} {params}\n  {}\n  {}", short(&found), short(&expected))),
            Err(error) => problems.push(format!("{method} {params}\n  {error:#}")),
        }
    }
    let calls = Fixture::calls_in(&log)?;
    let kept = calls.iter().filter(|call| call["text"].as_str().is_some_and(|text| text.contains(r#""number":1.0"#)));
    ensure!(calls.len() == 7 && kept.count() == 7, "parameters that nobody knows travel on: {calls:?}");
    assert!(problems.is_empty(), "{client} in front of {server} over {transport}:\n{}", problems.join("\n"));
    Ok(())
}

macro_rules! pairs {
    ($($name:ident: $client:literal, $server:literal, $transport:literal;)*) => {
        $(#[test]
        fn $name() -> Result<()> {
            check($client, $server, $transport)
        })*
    };
}

pairs! {
    legacy_and_legacy_over_http: "legacy", "legacy", "http";
    legacy_and_legacy_over_stdio: "legacy", "legacy", "stdio";
    legacy_and_legacy_over_sse: "legacy", "legacy", "sse";
    modern_and_modern_over_http: "modern", "modern", "http";
    modern_and_modern_over_stdio: "modern", "modern", "stdio";
    legacy_and_modern_over_http: "legacy", "modern", "http";
    legacy_and_modern_over_stdio: "legacy", "modern", "stdio";
    modern_and_legacy_over_http: "modern", "legacy", "http";
    modern_and_legacy_over_stdio: "modern", "legacy", "stdio";
    modern_and_legacy_over_sse: "modern", "legacy", "sse";
}
