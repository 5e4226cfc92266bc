//! What is done to an entry before the catalogue is locked: judging, digests, identities.

use super::document::Entry;
use super::judge::{Judged, judge};
use crate::error::{Error, Kind};

/// What an entry's tools are judged by: with another version they are judged anew.
const JUDGE: &str = concat!("callgate ", env!("CARGO_PKG_VERSION"));

/// An entry whose tools are judged: all that takes time is done before the catalogue is locked.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) about: Option<String>,
    pub(super) deleted: bool,
    pub(super) version: String,
    pub(super) latest: Option<bool>,
    /// The digest of the tools, and what they are worth.
    pub(super) tools: Option<(String, Judged)>,
}

impl Prepared {
    /// Judges the tools of an entry.
    pub(super) fn of(entry: Entry) -> Self {
        let Entry { name, about, updated: _, deleted, version, latest, tools } = entry;
        let tools = tools.map(|tools| {
            let definitions = tools.iter().map(|listed| listed.definition.as_str());
            let digest = hash(&std::iter::once(JUDGE).chain(definitions).collect::<Vec<_>>());
            (digest, judge(tools))
        });
        Self { name, about, deleted, version, latest, tools }
    }
}

/// The version of a server, by what is kept of what is said about it.
pub(super) fn version(about: &str) -> String {
    let about: serde_json::Value = serde_json::from_str(about).unwrap_or_default();
    about.get("version").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// Does what takes time beside what answers.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let failed = |_| Error::new(Kind::Unavailable, "CG3240", "the document could not be read to its end", "try again");
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

/// The words that are said about a server.
pub(super) fn said(about: &str) -> String {
    let about: serde_json::Value = serde_json::from_str(about).unwrap_or_default();
    let text = |key: &str| about.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    format!("{} {}", text("title"), text("description"))
}

/// A name as an identity that is safe in a URL and a file's name: readable, and no two names share it.
pub(super) fn identity(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(60) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let slug = slug.trim_end_matches('-');
    // So many digits that nobody finds a second name with the same ones: a registry's pages must not be another's.
    format!("{slug}{}{}", if slug.is_empty() { "" } else { "-" }, hash.get(..32).unwrap_or_default())
}

/// A digest of these texts, in this order.
pub(super) fn hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
