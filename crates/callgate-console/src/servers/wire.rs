//! What the API says of servers and of their tools, as far as pages use it.

use crate::moment::Moment;
use serde::Deserialize;

/// A server.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) url: String,
    pub(crate) target: Option<Target>,
    pub(crate) settings: Settings,
    pub(crate) policies: Vec<String>,
    pub(crate) grants: usize,
    pub(crate) declared: bool,
}

/// Where a server is, with the names of its secrets.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Target {
    /// A URL.
    Url {
        url: String,
        #[serde(default)]
        headers: Vec<String>,
    },
    /// A command.
    Command {
        command: String,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: Vec<String>,
        #[serde(default)]
        env_from: Vec<String>,
        #[serde(default)]
        cwd: Option<String>,
    },
}

/// How a server is treated.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) era: String,
    pub(crate) share: String,
    pub(crate) pinning: String,
    pub(crate) quarantine: String,
    pub(crate) idle: String,
    pub(crate) connect_timeout: String,
    pub(crate) silence_timeout: String,
    #[serde(default)]
    pub(crate) call_timeout: Option<String>,
    pub(crate) max_in_flight: u64,
    pub(crate) max_processes: u64,
}

/// What a tool is pinned as.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Definition {
    pub(super) tool: String,
    pub(super) state: String,
    pub(super) fingerprint: String,
    #[serde(default)]
    pub(super) candidate: Option<String>,
    #[serde(default)]
    pub(super) category: Option<String>,
    #[serde(default)]
    pub(super) category_is_set: bool,
    #[serde(default)]
    pub(super) risk: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) labels_are_set: bool,
    #[serde(default)]
    pub(super) findings: usize,
    pub(super) first_seen: String,
    #[serde(default)]
    pub(super) approved_by: Option<String>,
}

/// A tool's definition, and what the server lists now.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DefinitionDetail {
    #[serde(flatten)]
    pub(super) row: Definition,
    pub(super) definition: String,
    #[serde(default)]
    pub(super) candidate_definition: Option<String>,
    pub(super) diff: String,
}

impl Target {
    /// In one line.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Url { url, .. } => url.clone(),
            Self::Command { command, args, .. } => {
                let words: Vec<&str> = [command].into_iter().chain(args).map(String::as_str).collect();
                words.join(" ")
            }
        }
    }

    /// Whether it is a command.
    pub(crate) fn is_command(&self) -> bool {
        matches!(self, Self::Command { .. })
    }
}

impl Definition {
    /// Whether a person has to look at it before it is called.
    pub(super) fn waits(&self) -> bool {
        self.state != "pinned"
    }

    /// The fingerprint of what the server lists now.
    pub(super) fn listed(&self) -> &str {
        self.candidate.as_deref().unwrap_or(&self.fingerprint)
    }

    /// What the state means.
    pub(super) fn state_words(&self) -> &'static str {
        match self.state.as_str() {
            "pinned" => "pinned",
            "changed" => "changed: to approve",
            "pending" => "new: to approve",
            _ => "not known",
        }
    }

    /// When it was listed for the first time.
    pub(super) fn seen(&self) -> Moment {
        Moment::of(&self.first_seen)
    }
}
