//! The headers that mirror a modern request's body (MCP 2026-07-28 "Request Metadata").

use crate::frame_error::{FrameError, FrameErrorKind};
use crate::header_params::{HeaderParam, HeaderParams, Mirrored};
use crate::message::{Message, MessageKind};
use crate::method::Method;
use crate::revision::META_PROTOCOL_VERSION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callgate_json::{Decimal, Value};
use std::borrow::Cow;

/// `MCP-Protocol-Version`, in the lower case that HTTP/2 and the `http` crate use.
pub const MCP_PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// `Mcp-Method`
pub const MCP_METHOD: &str = "mcp-method";
/// `Mcp-Name`
pub const MCP_NAME: &str = "mcp-name";
/// `Mcp-Session-Id`, legacy.
pub const MCP_SESSION_ID: &str = "mcp-session-id";
/// What the name of a header begins with that mirrors an argument.
pub const MCP_PARAM_PREFIX: &str = "mcp-param-";

const SENTINEL: &str = "=?base64?";
const SENTINEL_END: &str = "?=";

/// A header that must stand at most once stands more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatedHeader;

/// The headers of a request, however they are kept.
pub trait Headers {
    /// The value of the header `name` (lower case), `None` where it is missing, an error where it is repeated: which
    /// of two values counts is a matter of taste, and the upstream's may differ.
    fn one(&self, name: &str) -> Result<Option<&[u8]>, RepeatedHeader>;
}

impl Headers for http::HeaderMap {
    fn one(&self, name: &str) -> Result<Option<&[u8]>, RepeatedHeader> {
        let mut values = self.get_all(name).iter();
        let first = values.next().map(http::HeaderValue::as_bytes);
        if values.next().is_some() { Err(RepeatedHeader) } else { Ok(first) }
    }
}

/// Checks that a modern message's headers say what its body says: `Mcp-Method`, `Mcp-Name` and, where the tool's
/// schema is known, `Mcp-Param-*`. The version header is checked by [`detect`](crate::detect).
///
/// The body decides; the headers are only verified.
pub fn check_headers(
    headers: &impl Headers,
    message: &Message<'_>,
    params: Option<&HeaderParams>,
) -> Result<(), FrameError> {
    check(headers, message, params)
        .map_err(|reason| FrameError::new(FrameErrorKind::HeaderMismatch, reason).about(message.id_bytes()))
}

fn check(headers: &impl Headers, message: &Message<'_>, params: Option<&HeaderParams>) -> Result<(), String> {
    let required = message.kind() == MessageKind::Request;
    match single(headers, MCP_METHOD, "Mcp-Method")? {
        Some(value) if Some(value) == message.method_name().map(str::as_bytes) => {}
        Some(_) => return Err("header mismatch: `Mcp-Method` differs from `method` in the body".into()),
        None if required => return Err("header mismatch: `Mcp-Method` is missing".into()),
        None => {}
    }
    if let Some(source) = name_source(message.method()).filter(|_| required) {
        check_name(single(headers, MCP_NAME, "Mcp-Name")?, source, message)?;
    }
    let Some(params) = params else { return Ok(()) };
    for param in params.iter() {
        check_param(headers, param, params.argument(param, message))?;
    }
    Ok(())
}

/// The parameter that `Mcp-Name` mirrors.
fn name_source(method: Method) -> Option<&'static str> {
    match method {
        Method::ToolsCall | Method::PromptsGet => Some("name"),
        Method::ResourcesRead => Some("uri"),
        // The revision that has these headers has no `tasks/result`.
        Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => Some("taskId"),
        _ => None,
    }
}

fn check_name(header: Option<&[u8]>, source: &str, message: &Message<'_>) -> Result<(), String> {
    let body = message.params().and_then(|params| params.get(source)).and_then(Value::as_str);
    let Some(header) = header else {
        return Err(format!("header mismatch: `Mcp-Name` is missing; it repeats `params.{source}`"));
    };
    let decoded = decode_value(header).ok_or("header mismatch: `Mcp-Name` is malformed")?;
    if body == Some(&*decoded) {
        return Ok(());
    }
    Err(format!("header mismatch: `Mcp-Name` differs from `params.{source}` in the body"))
}

