//! One structure per table of the index.

use crate::error::StoreError;
use crate::table::Values;

/// A decision, with what became of its call. Texts that are not there are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionRow {
    /// Its number in its chain.
    pub seq: i64,
    /// The organisation.
    pub organisation: String,
    /// When, milliseconds since the Unix epoch.
    pub ts: i64,
    /// Its identity.
    pub id: String,
    /// The identity of the grant.
    pub grant: String,
    /// The label of the grant, then.
    pub grant_label: String,
    /// The name of the server, then.
    pub server: String,
    /// The identity of the grant's server; empty where the store knows no such grant. Found out when it is written.
    pub server_id: String,
    /// The JSON-RPC method.
    pub method: String,
    /// The tool.
    pub tool: String,
    /// The name of the policy.
    pub policy: String,
    /// The version of the policy.
    pub policy_version: Option<i64>,
    /// `allow`, `deny` or `approve`.
    pub outcome: String,
    /// The rule that decided.
    pub rule: String,
    /// Why, where it was refused.
    pub reason: String,
    /// What the caller was told.
    pub message: String,
    /// The MCP session.
    pub session: String,
    /// What the client calls itself.
    pub client: String,
    /// Whatever else its record says and nobody searches for: a JSON object.
    pub details: String,
    /// What came back; none while the call runs, and where it never left.
    pub fate: Option<OutcomeRow>,
}

/// What became of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeRow {
    /// The decision.
    pub id: String,
    /// What came back, as a word.
    pub result: String,
    /// The HTTP status of the upstream.
    pub upstream_status: Option<i64>,
    /// The code of the upstream's JSON-RPC error.
    pub error_code: Option<i64>,
    /// From the decision to the end of the answer, in microseconds.
    pub latency_us: i64,
    /// How many bytes the answer had.
    pub bytes: i64,
}

/// A step of a change of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number in its chain.
    pub seq: i64,
    /// The organisation.
    pub organisation: String,
    /// When, milliseconds since the Unix epoch.
    pub ts: i64,
    /// The organisation's generation.
    pub generation: i64,
    /// Its place in the change: with the generation, what tells steps apart.
    pub position: i64,
    /// Who did it.
    pub who: String,
    /// What was done.
    pub what: String,
    /// To what.
    pub object: String,
    /// What was there before, as JSON.
    pub before: String,
    /// What is there now, as JSON.
    pub after: String,
}

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusalKind {
    /// Refused before a grant was known: `source`, `reason`, `count` since `since`. Of no organisation.
    #[default]
    Early,
    /// Taken out of a list before a client saw it: `names`, `count`, and whose list it was.
    Withheld,
}

/// Something refused or withheld. Texts that are not there are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalRow {
    /// Its identity in its chain: written again, it replaces itself.
    pub id: String,
    /// What kind it is.
    pub kind: RefusalKind,
    /// The organisation.
    pub organisation: String,
    /// When, milliseconds since the Unix epoch.
    pub ts: i64,
    /// Since when it is counted.
    pub since: i64,
    /// How many.
    pub count: i64,
    /// Where they came from.
    pub source: String,
    /// Why they were refused.
    pub reason: String,
    /// The identity of the grant.
    pub grant: String,
    /// The label of the grant, then.
    pub grant_label: String,
    /// The name of the server, then.
    pub server: String,
    /// The identity of the grant's server. Found out when it is written.
    pub server_id: String,
    /// The JSON-RPC method.
    pub method: String,
    /// The name of the policy.
    pub policy: String,
    /// The version of the policy.
    pub policy_version: Option<i64>,
    /// The MCP session.
    pub session: String,
    /// The names that were withheld, a JSON array.
    pub names: String,
}

impl DecisionRow {
    pub(super) const COLUMNS: &'static str = "seq, organisation, ts, id, grant_id, grant_label, server, server_id, \
        method, tool, policy, policy_version, outcome, rule, reason, message, session, client, details, result, \
        upstream_status, error_code, latency_us, bytes";

    pub(super) fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        let mut row = Self {
            seq: values.next()?,
            organisation: values.next()?,
            ts: values.next()?,
            id: values.next()?,
            grant: values.next()?,
            grant_label: values.next()?,
            server: values.next()?,
            server_id: values.next()?,
            method: values.next()?,
            tool: values.next()?,
            policy: values.next()?,
            policy_version: values.next()?,
            outcome: values.next()?,
            rule: values.next()?,
            reason: values.next()?,
            message: values.next()?,
            session: values.next()?,
            client: values.next()?,
            details: values.next()?,
            fate: None,
        };
        let (result, upstream_status, error_code) = (values.next::<String>()?, values.next()?, values.next()?);
        let (latency, bytes) = (values.next::<Option<i64>>()?, values.next::<Option<i64>>()?);
        if !result.is_empty() {
            let (latency_us, bytes) = (latency.unwrap_or_default(), bytes.unwrap_or_default());
            row.fate = Some(OutcomeRow { id: row.id.clone(), result, upstream_status, error_code, latency_us, bytes });
        }
        Ok(row)
    }
}

impl ChangeRow {
    pub(super) const COLUMNS: &'static str =
        "seq, organisation, ts, generation, position, who, what, object, before, after";

    pub(super) fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            seq: values.next()?,
            organisation: values.next()?,
            ts: values.next()?,
            generation: values.next()?,
            position: values.next()?,
            who: values.next()?,
            what: values.next()?,
            object: values.next()?,
            before: values.next()?,
            after: values.next()?,
        })
    }
}

impl RefusalKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Withheld => "withheld",
        }
    }
}

impl RefusalRow {
    pub(super) const COLUMNS: &'static str = "id, kind, organisation, ts, since, count, source, reason, grant_id, \
        grant_label, server, server_id, method, policy, policy_version, session, names";

    pub(super) fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        let id = values.next()?;
        let kind: String = values.next()?;
        let kind = if kind == RefusalKind::Early.as_str() { RefusalKind::Early } else { RefusalKind::Withheld };
        Ok(Self {
            id,
            kind,
            organisation: values.next()?,
            ts: values.next()?,
            since: values.next()?,
            count: values.next()?,
            source: values.next()?,
            reason: values.next()?,
            grant: values.next()?,
            grant_label: values.next()?,
            server: values.next()?,
            server_id: values.next()?,
            method: values.next()?,
            policy: values.next()?,
            policy_version: values.next()?,
            session: values.next()?,
            names: values.next()?,
        })
    }
}
