//! A modern client in front of a legacy server: its requests without what the legacy era does not know, and the
//! server's answers with what the modern era requires (MCP 2026-07-28).

mod ask;
mod level;
mod listen;

pub use ask::{Askable, Question, input_required, missing_capability, refusal, url_elicitations};
pub use level::Level;
pub use listen::Filter;

use crate::frame_error::codes;
use crate::message::Message;
use crate::method::Method;
use crate::revision::{Era, META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, Revision};
use crate::rewrite::Rewrite;
use crate::write::{error_response, result_response};
use callgate_json::Value;
use level::META_LOG_LEVEL;
use std::borrow::Cow;

/// The `_meta` key of a result that names the server.
pub const META_SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The extension whose tasks are not those of the legacy era.
const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// `Resource not found`, legacy; retired in the modern era.
const RESOURCE_NOT_FOUND: i64 = -32002;

/// What an answer to `server/discover`, or an error, tells about the eras that a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A modern server; whether it speaks a legacy revision too.
    Modern {
        /// It does.
        legacy: bool,
    },
    /// A server that knows the modern error codes, and names legacy revisions alone.
    Legacy,
    /// Nothing: whatever is answered so is no modern server.
    Nothing,
}

/// Reads what a server answered to a modern request. `http_status` is 404 where an unknown method was told so.
pub fn told(answer: &Message<'_>, http_status: Option<u16>) -> Told {
    if let Some(result) = answer.result() {
        return match result.get("supportedVersions").and_then(Value::as_array) {
            Some(versions) => by_versions(versions),
            None => Told::Nothing,
        };
    }
    let Some(error) = answer.error() else { return Told::Nothing };
    match error_code(error) {
        Some(codes::UNSUPPORTED_VERSION) => match error.get("data").and_then(|data| data.get("supported")) {
            Some(versions) => by_versions(versions.as_array().unwrap_or_default()),
            None => Told::Modern { legacy: false },
        },
        Some(codes::HEADER_MISMATCH | codes::MISSING_CAPABILITY) => Told::Modern { legacy: false },
        Some(codes::METHOD_NOT_FOUND) if http_status == Some(404) => Told::Modern { legacy: false },
        _ => Told::Nothing,
    }
}

/// Whether an error that `initialize` was answered with may be that of a server that speaks the modern era alone.
pub fn may_be_modern_only(answer: &Message<'_>) -> bool {
    let Some(error) = answer.error() else { return false };
    match error_code(error) {
        Some(codes::UNSUPPORTED_VERSION | codes::HEADER_MISMATCH | codes::MISSING_CAPABILITY) => {
            !matches!(told(answer, None), Told::Modern { legacy: true } | Told::Legacy)
        }
        Some(codes::METHOD_NOT_FOUND | codes::INVALID_PARAMS | codes::INVALID_REQUEST) => true,
        _ => false,
    }
}

