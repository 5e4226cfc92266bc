//! `callgate scan`: each tool of a server, its category, risk, evidence and the rule that fits.

use super::fleet::{cell, rows};
use crate::cli::ScanArgs;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use serde_json::Value;

/// Scans the tools that the options name.
pub(super) fn run(args: &ScanArgs, environment: &Environment) -> Result<Exit, Failure> {
    let list = tool_list::fetch(&args.source, environment)?;
    let scanned = callgate_catalog::scan(&tool_list::tools(&list)?);
    if let Some(name) = &args.save {
        super::catalog::save(&list, name, args.public, &args.data, environment)?;
        output::note(&format!("kept in the catalogue as `{name}`: `callgate catalog show {name}`"));
    }
    if args.json.json {
        output::json(&scanned);
        return Ok(Exit::Yes);
    }
    let scanned = serde_json::to_value(&scanned).unwrap_or_default();
    let row = |tool: &Value| {
        let evidence = tool.get("evidence").map(rows).unwrap_or_default();
        let mut words: Vec<String> = Vec::new();
        for sign in evidence {
            let word = format!("“{}”", cell(sign, "what"));
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.truncate(3);
        let why = words.join(" ");
        let findings = tool.get("findings").map(rows).unwrap_or_default();
        let findings = findings.iter().map(|finding| cell(finding, "kind")).collect::<Vec<_>>().join(" ");
        let mut row: Vec<String> =
            ["tool", "category", "risk", "confidence", "labels"].map(|key| cell(tool, key)).into();
        row.extend([why, findings]);
        row
    };
    let headings = ["TOOL", "CATEGORY", "RISK", "CONFIDENCE", "LABELS", "EVIDENCE", "FINDINGS"];
    output::table(&headings, &rows(&scanned).iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Yes)
}
