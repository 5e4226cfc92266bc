//! Policies: named documents with versions, of one server each, and the organisation's baseline.

mod attached;
mod difference;
mod history;
mod publish;
mod read;
mod remove;
mod rows;

pub use difference::{Change, Difference, Effect, RuleDifference};
pub use history::Compared;
pub use publish::{Publication, Published};
pub use rows::{PolicyListed, PolicyRow, PolicyShown, VersionRow, VersionShown};

pub(crate) use difference::unified;
pub(crate) use read::{known, names, of_server};

use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use callgate_store::{Origin, Policy, PolicyVersion, Server};

/// What the baseline is called in the store.
const BASELINE: &str = "baseline";

/// Which policy is meant, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub enum PolicyAt<'a> {
    /// One of a server.
    Server {
        /// The server's name or identity.
        server: &'a str,
        /// The policy's name.
        name: &'a str,
    },
    /// The organisation's baseline.
    Baseline,
}

/// A policy's place, found: its owner is there and may be seen.
#[derive(Clone)]
pub(crate) struct Place {
    /// The server; `None` for the baseline.
    pub(crate) server: Option<Server>,
    /// The policy's name.
    pub(crate) name: String,
}

impl Control {
    /// Finds the place of a policy, for a caller that may do this there.
    async fn place<'c>(
        &self,
        caller: &'c Caller,
        permission: Permission,
        at: PolicyAt<'_>,
    ) -> Result<(Cleared<'c>, Place), Error> {
        match at {
            PolicyAt::Baseline => {
                let cleared = caller.clear(permission, Scope::Organisation)?;
                Ok((cleared, Place { server: None, name: BASELINE.to_owned() }))
            }
            PolicyAt::Server { server, name } => {
                let (cleared, server) = self.server_for(caller, permission, server).await?;
                Ok((cleared, Place { server: Some(server.record), name: name.to_owned() }))
            }
        }
    }
}

impl Place {
    /// The identity of the server; `None` for the baseline.
    pub(crate) fn parent(&self) -> Option<&str> {
        self.server.as_ref().map(|server| server.id.as_str())
    }

    /// The name of the server; `None` for the baseline.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server.as_ref().map(|server| server.name.as_str())
    }

    /// As records of changes call it.
    pub(crate) fn object(&self) -> String {
        match self.server_name() {
            Some(server) => format!("server/{server}/policy/{}", self.name),
            None => BASELINE.to_owned(),
        }
    }

    /// As messages call it.
    pub(crate) fn words(&self) -> String {
        match self.server_name() {
            Some(server) => format!("the policy `{}` of `{server}`", self.name),
            None => "the baseline".to_owned(),
        }
    }

    /// What a change of it is called in records.
    fn what(&self, of_policy: &'static str, of_baseline: &'static str) -> &'static str {
        if self.server.is_some() { of_policy } else { of_baseline }
    }

    /// Refuses a name that a policy can't have.
    fn check_name(&self) -> Result<(), Error> {
        crate::names::policy_name(&self.name)
    }

    /// There is none of this name.
    fn unknown(&self) -> Error {
        let (message, remedy) = match self.server_name() {
            Some(server) => {
                let name: String = self.name.chars().take(80).collect();
                (format!("the server `{server}` has no published policy `{name}`"), "`callgate policy list` shows them")
            }
            None => ("the organisation has no baseline policy".to_owned(), "publish one first"),
        };
        Error::new(Kind::NotFound, "CG3043", message, remedy)
    }

    /// Refuses to change what the configuration file keeps.
    fn check_origin(&self, policy: &Policy) -> Result<(), Error> {
        if policy.origin != Origin::File {
            return Ok(());
        }
        let message = format!("{} is declared in the configuration file", self.words());
        let remedy = match self.server {
            Some(_) => "edit its file: it applies at once; or publish under another name (`--name`)",
            None => "edit its file: it applies at once",
        };
        Err(Error::new(Kind::Conflict, "CG3046", message, remedy))
    }

    /// A version as answers and records show it.
    fn row(&self, version: &PolicyVersion) -> VersionRow {
        VersionRow::of(self, version)
    }
}

#[cfg(test)]
pub(crate) mod tests;
