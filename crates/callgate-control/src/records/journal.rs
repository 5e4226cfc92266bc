//! The journal itself, behind the API: where it is, and retention.

use crate::caller::{Caller, Permission, Scope, Who};
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
        let (dry_run, who) = (pruning.dry_run, caller.who().word());
        let work = move || match dry_run {
            true => callgate_journal::prunable(journal.dir(), before),
            false => journal.prune(before, Some(&who)),
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
            let who = Who::Gateway.word();
            match tokio::task::spawn_blocking(move || journal.prune(before, Some(&who))).await {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::trial::Trial;
    use callgate_journal::{Kind, Options};

    /// A journal of several segments, all of them from 1970.
    pub(crate) fn old(dir: &Path) -> Arc<Journal> {
        let options = Options { segment_bytes: 600, clock: || 1_000, ..Options::default() };
        let journal = Journal::open(dir, options, &mut |_| Ok(())).unwrap();
        for _ in 0..20 {
            let ticket = journal.append(1_000, Kind::Withheld, b"{}", || b"null".to_vec()).unwrap();
            journal.wait_written(ticket).unwrap();
        }
        Arc::new(journal)
    }

    /// The number of the first record, and who had those before it deleted.
    pub(crate) fn first_and_who(dir: &Path) -> (u64, Option<String>) {
        let entries: Vec<_> = callgate_journal::read(dir, None).unwrap().map(Result::unwrap).collect();
        let pruned = entries.iter().rfind(|entry| entry.kind == Kind::Pruned.as_str());
        let who = pruned.map(|entry| serde_json::from_str::<serde_json::Value>(&entry.body).unwrap()["who"].clone());
        (entries[0].seq, who.and_then(|who| who.as_str().map(str::to_owned)))
    }

    #[tokio::test]
    async fn retention_deletes_what_is_old_by_itself() {
        let trial = Trial::new().await;
        let dir = trial.directory.path().join("journal");
        trial.control.keep(old(&dir));
        trial.control.clone().retain(None).await;
        assert_eq!(first_and_who(&dir), (1, None), "nobody asked for it");
        let has_begun = async {
            while first_and_who(&dir).1.is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = trial.control.clone().retain(Some(1_000)) => unreachable!("it goes on"),
            done = tokio::time::timeout(Duration::from_secs(60), has_begun) => done.expect("nothing is deleted"),
        }
        assert_eq!(first_and_who(&dir).1.as_deref(), Some("gateway"));
        assert!(callgate_journal::verify(&dir, None).unwrap().is_ok());
    }
}
