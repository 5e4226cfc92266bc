//! Calls that wait for a person's answer: their places, and whatever ends their waiting.
//!
//! ```text
//! Gate::judge → Denial::Asked     a person was asked; the front chooses what the caller does meanwhile
//!   retry    words::told          it is refused, and comes again
//!   hold     Wait::begin → next   its answer is open until somebody answers; then it is judged again from the start
//!   client   confirm              its own user is asked: an `input_required`, or a question on the open answer
//! ```

pub(crate) mod confirm;
mod wait;
pub(crate) mod words;

pub(crate) use wait::{After, Held, Patience, Turn, Wait};

use crate::gate::Gate;
use crate::judge::Asked;
use crate::snapshot::GrantEntry;
use callgate_decision::ApprovalId;
use callgate_json::Value;
use callgate_mcp::{Message, RequestId};
use callgate_policy::GrantId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The calls that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    table: Mutex<Table>,
    lines: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    all: usize,
    by_grant: HashMap<GrantId, usize>,
    by_approval: HashMap<ApprovalId, Askers>,
    /// Calls that somebody can end by name.
    named: HashMap<(Owner, RequestId), oneshot::Sender<Stop>>,
    /// Questions to the callers' own users, by the id of the request that asks.
    confirming: HashMap<RequestId, (Owner, oneshot::Sender<Option<bool>>)>,
}

/// Who waits for one answer here.
#[derive(Debug)]
struct Askers {
    waiting: usize,
    /// Somebody was told to come again for it: it stays open, also when nobody waits.
    stays: bool,
}

/// Who can speak of a waiting call again: to cancel it, to answer a question about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A legacy session, by its id.
    Session(Box<str>),
    /// A connection of its own, by a number.
    Line(u64),
}

/// Why a call stops waiting that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its client cancelled it.
    Cancelled,
    /// Its client has said everything, or its server ended.
    Leaving,
}

/// The place of a call that waits. Dropped, it is free, and a question that nobody else waits for is withdrawn.
pub(crate) struct Place {
    gate: Arc<Gate>,
    grant: GrantId,
    approval: ApprovalId,
    name: Option<(Owner, RequestId)>,
    /// The question to its own user, where there is one.
    confirming: Option<RequestId>,
}

impl Waiting {
    /// How many calls wait.
    pub(crate) fn count(&self) -> usize {
        self.table().all
    }

    /// A number for a connection of its own.
    pub(crate) fn line(&self) -> Owner {
        Owner::Line(self.lines.fetch_add(1, Ordering::Relaxed))
    }

    /// Somebody was told to come again for this answer.
    pub(crate) fn stays(&self, approval: &ApprovalId) {
        if let Some(askers) = self.table().by_approval.get_mut(approval) {
            askers.stays = true;
        }
    }

    /// Ends the wait of the call with this id. `false` where there is none.
    pub(crate) fn cancel(&self, owner: &Owner, cancelled: &Message<'_>) -> bool {
        let Some(id) = cancelled.cancelled_id().and_then(RequestId::from_value) else { return false };
        let waiting = self.table().named.remove(&(owner.clone(), id));
        waiting.is_some_and(|waiting| waiting.send(Stop::Cancelled).is_ok())
    }

    /// Ends the waits of all calls of a connection.
    pub(crate) fn release(&self, owner: &Owner) {
        let mut table = self.table();
        let of_owner: Vec<_> = table.named.keys().filter(|(named, _)| named == owner).cloned().collect();
        for name in of_owner {
            if let Some(waiting) = table.named.remove(&name) {
                // The call may have ended a moment ago.
                let _ = waiting.send(Stop::Leaving);
            }
        }
    }

    /// Takes the response to a question of the gateway's own. `false` where it answers none.
    pub(crate) fn confirmed(&self, owner: &Owner, response: &Message<'_>) -> bool {
        let Some(id) = response.id() else { return false };
        let mut table = self.table();
        if table.confirming.get(&id).is_none_or(|(asked, _)| asked != owner) {
            return false;
        }
        let Some((_, waiting)) = table.confirming.remove(&id) else { return false };
        drop(table);
        // The call may have ended a moment ago.
        let _ = waiting.send(response.result().map(confirm::is_yes));
        true
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A place for a call; `None` where as many wait as may.
    fn take(
        gate: &Arc<Gate>,
        entry: &GrantEntry,
        asked: &Asked,
        name: Option<(Owner, RequestId)>,
    ) -> Option<(Self, Option<oneshot::Receiver<Stop>>)> {
        let (grant, approval) = (entry.grant.id.clone(), asked.approval.id.clone());
        let mut table = gate.waiting.table();
        let of_grant = table.by_grant.get(&grant).copied().unwrap_or_default();
        if table.all >= gate.options.max_waiting || of_grant >= gate.options.max_waiting_per_grant {
            return None;
        }
        let (sender, stopped) = oneshot::channel();
        // An id that is used twice at once names neither.
        let named = name.filter(|name| !table.named.contains_key(name));
        if let Some(name) = &named {
            table.named.insert(name.clone(), sender);
        }
        table.all += 1;
        table.by_grant.insert(grant.clone(), of_grant + 1);
        // A question that was open before, and that nobody here waits for, has somebody who will come again.
        let askers = table.by_approval.entry(approval.clone());
        askers.or_insert(Askers { waiting: 0, stays: !asked.is_new }).waiting += 1;
        drop(table);
        let stopped = named.is_some().then_some(stopped);
        Some((Self { gate: Arc::clone(gate), grant, approval, name: named, confirming: None }, stopped))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.gate.waiting.table();
        table.all = table.all.saturating_sub(1);
        if let Some(of_grant) = table.by_grant.get_mut(&self.grant) {
            *of_grant = of_grant.saturating_sub(1);
            if *of_grant == 0 {
                table.by_grant.remove(&self.grant);
            }
        }
        if let Some(name) = &self.name {
            table.named.remove(name);
        }
        if let Some(question) = &self.confirming {
            table.confirming.remove(question);
        }
        let Some(askers) = table.by_approval.get_mut(&self.approval) else { return };
        askers.waiting = askers.waiting.saturating_sub(1);
        if askers.waiting > 0 {
            return;
        }
        let stays = askers.stays;
        table.by_approval.remove(&self.approval);
        drop(table);
        if !stays {
            self.gate.approvals.withdraw(&self.approval);
        }
    }
}

/// Whether a client declares that its user can be asked with a form: `elicitation` with `form`, or empty (MCP 2025-11-25
/// "Elicitation").
pub(crate) fn takes_forms(capabilities: Option<&Value<'_>>) -> bool {
    let elicitation = capabilities.and_then(|all| all.get("elicitation")).filter(|it| it.is_object());
    elicitation.is_some_and(|it| it.members().is_empty() || it.get("form").is_some_and(Value::is_object))
}
