//! The grammar of the commands about people and tokens: `member`, `token`, `organisation`, `login` and `logout`.

use super::{DataArgs, JsonArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum RoleName {
    /// Everything, also servers, credentials, grants, members and the change log
    Admin,
    /// Also policies, and approvals
    PolicyManager,
    /// Reads servers, policies, grants and decisions
    Viewer,
}

/// What to do with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Add somebody, and print a link that signs them in, once
    #[command(after_help = "Examples:\n  callgate member add ada@example.com --role policy_manager\n  \
        callgate member add bob@example.com --role viewer --server kernel")]
    Add {
        /// What they sign in with: an e-mail address or a name
        login: String,
        /// What they may do
        #[arg(long, value_enum, value_name = "ROLE")]
        role: RoleName,
        /// Only for this server; may be given more than once
        #[arg(long, value_name = "NAME")]
        server: Vec<String>,
        /// How they are shown [default: the login]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List the members and their roles
    #[command(after_help = "Example:\n  callgate member list")]
    List {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Give a member another role, or take one away
    #[command(after_help = "Examples:\n  callgate member role bob@example.com admin\n  \
        callgate member role bob@example.com policy_manager --server kernel\n  \
        callgate member role bob@example.com --none --server kernel")]
    Role {
        /// The member's login or id
        member: String,
        /// What they may do from now on
        #[arg(value_enum, value_name = "ROLE", required_unless_present = "none", conflicts_with = "none")]
        role: Option<RoleName>,
        /// Only for this server; may be given more than once
        #[arg(long, value_name = "NAME")]
        server: Vec<String>,
        /// No role
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Remove a member, and end their sessions
    #[command(after_help = "Example:\n  callgate member remove bob@example.com")]
    Remove {
        /// The member's login or id
        member: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Print a new link that signs a member in, once
    #[command(after_help = "Example:\n  callgate member link admin")]
    Link {
        /// The member's login or id
        member: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// What to do with API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for automation, and print it, once
    #[command(after_help = "Example:\n  callgate token create --label ci --role policy_manager --expires 90d")]
    Create {
        /// What it is called in lists and records
        #[arg(long, value_name = "LABEL")]
        label: String,
        /// What it may do
        #[arg(long, value_enum, value_name = "ROLE")]
        role: RoleName,
        /// Only for this server; may be given more than once
        #[arg(long, value_name = "NAME")]
        server: Vec<String>,
        /// How long it lasts: 90s, 15m, 12h, 30d or 4w [default: until revoked]
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        /// It may also handle the whole instance: organisations, keys and backups
        #[arg(long)]
        instance: bool,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List the tokens, without themselves
    #[command(after_help = "Example:\n  callgate token list")]
    List {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Revoke a token for good
    #[command(after_help = "Example:\n  callgate token revoke ci")]
    Revoke {
        /// The token's id or label
        token: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// What to do with organisations.
#[derive(Debug, Subcommand)]
pub(crate) enum OrganisationCommand {
    /// Add an organisation, with an admin of its own
    #[command(after_help = "Example:\n  callgate organisation add research --admin ada@example.com")]
    Add {
        /// Its name
        name: String,
        /// The login of its first admin
        #[arg(long, value_name = "LOGIN", default_value = "admin")]
        admin: String,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List the organisations
    #[command(after_help = "Example:\n  callgate organisation list")]
    List {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// How to sign in.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  callgate login ada@example.com\n  \
    callgate login --link 'http://127.0.0.1:7070/sign-in?link=cgl_…'\n  \
    callgate login ada@example.com --url https://callgate.example.com --password-file password")]
pub(crate) struct LoginArgs {
    /// Who signs in
    #[arg(conflicts_with = "link")]
    pub login: Option<String>,
    /// The organisation of the login [default: default]
    #[arg(long, value_name = "NAME", conflicts_with = "link")]
    pub organisation: Option<String>,
    /// A one-time link, or the secret in it, in place of login and password
    #[arg(long, value_name = "LINK")]
    pub link: Option<String>,
    /// The gateway's address; commands are about it from then on [default: the one of the data directory]
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub url: Option<String>,
    /// File with the password; `-` reads standard input [default: it is asked for on the terminal]
    #[arg(long, value_name = "FILE", conflicts_with = "link")]
    pub password_file: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Where to sign out.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  callgate logout")]
pub(crate) struct LogoutArgs {
    /// The gateway's address [default: where the last login was]
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub url: Option<String>,
    #[command(flatten)]
    pub data: DataArgs,
}
