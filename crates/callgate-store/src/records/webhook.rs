//! An endpoint that is told of what happens.

use serde::{Deserialize, Serialize};

/// An endpoint that is told of what happens.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its identity: `w_` and random digits.
    pub id: String,
    /// Its name, unique in its organisation.
    pub name: String,
    /// The origin of its address, for people: `https://hooks.example`. The rest of the address can be a secret.
    pub origin: String,
    /// A keyed digest of its address, in hexadecimal: tells two addresses apart and gives none away.
    pub digest: String,
    /// Its address and what signs, sealed.
    pub sealed: Vec<u8>,
    /// The version of the key that they are sealed with.
    pub key_version: i64,
    /// What its messages look like.
    pub template: Template,
    /// The kinds of events that it is told of; all where there are none.
    pub kinds: Vec<String>,
    /// The identities of the servers that it is told about; all where there are none. An event of no server is told in
    /// any case.
    pub servers: Vec<String>,
    /// Whether it may see arguments, of rules that allow it.
    pub include_arguments: bool,
    /// When it was added, milliseconds since the Unix epoch.
    pub created: i64,
    /// When it was switched off, where it was.
    pub disabled: Option<i64>,
}

/// What an endpoint's messages look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// JSON as Standard Webhooks has it: `type`, `timestamp`, `data`.
    #[default]
    Generic,
    /// Slack's incoming webhooks.
    Slack,
    /// An adaptive card, for Workflows of Microsoft Teams.
    Teams,
}

impl Webhook {
    /// Whether it is to be told of an event of this kind, about this server.
    pub fn wants(&self, kind: &str, server: Option<&str>) -> bool {
        let named = |list: &[String], name: &str| list.is_empty() || list.iter().any(|it| it == name);
        self.disabled.is_none() && named(&self.kinds, kind) && server.is_none_or(|server| named(&self.servers, server))
    }
}
