//! The yeses that one connection used up: it may give back those, and no others.

use crate::approvals::{ApprovalError, ApprovalId, Approvals, Question};
use crate::id::DecisionId;
use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many are remembered; of older ones the yes stays used. A remembered yes is used by each call that it covers.
const REMEMBERED: usize = 8_192;

type Key = (ApprovalId, DecisionId);

/// What one connection used up.
#[derive(Clone)]
pub(super) struct Uses {
    approvals: Arc<dyn Approvals>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    uses: HashMap<Key, Use>,
    /// Those that are certain, the oldest first.
    order: VecDeque<Key>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The store has not answered yet.
    Open,
    /// The store has not answered yet, and the call it was for is over already.
    OpenAndOver,
    Certain,
}

impl Uses {
    pub(super) fn new(approvals: &Arc<dyn Approvals>) -> Self {
        Self { approvals: Arc::clone(approvals), known: Arc::default() }
    }

    /// Uses a yes up. It comes to its end also where nobody waits for it any more: what became of the yes has to be known.
    pub(super) async fn consume(
        &self,
        approval: ApprovalId,
        question: Question,
        by: DecisionId,
    ) -> Result<bool, ApprovalError> {
        let key = (approval, by);
        match self.lock().uses.entry(key.clone()) {
            Entry::Occupied(_) => return Ok(false),
            Entry::Vacant(place) => drop(place.insert(Use::Open)),
        }
        let own = self.clone();
        let using = tokio::spawn(async move {
            let used = own.approvals.consume(&key.0, &question, key.1).await;
            own.end(key, matches!(used, Ok(true)));
            used
        });
        using.await.unwrap_or_else(|error| Err(ApprovalError::Failed(error.to_string())))
    }

    /// The call did not run: a yes that this connection used up for it is good again. Any other is not its to give.
    pub(super) fn restore(&self, approval: ApprovalId, by: DecisionId) {
        let key = (approval, by);
        let mut known = self.lock();
        match known.uses.get_mut(&key) {
            None => return,
            Some(Use::Certain) => drop(known.uses.remove(&key)),
            Some(open) => {
                *open = Use::OpenAndOver;
                return;
            }
        }
        drop(known);
        self.approvals.restore(&key.0, key.1);
    }

    fn end(&self, key: Key, is_used: bool) {
        let mut known = self.lock();
        match known.uses.remove(&key) {
            Some(Use::Open) if is_used => known.remember(key),
            Some(Use::OpenAndOver) if is_used => {
                drop(known);
                self.approvals.restore(&key.0, key.1);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn remember(&mut self, key: Key) {
        self.uses.insert(key.clone(), Use::Certain);
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.uses.remove(&oldest);
        }
    }
}
