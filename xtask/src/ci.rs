//! Everything a change must pass, in one run, with a line of progress per step.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::metadata::Metadata;
use crate::{layers, licences, peers, shell, tidy};

/// How long each fuzz target runs.
const FUZZ_SECONDS: &str = "10";

type Step = (&'static str, fn() -> Result<Option<Tally>>);

/// The quick ones come first; a step that fails does not keep the next ones from telling what they found.
const STEPS: &[Step] = &[
    ("fmt", || plain(&mut shell::cargo(["fmt", "--all", "--check"]))),
    ("tidy", || shell::report("tidy", &tidy::problems(&shell::root())?).map(none)),
    ("layers", || shell::report("layers", &layers::problems(&Metadata::load()?, &shell::root())?).map(none)),
    ("licences", || shell::report("licences", &licences::problems(&Metadata::load()?)).map(none)),
    ("clippy", || {
        plain(shell::cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).stdin(Stdio::null()))
    }),
    ("docs", || plain(shell::cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))),
    ("build", || built("callgate").map(|_| None)),
    ("peers", || peers::install().map(none)),
    ("doc tests", || tests(&mut shell::cargo(["test", "--workspace", "--doc"]))),
    ("tests", || tests(&mut runner(&[]))),
    ("fuzz", || fuzz().map(none)),
];

/// Runs every step, then says how each went; fails when one did.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let mut results: Vec<(&str, Duration, Option<anyhow::Error>)> = Vec::new();
    let mut tally = Tally::default();
    for (number, (name, step)) in STEPS.iter().enumerate() {
        println!("── {}/{} {name} ──", number + 1, STEPS.len());
        std::io::stdout().flush()?;
        let begun = Instant::now();
        let result = step();
        let took = begun.elapsed();
        let error = match result {
            Ok(counted) => {
                tally.add(counted.unwrap_or_default());
                None
            }
            Err(error) => {
                println!("{error:#}");
                // A failed run was counted too; its count is in the error's chain.
                tally.add(error.downcast_ref::<Failed>().map(|failed| failed.0).unwrap_or_default());
                Some(error)
            }
        };
        println!("── {name}: {} in {:.1} s", if error.is_none() { "ok" } else { "FAILED" }, took.as_secs_f64());
        results.push((name, took, error));
    }
    println!("\nstep         result      seconds");
    for (name, took, error) in &results {
        let word = if error.is_none() { "ok" } else { "FAILED" };
        println!("{name:<12} {word:<8} {:>10.1}", took.as_secs_f64());
    }
    println!("all                   {:>10.1}", start.elapsed().as_secs_f64());
    let failed: Vec<&str> = results.iter().filter(|(_, _, error)| error.is_some()).map(|(name, ..)| *name).collect();
    println!("tests: {} passed, {} failed", tally.passed, tally.failed);
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    if tally.passed == 0 {
        bail!("no test ran, which is no pass");
    }
    Ok(())
}

/// Only the test that kills the gateway under load.
pub(crate) fn kill() -> Result<()> {
    tests(&mut runner(&["-p", "callgate", "--test", "e2e_kill"])).map(|_| ())
}

/// How many tests ran, as their runner says.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A run of tests that did not pass.
#[derive(Debug)]
struct Failed(Tally);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tests passed, {} failed, or the run broke off; see above", self.0.passed, self.0.failed)
    }
}

impl std::error::Error for Failed {}

fn none((): ()) -> Option<Tally> {
    None
}

fn plain(command: &mut Command) -> Result<Option<Tally>> {
    shell::check(command).map(none)
}

/// The test runner: nextest where it is installed, else cargo's own.
fn runner(extra: &[&str]) -> Command {
    let scope: &[&str] = if extra.is_empty() { &["--workspace"] } else { extra };
    if shell::has("cargo-nextest") {
        return shell::cargo(["nextest", "run", "--no-fail-fast"].iter().chain(scope));
    }
    println!("cargo-nextest is not installed; using `cargo test`");
    shell::cargo(["test", "--no-fail-fast", "--lib", "--bins", "--tests"].iter().chain(scope))
}

/// Runs tests with their output shown, and reads their number off the runner's own closing lines.
fn tests(command: &mut Command) -> Result<Option<Tally>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no pipe to the test runner")?;
    let stderr = child.stderr.take().context("no pipe to the test runner")?;
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| relay(stdout));
        tally.add(relay(stderr));
        tally.add(other.join().unwrap_or_default());
    });
    if child.wait()?.success() && tally.failed == 0 {
        return Ok(Some(tally));
    }
    Err(Failed(tally).into())
}

/// Shows every line, and adds up those that close a run.
fn relay(from: impl std::io::Read) -> Tally {
    let mut tally = Tally::default();
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        println!("{line}");
        tally.add(closing(&line).unwrap_or_default());
    }
    tally
}

/// Reads `Summary [ 1.2s] 3 tests run: 2 passed (1 slow), 1 failed` and `test result: ok. 3 passed; 0 failed; …`.
fn closing(line: &str) -> Option<Tally> {
    let line = line.trim_start();
    let counts = match line.strip_prefix("test result: ") {
        Some(rest) => rest.split_once(". ")?.1,
        None => line.strip_prefix("Summary [")?.split_once(" run: ")?.1,
    };
    let count = |word: &str| {
        counts.split([',', ';']).filter_map(|part| part.trim().split_once(' ')).find_map(|(number, what)| {
            let is_it = what.split(' ').next() == Some(word);
            if is_it { number.parse::<u64>().ok() } else { None }
        })
    };
    let timed_out = count("timed").unwrap_or(0);
    Some(Tally { passed: count("passed")?, failed: count("failed").unwrap_or(0) + timed_out })
}

/// Runs every fuzz target for a short, fixed time on the stable toolchain.
fn fuzz() -> Result<()> {
    let fuzz = built("fuzz")?.to_string_lossy().into_owned();
    let names = shell::output(&mut shell::command(&fuzz, ["--list"]))?;
    let targets: Vec<&str> = names.split_whitespace().collect();
    if targets.is_empty() {
        bail!("`fuzz --list` names no target");
    }
    for target in targets {
        println!("fuzzing {target} for {FUZZ_SECONDS} s");
        shell::check(&mut shell::command(&fuzz, [target, "--seconds", FUZZ_SECONDS]))?;
    }
    Ok(())
}

/// Builds every program of the workspace and returns the path of one. Tests are built along, because cargo chooses the
/// features of dependencies by what is built together: another choice would build half the workspace once more.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    shell::check(&mut shell::cargo(["build", "--workspace", "--bins", "--tests"]))?;
    Ok(Metadata::load()?.target.join("debug").join(name))
}

#[cfg(test)]
mod tests {
    use super::closing;

    #[test]
    fn closing_lines_of_both_runners_are_read() {
        for (line, expected) in [
            ("     Summary [   1.2s] 3 tests run: 2 passed (1 slow), 1 failed, 4 skipped", Some((2, 1))),
            ("     Summary [   1.2s] 3/9 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped", Some((1, 2))),
            (
                "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.1s",
                Some((3, 0)),
            ),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored", Some((3, 2))),
            ("test a::b ... ok", None),
        ] {
            assert_eq!(closing(line).map(|tally| (tally.passed, tally.failed)), expected, "{line}");
        }
    }
}
