//! `callgate journal`: prove that the journal is consistent.

use crate::cli::JournalCommand;
use crate::data::{self, DataDir};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{output, records};
use callgate_journal::{Checkpoint, Completeness, Report};
use serde_json::json;

/// Runs a `journal` command.
pub(super) fn run(command: JournalCommand, environment: &Environment) -> Result<Exit, Failure> {
    let JournalCommand::Verify { directory, expect, data, json } = command;
    let expect = expect.map(|text| text.parse::<Checkpoint>()).transpose().map_err(|error| {
        Failure::cannot_run(
            "CG3051",
            format!("`--expect`: {error}"),
            "give the `head` that an earlier verification printed",
        )
    })?;
    let directory = match directory {
        Some(directory) => directory,
        None => DataDir::existing(&data::resolve(data.data.as_deref(), environment)?)?.journal(),
    };
    let report = callgate_journal::verify(&directory, expect.as_ref()).map_err(|error| records::failure(&error))?;
    if json.json {
        output::json(&as_json(&report));
    } else {
        output::text(&as_text(&report));
    }
    Ok(if report.is_ok() { Exit::Yes } else { Exit::No })
}

fn as_json(report: &Report) -> serde_json::Value {
    let completeness = match &report.completeness {
        Completeness::Unknown => "unknown",
        Completeness::Confirmed => "confirmed",
        Completeness::Refuted(_) => "refuted",
    };
    let refuted = match &report.completeness {
        Completeness::Refuted(why) => Some(why),
        _ => None,
    };
    let broken = report
        .broken
        .as_ref()
        .map(|broken| json!({ "segment": broken.segment, "line": broken.line, "why": broken.why }));
    json!({
        "ok": report.is_ok(), "segments": report.segments, "records": report.records, "first": report.first_seq,
        "head": report.head.as_ref().map(ToString::to_string), "broken": broken,
        "unfinished_bytes": report.unfinished_bytes, "completeness": completeness, "why": refuted,
    })
}

fn as_text(report: &Report) -> String {
    let mut lines = vec![format!(
        "{} records in {} segments, from {} on, are in order",
        report.records, report.segments, report.first_seq
    )];
    if report.unfinished_bytes > 0 {
        lines.push(format!("{} bytes of an unfinished record stand at the end", report.unfinished_bytes));
    }
    if let Some(broken) = &report.broken {
        lines.push(format!("BROKEN  {}:{}: {}", broken.segment.display(), broken.line, broken.why));
    }
    match &report.completeness {
        Completeness::Confirmed => lines.push("complete up to the expected head".to_owned()),
        Completeness::Refuted(why) => lines.push(format!("INCOMPLETE  {why}")),
        Completeness::Unknown => lines.push(
            "consistent is not complete: what was cut off at the end shows only against an earlier head (`--expect`)"
                .to_owned(),
        ),
    }
    if let Some(head) = &report.head {
        lines.push(format!("head  {head}"));
    }
    lines.join("\n")
}
