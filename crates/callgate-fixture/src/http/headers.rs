//! The headers that mirror the body of a modern request, and the one that names a session.

use crate::call::{Call, LEGACY};
use crate::fixture::Fixture;
use crate::peer::Peer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;

pub(crate) const SESSION: &str = "mcp-session-id";
pub(crate) const VERSION: &str = "mcp-protocol-version";

/// The session that the request belongs to, or the status, code and reason why there is none.
pub(crate) fn session(fixture: &Fixture, headers: &HeaderMap) -> Result<Arc<Peer>, (u16, i64, &'static str)> {
    let version = headers.get(VERSION).map(|version| version.to_str().unwrap_or_default());
    let Some(id) = headers.get(SESSION).and_then(|id| id.to_str().ok()) else {
        return Err((400, -32600, "Bad Request: Missing session ID"));
    };
    if version.is_some_and(|version| !LEGACY.contains(&version)) {
        return Err((400, -32600, "Bad Request: Unsupported protocol version"));
    }
    fixture.session(id).ok_or((404, -32600, "Session not found"))
}

/// The first header that doesn't say what the body of a modern request says.
pub(crate) fn mismatch(fixture: &Fixture, headers: &HeaderMap, call: &Call) -> Option<String> {
    let name = match call.method() {
        "tools/call" | "prompts/get" => call.param("name"),
        "resources/read" => call.param("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => call.param("taskId"),
        _ => None,
    };
    let version = call.version().map(Value::from);
    let method = Value::from(call.method());
    let standard = [(VERSION, version.as_ref()), ("mcp-method", Some(&method)), ("mcp-name", name)];
    for (header, body) in standard {
        if body.is_some_and(|body| !says(headers, header, body)) {
            return Some(format!("Header mismatch: {header}"));
        }
    }
    if call.method() != "tools/call" {
        return None;
    }
    let tools = fixture.tools();
    let tool = tools.tools().iter().find(|tool| Some(tool.name.as_str()) == name.and_then(Value::as_str))?;
    let mut wrong = None;
    let arguments = call.param("arguments").cloned().unwrap_or_default();
    mirrored(tool.input_schema.as_ref()?, &arguments, &mut |header, argument| {
        let header = format!("mcp-param-{}", header.to_lowercase());
        let agrees = if argument.is_null() { !headers.contains_key(&header) } else { says(headers, &header, argument) };
        if !agrees {
            wrong = Some(format!("Header mismatch: {header}"));
        }
    });
    wrong
}

/// Finds the parameters that are marked `x-mcp-header`, and their values.
fn mirrored(schema: &Value, arguments: &Value, found: &mut impl FnMut(&str, &Value)) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let argument = arguments.get(name).unwrap_or(&Value::Null);
        if let Some(header) = property.get("x-mcp-header").and_then(Value::as_str) {
            found(header, argument);
        }
        mirrored(property, argument, found);
    }
}

/// Whether a header is there once and says this.
fn says(headers: &HeaderMap, header: &str, body: &Value) -> bool {
    let mut values = headers.get_all(header).iter();
    let (Some(value), None) = (values.next().and_then(|value| value.to_str().ok()), values.next()) else {
        return false;
    };
    let decoded = match value.strip_prefix("=?base64?").and_then(|value| value.strip_suffix("?=")) {
        Some(encoded) => match STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(decoded) => decoded,
            None => return false,
        },
        None => value.to_owned(),
    };
    match body {
        Value::String(text) => *text == decoded,
        Value::Number(number) => number.as_f64() == decoded.parse::<f64>().ok(),
        Value::Bool(flag) => flag.to_string() == decoded,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn headers_are_decoded_and_numbers_compared_as_numbers() {
        for (header, body, expected) in [
            ("a", json!("a"), true),
            ("a", json!("b"), false),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", json!("Hello, 世界"), true),
            ("=?base64?%%?=", json!("x"), false),
            ("42.0", json!(42), true),
            ("43", json!(42), false),
            ("true", json!(true), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x", header.parse().unwrap());
            assert_eq!(says(&headers, "x", &body), expected, "{header} {body}");
            headers.append("x", header.parse().unwrap());
            assert!(!says(&headers, "x", &body));
        }
    }
}
