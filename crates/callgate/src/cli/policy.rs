//! The grammar of `policy` and `scan`.

use super::{DataArgs, JsonArgs};
use callgate_policy::{Reach, ReachKind};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say everything that is wrong with a policy, with line and column
    ///
    /// Exits 0 when it can be used (warnings included), 1 when it can't. Runs no tests: see `policy test`.
    #[command(after_help = "Example:\n  callgate policy check policy.json --tools tools.json")]
    Check {
        /// The policy; `-` reads standard input
        file: PathBuf,
        /// A tools/list answer of the server: also warn about rules that can't work on its tools
        #[arg(long, value_name = "FILE")]
        tools: Option<PathBuf>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Run the tests inside a policy
    #[command(
        after_help = "Examples:\n  callgate policy test policy.json\n  callgate policy test policy.json --tools tools.json"
    )]
    Test {
        /// The policy; `-` reads standard input
        file: PathBuf,
        /// A tools/list answer of the server: its definitions count as pinned and are classified
        #[arg(long, value_name = "FILE")]
        tools: Option<PathBuf>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Say what a policy makes of one call, resource, prompt or such, and why
    ///
    /// Exits 0 when it is allowed, 1 when it isn't.
    #[command(
        after_help = "Examples:\n  callgate policy explain policy.json --tool exec_command --args '{\"command\":\"ls\"}' --calls 11\n  \
        callgate policy explain policy.json --after 'fetch={\"url\":\"https://example.com\"}' --tool send_mail\n  \
        callgate policy explain policy.json --resource file:///workspace/notes.md"
    )]
    Explain(ExplainArgs),
    /// Rewrite Intercept YAML or the FAQ spelling as policy.json
    #[command(after_help = "Example:\n  callgate policy convert intercept.yaml > policy.json")]
    Convert(FormatArgs),
    /// Write the policy that fits a server's tools
    #[command(after_help = "Examples:\n  callgate policy recommend --tools tools.json > policy.json\n  \
        callgate policy recommend -- npx -y @modelcontextprotocol/server-memory")]
    Recommend(RecommendArgs),
    /// Print the JSON Schema of policy.json, for editors
    #[command(after_help = "Example:\n  callgate policy schema > policy.schema.json")]
    Schema,
    /// Publish a policy: it applies to the next call of every grant that it is attached to
    ///
    /// A policy with errors or failing tests is not published.
    #[command(after_help = "Examples:\n  callgate policy publish policy.json --server kernel\n  \
        callgate policy publish policy.json --server kernel --expect 4\n  \
        callgate policy publish company.json --baseline")]
    Publish {
        /// The policy; `-` reads standard input
        file: PathBuf,
        /// Only where this version is in force: nobody published meanwhile
        #[arg(long, value_name = "VERSION")]
        expect: Option<u32>,
        #[command(flatten)]
        policy: FleetPolicyArgs,
    },
    /// List the published policies
    #[command(after_help = "Example:\n  callgate policy list --server kernel")]
    List {
        /// Only those of this server
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Print a published policy as it was published
    #[command(after_help = "Example:\n  callgate policy show --server kernel --version 3 > policy.json")]
    Show {
        /// The version [default: the one in force]
        #[arg(long, value_name = "VERSION")]
        version: Option<u32>,
        #[command(flatten)]
        policy: FleetPolicyArgs,
    },
    /// List the versions of a policy, newest first
    #[command(after_help = "Example:\n  callgate policy history --server kernel")]
    History {
        #[command(flatten)]
        policy: FleetPolicyArgs,
    },
    /// Publish an earlier version again, as a new version
    #[command(after_help = "Example:\n  callgate policy rollback --server kernel --to 3")]
    Rollback {
        /// The version to go back to [default: the one before the current]
        #[arg(long, value_name = "VERSION")]
        to: Option<u32>,
        #[command(flatten)]
        policy: FleetPolicyArgs,
    },
    /// Delete a policy, with all of its versions
    #[command(after_help = "Example:\n  callgate policy delete --server kernel --name readonly")]
    Delete {
        /// Also where grants carry it: they are denied everything from then on
        #[arg(long, conflicts_with = "baseline")]
        detach: bool,
        #[command(flatten)]
        policy: FleetPolicyArgs,
    },
}

