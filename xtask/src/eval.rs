//! The evaluation on real tool lists and labels, where they lie beside the project.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{ci, shell};

mod labels;
mod lists;
mod page;

/// Runs the evaluation, prints its tables and fails when a check fails.
pub(crate) fn run() -> Result<()> {
    let fixtures = shell::root().join("../shared/fixtures");
    if !fixtures.is_dir() {
        bail!("there is no ../shared/fixtures beside the project, and nothing to evaluate without it");
    }
    let binary = ci::built("callgate")?;

    let rows = lists::run(&binary, &fixtures.join("toollists"))?;
    println!("\nlist                                    tools  listed  allowed  denied  as explained");
    let mut failed = Vec::new();
    for row in &rows {
        match &row.result {
            Ok(seen) => println!(
                "{:<40}{:>5}  {:<6}  {:>7}  {:>6}  {}",
                row.name,
                seen.tools,
                if seen.is_list_equal { "equal" } else { "less" },
                seen.allowed,
                seen.denied,
                if seen.odd.is_empty() { "all".to_owned() } else { seen.odd.join(", ") },
            ),
            Err(error) => println!("{:<40}{error:#}", row.name),
        }
        if row.result.as_ref().map_or(true, |seen| !seen.odd.is_empty()) {
            failed.push(row.name.as_str());
        }
    }

    let score = labels::run(&fixtures.join("labels/dev.jsonl"))?;
    println!("\n{score}");
    page::write(&rows, &score)?;
    println!("eval: {} passed, {} failed", rows.len() - failed.len(), failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// A folder for one run.
fn folder() -> Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_path_buf();
    Ok((folder, path))
}
