//! Checkpoints: the head of the chain and the live counters, signed.

use crate::error::JournalError;
use crate::line::Hash;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

/// A place in a chain, to be kept elsewhere: proof that a journal which has it is complete up to there. Written
/// `SEQ:HASH:KEY`, with hash and public key in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The record's number.
    pub seq: u64,
    /// The record's hash.
    pub hash: [u8; 32],
    /// The public key that signs the journal's checkpoints.
    pub key: [u8; 32],
}

/// A text that is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no checkpoint: it should look like `42:<64 digits>:<64 digits>`, as `callgate journal verify` prints it"
)]
pub struct CheckpointError(String);

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.seq, hex::encode(self.hash), hex::encode(self.key))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let wrong = || CheckpointError(text.chars().take(200).collect());
        let mut parts = text.trim().split(':');
        let (Some(seq), Some(hash), Some(key), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        Ok(Self {
            seq: seq.parse().map_err(|_| wrong())?,
            hash: digits(hash).ok_or_else(wrong)?,
            key: digits(key).ok_or_else(wrong)?,
        })
    }
}

/// The signed body of a checkpoint record.
#[derive(Deserialize)]
struct Body<'a> {
    head: &'a str,
    key: &'a str,
    signature: &'a str,
    #[serde(borrow)]
    state: &'a RawValue,
}

/// What a checkpoint record says, its signature checked.
pub(crate) struct Signed {
    pub(crate) head: Hash,
    pub(crate) key: [u8; 32],
}

/// The body of a checkpoint that takes the place `seq` after `head`.
pub(crate) fn body(key: &SigningKey, head: &Hash, seq: u64, ts: i64, state: &[u8]) -> Vec<u8> {
    let signature = key.sign(&message(head, seq, ts, state));
    let mut body = Vec::with_capacity(state.len() + 320);
    // Writing to a vector can't fail.
    let _ = write!(
        body,
        "{{\"head\":\"{}\",\"key\":\"{}\",\"signature\":\"{}\",\"state\":",
        hex::encode(head),
        hex::encode(key.verifying_key().as_bytes()),
        hex::encode(signature.to_bytes())
    );
    body.extend_from_slice(state);
    body.push(b'}');
    body
}

/// Checks the signature of a checkpoint's body.
pub(crate) fn check(body: &str, seq: u64, ts: i64) -> Result<Signed, String> {
    let body: Body<'_> =
        serde_json::from_str(body).map_err(|error| format!("the checkpoint can't be read: {error}"))?;
    let head: Hash = digits(body.head).ok_or("the checkpoint's `head` is no hash")?;
    let key: [u8; 32] = digits(body.key).ok_or("the checkpoint's `key` is no key")?;
    let mut signature = [0; 64];
    hex::decode_to_slice(body.signature, &mut signature).map_err(|_| "the checkpoint's `signature` is none")?;
    let verifying = VerifyingKey::from_bytes(&key).map_err(|_| "the checkpoint's `key` is no key")?;
    let message = message(&head, seq, ts, body.state.get().as_bytes());
    let checked = verifying.verify_strict(&message, &Signature::from_bytes(&signature));
    checked.map_err(|_| "the checkpoint's signature does not match")?;
    Ok(Signed { head, key })
}

/// The public key in a checkpoint's body, unchecked.
pub(crate) fn key_of(body: &str) -> Option<[u8; 32]> {
    serde_json::from_str::<Body<'_>>(body).ok().and_then(|body| digits(body.key))
}

fn message(head: &Hash, seq: u64, ts: i64, state: &[u8]) -> Vec<u8> {
    let mut message = b"callgate journal checkpoint v1\0".to_vec();
    message.extend_from_slice(head);
    message.extend_from_slice(&seq.to_be_bytes());
    message.extend_from_slice(&ts.to_be_bytes());
    message.extend_from_slice(&Sha256::digest(state));
    message
}

fn digits(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// The journal's signing key: read, or made where the journal is new.
pub(crate) fn signing_key(dir: &Path, new_journal: bool) -> Result<SigningKey, JournalError> {
    let path = dir.join("journal.key");
    let wrong = |why: String| JournalError::Key { path: path.clone(), why };
    let key = match fs::read_to_string(&path) {
        Ok(text) => digits(text.trim()).map(|seed| SigningKey::from_bytes(&seed)).ok_or_else(|| {
            wrong("it is no seed of 64 hexadecimal digits; restore it from a backup of the data directory".to_owned())
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && new_journal => make_key(&path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let why = "it is missing, and the journal was signed with it; restore it from a backup, or move the \
                       journal away to begin a new one";
            return Err(wrong(why.to_owned()));
        }
        Err(error) => return Err(wrong(format!("it can't be read: {error}"))),
    };
    let public = dir.join("journal.pub");
    if !public.exists() {
        let text = format!("{}\n", hex::encode(key.verifying_key().as_bytes()));
        fs::write(&public, text).map_err(|error| JournalError::io("write", &public, error))?;
    }
    Ok(key)
}

fn make_key(path: &Path) -> Result<SigningKey, JournalError> {
    let mut seed = [0; 32];
    let wrong = |why: String| JournalError::Key { path: path.to_owned(), why };
    getrandom::fill(&mut seed)
        .map_err(|error| wrong(format!("the operating system gives no random bytes: {error}")))?;
    // Written aside and moved into place, so that no crash leaves half a key.
    let aside = path.with_extension("key.new");
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
    let written = opened.and_then(|mut file| {
        file.write_all(format!("{}\n", hex::encode(seed)).as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)
    });
    written.map_err(|error| wrong(format!("it can't be written: {error}")))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The public key that lies beside the segments, where one does.
pub(crate) fn public_key(dir: &Path) -> Result<Option<[u8; 32]>, JournalError> {
    let path = dir.join("journal.pub");
    match fs::read_to_string(&path) {
        Ok(text) => match digits(text.trim()) {
            Some(key) => Ok(Some(key)),
            None => Err(JournalError::Key { path, why: "it is no public key of 64 hexadecimal digits".to_owned() }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::io("read", path, error)),
    }
}
