//! The journal as the files that it is, read without the gateway's own code.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// One record of the journal: `{"seq","ts","kind","body"}`.
#[derive(Debug, Clone)]
pub struct Record {
    /// What it is about: `decision`, `outcome`, `refused` and so on.
    pub kind: String,
    /// Its content.
    pub body: Value,
}

/// Every record in a data directory, oldest first. No gateway may be writing half a line at that moment: it writes
/// whole ones.
pub fn records(data: &Path) -> Result<Vec<Record>> {
    let folder = data.join("journal");
    let mut segments = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("no journal at `{}`", folder.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit()) {
            segments.push(path);
        }
    }
    segments.sort();
    let mut records = Vec::new();
    for segment in segments {
        for line in fs::read_to_string(&segment)?.lines() {
            let (_, json) = line.split_once(' ').with_context(|| format!("no record: `{line}`"))?;
            let record: Value = serde_json::from_str(json).with_context(|| format!("no JSON: `{json}`"))?;
            let kind = record.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            records.push(Record { kind, body: record.get("body").cloned().unwrap_or_default() });
        }
    }
    Ok(records)
}

/// The decisions among the records, as their bodies.
pub fn decisions(data: &Path) -> Result<Vec<Value>> {
    let all = records(data)?.into_iter();
    Ok(all.filter(|record| record.kind == "decision").map(|record| record.body).collect())
}
