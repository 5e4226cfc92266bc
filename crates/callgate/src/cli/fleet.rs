//! The grammar of `log`.

use super::{DataArgs, JsonArgs};
use clap::{Args, ValueEnum};

/// Which records to show.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callgate log --since 1h --outcome deny\n  callgate log --follow --server kernel")]
pub(crate) struct LogArgs {
    /// Go on with what is decided from now on
    #[arg(long, short)]
    pub follow: bool,
    /// Only this server
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Only this tool
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// Only this outcome
    #[arg(long, value_enum)]
    pub outcome: Option<OutcomeFilter>,
    /// Only since then: 90s, 15m, 12h, 30d or 4w ago, or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// An outcome to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutcomeFilter {
    /// Allowed calls
    Allow,
    /// Denied calls
    Deny,
    /// Calls that a person was asked about
    Approve,
}
