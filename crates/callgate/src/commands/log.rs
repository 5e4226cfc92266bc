//! `callgate log`: what was decided, read from the journal.

use crate::cli::{LogArgs, OutcomeFilter};
use crate::data::{self, DataDir};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{moment, output, records};
use callgate_journal::{Entry, Reader};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// How often a followed journal is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// What is shown of one decision, in columns.
pub(crate) const HEADINGS: [&str; 7] = ["TIME", "SERVER", "GRANT", "TOOL", "OUTCOME", "RULE", "MESSAGE"];

/// Shows the records that the options ask for.
pub(super) fn run(args: &LogArgs, environment: &Environment) -> Result<Exit, Failure> {
    let data = DataDir::existing(&data::resolve(args.data.data.as_deref(), environment)?)?;
    let since = args.since.as_deref().map(|text| moment::since("--since", text, moment::now())).transpose()?;
    let mut reader = open(&data.journal(), since)?;
    let mut rows = Vec::new();
    for entry in reader.by_ref() {
        let entry = entry.map_err(|error| records::failure(&error))?;
        let Some(record) = matching(&entry, args) else { continue };
        if args.json.json {
            output::text(&record.to_string());
        } else {
            rows.push(row(&record));
        }
    }
    if !args.json.json {
        output::table(&HEADINGS, &rows);
    }
    if args.follow {
        follow(reader, args)?;
    }
    Ok(Exit::Yes)
}

/// The last decisions about tools in a journal, at most `count`, as rows.
pub(crate) fn last(journal: &Path, count: usize) -> Result<Vec<Vec<String>>, Failure> {
    let mut rows = std::collections::VecDeque::new();
    for entry in open(journal, None)? {
        let entry = entry.map_err(|error| records::failure(&error))?;
        if let Some(record) = decision(&entry).filter(|record| record.get("tool").is_some()) {
            if rows.len() == count {
                rows.pop_front();
            }
            rows.push_back(row(&record));
        }
    }
    Ok(rows.into())
}

fn open(journal: &Path, since: Option<i64>) -> Result<Reader, Failure> {
    callgate_journal::read(journal, since).map_err(|error| records::failure(&error))
}

/// Goes on until the process is ended, or nobody reads any more.
fn follow(mut reader: Reader, args: &LogArgs) -> Result<(), Failure> {
    loop {
        match reader.next() {
            Some(entry) => {
                let entry = entry.map_err(|error| records::failure(&error))?;
                let Some(record) = matching(&entry, args) else { continue };
                let line = if args.json.json { record.to_string() } else { row(&record).join("  ") };
                if !output::line(&line) {
                    return Ok(());
                }
            }
            None => std::thread::sleep(PAUSE),
        }
    }
}

fn matching(entry: &Entry, args: &LogArgs) -> Option<Value> {
    let record = decision(entry)?;
    let is = |key: &str, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| record.get(key).and_then(Value::as_str) == Some(wanted))
    };
    let outcome = args.outcome.map(|outcome| match outcome {
        OutcomeFilter::Allow => "allow",
        OutcomeFilter::Deny => "deny",
        OutcomeFilter::Approve => "approve",
    });
    let wanted = is("server", args.server.as_deref()) && is("tool", args.tool.as_deref()) && is("outcome", outcome);
    wanted.then_some(record)
}

/// A decision's record, with its number and time in it.
fn decision(entry: &Entry) -> Option<Value> {
    if entry.kind != "decision" && entry.kind != "refused" {
        return None;
    }
    let mut record: Value = serde_json::from_str(&entry.body).ok()?;
    let fields = record.as_object_mut()?;
    fields.insert("seq".to_owned(), entry.seq.into());
    fields.insert("time".to_owned(), moment::rfc3339(entry.ts).into());
    Some(record)
}

fn row(record: &Value) -> Vec<String> {
    let text = |key: &str| super::fleet::cell(record, key);
    let what = match text("tool").as_str() {
        "" => text("method"),
        tool => tool.to_owned(),
    };
    let cells =
        [text("time"), text("server"), text("grant_label"), what, text("outcome"), text("rule"), text("message")];
    cells.map(|cell| output::plain(&cell)).into()
}
