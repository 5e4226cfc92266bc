//! Requests on their way down: the session's facts go into each of them.

use super::client::{LegacyClient, LogLevel};
use super::input::Answers;
use crate::bridge::members::{Members, with_envelope};
use crate::message::Message;
use crate::method::Method;
use crate::write;
use callgate_json::Value;
use std::borrow::Cow;

/// One request to the server: the first for a client's request, or the next one after it wanted input.
#[derive(Clone, Copy, Debug)]
pub struct Leg<'a> {
    /// The request's id, as JSON. Every leg has another one (MCP 2026-07-28 "Multi Round-Trip Requests").
    pub id: &'a [u8],
    /// Who asks.
    pub client: &'a LegacyClient,
    /// From which level on it wants log messages; without one the server sends none.
    pub level: Option<LogLevel>,
    /// What the server wanted to know; `None` on the first leg.
    pub answers: Option<&'a Answers>,
}

/// The modern request for a legacy one. Unknown members stay; what the client put into `_meta` does, too.
///
/// A `task` in `tools/call` is left out: whoever does not declare tasks has to ignore it (MCP 2025-11-25 "Tasks").
pub fn request(message: &Message<'_>, leg: &Leg<'_>) -> Vec<u8> {
    let body = message.body();
    let params = message.params();
    let own = params.and_then(|params| params.get("_meta")).map(|meta| (meta, body));
    let task = message.method() == Method::ToolsCall;
    let kept = |key: &str| match key {
        // Legacy clients don't know the last two: only the gateway answers what the server asked.
        "_meta" | "inputResponses" | "requestState" => false,
        "task" => !task,
        _ => true,
    };
    let params = Members::new()
        .take(params, body, kept)
        .add_some("inputResponses", leg.answers.and_then(Answers::responses))
        .add_some("requestState", leg.answers.and_then(Answers::state))
        .add("_meta", &leg.client.meta(own, leg.level))
        .finish();
    let same_id = message.id_bytes() == Some(leg.id);
    let mut members = vec![("params", Cow::Owned(params))];
    if !same_id {
        members.push(("id", Cow::Borrowed(leg.id)));
    }
    with_envelope(message, &members).into_owned()
}

/// A `server/discover` in the client's name.
pub fn discover(id: &[u8], client: &LegacyClient) -> Vec<u8> {
    made(id, "server/discover", client, None)
}

/// A request of the gateway's own in the client's name; `params` is an object.
pub(super) fn made(id: &[u8], method: &str, client: &LegacyClient, params: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut members = Members::new();
    if let Some((key, json)) = params {
        members = members.add(key, json);
    }
    let none: Option<(&Value<'_>, &[u8])> = None;
    let params = members.add("_meta", &client.meta(none, None)).finish();
    write::request(id, method, Some(&params))
}
