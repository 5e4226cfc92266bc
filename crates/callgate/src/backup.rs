//! Archives of everything that a gateway knows: made while it serves, and put in place where nothing is yet.
//!
//! A tar file: `store.jsonl` (the objects, as the store writes them), `journal/…` (its files as they are),
//! `keys/…` and `journal/journal.key` unless they were left out, and at the end `manifest.json` with the length and
//! the BLAKE3 hash of each.

mod restore;

use crate::data::DataDir;
use callgate_control::Backups;
use callgate_store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;

pub(crate) use restore::{Restored, restore};

/// The form of archives that this version writes and reads.
const FORMAT: u32 = 1;

/// The objects, in an archive.
const STORE: &str = "store.jsonl";

/// What is in the archive, at its end.
const MANIFEST: &str = "manifest.json";

/// The signing key of the journal: its name ends like the others', and it is no more for others.
const KEY: &str = ".key";

/// What an archive says about itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// The version of the program that made it.
    version: String,
    /// When, RFC 3339.
    created: String,
    /// Whether the keys are in it.
    keys: bool,
    entries: BTreeMap<String, Entry>,
}

/// One file of an archive.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    bytes: u64,
    /// BLAKE3, in hexadecimal.
    digest: String,
}

/// Makes archives of the data directory that this process owns.
pub(crate) struct Archiver {
    data: DataDir,
    store: Store,
}

impl Archiver {
    /// Archives of this data directory and its store.
    pub(crate) fn new(data: DataDir, store: Store) -> Self {
        Self { data, store }
    }

    async fn archive(&self, with_keys: bool) -> Result<File, String> {
        let failed = |error: io::Error| format!("CG3166: the archive can't be made: {error}; make room, and try again");
        // The objects first: the journal then has at least what they have.
        let mut dump = tokio::fs::File::from_std(tempfile::tempfile_in(self.data.root()).map_err(failed)?);
        self.store.dump(&mut dump, |_| ()).await.map_err(|error| error.to_string())?;
        let (dump, root) = (dump.into_std().await, self.data.root().to_owned());
        let written = tokio::task::spawn_blocking(move || write(&root, dump, with_keys)).await;
        written.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
    }
}

impl Backups for Archiver {
    fn make(&self, with_keys: bool) -> Pin<Box<dyn Future<Output = Result<File, String>> + Send + '_>> {
        Box::pin(self.archive(with_keys))
    }
}

/// Writes the archive into a file that has no name, and so is closed to others and gone with its last reader.
fn write(root: &Path, dump: File, with_keys: bool) -> io::Result<File> {
    let mut archive = Archive { tar: tar::Builder::new(tempfile::tempfile_in(root)?), entries: BTreeMap::new() };
    archive.add(STORE, dump)?;
    // All are opened before any is copied: retention may delete one meanwhile.
    let journal = open_all(&root.join("journal"), |name| with_keys || !name.ends_with(KEY))?;
    let keys = if with_keys { open_all(&root.join("keys"), |name| name.ends_with(KEY))? } else { Vec::new() };
    for (name, file) in journal {
        archive.add(&format!("journal/{name}"), file)?;
    }
    for (name, file) in keys {
        archive.add(&format!("keys/{name}"), file)?;
    }
    archive.finish(with_keys)
}

/// The files of a directory that are wanted, by their names, in order.
fn open_all(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<(String, File)>> {
    let mut paths: Vec<(String, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && entry.file_type()?.is_file()
            && wanted(&name)
        {
            paths.push((name, entry.path()));
        }
    }
    paths.sort();
    paths.into_iter().map(|(name, path)| Ok((name, File::open(path)?))).collect()
}

/// An archive in the making.
struct Archive {
    tar: tar::Builder<File>,
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Adds a file, up to the length that it has now: segments grow meanwhile.
    fn add(&mut self, name: &str, mut file: File) -> io::Result<()> {
        let bytes = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let mut hashed = Hashed { read: file.take(bytes), hasher: blake3::Hasher::new() };
        self.tar.append_data(&mut header(bytes), name, &mut hashed)?;
        let digest = hashed.hasher.finalize().to_hex().to_string();
        self.entries.insert(name.to_owned(), Entry { bytes, digest });
        Ok(())
    }

    fn finish(mut self, keys: bool) -> io::Result<File> {
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created: crate::moment::rfc3339(crate::moment::now()),
            keys,
            entries: self.entries,
        };
        let text = serde_json::to_vec_pretty(&manifest)?;
        self.tar.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
        let mut file = self.tar.into_inner()?;
        file.flush()?;
        file.rewind()?;
        Ok(file)
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

/// A reader that knows the hash of what was read.
struct Hashed<R> {
    read: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
