//! Responses on their way up: results as legacy clients read them, and errors that they know.

use super::input::InputRequired;
use crate::bridge::members::{Members, with_envelope};
use crate::frame_error::codes;
use crate::message::Message;
use crate::method::Method;
use callgate_json::{Value, write_string};
use std::borrow::Cow;

/// What a modern response is to a legacy client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The response, the last word.
    Final(Cow<'a, [u8]>),
    /// The server wants to know something first.
    InputRequired(InputRequired),
}

/// A response that no legacy client can be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbridged {
    /// A result of a kind that the client did not ask for and can't know.
    #[error("its result is of the kind `{0}`, which no client of an earlier revision knows")]
    Kind(String),
    /// Input is wanted where none may be.
    #[error("it wants input for a request that has none")]
    NoInput,
    /// Input is wanted in a way that can't be read.
    #[error("it wants input, but its `{0}` can't be read")]
    Malformed(&'static str),
}

/// Translates the response to a request with this `method`; `id` is what the client called its request, as JSON.
///
/// `resultType`, `ttlMs` and `cacheScope` stay: results were open to unknown members in every revision, and bytes
/// that nobody touches can't be broken.
pub fn reply<'a>(response: &Message<'a>, method: Method, id: &[u8]) -> Result<Reply<'a>, Unbridged> {
    let mut members = Vec::new();
    if response.id_bytes() != Some(id) {
        members.push(("id", Cow::Owned(id.to_vec())));
    }
    match (response.result(), response.error()) {
        (Some(result), _) => match result.get("resultType").and_then(Value::as_str) {
            Some("input_required") => return input(response, result, method).map(Reply::InputRequired),
            Some("complete") | None => {
                members.extend(translated(response, result, method).map(|json| ("result", json)))
            }
            Some(kind) => return Err(Unbridged::Kind(kind.chars().take(40).collect())),
        },
        (None, Some(error)) => members.extend(known_error(response, error).map(|json| ("error", json))),
        (None, None) => {}
    }
    Ok(Reply::Final(with_envelope(response, &members)))
}

fn input(response: &Message<'_>, result: &Value<'_>, method: Method) -> Result<InputRequired, Unbridged> {
    if !matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead) {
        return Err(Unbridged::NoInput);
    }
    InputRequired::read(response, result).map_err(Unbridged::Malformed)
}

/// The result without what earlier revisions forbid; `None` where there is nothing of it.
fn translated<'a>(response: &Message<'_>, result: &Value<'_>, method: Method) -> Option<Cow<'a, [u8]>> {
    let body = response.body();
    match method {
        // Structured content was an object; the text beside it says the same (MCP 2025-11-25 "Structured Content").
        Method::ToolsCall => result
            .get("structuredContent")
            .filter(|content| !content.is_object())
            .map(|_| Members::new().take(Some(result), body, |key| key != "structuredContent").finish().into()),
        Method::ToolsList => tools(response, result),
        _ => None,
    }
}

/// The list without output schemas of anything but objects: a client that checks it would refuse all of it.
fn tools<'a>(response: &Message<'_>, result: &Value<'_>) -> Option<Cow<'a, [u8]>> {
    let body = response.body();
    let list = result.get("tools").and_then(Value::as_array)?;
    let is_foreign = |tool: &Value<'_>| {
        let schema = tool.get("outputSchema");
        schema.is_some_and(|schema| schema.get("type").and_then(Value::as_str) != Some("object"))
    };
    if !list.iter().any(is_foreign) {
        return None;
    }
    let mut tools = vec![b'['];
    for tool in list {
        if tools.len() > 1 {
            tools.push(b',');
        }
        if is_foreign(tool) {
            tools.extend(Members::new().take(Some(tool), body, |key| key != "outputSchema").finish());
        } else {
            tools.extend_from_slice(response.bytes_of(tool));
        }
    }
    tools.push(b']');
    let result = Members::new().take(Some(result), body, |key| key != "tools").add("tools", &tools);
    Some(result.finish().into())
}

/// The error in the words of earlier revisions; `None` where they have it.
///
/// An unknown resource stays `-32602`: the older `-32002` would be a guess at what the server meant.
fn known_error<'a>(response: &Message<'_>, error: &Value<'_>) -> Option<Cow<'a, [u8]>> {
    let code = error.get("code")?.as_number()?.exact().ok()?.as_i64()?;
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let (code, text) = match code {
        codes::MISSING_CAPABILITY => {
            let needed = error.get("data").and_then(|data| data.get("requiredCapabilities"));
            let needed: Vec<_> = needed.map(Value::members).unwrap_or_default().iter().map(|m| &*m.key).collect();
            let needed =
                if needed.is_empty() { "a capability".to_owned() } else { format!("`{}`", needed.join("`, `")) };
            let text =
                format!("the server needs {needed}, which this client did not declare in `initialize`: {message}");
            (codes::INVALID_REQUEST, text)
        }
        codes::HEADER_MISMATCH | codes::UNSUPPORTED_VERSION => {
            (codes::INTERNAL_ERROR, format!("the server refuses the request as the gateway translated it: {message}"))
        }
        _ => return None,
    };
    let mut json = String::new();
    write_string(&text, &mut json);
    let body = response.body();
    let rest = Members::new().take(Some(error), body, |key| !matches!(key, "code" | "message"));
    Some(rest.add("code", code.to_string().as_bytes()).add("message", json.as_bytes()).finish().into())
}
