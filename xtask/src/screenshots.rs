//! The pictures of the README: taken anew of a furnished console by its own test.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::metadata::Metadata;
use crate::{peers, shell};

/// The pictures that the README shows: where the test keeps each, and what it is called there.
const MAIN: [(&str, &str); 6] = [
    ("overview-1440-light.png", "overview-light.png"),
    ("overview-1440-dark.png", "overview-dark.png"),
    ("servers-one-policies-one-1440-light-screen.png", "builder-light.png"),
    ("servers-one-policies-one-1440-dark-screen.png", "builder-dark.png"),
    ("decisions-1440-light.png", "decisions-light.png"),
    ("approvals-360-light.png", "approvals-phone.png"),
];

/// Takes them, and writes them into `docs/screenshots`.
pub(crate) fn run() -> Result<()> {
    peers::install()?;
    // Features are chosen by what is built together: all of the workspace, as everywhere.
    let mut test = shell::cargo(["test", "--workspace", "--test", "e2e_console_pages", "furnished"]);
    shell::check(test.stdin(Stdio::null()))?;
    let kept = Metadata::load()?.target.join("console-screenshots");
    let shown = shell::root().join("docs/screenshots");
    fs::create_dir_all(&shown)?;
    for (from, to) in MAIN {
        let picture = kept.join(from);
        fs::copy(&picture, shown.join(to)).with_context(|| format!("no picture `{}`", picture.display()))?;
    }
    println!("screenshots: {} pictures written into docs/screenshots", MAIN.len());
    Ok(())
}
