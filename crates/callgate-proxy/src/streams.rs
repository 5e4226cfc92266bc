//! What a session's event streams said, kept for a while, where the gateway itself is the HTTP server: a client that
//! lost its connection comes back with the id of the last event it saw, and misses nothing (MCP 2025-11-25
//! "Resumability and Redelivery").
//!
//! One stream has one reader at a time, the last that came. While there is one, the sender waits for it where it lags;
//! while there is none, the stream goes on, within the bounds below.

mod stream;
#[cfg(test)]
mod tests;

use crate::errors::Cause;
use bytes::Bytes;
use callgate_mcp::SseWriter;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use stream::{Event, Stream};

/// Events that one session keeps. What was delivered is dropped first, the oldest before the newer.
const MAX_EVENTS: usize = 1024;
/// Bytes of events that one session keeps.
const MAX_BYTES: usize = 4 << 20;
/// Bytes of events that all sessions keep. Above, nothing is kept but what a connected reader is still to get.
const MAX_BYTES_OF_ALL: usize = 256 << 20;
/// Requests of one session that are answered with a stream, and have no response yet.
const MAX_OPEN: usize = 256;
/// How long a delivered event is kept, and a stream after its end.
const KEEP: Duration = Duration::from_secs(5 * 60);
/// How far a connected reader may lag before the sender waits for it, in events and in bytes.
const AHEAD: usize = 64;
const AHEAD_BYTES: usize = 1 << 20;
/// Before a client that lost its connection comes back, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The streams of one session.
#[derive(Debug)]
pub(crate) struct EventLog {
    /// Tells this session's event ids from another's.
    tag: u32,
    table: Mutex<Table>,
    /// The bytes that all sessions keep.
    all: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    streams: BTreeMap<u64, Stream>,
    /// The stream of what belongs to no request.
    standalone: Option<u64>,
    /// Streams that have not ended, the standalone one aside.
    open: usize,
    events: usize,
    bytes: usize,
}

/// The sending end of a stream that answers a request. The stream ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<EventLog>,
    stream: u64,
}

/// The receiving end of a stream: one connection of the client.
#[derive(Debug)]
pub(crate) struct Reader {
    log: Arc<EventLog>,
    stream: u64,
    turn: u64,
    /// Whether it is the stream of what belongs to no request.
    pub(crate) is_standalone: bool,
}

/// What a reader hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An event, as it is sent.
    Event(Bytes),
    /// The stream was cut off, and this says why.
    Cut(Bytes),
    /// Nothing was said for a while.
    Quiet,
}

impl EventLog {
    /// The log of a new session; `all` counts the bytes of every session's.
    pub(crate) fn new(all: Arc<AtomicUsize>) -> Arc<Self> {
        let tag = RandomState::new().build_hasher().finish();
        let tag = u32::try_from(tag >> 32).unwrap_or_default();
        Arc::new(Self { tag, table: Mutex::default(), all })
    }

    /// Whether one more request may be answered with a stream. Asked before the request is judged.
    pub(crate) fn admit(&self) -> Result<(), Cause> {
        if self.table().open < MAX_OPEN { Ok(()) } else { Err(Cause::TooManyStreams(MAX_OPEN)) }
    }

    /// Opens the stream that answers a request.
    pub(crate) fn open(self: &Arc<Self>) -> (Writer, Reader) {
        let mut table = self.table();
        table.open += 1;
        let stream = table.begin();
        drop(table);
        let reader = Reader { log: Arc::clone(self), stream, turn: 1, is_standalone: false };
        (Writer { log: Arc::clone(self), stream }, reader)
    }

    /// Opens the stream of what belongs to no request. An earlier one ends.
    pub(crate) fn open_standalone(self: &Arc<Self>) -> Reader {
        let mut table = self.table();
        let before = table.standalone.take();
        let stream = table.begin();
        table.standalone = Some(stream);
        let waiting = before.and_then(|before| table.end(before));
        drop(table);
        wake(waiting);
        Reader { log: Arc::clone(self), stream, turn: 1, is_standalone: true }
    }

