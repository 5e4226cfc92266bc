//! Listing and showing questions.

use super::rows::{ApprovalView, Beside};
use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::listing::{Listed, Part};
use callgate_store::{ApprovalRow, ApprovalSearch, ApprovalState};

/// What the page of a question is made of.
pub(crate) struct ApprovalFacts {
    /// The question.
    pub(crate) view: ApprovalView,
    /// When it is over, milliseconds since the Unix epoch.
    pub(crate) expires: i64,
    /// Whether the caller may answer.
    pub(crate) may_answer: bool,
    /// Why the caller may not say yes although it may answer.
    pub(crate) barred: Option<Error>,
}

impl Control {
    /// Questions, newest first, without their arguments. CG3214 where the state is none.
    pub async fn list_approvals(
        &self,
        caller: &Caller,
        (state, server): (Option<&str>, Option<&str>),
        part: &Part,
    ) -> Result<Listed<ApprovalView>, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let state = state.map(state_of).transpose()?;
        let servers = match server {
            Some(server) => Some(vec![self.server_for(caller, Permission::ReadDecisions, server).await?.1.record.id]),
            None if cleared.sees_all() => None,
            None => Some(caller.roles().servers.keys().filter(|server| cleared.sees(server)).cloned().collect()),
        };
        let after = part.after.as_deref().and_then(|after| after.split_once('/'));
        let after = after.and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
        let search = ApprovalSearch { state, servers, after, limit: part.limit.saturating_add(1) };
        let mut rows = self.reads(&cleared).approvals(&search).await?;
        let limit = usize::try_from(part.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| format!("{}/{}", last.asked_at, last.id));
        let items = rows.iter().map(|row| self.approval_view(row, None)).collect();
        Ok(Listed { items, next })
    }

    /// One question; with its exact arguments for who may answer it, as long as it is open. CG3210.
    pub async fn show_approval(&self, caller: &Caller, id: &str) -> Result<ApprovalView, Error> {
        Ok(self.approval_facts(caller, id).await?.view)
    }

    /// The same with what the page needs.
    pub(crate) async fn approval_facts(&self, caller: &Caller, id: &str) -> Result<ApprovalFacts, Error> {
        let (row, cleared) = self.approval_for(caller, Permission::ReadDecisions, id).await?;
        let may_answer = caller.clear(Permission::DecideApprovals, Scope::Server(&row.server)).is_ok();
        let is_open = row.state == ApprovalState::Pending && row.expires > self.now();
        let sealed = match may_answer && is_open {
            true => self.unseal(caller.organisation(), &row).await?,
            false => None,
        };
        let holders = self.holders(&cleared, &row).await?;
        let barred = super::answer::check_eyes(&row, &holders, caller.who()).err();
        Ok(ApprovalFacts { view: self.approval_view(&row, sealed), expires: row.expires, may_answer, barred })
    }

    /// Finds a question for a caller that may do this about its server. What it may not see is not there.
    pub(super) async fn approval_for<'c>(
        &self,
        caller: &'c Caller,
        permission: Permission,
        id: &str,
    ) -> Result<(ApprovalRow, Cleared<'c>), Error> {
        let visible = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let row = self.reads(&visible).approval(id).await?;
        let row = row.filter(|row| visible.sees_all() || visible.sees(&row.server)).ok_or_else(|| unknown(id))?;
        let cleared = caller.clear(permission, Scope::Server(&row.server))?;
        Ok((row, cleared))
    }

    fn approval_view(&self, row: &ApprovalRow, sealed: Option<super::question::Sealed>) -> ApprovalView {
        ApprovalView::of(row, Beside { url: self.approval_url(&row.id), now: self.now(), sealed })
    }
}

/// There is none.
pub(super) fn unknown(id: &str) -> Error {
    let id: String = id.chars().filter(|c| !c.is_control()).take(40).collect();
    let remedy = "`callgate approvals list` shows them; those that are over are deleted after 30 days";
    Error::new(Kind::NotFound, "CG3210", format!("there is no question `{id}`"), remedy)
}

fn state_of(word: &str) -> Result<ApprovalState, Error> {
    ApprovalState::parse(word).ok_or_else(|| {
        let word: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
        let remedy = "`pending`, `approved`, `refused`, `expired`, `withdrawn` or `used`";
        Error::new(Kind::Malformed, "CG3214", format!("`state`: there is no state `{word}`"), remedy)
    })
}
