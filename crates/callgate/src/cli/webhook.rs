//! The grammar of `webhook`.

use super::{DataArgs, JsonArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What messages look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateChoice {
    /// JSON as Standard Webhooks has it
    Generic,
    /// For an incoming webhook of Slack
    Slack,
    /// For a workflow of Microsoft Teams
    Teams,
}

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Add an endpoint, and print the secret that signs its messages, once
    ///
    /// The address of a chat's endpoint is a secret: give it in a file, or on standard input, rather than in a command
    /// that others can see.
    #[command(
        after_help = "Examples:\n  callgate webhook add team --template slack --url-file - --event approval.asked\n  \
        callgate webhook add pager --url https://hooks.example.com/callgate --server kernel"
    )]
    Add {
        /// What it is called
        name: String,
        /// Where messages go: https, or http on this machine
        #[arg(long, value_name = "URL", required_unless_present = "url_file")]
        url: Option<String>,
        #[command(flatten)]
        how: WebhookArgs,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Change an endpoint; what isn't named stays as it is
    #[command(after_help = "Examples:\n  callgate webhook edit team --disable\n  \
        callgate webhook edit team --event approval.asked --event definition.quarantined")]
    Edit {
        /// Its name or id
        webhook: String,
        /// What it is called from now on
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Where messages go: https, or http on this machine
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        #[command(flatten)]
        how: WebhookArgs,
        /// Send it argument names only
        #[arg(long, conflicts_with = "include_arguments")]
        no_arguments: bool,
        /// Tell it of everything
        #[arg(long, conflicts_with = "event")]
        all_events: bool,
        /// Tell it about all servers
        #[arg(long, conflicts_with = "server")]
        all_servers: bool,
        /// Send it nothing until it is enabled again; what waits goes on waiting
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Send it messages again
        #[arg(long)]
        enable: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List the endpoints, without their addresses and secrets
    #[command(after_help = "Example:\n  callgate webhook list")]
    List {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show an endpoint, and what it was told last
    #[command(after_help = "Example:\n  callgate webhook show team")]
    Show {
        /// Its name or id
        webhook: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Send an endpoint a message that says nothing; exits 1 where it does not take it
    #[command(after_help = "Example:\n  callgate webhook test team")]
    Test {
        /// Its name or id
        webhook: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make a new secret, and print it, once; the one before signs beside it for a day
    #[command(after_help = "Example:\n  callgate webhook rotate-secret pager")]
    RotateSecret {
        /// Its name or id
        webhook: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Remove an endpoint; what it was still to be told is not told
    #[command(after_help = "Example:\n  callgate webhook remove pager")]
    Remove {
        /// Its name or id
        webhook: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// How an endpoint is told, and of what.
#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    /// File with the URL; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub url_file: Option<PathBuf>,
    /// What its messages look like [default: generic]
    #[arg(long, value_enum, value_name = "TEMPLATE")]
    pub template: Option<TemplateChoice>,
    /// What it is told of (`approval.asked`, …); may be given more than once [default: everything]
    #[arg(long, value_name = "EVENT")]
    pub event: Vec<String>,
    /// A server that it is told about; may be given more than once [default: all]
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// Send it the arguments of calls, where the rule that asks allows it (`include_arguments`)
    #[arg(long)]
    pub include_arguments: bool,
}
