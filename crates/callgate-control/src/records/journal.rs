//! The journal itself, behind the API: where it is, and retention.

use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use callgate_journal::{Journal, JournalError, Pruned};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// How often retention looks for what is old.
const HOUR: Duration = Duration::from_secs(3_600);

/// What is to be deleted of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// Everything before then: how long ago (`90d`), or an RFC 3339 time.
    #[schema(example = "90d")]
    pub before: String,
    /// Only say what would be deleted.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was deleted of the journal, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deletion {
    /// How many segments.
    pub segments: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The number of the first record; null where nothing is old enough.
    pub first: Option<u64>,
    /// The number of the last record.
    pub last: Option<u64>,
}

impl Control {
    /// Hands over the journal, for retention and export. Only the first one counts.
    pub fn keep(&self, journal: Arc<Journal>) {
        drop(self.inner.journal.set(journal));
    }

    /// Deletes old segments of the journal, which all organisations share.
    pub async fn prune_journal(&self, caller: &Caller, pruning: &Pruning) -> Result<Deletion, Error> {
        caller.clear(Permission::ManageInstance, Scope::Organisation)?;
        let before = super::query::ago(&pruning.before, self.now()).ok_or_else(|| {
            let short: String = pruning.before.chars().take(40).collect();
            let remedy = "write how long ago (`90d`), or an RFC 3339 time";
            Error::new(Kind::Invalid, "CG3192", format!("`before`: `{short}` is no time"), remedy)
        })?;
        let journal = Arc::clone(self.journal()?);
        let dry_run = pruning.dry_run;
        let work = move || match dry_run {
            true => callgate_journal::prunable(journal.dir(), before),
            false => journal.prune(before),
        };
        let done = tokio::task::spawn_blocking(work).await;
        let pruned =
            done.map_err(|_| Error::new(Kind::Unavailable, "CG3193", "the deletion was cut short", "try again"))?;
        Ok(pruned.map_err(|error| failure(&error))?.map(Deletion::from).unwrap_or_default())
    }

    /// Deletes what is older than `kept` milliseconds, now and every hour, for as long as it is polled.
    pub async fn retain(self, kept: Option<i64>) {
        let Some(kept) = kept else { return };
        let Some(journal) = self.inner.journal.get().cloned() else { return };
        loop {
            let (journal, before) = (Arc::clone(&journal), self.now().saturating_sub(kept));
            match tokio::task::spawn_blocking(move || journal.prune(before)).await {
                Ok(Ok(Some(Pruned { first, last, .. }))) => {
                    tracing::info!("retention deleted records {first} to {last} of the journal");
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!("retention: {error}"),
                Err(_) => tracing::warn!("retention was cut short"),
            }
            tokio::time::sleep(HOUR).await;
        }
    }

    /// Where the journal is.
    pub(crate) fn journal_dir(&self) -> Result<&Path, Error> {
        self.journal().map(|journal| journal.dir())
    }

    fn journal(&self) -> Result<&Arc<Journal>, Error> {
        self.inner.journal.get().ok_or_else(|| {
            Error::new(
                Kind::Unavailable,
                "CG3193",
                "the gateway has no journal at hand",
                "try again when it has started",
            )
        })
    }
}

impl From<Pruned> for Deletion {
    fn from(pruned: Pruned) -> Self {
        let Pruned { first, last, segments, bytes, .. } = pruned;
        Self { segments, bytes, first: Some(first), last: Some(last) }
    }
}

/// The journal's own message and code.
pub(crate) fn failure(error: &JournalError) -> Error {
    let text = error.to_string();
    let (message, remedy) = text.split_once("; ").unwrap_or((&text, ""));
    let (code, message) = message.split_once(": ").unwrap_or(("CG4005", message));
    let codes = ["CG4001", "CG4002", "CG4003", "CG4004", "CG4005", "CG4006", "CG4020"];
    let code = codes.into_iter().find(|known| *known == code).unwrap_or("CG4005");
    Error::new(Kind::Unavailable, code, message, remedy)
}
