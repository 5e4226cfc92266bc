//! The grammar of the commands that serve: `up`, `wrap` and `bridge`.

use super::DataArgs;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How to serve.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callgate up --demo\n  callgate up --config callgate.toml --listen 127.0.0.1:7070")]
pub(crate) struct UpArgs {
    /// Configuration file; without it `CALLGATE_CONFIG`, else `callgate.toml` here, where there is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
    /// Address to listen on [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Serve two example servers with policies, grants and a burst of calls, from a temporary data directory
    #[arg(long)]
    pub demo: bool,
    /// Listen beyond loopback without TLS: tokens travel in the clear
    #[arg(long)]
    pub insecure: bool,
}

/// What to wrap.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callgate wrap --policy policy.json -- npx -y @modelcontextprotocol/server-filesystem /srv\n  \
    callgate wrap --policy policy.json --url https://mcp.example.com/mcp --header 'Authorization: Bearer …'"
)]
pub(crate) struct WrapArgs {
    /// The policy; an edit applies to the next call
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The server's name in counters and records [default: the policy's `name`, else the command's]
    #[arg(long)]
    pub name: Option<String>,
    /// The server's URL (Streamable HTTP)
    #[arg(long, value_name = "URL", conflicts_with = "command", required_unless_present = "command")]
    pub url: Option<String>,
    /// A header for every request to the URL
    #[arg(long, value_name = "K: V", requires = "url")]
    pub header: Vec<String>,
    /// The era of the protocol that the server speaks [default: auto]
    #[arg(long, value_parser = ["auto", "legacy", "modern"], hide_possible_values = true, value_name = "auto|legacy|modern")]
    pub era: Option<String>,
    /// Accept every definition of a tool that has changed, as long as this runs
    #[arg(long)]
    pub accept_definitions: bool,
    #[command(flatten)]
    pub data: DataArgs,
    /// The server's command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What to connect.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  callgate bridge http://127.0.0.1:7070/mcp/kernel --token-file kernel.token")]
pub(crate) struct BridgeArgs {
    /// The endpoint of a server on a running gateway
    pub url: String,
    /// File with the grant's token; without it `CALLGATE_TOKEN`
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}
