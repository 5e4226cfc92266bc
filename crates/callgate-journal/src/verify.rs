//! Whether a journal is what was written: every hash, number and signature, from the first segment to the last.

use crate::checkpoint::{self, Checkpoint, public_key};
use crate::error::JournalError;
use crate::line::{GENESIS, Hash, Kind, Record, check_hash, split};
use crate::prune;
use crate::storage::{segment_path, segments};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many segments were read.
    pub segments: u64,
    /// How many records in them are in order.
    pub records: u64,
    /// The number of the first record; above 1 where older segments were deleted by retention.
    pub first_seq: u64,
    /// The last record that is in order; none where not even the first is.
    pub head: Option<Checkpoint>,
    /// The first place where the journal isn't what was written.
    pub broken: Option<Break>,
    /// How many bytes stand behind the last whole line: a record that was being written when the process ended (or
    /// is being written now). The next start cuts it off and records that.
    pub unfinished_bytes: u64,
    /// Whether everything is there up to the checkpoint that was expected.
    pub completeness: Completeness,
}

/// A place where a journal isn't what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The segment's file.
    pub segment: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// Whether records are missing at the end. A chain alone can't tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Not known: no checkpoint was expected. Records cut off at the end would go unnoticed.
    Unknown,
    /// The record of the expected checkpoint is there, unchanged.
    Confirmed,
    /// It isn't: what is wrong.
    Refuted(String),
}

impl Report {
    /// Whether the journal is consistent, and holds what was expected of it.
    pub fn is_ok(&self) -> bool {
        self.broken.is_none() && !matches!(self.completeness, Completeness::Refuted(_))
    }
}

/// Reads the whole journal in `dir`. `expect` is a checkpoint that was kept elsewhere.
///
/// Proves that the records are consistent: none was changed, left out, doubled or moved. That none is missing *at the
/// end* it proves only up to `expect`.
pub fn verify(dir: &Path, expect: Option<&Checkpoint>) -> Result<Report, JournalError> {
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    if found.is_empty() {
        return Err(JournalError::io("find a journal in", dir, "no segment is there"));
    }
    let mut walk = Walk::new(expect, public_key(dir)?);
    let mut read = 0;
    for (index, first) in found.iter().enumerate() {
        let path = segment_path(dir, *first);
        let bytes = fs::read(&path).map_err(|error| JournalError::io("read", &path, error))?;
        let last = index + 1 == found.len();
        read += 1;
        if let Err((line, why)) = walk.segment(*first, &bytes, last) {
            walk.broken = Some(Break { segment: path, line, why });
            break;
        }
    }
    if let (None, Some(first)) = (&walk.broken, found.first()) {
        walk.broken = walk.beginning().err().map(|why| Break { segment: segment_path(dir, *first), line: 1, why });
    }
    Ok(walk.report(read))
}

