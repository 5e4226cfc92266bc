//! The grants that carry a policy.

use crate::error::Error;
use callgate_store::{Change, Grant, Page, Policy, Stored};

/// So many are looked through at once.
const CHUNK: u32 = 1_000;

/// The live grants that carry this policy. Only grants of its own server can.
pub(super) async fn grants(change: &mut Change<'_>, policy: &Policy) -> Result<Vec<Stored<Grant>>, Error> {
    let Some(server) = &policy.server else { return Ok(Vec::new()) };
    let mut grants = Vec::new();
    let mut after = None;
    loop {
        let page = Page { parent: Some(server.clone()), after: after.take(), limit: CHUNK };
        let rows = change.list::<Grant>(&page).await?;
        let full = rows.len() >= usize::try_from(CHUNK).unwrap_or(usize::MAX);
        after = rows.last().map(|row| row.record.id.clone());
        let carries =
            |row: &Stored<Grant>| row.record.policy.as_ref() == Some(&policy.id) && row.record.revoked.is_none();
        grants.extend(rows.into_iter().filter(carries));
        if !full {
            return Ok(grants);
        }
    }
}
