//! What is recorded: one decision before a call leaves, one outcome when its fate is known.

use crate::id::DecisionId;
use crate::marks::{MarkRecord, StandingMarkRecord};
use crate::permit::ResultKind;
use crate::wire::{KeyRecord, ReservedRecord};
use callgate_policy::{Decision, Place, ShadowVerdict, Source};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a call is about. No values of arguments: their top-level keys and a keyed digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutRecord<'a> {
    /// The organisation.
    #[serde(borrow)]
    pub organisation: Cow<'a, str>,
    /// The grant's identity.
    #[serde(borrow)]
    pub grant: Cow<'a, str>,
    /// The grant's label.
    #[serde(borrow)]
    pub grant_label: Cow<'a, str>,
    /// The subject behind the grant, where it is known.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Cow<'a, str>>,
    /// The server.
    #[serde(borrow)]
    pub server: Cow<'a, str>,
    /// The JSON-RPC method.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The tool, where the method calls one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Cow<'a, str>>,
    /// The policy's name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Cow<'a, str>>,
    /// The digest of the policy's version.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<Cow<'a, str>>,
    /// The policy's version, counted from 1, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// The MCP session.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// What the client calls itself.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Cow<'a, str>>,
    /// The version that the client says it has.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<Cow<'a, str>>,
    /// The request's id, as JSON text.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Cow<'a, str>>,
    /// The id of the trace that the call belongs to, as the client says (W3C Trace Context).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Cow<'a, str>>,
    /// The top-level keys of the arguments, sorted.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub argument_keys: Vec<Cow<'a, str>>,
    /// BLAKE3 of the canonical arguments under a key that never leaves the data directory, in hexadecimal.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub arguments_digest: Option<Cow<'a, str>>,
    /// The approval that it leaves under, or that was asked for.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Cow<'a, str>>,
    /// The decision that let the call leave, where this one is about its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_of: Option<DecisionId>,
    /// How often each detector found something that was taken out of the result.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redacted: BTreeMap<Cow<'a, str>, u64>,
}

/// The body of a `decision` record. Its time and its sequence stand in the line around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord<'a> {
    /// The decision's identity.
    pub id: DecisionId,
    /// `allow`, `deny` or `approve`.
    #[serde(borrow)]
    pub outcome: Cow<'a, str>,
    /// Why, where it is refused.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// The rule that decided; empty for a plain allow.
    #[serde(borrow)]
    pub rule: Cow<'a, str>,
    /// Where the rule stands.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceRecord<'a>>,
    /// What the caller was told, without the values that it named.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub message: Cow<'a, str>,
    /// When the limit's window resets, in milliseconds from the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What the call was.
    #[serde(borrow, flatten)]
    pub about: AboutRecord<'a>,
    /// What was reserved for it.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<ReservedRecord<'a>>,
    /// What it left in the history.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkRecord<'a>>,
    /// What the rules in shadow mode would have done.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowRecord<'a>>,
}

/// Where a rule stands, on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord<'a> {
    /// Whether it stands in the organisation's baseline policy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub baseline: bool,
    /// The RFC 6901 pointer into the document.
    #[serde(borrow)]
    pub pointer: Cow<'a, str>,
    /// The line, from 1.
    pub line: u32,
}

/// What a rule in shadow mode would have done, on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowRecord<'a> {
    /// The rule.
    #[serde(borrow)]
    pub rule: Cow<'a, str>,
    /// `deny` or `approve`; `allow` where something would be taken out of a result.
    #[serde(borrow)]
    pub outcome: Cow<'a, str>,
    /// Why.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// What it would have said, without the values that it would have named.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub message: Cow<'a, str>,
}

/// The body of an `outcome` record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord<'a> {
    /// The decision that let the call leave.
    pub id: DecisionId,
    /// What came back.
    pub result: ResultKind,
    /// Whether the charges stayed; else `charges` says what was given back.
    pub kept: bool,
    /// The HTTP status of the upstream, where it spoke HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// The code of the upstream's JSON-RPC error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i64>,
    /// From the decision to the end of the answer, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub latency_us: u64,
    /// How many bytes the answer had.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// What was given back.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<ReservedRecord<'a>>,
    /// What the call had left in the history; taken back where the charges are, else ended.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkRecord<'a>>,
    /// When it ended for the history, in milliseconds since the Unix epoch, where it left something there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<i64>,
}

/// The body of a `reset` record: counters were set to zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetRecord<'a> {
    /// The organisation.
    #[serde(borrow)]
    pub organisation: Cow<'a, str>,
    /// Who did it.
    #[serde(borrow)]
    pub who: Cow<'a, str>,
    /// Why.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// From when on they count anew, milliseconds since the Unix epoch. Nothing that was charged before is given back.
    pub from: i64,
    /// The counters.
    #[serde(borrow)]
    pub counters: Vec<KeyRecord<'a>>,
}

/// The state in a checkpoint: every counter that is alive, and the history.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CheckpointRecord<'a> {
    #[serde(borrow, default)]
    pub(crate) counters: Vec<ReservedRecord<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) marks: Vec<StandingMarkRecord<'a>>,
}

impl<'a> DecisionRecord<'a> {
    /// The record of this decision, without what was reserved.
    pub(crate) fn new(id: DecisionId, decision: &'a Decision, about: AboutRecord<'a>) -> Self {
        Self {
            id,
            outcome: decision.outcome.as_str().into(),
            reason: decision.reason.map(|reason| reason.as_str().into()),
            rule: decision.rule.as_str().into(),
            place: decision.place.as_ref().map(PlaceRecord::from),
            message: decision.message.recorded().into(),
            retry_after_ms: decision.retry_after_ms,
            about,
            charges: Vec::new(),
            marks: Vec::new(),
            shadow: decision.shadow.iter().map(ShadowRecord::from).collect(),
        }
    }
}

impl<'a> From<&'a Place> for PlaceRecord<'a> {
    fn from(place: &'a Place) -> Self {
        let baseline = place.source == Source::Baseline;
        Self { baseline, pointer: Cow::Borrowed(&place.pointer), line: place.line }
    }
}

impl From<&PlaceRecord<'_>> for Place {
    fn from(wire: &PlaceRecord<'_>) -> Self {
        let source = if wire.baseline { Source::Baseline } else { Source::Policy };
        Self { source, pointer: wire.pointer.as_ref().into(), line: wire.line }
    }
}

impl<'a> From<&'a ShadowVerdict> for ShadowRecord<'a> {
    fn from(verdict: &'a ShadowVerdict) -> Self {
        Self {
            rule: verdict.rule.as_str().into(),
            outcome: verdict.outcome.as_str().into(),
            reason: verdict.reason.as_str().into(),
            message: verdict.message.recorded().into(),
        }
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
