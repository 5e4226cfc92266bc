//! One stream of a session: what of it is kept, and how far its reader is.

use super::Heard;
use bytes::Bytes;
use std::collections::VecDeque;
use std::task::Waker;
use std::time::{Duration, Instant};

/// One event, as it is sent.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Instant,
    pub(super) bytes: Bytes,
}

/// One stream. Its events count from 1; 0 is the one that only primes.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) events: VecDeque<Event>,
    /// The number of the first event that is kept.
    first: u64,
    /// The number of the last event that a reader was given.
    sent: u64,
    /// Whether somebody reads, and who: readers are counted, the last one is served.
    pub(super) read: bool,
    pub(super) turn: u64,
    pub(super) ended: Option<Instant>,
    /// Its last event takes the place of what was still to be read.
    is_cut: bool,
    /// Nothing was said for a while, and the reader is to know.
    pub(super) quiet: bool,
    pub(super) reading: Option<Waker>,
    pub(super) writing: Option<Waker>,
}

impl Stream {
    /// A stream with its first reader.
    pub(super) fn new() -> Self {
        Self {
            events: VecDeque::new(),
            first: 1,
            sent: 0,
            read: true,
            turn: 1,
            ended: None,
            is_cut: false,
            quiet: false,
            reading: None,
            writing: None,
        }
    }

    /// The number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Lets a new reader go on behind the event `seen`: its turn. `None` where that event never was, or one behind it
    /// is no longer kept.
    pub(super) fn resume(&mut self, seen: u64) -> Option<u64> {
        if seen >= self.next() || seen + 1 < self.first {
            return None;
        }
        self.turn += 1;
        self.read = true;
        self.sent = seen;
        Some(self.turn)
    }

    /// What the reader gets next.
    pub(super) fn take(&mut self) -> Option<Heard> {
        let next = self.sent + 1;
        if let Some(event) = self.at(next) {
            let bytes = event.bytes.clone();
            self.sent = next;
            self.quiet = false;
            let is_last = next + 1 == self.next();
            return Some(if self.is_cut && is_last { Heard::Cut(bytes) } else { Heard::Event(bytes) });
        }
        std::mem::take(&mut self.quiet).then_some(Heard::Quiet)
    }

    /// Drops what was not read yet; how many events and bytes that were. What comes then is the last.
    pub(super) fn cut(&mut self) -> (usize, usize) {
        self.is_cut = true;
        let keep = usize::try_from((self.sent + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let unread = self.events.split_off(keep.min(self.events.len()));
        (unread.len(), unread.iter().map(|event| event.bytes.len()).sum())
    }

    /// Whether a connected reader is further behind than this.
    pub(super) fn lags(&self, events: usize, bytes: usize) -> bool {
        let unread = self.unread();
        self.read
            && self.ended.is_none()
            && unread > 0
            && (unread >= events
                || self.events.iter().rev().take(unread).map(|e| e.bytes.len()).sum::<usize>() >= bytes)
    }

    /// Whether everything was given to a reader.
    pub(super) fn is_delivered(&self) -> bool {
        self.unread() == 0
    }

    /// Whether something that was given to a reader is kept.
    pub(super) fn has_delivered(&self) -> bool {
        self.events.len() > self.unread()
    }

    /// Whether nothing of it is worth keeping.
    pub(super) fn is_forgotten(&self) -> bool {
        self.ended.is_some() && self.events.is_empty() && !self.read
    }

    /// Drops the oldest event; how many events and bytes that were.
    pub(super) fn drop_first(&mut self) -> (usize, usize) {
        let Some(event) = self.events.pop_front() else { return (0, 0) };
        self.first += 1;
        (1, event.bytes.len())
    }

    /// Drops all events; how many events and bytes that were.
    pub(super) fn clear(&mut self) -> (usize, usize) {
        self.first = self.next();
        let bytes = self.events.iter().map(|event| event.bytes.len()).sum();
        let events = std::mem::take(&mut self.events);
        (events.len(), bytes)
    }

    /// Drops what was delivered, or belongs to a stream that ended, longer ago than this; how many events and bytes
    /// that were.
    pub(super) fn forget_before(&mut self, now: Instant, keep: Duration) -> (usize, usize) {
        let is_old = |at: Instant| now.saturating_duration_since(at) > keep;
        if self.ended.is_some_and(is_old) && (!self.read || self.is_delivered()) {
            return self.clear();
        }
        let mut dropped = (0, 0);
        while self.has_delivered() && self.events.front().is_some_and(|event| is_old(event.at)) {
            let (events, bytes) = self.drop_first();
            dropped = (dropped.0 + events, dropped.1 + bytes);
        }
        dropped
    }

    fn unread(&self) -> usize {
        let unread = (self.next() - 1).saturating_sub(self.sent);
        usize::try_from(unread).unwrap_or(usize::MAX).min(self.events.len())
    }

    fn at(&self, number: u64) -> Option<&Event> {
        self.events.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}
