//! Grants: labelled bearer tokens, each for exactly one server, with at most one policy.

mod edit;
mod find;
mod mint;
mod read;
mod rows;
mod token;

pub use edit::GrantEdit;
pub use mint::{Minted, Wish};
pub use rows::GrantRow;

use crate::control::Control;
use crate::error::{Error, Kind};
use callgate_store::{Grant, Origin};
use serde_json::Value;
use std::collections::BTreeMap;

/// How many tags a grant has at most.
const TAGS: usize = 32;
/// How long a tag's key may be, in characters.
const KEY: usize = 64;
/// How long a tag's value may be, in characters.
const VALUE: usize = 256;

impl Control {
    /// Notes when grants were used, by their identities, in milliseconds since the Unix epoch. The later time stays.
    pub async fn grants_used(&self, used: &[(String, i64)]) -> Result<(), Error> {
        Ok(self.inner.store.grants_used(used).await?)
    }
}

/// A grant as records of changes show it: without tokens and hashes.
pub(crate) fn recorded(grant: &Grant, server: &str, policy: Option<&str>) -> Value {
    rows::recorded(grant, server, policy)
}

/// What records of changes call it.
pub(crate) fn object(grant: &Grant, server: &str) -> String {
    format!("server/{server}/grant/{}", grant.id)
}

/// Refuses to change what the configuration file keeps.
pub(crate) fn check_origin(grant: &Grant) -> Result<(), Error> {
    if grant.origin != Origin::File {
        return Ok(());
    }
    let message = format!("the grant `{}` is declared in the configuration file", grant.label);
    Err(Error::new(Kind::Conflict, "CG3046", message, "edit that file, then send SIGHUP or restart"))
}

/// Refuses tags that can't be kept, or that rules could not look at.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    let unusable = |message: String, remedy: &str| Err(Error::new(Kind::Invalid, "CG3040", message, remedy));
    if tags.len() > TAGS {
        return unusable(
            format!("{} tags are more than the {TAGS} that a grant can have", tags.len()),
            "leave some out",
        );
    }
    for (key, value) in tags {
        let is_key = (1..=KEY).contains(&key.chars().count()) && !key.chars().any(char::is_control);
        if !is_key {
            let key: String = key.chars().filter(|c| !c.is_control()).take(KEY).collect();
            let remedy = "1 to 64 characters, none of them a control character";
            return unusable(format!("the tag `{key}` has no usable key"), remedy);
        }
        if value.chars().count() > VALUE || value.chars().any(char::is_control) {
            let remedy = "at most 256 characters, none of them a control character";
            return unusable(format!("the tag `{key}` has no usable value"), remedy);
        }
    }
    Ok(())
}

/// When a grant ends: not before now.
pub(crate) fn check_expiry(expires: Option<i64>, now: i64) -> Result<(), Error> {
    match expires {
        Some(expires) if expires <= now => {
            let message = format!("`expires`: {} lies in the past", crate::moment::rfc3339(expires));
            let remedy = "choose a later moment; to end a grant at once, revoke it";
            Err(Error::new(Kind::Invalid, "CG3131", message, remedy))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
