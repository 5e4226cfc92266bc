//! The grammar of the commands that work on the configuration of MCP clients.

use super::{DataArgs, JsonArgs};
use crate::clients::Client;
use clap::Args;
use std::path::PathBuf;

/// What to register.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A client (`claude-desktop`, `claude-code`, `cursor`, `vscode`, `windsurf`, `codex`, `gemini`) or a file of one
    #[arg(value_name = "CLIENT|FILE")]
    pub from: String,
    /// Only these, by their names in the file
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// Say what would be registered, and register nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Which client should go through Callgate.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callgate connect cursor --dry-run\n  callgate connect claude-desktop --server files --policy readonly"
)]
pub(crate) struct ConnectArgs {
    /// The client
    #[arg(value_enum)]
    pub client: Client,
    /// Only these servers, by their names here; one that the file doesn't have is added to it
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// The client's file [default: the project's in this directory, else the user's own]
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// The policy of the grants [default: `default` where the server has one, else its only one]
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Start a bridge that reads its token from a file, instead of writing the token into the client's file
    #[arg(long)]
    pub bridge: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Which client should go to its servers by itself again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callgate disconnect cursor --dry-run\n  callgate disconnect cursor")]
pub(crate) struct DisconnectArgs {
    /// The client
    #[arg(value_enum)]
    pub client: Client,
    /// Only these servers, by their names here
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// Only this file
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}
