//! The checks that make a JSON object a JSON-RPC message.

use crate::fold::{folds_to_camel, is_case_twin};
use crate::frame_error::{FrameError, FrameErrorKind};
use crate::id::RequestId;
use crate::message::{Limits, Message, MessageKind, Sender};
use crate::method::{Method, read_method};
use callgate_json::{Member, Value};

/// The members of the envelope, in lower case.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// The members of `tools/call` parameters that decide what runs, in lower case.
const CALL_PARAMS: [&str; 4] = ["name", "arguments", "task", "_meta"];
/// The parameters that continue a request, and are looked at or changed on their way.
const RETRY_PARAMS: [&str; 2] = ["inputResponses", "requestState"];
const NOTIFICATIONS: &str = "notifications/";

struct Parts<'t, 'a> {
    id: Option<&'t Value<'a>>,
    method: Option<&'t Value<'a>>,
    params: Option<&'t Value<'a>>,
    result: Option<&'t Value<'a>>,
    error: Option<&'t Value<'a>>,
}

/// Makes a message of one object of the body.
pub(crate) fn read<'a>(
    body: &'a [u8],
    tree: Value<'a>,
    limits: &Limits,
    sender: Sender,
) -> Result<Message<'a>, FrameError> {
    let (kind, method) = classify(body, &tree, limits, sender)?;
    Ok(Message { body, tree, kind, method })
}

fn classify(
    body: &[u8],
    tree: &Value<'_>,
    limits: &Limits,
    sender: Sender,
) -> Result<(MessageKind, Method), FrameError> {
    if !tree.is_object() {
        let reason = format!("a message must be a JSON object, not {}", article(tree.type_name()));
        return Err(FrameError::new(FrameErrorKind::Envelope, reason));
    }
    refuse_twins(tree.members(), &ENVELOPE)?;
    let parts = Parts {
        id: tree.get("id"),
        method: tree.get("method"),
        params: tree.get("params"),
        result: tree.get("result"),
        error: tree.get("error"),
    };
    let echo = readable_id(body, &parts, limits);
    check(tree, &parts, body, limits, sender).map_err(|error| error.about(echo))
}

/// The bytes of the id where a well-formed one is there, so that the refusal can name it.
fn readable_id<'a>(body: &'a [u8], parts: &Parts<'_, '_>, limits: &Limits) -> Option<&'a [u8]> {
    let id = parts.id?;
    RequestId::from_value(id)?;
    Some(id.bytes(body)).filter(|bytes| bytes.len() <= limits.max_id_bytes)
}

fn check(
    tree: &Value<'_>,
    parts: &Parts<'_, '_>,
    body: &[u8],
    limits: &Limits,
    sender: Sender,
) -> Result<(MessageKind, Method), FrameError> {
    let envelope = |reason: &str| FrameError::new(FrameErrorKind::Envelope, reason);
    if tree.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(envelope("`jsonrpc` must be \"2.0\""));
    }
    match (parts.method, parts.result.is_some(), parts.error) {
        (Some(method), false, None) => call(method, parts, body, limits),
        (None, true, None) => {
            check_id(required_id(parts)?, body, limits)?;
            Ok((MessageKind::Response, Method::Other))
        }
        (None, false, Some(error)) => {
            check_error(error)?;
            let id = parts.id.filter(|id| !id.is_null());
            match (id, sender) {
                (None, Sender::Server) => {}
                (None, Sender::Client) => return Err(required_id(parts).err().unwrap_or_else(null_id)),
                (Some(id), _) => check_id(id, body, limits)?,
            }
            Ok((MessageKind::Response, Method::Other))
        }
        (None, false, None) => Err(envelope("a message needs a `method`, a `result` or an `error`")),
        _ => Err(envelope("a message has exactly one of `method`, `result` and `error`")),
    }
}

fn call(
    method: &Value<'_>,
    parts: &Parts<'_, '_>,
    body: &[u8],
    limits: &Limits,
) -> Result<(MessageKind, Method), FrameError> {
    let Some(name) = method.as_str() else {
        let reason = format!("`method` must be a string, not {}", article(method.type_name()));
        return Err(FrameError::new(FrameErrorKind::Envelope, reason));
    };
    let method = read_method(name).map_err(|reason| FrameError::new(FrameErrorKind::Method, reason))?;
    let presence = |reason: String| Err(FrameError::new(FrameErrorKind::IdPresence, reason));
    let kind = match (name.starts_with(NOTIFICATIONS), parts.id) {
        (true, None) => MessageKind::Notification,
        (true, Some(_)) => return presence(format!("`{name}` is a notification and must not have an `id`")),
        (false, None) => return presence(format!("`{name}` is a request and must have an `id`")),
        (false, Some(id)) => {
            check_id(id, body, limits)?;
            MessageKind::Request
        }
    };
    check_params(method, parts.params)?;
    Ok((kind, method))
}

