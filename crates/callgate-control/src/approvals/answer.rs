//! Yes, no, and taking a yes back. Of many answers to one question the first counts.

use super::object;
use super::rows::{ApprovalView, recorded};
use super::told::event;
use crate::caller::{Caller, Cleared, Permission, Scope, Who};
use crate::change::Step;
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::{members, moment};
use callgate_store::{Answering, ApprovalRow, ApprovalState, Grant, Role, Roles};
use serde_json::json;

/// How long what is said about an answer may be, in characters.
const REASON: usize = 500;

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Yes or no.
    pub yes: bool,
    /// What is said about it; the caller reads it after a no.
    pub reason: String,
    /// For a yes that stays.
    pub remember: Option<Remember>,
}

/// For how long a yes stays, and for which calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remember {
    /// In milliseconds; at most what the rule allows.
    pub milliseconds: i64,
    /// The top-level arguments that have to be equal; all of them for `None`.
    pub arguments: Option<Vec<String>>,
}

impl Control {
    /// Answers a question. CG3210 to CG3214.
    pub async fn answer_approval(&self, caller: &Caller, id: &str, verdict: Verdict) -> Result<ApprovalView, Error> {
        let (row, cleared) = self.approval_for(caller, Permission::DecideApprovals, id).await?;
        check_reason(&verdict.reason)?;
        if verdict.yes {
            check_eyes(&row, &self.holders(&cleared, &row).await?, caller.who())?;
        }
        let at = self.now();
        let remembered = verdict.remember.as_ref().filter(|_| verdict.yes);
        let remembered = remembered.map(|remember| fixed(&row, remember)).transpose()?;
        let lasts = match &verdict.remember {
            Some(remember) if verdict.yes => remember.milliseconds,
            // A yes is good for as long as the question stood; a no as long as the question would have.
            _ if verdict.yes => row.expires.saturating_sub(row.asked_at),
            _ => row.expires.saturating_sub(at),
        };
        let answer = Answering {
            id: row.id.clone(),
            yes: verdict.yes,
            by: caller.who().word(),
            reason: verdict.reason,
            at,
            expires: at.saturating_add(lasts),
            remembered,
        };
        if !self.put_answer(&cleared, &row, &answer).await? {
            return Err(self.answered_already(&cleared, id).await);
        }
        self.show_approval(caller, id).await
    }

    /// Takes a yes back that was not used up: the next call is asked about again. CG3210, CG3211.
    pub async fn revoke_approval(&self, caller: &Caller, id: &str) -> Result<ApprovalView, Error> {
        let (row, cleared) = self.approval_for(caller, Permission::DecideApprovals, id).await?;
        let mut editing = self.edit(&cleared).await?;
        let (by, at) = (editing.who(), editing.at());
        if !editing.change.revoke_approval(&row.id, &by, at).await? {
            drop(editing);
            let state = row.state.as_str();
            let message = format!("there is no yes to take back: the question `{}` is {state}", row.id);
            return Err(Error::new(Kind::Conflict, "CG3211", message, "only a yes that was not used yet can be"));
        }
        let before = recorded(&row, ApprovalState::Approved);
        let after = json!({ "state": ApprovalState::Withdrawn.as_str() });
        editing.step(Step { what: "approval revoke", object: object(&row), before, after }).await?;
        editing.finish(self).await?;
        self.inner.desk.ring();
        self.show_approval(caller, id).await
    }

    /// The answer of the caller's own user, where the rule lets it ask there. `false` where somebody was faster, the
    /// question is over, or its rule wants another person.
    pub(super) async fn answer_by_client(&self, id: &str, yes: bool) -> Result<bool, Error> {
        let Some((organisation, row)) = self.inner.store.approval(id).await? else { return Ok(false) };
        if row.ask != "client" || (yes && row.four_eyes) {
            return Ok(false);
        }
        let roles = Roles { organisation: Some(Role::PolicyManager), ..Roles::default() };
        let user = Caller::new(&organisation, Who::Grant(row.grant_label.clone()), roles, false);
        let cleared = user.clear(Permission::DecideApprovals, Scope::Organisation)?;
        let at = self.now();
        let expires = if yes { at.saturating_add(row.expires.saturating_sub(row.asked_at)) } else { row.expires };
        let by = user.who().word();
        let answer = Answering { id: row.id.clone(), yes, by, reason: String::new(), at, expires, remembered: None };
        self.put_answer(&cleared, &row, &answer).await
    }

    /// Answer and record in one transaction; whether this answer was the first.
    async fn put_answer(&self, cleared: &Cleared<'_>, row: &ApprovalRow, answer: &Answering) -> Result<bool, Error> {
        let mut editing = self.edit(cleared).await?;
        if !editing.change.answer_approval(answer).await? {
            return Ok(false);
        }
        let (what, kind, state) = match answer.yes {
            true => ("approval approve", "approval.approved", ApprovalState::Approved),
            false => ("approval deny", "approval.denied", ApprovalState::Refused),
        };
        let after = json!({
            "state": state.as_str(), "reason": answer.reason, "expires": moment::rfc3339(answer.expires),
            "remembered": answer.remembered,
        });
        let before = recorded(row, ApprovalState::Pending);
        editing.step(Step { what, object: object(row), before, after }).await?;
        let said = [
            ("answered_by", answer.by.clone()),
            ("reason", answer.reason.clone()),
            ("expires", moment::rfc3339(answer.expires)),
        ];
        let said = said.map(|(name, text)| (name.to_owned(), text.into())).into_iter().collect();
        let event = event(editing.organisation(), kind, row, answer.at, said)?;
        editing.change.announce(&event).await?;
        editing.finish(self).await?;
        self.inner.desk.ring();
        Ok(true)
    }

