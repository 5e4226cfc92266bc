//! One message as the fixture reads it: leniently.

use crate::options::Eras;
use serde_json::Value;

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LATEST_LEGACY: &str = "2025-11-25";
pub(crate) const LEGACY: [&str; 4] = [LATEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Notification,
    Response,
    /// No JSON-RPC message.
    Other,
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) message: Value,
    /// Whether the client can read an event stream; over stdio there is no question.
    pub(crate) takes_events: bool,
}

impl Call {
    pub(crate) fn new(message: Value) -> Self {
        Self { message, takes_events: true }
    }

    pub(crate) fn kind(&self) -> Kind {
        let has = |key| self.message.get(key).is_some();
        match (has("method"), has("id")) {
            (true, true) => Kind::Request,
            // Some servers run a call that has no id; so does this one.
            (true, false) if !self.method().starts_with("notifications/") => Kind::Request,
            (true, false) => Kind::Notification,
            (false, true) if has("result") || has("error") => Kind::Response,
            _ => Kind::Other,
        }
    }

    pub(crate) fn method(&self) -> &str {
        self.message.get("method").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> Value {
        self.message.get("id").cloned().unwrap_or(Value::Null)
    }

    pub(crate) fn param(&self, key: &str) -> Option<&Value> {
        self.message.get("params")?.get(key)
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.param("_meta")?.get(META_VERSION)?.as_str()
    }

    pub(crate) fn progress_token(&self) -> Option<&Value> {
        self.param("_meta")?.get("progressToken")
    }

    /// What a modern client says that it can do.
    pub(crate) fn capabilities(&self) -> Option<&Value> {
        self.param("_meta")?.get(META_CAPABILITIES)
    }

    /// The least severe log level that a modern client wants.
    pub(crate) fn log_level(&self) -> Option<&str> {
        self.param("_meta")?.get(META_LEVEL)?.as_str()
    }

    /// Whether the message is of the modern era, or the JSON-RPC code and the reason why it can't be served.
    pub(crate) fn is_modern(&self, eras: Eras) -> Result<bool, (i64, &'static str)> {
        let Some(version) = self.version() else {
            return match eras {
                // What a client of another era begins with names its version elsewhere.
                Eras::Modern if self.method() == "initialize" => Err((-32022, "Unsupported protocol version")),
                Eras::Modern => Err((-32602, "`_meta` lacks the protocol version; this server speaks 2026-07-28")),
                Eras::Both | Eras::Legacy => Ok(false),
            };
        };
        // A legacy server knows nothing of versions in `_meta`.
        if eras == Eras::Legacy {
            return Ok(false);
        }
        if version != MODERN {
            return Err((-32022, "Unsupported protocol version"));
        }
        if self.kind() == Kind::Request && self.capabilities().is_none() {
            return Err((-32602, "`_meta` lacks the client's capabilities"));
        }
        Ok(true)
    }
}
