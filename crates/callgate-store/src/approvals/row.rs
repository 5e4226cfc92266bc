//! A question to a person as a row.

use crate::error::StoreError;
use crate::table::{Statement, Table, Values};
use serde::Serialize;
use std::collections::BTreeMap;

/// How a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApprovalState {
    /// Nobody has answered.
    Pending,
    /// Yes, and good until it is over or used.
    Approved,
    /// No.
    Refused,
    /// Nobody answered in time, or nobody used the yes in time.
    Expired,
    /// Who asked went away.
    Withdrawn,
    /// Yes, and the call was made.
    Used,
}

/// A question to a person, and its answer. No argument stands in it in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct ApprovalRow {
    /// Its identity: `a_` and 26 random characters; unique over all organisations.
    pub id: String,
    /// The identity of the server.
    pub server: String,
    /// The name of the server, then.
    pub server_name: String,
    /// The tool.
    pub tool: String,
    /// The identity of the grant.
    pub grant: String,
    /// The label of the grant, then.
    pub grant_label: String,
    /// The subject behind the grant, where it is known.
    pub identity: Option<String>,
    /// What the client calls itself.
    pub client: Option<String>,
    /// Who holds the grant: the identity of the member or token that it was minted for, where that is known.
    pub asker: Option<String>,
    /// The name of the policy.
    pub policy_name: String,
    /// The version of the policy.
    pub policy_version: i64,
    /// The digest of that version.
    pub policy_digest: String,
    /// The rule that asks.
    pub rule: String,
    /// How the caller is asked to wait: `retry`, `hold` or `client`.
    pub ask: String,
    /// Whether who asks may not answer.
    pub four_eyes: bool,
    /// How long a yes may be remembered, in milliseconds; `None` where it may not.
    pub remember_for: Option<i64>,
    /// The identity of the decision that asked.
    pub decision: String,
    /// When, milliseconds since the Unix epoch.
    pub asked_at: i64,
    /// The keyed digest of all that a yes is bound to, in hexadecimal.
    pub binding: String,
    /// The same without the arguments.
    pub alike: String,
    /// The top-level keys of the arguments, sorted.
    pub argument_keys: Vec<String>,
    /// Keyed digests of the top-level arguments, where a yes may be remembered for some of them.
    pub digests: BTreeMap<String, String>,
    /// The arguments and what the rule says, sealed; empty once the question is answered or over.
    pub sealed: Vec<u8>,
    /// The version of the key that they are sealed with.
    pub key_version: i64,
    /// How it stands.
    pub state: ApprovalState,
    /// When the question, or the yes, is over: milliseconds since the Unix epoch.
    pub expires: i64,
    /// Who answered, as change records name it.
    pub answered_by: Option<String>,
    /// When.
    pub answered_at: Option<i64>,
    /// What whoever answered said about it.
    pub reason: String,
    /// A yes that stays: the arguments that have to be equal.
    pub remembered: Option<Vec<String>>,
    /// The decision that used the yes up.
    pub used_by: Option<String>,
    /// When.
    pub used_at: Option<i64>,
    /// The generation of the answer; 0 while there is none.
    pub changed: i64,
}

const STATES: [(&str, ApprovalState); 6] = [
    ("pending", ApprovalState::Pending),
    ("approved", ApprovalState::Approved),
    ("refused", ApprovalState::Refused),
    ("expired", ApprovalState::Expired),
    ("withdrawn", ApprovalState::Withdrawn),
    ("used", ApprovalState::Used),
];

impl ApprovalState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        STATES.iter().find(|(_, state)| *state == self).map_or("", |(word, _)| word)
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Option<Self> {
        STATES.iter().find(|(known, _)| *known == word).map(|(_, state)| *state)
    }
}

impl Table for ApprovalRow {
    const TABLE: &'static str = "approvals";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "server",
        "server_name",
        "tool",
        "grant_id",
        "grant_label",
        "identity",
        "client",
        "asker",
        "policy_name",
        "policy_version",
        "policy_digest",
        "rule",
        "ask",
        "four_eyes",
        "remember_for",
        "decision",
        "asked_at",
        "binding",
        "alike",
        "argument_keys",
        "digests",
        "sealed",
        "key_version",
        "state",
        "expires",
        "answered_by",
        "answered_at",
        "reason",
        "remembered",
        "used_by",
        "used_at",
        "changed",
    ];
    const NAME: &'static str = "id";

    fn name(&self) -> String {
        self.id.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let row = self.clone();
        let statement = statement.bind(row.id).bind(row.server).bind(row.server_name).bind(row.tool);
        let statement = statement.bind(row.grant).bind(row.grant_label).bind(row.identity).bind(row.client);
        let statement = statement.bind(row.asker).bind(row.policy_name).bind(row.policy_version);
        let statement = statement.bind(row.policy_digest).bind(row.rule).bind(row.ask);
        let statement = statement.bind(i64::from(row.four_eyes)).bind(row.remember_for).bind(row.decision);
        let statement = statement.bind(row.asked_at).bind(row.binding).bind(row.alike);
        let statement = statement.bind(json(&row.argument_keys)).bind(json(&row.digests)).bind(row.sealed);
        let statement = statement.bind(row.key_version).bind(row.state.as_str()).bind(row.expires);
        let statement = statement.bind(row.answered_by).bind(row.answered_at).bind(row.reason);
        let statement = statement.bind(row.remembered.as_ref().map(json)).bind(row.used_by).bind(row.used_at);
        statement.bind(row.changed)
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: values.next()?,
            server: values.next()?,
            server_name: values.next()?,
            tool: values.next()?,
            grant: values.next()?,
            grant_label: values.next()?,
            identity: values.next()?,
            client: values.next()?,
            asker: values.next()?,
            policy_name: values.next()?,
            policy_version: values.next()?,
            policy_digest: values.next()?,
            rule: values.next()?,
            ask: values.next()?,
            four_eyes: values.next::<i64>()? != 0,
            remember_for: values.next()?,
            decision: values.next()?,
            asked_at: values.next()?,
            binding: values.next()?,
            alike: values.next()?,
            argument_keys: values.json()?,
            digests: values.json()?,
            sealed: values.next()?,
            key_version: values.next()?,
            state: values.word(&STATES)?,
            expires: values.next()?,
            answered_by: values.next()?,
            answered_at: values.next()?,
            reason: values.next()?,
            remembered: {
                let text: Option<String> = values.next()?;
                text.map(|text| serde_json::from_str(&text).map_err(|_| values.broken("is no list"))).transpose()?
            },
            used_by: values.next()?,
            used_at: values.next()?,
            changed: values.next()?,
        })
    }
}

/// Compact JSON. Lists and maps of text can't fail; if one did, the row would be refused when it is read.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
