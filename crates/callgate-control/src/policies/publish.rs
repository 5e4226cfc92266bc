//! Publishing a version of a policy, and going back to an earlier one.

use super::{Place, PolicyAt, PolicyRow, read};
use crate::caller::{Caller, Permission};
use crate::change::{Editing, Step};
use crate::configuration::PublishedDefinitions;
use crate::control::Control;
use crate::document::{self, ProblemRow};
use crate::error::{Error, Kind};
use crate::listing::{Parents, Part};
use crate::names;
use crate::precondition::Precondition;
use callgate_policy::{Policy as Compiled, Unlisted};
use callgate_store::{Change, Grant, Origin, Policy, PolicyVersion, Reads, Server, Stored};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// So many labels are named in a note.
const NAMED: u32 = 10;

/// A document that is to be in force.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The document.
    pub document: Arc<str>,
    /// What messages call it.
    pub file: String,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PublishedPolicy)]
pub struct Published {
    /// What is in force now; in a dry run what would be.
    #[serde(flatten)]
    pub policy: PolicyRow,
    /// Whether there is a new version; in a dry run whether there would be. The same document again makes none.
    pub changed: bool,
    /// What is hardly meant in the document as it is written.
    pub warnings: Vec<ProblemRow>,
    /// What the publisher should know beside it.
    pub notes: Vec<String>,
}

/// A version in the making.
pub(crate) struct NewVersion<'a> {
    /// The document, which is publishable.
    pub(crate) document: &'a str,
    /// The version that it repeats.
    pub(crate) repeats: Option<i64>,
    /// Who publishes it, as records of changes say it.
    pub(crate) by: String,
    /// When, milliseconds since the Unix epoch.
    pub(crate) at: i64,
    /// Who keeps the policy, where it is a new one.
    pub(crate) origin: Origin,
}

impl Control {
    /// Publishes a document whose check and tests pass, as a new version.
    pub async fn publish_policy(
        &self,
        caller: &Caller,
        at: PolicyAt<'_>,
        publication: &Publication,
        precondition: Precondition,
    ) -> Result<Published, Error> {
        let (cleared, place) = self.place(caller, Permission::EditPolicies, at).await?;
        place.check_name()?;
        let Publication { document: text, file, dry_run } = publication;
        let compiled = document::publishable_aside(text, self.pinned_for(&place)).await;
        let mut editing = self.edit(&cleared).await?;
        let before = place.current(&mut editing.change).await?;
        match &before {
            Some((policy, _)) => {
                if !dry_run || precondition != Precondition::Unsaid {
                    precondition.check_update(&place.words(), policy.changed)?;
                }
                place.check_origin(&policy.record)?;
            }
            None => precondition.check_creation(&place.words())?,
        }
        let compiled = compiled.map_err(|unusable| unusable.refused("the policy", file))?;
        let warnings = document::rows(compiled.warnings());
        let mut notes = Vec::new();
        if let Some((policy, Some(version))) = &before
            && version.digest == document::digest(text.as_bytes())
        {
            notes.push(format!("version {} is the same document: nothing to do", version.version));
            let policy = PolicyRow::of(place.server_name(), policy, Some(version));
            return Ok(Published { policy, changed: false, warnings, notes });
        }
        notes.extend(place.advice(&compiled));
        let version = NewVersion {
            document: text,
            repeats: None,
            by: caller.who().word(),
            at: self.now(),
            origin: Origin::Manual,
        };
        let what = place.what("policy publish", "baseline publish");
        let mut policy = place.add_version(&mut editing, what, version).await?;
        let is_new = before.is_none();
        if *dry_run {
            // Dropped, the change never was.
            drop(editing);
            policy.published = None;
            policy.revision = before.map_or(0, |(policy, _)| policy.changed);
        } else {
            editing.finish(self).await?;
        }
        if is_new {
            notes.extend(place.without_policy(&self.reads(&cleared)).await?);
        }
        Ok(Published { policy, changed: true, warnings, notes })
    }

    /// Publishes an earlier version again: the one before the current, or `to`.
    pub async fn roll_back_policy(
        &self,
        caller: &Caller,
        at: PolicyAt<'_>,
        to: Option<i64>,
        precondition: Precondition,
    ) -> Result<Published, Error> {
        let (cleared, place) = self.place(caller, Permission::EditPolicies, at).await?;
        let reads = self.reads(&cleared);
        let seen = read::find(&reads, &place).await?;
        let wanted = place.earlier(&seen.record, to)?;
        let version = read::numbered(&reads, &place, &seen.record, wanted).await?;
        let text: Arc<str> = version.document.into();
        let compiled = document::publishable_aside(&text, self.pinned_for(&place)).await;
        let mut editing = self.edit(&cleared).await?;
        let before = place.current(&mut editing.change).await?;
        let policy = before.map(|(policy, _)| policy).ok_or_else(|| place.unknown())?;
        precondition.check_update(&place.words(), policy.changed)?;
        place.check_origin(&policy.record)?;
        if (&policy.record.id, policy.record.current) != (&seen.record.id, seen.record.current) {
            // Another version was published between reading the earlier one and now.
            return Err(Precondition::changed(&place.words(), policy.changed));
        }
        let file = format!("version {wanted}");
        let compiled = compiled.map_err(|unusable| unusable.refused(&file, &file))?;
        let version = NewVersion {
            document: &text,
            repeats: Some(wanted),
            by: caller.who().word(),
            at: self.now(),
            origin: Origin::Manual,
        };
        let what = place.what("policy rollback", "baseline rollback");
        let policy = place.add_version(&mut editing, what, version).await?;
        editing.finish(self).await?;
        let warnings = document::rows(compiled.warnings());
        Ok(Published { policy, changed: true, warnings, notes: Vec::new() })
    }

