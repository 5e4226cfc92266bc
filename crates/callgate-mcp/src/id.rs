//! The id of a request: a string or an integer, never anything else.

use callgate_json::{Kind, Value};
use std::fmt;

/// The id of a JSON-RPC request (MCP "Requests": a string or an integer, never null).
///
/// Compared by value: `"a"` and `"\u0061"` are one id, `1` and `"1"` are two. To echo an id, use the bytes of the
/// message ([`Message::id_bytes`](crate::Message::id_bytes)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestId {
    /// An integer.
    Integer(i64),
    /// A string, escapes resolved.
    String(Box<str>),
}

impl RequestId {
    /// Reads an id; `None` for a fraction, an exponent, an integer beyond 64 bits, null and other types.
    pub fn from_value(value: &Value<'_>) -> Option<Self> {
        match &value.kind {
            Kind::Number(number) if is_integer(number.text) => number.text.parse().ok().map(Self::Integer),
            Kind::String(text) => Some(Self::String(text.as_ref().into())),
            _ => None,
        }
    }

    /// The id as JSON text.
    pub fn to_json(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::String(text) => {
                let mut out = String::with_capacity(text.len() + 2);
                callgate_json::write_string(text, &mut out);
                out
            }
        }
    }
}

/// Whether the number is written as a plain integer: `1.0` and `1e0` are read differently by different servers.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}
