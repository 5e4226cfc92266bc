//! The grammar of `limits`.

use super::{DataArgs, JsonArgs};
use clap::Subcommand;

/// What to do with limits.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// List the limits that count something now, nearest to exhaustion first
    #[command(after_help = "Example:\n  callgate limits list --server kernel")]
    List {
        /// Only those of this server
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        /// Only those of this grant
        #[arg(long, value_name = "GRANT")]
        grant: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Set the counters of a limit to zero: those of all its grants, or of one
    ///
    /// It is on record with the reason, and holds after a restart. Calls in flight give nothing back to them.
    #[command(
        after_help = "Example:\n  callgate limits reset kernel /tools/exec_command/limits/hourly --grant ci \\\n    \
        --reason 'agreed with ops'"
    )]
    Reset {
        /// The server
        server: String,
        /// The rule, as `limits list` shows it
        rule: String,
        /// Only the counter of this grant
        #[arg(long, value_name = "GRANT")]
        grant: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}
