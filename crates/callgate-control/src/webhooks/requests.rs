//! What requests about webhooks say.

use super::event::Happening;
use crate::error::{Error, Kind};
use crate::secret::Secret;
use callgate_store::Template;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An endpoint to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// What it is called; unique in the organisation.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Where messages go: `https`, or `http` on this machine. It is kept sealed and never shown again.
    #[schema(value_type = String, max_length = 2000, pattern = "^https?://")]
    pub url: Secret,
    /// What its messages look like.
    #[serde(default)]
    pub template: TemplateName,
    /// What it is told of; everything where there is nothing.
    #[serde(default)]
    #[schema(example = json!(["approval.asked"]))]
    pub events: Vec<String>,
    /// The servers that it is told about, by name or identity; all where there are none.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Whether it gets the arguments of calls, where the rule that asks says `include_arguments`; otherwise their names.
    #[serde(default)]
    #[schema(default = false)]
    pub include_arguments: bool,
}

/// What changes about an endpoint; what is left out stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    /// What it is called.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Where messages go.
    #[schema(value_type = Option<String>, max_length = 2000, pattern = "^https?://")]
    pub url: Option<Secret>,
    /// What its messages look like.
    pub template: Option<TemplateName>,
    /// What it is told of; everything where there is nothing.
    pub events: Option<Vec<String>>,
    /// The servers that it is told about, by name or identity; all where there are none.
    pub servers: Option<Vec<String>>,
    /// Whether it gets the arguments of calls, where the rule that asks says so.
    pub include_arguments: Option<bool>,
    /// Whether it is told anything. What waits goes on waiting while it is off.
    pub enabled: Option<bool>,
}

/// What messages look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TemplateName {
    /// JSON as Standard Webhooks has it.
    #[default]
    Generic,
    /// For an incoming webhook of Slack.
    Slack,
    /// For a workflow of Microsoft Teams.
    Teams,
}

impl From<TemplateName> for Template {
    fn from(name: TemplateName) -> Self {
        match name {
            TemplateName::Generic => Self::Generic,
            TemplateName::Slack => Self::Slack,
            TemplateName::Teams => Self::Teams,
        }
    }
}

impl From<Template> for TemplateName {
    fn from(template: Template) -> Self {
        match template {
            Template::Generic => Self::Generic,
            Template::Slack => Self::Slack,
            Template::Teams => Self::Teams,
        }
    }
}

/// The kinds of events that a request names, each once. CG3232.
pub(super) fn kinds(words: Vec<String>) -> Result<Vec<String>, Error> {
    let known = |word: &String| Happening::ALL.iter().any(|happening| happening.word() == word);
    if let Some(unknown) = words.iter().find(|word| !known(word)) {
        let unknown: String = unknown.chars().take(80).collect();
        let known = Happening::ALL.map(Happening::word).join("`, `");
        let message = format!("there is no event `{unknown}`");
        return Err(Error::new(Kind::Invalid, "CG3232", message, format!("name any of `{known}`, or none for all")));
    }
    let kinds: std::collections::BTreeSet<String> = words.into_iter().collect();
    Ok(kinds.into_iter().collect())
}
