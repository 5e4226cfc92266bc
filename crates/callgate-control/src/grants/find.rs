//! Finding a grant by its identity or label, among those that the caller may see.

use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::{listing, names};
use callgate_store::{Grant, Policy, Reads, Server, Stored};

/// A grant that is there, with the server that it opens.
pub(super) struct Found {
    pub(super) grant: Stored<Grant>,
    /// The name of its server.
    pub(super) server: String,
}

impl Control {
    /// Finds a grant by its identity or its label, for a caller that may do this to it. What it may not see is not
    /// there.
    pub(super) async fn grant_for<'c>(
        &self,
        caller: &'c Caller,
        permission: Permission,
        wanted: &str,
    ) -> Result<(Cleared<'c>, Found), Error> {
        let visible = caller.clear(Permission::ReadGrants, Scope::Visible)?;
        let reads = self.reads(&visible);
        let grant = match reads.get::<Grant>(wanted).await? {
            Some(grant) if visible.sees(&grant.record.server) => grant,
            _ => labelled(&reads, &visible, wanted).await?,
        };
        let cleared = caller.clear(permission, Scope::Server(&grant.record.server))?;
        let server = reads.get::<Server>(&grant.record.server).await?;
        let server = server.map_or_else(|| grant.record.server.clone(), |server| server.record.name);
        Ok((cleared, Found { grant, server }))
    }
}

/// The one live grant with this label.
async fn labelled(reads: &Reads<'_>, visible: &Cleared<'_>, wanted: &str) -> Result<Stored<Grant>, Error> {
    let mut matching = Vec::new();
    // No label is longer, and none is empty.
    if (1..=100).contains(&wanted.chars().count()) {
        for server in listing::visible_servers(reads, visible).await? {
            matching.extend(reads.named::<Grant>(Some(&server), wanted).await?);
        }
    }
    if matching.len() > 1 {
        let mut ids = Vec::new();
        for grant in &matching {
            let server = reads.get::<Server>(&grant.record.server).await?;
            let server = server.map(|server| server.record.name).unwrap_or_default();
            ids.push(format!("{} ({server})", grant.record.id));
        }
        let message = format!("{} grants are called `{wanted}`", ids.len());
        return Err(Error::new(Kind::Conflict, "CG3044", message, format!("name one by its id: {}", ids.join(", "))));
    }
    matching.pop().ok_or_else(|| unknown(wanted))
}

/// There is none.
pub(super) fn unknown(wanted: &str) -> Error {
    let message = match names::is_token(wanted) {
        // Answers end up in logs and tickets.
        true => "there is no grant of this identity or label: it is a token".to_owned(),
        false => format!("there is no grant `{}`", wanted.chars().take(100).collect::<String>()),
    };
    Error::new(Kind::NotFound, "CG3044", message, "`callgate grant list` shows them")
}

/// The name of a grant's policy.
pub(super) async fn policy_name(reads: &Reads<'_>, grant: &Grant) -> Result<Option<String>, Error> {
    let Some(policy) = &grant.policy else { return Ok(None) };
    Ok(reads.get::<Policy>(policy).await?.map(|policy| policy.record.name))
}
