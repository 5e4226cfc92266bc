//! Two versions of a policy beside each other.

use super::{Difference, PolicyAt, RuleDifference, VersionRow, read};
use crate::caller::{Caller, Permission};
use crate::control::Control;
use crate::error::{Error, Kind};
use serde::Serialize;
use utoipa::ToSchema;

/// How two versions differ.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDifference)]
pub struct Compared {
    /// The older one.
    pub from: VersionRow,
    /// The newer one.
    pub to: VersionRow,
    /// Unified lines, as `diff -u` writes them; empty where the documents are the same.
    pub text: String,
    /// What differs by meaning. Empty where only spelling, order or tests differ; null where one of the documents can't be
    /// read by this version of the gateway.
    pub rules: Option<Vec<RuleDifference>>,
}

impl Control {
    /// Compares two versions: the current one (`to`) with the one before (`from`), where they are not named.
    pub async fn policy_difference(
        &self,
        caller: &Caller,
        at: PolicyAt<'_>,
        (from, to): (Option<i64>, Option<i64>),
    ) -> Result<Compared, Error> {
        let (cleared, place) = self.place(caller, Permission::ReadPolicies, at).await?;
        let reads = self.reads(&cleared);
        let policy = read::find(&reads, &place).await?.record;
        let to = to.unwrap_or(policy.current);
        let from = from.unwrap_or(to.saturating_sub(1));
        let to = read::numbered(&reads, &place, &policy, to).await?;
        let from = read::numbered(&reads, &place, &policy, from).await?;
        let (from_row, to_row) = (place.row(&from), place.row(&to));
        let label = |row: &VersionRow| format!("{} version {}", row.name, row.version);
        let labels = (label(&from_row), label(&to_row));
        // A large document takes its time.
        let work = move || Difference::between((&labels.0, &from.document), (&labels.1, &to.document));
        let Difference { text, rules } = tokio::task::spawn_blocking(work).await.map_err(|_| {
            let message = format!("the comparison of {} did not come to its end", place.words());
            Error::new(Kind::Unavailable, "CG3132", message, "this is a bug of the gateway: please report it")
        })?;
        Ok(Compared { from: from_row, to: to_row, text, rules })
    }
}
