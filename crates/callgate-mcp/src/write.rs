//! Writing JSON-RPC messages of the gateway's own.

use crate::revision::{Era, Revision};
use callgate_json::write_string;

/// An error response. `id` is the request's id as JSON; without one the response has no `id`, as MCP wants it (since
/// 2025-11-25). `data` is JSON text.
pub fn error_response(id: Option<&[u8]>, code: i64, message: &str, data: Option<&str>) -> Vec<u8> {
    let mut body = format!("\"error\":{{\"code\":{code},\"message\":");
    write_string(message, &mut body);
    if let Some(data) = data {
        body.push_str(",\"data\":");
        body.push_str(data);
    }
    body.push('}');
    envelope(id, body.as_bytes())
}

/// A result response. `id` and `result` are JSON.
pub fn result_response(id: &[u8], result: &[u8]) -> Vec<u8> {
    envelope(Some(id), &[b"\"result\":", result].concat())
}

/// A request. `id` and `params` are JSON.
pub fn request(id: &[u8], method: &str, params: Option<&[u8]>) -> Vec<u8> {
    envelope(Some(id), &call(method, params))
}

/// A notification. `params` is JSON.
pub fn notification(method: &str, params: Option<&[u8]>) -> Vec<u8> {
    envelope(None, &call(method, params))
}

/// The answer to a `tools/call` that did not happen: a tool result marked `isError`, so that the model can read it.
///
/// `meta` is the JSON text of the result's `_meta` object, for example `{"dev.callgate/decision":{…}}`. A modern
/// result also says `resultType: "complete"`.
pub fn tool_refusal(id: &[u8], era: Era, text: &str, meta: Option<&str>) -> Vec<u8> {
    let mut result = String::with_capacity(128 + text.len() + meta.map_or(0, str::len));
    result.push('{');
    if era == Era::Modern {
        result.push_str("\"resultType\":\"complete\",");
    }
    result.push_str("\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":");
    write_string(text, &mut result);
    result.push_str("}]");
    if let Some(meta) = meta {
        result.push_str(",\"_meta\":");
        result.push_str(meta);
    }
    result.push('}');
    result_response(id, result.as_bytes())
}

/// The `data` of an error with code -32022 (MCP 2026-07-28 "Protocol Version Negotiation").
pub fn unsupported_version_data(requested: &str, supported: &[Revision]) -> String {
    let names: Vec<String> = supported.iter().map(|revision| format!("\"{revision}\"")).collect();
    let mut data = format!("{{\"supported\":[{}],\"requested\":", names.join(","));
    write_string(requested, &mut data);
    data.push('}');
    data
}

fn envelope(id: Option<&[u8]>, rest: &[u8]) -> Vec<u8> {
    const START: &[u8] = b"{\"jsonrpc\":\"2.0\",";
    match id {
        Some(id) => [START, b"\"id\":", id, b",", rest, b"}"].concat(),
        None => [START, rest, b"}"].concat(),
    }
}

fn call(method: &str, params: Option<&[u8]>) -> Vec<u8> {
    let mut text = String::from("\"method\":");
    write_string(method, &mut text);
    let mut out = text.into_bytes();
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        out.extend_from_slice(params);
    }
    out
}
