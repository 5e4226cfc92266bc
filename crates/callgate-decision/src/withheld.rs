//! What is recorded of a list that passed with entries taken out.

use crate::decider::About;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How many names a record holds; `count` says how many there were.
pub const WITHHELD_NAMES: usize = 100;
/// How many characters of a name it holds.
pub const WITHHELD_NAME: usize = 128;

/// The body of a `withheld` record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithheldRecord<'a> {
    /// The organisation.
    #[serde(borrow)]
    pub organisation: Cow<'a, str>,
    /// The grant's identity.
    #[serde(borrow)]
    pub grant: Cow<'a, str>,
    /// The grant's label.
    #[serde(borrow)]
    pub grant_label: Cow<'a, str>,
    /// The server.
    #[serde(borrow)]
    pub server: Cow<'a, str>,
    /// The method whose list it is.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The policy's name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Cow<'a, str>>,
    /// The policy's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// The MCP session.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// The first names that were taken out, each cut.
    #[serde(borrow)]
    pub names: Vec<Cow<'a, str>>,
    /// How many entries were taken out.
    pub count: u64,
}

impl<'a> WithheldRecord<'a> {
    /// The record of these names, the first of `count`.
    pub(crate) fn new(about: &About<'a>, names: &'a [String], count: u64) -> Self {
        Self {
            organisation: about.organisation.as_str().into(),
            grant: about.grant.id.as_str().into(),
            grant_label: about.grant.label.as_str().into(),
            server: about.server.as_str().into(),
            method: about.method.into(),
            policy: about.policy.map(|policy| policy.name.into()),
            policy_version: about.policy.map(|policy| policy.version),
            session: about.session.map(Cow::Borrowed),
            names: names.iter().take(WITHHELD_NAMES).map(|name| cut(name).into()).collect(),
            count,
        }
    }
}

fn cut(name: &str) -> &str {
    let end = name.char_indices().nth(WITHHELD_NAME).map_or(name.len(), |(at, _)| at);
    name.get(..end).unwrap_or_default()
}