/// Which published policy.
#[derive(Debug, Args)]
pub(crate) struct FleetPolicyArgs {
    /// The server that it is for
    #[arg(long, value_name = "NAME", required_unless_present = "baseline", conflicts_with = "baseline")]
    pub server: Option<String>,
    /// The baseline of the whole organisation: of it and a server's policy the stricter wins
    #[arg(long)]
    pub baseline: bool,
    /// The policy's name among those of the server
    #[arg(long, value_name = "NAME", default_value = "default", conflicts_with = "baseline")]
    pub name: String,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// What to explain.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true).args(["tool", "resource", "prompt", "sampling", "elicitation", "root"]))]
pub(crate) struct ExplainArgs {
    /// The policy; `-` reads standard input
    pub file: PathBuf,
    /// The name of a tool that is called
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// The call's arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", conflicts_with_all = REACH)]
    pub args: String,
    /// A call before, in order, as `TOOL` or `TOOL=JSON` with its arguments: made and completed
    #[arg(long, value_name = "TOOL[=JSON]", conflicts_with_all = REACH)]
    pub after: Vec<String>,
    /// Decide this many identical calls at the same moment, and show the last
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with_all = REACH)]
    pub calls: u32,
    /// The label of the grant that calls
    #[arg(long, value_name = "LABEL", conflicts_with_all = REACH)]
    pub grant: Option<String>,
    /// The moment of the call, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", conflicts_with_all = REACH)]
    pub at: Option<String>,
    /// A tools/list answer of the server: its definitions count as pinned and are classified
    #[arg(long, value_name = "FILE", conflicts_with_all = REACH)]
    pub tools: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// The options that stand in place of `--tool`.
const REACH: [&str; 5] = ["resource", "prompt", "sampling", "elicitation", "root"];

/// Something that is no tool, in place of a call.
#[derive(Debug, Args)]
pub(crate) struct ReachArgs {
    /// The URI of a resource, in place of a tool
    #[arg(long, value_name = "URI")]
    pub resource: Option<String>,
    /// The name of a prompt, in place of a tool
    #[arg(long, value_name = "NAME")]
    pub prompt: Option<String>,
    /// The name of a model hint that a server samples with, in place of a tool; empty for none
    #[arg(long, value_name = "HINT")]
    pub sampling: Option<String>,
    /// `form`, or the URL that a server sends the user to, in place of a tool
    #[arg(long, value_name = "form|URL")]
    pub elicitation: Option<String>,
    /// The URI of a root that a server is told about, in place of a tool
    #[arg(long, value_name = "URI")]
    pub root: Option<String>,
}

impl ReachArgs {
    /// What is asked about, where it is no tool.
    pub(crate) fn reach(&self) -> Option<Reach<'_>> {
        let asked = [
            (ReachKind::Resource, &self.resource),
            (ReachKind::Prompt, &self.prompt),
            (ReachKind::Sampling, &self.sampling),
            (ReachKind::Elicitation, &self.elicitation),
            (ReachKind::Root, &self.root),
        ];
        asked.into_iter().find_map(|(kind, subject)| Some(Reach { kind, subject: subject.as_deref()? }))
    }
}

/// What to convert.
#[derive(Debug, Args)]
pub(crate) struct FormatArgs {
    /// Intercept YAML, or a policy in the FAQ spelling; `-` reads standard input
    pub file: PathBuf,
}

/// Where a list of tools comes from: a file, a server's URL or a server's command.
#[derive(Clone, Debug, Args)]
pub(crate) struct ToolsSource {
    /// A tools/list answer in a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "command"])]
    pub tools: Option<PathBuf>,
    /// The URL of a server (Streamable HTTP)
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    pub url: Option<String>,
    /// A header for every request to the URL
    #[arg(long, value_name = "K: V", requires = "url")]
    pub header: Vec<String>,
    /// The server's command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What to recommend a policy for.
#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    #[command(flatten)]
    pub source: ToolsSource,
}

/// What to scan.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callgate scan --tools tools.json --json\n  \
    callgate scan -- npx -y @modelcontextprotocol/server-everything")]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    pub source: ToolsSource,
    /// Also keep the list in the gateway's catalogue, as this server's
    #[arg(long, value_name = "SERVER")]
    pub save: Option<String>,
    /// Keep it for all organisations of the gateway
    #[arg(long, requires = "save")]
    pub public: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}
