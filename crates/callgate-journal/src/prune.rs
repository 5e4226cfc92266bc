//! Retention: whole segments that are old enough are deleted, after a signed record in the chain says which.
//!
//! ```text
//! check the segments → append `pruned`, signed → both ends on the disk → delete, oldest first, one by one
//! ```
//!
//! A stop between any two of these leaves a journal that verifies, and the next run does the rest.

use crate::checkpoint::public_key;
use crate::error::JournalError;
use crate::line::Hash;
use crate::storage::{Storage, segment_path, segments};
use crate::verify::Walk;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// What retention deletes, or would: the records from `first` to `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The number of the first record.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
    /// The hash of the last record: the head that the first segment which stays was begun on.
    pub head: [u8; 32],
    /// How many segments they are in.
    pub segments: u64,
    /// How many bytes those have.
    pub bytes: u64,
}

/// The body of a `pruned` record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PrunedBody {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) head: String,
    /// Everything deleted was older than this, in milliseconds since the Unix epoch.
    pub(crate) before: i64,
    key: String,
    signature: String,
    /// Who had it deleted. Not signed, for readers that don't know of it; the chain covers it as it covers every record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) who: Option<String>,
}

/// What retention would delete of the journal in `dir`: the segments of which every record is older than `before`
/// (milliseconds since the Unix epoch), up to a signed checkpoint; never the last. Reads only; works beside a writer.
///
/// Those segments are checked as `verify` does it: what isn't what was written is not deleted, but an error.
pub fn prunable(dir: &Path, before: i64) -> Result<Option<Pruned>, JournalError> {
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    let mut walk = Walk::new(None, public_key(dir)?);
    let mut pruned: Option<Pruned> = None;
    for (first, next) in found.iter().zip(found.iter().skip(1)) {
        let Some(opening) = opening(dir, *next)? else { break };
        let path = segment_path(dir, *first);
        let unsound =
            |path: &Path, line: u64, why: String| JournalError::Unsound { segment: path.to_owned(), line, why };
        // A look at the next segment's first line spares reading a whole segment that can't be old enough.
        let mut ahead = walk.clone();
        ahead.forget_chain();
        ahead.line(*next, true, &opening).map_err(|why| unsound(&segment_path(dir, *next), 1, why))?;
        if ahead.newest >= before {
            break;
        }
        let bytes = fs::read(&path).map_err(|error| JournalError::io("read", &path, error))?;
        walk.segment(*first, &bytes, false).map_err(|(line, why)| unsound(&path, line, why))?;
        if walk.newest >= before {
            break;
        }
        let mut ahead = walk.clone();
        ahead.line(*next, true, &opening).map_err(|why| unsound(&segment_path(dir, *next), 1, why))?;
        let Some(head) = walk.hash else { break };
        let so_far = pruned.as_ref().map_or((walk.first_seq, 0, 0), |p| (p.first, p.segments, p.bytes));
        let (first, segments, length) = so_far;
        let bytes = length + bytes.len() as u64;
        pruned = Some(Pruned { first, last: walk.seq, head, segments: segments + 1, bytes });
    }
    Ok(pruned)
}

/// The first line of a segment, without its line feed; none while it is being written.
fn opening(dir: &Path, first: u64) -> Result<Option<Vec<u8>>, JournalError> {
    let path = segment_path(dir, first);
    let mut line = Vec::new();
    let read = File::open(&path).and_then(|file| BufReader::new(file).read_until(b'\n', &mut line));
    read.map_err(|error| JournalError::io("read", &path, error))?;
    Ok(line.strip_suffix(b"\n").map(<[u8]>::to_vec))
}

/// Puts on the disk what has to outlive the deletion: the segment that the journal will begin with, those from the one
/// with record `seq` on, and their names.
pub(crate) fn secure(dir: &Path, pruned: &Pruned, seq: u64, storage: &mut dyn Storage) -> Result<(), JournalError> {
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    let holder = found.iter().copied().filter(|first| *first <= seq).max().unwrap_or(seq);
    for first in found.into_iter().filter(|first| *first == pruned.last + 1 || *first >= holder) {
        let path = segment_path(dir, first);
        let synced = storage.open(&path).and_then(|mut file| file.sync());
        synced.map_err(|error| JournalError::io("sync", &path, error))?;
    }
    storage.sync_dir(dir).map_err(|error| JournalError::io("sync", dir, error))
}

/// Deletes the segments, oldest first: wherever it stops, what is left is one chain.
pub(crate) fn delete(dir: &Path, pruned: &Pruned, storage: &mut dyn Storage) -> Result<(), JournalError> {
    let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
    for first in found.into_iter().filter(|first| *first <= pruned.last) {
        let path = segment_path(dir, first);
        match storage.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(JournalError::io("delete", &path, error));
            }
            _ => {}
        }
        // One name after the other leaves the disk, too: no power cut makes a hole.
        storage.sync_dir(dir).map_err(|error| JournalError::io("sync", dir, error))?;
    }
    Ok(())
}

/// The signed body of the record that goes before a deletion.
pub(crate) fn body(key: &SigningKey, pruned: &Pruned, before: i64, who: Option<&str>) -> Result<Vec<u8>, JournalError> {
    let Pruned { first, last, head, .. } = pruned;
    let signature = key.sign(&message(*first, *last, head, before));
    let body = PrunedBody {
        first: *first,
        last: *last,
        head: hex::encode(head),
        before,
        key: hex::encode(key.verifying_key().as_bytes()),
        signature: hex::encode(signature.to_bytes()),
        who: who.map(str::to_owned),
    };
    serde_json::to_vec(&body).map_err(|_| JournalError::Body { why: "it can't be written" })
}

/// Checks the signature of a `pruned` record, and gives what it says: first, last, head.
pub(crate) fn check(body: &str, key: &[u8; 32]) -> Result<(u64, u64, Hash), String> {
    let body: PrunedBody =
        serde_json::from_str(body).map_err(|error| format!("the `pruned` record can't be read: {error}"))?;
    if body.key != hex::encode(key) {
        return Err("the `pruned` record is signed with another key than the journal's".to_owned());
    }
    let mut head = [0; 32];
    hex::decode_to_slice(&body.head, &mut head).map_err(|_| "the `pruned` record's `head` is no hash")?;
    let mut signature = [0; 64];
    hex::decode_to_slice(&body.signature, &mut signature).map_err(|_| "the `pruned` record's `signature` is none")?;
    let verifying = VerifyingKey::from_bytes(key).map_err(|_| "the journal's key is no key")?;
    let message = message(body.first, body.last, &head, body.before);
    let checked = verifying.verify_strict(&message, &Signature::from_bytes(&signature));
    checked.map_err(|_| "the `pruned` record's signature does not match")?;
    Ok((body.first, body.last, head))
}

fn message(first: u64, last: u64, head: &Hash, before: i64) -> Vec<u8> {
    let mut message = b"callgate journal pruned v1\0".to_vec();
    message.extend_from_slice(&first.to_be_bytes());
    message.extend_from_slice(&last.to_be_bytes());
    message.extend_from_slice(head);
    message.extend_from_slice(&before.to_be_bytes());
    message
}
