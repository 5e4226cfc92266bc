//! What is refused before a grant is known: counted per source and reason, written seldom, capped.
//!
//! A flood of refusals must not fill the disk or slow anyone down, so these are not in the chain: they are counted in
//! memory and written when a count has doubled, or a minute after it last was. `refused.log` is turned over into
//! `refused.log.1` at its size; at most 64 lines a second are written; beyond 1,024 sources they are counted together.

use crate::error::JournalError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many sources and reasons are told apart at once.
const MAX_TALLIES: usize = 1024;
/// How many lines are written at once.
const MAX_LINES: usize = 64;
/// How long a count that grows may go unwritten, in milliseconds.
const REWRITE_MS: i64 = 60_000;
/// How long a count that no longer grows is kept, in milliseconds.
const FORGET_MS: i64 = 600_000;
/// Longest source or reason, in characters.
const MAX_TEXT: usize = 200;

/// The counts of what was refused before a grant was known.
pub struct Refusals {
    counts: Mutex<Counts>,
    dirty: AtomicBool,
}

/// One line of `refused.log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEntry {
    /// When the line was written, in milliseconds since the Unix epoch.
    pub ts: i64,
    /// Where they came from; `(others)` where there were too many sources to tell apart.
    pub source: String,
    /// Why they were refused.
    pub reason: String,
    /// How many there were since `since`.
    pub count: u64,
    /// When the count began.
    pub since: i64,
}

struct Counts {
    path: PathBuf,
    old: PathBuf,
    cap: u64,
    file: Option<(File, u64)>,
    tallies: HashMap<(String, String), Tally>,
}

struct Tally {
    since: i64,
    last: i64,
    count: u64,
    written: u64,
    written_at: i64,
}

impl Refusals {
    /// The counts that are written to `refused.log` in `dir`, which is turned over at `cap` bytes.
    pub fn open(dir: &Path, cap: u64) -> Result<Self, JournalError> {
        let (path, old) = (dir.join("refused.log"), dir.join("refused.log.1"));
        let mut counts = Counts { path, old, cap, file: None, tallies: HashMap::new() };
        counts.open_file().map_err(|error| JournalError::io("open", &counts.path, error))?;
        Ok(Self { counts: Mutex::new(counts), dirty: AtomicBool::new(false) })
    }

    /// Counts one refusal. `true` where nothing was waiting to be written before.
    pub fn note(&self, now: i64, source: &str, reason: &str) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (clip(source), clip(reason));
        if counts.tallies.len() >= MAX_TALLIES && !counts.tallies.contains_key(&key) {
            key = ("(others)".to_owned(), "(several)".to_owned());
        }
        let fresh = Tally { since: now, last: now, count: 0, written: 0, written_at: now };
        let tally = counts.tallies.entry(key).or_insert(fresh);
        tally.count += 1;
        tally.last = now;
        !self.dirty.swap(true, Ordering::Relaxed)
    }

    /// Writes what is due, or everything. What can't be written stays counted.
    pub fn flush(&self, now: i64, everything: bool) {
        if !self.waiting() {
            return;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = counts.flush(now, everything);
        self.dirty.store(waiting, Ordering::Relaxed);
    }

    /// Forgets the lines that were written before then. Each file is replaced whole, so that wherever it stops, one
    /// stands there complete.
    pub(crate) fn forget(&self, before: i64) -> Result<(), JournalError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for path in [counts.old.clone(), counts.path.clone()] {
            // It may be another file afterwards.
            counts.file = None;
            forget_in(&path, before).map_err(|error| JournalError::io("rewrite", &path, error))?;
        }
        Ok(())
    }

    /// Whether counts wait to be written.
    pub(crate) fn waiting(&self) -> bool {
        self.dirty.load(Ordering::Relaxed)
    }

    /// The lines of `refused.log.1` and `refused.log`, in order. Half a line at the end is left out.
    pub fn read(dir: &Path) -> Result<Vec<RefusedEntry>, JournalError> {
        let mut entries = Vec::new();
        for name in ["refused.log.1", "refused.log"] {
            let path = dir.join(name);
            match fs::read_to_string(&path) {
                Ok(text) => entries.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(JournalError::io("read", &path, error)),
            }
        }
        Ok(entries)
    }
}

impl Counts {
    fn flush(&mut self, now: i64, everything: bool) -> bool {
        let mut lines = Vec::new();
        let mut marked = Vec::new();
        for ((source, reason), tally) in &self.tallies {
            if lines.len() >= MAX_LINES && !everything {
                break;
            }
            if tally.is_due(now) || (everything && tally.count > tally.written) {
                let (source, reason) = (source.clone(), reason.clone());
                let key = (source.clone(), reason.clone());
                lines.push(RefusedEntry { ts: now, source, reason, count: tally.count, since: tally.since });
                marked.push(key);
            }
        }
        for (line, key) in lines.iter().zip(marked) {
            if self.write(line).is_err() {
                return true;
            }
            if let Some(tally) = self.tallies.get_mut(&key) {
                (tally.written, tally.written_at) = (tally.count, now);
            }
        }
        self.tallies.retain(|_, tally| tally.count > tally.written || now.saturating_sub(tally.last) < FORGET_MS);
        self.tallies.values().any(|tally| tally.count > tally.written)
    }

    fn write(&mut self, entry: &RefusedEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        if self.file.as_ref().is_some_and(|(_, len)| len + line.len() as u64 > self.cap) {
            self.file = None;
            fs::rename(&self.path, &self.old)?;
        }
        if self.file.is_none() {
            self.open_file()?;
        }
        if let Some((file, len)) = self.file.as_mut() {
            // Half a line would run into the next one, so the file is cut back to whole lines.
            if let Err(error) = file.write_all(&line) {
                file.set_len(*len)?;
                return Err(error);
            }
            *len += line.len() as u64;
        }
        Ok(())
    }

    fn open_file(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let len = file.metadata()?.len();
        self.file = Some((file, len));
        Ok(())
    }
}

/// Replaces a file by one without the lines from before then, where it has any.
fn forget_in(path: &Path, before: i64) -> io::Result<()> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let is_kept = |line: &&str| serde_json::from_str(line).is_ok_and(|entry: RefusedEntry| entry.ts >= before);
    let kept: Vec<&str> = text.lines().filter(is_kept).collect();
    if kept.len() == text.lines().count() {
        return Ok(());
    }
    let mut rest = kept.join("\n");
    rest.extend((!rest.is_empty()).then_some('\n'));
    let temporary = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(rest.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

impl Tally {
    fn is_due(&self, now: i64) -> bool {
        let doubled = self.count >= self.written.saturating_mul(2).max(1);
        let stale = now.saturating_sub(self.written_at) >= REWRITE_MS;
        self.count > self.written && (doubled || stale)
    }
}

fn clip(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
