//! What a person's yes covers: one call, and the legs that continue it. Given back where the call certainly did not run.

use crate::approvals::{ApprovalId, Approvals, Binding};
use crate::id::DecisionId;
use std::fmt;
use std::sync::Arc;

/// The yes under which a call leaves, bound to what was asked about.
///
/// A cover that used a yes up, or was lent, gives it back when it is dropped, unless the call left
/// ([`Permit`](crate::Permit) and [`InFlight`](crate::InFlight) see to that).
pub struct Cover {
    id: ApprovalId,
    binding: Binding,
    back: Option<Back>,
}

/// Where a yes goes back to whose call did not leave.
enum Back {
    /// It was used up by this decision, and is good again.
    Approvals { approvals: Arc<dyn Approvals>, by: DecisionId },
    /// It was lent by whoever keeps the call that its leg goes on with.
    Lender(Box<dyn FnOnce() + Send + Sync>),
}

impl Cover {
    /// The cover of a call that continues one which left under this approval.
    pub fn leg(id: ApprovalId, binding: Binding) -> Self {
        Self { id, binding, back: None }
    }

    /// The same, lent by whoever keeps that call: `back` is called where the leg does not leave.
    pub fn lent(id: ApprovalId, binding: Binding, back: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { id, binding, back: Some(Back::Lender(Box::new(back))) }
    }

    /// The cover of a call for which this decision uses the yes up.
    pub(crate) fn used(id: ApprovalId, binding: Binding, approvals: &Arc<dyn Approvals>, by: DecisionId) -> Self {
        Self { id, binding, back: Some(Back::Approvals { approvals: Arc::clone(approvals), by }) }
    }

    /// The approval.
    pub fn id(&self) -> &ApprovalId {
        &self.id
    }

    /// What it is bound to.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The same for the legs that follow: they have nothing to give back.
    #[must_use]
    pub fn for_legs(&self) -> Self {
        Self::leg(self.id.clone(), self.binding)
    }

    /// The call has run, or may have: the yes stays used.
    pub(crate) fn spend(mut self) {
        self.back = None;
    }
}

impl Drop for Cover {
    fn drop(&mut self) {
        match self.back.take() {
            None => {}
            Some(Back::Approvals { approvals, by }) => approvals.restore(&self.id, by),
            Some(Back::Lender(back)) => back(),
        }
    }
}

impl fmt::Debug for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cover({})", self.id)
    }
}
