//! A small MCP client: asks a server for its tools, and makes the demo's calls.

mod connect;
mod http;
mod stdio;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::target;
use callgate_control::Target;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) use connect::{Connector, exchange, trusting_the_system};
pub(crate) use http::HttpClient;

/// How long a server may take to answer everything it is asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// The largest message that is read.
const MAX_MESSAGE: usize = 16 << 20;

/// The longest list of tools that is put together, over all its pages.
const MAX_LIST: usize = 32 << 20;

/// The revision that is offered to servers with a handshake.
const LEGACY: &str = "2025-11-25";

/// The revision without one.
const MODERN: &str = "2026-07-28";

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The command can't be started.
    #[error("`{command}` can't be started: {error}")]
    Start {
        /// The program.
        command: String,
        /// Why.
        error: std::io::Error,
    },
    /// The connection broke or could not be made.
    #[error("{0}")]
    Connection(String),
    /// The server answered with an HTTP status that is none of success.
    #[error("it answered HTTP {0}")]
    Status(u16),
    /// The server answered with a JSON-RPC error.
    #[error("it answered error {code}: {message}")]
    Answer {
        /// The JSON-RPC code.
        code: i64,
        /// The server's words.
        message: String,
    },
    /// What it said can't be understood.
    #[error("its answer can't be read: {0}")]
    Unreadable(String),
}

/// One message from a server, as far as it matters here.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    #[serde(default)]
    message: String,
}

/// A connection to a server.
enum Connection {
    Stdio(stdio::StdioClient),
    Http(http::HttpClient),
}

/// Asks a server for all of its tools: the answer is that of `tools/list`, all pages as one.
pub(crate) async fn tools(target: &Target, environment: &Environment) -> Result<Box<RawValue>, Failure> {
    let asked = tokio::time::timeout(PATIENCE, ask(target, environment)).await;
    let failed = |why: String| {
        let message = format!("can't get the tools of `{}`: {why}", target::summary(target));
        Failure::cannot_run("CG3052", message, "check the URL or command, and the credentials that it needs")
    };
    match asked {
        Ok(Ok(tools)) => Ok(tools),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {} seconds", PATIENCE.as_secs()))),
    }
}

async fn ask(target: &Target, environment: &Environment) -> Result<Box<RawValue>, ClientError> {
    let mut connection = match target {
        Target::Url { url, headers } => Connection::Http(HttpClient::new(url, headers)?),
        Target::Command { .. } => Connection::Stdio(stdio::StdioClient::start(target, environment)?),
    };
    let listed = connection.list().await;
    connection.close().await;
    listed
}

impl Connection {
    async fn list(&mut self) -> Result<Box<RawValue>, ClientError> {
        let modern = match self.initialize().await {
            Ok(()) => false,
            // A server that knows no handshake says so in one of these ways.
            Err(ClientError::Answer { .. } | ClientError::Status(400 | 404 | 405)) => true,
            Err(error) => return Err(error),
        };
        let mut tools: Vec<Box<RawValue>> = Vec::new();
        let mut length = 0;
        let mut cursor: Option<String> = None;
        for _ in 0..1_000 {
            let page = self.request("tools/list", parameters(cursor.as_deref(), modern), modern).await?;
            let page: Page =
                serde_json::from_str(page.get()).map_err(|error| ClientError::Unreadable(error.to_string()))?;
            length += page.tools.iter().map(|tool| tool.get().len()).sum::<usize>();
            if length > MAX_LIST {
                return Err(ClientError::Unreadable(format!("its list of tools is longer than {MAX_LIST} bytes")));
            }
            tools.extend(page.tools);
            cursor = match page.next_cursor {
                Some(next) if !next.is_empty() => Some(next),
                _ => return whole(&tools),
            };
        }
        Err(ClientError::Unreadable("its list of tools has no end".to_owned()))
    }

    async fn initialize(&mut self) -> Result<(), ClientError> {
        match self {
            Self::Http(client) => client.initialize().await,
            Self::Stdio(client) => {
                client.request("initialize", hello()).await?;
                client.notify("notifications/initialized").await
            }
        }
    }

    async fn request(&mut self, method: &str, parameters: Value, modern: bool) -> Result<Box<RawValue>, ClientError> {
        match self {
            Self::Stdio(client) => client.request(method, parameters).await,
            Self::Http(client) if modern => client.request_modern(method, parameters).await,
            Self::Http(client) => client.request(method, parameters).await,
        }
    }

    async fn close(self) {
        match self {
            Self::Stdio(client) => client.close().await,
            Self::Http(client) => client.close().await,
        }
    }
}

#[derive(Deserialize)]
struct Page {
    tools: Vec<Box<RawValue>>,
    #[serde(default, rename = "nextCursor")]
    next_cursor: Option<String>,
}

fn parameters(cursor: Option<&str>, modern: bool) -> Value {
    let mut parameters = serde_json::Map::new();
    if let Some(cursor) = cursor {
        parameters.insert("cursor".to_owned(), cursor.into());
    }
    if modern {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": client_info(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        parameters.insert("_meta".to_owned(), meta);
    }
    Value::Object(parameters)
}

/// The parameters of `initialize`.
fn hello() -> Value {
    json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client_info() })
}

fn client_info() -> Value {
    json!({ "name": "callgate", "version": env!("CARGO_PKG_VERSION") })
}

fn whole(tools: &[Box<RawValue>]) -> Result<Box<RawValue>, ClientError> {
    let listed: Vec<&str> = tools.iter().map(|tool| tool.get()).collect();
    let text = format!("{{\"tools\":[{}]}}", listed.join(","));
    RawValue::from_string(text).map_err(|error| ClientError::Unreadable(error.to_string()))
}

/// The result of the answer to request `id`; `None` where the message is something else.
fn answer_to(id: u64, text: &str) -> Result<Option<Box<RawValue>>, ClientError> {
    let message: Message<'_> =
        serde_json::from_str(text).map_err(|error| ClientError::Unreadable(error.to_string()))?;
    if message.method.is_some() || message.id != Some(id.into()) {
        return Ok(None);
    }
    match (message.result, message.error) {
        (Some(result), _) => Ok(Some(result.to_owned())),
        (None, Some(error)) => Err(ClientError::Answer { code: error.code, message: error.message }),
        (None, None) => Err(ClientError::Unreadable("it has neither result nor error".to_owned())),
    }
}