    /// What the tests of a document at this place are run with; a baseline is for the tools of all servers, so for none.
    fn pinned_for(&self, place: &Place) -> Option<Arc<PublishedDefinitions>> {
        let server = place.server.as_ref()?;
        self.inner.published.borrow().definitions.get(server.id.as_str()).cloned()
    }
}

impl Place {
    /// The policy of this place with its version in force, within a change; an error where its server is gone.
    pub(crate) async fn current(
        &self,
        change: &mut Change<'_>,
    ) -> Result<Option<(Stored<Policy>, Option<PolicyVersion>)>, Error> {
        if let Some(server) = &self.server
            && change.get::<Server>(&server.id).await?.is_none()
        {
            let message = format!("the server `{}` was removed in the meantime", server.name);
            return Err(Error::new(
                Kind::NotFound,
                "CG3041",
                message,
                "`callgate server list` shows those that are there",
            ));
        }
        let Some(policy) = change.named::<Policy>(self.parent(), &self.name).await? else { return Ok(None) };
        let number = policy.record.current.to_string();
        let version = change.named::<PolicyVersion>(Some(&policy.record.id), &number).await?;
        Ok(Some((policy, version.map(|version| version.record))))
    }

    /// Adds a version, and the policy itself where it is new, and puts it in force.
    pub(crate) async fn add_version(
        &self,
        editing: &mut Editing<'_>,
        what: &'static str,
        new: NewVersion<'_>,
    ) -> Result<PolicyRow, Error> {
        let NewVersion { document, repeats, by, at, origin } = new;
        let (policy, before) = match self.current(&mut editing.change).await? {
            Some((policy, before)) => {
                let record = Policy { current: policy.record.current.saturating_add(1), ..policy.record };
                editing.change.update(&record).await?;
                (record, before)
            }
            None => {
                let record = Policy {
                    id: names::new_id("p_")?,
                    server: self.parent().map(str::to_owned),
                    name: self.name.clone(),
                    current: 1,
                    origin,
                    created: at,
                };
                editing.change.insert(&record).await?;
                (record, None)
            }
        };
        let version = PolicyVersion {
            policy: policy.id.clone(),
            version: policy.current,
            document: document.to_owned(),
            digest: document::digest(document.as_bytes()),
            repeats,
            by,
            at,
        };
        editing.change.insert(&version).await?;
        let before = before.map_or(Value::Null, |before| self.row(&before).json());
        let after = self.row(&version).json();
        editing.step(Step { what, object: self.object(), before, after }).await?;
        let stored = Stored { record: policy, changed: editing.revision(), removed: None };
        Ok(PolicyRow::of(self.server_name(), &stored, Some(&version)))
    }

    /// The version to go back to.
    fn earlier(&self, policy: &Policy, to: Option<i64>) -> Result<i64, Error> {
        let current = policy.current;
        let wanted = to.unwrap_or_else(|| current.saturating_sub(1));
        if (1..current).contains(&wanted) {
            return Ok(wanted);
        }
        let message = match to {
            None => format!("{} has no version before {current}", self.words()),
            Some(_) => format!("{} has no version {wanted} to go back to (it is at {current})", self.words()),
        };
        Err(Error::new(Kind::Invalid, "CG3043", message, "`callgate policy history` shows the versions"))
    }

    /// What the author of a baseline may not expect.
    fn advice(&self, policy: &Compiled) -> Option<String> {
        (self.server.is_none() && policy.unlisted() == Unlisted::Deny).then(|| {
            "the baseline says `default: deny`: a tool that it does not list is denied on every server".to_owned()
        })
    }

    /// Who publishes a server's first policy after minting its grants should know that they are still without one.
    async fn without_policy(&self, reads: &Reads<'_>) -> Result<Option<String>, Error> {
        let Some(server) = &self.server else { return Ok(None) };
        let bare = |grant: &Stored<Grant>| grant.record.policy.is_none() && grant.record.revoked.is_none();
        let first = Part { limit: NAMED, after: None };
        let parents = Parents::Of(vec![server.id.clone()]);
        let listed = first.read(reads, parents, bare, |grant: &Grant| grant.id.clone()).await?;
        let labels: Vec<&str> = listed.items.iter().map(|grant| grant.record.label.as_str()).collect();
        let Some(first) = labels.first() else { return Ok(None) };
        let (server, name) = (&server.name, &self.name);
        let (grants, more) = match (labels.len(), listed.next) {
            (_, Some(_)) => (format!("there are more than {NAMED} grants"), ", …"),
            (1, None) => ("there is 1 grant".to_owned(), ""),
            (count, None) => (format!("there are {count} grants"), ""),
        };
        Ok(Some(format!(
            "{grants} of `{server}` without a policy, denied everything ({}{more}): \
             `callgate grant attach {first} --policy {name}`",
            labels.join(", ")
        )))
    }
}
