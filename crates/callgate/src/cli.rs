//! The grammar of the command line. Names and flags are a contract for people and scripts.

mod apply;
mod approvals;
mod catalog;
mod connect;
mod fixture;
mod fleet;
mod grant;
mod instance;
mod limits;
mod members;
mod policy;
mod serve;
mod server;
mod webhook;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub(crate) use apply::ApplyArgs;
pub(crate) use approvals::ApprovalsCommand;
pub(crate) use catalog::{CatalogCommand, CatalogSearchArgs, CatalogTargetArgs};
pub(crate) use connect::{ConnectArgs, DisconnectArgs, ImportArgs};
pub(crate) use fixture::{Era, FixtureArgs, Transport};
pub(crate) use fleet::{LogArgs, OutcomeFilter};
pub(crate) use grant::GrantCommand;
pub(crate) use instance::{BackupArgs, KeyCommand, RestoreArgs};
pub(crate) use limits::LimitsCommand;
pub(crate) use members::{LoginArgs, LogoutArgs, MemberCommand, OrganisationCommand, RoleName, TokenCommand};
pub(crate) use policy::{ExplainArgs, FleetPolicyArgs, PolicyCommand, ScanArgs, ToolsSource};
pub(crate) use serve::{BridgeArgs, UpArgs, WrapArgs};
pub(crate) use server::{ApproveDefinitionsArgs, DefinitionArgs, ServerCommand, ServerEditArgs};
pub(crate) use webhook::{TemplateChoice, WebhookArgs, WebhookCommand};

/// A gateway between MCP clients and MCP servers: every tool call is checked against a policy before it reaches the
/// server.
#[derive(Debug, Parser)]
#[command(name = "callgate", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 yes, 1 no (denied, invalid, failed), 2 wrong usage or can't run.\n\n\
    Example:\n  callgate up --demo")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: the MCP endpoints of every registered server
    Up(UpArgs),
    /// Put a policy between one stdio client and one server, without a daemon
    Wrap(WrapArgs),
    /// Connect a stdio client to the endpoint of a running gateway
    Bridge(BridgeArgs),
    /// Register MCP servers, look at them, remove them
    #[command(subcommand)]
    Server(ServerCommand),
    /// Write, check, test and publish policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Mint and handle grants: the bearer tokens that clients present
    #[command(subcommand)]
    Grant(GrantCommand),
    /// Answer calls that need a person's yes
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// See what limits have counted, and set counters to zero
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// Make the gateway what a directory of files says
    Apply(ApplyArgs),
    /// Let an MCP client go through Callgate: edits its own configuration, with a backup
    Connect(ConnectArgs),
    /// Put the configuration of an MCP client back, and revoke its grants
    Disconnect(DisconnectArgs),
    /// Add members, and give them roles
    #[command(subcommand)]
    Member(MemberCommand),
    /// Make API tokens for automation
    #[command(subcommand)]
    Token(TokenCommand),
    /// Keep several organisations apart on one gateway
    #[command(subcommand)]
    Organisation(OrganisationCommand),
    /// Tell other programs of what happens: approvals, changed definitions
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Sign in, for the commands that follow
    Login(LoginArgs),
    /// Sign out
    Logout(LogoutArgs),
    /// Handle the keys that secrets are sealed with
    #[command(subcommand)]
    Key(KeyCommand),
    /// Save everything that a gateway knows, also while it serves
    Backup(BackupArgs),
    /// Put a backup in place, where nothing is yet
    Restore(RestoreArgs),
    /// Show what was decided
    Log(LogArgs),
    /// Work with the journal, the record of every decision and change
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Look at the tools of a server: category, risk, evidence, recommended rule
    Scan(ScanArgs),
    /// Search servers and tools, import and synchronise them, see what changed
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Print the page of an error code
    Explain(ExplainCodeArgs),
    #[command(hide = true)]
    /// Serve a tool list and echo every call, for tests and the demo
    Fixture(FixtureArgs),
    #[command(name = "__child", hide = true)]
    /// Run a command that ends when its parent does
    Child(ChildArgs),
    #[command(name = "__help-markdown", hide = true)]
    /// Print the reference of all commands
    HelpMarkdown,
}

/// Where the data directory is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DataArgs {
    /// Data directory; without it `CALLGATE_DATA`, else the platform's own
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Whether to print for scripts.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Prove that the journal is consistent
    ///
    /// Exits 0 when every record and checkpoint holds, 1 when one doesn't. Consistency is not completeness: that
    /// nothing was cut off at the end only shows against a checkpoint that was kept elsewhere (`--expect`).
    #[command(after_help = "Example:\n  callgate journal verify --json")]
    Verify {
        /// The journal's directory; without it the one in the data directory
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
        /// The head that an earlier verification printed: the journal must contain it
        #[arg(long, value_name = "SEQUENCE:HASH")]
        expect: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Print the records for other systems, one JSON object a line
    ///
    /// Reads the journal's files; no gateway is needed. Values of arguments are never in it.
    #[command(after_help = "Example:\n  callgate journal export --format ocsf --since 7d -o events.jsonl")]
    Export(ExportArgs),
    /// Delete whole segments of which every record is old enough
    ///
    /// Through the running gateway, or on the data directory when none runs. A signed record in the journal says what
    /// went, so that `verify` holds. The segment that is being written stays.
    #[command(after_help = "Example:\n  callgate journal prune --before 90d --dry-run")]
    Prune {
        /// How old, or before when: `90d`, or an RFC 3339 time
        #[arg(long, value_name = "AGE")]
        before: String,
        /// Only say what would be deleted
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The journal's directory; without it the one in the data directory
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The form: the records as they are, or events of the Open Cybersecurity Schema Framework
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: ExportFormat,
    /// From then on: how long ago (`7d`), or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Before then
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only what is about this server
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Only what belongs to this organisation
    #[arg(long, value_name = "NAME")]
    pub organisation: Option<String>,
    /// Where to; without it standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// One record a line
    Jsonl,
    /// One OCSF event a line
    Ocsf,
}

/// Which page to print.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callgate explain CG3011\n  callgate explain --list")]
pub(crate) struct ExplainCodeArgs {
    /// The code, for example CG3011; its digits will do
    #[arg(required_unless_present = "list")]
    pub code: Option<String>,
    /// List all codes with their titles
    #[arg(long, conflicts_with = "code")]
    pub list: bool,
}

/// Which command to run as a child.
#[derive(Debug, Args)]
pub(crate) struct ChildArgs {
    /// Become the command itself
    #[arg(long)]
    pub tied: bool,
    /// Watch this process
    #[arg(long, value_name = "PID", requires = "parent")]
    pub watch: Option<i32>,
    /// The process with which everything ends
    #[arg(long, value_name = "PID")]
    pub parent: Option<i32>,
    /// The command and its arguments
    #[arg(last = true, required_unless_present = "watch", value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}
