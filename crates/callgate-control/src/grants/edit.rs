//! Changing a grant: label, tags and end, its policy, revoking.

use super::find::{Found, unknown};
use super::mint::free_label;
use super::rows::GrantRow;
use super::{check_expiry, check_origin, check_tags, object, recorded};
use crate::caller::{Caller, Permission};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::names;
use crate::policies;
use crate::precondition::Precondition;
use callgate_store::{Change, Grant, Policy, Stored};
use std::collections::BTreeMap;

/// What is to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct GrantEdit {
    /// The label.
    pub label: Option<String>,
    /// All tags, in place of those before.
    pub tags: Option<BTreeMap<String, String>>,
    /// When it ends by itself, milliseconds since the Unix epoch; `Some(None)` is never.
    pub expires: Option<Option<i64>>,
}

/// A grant that is being changed.
pub(super) struct Open<'c> {
    pub(super) editing: Editing<'c>,
    pub(super) grant: Stored<Grant>,
    /// The name of its server.
    pub(super) server: String,
    /// The name of its policy.
    pub(super) policy: Option<String>,
}

impl Control {
    /// Changes label, tags or end of a grant.
    pub async fn edit_grant(
        &self,
        caller: &Caller,
        wanted: &str,
        edit: GrantEdit,
        precondition: Precondition,
    ) -> Result<GrantRow, Error> {
        let GrantEdit { label, tags, expires } = edit;
        label.as_deref().map_or(Ok(()), names::label)?;
        tags.as_ref().map_or(Ok(()), check_tags)?;
        check_expiry(expires.flatten(), self.now())?;
        let mut open = self.open_grant(caller, Permission::ManageGrants, wanted, precondition).await?;
        let before = open.grant.record.clone();
        if let Some(label) = label.filter(|label| *label != before.label) {
            free_label(&mut open.editing.change, (&before.server, &open.server), &label).await?;
            open.grant.record.label = label;
        }
        if let Some(tags) = tags {
            open.grant.record.tags = tags;
        }
        if let Some(expires) = expires {
            open.grant.record.expires = expires;
        }
        let policy = open.policy.clone();
        self.close_grant(open, "grant edit", &before, policy).await
    }

    /// Attaches another policy of the grant's server; without one, detaches what it has: then every call is denied.
    pub async fn attach_policy(
        &self,
        caller: &Caller,
        wanted: &str,
        policy: Option<&str>,
        precondition: Precondition,
    ) -> Result<GrantRow, Error> {
        let mut open = self.open_grant(caller, Permission::EditPolicies, wanted, precondition).await?;
        let before = open.grant.record.clone();
        let attached: Option<Policy> = match policy {
            None => None,
            Some(policy) => {
                let server = (before.server.as_str(), open.server.as_str());
                Some(policies::known(&mut open.editing.change, server, policy).await?.record)
            }
        };
        open.grant.record.policy = attached.as_ref().map(|policy| policy.id.clone());
        let what = if attached.is_some() { "grant attach" } else { "grant detach" };
        self.close_grant(open, what, &before, attached.map(|policy| policy.name)).await
    }

    /// Revokes a grant for good.
    pub async fn revoke_grant(
        &self,
        caller: &Caller,
        wanted: &str,
        precondition: Precondition,
    ) -> Result<GrantRow, Error> {
        let mut open = self.open_grant(caller, Permission::ManageGrants, wanted, precondition).await?;
        let before = open.grant.record.clone();
        open.grant.record.revoked = Some(self.now());
        open.grant.record.previous = None;
        let policy = open.policy.clone();
        self.close_grant(open, "grant revoke", &before, policy).await
    }

    /// Begins to change a grant that is live and may be changed by people.
    pub(super) async fn open_grant(
        &self,
        caller: &Caller,
        permission: Permission,
        wanted: &str,
        precondition: Precondition,
    ) -> Result<Open<'_>, Error> {
        let (cleared, Found { grant, server }) = self.grant_for(caller, permission, wanted).await?;
        let mut editing = self.edit(&cleared).await?;
        let grant = editing.change.get::<Grant>(&grant.record.id).await?.ok_or_else(|| unknown(wanted))?;
        let words = format!("the grant `{}`", grant.record.label);
        if grant.record.revoked.is_some() {
            let message = format!("the grant `{}` ({}) is revoked", grant.record.id, grant.record.label);
            let remedy = "mint another with `callgate grant mint`";
            return Err(Error::new(Kind::Conflict, "CG3044", message, remedy));
        }
        precondition.check_update(&words, grant.changed)?;
        check_origin(&grant.record)?;
        let policy = policy_within(&mut editing.change, &grant.record).await?;
        Ok(Open { editing, grant, server, policy })
    }

    /// Writes the grant, with its record for the journal, and puts it in force.
    pub(super) async fn close_grant(
        &self,
        open: Open<'_>,
        what: &'static str,
        before: &Grant,
        policy: Option<String>,
    ) -> Result<GrantRow, Error> {
        let Open { mut editing, grant, server, policy: policy_before } = open;
        if *before == grant.record {
            // Nothing to do: the change is dropped, and the revision stays.
            return self.grant_row(&Found { grant, server }, policy).await;
        }
        editing.change.update(&grant.record).await?;
        let before = recorded(before, &server, policy_before.as_deref());
        let after = recorded(&grant.record, &server, policy.as_deref());
        editing.step(Step { what, object: object(&grant.record, &server), before, after }).await?;
        let grant = Stored { changed: editing.revision(), ..grant };
        editing.finish(self).await?;
        self.grant_row(&Found { grant, server }, policy).await
    }
}

async fn policy_within(change: &mut Change<'_>, grant: &Grant) -> Result<Option<String>, Error> {
    let Some(policy) = &grant.policy else { return Ok(None) };
    Ok(change.get::<Policy>(policy).await?.map(|policy| policy.record.name))
}
