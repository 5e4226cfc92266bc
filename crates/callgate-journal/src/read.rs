//! Reading a journal while others write it: for the log, for following it, for export. Checks nothing; see `verify`.

use crate::checkpoint::{self, Checkpoint};
use crate::error::JournalError;
use crate::line::{Hash, JSON_AT, Kind, Record};
use crate::storage::{segment_path, segments};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::ops::RangeInclusive;
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
/// journal, ask again every now and then. Records that retention deletes before they were read are passed over; see
/// [`Reader::take_gap`].
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
    /// The last record given: its number and hash, and the key of its segment's checkpoint.
    seq: u64,
    hash: Hash,
    key: Option<[u8; 32]>,
    gap: Option<RangeInclusive<u64>>,
}

/// Where a reader that stopped goes on.
#[derive(Debug)]
pub enum Resumed {
    /// Behind the record that it read last.
    Here(Reader),
    /// At the beginning: the record that it read last is not in this journal, which is another one, or lost its end.
    Anew(Reader),
}

/// Goes on reading behind `position`, see [`Reader::position`]. Where retention deleted what came after it, at the
/// first record there is, with a [gap](Reader::take_gap).
pub fn resume(dir: &Path, position: &Checkpoint) -> Result<Resumed, JournalError> {
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    let Some(first) = found.iter().copied().filter(|first| *first <= position.seq).max() else {
        // Retention went past it: what can be checked is the key.
        let mut reader = read(dir, None)?;
        if reader.peek_key()? != Some(position.key) {
            return Ok(Resumed::Anew(reader));
        }
        (reader.seq, reader.hash, reader.key) = (position.seq, position.hash, Some(position.key));
        return Ok(Resumed::Here(reader));
    };
    let mut reader = Reader::at(dir, i64::MIN);
    if !reader.open(first)? {
        return resume(dir, position);
    }
    while reader.seq < position.seq && reader.step()?.is_some() {}
    if reader.position().as_ref() == Some(position) {
        return Ok(Resumed::Here(reader));
    }
    Ok(Resumed::Anew(read(dir, None)?))
}

/// The key that signs the journal in `dir`, which tells chains apart; none where there is no journal.
pub fn chain(dir: &Path) -> Result<Option<[u8; 32]>, JournalError> {
    checkpoint::public_key(dir)
}

/// The number of the first record in `dir`: above 1 where retention deleted what came before; none where there is none.
pub fn beginning(dir: &Path) -> Result<Option<u64>, JournalError> {
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    Ok(found.first().copied())
}

/// Reads the journal in `dir`: the records from `since` on (milliseconds since the Unix epoch), or all of them.
pub fn read(dir: &Path, since: Option<i64>) -> Result<Reader, JournalError> {
    let since = since.unwrap_or(i64::MIN);
    let mut reader = Reader::at(dir, since);
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    // The newest segment that began before `since` has the first record from there on, or else the oldest.
    for first in found.iter().rev() {
        if !reader.open(*first)? {
            break;
        }
        // A segment without a whole line was just begun; what comes before it is in the one before.
        if reader.step()?.is_some_and(|entry| entry.ts < since) {
            break;
        }
    }
    if let Some((first, _)) = reader.current {
        reader.open(first)?;
    }
    reader.seq = 0;
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
    fn at(dir: &Path, since: i64) -> Self {
        let (dir, line) = (dir.to_owned(), Vec::new());
        Self { dir, current: None, lines: 0, offset: 0, since, line, seq: 0, hash: [0; 32], key: None, gap: None }
    }

    /// The place of the last record given, for [`resume`]; none before the first.
    pub fn position(&self) -> Option<Checkpoint> {
        let key = self.key.filter(|_| self.seq > 0)?;
        Some(Checkpoint { seq: self.seq, hash: self.hash, key })
    }

    /// The numbers of the records that were deleted before they could be read, since this was asked last.
    pub fn take_gap(&mut self) -> Option<RangeInclusive<u64>> {
        self.gap.take()
    }

    /// The key of the journal, without moving on.
    fn peek_key(&mut self) -> Result<Option<[u8; 32]>, JournalError> {
        let Some(first) = self.current.as_ref().map(|(first, _)| *first) else { return Ok(None) };
        self.step()?;
        self.open(first)?;
        Ok(self.key)
    }

    /// Opens a segment. `false` where it is not there any more.
    fn open(&mut self, first: u64) -> Result<bool, JournalError> {
        let path = segment_path(&self.dir, first);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(JournalError::io("open", &path, error)),
        };
        self.current = Some((first, BufReader::with_capacity(64 * 1024, file)));
        (self.lines, self.offset) = (0, 0);
        Ok(true)
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
            // Deleted in this very moment: the next look finds the one after it.
            self.open(next)?;
        }
    }

    /// Notes where a record stands.
    fn note(&mut self, record: &Placed) {
        if self.seq > 0 && record.seq > self.seq + 1 {
            self.gap = Some(self.seq + 1..=record.seq - 1);
        }
        (self.seq, self.hash) = (record.seq, record.hash);
        self.key = record.key.or(self.key);
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
        let broken = |why| JournalError::Broken { segment: path, line: self.lines, why };
        let record = Record::parse(json).map_err(broken)?;
        let mut hash = [0; 32];
        // Not checked here; a line without one is not found again by `resume`.
        let _ = hex::decode_to_slice(self.line.get(..JSON_AT - 1).unwrap_or_default(), &mut hash);
        let opening = record.kind == Kind::Checkpoint.as_str();
        let key = if opening { checkpoint::key_of(record.body()) } else { None };
        let placed = Placed { seq: record.seq, hash, key };
        let (seq, ts, body) = (record.seq, record.ts, record.body().to_owned());
        let entry = Entry { seq, ts, body, kind: record.kind.into_owned() };
        self.note(&placed);
        Ok(Some(entry))
    }
}

/// Where a record stands in its chain.
struct Placed {
    seq: u64,
    hash: Hash,
    key: Option<[u8; 32]>,
}
