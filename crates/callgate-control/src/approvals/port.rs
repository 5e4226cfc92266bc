//! The data plane's side: the port [`Approvals`] over the store.

use super::question::Keys;
use super::{LONGEST, PER_GRANT, waiting::Desk};
use crate::caller::{Permission, Scope};
use crate::control::Control;
use crate::error::Error;
use callgate_decision::{
    Answer, Approval, ApprovalError, ApprovalId, Approvals, DecisionId, Desk as Place, Later, Question, Standing,
};
use callgate_policy::Timestamp;
use callgate_store::{ApprovalRow, ApprovalState, Asking, LiveApproval};
use std::sync::Arc;

/// How often one asks again where the same question ended in that moment.
const ATTEMPTS: usize = 3;

/// Keeps questions and answers in the store of a control plane.
pub(super) struct Keeper {
    control: Control,
}

impl Keeper {
    pub(super) fn new(control: Control) -> Self {
        Self { control }
    }

    /// Works in the control plane's runtime: the database's connections live there, and what was begun is done also
    /// where the caller goes away.
    fn later<'a, T, W>(&'a self, work: impl FnOnce(Control) -> W + Send + 'a) -> Later<'a, Result<T, ApprovalError>>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, ApprovalError>> + Send + 'static,
    {
        Box::pin(async move {
            let done = self.control.inner.runtime.spawn(work(self.control.clone())).await;
            done.unwrap_or_else(|_| Err(ApprovalError::Failed("the control plane ended".to_owned())))
        })
    }

    /// The same where nobody waits.
    fn aside<W>(&self, work: impl FnOnce(Control) -> W)
    where
        W: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let work = work(self.control.clone());
        self.control.inner.runtime.spawn(async move {
            if let Err(error) = work.await {
                tracing::error!("an approval could not be kept as it should be: {error}");
            }
        });
    }
}

impl Approvals for Keeper {
    fn look<'a>(&'a self, question: &'a Question) -> Later<'a, Result<Standing, ApprovalError>> {
        let question = question.clone();
        self.later(move |control| async move { Ok(control.look(&question).await?) })
    }

    fn ask<'a>(&'a self, question: &'a Question, decision: DecisionId) -> Later<'a, Result<Standing, ApprovalError>> {
        let question = question.clone();
        self.later(move |control| async move { control.ask(&question, decision).await })
    }

    fn answered<'a>(&'a self, id: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>> {
        let desk: &Arc<Desk> = &self.control.inner.desk;
        Box::pin(desk.wait(&id.0).answer())
    }

    fn consume<'a>(
        &'a self,
        id: &'a ApprovalId,
        question: &'a Question,
        decision: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>> {
        let (id, question) = (id.clone(), question.clone());
        self.later(move |control| async move { Ok(control.use_yes(&id, &question, decision).await?) })
    }

    fn restore(&self, id: &ApprovalId, decision: DecisionId) {
        let id = id.clone();
        self.aside(move |control| async move {
            let store = &control.inner.store;
            store.unuse_approval(&id.0, &decision.to_string(), control.now()).await?;
            Ok(())
        });
    }

    fn answer_by_client<'a>(&'a self, id: &'a ApprovalId, yes: bool) -> Later<'a, Result<bool, ApprovalError>> {
        let id = id.clone();
        self.later(move |control| async move { Ok(control.answer_by_client(&id.0, yes).await?) })
    }

    fn withdraw(&self, id: &ApprovalId) {
        let id = id.clone();
        self.aside(move |control| async move { control.withdraw(&id.0).await });
    }
}

impl Control {
    async fn look(&self, question: &Question) -> Result<Standing, Error> {
        let keys = Keys::of(question, &self.inner.tokens)?;
        let key = (keys.binding.as_str(), keys.alike.as_str());
        let live = self.inner.store.live_approvals(question.organisation.as_str(), key, self.now()).await?;
        Ok(self.standing(&live, &keys))
    }

