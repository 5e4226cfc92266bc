//! How often the classifier says what a careful reader says: run by the example `accuracy` of the catalogue.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::metadata::Metadata;
use crate::shell;

/// What the example printed, as Markdown; an error where the goal is missed.
pub(super) fn run(file: &Path) -> Result<String> {
    shell::check(&mut shell::cargo(["build", "--workspace", "--example", "accuracy"]))?;
    let program = Metadata::load()?.target.join("debug/examples/accuracy");
    let output = Command::new(&program).arg(file).output().with_context(|| format!("`{}`", program.display()))?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        bail!("the classifier misses its goal:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
