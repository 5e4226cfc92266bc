//! The grammar of `server`.

use super::{DataArgs, JsonArgs};
use crate::settings::SettingsArgs;
use clap::{Args, Subcommand};
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
    /// Register the servers that an MCP client is configured with
    #[command(
        after_help = "Examples:\n  callgate server import cursor --dry-run\n  callgate server import .vscode/mcp.json"
    )]
    Import(super::ImportArgs),
    /// Change where a server is, or how it is treated
    ///
    /// What isn't named stays as it is; its credentials, too, as long as a URL stays on its origin (see `server
    /// credentials`).
    #[command(after_help = "Examples:\n  callgate server edit kernel --call-timeout 10m\n  \
        callgate server edit kernel --url https://mcp.example.com/v2/mcp")]
    Edit(Box<ServerEditArgs>),
    /// Replace the headers or variables that a server gets; their values are never shown again
    #[command(after_help = "Examples:\n  callgate server credentials kernel --header 'Authorization: Bearer …'\n  \
        callgate server credentials files --env API_KEY=…\n  callgate server credentials kernel --none")]
    Credentials {
        /// The server
        name: String,
        /// A header for every request to its URL
        #[arg(long, value_name = "K: V", required_unless_present_any = ["env", "none"], conflicts_with = "env")]
        header: Vec<String>,
        /// A variable for its command
        #[arg(long, value_name = "K=V")]
        env: Vec<String>,
        /// Neither
        #[arg(long, conflicts_with_all = ["header", "env"])]
        none: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
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
    /// Ask the server itself for its tools, and compare them with what is pinned
    #[command(
        after_help = "Example:\n  callgate server tools kernel\n  callgate server tools kernel --json > tools.json"
    )]
    Tools {
        /// The server
        name: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List what the tools of a server are pinned as
    #[command(after_help = "Example:\n  callgate server definitions kernel")]
    Definitions {
        /// The server
        name: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show what one tool is pinned as and what changed, say what it does, or forget it
    #[command(after_help = "Examples:\n  callgate server definition kernel exec_command\n  \
        callgate server definition kernel exec_command --category execute --labels egress,free_form_code\n  \
        callgate server definition kernel gone_tool --forget")]
    Definition(DefinitionArgs),
    /// Approve what a server's tools are defined as now, after showing what changed
    ///
    /// Exactly what is shown is approved: where the server lists something else by then, nothing is.
    #[command(after_help = "Examples:\n  callgate server approve-definitions kernel --dry-run\n  \
        callgate server approve-definitions kernel --tool exec_command")]
    ApproveDefinitions(ApproveDefinitionsArgs),
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

/// Which definition to show or change.
#[derive(Debug, Args)]
pub(crate) struct DefinitionArgs {
    /// The server
    pub name: String,
    /// The tool
    pub tool: String,
    /// What the tool does, in place of what the catalogue finds: `read`, `write`, `execute`, `destructive`, `financial`
    #[arg(long, value_name = "CATEGORY", conflicts_with_all = ["catalogue", "forget"])]
    pub category: Option<String>,
    /// What attacks could use it for, in place of what the catalogue finds, for example `egress,reads_private`
    #[arg(long, value_name = "LABELS", value_delimiter = ',', conflicts_with_all = ["catalogue", "forget"])]
    pub labels: Option<Vec<String>>,
    /// What the catalogue finds, in place of what somebody set
    #[arg(long, conflicts_with = "forget")]
    pub catalogue: bool,
    /// Forget what it is pinned as: listed again, it is new
    #[arg(long)]
    pub forget: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Which definitions to approve.
#[derive(Debug, Args)]
pub(crate) struct ApproveDefinitionsArgs {
    /// The server
    pub name: String,
    /// Only this tool
    #[arg(long, value_name = "TOOL")]
    pub tool: Vec<String>,
    /// Only show what would be approved
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// What to change of a server.
#[derive(Debug, Args)]
pub(crate) struct ServerEditArgs {
    /// The server
    pub name: String,
    /// Its new URL (Streamable HTTP)
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    pub url: Option<String>,
    /// A variable that the new command gets from the gateway's own environment
    #[arg(long, value_name = "NAME", requires = "command")]
    pub env_from: Vec<String>,
    /// The new command's working directory
    #[arg(long, value_name = "DIR", requires = "command")]
    pub cwd: Option<PathBuf>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
    /// Its new command and arguments (stdio)
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}
