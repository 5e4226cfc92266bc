//! What a response says about its call.

use crate::frame_error::codes;
use crate::message::{Message, MessageKind};
use callgate_json::Value;

/// What a response says about the request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseOutcome {
    /// A result.
    Result,
    /// A tool result with `isError: true`: the tool ran and failed.
    ToolError,
    /// The server wants input first (`resultType: "input_required"`).
    InputRequired,
    /// The call goes on as a task (`resultType: "task"`, or `result.task` in 2025-11-25).
    Task,
    /// A JSON-RPC error with this code.
    Error(i64),
}

impl ResponseOutcome {
    /// Whether the call certainly did not run: the server refused the message itself.
    pub fn did_not_run(self) -> bool {
        let Self::Error(code) = self else { return false };
        matches!(
            code,
            codes::PARSE_ERROR
                | codes::INVALID_REQUEST
                | codes::METHOD_NOT_FOUND
                | codes::INVALID_PARAMS
                | codes::HEADER_MISMATCH
                | codes::MISSING_CAPABILITY
                | codes::UNSUPPORTED_VERSION
        )
    }
}

/// What a response says; `None` for requests and notifications.
pub fn outcome(message: &Message<'_>) -> Option<ResponseOutcome> {
    if message.kind() != MessageKind::Response {
        return None;
    }
    let Some(result) = message.result() else {
        let code = message.error()?.get("code")?.as_number()?.exact().ok()?.as_i64()?;
        return Some(ResponseOutcome::Error(code));
    };
    let outcome = match result.get("resultType").and_then(Value::as_str) {
        Some("input_required") => ResponseOutcome::InputRequired,
        Some("task") => ResponseOutcome::Task,
        _ if result.get("isError").and_then(Value::as_bool) == Some(true) => ResponseOutcome::ToolError,
        _ if result.get("task").is_some_and(|task| task.get("taskId").is_some()) => ResponseOutcome::Task,
        _ => ResponseOutcome::Result,
    };
    Some(outcome)
}
