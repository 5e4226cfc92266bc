//! Measures the gateway beside nginx and no gateway, interleaved in one run. `cargo xtask bench` calls it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

mod catalogue;
mod compare;
mod fill;
mod fleet;
mod hold;
mod index;
mod load;
mod nginx;
mod pages;
mod plane;
mod procfs;
mod report;
mod upstream;

const USAGE: &str = "\
usage: bench compare [--gateway FILE] [--calls N] [--rounds N] [--connections N] [--report FILE]
       bench fleet GRANTS POLICIES
       bench start GATEWAY GRANTS POLICIES
       bench catalogue SERVERS TOOLS [DATABASE]
       bench hold GATEWAY CALLS
       bench index DECISIONS [DIRECTORY]
       bench pages GATEWAY TOOLS DECISIONS
       bench plane UPSTREAM GRANTS POLICIES
       bench upstream [TOOLS]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("upstream", [])) => upstream::serve(None),
        Some(("upstream", [tools])) => upstream::serve(Some(count(tools)?)),
        Some(("fleet", [grants, policies])) => {
            println!("{}", fleet::measure(size(grants, policies)?)?.line());
            Ok(())
        }
        Some(("start", [gateway, grants, policies])) => {
            let start = compare::start(gateway.as_ref(), size(grants, policies)?)?;
            println!("{start:?}");
            Ok(())
        }
        Some(("catalogue", [servers, tools, database @ ..])) if database.len() < 2 => {
            let plane::Size { grants: servers, policies: tools } = size(servers, tools)?;
            println!("{}", catalogue::measure(servers, tools, database.first().map(String::as_str))?.table());
            Ok(())
        }
        Some(("hold", [gateway, calls])) => {
            println!("{}", hold::measure(gateway.as_ref(), count(calls)?)?.lines());
            Ok(())
        }
        Some(("pages", [gateway, tools, decisions])) => {
            println!("{}", pages::measure(gateway.as_ref(), count(tools)?, count(decisions)?)?.table());
            Ok(())
        }
        Some(("index", [decisions, directory @ ..])) if directory.len() < 2 => {
            println!("{}", index::measure(count(decisions)?, directory.first().map(std::path::Path::new))?.lines());
            Ok(())
        }
        Some(("plane", [upstream, grants, policies])) => plane::serve(upstream.parse()?, size(grants, policies)?),
        Some(("compare", rest)) => compare::run(&options(rest)?),
        _ => bail!("{USAGE}"),
    }
}

fn size(grants: &str, policies: &str) -> Result<plane::Size> {
    Ok(plane::Size { grants: count(grants)?, policies: count(policies)? })
}

fn count<N: std::str::FromStr>(text: &str) -> Result<N> {
    text.parse().ok().with_context(|| format!("`{text}`: a number is needed"))
}

fn options(arguments: &[String]) -> Result<compare::Options> {
    let mut options = compare::Options::default();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { bail!("{USAGE}") };
        let number = || count(value).with_context(|| format!("`{name}`"));
        match name.as_str() {
            "--gateway" => options.gateway = Some(PathBuf::from(value)),
            "--report" => options.report = Some(PathBuf::from(value)),
            "--calls" => options.calls = number()?,
            "--rounds" => options.rounds = number()?,
            "--connections" => options.connections = number()?,
            _ => bail!("unknown option `{name}`\n{USAGE}"),
        }
    }
    Ok(options)
}
