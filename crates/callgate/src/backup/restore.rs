//! Putting an archive in place: everything is unpacked and verified beside its place before anything is moved there.

use super::{Entry, FORMAT, Hashed, MANIFEST, Manifest, STORE};
use crate::config::Config;
use crate::data::DataDir;
use crate::database;
use crate::failure::Failure;
use callgate_control::Secret;
use callgate_store::Store;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The largest manifest that is read: far above what any journal needs.
const MAX_MANIFEST: u64 = 16 << 20;

/// What was put in place.
#[derive(Debug)]
pub(crate) struct Restored {
    /// When the archive was made, RFC 3339.
    pub created: String,
    /// How many rows the store has.
    pub rows: u64,
    /// How many records the journal has.
    pub records: u64,
    /// Whether the keys were in it.
    pub keys: bool,
}

/// Puts an archive in place. The data directory has to be empty, the database too; after an error both still are.
pub(crate) async fn restore(
    archive: impl Read + Send + 'static,
    data: &DataDir,
    config: &Config,
    progress: impl FnMut(u64) + Send,
) -> Result<Restored, Failure> {
    if !is_empty(data.root()) {
        let message = format!("a backup is put where nothing is yet, and `{}` is not empty", data.root().display());
        return Err(Failure::cannot_run("CG3167", message, "name an empty or new directory with `--data DIR`"));
    }
    let beside =
        tempfile::Builder::new().prefix(".restore-").tempdir_in(data.root()).map_err(|error| failed(&error))?;
    let place = beside.path().to_owned();
    let unpacked = tokio::task::spawn_blocking(move || unpack(archive, &place)).await;
    let manifest = unpacked.map_err(|error| failed(&io::Error::other(error)))??;
    let report = callgate_journal::verify(&beside.path().join("journal"), None)
        .map_err(|error| damaged(&format!("its journal can't be verified: {error}")))?;
    if !report.is_ok() {
        return Err(damaged("its journal does not verify"));
    }
    let rows = fill(beside.path(), data, config, progress).await?;
    put_in_place(beside.path(), data.root()).map_err(|error| failed(&error))?;
    Ok(Restored { created: manifest.created, rows, records: report.records, keys: manifest.keys })
}

/// Fills the database; a file in the data directory is made beside its place, like everything else.
async fn fill(
    beside: &Path,
    data: &DataDir,
    config: &Config,
    mut progress: impl FnMut(u64) + Send,
) -> Result<u64, Failure> {
    let dump = std::fs::File::open(beside.join(STORE)).map_err(|error| failed(&error))?;
    let mut dump = tokio::io::BufReader::new(tokio::fs::File::from_std(dump));
    let url = match &config.database_url {
        Some(url) => url.clone(),
        None => Secret::new(format!("sqlite:{}", beside.join("callgate.db").display())),
    };
    let mut rows = 0;
    let restored = Store::restore(url.reveal(), &mut dump, |done| {
        rows = done;
        progress(done);
    });
    let store = restored.await.map_err(|error| Failure::from(callgate_control::Error::from(error)))?;
    // The file is moved as a whole: nothing of it may be beside it any more.
    store.close().await;
    if config.database_url.is_some() {
        database::remember(data, config)?;
    }
    Ok(rows)
}

/// Unpacks what belongs into an archive, and nothing else; what is there has to be what the manifest says.
fn unpack(archive: impl Read, place: &Path) -> Result<Manifest, Failure> {
    for directory in ["journal", "keys"] {
        let made = std::fs::DirBuilder::new().mode(0o700).create(place.join(directory));
        made.map_err(|error| failed(&error))?;
    }
    let unreadable = |error: io::Error| damaged(&format!("it can't be read: {error}"));
    let mut found = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    let mut archive = tar::Archive::new(BufReader::new(archive));
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let mut hashed = Hashed { read: entry, hasher: blake3::Hasher::new() };
        if name == MANIFEST {
            let read = serde_json::from_reader((&mut hashed).take(MAX_MANIFEST));
            manifest = Some(read.map_err(|error| damaged(&format!("its manifest is none: {error}")))?);
            continue;
        }
        if !belongs(&name) || hashed.read.header().entry_type() != tar::EntryType::Regular {
            return Err(damaged(&format!("`{}` does not belong into a backup", crate::output::plain(&name))));
        }
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(place.join(&name))
            .map_err(|error| failed(&error))?;
        let bytes = io::copy(&mut hashed, &mut file).map_err(unreadable)?;
        file.sync_all().map_err(|error| failed(&error))?;
        found.insert(name, Entry { bytes, digest: hashed.hasher.finalize().to_hex().to_string() });
    }
    let Some(manifest) = manifest else { return Err(damaged("it has no manifest at its end: it was cut off")) };
    if manifest.format != FORMAT {
        let message = format!("the backup has format {}, this version reads {FORMAT}", manifest.format);
        return Err(Failure::cannot_run(
            "CG3168",
            message,
            "use the version of callgate that wrote it, or a newer one",
        ));
    }
    let mut wrong = manifest.entries.iter().filter(|(name, entry)| found.get(*name) != Some(*entry));
    if let Some((name, _)) = wrong.next() {
        return Err(damaged(&format!("`{}` is not what was written", crate::output::plain(name))));
    }
    if found.len() != manifest.entries.len() || !found.contains_key(STORE) {
        return Err(damaged("it does not hold what its manifest says"));
    }
    Ok(manifest)
}

/// Whether an entry of this name can be one of a backup: it never leads elsewhere.
fn belongs(name: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    match name.split_once('/') {
        None => name == STORE,
        Some(("journal" | "keys", file)) => plain(file),
        Some(_) => false,
    }
}

/// The keys come last: what stopped in the middle does not start, because it has a database and not its keys. With the
/// keys and without the database it would begin an empty one.
fn put_in_place(beside: &Path, root: &Path) -> io::Result<()> {
    for name in ["callgate.db", "journal", "keys"] {
        let from = beside.join(name);
        if from.exists() {
            std::fs::rename(from, root.join(name))?;
        }
    }
    std::fs::File::open(root)?.sync_all()
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

fn damaged(why: &str) -> Failure {
    Failure::no("CG3168", format!("the backup can't be used: {why}"), "nothing was put in place; use another backup")
}

fn failed(error: &io::Error) -> Failure {
    let message = format!("the backup can't be put in place: {error}");
    Failure::cannot_run("CG3014", message, "make room or give this user the right to write there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_in_the_middle_has_no_keys() {
        let temporary = tempfile::tempdir().unwrap();
        let (beside, root) = (temporary.path().join("beside"), temporary.path().join("root"));
        for directory in [&beside, &root] {
            std::fs::create_dir_all(directory.join("journal")).unwrap();
        }
        std::fs::create_dir(beside.join("keys")).unwrap();
        std::fs::write(beside.join("callgate.db"), "x").unwrap();
        // In the way: the journal can't be put there.
        std::fs::write(root.join("journal/other"), "x").unwrap();
        assert!(put_in_place(&beside, &root).is_err());
        assert_eq!((root.join("callgate.db").exists(), root.join("keys").exists()), (true, false));
    }

    #[test]
    fn nothing_in_an_archive_leads_elsewhere() {
        for (name, good) in [
            ("store.jsonl", true),
            ("journal/00000000000000000001.log", true),
            ("keys/token.key", true),
            ("keys/../x", false),
            ("keys/.x", false),
            ("keys/a/b", false),
            ("/etc/passwd", false),
            ("journal/", false),
            ("callgate.db", false),
        ] {
            assert_eq!(belongs(name), good, "{name}");
        }
    }
}
