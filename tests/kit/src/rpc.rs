//! JSON-RPC and MCP by hand: requests as text, results as the bytes that came.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::http::{Connection, Response};

/// A legacy session over HTTP on one connection.
pub struct Session {
    connection: Connection,
    path: String,
    headers: Vec<(String, String)>,
    next: u64,
}

/// A JSON-RPC request as text.
pub fn request(id: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

/// The bytes of the `result` in a JSON-RPC answer, untouched.
pub fn result_bytes(message: &[u8]) -> Result<String> {
    let fields: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_slice(message).with_context(|| format!("no object: {}", String::from_utf8_lossy(message)))?;
    let result = fields.get("result");
    result.map(|raw| raw.get().to_owned()).with_context(|| format!("no result: {}", String::from_utf8_lossy(message)))
}

/// The params of `initialize` in the newest legacy revision.
pub(crate) fn initialize() -> Value {
    initialize_as(&own_info())
}

fn initialize_as(client: &Value) -> Value {
    json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client })
}

/// What the tests call themselves.
fn own_info() -> Value {
    json!({ "name": "callgate-tests", "version": "1.0.0" })
}

impl Session {
    /// Opens a connection and a legacy session on it; without a token no `Authorization` is sent.
    pub fn open(address: SocketAddr, path: &str, token: Option<&str>) -> Result<Self> {
        Self::open_as(address, path, token, &own_info())
    }

    /// The same, for a client that calls itself so (`clientInfo`).
    pub fn open_as(address: SocketAddr, path: &str, token: Option<&str>, client: &Value) -> Result<Self> {
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ];
        if let Some(token) = token {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let mut session = Self { connection: Connection::open(address)?, path: path.to_owned(), headers, next: 1 };
        let response = session.post(&request(0, "initialize", &initialize_as(client)))?;
        if response.status != 200 {
            bail!("initialize: {} {}", response.status, response.text());
        }
        if let Some(id) = response.header("mcp-session-id") {
            let id = id.to_owned();
            session.headers.push(("mcp-session-id".to_owned(), id));
        }
        session.headers.push(("mcp-protocol-version".to_owned(), "2025-11-25".to_owned()));
        let answer = session.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)?;
        if answer.status != 202 {
            bail!("notifications/initialized: {} {}", answer.status, answer.text());
        }
        Ok(session)
    }

    /// The session's id, where the server gave one.
    pub fn id(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == "mcp-session-id").map(|(_, value)| value.as_str())
    }

    /// Posts a body as it is, with the session's headers.
    pub fn post(&mut self, body: &str) -> Result<Response> {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.connection.post(&self.path, &headers, body.as_bytes())
    }

    /// Sends a request and returns the message that answers it.
    pub fn ask(&mut self, method: &str, params: &Value) -> Result<Vec<u8>> {
        let id = self.next;
        self.next += 1;
        let response = self.post(&request(id, method, params))?;
        let answers = response.messages();
        let is_answer = |message: &Vec<u8>| {
            let value: Option<Value> = serde_json::from_slice(message).ok();
            value.is_some_and(|value| value.get("id") == Some(&json!(id)))
        };
        let answer = answers.into_iter().find(is_answer);
        answer.with_context(|| format!("{method} was not answered: {} {}", response.status, response.text()))
    }

    /// Calls a tool and returns the whole answer, parsed.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }))?;
        Ok(serde_json::from_slice(&answer)?)
    }
}
