//! Deleting a policy with its versions.

use super::{PolicyAt, attached};
use crate::caller::{Caller, Permission};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::grants;
use crate::precondition::Precondition;
use callgate_store::{Grant, Policy, Stored};
use serde_json::Value;

/// So many labels are named in an error.
const NAMED: usize = 10;

impl Control {
    /// Deletes a policy. Refused while grants carry it, unless they are to be detached: then every call under them is
    /// denied.
    pub async fn delete_policy(
        &self,
        caller: &Caller,
        at: PolicyAt<'_>,
        detach: bool,
        precondition: Precondition,
    ) -> Result<(), Error> {
        let (cleared, place) = self.place(caller, Permission::EditPolicies, at).await?;
        let mut editing = self.edit(&cleared).await?;
        let (policy, version) = place.current(&mut editing.change).await?.ok_or_else(|| place.unknown())?;
        precondition.check_update(&place.words(), policy.changed)?;
        place.check_origin(&policy.record)?;
        let carriers = attached::grants(&mut editing.change, &policy.record).await?;
        if !carriers.is_empty() && !detach {
            return Err(carried(&place.words(), &carriers));
        }
        if let Some(server) = place.server_name() {
            carriers.iter().try_for_each(|carrier| grants::check_origin(&carrier.record))?;
            for carrier in carriers {
                detach_one(&mut editing, (server, &policy.record), carrier).await?;
            }
        }
        editing.change.remove::<Policy>(&policy.record.id, self.now()).await?;
        let before = version.map_or(Value::Null, |version| place.row(&version).json());
        let what = place.what("policy delete", "baseline delete");
        editing.step(Step { what, object: place.object(), before, after: Value::Null }).await?;
        editing.finish(self).await
    }
}

async fn detach_one(
    editing: &mut Editing<'_>,
    (server, policy): (&str, &Policy),
    carrier: Stored<Grant>,
) -> Result<(), Error> {
    let before = grants::recorded(&carrier.record, server, Some(&policy.name));
    let record = Grant { policy: None, ..carrier.record };
    editing.change.update(&record).await?;
    let after = grants::recorded(&record, server, None);
    editing.step(Step { what: "grant detach", object: grants::object(&record, server), before, after }).await
}

fn carried(words: &str, carriers: &[Stored<Grant>]) -> Error {
    let labels: Vec<&str> = carriers.iter().take(NAMED).map(|carrier| carrier.record.label.as_str()).collect();
    let more = if carriers.len() > labels.len() { ", …" } else { "" };
    let grants = if carriers.len() == 1 { "1 grant".to_owned() } else { format!("{} grants", carriers.len()) };
    let verb = if carriers.len() == 1 { "carries" } else { "carry" };
    Error::new(
        Kind::Conflict,
        "CG3130",
        format!("{grants} {verb} {words}: {}{more}", labels.join(", ")),
        "attach another policy to them, or delete it with `detach=true`: then they are denied everything",
    )
}
