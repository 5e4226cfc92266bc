//! Records: decisions, changes and refusals, searched in the journal's index.

mod journal;
mod query;
mod shown;
mod summary;
mod tail;

pub(crate) use journal::failure;
pub use journal::{Deletion, Pruning};
pub(crate) use query::moment_of;
pub use query::{FATES, QueryError, Subject, Term, Terms, parse};
pub use shown::{Change, Decision, Place, Refusal, Shadow};
pub use summary::{Bucket, OfServer, Summary, TopRule, Totals, Wanted};
pub(crate) use tail::{News, Tail};

use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::listing::{Listed, Part};
use callgate_store::{Found, Search, Server, Sight};

impl Control {
    /// Decisions, newest first: of the whole organisation, or about the servers that the caller may see.
    pub async fn decisions(&self, caller: &Caller, terms: &Terms, part: &Part) -> Result<Listed<Decision>, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let search = self.search(&cleared, terms, part).await?;
        let found = self.reads(&cleared).decisions(&search).await?;
        Ok(listed(found, Decision::from))
    }

    /// One decision.
    pub async fn decision(&self, caller: &Caller, id: &str) -> Result<Decision, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let found = self.reads(&cleared).decision(id).await?;
        let seen = found.filter(|row| cleared.sees_all() || cleared.sees(&row.server_id));
        seen.map(Decision::from).ok_or_else(|| {
            let id: String = id.chars().take(40).collect();
            let remedy = "`GET /api/v1/decisions` lists them; retention deletes old ones";
            Error::new(Kind::NotFound, "CG3191", format!("there is no decision `{id}`"), remedy)
        })
    }

    /// Changes of the configuration, newest first.
    pub async fn changes(&self, caller: &Caller, terms: &Terms, part: &Part) -> Result<Listed<Change>, Error> {
        let cleared = caller.clear(Permission::ReadChanges, Scope::Visible)?;
        let search = self.search(&cleared, terms, part).await?;
        let found = self.reads(&cleared).changes(&search).await?;
        Ok(listed(found, Change::from))
    }

    /// What was withheld from clients, and what was refused before a grant was known. The latter belongs to no
    /// organisation: it is shown where there is only one, and to whoever may handle the instance.
    pub async fn refusals(&self, caller: &Caller, terms: &Terms, part: &Part) -> Result<Listed<Refusal>, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let search = self.search(&cleared, terms, part).await?;
        let early = cleared.sees_all() && self.is_everything(caller).await?;
        let found = self.reads(&cleared).refusals(&search, early).await?;
        Ok(listed(found, Refusal::from))
    }

    /// Whether what belongs to no organisation is the caller's to see.
    pub(crate) async fn is_everything(&self, caller: &Caller) -> Result<bool, Error> {
        if caller.clear(Permission::ManageInstance, Scope::Organisation).is_ok() {
            return Ok(true);
        }
        Ok(self.inner.store.organisations().await?.len() == 1)
    }

    async fn search(&self, cleared: &Cleared<'_>, terms: &Terms, part: &Part) -> Result<Search, Error> {
        let after = part.after.as_deref().map(str::parse).transpose()?;
        let sight = self.sight(cleared).await?;
        let Terms { filters, words, since, until } = terms.clone();
        Ok(Search { filters, words, since, until, sight, after, limit: part.limit, ..Search::default() })
    }

    /// Whose records the caller may see.
    pub(crate) async fn sight(&self, cleared: &Cleared<'_>) -> Result<Sight, Error> {
        if cleared.sees_all() {
            return Ok(Sight::All);
        }
        let mut servers = Vec::new();
        let reads = self.reads(cleared);
        for id in cleared.caller().roles().servers.keys().filter(|id| cleared.sees(id)) {
            if let Some(found) = reads.get::<Server>(id).await? {
                servers.push((id.clone(), found.record.name, found.record.created));
            }
        }
        Ok(Sight::Servers(servers))
    }
}

fn listed<R, T>(found: Found<R>, show: impl Fn(R) -> T) -> Listed<T> {
    let next = found.next.map(|place| place.to_string());
    Listed { items: found.rows.into_iter().map(show).collect(), next }
}

#[cfg(test)]
pub(crate) use journal::tests as tests_of_the_journal;
#[cfg(test)]
mod tests;