fn check_params(method: Method, params: Option<&Value<'_>>) -> Result<(), FrameError> {
    let wrong = |reason: String| Err(FrameError::new(FrameErrorKind::Params, reason));
    let params = params.filter(|params| !params.is_null());
    if let Some(other) = params.filter(|params| !params.is_object()) {
        return wrong(format!("`params` must be an object, not {}", article(other.type_name())));
    }
    if let Some(meta) = params.and_then(|params| params.get("_meta")).filter(|meta| !meta.is_object()) {
        return wrong(format!("`params._meta` must be an object, not {}", article(meta.type_name())));
    }
    for key in RETRY_PARAMS {
        refuse_case_twins(params.map(Value::members).unwrap_or_default(), key)?;
    }
    if method != Method::ToolsCall {
        return Ok(());
    }
    let Some(params) = params else {
        return wrong("`tools/call` needs `params` with the `name` of a tool".into());
    };
    refuse_twins(params.members(), &CALL_PARAMS)?;
    match params.get("name").map(|name| (name.as_str(), name.type_name())) {
        Some((Some(name), _)) if !name.is_empty() => {}
        Some((Some(_), _)) => return wrong("`params.name` must not be empty".into()),
        Some((None, found)) => return wrong(format!("`params.name` must be a string, not {}", article(found))),
        None => return wrong("`tools/call` needs the `name` of a tool in `params`".into()),
    }
    match params.get("arguments") {
        Some(other) if !other.is_object() => {
            wrong(format!("`params.arguments` must be an object or absent, not {}", article(other.type_name())))
        }
        _ => Ok(()),
    }
}

fn required_id<'t, 'a>(parts: &Parts<'t, 'a>) -> Result<&'t Value<'a>, FrameError> {
    parts.id.ok_or_else(|| FrameError::new(FrameErrorKind::IdPresence, "a response must have the `id` of its request"))
}

fn null_id() -> FrameError {
    FrameError::new(FrameErrorKind::Id, "`id` must be a string or an integer, not null")
}

fn check_id(id: &Value<'_>, body: &[u8], limits: &Limits) -> Result<(), FrameError> {
    let wrong = |reason: String| Err(FrameError::new(FrameErrorKind::Id, reason));
    if id.bytes(body).len() > limits.max_id_bytes {
        return wrong(format!("`id` is longer than {} bytes", limits.max_id_bytes));
    }
    if RequestId::from_value(id).is_some() {
        return Ok(());
    }
    match id.type_name() {
        "number" => wrong("a number as `id` must be a plain integer of at most 64 bits".into()),
        other => wrong(format!("`id` must be a string or an integer, not {}", article(other))),
    }
}

fn check_error(error: &Value<'_>) -> Result<(), FrameError> {
    let code = error.get("code").and_then(Value::as_number).and_then(|code| code.exact().ok()?.as_i64());
    let message = error.get("message").and_then(Value::as_str);
    if code.is_some() && message.is_some() {
        return Ok(());
    }
    Err(FrameError::new(FrameErrorKind::Envelope, "`error` must have an integer `code` and a string `message`"))
}

/// Refuses keys that a reader which ignores case would take for one of `names`.
pub(crate) fn refuse_twins(members: &[Member<'_>], names: &[&str]) -> Result<(), FrameError> {
    for member in members {
        if names.contains(&member.key.as_ref()) {
            continue;
        }
        if let Some(name) = names.iter().find(|name| is_case_twin(&member.key, name)) {
            let reason =
                format!("a key at byte {} could be taken for `{name}`; write it exactly", member.key_span.start);
            return Err(FrameError::new(FrameErrorKind::AmbiguousKey, reason));
        }
    }
    Ok(())
}

/// Refuses keys that a reader which ignores case would take for `name`, which may be written with capitals.
pub(crate) fn refuse_case_twins(members: &[Member<'_>], name: &str) -> Result<(), FrameError> {
    let twin = members.iter().find(|member| member.key != name && folds_to_camel(&member.key, name));
    let Some(member) = twin else { return Ok(()) };
    let reason = format!("a key at byte {} could be taken for `{name}`; write it exactly", member.key_span.start);
    Err(FrameError::new(FrameErrorKind::AmbiguousKey, reason))
}

fn article(type_name: &str) -> String {
    match type_name {
        "null" => "null".into(),
        "array" | "object" => format!("an {type_name}"),
        other => format!("a {other}"),
    }
}
