//! One record, one line: how it is written and how it is checked.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::Write;

/// The hash that the chain begins with.
pub(crate) const GENESIS: Hash = [0; 32];
/// Where the JSON begins in a line: after 64 digits and a space.
pub(crate) const JSON_AT: usize = 65;

pub(crate) type Hash = [u8; 32];

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A decision, before its call leaves.
    Decision,
    /// What became of a call.
    Outcome,
    /// A change of the configuration.
    Change,
    /// The head of the chain and the live counters, signed; the first line of each segment.
    Checkpoint,
    /// A message of a known grant that was refused before a policy could judge it.
    Refused,
    /// Tools (or prompts, or resources) that were taken out of a list before a client saw it.
    Withheld,
    /// Counters were set to zero: which, by whom and why.
    Reset,
    /// Older segments are about to be deleted: which, and where the chain goes on.
    Pruned,
    /// The last process ended while writing, and half a record was cut off.
    Recovered,
    /// Records could not be kept while the journal was failing: how many.
    Lost,
}

impl Kind {
    /// The word in a record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Change => "change",
            Self::Checkpoint => "checkpoint",
            Self::Refused => "refused",
            Self::Withheld => "withheld",
            Self::Reset => "reset",
            Self::Pruned => "pruned",
            Self::Recovered => "recovered",
            Self::Lost => "lost",
        }
    }
}

/// A record as it stands in a segment.
#[derive(Clone, Debug, Deserialize)]
pub struct Record<'a> {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub ts: i64,
    /// What it is about: the word of a [`Kind`].
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow)]
    state: &'a RawValue,
}

impl<'a> Record<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| format!("it is no record: {error}"))
    }

    /// The body, as compact JSON.
    pub fn body(&self) -> &'a str {
        self.body.get()
    }

    /// In a checkpoint: the state that was handed in when it was made, `null` in the first of a journal.
    pub fn state(&self) -> Option<&'a str> {
        if self.kind != Kind::Checkpoint.as_str() {
            return None;
        }
        serde_json::from_str::<State<'a>>(self.body.get()).ok().map(|body| body.state.get())
    }
}

/// Appends a record's line to `out` and gives its hash.
pub(crate) fn write_line(out: &mut Vec<u8>, previous: &Hash, seq: u64, ts: i64, kind: Kind, body: &[u8]) -> Hash {
    let start = out.len();
    out.resize(start + JSON_AT, b' ');
    // Writing to a vector can't fail.
    let _ = write!(out, "{{\"seq\":{seq},\"ts\":{ts},\"kind\":\"{}\",\"body\":", kind.as_str());
    out.extend_from_slice(body);
    out.push(b'}');
    let hash = chain(previous, out.get(start + JSON_AT..).unwrap_or_default());
    if let Some(hole) = out.get_mut(start..start + JSON_AT - 1) {
        // The hole is 64 bytes for 32: it always fits.
        let _ = hex::encode_to_slice(hash, hole);
    }
    out.push(b'\n');
    hash
}

/// The hash of a record: SHA-256 over the hash before it and its JSON.
pub(crate) fn chain(previous: &Hash, json: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(json);
    hasher.finalize().into()
}

/// A line (without its line feed) taken apart, unchecked: the digits and the JSON.
pub(crate) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), String> {
    match line.split_at_checked(JSON_AT) {
        Some((digits, json)) if digits.ends_with(b" ") && !json.is_empty() => {
            Ok((digits.get(..JSON_AT - 1).unwrap_or_default(), json))
        }
        _ => Err("it does not begin with a hash of 64 digits and a space".to_owned()),
    }
}

/// Checks that a line's digits are the hash of its JSON after `previous`, and gives the hash.
pub(crate) fn check_hash(previous: &Hash, digits: &[u8], json: &[u8]) -> Result<Hash, String> {
    let hash = chain(previous, json);
    // Compared as text, so that not even the case of a digit can change unnoticed.
    if hex::encode(hash).as_bytes() == digits {
        return Ok(hash);
    }
    Err("its hash does not match: the line or the one before was changed, left out or moved".to_owned())
}
