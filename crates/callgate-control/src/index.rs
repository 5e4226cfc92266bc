//! The journal's index: follows the journal, and writes what it says into the store, in batches.
//!
//! The index is a copy that can be thrown away. Its watermark moves in the transaction that writes a batch, so wherever
//! a process ends, the next one goes on behind the last record that is indexed. It stands in no call's way: it reads the
//! journal's files as anybody could.

mod body;

use crate::control::Control;
use crate::records::News;
use body::Part;
use callgate_journal::{Checkpoint, Entry, JournalError, Reader, Refusals, RefusedEntry, Resumed};
use callgate_store::{Batch, RefusalKind, RefusalRow, Store, StoreError, Watermark};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How many records one transaction takes.
const BATCH: usize = 1_000;

/// How often the journal's end is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// How soon it is tried again after an error.
const RETRY: Duration = Duration::from_secs(5);

/// How many looks at the journal's end there are for one at the counts of early refusals.
const EARLY_EVERY: u32 = 25;

/// Why the index does not go on. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The journal can't be read.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Reading the journal was cut short.
    #[error("CG4021: reading the journal for its index ended early; it is tried again")]
    Stopped,
}

/// Follows one journal.
pub struct Indexer {
    store: Store,
    dir: PathBuf,
    batch: usize,
    at: Option<At>,
    looks: u32,
    /// Counts of early refusals up to then are written.
    early: i64,
    unreadable: u64,
    /// Hears of what is indexed.
    news: watch::Sender<News>,
}

/// Where it is.
struct At {
    mark: Watermark,
    reader: Reader,
}

impl Control {
    /// What keeps the index of the journal in `dir`: run it as a task of its own; it can be ended at any moment.
    pub fn indexer(&self, dir: &Path) -> Indexer {
        Indexer { news: self.inner.news.clone(), ..Indexer::new(self.inner.store.clone(), dir) }
    }
}

impl Indexer {
    pub(crate) fn new(store: Store, dir: &Path) -> Self {
        Self {
            store,
            dir: dir.to_owned(),
            batch: BATCH,
            at: None,
            looks: 0,
            early: 0,
            unreadable: 0,
            news: watch::Sender::default(),
        }
    }

