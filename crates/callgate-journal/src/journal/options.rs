//! How a journal is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a written record survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// The end of the process, also `kill -9`: it is with the operating system.
    #[default]
    Process,
    /// A power cut: it is on the disk, one `fsync` for all records that came together.
    Disk,
}

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a written record survives.
    pub sync: Sync,
    /// The size in bytes at which a segment is full. The next record that brings a checkpoint begins a new one.
    pub segment_bytes: u64,
    /// The age at which a segment is full, too: retention deletes whole segments.
    pub segment_age: Duration,
    /// The size in bytes at which `refused.log` is turned over; it takes twice that at most.
    pub refused_bytes: u64,
    /// The time for what the journal writes itself: milliseconds since the Unix epoch.
    pub clock: fn() -> i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync: Sync::Process,
            segment_bytes: 64 * 1024 * 1024,
            segment_age: Duration::from_secs(24 * 60 * 60),
            refused_bytes: 4 * 1024 * 1024,
            clock: now,
        }
    }
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
