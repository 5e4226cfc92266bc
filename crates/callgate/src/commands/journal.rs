//! `callgate journal`: prove that the journal is consistent, hand it on, delete what is old.

use super::fleet::Fleet;
use crate::api::{Request, path};
use crate::cli::{DataArgs, JournalCommand, JsonArgs};
use crate::data::{self, DataDir};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{moment, output, records};
use callgate_journal::{Checkpoint, Completeness, Report};
use serde_json::json;
use std::path::{Path, PathBuf};

mod export;

/// Runs a `journal` command.
pub(super) fn run(command: JournalCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        JournalCommand::Verify { directory, expect, data, json } => {
            verify(&directory_of(directory, &data, environment)?, expect, json)
        }
        JournalCommand::Export(args) => export::run(args, environment),
        JournalCommand::Prune { before, dry_run, data, json } => prune(&before, dry_run, &data, json, environment),
    }
}

/// The journal that a command is about.
fn directory_of(given: Option<PathBuf>, data: &DataArgs, environment: &Environment) -> Result<PathBuf, Failure> {
    match given {
        Some(directory) => Ok(directory),
        None => Ok(DataDir::existing(&data::resolve(data.data.as_deref(), environment)?)?.journal()),
    }
}

fn verify(directory: &Path, expect: Option<String>, json: JsonArgs) -> Result<Exit, Failure> {
    let expect = expect.map(|text| text.parse::<Checkpoint>()).transpose().map_err(|error| {
        Failure::cannot_run(
            "CG3051",
            format!("`--expect`: {error}"),
            "give the `head` that an earlier verification printed",
        )
    })?;
    let report = callgate_journal::verify(directory, expect.as_ref()).map_err(|error| records::failure(&error))?;
    if json.json {
        output::json(&as_json(&report));
    } else {
        output::text(&as_text(&report));
    }
    Ok(if report.is_ok() { Exit::Yes } else { Exit::No })
}

fn prune(
    before: &str,
    dry_run: bool,
    data: &DataArgs,
    json: JsonArgs,
    environment: &Environment,
) -> Result<Exit, Failure> {
    // Said here, so that the message names the option.
    moment::since("--before", before, moment::now())?;
    let body = json!({ "before": before, "dry_run": dry_run });
    let request = Request::post(path(&["journal", "prune"], &[]), &body).privileged();
    let answer = Fleet::changing(data, environment)?.send(request)?.tree();
    let number = |name: &str| answer.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let text = match number("segments") {
        0 => "nothing is old enough: whole segments are deleted, and the last one stays".to_owned(),
        segments => format!(
            "{} {}, records {} to {}, {} bytes",
            if dry_run { "would delete" } else { "deleted" },
            output::count(segments, "segment"),
            number("first"),
            number("last"),
            number("bytes"),
        ),
    };
    super::fleet::show(&answer, json.json, &text);
    Ok(Exit::Yes)
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
        "{} in {}, from {} on: in order",
        output::count(report.records, "record"),
        output::count(report.segments, "segment"),
        report.first_seq
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
