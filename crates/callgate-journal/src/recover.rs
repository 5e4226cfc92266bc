//! Opening a journal: the last segment is read, checked and replayed, and half a record at its end is cut off.

use crate::checkpoint;
use crate::error::JournalError;
use crate::journal::ReplayError;
use crate::line::{GENESIS, Hash, Kind, Record, check_hash, split};
use crate::queue::Writer;
use crate::storage::{Storage, segment_path};
use ed25519_dalek::SigningKey;
use std::fs;
use std::path::{Path, PathBuf};

type Replay<'a> = dyn FnMut(&Record<'_>) -> Result<(), ReplayError> + 'a;

/// A journal, ready to be written on.
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
    /// When the last segment was begun.
    pub(crate) began: i64,
    /// The body of a `recovered` record, where something was cut off.
    pub(crate) recovered: Option<Vec<u8>>,
}

/// What was cut off: of which segment, and how many bytes.
struct Cut {
    segment: u64,
    bytes: usize,
}

pub(crate) fn recover(
    dir: &Path,
    mut found: Vec<u64>,
    mut storage: Box<dyn Storage>,
    sync: bool,
    key: &SigningKey,
    replay: &mut Replay<'_>,
) -> Result<Opened, JournalError> {
    let mut cut: Option<Cut> = None;
    while let Some(first) = found.pop() {
        let path = segment_path(dir, first);
        let bytes = fs::read(&path).map_err(|error| JournalError::io("read", &path, error))?;
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        if whole < bytes.len() || whole == 0 {
            if cut.is_some() {
                // The segment behind this one was begun, so this one was finished: its end has been lost since.
                return Err(broken(&path, 1, "its end is missing, although a later segment was begun"));
            }
            cut = Some(Cut { segment: first, bytes: bytes.len() - whole });
        }
        if whole == 0 {
            // Begun, but its checkpoint never got whole: the segment before is the last.
            fs::remove_file(&path).map_err(|error| JournalError::io("remove", &path, error))?;
            continue;
        }
        let good = bytes.get(..whole).unwrap_or_default();
        let (seq, hash, began) = check_segment(&path, first, good, key, replay)?;
        let opened = storage.open(&path).and_then(|mut file| {
            if whole < bytes.len() {
                file.truncate(whole as u64)?;
            }
            Ok(file)
        });
        let file = opened.map_err(|error| JournalError::io("open", &path, error))?;
        let writer = Writer::new(dir.to_owned(), storage, Some(file), whole as u64, sync);
        return Ok(Opened { writer, seq, hash, began, recovered: cut.map(|cut| recovered_body(&cut)) });
    }
    let writer = Writer::new(dir.to_owned(), storage, None, 0, sync);
    Ok(Opened { writer, seq: 0, hash: GENESIS, began: 0, recovered: cut.map(|cut| recovered_body(&cut)) })
}

/// Checks a segment from its checkpoint on and replays it.
fn check_segment(
    path: &Path,
    first: u64,
    bytes: &[u8],
    key: &SigningKey,
    replay: &mut Replay<'_>,
) -> Result<(u64, Hash, i64), JournalError> {
    let (mut seq, mut hash, mut began) = (first.saturating_sub(1), GENESIS, 0);
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate() {
        let number = index as u64 + 1;
        let wrong = |why: String| broken(path, number, why);
        let (digits, json) = split(line).map_err(wrong)?;
        let record = Record::parse(json).map_err(wrong)?;
        if record.seq != seq + 1 {
            return Err(wrong(format!("its number is {}, and {} was due", record.seq, seq + 1)));
        }
        if index == 0 {
            hash = check_opening(&record, key).map_err(wrong)?;
            began = record.ts;
        }
        hash = check_hash(&hash, digits, json).map_err(wrong)?;
        seq = record.seq;
        let refused = |error: ReplayError| {
            let segment = PathBuf::from(path);
            JournalError::Replay { segment, line: number, why: error.to_string() }
        };
        replay(&record).map_err(refused)?;
    }
    Ok((seq, hash, began))
}

/// Checks the checkpoint that a segment opens with, and gives the head that it was made on.
fn check_opening(record: &Record<'_>, key: &SigningKey) -> Result<Hash, String> {
    if record.kind != Kind::Checkpoint.as_str() {
        return Err("the segment does not open with a checkpoint".to_owned());
    }
    let signed = checkpoint::check(record.body(), record.seq, record.ts)?;
    if signed.key != key.verifying_key().to_bytes() {
        return Err("the checkpoint is signed with another key than `journal.key`".to_owned());
    }
    Ok(signed.head)
}

fn recovered_body(cut: &Cut) -> Vec<u8> {
    format!("{{\"segment\":{},\"cut_bytes\":{}}}", cut.segment, cut.bytes).into_bytes()
}

fn broken(path: &Path, line: u64, why: impl Into<String>) -> JournalError {
    JournalError::Broken { segment: path.to_owned(), line, why: why.into() }
}
