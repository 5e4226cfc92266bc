//! From what should be there to what is there: one plan, one transaction, for `callgate apply` and for the
//! configuration file.

mod check;
mod compare;
mod declare;
mod execute;
mod present;

pub use declare::{Declaration, DeclaredGrant, DeclaredServer};

use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::target::Target;
use callgate_store::Origin;
use check::Checked;
use execute::Execution;
use present::Present;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// What should be there. What isn't named stays, unless it is pruned.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// Servers.
    pub servers: Vec<DesiredServer>,
    /// Policies of servers.
    pub policies: Vec<DesiredPolicy>,
    /// The organisation's baseline policy.
    pub baseline: Option<DesiredDocument>,
    /// Grants.
    pub grants: Vec<DesiredGrant>,
}

/// A server that should be registered.
#[derive(Clone, Debug)]
pub struct DesiredServer {
    /// Its name.
    pub name: String,
    /// Where it is, with its secrets.
    pub target: Target,
    /// How it is treated.
    pub settings: Settings,
    /// Where that is said, for messages: `servers/kernel.toml`.
    pub file: String,
}

/// A policy that should be in force.
#[derive(Clone, Debug)]
pub struct DesiredPolicy {
    /// The name of its server.
    pub server: String,
    /// Its name.
    pub name: String,
    /// The document.
    pub document: DesiredDocument,
}

/// A document, or why it can't be read.
#[derive(Clone, Debug)]
pub struct DesiredDocument {
    /// The text; an error is what messages say about it.
    pub text: Result<Arc<str>, String>,
    /// Where it is, for messages: `policies/kernel/default.json`.
    pub file: String,
}

/// A grant that should be there.
#[derive(Clone, Debug)]
pub struct DesiredGrant {
    /// Its label.
    pub label: String,
    /// The name of its server.
    pub server: String,
    /// The name of its policy; without one every call is denied.
    pub policy: Option<String>,
    /// Tags that rules can look at.
    pub tags: BTreeMap<String, String>,
    /// When it ends by itself, milliseconds since the Unix epoch.
    pub expires: Option<i64>,
    /// Its token; without one a new grant gets one of its own, and one that is there keeps its.
    pub token: Option<Secret>,
    /// Where that is said, for messages.
    pub file: String,
}

/// How to go about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Applying {
    /// Only says what would be done.
    pub dry_run: bool,
    /// Removes what was applied once and is not desired any more.
    pub prune: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct Applied {
    /// Whether anything differs from what is desired.
    pub changed: bool,
    /// Whether it was done; not in a dry run.
    pub applied: bool,
    /// Object by object: servers, policies, the baseline, grants.
    pub plan: Vec<PlanRow>,
    /// The grants that were minted, each with its token, which is shown this once.
    pub minted: Vec<MintedGrant>,
    /// Which plan it is, of what is there: also the `ETag`. Sent as `If-Match`, nothing is done where it is another one
    /// by then.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub plan_id: String,
}

/// One object of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanRow {
    /// What is done with it.
    pub action: Action,
    /// Which one: `server/kernel`, `server/kernel/policy/default`, `baseline`, `server/kernel/grant/laptop`.
    pub object: String,
    /// What differs, for a change.
    pub differences: Vec<FieldDifference>,
    /// How a document differs, line by line; null for everything else.
    pub diff: Option<String>,
    /// What an operator should know beside it.
    pub notes: Vec<String>,
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Add,
    /// It says something else.
    Change,
    /// It is not desired any more.
    Remove,
    /// It is as it should be.
    Unchanged,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldDifference {
    /// Which one: `target.url`, `target.headers.Authorization`, `policy`.
    pub field: String,
    /// What is there; null where nothing is, and for secrets.
    pub before: serde_json::Value,
    /// What should be there; null where nothing should, and for secrets.
    pub after: serde_json::Value,
    /// Whether the values are secret and not shown.
    pub secret: bool,
}

/// A grant that was minted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppliedGrant)]
pub struct MintedGrant {
    /// Its identity.
    pub id: String,
    /// The name of its server.
    pub server: String,
    /// Its label.
    pub label: String,
    /// Its token.
    #[serde(serialize_with = "revealed")]
    #[schema(value_type = String)]
    pub token: Secret,
    /// The URL that clients use with it.
    pub url: String,
}

/// Who applies, and how what is there is kept.
#[derive(Clone, Debug)]
struct Round {
    origin: Origin,
    applying: Applying,
    /// The only plan that may be carried out, where it was seen before.
    only: Option<String>,
}

impl Control {
    /// Makes what is there what should be there, in one step: nothing is done unless all of it can be. CG3176 with
    /// every problem at once; CG3118 where that is another plan than `only`.
    pub async fn apply(
        &self,
        caller: &Caller,
        desired: Desired,
        applying: Applying,
        only: Option<String>,
    ) -> Result<Applied, Error> {
        for permission in [Permission::ManageGrants, Permission::EditPolicies] {
            caller.clear(permission, Scope::Organisation)?;
        }
        let cleared = caller.clear(Permission::ManageServers, Scope::Organisation)?;
        if desired.servers.iter().any(|server| server.target.is_command()) {
            self.may_run(&cleared).await?;
        }
        let checked = check::check(self, caller.organisation(), desired).await?;
        let (applied, _) = self.carry_out(&cleared, checked, Round { origin: Origin::Apply, applying, only }).await?;
        Ok(applied)
    }

    /// Reads, compares, and unless it is a dry run, writes. Also gives the identities of policies that never were good.
    async fn carry_out(
        &self,
        cleared: &Cleared<'_>,
        checked: Checked,
        round: Round,
    ) -> Result<(Applied, Vec<(String, String)>), Error> {
        let mut editing = self.edit(cleared).await?;
        let present = Present::read(&mut editing, &self.inner.vault).await?;
        let plan = compare::plan(self, &present, checked, &round)?;
        let plan_id = plan.id(&present);
        if round.only.is_some_and(|only| only != plan_id) {
            let message = "the plan is another one by now: what it is about was changed, or what is desired was";
            return Err(Error::new(Kind::Changed, "CG3118", message, "look at the plan again, and apply that one"));
        }
        let changed = plan.steps.iter().any(|step| step.row.action != Action::Unchanged);
        let rows = plan.steps.iter().map(|step| step.row.clone()).collect();
        if round.applying.dry_run || !changed {
            // Dropped, the change never was.
            return Ok((Applied { changed, applied: false, plan: rows, minted: Vec::new(), plan_id }, plan.broken));
        }
        let known = plan.broken.clone();
        let mut execution = Execution::new(self, editing, &present, round.origin);
        for step in plan.in_order() {
            execution.carry_out(step).await?;
        }
        let Execution { editing, minted, mut broken, removed, .. } = execution;
        broken.extend(known);
        editing.finish(self).await?;
        for (id, name) in removed {
            self.note_removal(cleared.caller().organisation(), &id, &name).await;
        }
        Ok((Applied { changed, applied: true, plan: rows, minted, plan_id }, broken))
    }
}

fn revealed<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.reveal())
}

#[cfg(test)]
mod tests;
