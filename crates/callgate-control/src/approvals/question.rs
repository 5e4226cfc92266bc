//! A question as a row: what a yes is bound to as keyed digests, and the arguments sealed.

use super::TIMEOUT;
use crate::change::Editing;
use crate::control::Control;
use crate::error::Error;
use crate::names;
use crate::secret::TokenKey;
use crate::vault::{Place, Vault};
use callgate_decision::{DecisionId, Question};
use callgate_json::{Limits, Value, canonical};
use callgate_policy::{Ask, AskTerms};
use callgate_store::{ApprovalRow, ApprovalState, Grant};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The digests that a call is found by.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Over all that a yes is bound to.
    pub(super) binding: String,
    /// Over the same without the arguments, and the rule; empty where the rule remembers nothing.
    pub(super) alike: String,
    /// Over each top-level argument; empty where the rule remembers nothing.
    pub(super) digests: BTreeMap<String, String>,
    /// The top-level keys of the arguments, sorted.
    pub(super) argument_keys: Vec<String>,
}

/// What is sealed of a question.
#[derive(Deserialize)]
pub(crate) struct Sealed {
    /// What the rule says, which may name an argument's value.
    pub(crate) message: String,
    /// The arguments, as canonical JSON.
    pub(crate) arguments: Box<RawValue>,
    /// Whether the rule lets webhooks see them.
    #[serde(default)]
    pub(crate) include_arguments: bool,
}

/// The same, to be written.
#[derive(Serialize)]
struct Open<'a> {
    message: &'a str,
    arguments: &'a RawValue,
    include_arguments: bool,
}

impl Keys {
    /// The digests of a question.
    pub(super) fn of(question: &Question, tokens: &TokenKey) -> Result<Self, Error> {
        // No bearer token holds a NUL, so these are no tokens' hashes.
        let binding = question.binding(&tokens.digest("approvals\0binding"));
        let arguments = parse(&question.arguments)?;
        let mut argument_keys: Vec<String> = arguments.members().iter().map(|member| member.key.to_string()).collect();
        argument_keys.sort_unstable();
        let mut keys =
            Self { binding: hex::encode(binding.0), alike: String::new(), digests: BTreeMap::new(), argument_keys };
        if question.terms.remember_for_ms().is_some() {
            let key = alike(question, tokens);
            keys.alike = hex::encode(key);
            let members = arguments.members().iter();
            keys.digests = members.map(|member| (member.key.to_string(), digest(&key, &member.value))).collect();
        }
        Ok(keys)
    }

    /// Whether a yes that stays covers this call: what had to be equal is, and nothing is there that was not.
    pub(super) fn are_covered_by(&self, row: &ApprovalRow) -> bool {
        let Some(fixed) = &row.remembered else { return false };
        let same = |key: &String| self.digests.get(key).is_some_and(|digest| row.digests.get(key) == Some(digest));
        !self.alike.is_empty()
            && row.alike == self.alike
            && fixed.iter().all(same)
            && self.argument_keys.iter().all(|key| row.argument_keys.contains(key))
    }
}

impl Control {
    /// The row of a question that is asked now.
    pub(super) async fn asked(
        &self,
        question: &Question,
        keys: Keys,
        decision: DecisionId,
    ) -> Result<ApprovalRow, Error> {
        let organisation = question.organisation.as_str();
        let grant = self.inner.store.reads(organisation).get::<Grant>(question.grant.as_str()).await?;
        let id = new_id()?;
        let now = self.now();
        let sealed = seal(&self.inner.vault, organisation, &id, question)?;
        let timeout = question.terms.timeout_ms().map_or(TIMEOUT, |ms| i64::try_from(ms).unwrap_or(TIMEOUT));
        Ok(ApprovalRow {
            server: question.server.to_string(),
            server_name: question.server_name.to_string(),
            tool: question.tool.clone(),
            grant: question.grant.to_string(),
            grant_label: question.grant_label.clone(),
            identity: question.identity.clone(),
            client: question.client.as_ref().map(|client| format!("{} {}", client.name, client.version)),
            // A grant that the store does not have is of a program of this machine's own.
            asker: grant.map_or(Some("local".to_owned()), |grant| grant.record.holder().map(str::to_owned)),
            policy_name: question.policy_name.clone(),
            policy_version: i64::try_from(question.policy_version).unwrap_or_default(),
            policy_digest: question.policy.clone(),
            rule: question.rule.to_string(),
            ask: word(&question.terms).to_owned(),
            four_eyes: question.terms.four_eyes(),
            remember_for: question.terms.remember_for_ms().and_then(|ms| i64::try_from(ms).ok()),
            decision: decision.to_string(),
            asked_at: now,
            binding: keys.binding,
            alike: keys.alike,
            argument_keys: keys.argument_keys,
            digests: keys.digests,
            sealed: sealed.bytes,
            key_version: sealed.version,
            state: ApprovalState::Pending,
            expires: now.saturating_add(timeout),
            answered_by: None,
            answered_at: None,
            reason: String::new(),
            remembered: None,
            used_by: None,
            used_at: None,
            changed: 0,
            id,
        })
    }

