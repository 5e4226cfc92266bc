//! What is appended but not yet with the operating system, and whoever writes it.

use crate::checkpoint;
use crate::error::JournalError;
use crate::journal::Options;
use crate::line::{Hash, Kind, write_line};
use crate::storage::{SegmentFile, Storage, segment_path};
use ed25519_dalek::SigningKey;
use std::io;
use std::path::PathBuf;
use std::task::Waker;

/// How many bytes may wait. Reached only while the journal is failing or the disk is far too slow.
pub(crate) const MAX_PENDING: usize = 16 * 1024 * 1024;
/// Buffers above this are given back to the allocator after a burst.
const KEEP_CAPACITY: usize = 1024 * 1024;

/// Records of one segment, to be written in one go.
#[derive(Default)]
pub(crate) struct Chunk {
    /// The chunk opens a new segment, named after this number.
    opens: Option<u64>,
    bytes: Vec<u8>,
    /// The number of its last record.
    last: u64,
}

/// The appended end of the chain. Guarded by the journal's lock.
pub(crate) struct Queue {
    pub(crate) key: SigningKey,
    segment_bytes: u64,
    segment_age_ms: i64,
    /// When the current segment was begun, in milliseconds since the Unix epoch.
    segment_began: i64,
    /// The number of the last record appended.
    pub(crate) seq: u64,
    /// The hash of the last record appended.
    pub(crate) hash: Hash,
    /// How long the current segment will be once everything is written.
    pub(crate) segment_len: u64,
    /// Records from a failing time that found no room.
    pub(crate) lost: u64,
    pending: Vec<Chunk>,
    pending_bytes: usize,
    spare: Vec<u8>,
    /// The last record that is as safe as the configuration promises.
    pub(crate) committed: u64,
    /// Why the journal fails, and up to which record those who wait are told.
    pub(crate) failure: Option<JournalError>,
    pub(crate) failed_through: u64,
    /// The writer; absent while somebody writes.
    pub(crate) writer: Option<Writer>,
    pub(crate) waiters: Vec<(u64, Waker)>,
    /// The worker sleeps until it is told that there is something to do.
    pub(crate) parked: bool,
    /// Somebody waits: the worker shouldn't collect any longer.
    pub(crate) urgent: bool,
    pub(crate) closing: bool,
}

impl Queue {
    /// The end of a chain whose last record is `seq` with `hash`, in a segment begun at `began`.
    pub(crate) fn new(
        key: SigningKey,
        options: &Options,
        writer: Writer,
        (seq, hash): (u64, Hash),
        began: i64,
    ) -> Self {
        Self {
            key,
            segment_bytes: options.segment_bytes,
            segment_age_ms: i64::try_from(options.segment_age.as_millis()).unwrap_or(i64::MAX),
            segment_began: began,
            seq,
            hash,
            segment_len: writer.committed_len,
            lost: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            spare: Vec::new(),
            committed: seq,
            failure: None,
            failed_through: 0,
            writer: Some(writer),
            waiters: Vec::new(),
            parked: false,
            urgent: false,
            closing: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.pending_bytes >= MAX_PENDING
    }

    /// Takes a record into the chain.
    pub(crate) fn push(&mut self, ts: i64, kind: Kind, body: &[u8]) {
        if self.pending.is_empty() {
            let bytes = std::mem::take(&mut self.spare);
            self.pending.push(Chunk { opens: None, bytes, last: self.seq });
        }
        let Some(chunk) = self.pending.last_mut() else { return };
        let before = chunk.bytes.len();
        self.seq += 1;
        self.hash = write_line(&mut chunk.bytes, &self.hash, self.seq, ts, kind, body);
        chunk.last = self.seq;
        let added = chunk.bytes.len() - before;
        self.pending_bytes += added;
        self.segment_len += added as u64;
    }

    /// Whether the current segment has its size, or its age.
    pub(crate) fn wants_rotation(&self, now: i64) -> bool {
        self.segment_len >= self.segment_bytes || now.saturating_sub(self.segment_began) >= self.segment_age_ms
    }

    /// Begins a new segment with a checkpoint of `state`.
    pub(crate) fn rotate(&mut self, ts: i64, state: &[u8]) {
        let seq = self.seq + 1;
        self.pending.push(Chunk { opens: Some(seq), bytes: Vec::new(), last: seq });
        (self.segment_len, self.segment_began) = (0, ts);
        let body = checkpoint::body(&self.key, &self.hash, seq, ts, state);
        self.push(ts, Kind::Checkpoint, &body);
    }

    /// Everything that waits to be written.
    pub(crate) fn take(&mut self) -> Vec<Chunk> {
        self.urgent = false;
        self.pending_bytes = 0;
        std::mem::take(&mut self.pending)
    }

    /// Takes back what could not be written, in front of what came since.
    pub(crate) fn put_back(&mut self, mut chunks: Vec<Chunk>) {
        chunks.append(&mut self.pending);
        self.pending = chunks;
        self.pending_bytes = self.pending.iter().map(|chunk| chunk.bytes.len()).sum();
    }

    /// Keeps a written buffer for the next records.
    pub(crate) fn recycle(&mut self, chunks: Vec<Chunk>) {
        let largest = chunks.into_iter().map(|chunk| chunk.bytes).max_by_key(Vec::capacity).unwrap_or_default();
        if largest.capacity() <= KEEP_CAPACITY && largest.capacity() > self.spare.capacity() {
            self.spare = largest;
            self.spare.clear();
        }
    }
}

/// Writes chunks to the current segment, and opens the next.
pub(crate) struct Writer {
    dir: PathBuf,
    storage: Box<dyn Storage>,
    file: Option<Box<dyn SegmentFile>>,
    sync: bool,
    /// How long the segment is, as far as it counts.
    committed_len: u64,
    /// A write failed half way: what is behind `committed_len` has to go first.
    torn: bool,
}

impl Writer {
    /// A writer that goes on in `file`, of which `len` bytes count; none where the journal has no segment yet.
    pub(crate) fn new(
        dir: PathBuf,
        storage: Box<dyn Storage>,
        file: Option<Box<dyn SegmentFile>>,
        len: u64,
        sync: bool,
    ) -> Self {
        Self { dir, storage, file, sync, committed_len: len, torn: false }
    }

    /// Writes every chunk. On an error gives back how many chunks are safe; the next try goes on behind them.
    pub(crate) fn write(&mut self, chunks: &[Chunk]) -> Result<(), (usize, io::Error)> {
        for (done, chunk) in chunks.iter().enumerate() {
            self.write_chunk(chunk).map_err(|error| {
                self.torn = true;
                (done, error)
            })?;
        }
        Ok(())
    }

    fn write_chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
        if let Some(first) = chunk.opens {
            // In case this very segment was begun before and failed, it is emptied.
            self.file = Some(self.storage.create(&segment_path(&self.dir, first))?);
            if self.sync {
                self.storage.sync_dir(&self.dir)?;
            }
            (self.committed_len, self.torn) = (0, false);
        }
        let Some(file) = self.file.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        if self.torn {
            file.truncate(self.committed_len)?;
            self.torn = false;
        }
        file.append(&chunk.bytes)?;
        if self.sync {
            // After a failed sync the bytes are written again, not only synced again: the system may have dropped them.
            file.sync()?;
        }
        self.committed_len += chunk.bytes.len() as u64;
        Ok(())
    }
}

/// The number of the last record in the first `count` chunks.
pub(crate) fn last_of(chunks: &[Chunk], count: usize) -> Option<u64> {
    chunks.get(..count).and_then(<[Chunk]>::last).map(|chunk| chunk.last)
}
