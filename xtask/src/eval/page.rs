//! The measured part of `docs/catalogue.md`.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use super::lists::Row;
use crate::shell;

const PAGE: &str = "docs/catalogue.md";
const BEGIN: &str = "<!-- begin: written by `cargo xtask eval` -->";
const END: &str = "<!-- end -->";

/// Writes what was measured into the page.
pub(super) fn write(rows: &[Row], labels: &str) -> Result<()> {
    let file = shell::root().join(PAGE);
    let page = fs::read_to_string(&file)?;
    let (head, rest) = page.split_once(BEGIN).with_context(|| format!("`{PAGE}` has no `{BEGIN}`"))?;
    let (_, tail) = rest.split_once(END).with_context(|| format!("`{PAGE}` has no `{END}`"))?;
    let page = format!("{head}{BEGIN}\n\n{}\n{}\n{END}{tail}", labels.trim(), policies(rows));
    Ok(fs::write(file, page)?)
}

fn policies(rows: &[Row]) -> String {
    let mut table = String::from(
        "\n### Recommended policies in front of real lists\n\n\
         Each list is served by a fixture, with its recommended policy in force in the gateway; every tool is called once,\n\
         without arguments.\n\n\
         | list | tools | allowed | refused or asked about | as explained |\n|---|---:|---:|---:|---|\n",
    );
    for row in rows {
        let _ = match &row.result {
            Ok(seen) => {
                let odd = if seen.odd.is_empty() { "all".to_owned() } else { seen.odd.join(", ") };
                writeln!(table, "| {} | {} | {} | {} | {odd} |", row.name, seen.tools, seen.allowed, seen.denied)
            }
            Err(error) => writeln!(table, "| {} | | | | {error:#} |", row.name),
        };
    }
    table
}
