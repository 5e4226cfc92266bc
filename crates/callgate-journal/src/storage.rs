//! The files under a journal, behind a trait so that tests can make them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes and opens segment files.
pub(crate) trait Storage: Send {
    /// A new, empty file; one that is there already is emptied.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// A file that is there, to append to.
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Deletes a file that no longer counts.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Makes sure that the directory's entries are on the disk.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;
}

/// A segment file, open for appending.
pub(crate) trait SegmentFile: Send {
    /// Appends everything, or fails somewhere in between.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Makes sure that everything is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// The operating system's files.
pub(crate) struct Disk;

impl Storage for Disk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.set_len(0)?;
        Ok(Box::new(file))
    }

    fn open(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The file of the segment whose first record is `seq`.
pub(crate) fn segment_path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:020}.log"))
}

/// The segments of a journal by the number of their first record, in order. Other files are left alone.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".log")) else { continue };
        if stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit()) {
            found.extend(stem.parse::<u64>());
        }
    }
    found.sort_unstable();
    Ok(found)
}