    async fn ask(&self, question: &Question, decision: DecisionId) -> Result<Standing, ApprovalError> {
        let organisation = question.organisation.as_str();
        if question.arguments.len().saturating_add(question.message.len()) > LONGEST {
            return Err(ApprovalError::TooLong(LONGEST));
        }
        let keys = Keys::of(question, &self.inner.tokens)?;
        let row = self.asked(question, keys.clone(), decision).await?;
        let most = i64::try_from(PER_GRANT).unwrap_or(i64::MAX);
        for _ in 0..ATTEMPTS {
            match self.put_question(organisation, &row, most).await? {
                Asking::Asked => {
                    self.tell_others(organisation).await;
                    return Ok(Standing::Pending(self.approval_of(&row)));
                }
                Asking::There(live) => return Ok(self.standing(&live, &keys)),
                Asking::TooMany => return Err(ApprovalError::TooMany(PER_GRANT)),
                Asking::Over => self.end_questions(organisation).await?,
            }
        }
        Err(ApprovalError::Failed("the same question ends all the time".to_owned()))
    }

    async fn use_yes(&self, id: &ApprovalId, question: &Question, decision: DecisionId) -> Result<bool, Error> {
        let organisation = question.organisation.as_str();
        let keys = Keys::of(question, &self.inner.tokens)?;
        let (store, now) = (&self.inner.store, self.now());
        if store.use_approval(organisation, (&id.0, &keys.binding), &decision.to_string(), now).await? {
            self.tell_others(organisation).await;
            return Ok(true);
        }
        // One that stays is not used up.
        let live = store.live_approvals(organisation, (&keys.binding, &keys.alike), now).await?;
        Ok(live.iter().any(|one| one.row.id == *id.0 && is_yes(one) && keys.are_covered_by(&one.row)))
    }

    /// Ends a question whose call nobody makes any more.
    pub(super) async fn withdraw(&self, id: &str) -> Result<(), Error> {
        let Some((organisation, _)) = self.inner.store.approval(id).await? else { return Ok(()) };
        let gateway = super::gateway(&organisation);
        let cleared = gateway.clear(Permission::DecideApprovals, Scope::Organisation)?;
        let mut editing = self.edit(&cleared).await?;
        let at = editing.at();
        let Some(row) = editing.change.withdraw_approval(id, at).await? else { return Ok(()) };
        super::attend::note_end(&mut editing, &row, ("approval withdraw", ApprovalState::Withdrawn)).await?;
        editing.finish(self).await?;
        self.inner.desk.ring();
        Ok(())
    }

    /// Those who wait and watch here look again, and so do other processes.
    pub(super) async fn tell_others(&self, organisation: &str) {
        self.inner.desk.ring();
        if let Err(error) = self.inner.store.notify(organisation).await {
            tracing::warn!("other processes will see a question later: {error}");
        }
    }

    /// How a question stands, by what is live of it: a yes first, whatever else there is.
    fn standing(&self, live: &[LiveApproval], keys: &Keys) -> Standing {
        let exact = |one: &&LiveApproval| one.row.binding == keys.binding;
        let approval = |one: &LiveApproval| self.approval_of(&one.row);
        let once = live.iter().find(|one| exact(one) && is_yes(one) && one.row.remembered.is_none());
        let yes = once.or_else(|| live.iter().find(|one| is_yes(one) && keys.are_covered_by(&one.row)));
        if let Some(yes) = yes {
            return Standing::Approved(approval(yes));
        }
        // What the journal does not have yet is not answered yet.
        let is_open = |one: &&LiveApproval| one.row.state == ApprovalState::Pending || !one.recorded;
        if let Some(open) = live.iter().filter(exact).find(is_open) {
            return Standing::Pending(approval(open));
        }
        match live.iter().filter(exact).find(|one| one.row.state == ApprovalState::Refused) {
            Some(no) => Standing::Refused(approval(no), no.row.reason.clone()),
            None => Standing::Open,
        }
    }

    fn approval_of(&self, row: &ApprovalRow) -> Approval {
        let id = ApprovalId(row.id.as_str().into());
        Approval { id, at: Place::Page(self.approval_url(&row.id)), expires: Timestamp(row.expires) }
    }
}

fn is_yes(one: &LiveApproval) -> bool {
    one.row.state == ApprovalState::Approved && one.recorded
}

impl From<Error> for ApprovalError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}
