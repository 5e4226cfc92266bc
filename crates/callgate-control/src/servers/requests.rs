//! What requests say about servers.

use crate::secret::Secret;
use crate::settings::Settings;
use crate::target::{Target, TargetSchema};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use utoipa::ToSchema;

/// A server to register.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServer {
    /// Its name: a part of its endpoint's URL.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", example = "kernel")]
    pub name: String,
    /// Where it is.
    #[schema(value_type = TargetSchema)]
    pub target: Target,
    /// How it is treated.
    #[serde(default)]
    pub settings: Settings,
}

/// What changes about a server; what is not named stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerPatch {
    /// Where it is from now on. Its credentials stay as they are, as long as a URL stays on its origin and a command is
    /// the same.
    pub target: Option<NewPlace>,
    /// How it is treated from now on, as a whole: what is not named in it is as by default.
    pub settings: Option<Settings>,
}

/// Where a server is from now on, without its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a place is `url`, or `command` with `args`, `env_from` and `cwd`; \
    credentials are set by themselves"
)]
pub enum NewPlace {
    /// A URL.
    Url(UrlPlace),
    /// A command.
    Command(CommandPlace),
}

/// The URL of a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UrlPlace {
    /// Its URL.
    #[schema(example = "https://mcp.example.com/mcp", pattern = "^https?://")]
    pub url: String,
}

/// The command of a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandPlace {
    /// The program.
    #[schema(min_length = 1)]
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables that it gets from the gateway's environment.
    #[serde(default)]
    pub env_from: Vec<String>,
    /// Its working directory, an absolute path.
    #[schema(value_type = Option<String>)]
    pub cwd: Option<PathBuf>,
}

/// The credentials of a server, as a whole: what is not named is gone.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Headers of every request, for a URL.
    #[serde(default, deserialize_with = "crate::target::values")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Variables, for a command.
    #[serde(default, deserialize_with = "crate::target::values")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub env: Option<BTreeMap<String, Secret>>,
}
