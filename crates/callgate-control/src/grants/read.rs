//! Listing and showing grants.

use super::find::{Found, policy_name};
use super::rows::{Beside, GrantRow};
use crate::caller::{Caller, Permission, Scope};
use crate::control::Control;
use crate::error::Error;
use crate::listing::{self, Listed, Parents, Part, ServerNames};
use callgate_store::{Grant, Reads, Stored};
use std::collections::BTreeMap;

impl Control {
    /// The grants of one server, or of all servers that the caller may see, revoked ones too; with a label only the
    /// live ones that have it.
    pub async fn list_grants(
        &self,
        caller: &Caller,
        (server, label): (Option<&str>, Option<&str>),
        part: &Part,
    ) -> Result<Listed<GrantRow>, Error> {
        let cleared = caller.clear(Permission::ReadGrants, Scope::Visible)?;
        let reads = self.reads(&cleared);
        let server = match server {
            Some(server) => Some(self.server_for(caller, Permission::ReadGrants, server).await?.1.record.id),
            None => None,
        };
        let mut listed = match (server, label) {
            (Some(server), Some(label)) => part.named(&reads, vec![server], label).await?,
            (None, Some(label)) => part.named(&reads, listing::visible_servers(&reads, &cleared).await?, label).await?,
            (Some(server), None) => part.read(&reads, Parents::Of(vec![server]), |_| true, key).await?,
            (None, None) => part.read(&reads, Parents::visible(&cleared), |_| true, key).await?,
        };
        let grants = std::mem::take(&mut listed.items);
        let mut names = ServerNames::new(self.reads(&cleared));
        let rows = self.rows(&reads, &mut names, &grants).await?;
        Ok(listed.with(rows))
    }

    /// One grant, by its identity or label.
    pub async fn show_grant(&self, caller: &Caller, wanted: &str) -> Result<GrantRow, Error> {
        let (cleared, found) = self.grant_for(caller, Permission::ReadGrants, wanted).await?;
        let policy = policy_name(&self.reads(&cleared), &found.grant.record).await?;
        self.grant_row(&found, policy).await
    }

    /// A grant as answers show it.
    pub(super) async fn grant_row(&self, found: &Found, policy: Option<String>) -> Result<GrantRow, Error> {
        let Found { grant, server } = found;
        let used = self.inner.store.last_used(std::slice::from_ref(&grant.record.id)).await?;
        let used = used.first().map(|(_, at)| *at);
        Ok(GrantRow::of(grant, Beside { server, policy, used, now: self.now() }))
    }

    async fn rows(
        &self,
        reads: &Reads<'_>,
        names: &mut ServerNames<'_>,
        grants: &[Stored<Grant>],
    ) -> Result<Vec<GrantRow>, Error> {
        let ids: Vec<String> = grants.iter().map(|grant| grant.record.id.clone()).collect();
        let used: BTreeMap<String, i64> = self.inner.store.last_used(&ids).await?.into_iter().collect();
        let now = self.now();
        let mut policies: BTreeMap<&str, Option<String>> = BTreeMap::new();
        let mut rows = Vec::new();
        for grant in grants {
            let server = names.of(&grant.record.server).await?;
            let policy = match &grant.record.policy {
                None => None,
                Some(id) => match policies.get(id.as_str()) {
                    Some(name) => name.clone(),
                    None => {
                        let name = policy_name(reads, &grant.record).await?;
                        policies.insert(id, name.clone());
                        name
                    }
                },
            };
            let used = used.get(&grant.record.id).copied();
            rows.push(GrantRow::of(grant, Beside { server: &server, policy, used, now }));
        }
        Ok(rows)
    }
}

fn key(grant: &Grant) -> String {
    grant.id.clone()
}
