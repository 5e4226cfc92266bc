//! What must not be seen: wiped when it is dropped, and never printed.

use crate::error::Error;
use callgate_store::Store;
use std::fmt;
use zeroize::Zeroizing;

/// Secret text. `Debug` prints `(secret)`; there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// The secret under which tokens are hashed: the 32 random bytes of the data directory's `keys/token.key`. A lookup by
/// keyed hash tells nothing about a token by its timing.
#[derive(Clone)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

impl Secret {
    /// Secret text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TokenKey {
    /// The key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The keyed BLAKE3 hash of a token, as the data plane looks grants up.
    pub fn digest(&self, token: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, token.as_bytes()).as_bytes()
    }

    /// The same in hexadecimal: all that is kept of a token.
    pub fn hash(&self, token: &str) -> String {
        hex::encode(self.digest(token))
    }

    /// Whether the store's hashes were made with this key; a new store takes it for its own. With another one nothing
    /// opens that shouldn't, but nothing opens at all, and nobody would see why.
    pub(crate) async fn is_of(&self, store: &Store) -> Result<bool, Error> {
        const NAME: &str = "tokens.proof";
        // No token holds a NUL, so this is no token's hash.
        let proof = self.digest("the key of this store\0");
        if store.meta(NAME).await?.is_none() {
            store.put_meta(NAME, &proof).await?;
        }
        // Read again: of two gateways that begin at once, one was the first.
        Ok(store.meta(NAME).await?.is_some_and(|known| blake3::hash(&known) == blake3::hash(&proof)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_knows_the_key_of_its_tokens() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", directory.path().join("callgate.db").display())).await.unwrap();
        let (key, other) = (TokenKey::new([1; 32]), TokenKey::new([2; 32]));
        assert!(key.is_of(&store).await.unwrap());
        assert!(!other.is_of(&store).await.unwrap());
        assert!(key.is_of(&store).await.unwrap());
    }
}
