//! What became of a process.

use super::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What became of a process, seen by somebody who does not keep it alive.
#[derive(Debug)]
pub(in crate::forward) struct Fate(pub(super) Arc<Shared>);

impl Fate {
    /// When it ended, if it never answered anything and did not live for long.
    pub(in crate::forward) fn failed_at(&self) -> Option<Instant> {
        let (_, ended) = (*self.0.ended.borrow())?;
        let brief = ended.duration_since(self.0.started) < Duration::from_secs(5);
        (brief && !self.has_answered()).then_some(ended)
    }

    /// Whether it has ended.
    pub(in crate::forward) fn has_ended(&self) -> bool {
        self.0.ended.borrow().is_some()
    }

    pub(in crate::forward) fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }
}
