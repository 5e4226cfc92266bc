//! Whether the keys are the right ones: the store keeps one sealed text per version, which only its key opens.

use super::{Keys, Place, Vault};
use crate::error::{Error, Kind};
use callgate_store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the store keeps the proofs.
const NAME: &str = "vault.proofs";
const PLACE: Place<'_> = Place { organisation: "", table: "meta", record: NAME, field: "value" };
const PLAIN: &[u8] = b"callgate";

/// Sealed texts by the versions of their keys, in hexadecimal.
type Proofs = BTreeMap<i64, String>;

impl Vault {
    /// Makes the first key where there never was one, and refuses keys that can't be right. CG3112, CG3113.
    pub(crate) async fn prove(&self, store: &Store) -> Result<(), Error> {
        if self.keys().is_empty() {
            if let Some((version, _)) = proofs(store).await?.1.last_key_value() {
                return Err(self.source.missing(*version));
            }
            self.source.add(1)?;
            let keys = self.source.read().await?.unwrap_or_default();
            self.replace(Arc::new(keys));
        }
        self.keep_proofs(store, &self.keys()).await
    }

    /// Takes the keys that the source has now, where they can be right, and keeps proofs of new ones.
    pub(super) async fn take(&self, store: &Store, keys: Keys) -> Result<(), Error> {
        // Before anything is sealed with a new key: whoever starts without it has to learn that it is missing.
        self.keep_proofs(store, &keys).await?;
        self.replace(Arc::new(keys));
        Ok(())
    }

    /// Checks keys against the proofs that there are, and adds proofs of new ones. Of several processes that do so at
    /// once, one is the first, and the others check against what it wrote.
    async fn keep_proofs(&self, store: &Store, keys: &Keys) -> Result<(), Error> {
        loop {
            let (before, mut proofs) = proofs(store).await?;
            if !self.check(keys, &mut proofs)? {
                return Ok(());
            }
            // A map of texts can always be written.
            let bytes = serde_json::to_vec(&proofs).map_err(|_| broken())?;
            if store.replace_meta(NAME, before.as_deref(), &bytes).await? {
                return Ok(());
            }
        }
    }

    /// Reads the source again, for a record that another process sealed with a newer key.
    pub(crate) async fn reload(&self, store: &Store) -> Result<(), Error> {
        match self.source.read().await? {
            Some(keys) => self.take(store, keys).await,
            None => Err(self.source.unusable("it is not there any more")),
        }
    }

    /// The highest version that there is a proof of.
    pub(super) async fn proven(store: &Store) -> Result<i64, Error> {
        Ok(proofs(store).await?.1.last_key_value().map_or(0, |(version, _)| *version))
    }

    /// Whether the proofs got longer.
    fn check(&self, keys: &Keys, proofs: &mut Proofs) -> Result<bool, Error> {
        let highest = keys.last_key_value().map_or(0, |(version, _)| *version);
        if let Some((version, _)) = proofs.last_key_value().filter(|(version, _)| **version > highest) {
            return Err(self.source.missing(*version));
        }
        let mut longer = false;
        for (version, key) in keys {
            match proofs.get(version) {
                Some(proof) => {
                    let bytes = hex::decode(proof).map_err(|_| broken())?;
                    if super::open(key, PLACE, &bytes).is_none() {
                        return Err(self.source.wrong(*version));
                    }
                }
                None => {
                    let proof = super::seal(key, PLACE, PLAIN)?;
                    proofs.insert(*version, hex::encode(proof.ok_or_else(|| self.source.wrong(*version))?));
                    longer = true;
                }
            }
        }
        Ok(longer)
    }
}

/// The proofs, and how they are written.
async fn proofs(store: &Store) -> Result<(Option<Vec<u8>>, Proofs), Error> {
    let Some(bytes) = store.meta(NAME).await? else { return Ok((None, Proofs::new())) };
    let proofs = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    Ok((Some(bytes), proofs))
}

fn broken() -> Error {
    Error::new(Kind::Unavailable, "CG3103", "a row of `meta` can't be read: it is no list of keys", "restore a backup")
}
