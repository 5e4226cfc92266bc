//! The project's own tasks: `cargo xtask ci|peers|tidy|layers|bench|eval|kill|screenshots`.

use std::process::ExitCode;

use anyhow::{Result, bail};

mod bench;
mod ci;
mod eval;
mod layers;
mod licences;
mod metadata;
mod peers;
mod screenshots;
mod shell;
mod tidy;

const USAGE: &str = "\
usage: cargo xtask TASK

  ci       everything a change must pass; installs the test peers first
  peers    install the real MCP clients and servers that the end-to-end tests drive, into .cache/peers
  tidy     file sizes, names, stray artefacts, error pages, links
  layers   which crate may use which, from `cargo metadata`; licences too
  bench    measure the gateway beside nginx and no gateway; writes docs/performance.md (`bench quick`: prints only)
  eval     the evaluation on ../shared/fixtures, where that folder is there
  kill     only the test that kills the gateway 20 times under load
  screenshots
           take the pictures of the console that the README shows; writes docs/screenshots";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ci"] => ci::run(),
        ["peers"] => peers::install(),
        ["tidy"] => shell::report("tidy", &tidy::problems(&shell::root())?),
        ["layers"] => {
            let metadata = metadata::Metadata::load()?;
            shell::report("layers", &layers::problems(&metadata, &shell::root())?)?;
            shell::report("licences", &licences::problems(&metadata))
        }
        ["bench"] => bench::run(bench::Length::Full),
        ["bench", "quick"] => bench::run(bench::Length::Quick),
        ["eval"] => eval::run(),
        ["kill"] => ci::kill(),
        ["screenshots"] => screenshots::run(),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown task `{}`\n\n{USAGE}", other.join(" ")),
    }
}
