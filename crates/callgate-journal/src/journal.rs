//! The journal as its writers see it: append, then wait until it is written.

use crate::checkpoint::{Checkpoint, signing_key};
use crate::error::JournalError;
use crate::line::{Kind, Record};
use crate::prune::{self, Pruned};
use crate::queue::{Queue, last_of};
use crate::recover::{Opened, recover};
use crate::refused::Refusals;
use crate::storage::{Disk, Storage, segments};
use rustix::fs::{FlockOperation, flock};
use std::error::Error;
use std::fs::{DirBuilder, File};
use std::future::poll_fn;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

mod options;
#[cfg(test)]
mod tests;

pub use options::{Options, Sync};

/// How long records that nobody waits for may stay in memory.
const LINGER: Duration = Duration::from_millis(10);
/// How often a failing journal is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// How often the aggregated refusals are written.
const REFUSALS: Duration = Duration::from_secs(1);

/// Why a record can't be rebuilt from: it stops the start.
pub type ReplayError = Box<dyn Error + Send + std::marker::Sync>;

/// A record that was appended: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An open journal. One at a time per directory.
pub struct Journal {
    dir: PathBuf,
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
    /// Held by whoever deletes old segments.
    pruning: Mutex<()>,
    _lock: File,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    sync: Sync,
    refusals: Refusals,
    clock: fn() -> i64,
}

