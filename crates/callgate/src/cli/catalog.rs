//! The grammar of `catalog`.

use super::{DataArgs, JsonArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with the catalogue.
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Find tools, or servers, by words
    ///
    /// Those that have all words in their name come first. `begin*` finds all words that begin so.
    #[command(after_help = "Examples:\n  callgate catalog search read file\n  \
        callgate catalog search --servers github --grade A,B\n  callgate catalog search send* --label egress --json")]
    Search(CatalogSearchArgs),
    /// Show a server with its grade and tools, or one tool with the evidence for what it does
    #[command(after_help = "Examples:\n  callgate catalog show io.github.user/weather\n  \
        callgate catalog show io.github.user/weather get_forecast")]
    Show {
        /// The server, by its name or identity
        server: String,
        /// One of its tools
        tool: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Import lists of servers and tools from files
    ///
    /// A registry's list of servers, a `server.json`, or the answer to `tools/list`. Of a file with bad entries nothing
    /// is imported, unless `--skip-bad` leaves them out. Exits 1 when a file was not imported.
    #[command(after_help = "Examples:\n  callgate catalog import servers.json\n  \
        callgate catalog import --name kernel tools.json\n  callgate catalog import --public --skip-bad dump/*.json")]
    Import {
        /// The files; `-` reads standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The server of a list of tools [default: the file's name]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Leave bad entries out, and say which
        #[arg(long)]
        skip_bad: bool,
        #[command(flatten)]
        target: CatalogTargetArgs,
    },
    /// Read a registry of MCP servers: all of it, then only what changed
    ///
    /// Goes on where it was interrupted. The gateway itself never calls a registry: this command does.
    #[command(after_help = "Example:\n  callgate catalog sync https://registry.modelcontextprotocol.io --public")]
    Sync {
        /// The registry's address
        url: String,
        /// Read everything again
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        target: CatalogTargetArgs,
    },
    /// Show what was new, changed and removed, newest first
    #[command(after_help = "Example:\n  callgate catalog changes --since 7d")]
    Changes {
        /// Only those of this server
        #[arg(long, value_name = "SERVER")]
        server: Option<String>,
        /// Only since then: how long ago, or an RFC 3339 time
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Write the whole catalogue: as a document that `catalog import` reads, or as HTML pages
    #[command(after_help = "Examples:\n  callgate catalog export > catalogue.json\n  \
        callgate catalog export --html site/")]
    Export {
        /// Write pages into this directory: new, or made by this command
        #[arg(long, value_name = "DIR")]
        html: Option<PathBuf>,
        /// Only what is of the organisation itself
        #[arg(long)]
        own: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// Whose part of the catalogue is written.
#[derive(Debug, Args)]
pub(crate) struct CatalogTargetArgs {
    /// For all organisations of the gateway; needs the instance's credential
    #[arg(long)]
    pub public: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// What to search for.
#[derive(Debug, Args)]
pub(crate) struct CatalogSearchArgs {
    /// Words
    pub words: Vec<String>,
    /// Find servers in place of tools
    #[arg(long)]
    pub servers: bool,
    /// Only what does this: read, write, execute, destructive, financial
    #[arg(long, value_name = "LIST")]
    pub category: Option<String>,
    /// Only of this risk: low, medium, high, critical
    #[arg(long, value_name = "LIST")]
    pub risk: Option<String>,
    /// Only with this label, such as egress
    #[arg(long, value_name = "LIST")]
    pub label: Option<String>,
    /// Only of servers with this grade, A to F
    #[arg(long, value_name = "LIST")]
    pub grade: Option<String>,
    /// Only with a finding of this kind
    #[arg(long, value_name = "LIST")]
    pub finding: Option<String>,
    /// Only tools of this server
    #[arg(long, value_name = "SERVER", conflicts_with = "servers")]
    pub server: Option<String>,
    /// Only what is of the organisation itself
    #[arg(long)]
    pub own: bool,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}
