//! A decision in a list.

use crate::api::path;
use crate::figure;
use crate::moment::Moment;
use crate::part::{outcome_class, outcome_word};
use callgate_control::approvals::visible::visible;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the identity of a row begins with; the decision's own follows.
pub(crate) const ELEMENT: &str = "d-";

/// A decision, as the API shows it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Decision {
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) seq: u64,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) rule: String,
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) grant: String,
    pub(crate) grant_label: String,
    pub(crate) identity: Option<String>,
    pub(crate) server: String,
    pub(crate) method: String,
    pub(crate) tool: String,
    pub(crate) policy: String,
    pub(crate) policy_version: Option<u64>,
    pub(crate) policy_digest: Option<String>,
    pub(crate) session: String,
    pub(crate) client: String,
    pub(crate) client_version: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) argument_keys: Vec<String>,
    pub(crate) arguments_digest: Option<String>,
    pub(crate) result_of: Option<String>,
    pub(crate) redacted: BTreeMap<String, u64>,
    pub(crate) shadow: Vec<Shadow>,
    pub(crate) result: String,
    pub(crate) upstream_status: Option<u16>,
    pub(crate) error_code: Option<i64>,
    pub(crate) latency_us: Option<u64>,
    pub(crate) bytes: Option<u64>,
}

/// Where the rule stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) baseline: bool,
    pub(crate) pointer: String,
    pub(crate) line: u32,
}

/// What a rule in shadow mode would have done.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shadow {
    pub(crate) rule: String,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// A row of the table.
pub(crate) struct Row {
    /// The identity of the row on its page.
    pub(crate) element: String,
    /// Where the whole decision is.
    pub(crate) href: String,
    pub(crate) moment: Moment,
    pub(crate) outcome: &'static str,
    pub(crate) class: &'static str,
    /// The tool; where none was called, the method.
    pub(crate) tool: String,
    pub(crate) server: String,
    pub(crate) grant: String,
    pub(crate) grant_href: String,
    pub(crate) rule: String,
    /// Where its line is shown.
    pub(crate) rule_href: String,
    pub(crate) message: String,
    pub(crate) result: &'static str,
    pub(crate) latency: String,
}

impl Row {
    pub(crate) fn of(decision: Decision) -> Self {
        let href = path(&["decisions", &decision.id], &[]);
        let tool = if decision.tool.is_empty() { &decision.method } else { &decision.tool };
        Self {
            element: format!("{ELEMENT}{}", decision.id),
            rule_href: format!("{href}#rule"),
            href,
            moment: Moment::of(&decision.time),
            outcome: outcome_word(&decision.outcome),
            class: outcome_class(&decision.outcome),
            tool: visible(tool),
            server: visible(&decision.server),
            grant: visible(&decision.grant_label),
            grant_href: path(&["grants", &decision.grant], &[]),
            rule: visible(&decision.rule),
            message: visible(&decision.message),
            result: fate(&decision.result).0,
            latency: decision.latency_us.filter(|_| was_forwarded(&decision)).map(figure::duration).unwrap_or_default(),
        }
    }
}

/// Whether the call left.
pub(crate) fn was_forwarded(decision: &Decision) -> bool {
    !matches!(decision.result.as_str(), "" | "not_forwarded")
}

/// What became of a call: in a word, and in a sentence.
pub(crate) fn fate(word: &str) -> (&'static str, &'static str) {
    match word {
        "result" => ("answered", "The server answered with a result."),
        "tool_error" => ("tool error", "The tool ran and said that it failed (`isError`)."),
        "error" => ("error", "The server answered with an error of the protocol."),
        "input_required" => ("input required", "The server asked the client for more before it goes on."),
        "task" => ("task", "The server made a task of it."),
        "accepted" => ("accepted", "The server took a message that has no answer."),
        "unreachable" => ("unreachable", "The server could not be reached: the call certainly did not run."),
        "timeout" => ("time-out", "The server did not answer in time: the call may have run."),
        "broken" => ("broken off", "The connection broke: the call may have run."),
        "cancelled" => ("cancelled", "The client took the call back: it may have run."),
        "not_forwarded" => ("not forwarded", "The call never left the gateway."),
        _ => ("", ""),
    }
}
