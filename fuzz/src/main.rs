//! Fuzzing on the stable toolchain: `cargo run --release -p fuzz -- policy-parser --seconds 10`.
//!
//! Inputs are mutations of a seed corpus, drawn from a seed that is printed: the same seed and number of iterations
//! give the same inputs again. What makes a target panic is written to `fuzz/artifacts` and ends the run.

mod mutate;
mod runner;
mod targets;

use runner::{Budget, Outcome};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str =
    "usage: fuzz TARGET [--seconds N | --iterations N] [--seed N] | fuzz TARGET --input FILE | fuzz --list";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<Outcome, String> {
    let Some((name, options)) = arguments.split_first() else {
        return Err("a target is missing".to_owned());
    };
    if name == "--list" {
        for target in targets::ALL {
            println!("{}", target.name);
        }
        return Ok(Outcome::Clean);
    }
    let target = targets::ALL.iter().find(|target| target.name == *name);
    let target = target.ok_or_else(|| format!("there is no target `{name}`: see `fuzz --list`"))?;
    let (mut budget, mut seed) = (Budget::Time(Duration::from_secs(10)), None);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("`{option}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{option}` needs a whole number, not `{value}`"));
        match option.as_str() {
            "--seconds" => budget = Budget::Time(Duration::from_secs(number()?)),
            "--iterations" => budget = Budget::Iterations(number()?),
            "--seed" => seed = Some(number()?),
            "--input" => {
                let input = std::fs::read(value).map_err(|error| format!("`{value}` can't be read: {error}"))?;
                return Ok(runner::one(target, &input));
            }
            other => return Err(format!("there is no option `{other}`")),
        }
    }
    runner::many(target, budget, seed.unwrap_or_else(runner::seed_of_the_clock))
}
