//! Records as the API and the command line show them.

use crate::moment;
use callgate_store::{ChangeRow, DecisionRow, RefusalKind, RefusalRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A decision, with what became of its call. What is not there is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Decision {
    /// Its identity.
    pub id: String,
    /// When, RFC 3339.
    pub time: String,
    /// The number of its record in the journal.
    pub seq: u64,
    /// `allow`, `deny` or `approve`.
    pub outcome: String,
    /// Why, where it was refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The rule that decided; empty for a plain allow.
    pub rule: String,
    /// Where the rule stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What the caller was told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the limit's window resets, in milliseconds from the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The organisation.
    pub organisation: String,
    /// The identity of the grant.
    pub grant: String,
    /// The label of the grant, then.
    pub grant_label: String,
    /// The subject behind the grant, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The name of the server, then.
    pub server: String,
    /// The JSON-RPC method.
    pub method: String,
    /// The tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// The name of the policy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// The version of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// The digest of that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
    /// The MCP session.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The version that the client says it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// The request's id, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The top-level keys of the arguments, sorted. No values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub argument_keys: Vec<String>,
    /// A keyed hash of the arguments: the same for the same ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments_digest: Option<String>,
    /// The decision that let the call leave, where this one is about its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_of: Option<String>,
    /// How often each detector found something that was taken out of the result.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redacted: BTreeMap<String, u64>,
    /// What rules in shadow mode would have done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<Shadow>,
    /// What came back; left out while the call runs, and where it never left.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub result: String,
    /// The HTTP status of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// The code of the upstream's JSON-RPC error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i64>,
    /// From the decision to the end of the answer, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// How many bytes the answer had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Where a rule stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Place {
    /// Whether it is the organisation's baseline policy.
    pub baseline: bool,
    /// The RFC 6901 pointer into the document.
    pub pointer: String,
    /// The line, from 1.
    pub line: u32,
}

/// What a rule in shadow mode would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Shadow {
    /// The rule.
    pub rule: String,
    /// `deny` or `approve`; `allow` where something would be taken out of a result.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// What it would have said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A step of a change of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// When, RFC 3339.
    pub time: String,
    /// The number of its record in the journal.
    pub seq: u64,
    /// The organisation.
    pub organisation: String,
    /// The organisation's generation: steps with the same one happened at once.
    pub generation: i64,
    /// Who: `member:ada`, `token:ci`, `configuration file`.
    pub who: String,
    /// What: `server add`, `policy publish`, …
    pub what: String,
    /// To what: `server/kernel`, `server/kernel/grant/g_…`, …
    pub object: String,
    /// What was there before, without secrets; null where nothing was.
    pub before: Value,
    /// What is there now, without secrets; null where nothing is.
    pub after: Value,
}

/// Something that was refused before a grant was known, or withheld from a client. What is not there is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Refusal {
    /// `early` (refused before a grant was known, counted by source and reason) or `withheld` (taken out of a list).
    pub kind: String,
    /// When it happened, or was counted last: RFC 3339.
    pub time: String,
    /// Since when it is counted: RFC 3339.
    pub since: String,
    /// How many.
    pub count: u64,
    /// Where they came from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Why they were refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The identity of the grant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grant: String,
    /// The label of the grant, then.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grant_label: String,
    /// The name of the server, then.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The method whose list it was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// The name of the policy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// The version of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// The MCP session.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The names that were withheld, the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl From<DecisionRow> for Decision {
    fn from(row: DecisionRow) -> Self {
        // The details are this structure's own fields, and this program wrote them.
        let details: Self = serde_json::from_str(&row.details).unwrap_or_default();
        let fate = row.fate.as_ref();
        Self {
            id: row.id,
            time: moment::rfc3339(row.ts),
            seq: row.seq.unsigned_abs(),
            outcome: row.outcome,
            reason: row.reason,
            rule: row.rule,
            message: row.message,
            organisation: row.organisation,
            grant: row.grant,
            grant_label: row.grant_label,
            server: row.server,
            method: row.method,
            tool: row.tool,
            policy: row.policy,
            policy_version: row.policy_version.map(i64::unsigned_abs),
            session: row.session,
            client: row.client,
            upstream_status: fate.and_then(|fate| u16::try_from(fate.upstream_status?).ok()),
            error_code: fate.and_then(|fate| fate.error_code),
            latency_us: fate.map(|fate| fate.latency_us.unsigned_abs()),
            bytes: fate.map(|fate| fate.bytes.unsigned_abs()),
            result: row.fate.map(|fate| fate.result).unwrap_or_default(),
            ..details
        }
    }
}

impl From<ChangeRow> for Change {
    fn from(row: ChangeRow) -> Self {
        Self {
            time: moment::rfc3339(row.ts),
            seq: row.seq.unsigned_abs(),
            organisation: row.organisation,
            generation: row.generation,
            who: row.who,
            what: row.what,
            object: row.object,
            before: serde_json::from_str(&row.before).unwrap_or_default(),
            after: serde_json::from_str(&row.after).unwrap_or_default(),
        }
    }
}

impl From<RefusalRow> for Refusal {
    fn from(row: RefusalRow) -> Self {
        let kind = match row.kind {
            RefusalKind::Early => "early",
            RefusalKind::Withheld => "withheld",
        };
        Self {
            kind: kind.to_owned(),
            time: moment::rfc3339(row.ts),
            since: moment::rfc3339(row.since),
            count: row.count.unsigned_abs(),
            source: row.source,
            reason: row.reason,
            grant: row.grant,
            grant_label: row.grant_label,
            server: row.server,
            method: row.method,
            policy: row.policy,
            policy_version: row.policy_version.map(i64::unsigned_abs),
            session: row.session,
            names: serde_json::from_str(&row.names).unwrap_or_default(),
        }
    }
}
