//! Work that takes its time: a large document and the tests in it, or all tools of a server.

use crate::api::Problem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// So long a visitor waits for a turn. Who is told to try again knows more than who looks at a page that does not come.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// So many turns one visitor can wait for: the others come to theirs, however often one of them asks.
const MOST_WAITING: usize = 4;

/// Where it is done: off the threads that serve, and on no more than half of the cores at once, so that whoever may only
/// look can't keep the gateway from its calls.
#[derive(Clone)]
pub(crate) struct Work {
    turns: Arc<Semaphore>,
    /// How many turns each visitor waits for.
    waiting: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place among those that wait, given back when it is dropped.
struct Waiting<'w> {
    work: &'w Work,
    who: &'w str,
}

impl Default for Work {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of((cores / 2).max(1))
    }
}

impl Work {
    /// With so many turns at once.
    pub(crate) fn of(turns: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), waiting: Arc::default() }
    }

    /// Does it once it is this visitor's turn; none where that did not come, or where it did not come to an end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        who: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.turn(who, work).await.ok()
    }

    /// The same, and why not.
    pub(crate) async fn turn<T: Send + 'static>(
        &self,
        who: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.wait(who).await?;
        let done = spawn_blocking(move || {
            // Kept by the work, not by its visitor: who goes away doesn't make room for more.
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| Problem::own("the work did not come to its end"))
    }

    async fn wait(&self, who: &str) -> Result<OwnedSemaphorePermit, Problem> {
        let Some(_place) = Waiting::of(self, who) else { return Err(Problem::waits_already(MOST_WAITING)) };
        match timeout(LONGEST_WAIT, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Problem::busy()),
        }
    }
}

impl<'w> Waiting<'w> {
    /// A place for this visitor; none where they have as many as they can have.
    fn of(work: &'w Work, who: &'w str) -> Option<Self> {
        let mut waiting = work.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let places = waiting.entry(who.to_owned()).or_default();
        if *places == MOST_WAITING {
            return None;
        }
        *places += 1;
        Some(Self { work, who })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.work.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = waiting.get_mut(self.who) {
            *places -= 1;
            if *places == 0 {
                waiting.remove(self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use tokio::task::yield_now;
    use tokio::time::Instant;

    #[tokio::test]
    async fn no_more_is_done_at_once_than_there_are_turns_and_who_goes_away_makes_no_room() {
        let work = Work::of(1);
        let (begun, begins) = channel();
        let (end, ends) = channel::<()>();
        let first = tokio::spawn({
            let work = work.clone();
            async move {
                let long = move || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                };
                work.run("ada", long).await
            }
        });
        while begins.try_recv().is_err() {
            yield_now().await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(work.turns.available_permits(), 0);
        end.send(()).unwrap();
        assert_eq!(work.run("ada", || 7).await, Some(7));
    }

    #[tokio::test]
    async fn what_breaks_gives_its_turn_back() {
        let work = Work::of(1);
        assert_eq!(work.run("ada", || panic!("on purpose")).await, None::<()>);
        assert_eq!(work.run("ada", || 7).await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn whose_turn_does_not_come_is_told_to_try_again() {
        let work = Work::of(1);
        let held = Arc::clone(&work.turns).acquire_owned().await.unwrap();
        let begin = Instant::now();
        let problem = work.turn("ada", || 7).await.unwrap_err();
        assert_eq!((problem.status, problem.code.as_str()), (503, "CG3267"));
        assert!(problem.remedy.contains("again"), "{}", problem.remedy);
        assert_eq!(begin.elapsed().as_secs(), LONGEST_WAIT.as_secs());
        drop(held);
        assert_eq!(work.turn("ada", || 7).await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn one_visitor_waits_for_a_few_turns_and_leaves_the_others_theirs() {
        let work = Work::of(1);
        let held = Arc::clone(&work.turns).acquire_owned().await.unwrap();
        let wait = |who: &'static str| {
            let work = work.clone();
            tokio::spawn(async move { work.turn(who, move || who).await })
        };
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| wait("ada")).collect();
        yield_now().await;
        let refused = wait("ada").await.unwrap().unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (429, "CG3268"));
        // Somebody else waits beside them all the same.
        waiting.push(wait("bob"));
        yield_now().await;
        drop(held);
        for waiting in waiting {
            assert!(waiting.await.unwrap().is_ok());
        }
        assert!(work.waiting.lock().unwrap().is_empty(), "every place was given back");
        assert_eq!(work.run("ada", || 7).await, Some(7));
    }
}
