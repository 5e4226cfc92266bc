//! What a record of the journal is in the index.

use super::number;
use callgate_decision::{DecisionRecord, OutcomeRecord, WithheldRecord};
use callgate_journal::{Entry, Kind};
use callgate_store::{ChangeRow, DecisionRow, OutcomeRow, RefusalKind, RefusalRow};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What a record adds.
pub(super) enum Part {
    /// A decision.
    Decision(Box<DecisionRow>),
    /// What became of a call.
    Outcome(OutcomeRow),
    /// A change.
    Change(ChangeRow),
    /// What was taken out of a list.
    Refusal(Box<RefusalRow>),
    /// Retention deletes the records up to `last`, which are all older than `before`.
    Pruned { last: i64, before: i64 },
    /// Nothing that is searched for.
    Nothing,
}

/// The body of a change record; those of the first version name no organisation.
#[derive(Deserialize)]
struct Change<'a> {
    organisation: Option<String>,
    #[serde(default)]
    generation: i64,
    position: Option<i64>,
    who: String,
    what: String,
    object: String,
    #[serde(borrow)]
    before: &'a RawValue,
    #[serde(borrow)]
    after: &'a RawValue,
}

#[derive(Deserialize)]
struct Pruned {
    last: i64,
    before: i64,
}

/// Reads a record.
pub(super) fn read(entry: &Entry) -> Result<Part, serde_json::Error> {
    let kind = entry.kind.as_str();
    if kind == Kind::Decision.as_str() {
        return decision(entry).map(|row| Part::Decision(Box::new(row)));
    }
    if kind == Kind::Outcome.as_str() {
        return outcome(entry).map(Part::Outcome);
    }
    if kind == Kind::Change.as_str() {
        return change(entry).map(Part::Change);
    }
    if kind == Kind::Withheld.as_str() {
        return withheld(entry).map(|row| Part::Refusal(Box::new(row)));
    }
    if kind == Kind::Pruned.as_str() {
        let Pruned { last, before } = serde_json::from_str(&entry.body)?;
        return Ok(Part::Pruned { last, before });
    }
    Ok(Part::Nothing)
}

fn decision(entry: &Entry) -> Result<DecisionRow, serde_json::Error> {
    let DecisionRecord { id, outcome, reason, rule, place, message, retry_after_ms, about, shadow, .. } =
        serde_json::from_str(&entry.body)?;
    // What was reserved stays in the journal: sums are made of arguments' values.
    let mut details = Map::new();
    let mut detail = |name: &str, value: Value| {
        let empty = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        if !empty {
            details.insert(name.to_owned(), value);
        }
    };
    detail("place", serde_json::to_value(place)?);
    detail("retry_after_ms", retry_after_ms.into());
    detail("identity", about.identity.into());
    detail("policy_digest", about.policy_digest.into());
    detail("client_version", about.client_version.into());
    detail("request_id", about.request_id.into());
    detail("argument_keys", about.argument_keys.into());
    detail("arguments_digest", about.arguments_digest.into());
    detail("result_of", serde_json::to_value(about.result_of)?);
    detail("redacted", serde_json::to_value(about.redacted)?);
    detail("shadow", serde_json::to_value(shadow)?);
    Ok(without_nul(DecisionRow {
        seq: number(entry.seq),
        organisation: about.organisation.into_owned(),
        ts: entry.ts,
        id: id.to_string(),
        grant: about.grant.into_owned(),
        grant_label: about.grant_label.into_owned(),
        server: about.server.into_owned(),
        server_id: String::new(),
        method: about.method.into_owned(),
        tool: about.tool.unwrap_or_default().into_owned(),
        policy: about.policy.unwrap_or_default().into_owned(),
        policy_version: about.policy_version.map(number),
        outcome: outcome.into_owned(),
        rule: rule.into_owned(),
        reason: reason.unwrap_or_default().into_owned(),
        message: message.into_owned(),
        session: about.session.unwrap_or_default().into_owned(),
        client: about.client.unwrap_or_default().into_owned(),
        details: Value::Object(details).to_string(),
        fate: None,
    }))
}

fn outcome(entry: &Entry) -> Result<OutcomeRow, serde_json::Error> {
    let record: OutcomeRecord<'_> = serde_json::from_str(&entry.body)?;
    let result = serde_json::to_value(record.result)?;
    Ok(OutcomeRow {
        id: record.id.to_string(),
        result: result.as_str().unwrap_or_default().to_owned(),
        upstream_status: record.upstream_status.map(i64::from),
        error_code: record.error_code,
        latency_us: number(record.latency_us),
        bytes: number(record.bytes),
    })
}

fn change(entry: &Entry) -> Result<ChangeRow, serde_json::Error> {
    let change: Change<'_> = serde_json::from_str(&entry.body)?;
    let seq = number(entry.seq);
    Ok(ChangeRow {
        seq,
        organisation: change.organisation.unwrap_or_else(|| "default".to_owned()),
        ts: entry.ts,
        generation: change.generation,
        // One without a place is told apart by its number.
        position: change.position.unwrap_or(-seq),
        who: plain(change.who),
        what: plain(change.what),
        object: plain(change.object),
        before: change.before.get().to_owned(),
        after: change.after.get().to_owned(),
    })
}

fn withheld(entry: &Entry) -> Result<RefusalRow, serde_json::Error> {
    let record: WithheldRecord<'_> = serde_json::from_str(&entry.body)?;
    Ok(RefusalRow {
        id: format!("w.{}", entry.seq),
        kind: RefusalKind::Withheld,
        organisation: record.organisation.into_owned(),
        ts: entry.ts,
        since: entry.ts,
        count: number(record.count),
        source: String::new(),
        reason: String::new(),
        grant: record.grant.into_owned(),
        grant_label: plain(record.grant_label.into_owned()),
        server: record.server.into_owned(),
        server_id: String::new(),
        method: record.method.into_owned(),
        policy: record.policy.unwrap_or_default().into_owned(),
        policy_version: record.policy_version.map(number),
        session: plain(record.session.unwrap_or_default().into_owned()),
        names: serde_json::to_string(&record.names)?,
    })
}

/// What clients and upstreams can put into a record may hold U+0000, which a database can't keep. (In JSON it is
/// escaped.)
fn without_nul(mut row: DecisionRow) -> DecisionRow {
    for text in [&mut row.tool, &mut row.method, &mut row.message, &mut row.session, &mut row.client, &mut row.rule] {
        *text = plain(std::mem::take(text));
    }
    row
}

fn plain(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