/// A walk over the records, in their order.
#[derive(Clone, Default)]
pub(crate) struct Walk<'a> {
    expect: Option<&'a Checkpoint>,
    key: Option<[u8; 32]>,
    /// The hash of the last record.
    pub(crate) hash: Option<Hash>,
    /// The number of the last record.
    pub(crate) seq: u64,
    /// The number of the first record.
    pub(crate) first_seq: u64,
    /// The latest time of a record, in milliseconds since the Unix epoch.
    pub(crate) newest: i64,
    records: u64,
    /// The heads that segments were begun on, by the number of the record that is the head.
    heads: BTreeMap<u64, Hash>,
    /// What came before the first record was deleted by retention: a record says so.
    pruned: bool,
    expected: Option<bool>,
    unfinished: u64,
    broken: Option<Break>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(expect: Option<&'a Checkpoint>, key: Option<[u8; 32]>) -> Self {
        Self { expect, key, newest: i64::MIN, ..Self::default() }
    }

    /// Lets the next record be any opening of a segment.
    pub(crate) fn forget_chain(&mut self) {
        (self.hash, self.newest) = (None, i64::MIN);
    }

    /// Takes all of a segment.
    pub(crate) fn segment(&mut self, first: u64, bytes: &[u8], last: bool) -> Result<(), (u64, String)> {
        let whole = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let (lines, rest) = bytes.split_at_checked(whole).unwrap_or_default();
        let mut number = 0;
        if let Some(lines) = lines.strip_suffix(b"\n") {
            for line in lines.split(|byte| *byte == b'\n') {
                number += 1;
                self.line(first, number == 1, line).map_err(|why| (number, why))?;
            }
        }
        if last {
            self.unfinished = rest.len() as u64;
            return Ok(());
        }
        if rest.is_empty() && number > 0 {
            return Ok(());
        }
        Err((number + 1, "its end is missing, although a later segment was begun".to_owned()))
    }

    /// Takes one line; `opens` where it is the first of its segment.
    pub(crate) fn line(&mut self, first: u64, opens: bool, line: &[u8]) -> Result<(), String> {
        let (digits, json) = split(line)?;
        let record = Record::parse(json)?;
        if opens && record.seq != first {
            return Err(format!("its number is {}, and the segment's name says {first}", record.seq));
        }
        if self.hash.is_some() && record.seq != self.seq + 1 {
            return Err(format!("its number is {}, and {} was due", record.seq, self.seq + 1));
        }
        let checkpoint = record.kind == Kind::Checkpoint.as_str();
        if checkpoint != opens {
            return Err("a checkpoint stands where a segment opens, and nowhere else".to_owned());
        }
        let previous = self.opening(&record, checkpoint)?;
        let hash = check_hash(&previous, digits, json)?;
        if self.hash.is_none() {
            self.first_seq = record.seq;
        }
        if record.kind == Kind::Pruned.as_str() {
            self.pruned(record.body())?;
        }
        (self.hash, self.seq, self.newest) = (Some(hash), record.seq, self.newest.max(record.ts));
        self.records += 1;
        if let Some(expect) = self.expect.filter(|expect| expect.seq == record.seq) {
            self.expected = Some(expect.hash == hash);
        }
        Ok(())
    }

    /// The hash before this record, and where it is a checkpoint, that it is the one which was signed.
    fn opening(&mut self, record: &Record<'_>, checkpoint: bool) -> Result<Hash, String> {
        if !checkpoint {
            return self.hash.ok_or_else(|| "the journal does not begin with a checkpoint".to_owned());
        }
        let signed = checkpoint::check(record.body(), record.seq, record.ts)?;
        if *self.key.get_or_insert(signed.key) != signed.key {
            return Err("the checkpoint is signed with another key than the journal's".to_owned());
        }
        let before = if record.seq == 1 { Some(GENESIS) } else { self.hash };
        if before.is_some_and(|before| before != signed.head) {
            return Err("the checkpoint was made on another chain than the one before it".to_owned());
        }
        let before = record.seq.saturating_sub(1);
        if let (None, Some(expect)) = (self.hash, self.expect.filter(|expect| expect.seq == before)) {
            self.expected = Some(expect.hash == signed.head);
        }
        self.heads.insert(before, signed.head);
        Ok(signed.head)
    }

    /// A record of what retention deletes: it has to name the head that a segment was begun on.
    fn pruned(&mut self, body: &str) -> Result<(), String> {
        let key = self.key.ok_or("the journal has no key")?;
        let (first, last, head) = prune::check(body, &key)?;
        let beginning = self.first_seq.saturating_sub(1);
        if last < beginning {
            // An earlier deletion; what it left was deleted since, and a later record says so.
            return Ok(());
        }
        if self.heads.get(&last) != Some(&head) {
            return Err(format!("it says that a segment was begun after record {last}, and none was"));
        }
        self.pruned |= first <= beginning;
        Ok(())
    }

    /// Whether the journal begins where it may.
    fn beginning(&self) -> Result<(), String> {
        if self.first_seq <= 1 || self.pruned {
            return Ok(());
        }
        Err(format!(
            "the journal begins at record {}, and no `pruned` record says that retention deleted what came before",
            self.first_seq
        ))
    }

    fn report(self, segments: u64) -> Report {
        let completeness = self.completeness();
        let head = self.hash.zip(self.key).map(|(hash, key)| Checkpoint { seq: self.seq, hash, key });
        Report {
            segments,
            records: self.records,
            first_seq: self.first_seq,
            head,
            broken: self.broken,
            unfinished_bytes: self.unfinished,
            completeness,
        }
    }

    fn completeness(&self) -> Completeness {
        let Some(expect) = self.expect else { return Completeness::Unknown };
        if self.key != Some(expect.key) {
            return Completeness::Refuted("the journal is signed with another key than the one expected".to_owned());
        }
        match self.expected {
            Some(true) => Completeness::Confirmed,
            Some(false) => Completeness::Refuted(format!("record {} is another one than expected", expect.seq)),
            None if expect.seq < self.first_seq => Completeness::Refuted(format!(
                "the journal begins at record {}, after the one expected ({}); expect a later checkpoint",
                self.first_seq, expect.seq
            )),
            None => Completeness::Refuted(format!(
                "record {} is expected, and the journal ends at record {}",
                expect.seq, self.seq
            )),
        }
    }
}
