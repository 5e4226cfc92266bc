//! The grammar of `approvals`.

use super::{DataArgs, JsonArgs};
use clap::{Subcommand, ValueEnum};

/// What to do with questions.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// List the questions, newest first
    #[command(after_help = "Example:\n  callgate approvals list --state pending")]
    List {
        /// Only those that stand so
        #[arg(long, value_enum)]
        state: Option<StateFilter>,
        /// Only those of this server
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show a question, with the exact arguments of its call for who may answer
    #[command(after_help = "Example:\n  callgate approvals show a_0123456789abcdefghjkmnpqrs")]
    Show {
        /// The question's id
        approval: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Say yes: exactly this call may be made, once
    #[command(after_help = "Examples:\n  callgate approvals approve a_0123456789abcdefghjkmnpqrs\n  \
        callgate approvals approve a_0123456789abcdefghjkmnpqrs --remember 15m --same path")]
    Approve {
        /// The question's id
        approval: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Let later calls through without asking, for so long: 90s, 15m, 12h (where the rule allows it)
        #[arg(long, value_name = "DURATION")]
        remember: Option<String>,
        /// With `--remember`: an argument that has to be equal [default: all of them]
        #[arg(long, value_name = "ARGUMENT", requires = "remember")]
        same: Vec<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Say no: identical calls are refused until the question is over
    #[command(after_help = "Example:\n  callgate approvals deny a_0123456789abcdefghjkmnpqrs --reason 'not today'")]
    Deny {
        /// The question's id
        approval: String,
        /// Why: the caller reads it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Take a yes back that was not used yet, or that stays
    #[command(after_help = "Example:\n  callgate approvals revoke a_0123456789abcdefghjkmnpqrs")]
    Revoke {
        /// The question's id
        approval: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Wait for questions: one line each, and on a terminal `y` or `n` answers
    ///
    /// Goes on until it is ended. In a pipe, and with `--json`, it only prints.
    #[command(after_help = "Example:\n  callgate approvals watch")]
    Watch {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// How a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateFilter {
    /// Nobody has answered
    Pending,
    /// Yes, and good until it is used or over
    Approved,
    /// No
    Refused,
    /// Nobody answered, or used the yes, in time
    Expired,
    /// The caller went away, or the yes was taken back
    Withdrawn,
    /// Yes, and the call was made
    Used,
}

impl StateFilter {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Used => "used",
        }
    }
}
