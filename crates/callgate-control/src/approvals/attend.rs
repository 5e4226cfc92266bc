//! One task per process: what is over ends, who waits is told, who watches is told. However many wait, there is one task
//! and one timer.

use super::told::event;
use super::{KEPT, object};
use crate::caller::{Permission, Scope};
use crate::change::{Editing, Step};
use crate::control::{Control, Inner};
use crate::error::Error;
use callgate_decision::{Answer, ApprovalError};
use callgate_store::{ApprovalNow, ApprovalRow, ApprovalState};
use serde_json::{Map, json};
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long nobody looks where nothing happens: what other processes do is told, and this is for what got lost.
const LONGEST: i64 = 30_000;

/// How long a database that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How often what is old is deleted, in milliseconds.
const TIDY: i64 = 3_600_000;

/// Attends to questions, as long as the control plane lives.
pub(crate) async fn attend(inner: Weak<Inner>) {
    let Some(desk) = inner.upgrade().map(|inner| Arc::clone(&inner.desk)) else { return };
    // A command that uses the data directory for a moment deletes nothing.
    let mut tidied = inner.upgrade().map_or(i64::MAX, |inner| (inner.clock)());
    let mut pause = Duration::ZERO;
    loop {
        let timely = tokio::select! {
            () = desk.bell.notified() => false,
            () = tokio::time::sleep(pause) => true,
        };
        let Some(inner) = inner.upgrade() else { return };
        let control = Control { inner };
        let all = desk.take_changed() || timely;
        pause = match control.attend_once(all, &mut tidied).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!("questions to people can't be attended to: {error}");
                // Whoever was not looked for this time is looked for the next time.
                desk.put_off();
                PAUSE
            }
        };
    }
}

impl Control {
    /// Looks once; how long nobody has to look again unless something happens.
    async fn attend_once(&self, all: bool, tidied: &mut i64) -> Result<Duration, Error> {
        let store = &self.inner.store;
        let now = self.now();
        let is_over = store.next_approval_end().await?.is_some_and(|end| end <= now);
        if is_over {
            for organisation in store.organisations_with_ended_approvals(now).await? {
                self.end_questions(&organisation).await?;
            }
        }
        if is_over {
            store.lapse_approvals(now).await?;
        }
        if now >= tidied.saturating_add(TIDY) {
            store.forget_approvals(now.saturating_sub(KEPT)).await?;
            *tidied = now;
        }
        self.tell_waiters(all).await?;
        if all {
            self.inner.desk.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        let next = store.next_approval_end().await?.map_or(LONGEST, |end| end.saturating_sub(now));
        Ok(Duration::from_millis(next.clamp(1, LONGEST).unsigned_abs()))
    }

    /// Ends an organisation's questions that nobody answered in time.
    pub(super) async fn end_questions(&self, organisation: &str) -> Result<(), Error> {
        let gateway = super::gateway(organisation);
        let cleared = gateway.clear(Permission::DecideApprovals, Scope::Organisation)?;
        loop {
            let mut editing = self.edit(&cleared).await?;
            let ended = editing.change.expire_approvals(editing.at()).await?;
            if ended.is_empty() {
                return Ok(());
            }
            for row in &ended {
                note_end(&mut editing, row, ("approval expire", ApprovalState::Expired)).await?;
            }
            editing.finish(self).await?;
            self.inner.desk.ring();
        }
    }

    async fn tell_waiters(&self, all: bool) -> Result<(), Error> {
        let desk = &self.inner.desk;
        let ids = desk.awaited(all);
        if ids.is_empty() {
            return Ok(());
        }
        let found = self.inner.store.approvals_now(&ids).await?;
        let there: HashSet<&str> = found.iter().map(|now| now.id.as_str()).collect();
        for id in ids.iter().filter(|id| !there.contains(id.as_str())) {
            desk.answer(id, &Err(ApprovalError::Failed("there is no such question (any more)".to_owned())));
        }
        for now in &found {
            if let Some(answer) = answer(now) {
                desk.answer(&now.id, &Ok(answer));
            }
        }
        Ok(())
    }
}

/// What a question was answered, where it was.
fn answer(now: &ApprovalNow) -> Option<Answer> {
    match now.state {
        ApprovalState::Pending => None,
        ApprovalState::Approved | ApprovalState::Used => Some(Answer::Approved),
        ApprovalState::Refused => Some(Answer::Refused(now.reason.clone())),
        ApprovalState::Expired | ApprovalState::Withdrawn => Some(Answer::Expired),
    }
}

/// Records and announces that a question ended without an answer.
pub(super) async fn note_end(
    editing: &mut Editing<'_>,
    row: &ApprovalRow,
    (what, state): (&'static str, ApprovalState),
) -> Result<(), Error> {
    let before = super::rows::recorded(row, ApprovalState::Pending);
    let after = json!({ "state": state.as_str() });
    editing.step(Step { what, object: object(row), before, after }).await?;
    let kind = format!("approval.{}", state.as_str());
    let event = event(editing.organisation(), &kind, row, editing.at(), Map::new())?;
    editing.change.announce(&event).await?;
    Ok(())
}