    /// Keeps the index for as long as it is polled.
    pub async fn run(mut self) {
        let mut failing = false;
        loop {
            match self.step().await {
                Ok(true) => failing = false,
                Ok(false) => {
                    failing = false;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!("the journal's index waits: {error}");
                    }
                    failing = true;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Indexes what the journal has up to now, and the counts of early refusals.
    pub async fn catch_up(&mut self) -> Result<(), IndexError> {
        while self.step().await? {}
        self.early_refusals().await
    }

    /// Throws the index of this journal away; the next step begins anew.
    pub async fn rebuild(&mut self) -> Result<(), IndexError> {
        (self.at, self.early) = (None, 0);
        if let Some(chain) = chain(&self.dir)? {
            self.store.forget_chain(&chain).await?;
        }
        Ok(())
    }

    /// How many records it could not read, and left out, since it began.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Takes one batch. `false` where the journal has no more for now.
    pub async fn step(&mut self) -> Result<bool, IndexError> {
        let at = match self.at.take() {
            Some(at) => at,
            None => match self.open().await? {
                Some(at) => at,
                None => return Ok(false),
            },
        };
        let (limit, At { mark, reader }) = (self.batch, at);
        let read = tokio::task::spawn_blocking(move || read(reader, limit)).await;
        let (reader, entries) = read.map_err(|_| IndexError::Stopped)??;
        let Some(position) = reader.position().filter(|_| !entries.is_empty()) else {
            self.at = Some(At { mark, reader });
            self.looks = self.looks.wrapping_add(1);
            if self.looks % EARLY_EVERY == 1 {
                self.early_refusals().await?;
            }
            return Ok(false);
        };
        let full = entries.len() == limit;
        let mark = self.write(&mark, &position, &entries).await?;
        self.news.send_modify(|news| news.indexed = news.indexed.wrapping_add(1));
        self.at = Some(At { mark, reader });
        Ok(full)
    }

    /// Where the index goes on. None where there is no journal yet.
    async fn open(&mut self) -> Result<Option<At>, IndexError> {
        let Some(chain) = chain(&self.dir)? else { return Ok(None) };
        if !self.store.is_shared() {
            // Another chain in a database of this machine alone is a journal that was moved away.
            for other in self.store.chains().await?.iter().filter(|other| **other != chain) {
                self.store.forget_chain(other).await?;
            }
        }
        let mut mark = self.store.watermark(&chain).await?;
        let resumed = match position(&mark) {
            Some(position) => {
                let dir = self.dir.clone();
                let resumed = tokio::task::spawn_blocking(move || callgate_journal::resume(&dir, &position)).await;
                resumed.map_err(|_| IndexError::Stopped)??
            }
            None => Resumed::Anew(callgate_journal::read(&self.dir, None)?),
        };
        let reader = match resumed {
            Resumed::Here(reader) => reader,
            Resumed::Anew(reader) => {
                if mark.seq > 0 {
                    tracing::warn!("the journal is another one than its index: the index is built anew");
                }
                self.store.forget_chain(&chain).await?;
                mark = self.store.watermark(&chain).await?;
                reader
            }
        };
        // In case the last process ended between indexing that something was deleted, and deleting it here.
        if let Some(first) = callgate_journal::beginning(&self.dir)? {
            self.store.forget_records(&chain, number(first).saturating_sub(1), mark.pruned_before).await?;
        }
        self.early = mark.pruned_before;
        Ok(Some(At { mark, reader }))
    }

    async fn write(
        &mut self,
        from: &Watermark,
        position: &Checkpoint,
        entries: &[Entry],
    ) -> Result<Watermark, IndexError> {
        let mut batch = Batch::default();
        let mut pruned = None;
        let mut to = Watermark { seq: number(position.seq), hash: hex::encode(position.hash), ..from.clone() };
        for entry in entries {
            match body::read(entry) {
                Ok(Part::Decision(row)) => batch.decisions.push(*row),
                Ok(Part::Outcome(row)) => batch.outcomes.push(row),
                Ok(Part::Change(row)) => batch.changes.push(row),
                Ok(Part::Refusal(row)) => batch.refusals.push(*row),
                Ok(Part::Pruned { last, before }) => {
                    pruned = pruned.max(Some(last));
                    to.pruned_before = to.pruned_before.max(before);
                }
                Ok(Part::Nothing) => {}
                Err(error) => {
                    self.unreadable += 1;
                    tracing::warn!("record {} of the journal is left out of its index: {error}", entry.seq);
                }
            }
        }
        let used: Vec<_> = batch.decisions.iter().filter(|row| !row.grant.is_empty()).collect();
        let used: Vec<_> = used.into_iter().map(|row| (row.grant.clone(), row.ts)).collect();
        // First, since a repetition changes nothing.
        self.store.grants_used(&used).await?;
        self.store.index(from, &to, batch).await?;
        if let Some(last) = pruned {
            self.store.forget_records(&to.chain, last, to.pruned_before).await?;
        }
        Ok(to)
    }

    /// Writes the counts of what was refused before a grant was known, where they went on.
    async fn early_refusals(&mut self) -> Result<(), IndexError> {
        let Some(at) = &self.at else { return Ok(()) };
        let entries = Refusals::read(&self.dir)?;
        let newest = entries.iter().map(|entry| entry.ts).max();
        // The counts know nothing of retention: an index that is built anew must not bring back what was deleted.
        let since = self.early.max(at.mark.pruned_before);
        let refusals: Vec<_> = entries.iter().filter(|entry| entry.ts >= since).map(early).collect();
        if let Some(newest) = newest.filter(|newest| *newest > self.early) {
            self.store.index(&at.mark, &at.mark, Batch { refusals, ..Batch::default() }).await?;
            self.early = newest;
        }
        Ok(())
    }
}

/// The next records, at most `limit`.
fn read(mut reader: Reader, limit: usize) -> Result<(Reader, Vec<Entry>), JournalError> {
    let mut entries = Vec::new();
    while entries.len() < limit {
        let Some(entry) = reader.next() else { break };
        entries.push(entry?);
    }
    Ok((reader, entries))
}

fn chain(dir: &Path) -> Result<Option<String>, JournalError> {
    Ok(callgate_journal::chain(dir)?.map(hex::encode))
}

/// The place in the journal that a watermark is about; none before the first record.
fn position(mark: &Watermark) -> Option<Checkpoint> {
    let (mut hash, mut key) = ([0; 32], [0; 32]);
    hex::decode_to_slice(&mark.hash, &mut hash).ok()?;
    hex::decode_to_slice(&mark.chain, &mut key).ok()?;
    let seq = u64::try_from(mark.seq).ok().filter(|seq| *seq > 0)?;
    Some(Checkpoint { seq, hash, key })
}

fn early(entry: &RefusedEntry) -> RefusalRow {
    let about = format!("{}\0{}", entry.source, entry.reason);
    let digest = blake3::hash(about.as_bytes()).to_hex();
    RefusalRow {
        id: format!("e.{}.{}", entry.since, digest.as_str().get(..16).unwrap_or_default()),
        kind: RefusalKind::Early,
        ts: entry.ts,
        since: entry.since,
        count: number(entry.count),
        source: entry.source.clone(),
        reason: entry.reason.clone(),
        names: "[]".to_owned(),
        ..RefusalRow::default()
    }
}

/// Numbers beyond what a database counts to don't occur.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
