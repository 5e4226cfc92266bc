//! Measures the gateway beside nginx and no gateway.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::Result;

use crate::shell;

/// What is measured in full is written here, from the root.
const REPORT: &str = "docs/performance.md";

/// How many calls a run makes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// Enough to trust; writes the report.
    Full,
    /// Enough to see that the harness works; prints only.
    Quick,
}

/// Builds the gateway and the load generator in the release profile and runs them.
pub(crate) fn run(length: Length) -> Result<()> {
    if !shell::has_on_path("nginx") {
        shell::debian(&["nginx-light"], "`nginx` is what the gateway is measured against")?;
    }
    // Features are chosen by what is built together: all of the workspace, as everywhere.
    shell::check(&mut shell::cargo(["build", "--release", "--workspace", "--bins"]))?;
    let target = crate::metadata::Metadata::load()?.target.join("release");
    let gateway = target.join("callgate").to_string_lossy().into_owned();
    let bench = |arguments: &[&str]| shell::command(&target.join("bench").to_string_lossy(), arguments);
    let report = shell::root().join(REPORT);
    match length {
        Length::Full => shell::check(&mut bench(&["compare", "--gateway", &gateway, "--report", REPORT]))?,
        Length::Quick => {
            shell::check(&mut bench(&["compare", "--gateway", &gateway, "--calls", "2000", "--rounds", "2"]))?
        }
    }
    let [servers, tools, waiting, on_one, decisions] = match length {
        Length::Full => ["43000", "515000", "1000", "1000", "10000000"],
        Length::Quick => ["430", "5150", "100", "100", "100000"],
    };
    for (heading, arguments) in [
        ("The catalogue", &["catalogue", servers, tools][..]),
        ("Calls that wait for a person", &["hold", &gateway, waiting]),
        ("The console", &["pages", &gateway, on_one, decisions]),
    ] {
        println!("bench: {heading}: this takes minutes");
        let section = format!("\n## {heading}\n\n{}\n", shell::output(&mut bench(arguments))?.trim());
        println!("{section}");
        if let Length::Full = length {
            let mut file = OpenOptions::new().append(true).open(&report)?;
            file.write_all(section.as_bytes())?;
        }
    }
    Ok(())
}
