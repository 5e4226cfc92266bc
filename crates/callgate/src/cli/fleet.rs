//! The grammar of the commands that run a fleet: `server`, `grant` and `log`.

use super::{DataArgs, JsonArgs};
use crate::settings::SettingsArgs;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What to do with servers.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Register a server
    #[command(
        after_help = "Examples:\n  callgate server add kernel --url https://mcp.example.com/mcp --header 'Authorization: Bearer …'\n  \
        callgate server add files --env-from HOME -- npx -y @modelcontextprotocol/server-filesystem /srv"
    )]
    Add {
        /// The name: part of its endpoint's URL
        name: String,
        /// The server's URL (Streamable HTTP)
        #[arg(long, value_name = "URL", conflicts_with = "command", required_unless_present = "command")]
        url: Option<String>,
        /// A header for every request to the URL
        #[arg(long, value_name = "K: V", requires = "url")]
        header: Vec<String>,
        /// A variable for the command
        #[arg(long, value_name = "K=V", requires = "command")]
        env: Vec<String>,
        /// A variable that the command gets from the gateway's own environment
        #[arg(long, value_name = "NAME", requires = "command")]
        env_from: Vec<String>,
        /// The command's working directory
        #[arg(long, value_name = "DIR", requires = "command")]
        cwd: Option<PathBuf>,
        #[command(flatten)]
        settings: Box<SettingsArgs>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
        /// The server's command and its arguments (stdio)
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// List the servers
    #[command(after_help = "Example:\n  callgate server list")]
    List {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show one server, its policies and grants
    #[command(after_help = "Example:\n  callgate server show kernel")]
    Show {
        /// The server
        name: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Ask the server itself for its tools
    #[command(after_help = "Example:\n  callgate server tools kernel --json > tools.json")]
    Tools {
        /// The server
        name: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Remove a server, its policies and its grants
    #[command(after_help = "Example:\n  callgate server remove kernel")]
    Remove {
        /// The server
        name: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

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
