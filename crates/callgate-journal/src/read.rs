//! Reading a journal while others write it: for the log, for following it, for export. Checks nothing; see `verify`.

use crate::error::JournalError;
use crate::line::{JSON_AT, Record};
use crate::storage::{segment_path, segments};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A record, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub ts: i64,
    /// What it is about: the word of a [`Kind`](crate::Kind).
    pub kind: String,
    /// Its body, as compact JSON.
    pub body: String,
}

/// Gives the records in order. At the end it gives `None`, and when asked again later, what came since: to follow a
/// journal, ask again every now and then.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    /// The segment that is being read, by the number of its first record, and how many of its lines were.
    current: Option<(u64, BufReader<File>)>,
    lines: u64,
    /// Where the line after those begins.
    offset: u64,
    since: i64,
    line: Vec<u8>,
}

/// Reads the journal in `dir`: the records from `since` on (milliseconds since the Unix epoch), or all of them.
pub fn read(dir: &Path, since: Option<i64>) -> Result<Reader, JournalError> {
    let since = since.unwrap_or(i64::MIN);
    let mut reader = Reader { dir: dir.to_owned(), current: None, lines: 0, offset: 0, since, line: Vec::new() };
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    // The newest segment that began before `since` has the first record from there on, or else the oldest.
    for first in found.iter().rev() {
        reader.open(*first)?;
        // A segment without a whole line was just begun; what comes before it is in the one before.
        if reader.step()?.is_some_and(|entry| entry.ts < since) {
            break;
        }
    }
    if let Some((first, _)) = reader.current {
        reader.open(first)?;
    }
    Ok(reader)
}

impl Iterator for Reader {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.advance() {
                Ok(Some(entry)) if entry.ts < self.since => {}
                other => return other.transpose(),
            }
        }
    }
}

impl Reader {
    fn open(&mut self, first: u64) -> Result<(), JournalError> {
        let path = segment_path(&self.dir, first);
        let file = File::open(&path).map_err(|error| JournalError::io("open", &path, error))?;
        self.current = Some((first, BufReader::with_capacity(64 * 1024, file)));
        (self.lines, self.offset) = (0, 0);
        Ok(())
    }

    /// The next record, of this segment or the one after it.
    fn advance(&mut self) -> Result<Option<Entry>, JournalError> {
        loop {
            if let Some(entry) = self.step()? {
                return Ok(Some(entry));
            }
            let at = self.current.as_ref().map_or(0, |(first, _)| *first);
            let found = segments(&self.dir).map_err(|error| JournalError::io("list", &self.dir, error))?;
            let Some(next) = found.into_iter().find(|first| *first > at) else { return Ok(None) };
            // The next segment is begun after this one is finished: what came since the last look is there now.
            if let Some(entry) = self.step()? {
                return Ok(Some(entry));
            }
            self.open(next)?;
        }
    }

    /// The next whole line of this segment. Half a line is read again from its beginning: it may be completed, or cut
    /// off after a crash and replaced.
    fn step(&mut self) -> Result<Option<Entry>, JournalError> {
        let Some((first, file)) = self.current.as_mut() else { return Ok(None) };
        let path = segment_path(&self.dir, *first);
        let unreadable = |error: io::Error| JournalError::io("read", &path, error);
        self.line.clear();
        let read = file.read_until(b'\n', &mut self.line).map_err(unreadable)?;
        if !self.line.ends_with(b"\n") {
            file.seek(SeekFrom::Start(self.offset)).map_err(unreadable)?;
            return Ok(None);
        }
        self.lines += 1;
        self.offset += read as u64;
        let json = self.line.get(JSON_AT..).unwrap_or_default();
        match Record::parse(json) {
            Ok(record) => Ok(Some(Entry {
                seq: record.seq,
                ts: record.ts,
                body: record.body().to_owned(),
                kind: record.kind.into_owned(),
            })),
            Err(why) => Err(JournalError::Broken { segment: path, line: self.lines, why }),
        }
    }
}
