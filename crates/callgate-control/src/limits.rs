//! Limits: what their counters hold now, and setting them to zero.
//!
//! The data plane counts; what it holds comes through the port [`Counters`]. Which rule a counter belongs to is found in
//! the policies in force: a counter is named by its scope, name, window and unit, and a limit by the rule that bounds it.

mod ground;
mod reset;
mod shown;

pub use reset::{LimitReset, ResetRequest};
pub use shown::{Limit, LimitGrant};

use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::listing::{Listed, Part};
use callgate_decision::ResetOrder;
use callgate_policy::{Organisation, Standing};
use callgate_store::Sight;
use futures_util::future::BoxFuture;
use ground::{Ground, Seen};
use std::sync::Arc;

/// The counters of the data plane, as a port.
pub trait Counters: Send + Sync {
    /// What the counters of an organisation hold, without those that hold nothing. An error says why nobody knows.
    fn standing(&self, organisation: &Organisation) -> Result<Vec<Standing>, String>;

    /// Sets counters to zero from now on; when it returns, that is recorded.
    fn reset<'a>(&'a self, order: ResetOrder<'a>) -> BoxFuture<'a, Result<(), String>>;
}

/// Which limits are listed.
#[derive(Clone, Debug, Default)]
pub struct LimitFilter {
    /// Only those of this server: its name or identity.
    pub server: Option<String>,
    /// Only those of this grant: its label or identity.
    pub grant: Option<String>,
}

impl Control {
    /// Hands over the counters. Only the first ones count.
    pub fn count_with(&self, counters: Arc<dyn Counters>) {
        drop(self.inner.counters.set(counters));
    }

    /// The limits that count something now, nearest to exhaustion first: those of the servers that the caller may see.
    /// What identities and the whole organisation use is shown to who may see all servers. CG3252.
    pub async fn limits(&self, caller: &Caller, filter: LimitFilter, part: &Part) -> Result<Listed<Limit>, Error> {
        let cleared = caller.clear(Permission::ReadDecisions, Scope::Visible)?;
        let seen = match self.sight(&cleared).await? {
            Sight::All => Seen::All,
            Sight::Servers(servers) => Seen::Servers(servers.into_iter().map(|(id, _, _)| id).collect()),
        };
        let counters = Arc::clone(self.counters()?);
        let organisation = organisation(caller)?;
        let configuration = Arc::clone(&self.inner.published.borrow());
        // There may be a great many of them.
        let listed = tokio::task::spawn_blocking(move || {
            let standing = counters.standing(&organisation)?;
            let ground = Ground::of(&configuration, organisation.as_str());
            Ok(shown::listed(&ground, &standing, &seen, &filter))
        });
        let limits = listed.await.unwrap_or_else(|_| Err("reading them was cut short".to_owned())).map_err(unknown)?;
        // A list that is in motion: its parts go by place.
        let begin = part.after.as_deref().and_then(|after| after.parse::<usize>().ok()).unwrap_or(0);
        let end = begin.saturating_add(usize::try_from(part.limit).unwrap_or(usize::MAX));
        let next = (end < limits.len()).then(|| end.to_string());
        Ok(Listed { items: limits.into_iter().take(end).skip(begin).collect(), next })
    }

    fn counters(&self) -> Result<&Arc<dyn Counters>, Error> {
        self.inner.counters.get().ok_or_else(|| unknown("no gateway serves here".to_owned()))
    }
}

fn organisation(caller: &Caller) -> Result<Organisation, Error> {
    Organisation::parse(caller.organisation()).map_err(|error| unknown(error.to_string()))
}

/// CG3252.
fn unknown(why: String) -> Error {
    let remedy = "counters are kept by the process that serves: `callgate up`, or the first `callgate wrap`";
    Error::new(Kind::Unavailable, "CG3252", format!("nobody can say what is counted: {why}"), remedy)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod trial;