    /// Goes on behind the event with this id, on the stream that it belongs to. An earlier reader's connection ends.
    pub(crate) fn resume(self: &Arc<Self>, id: &[u8]) -> Result<Reader, Cause> {
        let (number, seen) = self.parse(id).ok_or(Cause::EventUnknown)?;
        let mut table = self.table();
        let is_standalone = table.standalone == Some(number);
        let stream = table.streams.get_mut(&number).ok_or(Cause::EventUnknown)?;
        let turn = stream.resume(seen).ok_or(Cause::EventUnknown)?;
        let waiting = (stream.reading.take(), stream.writing.take());
        drop(table);
        wake(waiting.0);
        wake(waiting.1);
        Ok(Reader { log: Arc::clone(self), stream: number, turn, is_standalone })
    }

    /// Forgets what has been kept for long enough.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut table = self.table();
        let table = &mut *table;
        let (events, bytes) = (&mut table.events, &mut table.bytes);
        let mut freed = 0;
        table.streams.retain(|_, stream| {
            let (count, size) = stream.forget_before(now, KEEP);
            *events -= count;
            *bytes -= size;
            freed += size;
            !stream.is_forgotten()
        });
        self.all.fetch_sub(freed, Ordering::Relaxed);
    }

    fn append(&self, number: u64, message: &[u8], last: bool) {
        let mut table = self.table();
        let Some(stream) = table.streams.get_mut(&number) else { return };
        let cut = if last { stream.cut() } else { (0, 0) };
        let event = Event::new(self.id(number, stream.next()), message);
        let size = event.bytes.len();
        stream.events.push_back(event);
        let waiting = stream.reading.take();
        table.events = table.events + 1 - cut.0;
        table.bytes = table.bytes + size - cut.1;
        self.all.fetch_add(size, Ordering::Relaxed);
        self.all.fetch_sub(cut.1, Ordering::Relaxed);
        self.trim(&mut table);
        drop(table);
        wake(waiting);
    }

    /// Drops what is too much.
    fn trim(&self, table: &mut Table) {
        loop {
            let limit = if self.all.load(Ordering::Relaxed) > MAX_BYTES_OF_ALL { 0 } else { MAX_BYTES };
            if table.events <= MAX_EVENTS && table.bytes <= limit {
                return;
            }
            let Some(freed) = table.drop_one() else { return };
            self.all.fetch_sub(freed, Ordering::Relaxed);
        }
    }

    fn id(&self, stream: u64, event: u64) -> String {
        format!("{:08x}.{stream}-{event}", self.tag)
    }

    /// Stream and event of an id of this session, written as it was given out.
    fn parse(&self, id: &[u8]) -> Option<(u64, u64)> {
        let text = std::str::from_utf8(id).ok()?;
        let (stream, event) = text.split_once('.')?.1.split_once('-')?;
        let found = (stream.parse().ok()?, event.parse().ok()?);
        (self.id(found.0, found.1) == text).then_some(found)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        let bytes = self.table().bytes;
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Table {
    fn begin(&mut self) -> u64 {
        self.last += 1;
        self.streams.insert(self.last, Stream::new());
        self.last
    }

    /// Ends a stream; whoever waits for it is to be woken.
    fn end(&mut self, number: u64) -> Option<Waker> {
        let stream = self.streams.get_mut(&number)?;
        stream.ended = Some(Instant::now());
        let waiting = stream.reading.take();
        if stream.is_forgotten() {
            self.streams.remove(&number);
        }
        waiting
    }

    /// Drops one stream that has ended, or the oldest event of one that goes on, whichever is missed least; how many
    /// bytes that were. `None` where all that is left is still to be sent.
    fn drop_one(&mut self) -> Option<usize> {
        let delivered = |stream: &Stream| stream.ended.is_some() && stream.is_delivered() && stream.has_delivered();
        let delivered = self.streams.iter().find(|(_, stream)| delivered(stream));
        let behind = || self.streams.iter().find(|(_, stream)| stream.ended.is_none() && stream.has_delivered());
        let unread = || self.streams.iter().find(|(_, stream)| !stream.read && !stream.events.is_empty());
        let number = *delivered.or_else(behind).or_else(unread)?.0;
        let stream = self.streams.get_mut(&number)?;
        let (events, bytes) = if stream.ended.is_some() { stream.clear() } else { stream.drop_first() };
        if stream.is_forgotten() {
            self.streams.remove(&number);
        }
        self.events -= events;
        self.bytes -= bytes;
        Some(bytes)
    }
}

impl Writer {
    /// Sends a message: logs it, for whoever reads or comes back to read.
    pub(crate) fn send(&self, message: &[u8]) {
        self.log.append(self.stream, message, false);
    }

    /// Sends the last message, which takes the place of everything that has not been read yet.
    pub(crate) fn cut(&self, message: &[u8]) {
        self.log.append(self.stream, message, true);
    }

    /// Tells a reader that the stream is still there.
    pub(crate) fn quiet(&self) {
        let mut table = self.log.table();
        let Some(stream) = table.streams.get_mut(&self.stream) else { return };
        stream.quiet = true;
        let waiting = stream.reading.take();
        drop(table);
        wake(waiting);
    }

    /// Waits while a connected reader lags.
    pub(crate) async fn room(&self) {
        std::future::poll_fn(|context| {
            let mut table = self.log.table();
            match table.streams.get_mut(&self.stream) {
                Some(stream) if stream.lags(AHEAD, AHEAD_BYTES) => {
                    stream.writing = Some(context.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
        .await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut table = self.log.table();
        table.open -= 1;
        let waiting = table.end(self.stream);
        drop(table);
        wake(waiting);
    }
}

impl Reader {
    /// The first event of a new stream: an id to come back with, before anything was said, and the time to wait before
    /// (MCP 2025-11-25 "Sending Messages to the Server", 6). Clients of earlier revisions take its empty data for a
    /// message.
    pub(crate) fn priming(&self) -> Bytes {
        format!("id: {}\nretry: {RETRY_MS}\ndata: \n\n", self.log.id(self.stream, 0)).into()
    }

    /// The next event; `None` where the stream has ended, or another connection reads it now.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        std::future::poll_fn(|context| {
            let mut table = self.log.table();
            let Some(stream) = table.streams.get_mut(&self.stream).filter(|stream| stream.turn == self.turn) else {
                return Poll::Ready(None);
            };
            let heard = stream.take();
            if heard.is_none() && stream.ended.is_none() {
                stream.reading = Some(context.waker().clone());
                return Poll::Pending;
            }
            let waiting = stream.writing.take();
            drop(table);
            wake(waiting);
            Poll::Ready(heard)
        })
        .await
    }

    /// What is there already. `Err` where the stream has ended, or another connection reads it now.
    pub(crate) fn take(&mut self) -> Result<Option<Heard>, ()> {
        let mut table = self.log.table();
        let stream = table.streams.get_mut(&self.stream).filter(|stream| stream.turn == self.turn).ok_or(())?;
        match stream.take() {
            None if stream.ended.is_some() => Err(()),
            heard => Ok(heard),
        }
    }

    /// Logs a message of the standalone stream, to be taken by whoever reads it.
    pub(crate) fn log(&self, message: &[u8]) {
        self.log.append(self.stream, message, false);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut table = self.log.table();
        let Some(stream) = table.streams.get_mut(&self.stream).filter(|stream| stream.turn == self.turn) else {
            return;
        };
        stream.read = false;
        let waiting = stream.writing.take();
        if stream.is_forgotten() {
            table.streams.remove(&self.stream);
        }
        self.log.trim(&mut table);
        drop(table);
        wake(waiting);
    }
}

impl Event {
    fn new(id: String, message: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(message.len() + id.len() + 16);
        // An id of ours is one line, so writing can't fail.
        let _ = SseWriter::event(&mut bytes, None, Some(&id), message);
        Self { at: Instant::now(), bytes: bytes.into() }
    }
}

fn wake(waiting: Option<Waker>) {
    if let Some(waker) = waiting {
        waker.wake();
    }
}
