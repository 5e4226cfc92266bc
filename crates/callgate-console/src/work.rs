//! Work that takes its time: a large document, and the tests in it.

use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Where it is done: off the threads that serve, and on no more than half of the cores at once, so that whoever may only
/// look can't keep the gateway from its calls.
#[derive(Clone)]
pub(crate) struct Work(Arc<Semaphore>);

impl Default for Work {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((cores / 2).max(1))))
    }
}

impl Work {
    /// Does it once it is its turn; none where it did not come to an end.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let done = spawn_blocking(move || {
            // Kept by the work, not by its visitor: who goes away doesn't make room for more.
            let _turn = turn;
            work()
        });
        done.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use tokio::task::yield_now;

    #[tokio::test]
    async fn no_more_is_done_at_once_than_there_are_turns_and_who_goes_away_makes_no_room() {
        let work = Work(Arc::new(Semaphore::new(1)));
        let (begun, begins) = channel();
        let (end, ends) = channel::<()>();
        let first = tokio::spawn({
            let work = work.clone();
            async move {
                let long = move || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                };
                work.run(long).await
            }
        });
        while begins.try_recv().is_err() {
            yield_now().await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(work.0.available_permits(), 0);
        end.send(()).unwrap();
        assert_eq!(work.run(|| 7).await, Some(7));
    }

    #[tokio::test]
    async fn what_breaks_gives_its_turn_back() {
        let work = Work(Arc::new(Semaphore::new(1)));
        assert_eq!(work.run(|| panic!("on purpose")).await, None::<()>);
        assert_eq!(work.run(|| 7).await, Some(7));
    }
}
