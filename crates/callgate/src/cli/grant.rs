//! The grammar of `grant`.

use super::{DataArgs, JsonArgs};
use clap::Subcommand;

/// What to do with grants.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Mint a grant and print its token, once
    #[command(after_help = "Example:\n  callgate grant mint --server kernel --label laptop --json")]
    Mint {
        /// The server that it opens
        #[arg(long, value_name = "NAME")]
        server: String,
        /// What it is called in lists and records
        #[arg(long, value_name = "LABEL")]
        label: String,
        /// The policy [default: `default` where the server has one, else its only one]
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        /// How long it lasts: 90s, 15m, 12h, 30d or 4w [default: until revoked]
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        /// A tag that rules can look at
        #[arg(long, value_name = "K=V")]
        tag: Vec<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List the grants
    #[command(after_help = "Example:\n  callgate grant list --server kernel")]
    List {
        /// Only those of this server
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Change a grant's label, tags or end
    #[command(after_help = "Examples:\n  callgate grant edit laptop --label desktop --tag team=b\n  \
        callgate grant edit laptop --expires 30d")]
    Edit {
        /// The grant's id or label
        grant: String,
        /// Its new label
        #[arg(long, value_name = "LABEL", required_unless_present_any = ["expires", "no_expiry", "tag", "no_tags"])]
        label: Option<String>,
        /// How long it lasts from now on: 90s, 15m, 12h, 30d or 4w
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        /// It lasts until it is revoked
        #[arg(long, conflicts_with = "expires")]
        no_expiry: bool,
        /// A tag, in place of all that it has
        #[arg(long, value_name = "K=V")]
        tag: Vec<String>,
        /// No tags
        #[arg(long, conflicts_with = "tag")]
        no_tags: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Attach another policy to a grant
    #[command(after_help = "Example:\n  callgate grant attach laptop --policy readonly")]
    Attach {
        /// The grant's id or label
        grant: String,
        /// The policy's name
        #[arg(long, value_name = "NAME", required_unless_present = "none", conflicts_with = "none")]
        policy: Option<String>,
        /// No policy: every call is denied
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Give a grant a new token, and print it, once
    #[command(after_help = "Example:\n  callgate grant rotate laptop --overlap 1h")]
    Rotate {
        /// The grant's id or label
        grant: String,
        /// How long the old token still works
        #[arg(long, value_name = "DURATION", default_value = "0s")]
        overlap: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Revoke a grant for good, and end what it has open
    #[command(after_help = "Example:\n  callgate grant revoke laptop")]
    Revoke {
        /// The grant's id or label
        grant: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}
