//! The journal as a stream of lines for other systems: JSON Lines, or events of the Open Cybersecurity Schema Framework.
//!
//! Read from the journal itself, record by record, in an amount of memory that does not grow with it. No value of an
//! argument leaves: what was reserved, which is made of them, is left out.

mod known;
mod ocsf;
mod route;
#[cfg(test)]
mod tests;

pub(crate) use route::AT_ONCE;

use crate::moment;
use callgate_journal::{Entry, JournalError, Kind, Reader, Refusals, RefusedEntry};
use known::{About, Known};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::Path;

/// How far back records are read before the first one that is wanted, in milliseconds: what became of a call is told by
/// a record of its own, which does not say whose call it was.
const BEFORE: i64 = 10 * 60 * 1000;

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, with the fields of the record.
    Jsonl,
    /// One OCSF event a line.
    Ocsf,
}

/// Which records.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// From then on, milliseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Before then.
    pub until: Option<i64>,
    /// Only those about this server.
    pub server: Option<String>,
    /// Only those of this organisation.
    pub organisation: Option<String>,
    /// Only those of these grants.
    pub grants: Option<HashSet<String>>,
    /// Without changes of the configuration.
    pub without_changes: bool,
    /// Without what belongs to no organisation: early refusals, and what happened to the journal itself.
    pub without_instance: bool,
}

/// Gives the lines, without line feeds.
pub struct Exporter {
    reader: Reader,
    format: Format,
    wanted: Wanted,
    known: Known,
    early: std::vec::IntoIter<RefusedEntry>,
    /// What is older than this was deleted: the counts of early refusals may not have been told yet.
    pruned_before: i64,
    unassigned: u64,
}

/// Exports the journal in `dir`.
pub fn export(dir: &Path, format: Format, wanted: Wanted) -> Result<Exporter, JournalError> {
    let from = wanted.since.map(|since| since.saturating_sub(BEFORE));
    let reader = callgate_journal::read(dir, from)?;
    let nobodys = wanted.without_instance || wanted.server.is_some();
    let early = if nobodys { Vec::new() } else { Refusals::read(dir)? };
    Ok(Exporter {
        reader,
        format,
        wanted,
        known: Known::default(),
        early: early.into_iter(),
        pruned_before: i64::MIN,
        unassigned: 0,
    })
}

impl Iterator for Exporter {
    type Item = Result<String, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next() {
                Some(Ok(entry)) => {
                    if let Some(line) = self.line(&entry) {
                        return Some(Ok(line));
                    }
                }
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        let entry = self.early.find(|entry| entry.ts >= self.pruned_before && self.wanted.at(entry.ts))?;
        Some(Ok(match self.format {
            Format::Jsonl => early(&entry),
            Format::Ocsf => ocsf::early(&entry).to_string(),
        }))
    }
}

impl Exporter {
    /// How many records of what became of a call were left out, since nobody knows any more whose call it was.
    pub fn unassigned(&self) -> u64 {
        self.unassigned
    }

    /// The number of the record that was looked at last.
    pub fn position(&self) -> u64 {
        self.reader.position().map_or(0, |position| position.seq)
    }

    fn line(&mut self, entry: &Entry) -> Option<String> {
        let kind = entry.kind.as_str();
        if kind == Kind::Checkpoint.as_str() {
            return None;
        }
        // An unreadable body is a newer version's; what is known of it is still told.
        let mut body: Map<String, Value> = serde_json::from_str(&entry.body).unwrap_or_default();
        body.remove("charges");
        if kind == Kind::Pruned.as_str() {
            let before = body.get("before").and_then(Value::as_i64);
            self.pruned_before = self.pruned_before.max(before.unwrap_or(i64::MIN));
        }
        let about = self.about(kind, &body);
        if !self.wanted.at(entry.ts) || !self.wanted.has(kind, about.as_ref(), &body) {
            let lost = kind == Kind::Outcome.as_str() && about.is_none() && self.wanted.at(entry.ts);
            self.unassigned += u64::from(lost);
            return None;
        }
        Some(match self.format {
            Format::Jsonl => jsonl(entry, body),
            Format::Ocsf => ocsf::event(entry, &body, about.as_ref()).to_string(),
        })
    }

    /// What a record is about: it says so itself, or the decision before it did.
    fn about(&mut self, kind: &str, body: &Map<String, Value>) -> Option<About> {
        if kind == Kind::Outcome.as_str() {
            return self.known.take(text(body, "id"));
        }
        let about = About::of(body)?;
        if kind == Kind::Decision.as_str() && text(body, "outcome") == "allow" {
            self.known.put(text(body, "id"), about.clone());
        }
        Some(about)
    }
}

impl Wanted {
    fn at(&self, ts: i64) -> bool {
        self.since.is_none_or(|since| ts >= since) && self.until.is_none_or(|until| ts < until)
    }

    /// Whether a record is wanted. What nobody knows is, where everything is.
    fn has(&self, kind: &str, about: Option<&About>, body: &Map<String, Value>) -> bool {
        if kind == Kind::Change.as_str() {
            let organisation = body.get("organisation").and_then(Value::as_str).unwrap_or("default");
            let object = text(body, "object");
            let server = |name: &String| {
                let rest = object.strip_prefix("server/").and_then(|rest| rest.strip_prefix(name.as_str()));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            return !self.without_changes
                && self.grants.is_none()
                && self.organisation.as_ref().is_none_or(|wanted| wanted == organisation)
                && self.server.as_ref().is_none_or(server);
        }
        let Some(about) = about else {
            let everything = self.server.is_none() && self.organisation.is_none() && self.grants.is_none();
            let whose = kind == Kind::Outcome.as_str();
            return everything && (whose || !self.without_instance) || self.is_instance(kind);
        };
        self.organisation.as_ref().is_none_or(|wanted| *wanted == about.organisation)
            && self.server.as_ref().is_none_or(|wanted| *wanted == about.server)
            && self.grants.as_ref().is_none_or(|wanted| wanted.contains(&about.grant))
    }

    /// What happened to the journal itself is told to whoever sees the whole instance.
    fn is_instance(&self, kind: &str) -> bool {
        let own = [Kind::Pruned, Kind::Recovered, Kind::Lost].iter().any(|own| own.as_str() == kind);
        own && !self.without_instance && self.server.is_none() && self.grants.is_none()
    }
}

/// The line of a record: its fields, and its kind, number and time.
fn jsonl(entry: &Entry, mut body: Map<String, Value>) -> String {
    body.insert("kind".to_owned(), entry.kind.as_str().into());
    body.insert("seq".to_owned(), entry.seq.into());
    body.insert("time".to_owned(), moment::rfc3339(entry.ts).into());
    Value::Object(body).to_string()
}

fn early(entry: &RefusedEntry) -> String {
    serde_json::json!({
        "kind": "early", "time": moment::rfc3339(entry.ts), "since": moment::rfc3339(entry.since),
        "source": entry.source, "reason": entry.reason, "count": entry.count,
    })
    .to_string()
}

/// A text of a record; empty where there is none.
fn text<'b>(body: &'b Map<String, Value>, name: &str) -> &'b str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}
