//! The caller's own user as the one who answers, in the stateless revision: an `input_required` with one form, and a
//! state that only this gateway can make (MCP 2026-07-28 "Multi Round-Trip Requests").

use super::words;
use crate::answer;
use crate::errors::Cause;
use crate::gate::Gate;
use crate::judge::Asked;
use crate::snapshot::GrantEntry;
use crate::states::About;
use bytes::Bytes;
use callgate_decision::ApprovalId;
use callgate_json::{Kind, Value};
use callgate_mcp::bridge::up;
use callgate_mcp::{META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION, Message, MessageKind, result_response};

/// The key of the gateway's question.
const KEY: &str = "callgate_approval";
/// What the states of its questions begin with; those of servers have no dot.
const PREFIX: &str = "cgq.";

/// The answer that asks the caller's user first; `None` where the client can't ask, and where the request is a leg with
/// a state of its own, which would be lost.
pub(crate) fn required(gate: &Gate, entry: &GrantEntry, asked: &Asked, message: &Message<'_>) -> Option<Vec<u8>> {
    if !super::takes_forms(message.meta(META_CLIENT_CAPABILITIES)) || part(message, "requestState").is_some() {
        return None;
    }
    let about = About::of(entry, message)?;
    let state = gate.questions.seal(&about, &asked.approval.id.0, None, gate.clock.now())?;
    let form = words::form(asked, message);
    let decision = answer::decision_member(&asked.refused, Some(&asked.approval));
    // What is sealed needs no escapes.
    let result = format!(
        "{{\"resultType\":\"input_required\",\"inputRequests\":{{\"{KEY}\":{{\"method\":\"elicitation/create\",\
         \"params\":{form}}}}},\"requestState\":\"{PREFIX}{state}\",\"_meta\":{{{decision}}}}}"
    );
    gate.waiting.stays(&asked.approval.id);
    Some(result_response(message.id_bytes().unwrap_or(b"null"), result.as_bytes()))
}

/// Takes the answer that a request brings to such a question. The request comes back as it was before it was asked,
/// to be judged anew; `None` where it brings none.
pub(crate) async fn brought(gate: &Gate, entry: &GrantEntry, message: &Message<'_>) -> Result<Option<Bytes>, Cause> {
    let state = part(message, "requestState").and_then(Value::as_str);
    let Some(text) = state.and_then(|text| text.strip_prefix(PREFIX)) else { return Ok(None) };
    if message.kind() != MessageKind::Request || message.meta(META_PROTOCOL_VERSION).is_none() {
        return Ok(None);
    }
    let about = About::of(entry, message).ok_or(Cause::StateRefused("this method has none"))?;
    let (now, first) = (gate.clock.now(), Bytes::from(up::first_leg(message)));
    gate.questions.check(&about, text, now)?;
    // Without an answer it is asked again.
    let Some(answer) = part(message, "inputResponses").and_then(|all| all.get(KEY)) else { return Ok(Some(first)) };
    let action = answer.get("action").and_then(Value::as_str);
    if !matches!(action, Some("accept" | "decline" | "cancel")) {
        let why = "its `action` has to be `accept`, `decline` or `cancel`".to_owned();
        return Err(Cause::InputAnswer { key: KEY.to_owned(), why });
    }
    let id = ApprovalId(gate.questions.take(&about, text, now)?.into());
    // Where somebody else was quicker, that answer counts; where it can't be kept, the question is still open.
    if let Err(error) = gate.approvals.answer_by_client(&id, is_yes(answer)).await {
        tracing::error!("CG2120: an answer can't be kept: {error}");
    }
    Ok(Some(first))
}

/// Whether the answer to a form is a yes: accepted, and ticked. Everything else is a no.
pub(crate) fn is_yes(answer: &Value<'_>) -> bool {
    let ticked = answer.get("content").and_then(|content| content.get("approve"));
    let accepted = answer.get("action").and_then(Value::as_str) == Some("accept");
    accepted && ticked.is_some_and(|ticked| matches!(ticked.kind, Kind::Bool(true)))
}

fn part<'m, 'a>(message: &'m Message<'a>, key: &str) -> Option<&'m Value<'a>> {
    message.params()?.get(key).filter(|part| !part.is_null())
}
