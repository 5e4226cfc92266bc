//! Secrets at rest: sealed with a key that the database does not hold, each bound to the record that it belongs to.
//!
//! Keys have versions. The highest one seals, all of them open, and each record says which one it was sealed with, so
//! that keys can be changed while serving ([`crate::Control::rotate_keys`]) and a process that ends in the middle leaves
//! everything readable.

mod proof;
mod rotate;
mod source;

use crate::error::{Error, Kind};
use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

pub use rotate::Rotated;
pub use source::KeySource;

/// Seals and opens secrets (AES-256-GCM-SIV, RFC 8452, with random nonces).
pub struct Vault {
    source: KeySource,
    keys: RwLock<Arc<Keys>>,
}

/// What a secret belongs to. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The organisation; empty for what belongs to the whole instance.
    pub organisation: &'a str,
    /// The table.
    pub table: &'a str,
    /// The identity of the record.
    pub record: &'a str,
    /// The field.
    pub field: &'a str,
}

/// A secret that is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The version of the key.
    pub version: i64,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

/// Keys by their versions.
type Keys = BTreeMap<i64, LessSafeKey>;

impl Vault {
    /// A vault with the keys of this source. A key file that isn't there yet is made where the store knows of no
    /// earlier one, when the control plane opens. CG3111.
    pub async fn load(source: KeySource) -> Result<Self, Error> {
        let keys = source.read().await?.unwrap_or_default();
        Ok(Self { source, keys: RwLock::new(Arc::new(keys)) })
    }

    /// Seals with the highest version. CG3111 where there is no key, CG3013 where there is no randomness.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Sealed, Error> {
        let keys = self.keys();
        let Some((version, key)) = keys.last_key_value() else { return Err(self.source.unusable("it has no key yet")) };
        let bytes =
            seal(key, place, plain)?.ok_or_else(|| self.source.unusable("nothing can be sealed with its key"))?;
        Ok(Sealed { version: *version, bytes })
    }

    /// Opens what was sealed for the same place. CG3113 where its key isn't there, CG3114 where it was changed or
    /// belongs elsewhere.
    pub fn open(&self, place: Place<'_>, version: i64, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let keys = self.keys();
        let Some(key) = keys.get(&version) else { return Err(self.source.missing(version)) };
        open(key, place, bytes).ok_or_else(|| {
            let message = format!(
                "a secret of the {} `{}` can't be opened: it was changed, or it belongs elsewhere",
                place.table, place.record
            );
            Error::new(Kind::Unavailable, "CG3114", message, "set it again, or restore a backup of the database")
        })
    }

    /// The version that seals; 0 while there is no key.
    pub fn version(&self) -> i64 {
        self.keys().last_key_value().map_or(0, |(version, _)| *version)
    }

    /// Whether there is a key of this version.
    pub(crate) fn has(&self, version: i64) -> bool {
        self.keys().contains_key(&version)
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, keys: Arc<Keys>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

impl Sealed {
    /// The version and the rest as one text of bytes, for places without a column for the version.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.version.to_be_bytes()[..], &self.bytes].concat()
    }

    /// Reads [`Sealed::to_bytes`]; `None` where it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk()?;
        Some(Self { version: i64::from_be_bytes(*version), bytes: rest.to_vec() })
    }
}

impl Place<'_> {
    /// The parts with their lengths, so that no two places are the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"callgate vault 1".to_vec();
        for part in [self.organisation, self.table, self.record, self.field] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}, …)", self.version)
    }
}

/// `None` where the text is longer than the algorithm takes.
fn seal(key: &LessSafeKey, place: Place<'_>, plain: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let nonce = crate::names::random::<NONCE_LEN>()?;
    // Wiped where it stays in the clear, and with room for all of it: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(plain.to_vec());
    let sealed = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(sealed, Aad::from(place.bytes()), &mut text);
    Ok(tag.ok().map(|tag| [&nonce[..], &text, tag.as_ref()].concat()))
}

fn open(key: &LessSafeKey, place: Place<'_>, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(place.bytes()), &mut sealed).ok()?.len();
    sealed.truncate(length);
    Some(sealed)
}

#[cfg(test)]
mod tests;
