//! The connections of one local socket that ask people, and which of them asked what.

use super::uses::Uses;
use crate::approvals::{ApprovalError, ApprovalId, Approvals, Question, Standing};
use crate::id::DecisionId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What all connections of a local socket ask through. It knows who asked what: only who asked may pass on what its own
/// user says, and a question stays as long as somebody is there who asked it.
pub struct Askers {
    approvals: Arc<dyn Approvals>,
    connections: Mutex<HashMap<ApprovalId, usize>>,
}

/// One of the connections. Dropped, it asks nothing any more.
pub(super) struct Asker {
    all: Arc<Askers>,
    uses: Uses,
    asked: Mutex<HashSet<ApprovalId>>,
}

impl Askers {
    /// Asks through this port.
    pub fn new(approvals: Arc<dyn Approvals>) -> Arc<Self> {
        Arc::new(Self { approvals, connections: Mutex::default() })
    }

    /// A connection asks this no more; whether no other does.
    fn leave(&self, approval: &ApprovalId) -> bool {
        let mut connections = lock(&self.connections);
        let Some(count) = connections.get_mut(approval) else { return true };
        *count = count.saturating_sub(1);
        let is_last = *count == 0;
        if is_last {
            connections.remove(approval);
        }
        is_last
    }
}

impl Asker {
    pub(super) fn new(all: &Arc<Askers>) -> Self {
        Self { all: Arc::clone(all), uses: Uses::new(&all.approvals), asked: Mutex::default() }
    }

    /// The port, for what needs no leave.
    pub(super) fn approvals(&self) -> &Arc<dyn Approvals> {
        &self.all.approvals
    }

    /// What this connection used up.
    pub(super) fn uses(&self) -> &Uses {
        &self.uses
    }

    pub(super) async fn ask(&self, question: &Question, decision: DecisionId) -> Result<Standing, ApprovalError> {
        let standing = self.all.approvals.ask(question, decision).await?;
        if let Standing::Pending(approval) = &standing
            && lock(&self.asked).insert(approval.id.clone())
        {
            *lock(&self.all.connections).entry(approval.id.clone()).or_default() += 1;
        }
        Ok(standing)
    }

    /// What the caller's own user says counts where the caller asked. `false` for anybody else, as for who comes second.
    pub(super) async fn answer_by_client(&self, approval: &ApprovalId, yes: bool) -> Result<bool, ApprovalError> {
        if !lock(&self.asked).contains(approval) {
            return Ok(false);
        }
        self.all.approvals.answer_by_client(approval, yes).await
    }

    /// This connection waits for the answer no more. Others that asked the same keep the question open.
    pub(super) fn withdraw(&self, approval: &ApprovalId) {
        if lock(&self.asked).remove(approval) && self.all.leave(approval) {
            self.all.approvals.withdraw(approval);
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        for approval in lock(&self.asked).drain() {
            self.all.leave(&approval);
        }
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