fn by_versions(versions: &[Value<'_>]) -> Told {
    let known = versions.iter().filter_map(Value::as_str).filter_map(Revision::parse);
    let (mut modern, mut legacy) = (false, false);
    for revision in known {
        match revision.era() {
            Era::Modern => modern = true,
            Era::Legacy => legacy = true,
        }
    }
    match (modern, legacy) {
        (false, true) => Told::Legacy,
        (_, legacy) => Told::Modern { legacy },
    }
}

fn error_code(error: &Value<'_>) -> Option<i64> {
    error.get("code")?.as_number()?.exact().ok()?.as_i64()
}

/// The request as a legacy server knows it: without the protocol's own `_meta` keys, `inputResponses` and
/// `requestState`, and without the `task` that begins one only in an earlier revision. Everything else keeps its bytes.
pub fn request(message: &Message<'_>) -> Vec<u8> {
    let Some(params) = message.params() else { return message.bytes().to_vec() };
    let body = message.body();
    let new = rebuilt(params, body, |key, value| match key {
        "inputResponses" | "requestState" => None,
        "task" if message.method() == Method::ToolsCall => None,
        "_meta" => {
            let meta = rebuilt(value, body, |key, value| (!is_protocol_key(key)).then(|| value.bytes(body).into()));
            (meta.len() > 2).then_some(Cow::Owned(meta))
        }
        _ => Some(value.bytes(body).into()),
    });
    Rewrite::new(message).part(params, new).into_bytes().into_owned()
}

/// The request without `requestState` and `inputResponses`: as it was before anything was asked. Everything else keeps
/// its bytes.
pub fn first_leg(message: &Message<'_>) -> Vec<u8> {
    let Some(params) = message.params() else { return message.bytes().to_vec() };
    let body = message.body();
    let is_leg = |key: &str| matches!(key, "inputResponses" | "requestState");
    let new = rebuilt(params, body, |key, value| (!is_leg(key)).then(|| value.bytes(body).into()));
    Rewrite::new(message).part(params, new).into_bytes().into_owned()
}

fn is_protocol_key(key: &str) -> bool {
    matches!(key, META_PROTOCOL_VERSION | META_CLIENT_INFO | META_CLIENT_CAPABILITIES | META_LOG_LEVEL)
}

/// The response as a modern client wants it, for the request with this id (JSON) and method: `resultType`, the cache
/// fields where the schema requires them, and no retired error codes. `None` where the result is no object.
pub fn response(message: &Message<'_>, id: &[u8], method: Method) -> Option<Vec<u8>> {
    let body = message.body();
    if let Some(error) = message.error() {
        let code = match error_code(error) {
            Some(RESOURCE_NOT_FOUND) => codes::INVALID_PARAMS,
            Some(code) => code,
            None => codes::INTERNAL_ERROR,
        };
        let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
        let data = error.get("data").map(|data| String::from_utf8_lossy(data.bytes(body)).into_owned());
        return Some(error_response(Some(id), code, text, data.as_deref()));
    }
    let result = message.result().filter(|result| result.is_object())?;
    let mut first = String::from("\"resultType\":\"complete\"");
    if is_cacheable(method) {
        first.push_str(",\"ttlMs\":0,\"cacheScope\":\"private\"");
    }
    let rest = rebuilt(result, body, |key, value| match key {
        "resultType" | "ttlMs" | "cacheScope" => None,
        _ => Some(value.bytes(body).into()),
    });
    Some(result_response(id, &joined(&first, &rest)))
}

/// The methods whose results say how long and by whom they may be kept (MCP 2026-07-28 `CacheableResult`).
fn is_cacheable(method: Method) -> bool {
    matches!(
        method,
        Method::Discover
            | Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::ResourcesRead
    )
}

/// Why a request of a modern client has no counterpart in the legacy era; `None` where it has one.
pub fn has_no_counterpart(message: &Message<'_>) -> Option<&'static str> {
    match message.method() {
        Method::Initialize
        | Method::Initialized
        | Method::Ping
        | Method::SetLevel
        | Method::ResourcesSubscribe
        | Method::ResourcesUnsubscribe => Some("revision 2026-07-28 has no such method"),
        Method::TasksGet | Method::TasksResult | Method::TasksList | Method::TasksUpdate | Method::TasksCancel => {
            Some("the tasks of this server are those of an earlier revision")
        }
        _ => None,
    }
}

/// The parameters of `initialize` in the name of a modern client, from the `_meta` of its request. `own` is the JSON of
/// the gateway's own name and version, for clients that give none.
pub fn initialize_params(message: &Message<'_>, own: &str) -> Vec<u8> {
    let body = message.body();
    let info = message.meta(META_CLIENT_INFO).filter(|info| info.is_object());
    let info = info.map_or(own.as_bytes(), |info| info.bytes(body));
    let mut out = format!("{{\"protocolVersion\":\"{}\",\"capabilities\":", Revision::LATEST_LEGACY).into_bytes();
    out.extend_from_slice(&capabilities(message));
    out.extend_from_slice(b",\"clientInfo\":");
    out.extend_from_slice(info);
    out.push(b'}');
    out
}

/// The client's capabilities as a legacy server may see them: no tasks, whose shapes differ, and no promise to say when
/// roots change, which a modern client has no way to.
fn capabilities(message: &Message<'_>) -> Vec<u8> {
    let body = message.body();
    let Some(declared) = message.meta(META_CLIENT_CAPABILITIES) else { return b"{}".to_vec() };
    rebuilt(declared, body, |key, value| match key {
        "tasks" => None,
        "roots" => Some(Cow::Borrowed(b"{}".as_slice())),
        "extensions" => {
            let kept = rebuilt(value, body, |key, value| (key != TASKS_EXTENSION).then(|| value.bytes(body).into()));
            (kept.len() > 2).then_some(Cow::Owned(kept))
        }
        _ => Some(value.bytes(body).into()),
    })
}

/// The canonical text of the capabilities that a request declares; requests that declare the same may share a session.
pub fn capabilities_key(message: &Message<'_>) -> String {
    message.meta(META_CLIENT_CAPABILITIES).map_or_else(|| "{}".to_owned(), callgate_json::canonical)
}

/// The answer to `server/discover` in the name of a legacy server, from its answer to `initialize`.
pub fn discover(initialized: &Message<'_>, id: &[u8]) -> Option<Vec<u8>> {
    let result = initialized.result().filter(|result| result.is_object())?;
    let body = initialized.body();
    let mut out = format!("{{\"resultType\":\"complete\",\"supportedVersions\":{},", every_revision()).into_bytes();
    out.extend_from_slice(b"\"ttlMs\":0,\"cacheScope\":\"private\",\"capabilities\":");
    match result.get("capabilities").filter(|capabilities| capabilities.is_object()) {
        Some(capabilities) => out.extend_from_slice(&rebuilt(capabilities, body, |key, value| {
            (key != "tasks").then(|| value.bytes(body).into())
        })),
        None => out.extend_from_slice(b"{}"),
    }
    if let Some(instructions) = result.get("instructions").filter(|text| text.as_str().is_some()) {
        out.extend_from_slice(b",\"instructions\":");
        out.extend_from_slice(instructions.bytes(body));
    }
    if let Some(info) = result.get("serverInfo").filter(|info| info.is_object()) {
        out.extend_from_slice(format!(",\"_meta\":{{\"{META_SERVER_INFO}\":").as_bytes());
        out.extend_from_slice(info.bytes(body));
        out.push(b'}');
    }
    out.push(b'}');
    Some(result_response(id, &out))
}

/// The answer of a modern server to `server/discover`, with every revision that the gateway can bridge to, and for no
/// shared cache. `None` for an error, which passes as it is.
pub fn discover_extended(answer: &Message<'_>) -> Option<Vec<u8>> {
    let result = answer.result().filter(|result| result.is_object())?;
    let body = answer.body();
    let first = format!("\"supportedVersions\":{},\"cacheScope\":\"private\"", every_revision());
    let rest = rebuilt(result, body, |key, value| match key {
        "supportedVersions" | "cacheScope" => None,
        _ => Some(value.bytes(body).into()),
    });
    Some(Rewrite::new(answer).part(result, joined(&first, &rest)).into_bytes().into_owned())
}

fn every_revision() -> String {
    let names: Vec<String> = Revision::ALL.iter().map(|revision| format!("\"{revision}\"")).collect();
    format!("[{}]", names.join(","))
}

/// The object `rest` with the members `first` in front.
fn joined(first: &str, rest: &[u8]) -> Vec<u8> {
    let inner = rest.get(1..).unwrap_or(b"}");
    let comma: &[u8] = if inner == b"}" { b"" } else { b"," };
    [b"{", first.as_bytes(), comma, inner].concat()
}

/// An object written anew without white space: `edit` gives each member's value, or takes it out.
fn rebuilt<'b>(
    object: &Value<'_>,
    body: &'b [u8],
    mut edit: impl FnMut(&str, &Value<'_>) -> Option<Cow<'b, [u8]>>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(object.span.end.saturating_sub(object.span.start) + 2);
    out.push(b'{');
    for member in object.members() {
        let Some(value) = edit(&member.key, &member.value) else { continue };
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(member.key_span.of(body));
        out.push(b':');
        out.extend_from_slice(&value);
    }
    out.push(b'}');
    out
}
