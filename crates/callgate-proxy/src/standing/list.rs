//! Whether an upstream's list of tools was seen since it changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Before a list that did not name a tool is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// When the list changed, and when it was seen as a whole.
#[derive(Debug, Default)]
pub(crate) struct ToolList {
    /// Counts how often the upstream said that it has changed.
    changes: AtomicU64,
    /// How often it had when the list was last asked for.
    seen: AtomicU64,
    seen_at: Mutex<Option<Instant>>,
}

impl ToolList {
    /// The upstream says that it has changed.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has changed: to be read before the list is asked for.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// The whole list was seen; it had changed so often when it was asked for.
    pub(crate) fn seen_all(&self, changes: u64) {
        self.seen.fetch_max(changes, Ordering::Relaxed);
        *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The upstream did not give it: what has changed stays unseen, and is not asked for again at once by who does not
    /// need it.
    pub(crate) fn was_withheld(&self) {
        *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it has changed since it was seen.
    pub(crate) fn is_stale(&self) -> bool {
        self.changes() > self.seen.load(Ordering::Relaxed)
    }

    /// Whether it was seen a moment ago: what it does not name then is not asked for again at once.
    pub(crate) fn was_seen_lately(&self) -> bool {
        let seen = *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|seen| seen.elapsed() < ASK_AGAIN)
    }
}