impl Journal {
    /// Opens the journal in `dir`, or begins one.
    ///
    /// `replay` gets the records of the last segment, from its checkpoint on. A record whose writing was interrupted
    /// by the end of the last process is cut off, and a `recovered` record says so. Anything else that is wrong there
    /// is an error: nothing starts on a journal that isn't what was written.
    pub fn open(
        dir: &Path,
        options: Options,
        replay: &mut dyn FnMut(&Record<'_>) -> Result<(), ReplayError>,
    ) -> Result<Self, JournalError> {
        Self::open_on(dir, options, Box::new(Disk), replay)
    }

    pub(crate) fn open_on(
        dir: &Path,
        options: Options,
        storage: Box<dyn Storage>,
        replay: &mut dyn FnMut(&Record<'_>) -> Result<(), ReplayError>,
    ) -> Result<Self, JournalError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| JournalError::io("make", dir, error))?;
        let lock = File::open(dir).map_err(|error| JournalError::io("open", dir, error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| JournalError::Locked { dir: dir.to_owned() })?;
        let found = segments(dir).map_err(|error| JournalError::io("list", dir, error))?;
        let key = signing_key(dir, found.is_empty())?;
        let refusals = Refusals::open(dir, options.refused_bytes)?;
        let opened = recover(dir, found, storage, options.sync == Sync::Disk, &key, replay)?;
        let Opened { writer, seq, hash, began, recovered } = opened;
        let mut queue = Queue::new(key, &options, writer, (seq, hash), began);
        if seq == 0 {
            queue.rotate((options.clock)(), b"null");
        }
        if let Some(body) = recovered {
            queue.push((options.clock)(), Kind::Recovered, &body);
        }
        let clock = options.clock;
        let shared = Shared { queue: Mutex::new(queue), wake: Condvar::new(), sync: options.sync, refusals, clock };
        let shared = Arc::new(shared);
        let queue = shared.commit(shared.lock());
        if let Some(failure) = queue.failure.clone() {
            return Err(failure);
        }
        drop(queue);
        let for_worker = Arc::clone(&shared);
        let spawned = std::thread::Builder::new().name("journal".to_owned()).spawn(move || for_worker.work());
        let worker = spawned.map_err(|error| JournalError::io("start the writer of", dir, error))?;
        Ok(Self { dir: dir.to_owned(), shared, worker: Some(worker), pruning: Mutex::new(()), _lock: lock })
    }

    /// Appends a record; the order of the calls is the order of the records. `body` is compact JSON.
    ///
    /// `checkpoint` gives the live state as compact JSON. It is called where the segment is full, after the record
    /// took its place, and what it gives has to cover that record.
    ///
    /// A journal that is failing takes no decision. What the caller can't take back (outcomes and the like) it keeps
    /// until it works again, up to 16 MiB; what then finds no room is counted, and a `lost` record will say so.
    pub fn append(
        &self,
        ts: i64,
        kind: Kind,
        body: &[u8],
        checkpoint: impl FnOnce() -> Vec<u8>,
    ) -> Result<Ticket, JournalError> {
        self.append_at(ts, kind, body, Some(checkpoint))
    }

    /// Appends a record of somebody who doesn't have the live state at hand. Never begins a segment.
    pub fn append_plain(&self, ts: i64, kind: Kind, body: &[u8]) -> Result<Ticket, JournalError> {
        self.append_at(ts, kind, body, None::<fn() -> Vec<u8>>)
    }

    fn append_at(
        &self,
        ts: i64,
        kind: Kind,
        body: &[u8],
        checkpoint: Option<impl FnOnce() -> Vec<u8>>,
    ) -> Result<Ticket, JournalError> {
        one_line(body)?;
        let mut queue = self.shared.lock();
        let keeps = matches!(kind, Kind::Outcome | Kind::Lost);
        if let (Some(failure), false) = (&queue.failure, keeps) {
            return Err(failure.clone());
        }
        if queue.is_full() {
            queue.lost += u64::from(keeps);
            let slow = || JournalError::Failing { why: "16 MiB of records wait for the disk".to_owned() };
            return Err(queue.failure.clone().unwrap_or_else(slow));
        }
        queue.push(ts, kind, body);
        let ticket = Ticket(queue.seq);
        if let (Some(checkpoint), true) = (checkpoint, queue.wants_rotation(ts) && queue.failure.is_none()) {
            let state = checkpoint();
            if one_line(&state).is_ok() {
                queue.rotate(ts, &state);
            }
        }
        if queue.parked {
            self.shared.wake.notify_one();
        }
        Ok(ticket)
    }

    /// Whether a record survives what [`Options::sync`] promises. With [`Sync::Process`] whoever asks first writes for
    /// everybody: one `write` of a few microseconds on the asking thread.
    pub fn poll_written(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        let mut queue = self.shared.lock();
        loop {
            if queue.committed >= ticket.0 {
                return Poll::Ready(Ok(()));
            }
            if let (Some(failure), true) = (&queue.failure, ticket.0 <= queue.failed_through) {
                return Poll::Ready(Err(failure.clone()));
            }
            if self.shared.sync == Sync::Process && queue.writer.is_some() && queue.failure.is_none() {
                queue = self.shared.commit(queue);
                continue;
            }
            match queue.waiters.iter_mut().find(|(seq, waker)| *seq == ticket.0 && waker.will_wake(cx.waker())) {
                Some(_) => {}
                None => queue.waiters.push((ticket.0, cx.waker().clone())),
            }
            if self.shared.sync == Sync::Disk {
                queue.urgent = true;
                self.shared.wake.notify_one();
            }
            return Poll::Pending;
        }
    }

    /// Waits until a record is written, see [`poll_written`](Self::poll_written).
    pub async fn written(&self, ticket: Ticket) -> Result<(), JournalError> {
        poll_fn(|cx| self.poll_written(ticket, cx)).await
    }

    /// The same for callers without a runtime: blocks this thread.
    pub fn wait_written(&self, ticket: Ticket) -> Result<(), JournalError> {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut cx = Context::from_waker(&waker);
        loop {
            match self.poll_written(ticket, &mut cx) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// Counts something that was refused before a grant was known. Aggregated per source and reason, outside the
    /// chain, capped; see [`Refusals`].
    pub fn note_refused(&self, source: &str, reason: &str) {
        if self.shared.refusals.note((self.shared.clock)(), source, reason) {
            // The lock orders this with the worker's look at what there is to do.
            drop(self.shared.lock());
            self.shared.wake.notify_one();
        }
    }

    /// Writes all counts of what was refused, at an end in order: tasks that go later may hold the journal open.
    pub fn write_refused(&self) {
        self.shared.refusals.flush((self.shared.clock)(), true);
    }

    /// Deletes the segments of which every record is older than `before` (milliseconds since the Unix epoch), never the
    /// last one; see [`prunable`](crate::prunable). First a signed record says what goes. Blocks this thread, not the
    /// writers. None where nothing is old enough. What was refused goes by the age of each line. `who` is for the record.
    pub fn prune(&self, before: i64, who: Option<&str>) -> Result<Option<Pruned>, JournalError> {
        self.prune_on(before, who, &mut Disk)
    }

    fn prune_on(
        &self,
        before: i64,
        who: Option<&str>,
        storage: &mut dyn Storage,
    ) -> Result<Option<Pruned>, JournalError> {
        let _alone = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        let pruned = prune::prunable(&self.dir, before)?;
        if let Some(pruned) = &pruned {
            self.prune_segments(pruned, before, who, storage)?;
        }
        self.shared.refusals.forget(before)?;
        Ok(pruned)
    }

    fn prune_segments(
        &self,
        pruned: &Pruned,
        before: i64,
        who: Option<&str>,
        storage: &mut dyn Storage,
    ) -> Result<(), JournalError> {
        let body = prune::body(&self.shared.lock().key, pruned, before, who)?;
        let ticket = self.append_plain((self.shared.clock)(), Kind::Pruned, &body)?;
        self.wait_written(ticket)?;
        prune::secure(&self.dir, pruned, ticket.0, storage)?;
        prune::delete(&self.dir, pruned, storage)
    }

    /// The journal's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The head of the chain: to be kept elsewhere, for `verify`.
    pub fn head(&self) -> Checkpoint {
        let queue = self.shared.lock();
        Checkpoint { seq: queue.seq, hash: queue.hash, key: queue.key.verifying_key().to_bytes() }
    }

    /// Why the journal fails now, where it does.
    pub fn failure(&self) -> Option<JournalError> {
        self.shared.lock().failure.clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_all();
        // A worker that panicked has said so itself.
        drop(self.worker.take().map(std::thread::JoinHandle::join));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is changed in whole steps that don't panic, so a poisoned lock guards a whole queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything that waits, without the lock, and tells those who wait for it. Does nothing where somebody
    /// else is writing.
    fn commit<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let Some(mut writer) = queue.writer.take() else { return queue };
        let mut chunks = queue.take();
        drop(queue);
        let result = writer.write(&chunks);
        let mut queue = self.lock();
        queue.writer = Some(writer);
        match result {
            Ok(()) => {
                queue.committed = last_of(&chunks, chunks.len()).unwrap_or(queue.committed);
                queue.recycle(chunks);
                queue.failure = None;
                if queue.lost > 0 {
                    let body = format!("{{\"records\":{}}}", std::mem::take(&mut queue.lost));
                    queue.push((self.clock)(), Kind::Lost, body.as_bytes());
                    self.wake.notify_one();
                }
            }
            Err((safe, error)) => {
                queue.committed = last_of(&chunks, safe).unwrap_or(queue.committed);
                queue.put_back(chunks.split_off(safe));
                queue.failed_through = queue.seq;
                queue.failure = Some(JournalError::Failing { why: error.to_string() });
            }
        }
        let waiters = std::mem::take(&mut queue.waiters);
        if waiters.is_empty() {
            return queue;
        }
        drop(queue);
        waiters.into_iter().for_each(|(_, waker)| waker.wake());
        self.lock()
    }

    /// The worker: writes what nobody waits for, everything under [`Sync::Disk`], and again what failed.
    fn work(&self) {
        let mut queue = self.lock();
        loop {
            queue = self.rest(queue);
            let closing = queue.closing;
            if !queue.is_empty() {
                queue = self.commit(queue);
            }
            if closing && (queue.is_empty() || queue.failure.is_some()) {
                self.refusals.flush((self.clock)(), true);
                return;
            }
            drop(queue);
            self.refusals.flush((self.clock)(), false);
            queue = self.lock();
        }
    }

    /// Sleeps until there is something to write.
    fn rest<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.parked = true;
        while queue.is_empty() && !queue.closing {
            if !self.refusals.waiting() {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let idle = |queue: &mut Queue| queue.is_empty() && !queue.closing;
            let woken = self.wake.wait_timeout_while(queue, REFUSALS, idle).unwrap_or_else(PoisonError::into_inner);
            queue = woken.0;
            break;
        }
        queue.parked = false;
        if queue.failure.is_some() {
            let slept = self.wake.wait_timeout_while(queue, RETRY, |queue| !queue.closing);
            return slept.unwrap_or_else(PoisonError::into_inner).0;
        }
        let collecting = |queue: &mut Queue| !queue.urgent && !queue.closing && !queue.is_empty();
        self.wake.wait_timeout_while(queue, LINGER, collecting).unwrap_or_else(PoisonError::into_inner).0
    }
}

fn one_line(body: &[u8]) -> Result<(), JournalError> {
    if body.is_empty() {
        return Err(JournalError::Body { why: "it is empty" });
    }
    match memchr::memchr2(b'\n', b'\r', body) {
        Some(_) => Err(JournalError::Body { why: "it has a line break" }),
        None => Ok(()),
    }
}
