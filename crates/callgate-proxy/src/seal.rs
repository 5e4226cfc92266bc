//! Sealed text: what a client keeps for the gateway, and can neither read nor change.

use crate::snapshot::TokenKey;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// The first byte of everything that is sealed.
const FORMAT: u8 = 1;
/// Longer texts are nobody's.
const MAX_TEXT: usize = 16 << 20;

/// The secret that sealed texts are made with. Every process that holds it can open them.
#[derive(Clone)]
pub struct SealKey([u8; 32]);

/// Seals and opens texts of one kind (AES-256-GCM-SIV, RFC 8452, with random nonces).
pub(crate) struct Seal {
    key: Option<LessSafeKey>,
}

impl SealKey {
    /// The key that belongs to a data directory, derived from the key of its tokens.
    pub fn derive(key: &TokenKey) -> Self {
        Self(blake3::derive_key("callgate 2026-11 sealed text", key.bytes()))
    }
}

impl SealKey {
    /// The key under which upstreams are digested, with the secrets that they are spoken to with.
    pub(crate) fn of_places(&self) -> [u8; 32] {
        blake3::derive_key("callgate 2026-11 place of an upstream", &self.0)
    }
}

impl Seal {
    /// `purpose` separates the texts of one kind from all others under the same key.
    pub(crate) fn new(key: &SealKey, purpose: &'static str) -> Self {
        let key = blake3::derive_key(purpose, &key.0);
        Self { key: UnboundKey::new(&AES_256_GCM_SIV, &key).ok().map(LessSafeKey::new) }
    }

    /// Seals: the text holds letters, digits, `-` and `_`. Only who names the same `bound` parts can open it. `None`
    /// where the system gives no randomness.
    pub(crate) fn seal(&self, bound: &[&str], plain: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let key = self.key.as_ref()?;
        let aad = Aad::from(binding(bound));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&[FORMAT][..], &nonce, &sealed].concat()))
    }

    /// Opens what was sealed with the same key, for the same purpose, and bound to the same parts.
    pub(crate) fn open(&self, bound: &[&str], text: &[u8]) -> Option<Vec<u8>> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (FORMAT, rest) = bytes.split_first().map(|(format, rest)| (*format, rest))? else { return None };
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(binding(bound));
        let plain = self.key.as_ref()?.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

/// The parts with their lengths, so that no two lists of parts are the same bytes.
fn binding(parts: &[&str]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal(key: u8, purpose: &'static str) -> Seal {
        Seal::new(&SealKey::derive(&TokenKey::new([key; 32])), purpose)
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_where_it_belongs_and_nowhere_else(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            bound in proptest::collection::vec("[a-z]{0,4}", 0..4),
            other in proptest::collection::vec("[a-z]{0,4}", 0..4),
        ) {
            let bound: Vec<&str> = bound.iter().map(String::as_str).collect();
            let other: Vec<&str> = other.iter().map(String::as_str).collect();
            let text = seal(1, "a").seal(&bound, &plain).unwrap();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
            prop_assert_eq!(seal(1, "a").open(&bound, text.as_bytes()), Some(plain));
            prop_assert_eq!(seal(2, "a").open(&bound, text.as_bytes()), None);
            prop_assert_eq!(seal(1, "b").open(&bound, text.as_bytes()), None);
            prop_assert_eq!(seal(1, "a").open(&other, text.as_bytes()).is_some(), other == bound);
        }

        #[test]
        fn a_change_of_any_byte_is_seen(
            plain in proptest::collection::vec(any::<u8>(), 0..60),
            at in any::<proptest::sample::Index>(),
            with in any::<u8>(),
            cut in any::<proptest::sample::Index>(),
        ) {
            let text = seal(1, "a").seal(&["g", "s"], &plain).unwrap().into_bytes();
            let mut changed = text.clone();
            let at = at.index(text.len());
            prop_assume!(changed[at] != with);
            changed[at] = with;
            prop_assert_eq!(seal(1, "a").open(&["g", "s"], &changed), None);
            prop_assert_eq!(seal(1, "a").open(&["g", "s"], &text[..cut.index(text.len())]), None);
        }
    }

    #[test]
    fn parts_can_not_be_moved_into_each_other() {
        let text = seal(1, "a").seal(&["ab", "c"], b"x").unwrap();
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["c", "ab"]] {
            assert_eq!(seal(1, "a").open(other, text.as_bytes()), None, "{other:?}");
        }
    }
}
