//! Whom a wrap asks: whoever owns the data directory at that moment.

use callgate_decision::{Answer, ApprovalError, ApprovalId, Approvals, DecisionId, Later, Question, Standing};
use std::sync::{Arc, PoisonError, RwLock};

/// Whoever keeps the questions now.
pub(super) type Asked = Arc<dyn Approvals>;

/// Questions to people, of which another process may become the keeper. What waits then fails, and the caller comes
/// again.
pub(super) struct SwitchedApprovals {
    now: RwLock<Asked>,
}

impl SwitchedApprovals {
    pub(super) fn new(asked: Asked) -> Self {
        Self { now: RwLock::new(asked) }
    }

    /// From now on, `asked` keeps the questions.
    pub(super) fn to(&self, asked: Asked) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = asked;
    }

    fn now(&self) -> Asked {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Approvals for SwitchedApprovals {
    fn look<'a>(&'a self, question: &'a Question) -> Later<'a, Result<Standing, ApprovalError>> {
        let now = self.now();
        Box::pin(async move { now.look(question).await })
    }

    fn ask<'a>(&'a self, question: &'a Question, decision: DecisionId) -> Later<'a, Result<Standing, ApprovalError>> {
        let now = self.now();
        Box::pin(async move { now.ask(question, decision).await })
    }

    fn answered<'a>(&'a self, id: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>> {
        let now = self.now();
        Box::pin(async move { now.answered(id).await })
    }

    fn consume<'a>(
        &'a self,
        id: &'a ApprovalId,
        question: &'a Question,
        decision: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>> {
        let now = self.now();
        Box::pin(async move { now.consume(id, question, decision).await })
    }

    fn restore(&self, id: &ApprovalId, decision: DecisionId) {
        self.now().restore(id, decision);
    }

    fn answer_by_client<'a>(&'a self, id: &'a ApprovalId, yes: bool) -> Later<'a, Result<bool, ApprovalError>> {
        let now = self.now();
        Box::pin(async move { now.answer_by_client(id, yes).await })
    }

    fn withdraw(&self, id: &ApprovalId) {
        self.now().withdraw(id);
    }
}
