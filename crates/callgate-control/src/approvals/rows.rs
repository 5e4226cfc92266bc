//! Questions as answers and records show them.

use super::question::Sealed;
use crate::moment;
use callgate_store::{ApprovalRow, ApprovalState};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A call that needs a person's yes, and the answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Approval, example = json!({
    "id": "a_0123456789abcdefghjkmnpqrs", "state": "pending", "server": "kernel", "tool": "exec_command",
    "grant": "g_0123456789abcdef", "grant_label": "laptop", "identity": null, "client": "claude-code 2.1",
    "policy": "default", "policy_version": 3, "rule": "/tools/exec_command/approve_if/always",
    "message": "Commands need a person.", "argument_keys": ["command"], "arguments": {"command": "ls"},
    "ask": "retry", "four_eyes": false, "remember_seconds": null, "decision": "018f3c5e-7a31-7c44-9d1e-0a1b2c3d4e5f",
    "asked": "2026-11-22T09:00:00.000Z", "expires": "2026-11-22T09:30:00.000Z",
    "url": "https://gate.example.com/approvals/a_0123456789abcdefghjkmnpqrs", "answered_by": null, "answered": null,
    "reason": "", "remembered": null, "used_by": null, "used": null
}))]
pub struct ApprovalView {
    /// Its identity.
    pub id: String,
    /// `pending`, `approved`, `refused`, `expired`, `withdrawn` or `used`.
    pub state: String,
    /// The name of the server.
    pub server: String,
    /// Its identity, by which roles for single servers go.
    pub server_id: String,
    /// The tool.
    pub tool: String,
    /// The identity of the grant.
    pub grant: String,
    /// The label of the grant, then.
    pub grant_label: String,
    /// The subject behind the grant, where it is known.
    pub identity: Option<String>,
    /// What the client calls itself: its own words.
    pub client: Option<String>,
    /// The name of the policy.
    pub policy: String,
    /// The version of the policy.
    pub policy_version: i64,
    /// The rule that asks.
    pub rule: String,
    /// What the rule says; only while the question is open, and only for who may answer.
    pub message: Option<String>,
    /// The top-level keys of the arguments, sorted.
    pub argument_keys: Vec<String>,
    /// The exact arguments; only while the question is open, and only for who may answer.
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<Box<RawValue>>,
    /// How the caller waits: `retry`, `hold` or `client`.
    pub ask: String,
    /// Whether who asks may not answer.
    pub four_eyes: bool,
    /// How long a yes may stay, in seconds; null where it is good for one call.
    pub remember_seconds: Option<i64>,
    /// The identity of the decision that asked.
    pub decision: String,
    /// When it was asked.
    #[schema(format = DateTime)]
    pub asked: String,
    /// When the question, or the answer, is over.
    #[schema(format = DateTime)]
    pub expires: String,
    /// The page on which it is answered.
    pub url: String,
    /// Who answered, or took the yes back.
    pub answered_by: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    pub answered: Option<String>,
    /// What was said about it.
    pub reason: String,
    /// For a yes that stays: the arguments that have to be equal.
    pub remembered: Option<Vec<String>>,
    /// The decision that used the yes up.
    pub used_by: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    pub used: Option<String>,
}

/// What a question's view needs beside its row.
pub(super) struct Beside {
    /// The page.
    pub(super) url: String,
    /// The time.
    pub(super) now: i64,
    /// What was sealed, for who may see it.
    pub(super) sealed: Option<Sealed>,
}

impl ApprovalView {
    pub(super) fn of(row: &ApprovalRow, beside: Beside) -> Self {
        let Beside { url, now, sealed } = beside;
        let is_open = matches!(row.state, ApprovalState::Pending | ApprovalState::Approved);
        let state = if is_open && row.expires <= now { ApprovalState::Expired } else { row.state };
        let (message, arguments) = sealed.map(|Sealed { message, arguments, .. }| (message, arguments)).unzip();
        Self {
            id: row.id.clone(),
            state: state.as_str().to_owned(),
            server: row.server_name.clone(),
            server_id: row.server.clone(),
            tool: row.tool.clone(),
            grant: row.grant.clone(),
            grant_label: row.grant_label.clone(),
            identity: row.identity.clone(),
            client: row.client.clone(),
            policy: row.policy_name.clone(),
            policy_version: row.policy_version,
            rule: row.rule.clone(),
            message,
            argument_keys: row.argument_keys.clone(),
            arguments,
            ask: row.ask.clone(),
            four_eyes: row.four_eyes,
            remember_seconds: row.remember_for.map(|milliseconds| milliseconds / 1000),
            decision: row.decision.clone(),
            asked: moment::rfc3339(row.asked_at),
            expires: moment::rfc3339(row.expires),
            url,
            answered_by: row.answered_by.clone(),
            answered: row.answered_at.map(moment::rfc3339),
            reason: row.reason.clone(),
            remembered: row.remembered.clone(),
            used_by: row.used_by.clone(),
            used: row.used_at.map(moment::rfc3339),
        }
    }
}

/// A question as records of changes show it: never an argument's value.
pub(super) fn recorded(row: &ApprovalRow, state: ApprovalState) -> Value {
    json!({
        "id": row.id, "state": state.as_str(), "server": row.server_name, "tool": row.tool, "grant": row.grant,
        "grant_label": row.grant_label, "identity": row.identity, "policy": row.policy_name,
        "policy_version": row.policy_version, "rule": row.rule, "argument_keys": row.argument_keys,
        "decision": row.decision, "asked": moment::rfc3339(row.asked_at), "expires": moment::rfc3339(row.expires),
    })
}
