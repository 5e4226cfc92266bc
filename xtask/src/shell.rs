//! Running other programs, and where things are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// A command that runs in the workspace's root.
pub(crate) fn command<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The cargo that runs this task, so that a pinned toolchain stays pinned.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), arguments)
}

/// Runs a command with its output shown; fails with the command line when it fails.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let line = line(command);
    let status = command.status().with_context(|| format!("`{line}` could not be started"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a command and returns what it printed; on failure the error holds what it said.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command.output().with_context(|| format!("`{line}` could not be started"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed bytes that are no UTF-8"))
}

/// Whether a program can be started at all.
pub(crate) fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version");
    command.output().is_ok_and(|output| output.status.success())
}

/// Whether a program is on the PATH, for those that know no `--version`.
pub(crate) fn has_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).any(|folder| folder.join(program).is_file())
}

/// Installs Debian packages where this runs as root and apt is there; otherwise says what to install.
pub(crate) fn debian(packages: &[&str], why: &str) -> Result<()> {
    let names = packages.join(" ");
    let is_root = output(&mut command("id", ["-u"])).is_ok_and(|id| id.trim() == "0");
    if !is_root || !has("apt-get") {
        bail!("{why}: install the Debian packages `{names}` (or your system's equivalent) and run this again");
    }
    println!("installing the Debian packages {names}: {why}");
    let quiet = ["-qq", "-o", "Dpkg::Use-Pty=0"];
    check(command("apt-get", quiet).arg("update"))?;
    check(
        command("apt-get", quiet)
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Packages that bring a service start it on installing; in this run level none does.
            .env("RUNLEVEL", "1"),
    )
}

/// Prints each problem and fails when there is one.
pub(crate) fn report(name: &str, problems: &[String]) -> Result<()> {
    for problem in problems {
        println!("{name}: {problem}");
    }
    match problems.len() {
        0 => {
            println!("{name}: nothing to mend");
            Ok(())
        }
        1 => bail!("{name}: 1 problem"),
        count => bail!("{name}: {count} problems"),
    }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
