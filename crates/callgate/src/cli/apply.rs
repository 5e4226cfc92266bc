//! The grammar of `apply`.

use super::{DataArgs, JsonArgs};
use clap::Args;
use std::path::PathBuf;

/// What to apply.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callgate apply -f fleet --dry-run\n  callgate apply -f fleet --prune --tokens-out tokens.json\n  \
    callgate apply -f fleet --prune --check"
)]
pub(crate) struct ApplyArgs {
    /// The directory: `servers/NAME.toml`, `policies/SERVER/NAME.json`, `baseline.json`, `grants.toml`
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub directory: PathBuf,
    /// Show the plan, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what was applied once and is not in the directory any more
    #[arg(long)]
    pub prune: bool,
    /// Show the plan, change nothing, and exit 1 where anything differs
    #[arg(long, conflicts_with_all = ["dry_run", "tokens_out"])]
    pub check: bool,
    /// Apply only where the plan is still this one, as `--dry-run` named it
    #[arg(long, value_name = "PLAN")]
    pub if_plan: Option<String>,
    /// Write the tokens of new grants into this file (mode 0600), beside those that are in it, instead of printing them
    #[arg(long, value_name = "FILE")]
    pub tokens_out: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}
