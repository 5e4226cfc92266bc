//! What happens to questions, for those who watch and for webhooks.

use super::waiting::Watching;
use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::{moment, names};
use callgate_store::{ApprovalRow, ApprovalState, Asking, Event};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, VecDeque};
use tokio::sync::watch;
use utoipa::ToSchema;

/// Something that happened to a question. What was asked and answered is looked up by its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ApprovalEvent, example = json!({"id": "a_0123456789abcdefghjkmnpqrs", "state": "pending"}))]
pub(crate) struct Told {
    /// The question.
    pub(crate) id: String,
    /// How it stands now.
    pub(crate) state: &'static str,
}

/// What a caller sees of what happens.
pub(crate) struct Watch {
    control: Control,
    caller: Caller,
    /// Its place among those who watch.
    _place: Watching,
    changes: watch::Receiver<u64>,
    /// The questions that were open when it looked last.
    open: BTreeSet<String>,
    /// What is to be told first.
    first: VecDeque<Told>,
    /// Something happened that it did not look at to the end.
    is_behind: bool,
}

impl Control {
    /// Watches the questions that the caller may see: first those that stand, then what happens. CG3216 where as many
    /// watch as may.
    pub(crate) async fn watch_approvals(&self, caller: &Caller) -> Result<Watch, Error> {
        caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let who = format!("{}\0{}", caller.organisation(), caller.who().identity());
        let place = self.inner.desk.watchers.take(who).map_err(|most| {
            let message = format!("{most} streams of questions are open already");
            let remedy = "close some: one stream tells of all questions that you may see";
            Error::new(Kind::TooMany { retry_after: 10 }, "CG3216", message, remedy)
        })?;
        let changes = self.inner.desk.changes.subscribe();
        let (control, caller) = (self.clone(), caller.clone());
        let (open, first) = (BTreeSet::new(), VecDeque::new());
        let mut watch = Watch { control, caller, _place: place, changes, open, first, is_behind: false };
        watch.look().await?;
        Ok(watch)
    }

    /// Asks, and tells of it in the same transaction.
    pub(super) async fn put_question(&self, organisation: &str, row: &ApprovalRow, most: i64) -> Result<Asking, Error> {
        let event = event(organisation, "approval.asked", row, row.asked_at, Map::new())?;
        Ok(self.inner.store.ask(row, &event, most).await?)
    }
}

/// What endpoints are told of a question: names of arguments, never their values.
pub(super) fn event(
    organisation: &str,
    kind: &str,
    row: &ApprovalRow,
    at: i64,
    mut more: Map<String, Value>,
) -> Result<Event, Error> {
    let about = json!({
        "id": row.id, "server": row.server_name, "tool": row.tool, "argument_names": row.argument_keys,
        "grant": row.grant_label, "rule": row.rule, "expires": moment::rfc3339(row.expires),
    });
    if let Value::Object(about) = about {
        // What is said about the answer stands over what is known of the question.
        more = about.into_iter().chain(more).collect();
    }
    Ok(Event {
        organisation: organisation.to_owned(),
        id: names::new_id("ev_")?,
        kind: kind.to_owned(),
        server: Some(row.server.clone()),
        at,
        body: Value::Object(more).to_string(),
    })
}

impl Watch {
    /// The next thing that happened. Can be cancelled without losing any.
    pub(crate) async fn next(&mut self) -> Result<Told, Error> {
        loop {
            if let Some(told) = self.first.pop_front() {
                return Ok(told);
            }
            if !self.is_behind && self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            self.is_behind = true;
            self.look().await?;
            self.is_behind = false;
        }
    }

    /// What is different from when it looked last.
    async fn look(&mut self) -> Result<(), Error> {
        let cleared = self.caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let store = &self.control.inner.store;
        let open = self.control.reads(&cleared).pending_approvals().await?;
        let open = open.into_iter().filter(|open| cleared.sees_all() || cleared.sees(&open.server));
        let mut open: BTreeSet<String> = open.map(|open| open.id).collect();
        let gone: Vec<String> = self.open.difference(&open).cloned().collect();
        for now in store.approvals_now(&gone).await? {
            if now.state == ApprovalState::Pending {
                // Answered, and the journal does not have it yet.
                open.insert(now.id);
            } else {
                self.first.push_back(Told { id: now.id, state: now.state.as_str() });
            }
        }
        let new = open.difference(&self.open).cloned();
        self.first.extend(new.map(|id| Told { id, state: ApprovalState::Pending.as_str() }));
        self.open = open;
        Ok(())
    }
}