    /// What is sealed of an open question; `None` where it is open no more. CG3113, CG3114.
    pub(crate) async fn unseal(&self, organisation: &str, row: &ApprovalRow) -> Result<Option<Sealed>, Error> {
        if row.sealed.is_empty() {
            return Ok(None);
        }
        let vault = &self.inner.vault;
        if !vault.has(row.key_version) {
            // Another process may have a newer key.
            vault.reload(&self.inner.store).await?;
        }
        let plain = vault.open(place(organisation, &row.id), row.key_version, &row.sealed)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| broken())
    }
}

/// Seals the arguments of an organisation's open questions with the newest key; how many that was, and of which servers
/// some could not be opened.
pub(crate) async fn reseal(editing: &mut Editing<'_>, vault: &Vault) -> Result<(u64, Vec<String>), Error> {
    let organisation = editing.organisation().to_owned();
    let (mut resealed, mut unreadable, mut after) = (0, Vec::new(), String::new());
    loop {
        let rows = editing.change.approvals_sealed_otherwise(vault.version(), &after).await?;
        let Some(last) = rows.last() else { return Ok((resealed, unreadable)) };
        after.clone_from(&last.id);
        for row in rows {
            let place = place(&organisation, &row.id);
            let Ok(plain) = vault.open(place, row.key_version, &row.sealed) else {
                unreadable.push(format!("{organisation}/{} (approval {})", row.server_name, row.id));
                continue;
            };
            let sealed = vault.seal(place, &plain)?;
            resealed += u64::from(editing.change.reseal_approval(&row.id, (sealed.version, sealed.bytes)).await?);
        }
    }
}

/// A new identity: `a_` and 26 random characters, 130 bits.
fn new_id() -> Result<String, Error> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bytes: [u8; 26] = names::random()?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31)));
    Ok(format!("a_{}", letters.map(|letter| char::from(*letter)).collect::<String>()))
}

fn seal(vault: &Vault, organisation: &str, id: &str, question: &Question) -> Result<crate::vault::Sealed, Error> {
    let arguments = serde_json::from_str(&question.arguments).map_err(|_| broken())?;
    let include_arguments = question.terms.include_arguments();
    let open = Open { message: &question.message, arguments, include_arguments };
    let plain = Zeroizing::new(serde_json::to_vec(&open).map_err(|_| broken())?);
    vault.seal(place(organisation, id), &plain)
}

fn place<'a>(organisation: &'a str, id: &'a str) -> Place<'a> {
    Place { organisation, table: "approval", record: id, field: "arguments" }
}

/// All that a yes is bound to but the arguments, and for how long it may be remembered.
fn alike(question: &Question, tokens: &TokenKey) -> [u8; 32] {
    let bare = Question { arguments: String::new(), ..question.clone() };
    let binding = bare.binding(&tokens.digest("approvals\0alike"));
    let mut digest = blake3::Hasher::new_keyed(&binding.0);
    digest.update(&question.terms.remember_for_ms().unwrap_or_default().to_be_bytes());
    *digest.finalize().as_bytes()
}

fn digest(key: &[u8; 32], value: &Value<'_>) -> String {
    blake3::keyed_hash(key, canonical(value).as_bytes()).to_hex().to_string()
}

fn word(terms: &AskTerms) -> &'static str {
    match terms.ask() {
        Ask::Retry => "retry",
        Ask::Hold => "hold",
        Ask::Client => "client",
    }
}

/// The arguments as a tree. The data plane made their text, so that this does not fail.
pub(crate) fn parse(arguments: &str) -> Result<Value<'_>, Error> {
    let limits = Limits { max_bytes: arguments.len(), max_values: usize::MAX, max_depth: 512, ..Limits::default() };
    callgate_json::parse(arguments.as_bytes(), &limits).ok().filter(Value::is_object).ok_or_else(broken)
}

fn broken() -> Error {
    let message = "the arguments of a question are no JSON object";
    Error::new(crate::Kind::Unavailable, "CG3114", message, "refuse the question; the caller asks again")
}
