//! What a person's yes covers: one call, and the legs that continue it. Given back where the call certainly did not run.

use crate::approvals::{ApprovalId, Approvals, Binding};
use crate::id::DecisionId;
use std::fmt;
use std::sync::Arc;

/// The yes under which a call leaves, bound to what was asked about.
///
/// A cover that used a yes up gives it back when it is dropped, unless the call left ([`Permit`](crate::Permit) and
/// [`InFlight`](crate::InFlight) see to that).
pub struct Cover {
    id: ApprovalId,
    binding: Binding,
    used: Option<Used>,
}

/// A yes that was used up for a call which has not run yet.
struct Used {
    approvals: Arc<dyn Approvals>,
    by: DecisionId,
}

impl Cover {
    /// The cover of a call that continues one which left under this approval.
    pub fn leg(id: ApprovalId, binding: Binding) -> Self {
        Self { id, binding, used: None }
    }

    /// The cover of a call for which this decision uses the yes up.
    pub(crate) fn used(id: ApprovalId, binding: Binding, approvals: &Arc<dyn Approvals>, by: DecisionId) -> Self {
        Self { id, binding, used: Some(Used { approvals: Arc::clone(approvals), by }) }
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
        self.used = None;
    }
}

impl Drop for Cover {
    fn drop(&mut self) {
        if let Some(Used { approvals, by }) = self.used.take() {
            approvals.restore(&self.id, by);
        }
    }
}

impl fmt::Debug for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cover({})", self.id)
    }
}
