//! Who waits for answers: a place each, and one task that looks for all of them; and who watches what happens.

use callgate_decision::{Answer, ApprovalError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, oneshot, watch};

/// What the process knows about its open questions.
pub(crate) struct Desk {
    waiters: Mutex<HashMap<Arc<str>, Vec<Waiter>>>,
    numbers: AtomicU64,
    /// Something may have changed for everybody who waits, not only for who came since.
    changed: AtomicBool,
    /// Wakes the task.
    pub(super) bell: Notify,
    /// Counts how often something may have changed, for those who watch.
    pub(super) changes: watch::Sender<u64>,
    /// Those who watch.
    pub(super) watchers: Watchers,
}

/// Who watches what happens, and how often: each is a query whenever something happens.
#[derive(Clone, Default)]
pub(super) struct Watchers(Arc<Mutex<HashMap<String, usize>>>);

/// One who watches; dropped, it watches no more.
pub(super) struct Watching {
    who: String,
    watchers: Watchers,
}

/// How many watch at once, in all and of one caller.
const WATCHERS: (usize, usize) = (256, 16);

/// What one waits for.
pub(super) type Awaited = Result<Answer, ApprovalError>;

struct Waiter {
    number: u64,
    is_new: bool,
    sender: oneshot::Sender<Awaited>,
}

/// One who waits; dropped, it waits no more.
pub(super) struct Place {
    desk: Arc<Desk>,
    id: Arc<str>,
    number: u64,
    receiver: oneshot::Receiver<Awaited>,
}

impl Desk {
    /// Nobody waits yet.
    pub(crate) fn new() -> Self {
        Self {
            waiters: Mutex::default(),
            numbers: AtomicU64::new(0),
            changed: AtomicBool::new(false),
            bell: Notify::new(),
            changes: watch::Sender::new(0),
            watchers: Watchers::default(),
        }
    }

    /// Somebody asked, answered, or did something that may be either: who waits and who watches has to know.
    pub(crate) fn ring(&self) {
        self.changed.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// Everybody has to be looked for again, and nobody is in a hurry.
    pub(super) fn put_off(&self) {
        self.changed.store(true, Ordering::SeqCst);
    }

    /// Whether everybody has to be looked for again.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::SeqCst)
    }

    /// Waits for an answer to this question.
    pub(super) fn wait(self: &Arc<Self>, id: &Arc<str>) -> Place {
        let (sender, receiver) = oneshot::channel();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let waiter = Waiter { number, is_new: true, sender };
        self.lock().entry(Arc::clone(id)).or_default().push(waiter);
        self.bell.notify_one();
        Place { desk: Arc::clone(self), id: Arc::clone(id), number, receiver }
    }

    /// The questions that are waited for: all, or those that somebody began to wait for since this was asked last.
    pub(super) fn awaited(&self, all: bool) -> Vec<String> {
        let mut waiters = self.lock();
        let wanted = waiters.iter_mut().filter_map(|(id, waiters)| {
            let mut is_new = false;
            for waiter in waiters {
                is_new |= std::mem::take(&mut waiter.is_new);
            }
            (all || is_new).then(|| id.to_string())
        });
        wanted.collect()
    }

    /// Tells everybody who waits for a question.
    pub(super) fn answer(&self, id: &str, answer: &Awaited) {
        let waiters = self.lock().remove(id).unwrap_or_default();
        for waiter in waiters {
            // Who went away does not want to know.
            drop(waiter.sender.send(answer.clone()));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Vec<Waiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watchers {
    /// A place for one more; an error is how many there are, where that is the most.
    pub(super) fn take(&self, who: String) -> Result<Watching, usize> {
        let mut all = self.lock();
        let (most, most_of_one) = WATCHERS;
        if all.values().sum::<usize>() >= most {
            return Err(most);
        }
        let of_one = all.entry(who.clone()).or_default();
        if *of_one >= most_of_one {
            return Err(most_of_one);
        }
        *of_one += 1;
        drop(all);
        Ok(Watching { who, watchers: self.clone() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = self.watchers.lock();
        if let Some(of_one) = all.get_mut(&self.who) {
            *of_one = of_one.saturating_sub(1);
            if *of_one == 0 {
                all.remove(&self.who);
            }
        }
    }
}

impl Place {
    /// The answer.
    pub(super) async fn answer(mut self) -> Awaited {
        let gone = || ApprovalError::Failed("the control plane ended".to_owned());
        (&mut self.receiver).await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiters = self.desk.lock();
        if let Some(others) = waiters.get_mut(&self.id) {
            others.retain(|waiter| waiter.number != self.number);
            if others.is_empty() {
                waiters.remove(&self.id);
            }
        }
    }
}
