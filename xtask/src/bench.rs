//! Measures the gateway beside nginx and no gateway.

use anyhow::Result;

use crate::shell;

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
    let mut bench = shell::command(&target.join("bench").to_string_lossy(), ["compare", "--gateway"]);
    bench.arg(target.join("callgate"));
    match length {
        Length::Full => bench.args(["--report", "docs/performance.md"]),
        Length::Quick => bench.args(["--calls", "2000", "--rounds", "2"]),
    };
    shell::check(&mut bench)?;
    let size = match length {
        Length::Full => ["catalogue", "43000", "515000"],
        Length::Quick => ["catalogue", "430", "5150"],
    };
    shell::check(&mut shell::command(&target.join("bench").to_string_lossy(), size))?;
    let waiting = match length {
        Length::Full => "1000",
        Length::Quick => "100",
    };
    let mut hold = shell::command(&target.join("bench").to_string_lossy(), ["hold"]);
    shell::check(hold.arg(target.join("callgate")).arg(waiting))
}