    /// Who holds the grant of a question.
    pub(super) async fn holders(&self, cleared: &Cleared<'_>, row: &ApprovalRow) -> Result<Holders, Error> {
        let grant = self.reads(cleared).get::<Grant>(&row.grant).await?;
        Ok(Holders::of(grant.map(|grant| grant.record).as_ref(), self.now()))
    }

    /// Why an answer came too late.
    async fn answered_already(&self, cleared: &Cleared<'_>, id: &str) -> Error {
        let row = match self.reads(cleared).approval(id).await {
            Ok(Some(row)) => row,
            Ok(None) => return super::read::unknown(id),
            Err(error) => return error.into(),
        };
        let message = match (&row.answered_by, row.answered_at.map(moment::rfc3339)) {
            (Some(by), Some(at)) => format!("the question `{id}` is {} already: by {by}, at {at}", row.state.as_str()),
            _ => format!("the question `{id}` is over: nobody answered in time, or its call was taken back"),
        };
        Error::new(
            Kind::Conflict,
            "CG3211",
            message,
            "the first answer counts; the call has to be made again for another",
        )
    }
}

/// Who minted a grant, and who has a token of it that works.
pub(super) struct Holders {
    ids: Vec<String>,
    /// Nobody else can have one.
    is_known: bool,
}

/// Where four eyes are asked for, a yes comes from a member who is neither behind the call, nor minted or rotated its
/// grant: neither when it was asked, nor now, when the yes would be good for whoever has a token. CG3212.
pub(super) fn check_eyes(row: &ApprovalRow, holders: &Holders, who: &Who) -> Result<(), Error> {
    if !row.four_eyes {
        return Ok(());
    }
    let refused = |message: &str, remedy: &str| Err(Error::new(Kind::Forbidden, "CG3212", message, remedy));
    let Who::Member { id, login } = who else {
        let message = "the rule wants another person's yes, and an API token says nothing about who holds it";
        return refused(message, "sign in as a member: `callgate login`, or the page of the question");
    };
    let another = "the rule wants another person's yes: ask another member who may decide approvals";
    if row.identity.as_deref().is_some_and(|identity| members::folded(identity) == *login) {
        return refused("the call was made in your name", another);
    }
    let Some(asker) = row.asker.as_deref().filter(|_| holders.is_known) else {
        let message = format!("nobody knows who holds the grant `{}`, so that it could be you", row.grant_label);
        return refused(&message, "rotate the grant without overlap, or mint another: from then on it is known");
    };
    if asker == id || holders.ids.contains(id) {
        return refused("the grant that asks was minted or rotated by you", another);
    }
    Ok(())
}

impl Holders {
    /// Of the grant that asks. One that is not there (any more) is held by nobody: who asked stands in the question.
    fn of(grant: Option<&Grant>, now: i64) -> Self {
        let Some(grant) = grant else { return Self { ids: Vec::new(), is_known: true } };
        let previous = grant.previous.as_ref().filter(|previous| previous.until > now);
        let is_known = grant.holder().is_some() && previous.is_none_or(|previous| previous.holder.is_some());
        let ids = [&grant.minted_by, &grant.rotated_by].into_iter().flatten();
        let ids = ids.chain(previous.and_then(|previous| previous.holder.as_ref()));
        Self { ids: ids.cloned().collect(), is_known }
    }
}

/// The arguments that have to be equal for a yes that stays. CG3213.
fn fixed(row: &ApprovalRow, remember: &Remember) -> Result<Vec<String>, Error> {
    let refused = |message: String, remedy: &str| Err(Error::new(Kind::Invalid, "CG3213", message, remedy));
    let Some(most) = row.remember_for else {
        let message = format!("the rule `{}` has no `remember_for`: a yes is good for one call", row.rule);
        return refused(message, "answer without `remember`");
    };
    if !(1..=most).contains(&remember.milliseconds) {
        let (asked, most) = (remember.milliseconds / 1000, most / 1000);
        let message = format!("`remember.for`: {asked} s is not within what the rule allows, {most} s");
        return refused(message, "name a shorter time");
    }
    let Some(arguments) = &remember.arguments else { return Ok(row.argument_keys.clone()) };
    if let Some(unknown) = arguments.iter().find(|name| !row.argument_keys.contains(name)) {
        let unknown: String = unknown.chars().take(80).collect();
        return refused(
            format!("`remember.arguments`: the call has no argument `{unknown}`"),
            "name those that it has",
        );
    }
    let mut arguments = arguments.clone();
    arguments.sort_unstable();
    arguments.dedup();
    Ok(arguments)
}

fn check_reason(reason: &str) -> Result<(), Error> {
    if reason.chars().count() <= REASON && !reason.chars().any(|c| c.is_control() || super::visible::is_hidden(c)) {
        return Ok(());
    }
    let message = format!("`reason` is longer than {REASON} characters, or has control or invisible characters");
    Err(Error::new(Kind::Invalid, "CG3214", message, "write a shorter, plain text"))
}