fn check_param(headers: &impl Headers, param: &HeaderParam, body: Option<&Value<'_>>) -> Result<(), String> {
    let name = &param.name;
    let header = single(headers, &param.header, name)?;
    let (header, body) = match (header, Mirrored::of(body)) {
        (None, Mirrored::Nothing) => return Ok(()),
        (None, _) => return Err(format!("header mismatch: `Mcp-Param-{name}` is missing, but its argument is there")),
        (Some(_), Mirrored::Nothing) => {
            return Err(format!("header mismatch: `Mcp-Param-{name}` is there, but its argument is not"));
        }
        (Some(header), body) => (header, body),
    };
    let decoded = decode_value(header).ok_or_else(|| format!("header mismatch: `Mcp-Param-{name}` is malformed"))?;
    let equal = match body {
        Mirrored::Text(text) => *decoded == *text,
        Mirrored::Number(number) => *decoded == *number || same_number(&decoded, number),
        Mirrored::Nothing | Mirrored::Unmirrorable => false,
    };
    if equal {
        Ok(())
    } else {
        Err(format!("header mismatch: `Mcp-Param-{name}` differs from its argument in the body"))
    }
}

fn same_number(header: &str, body: &str) -> bool {
    matches!((header.parse::<Decimal>(), body.parse::<Decimal>()), (Ok(header), Ok(body)) if header == body)
}

fn single<'h>(headers: &'h impl Headers, name: &str, shown: &str) -> Result<Option<&'h [u8]>, String> {
    headers.one(name).map_err(|_| format!("header mismatch: `{shown}` stands more than once"))
}

/// The headers that a modern request must carry over HTTP, derived from its body: lower-case names and encoded
/// values. For requests that came in over stdio, or that the gateway rewrote.
pub fn mirror_headers(message: &Message<'_>, params: Option<&HeaderParams>) -> Vec<(Cow<'static, str>, String)> {
    let mut headers = Vec::with_capacity(4);
    if let Some(version) = message.meta(META_PROTOCOL_VERSION).and_then(Value::as_str) {
        headers.push((Cow::Borrowed(MCP_PROTOCOL_VERSION), encode_value(version).into_owned()));
    }
    if let Some(method) = message.method_name() {
        headers.push((Cow::Borrowed(MCP_METHOD), method.to_owned()));
    }
    let named = name_source(message.method()).and_then(|source| message.params()?.get(source)?.as_str());
    if let Some(name) = named {
        headers.push((Cow::Borrowed(MCP_NAME), encode_value(name).into_owned()));
    }
    let Some(params) = params else { return headers };
    for param in params.iter() {
        let text = match Mirrored::of(params.argument(param, message)) {
            Mirrored::Text(text) => encode_value(text).into_owned(),
            Mirrored::Number(number) => number.to_owned(),
            Mirrored::Nothing | Mirrored::Unmirrorable => continue,
        };
        headers.push((Cow::Owned(param.header.clone()), text));
    }
    headers
}

/// The text that a header value stands for: the value itself, or what its `=?base64?…?=` holds. `None` where it has
/// invalid characters, or the Base64 is none, or it does not hold UTF-8.
pub fn decode_value(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?;
    if !text.bytes().all(is_header_byte) {
        return None;
    }
    let inner = text.strip_prefix(SENTINEL).and_then(|rest| rest.strip_suffix(SENTINEL_END));
    match inner {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(Cow::Owned),
        None => Some(Cow::Borrowed(text)),
    }
}

/// The header value for a text: as it is where that is safe, else `=?base64?…?=`.
pub fn encode_value(text: &str) -> Cow<'_, str> {
    let padded = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    let sentinel = text.starts_with(SENTINEL) && text.ends_with(SENTINEL_END);
    if !padded && !sentinel && text.bytes().all(is_header_byte) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{SENTINEL}{}{SENTINEL_END}", STANDARD.encode(text)))
}

fn is_header_byte(byte: u8) -> bool {
    byte == b'\t' || (0x20..=0x7E).contains(&byte)
}
