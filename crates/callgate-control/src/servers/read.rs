//! Looking at servers.

use super::credentials::opened;
use super::rows::ServerRow;
use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::listing::{Listed, Parents, Part};
use crate::target::Target;
use callgate_store::{Page, Policy, Reads, Server, Stored};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// So many policies of one server are read at once.
const CHUNK: u32 = 200;

/// A value that is shorter is no secret, and stands in many texts by chance; in bytes.
const SHORTEST: usize = 4;

/// What a server itself says about its tools.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tools {
    /// The complete list, as the server wrote it.
    #[schema(value_type = Vec<Object>)]
    pub tools: Box<RawValue>,
}

impl Control {
    /// The servers that the caller may see.
    pub async fn list_servers(&self, caller: &Caller, part: &Part) -> Result<Listed<ServerRow>, Error> {
        let cleared = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let reads = self.reads(&cleared);
        let visible = |stored: &Stored<Server>| cleared.sees(&stored.record.id);
        let mut listed = part.read(&reads, Parents::All, visible, |server: &Server| server.id.clone()).await?;
        let grants = self.grant_counts(&cleared);
        let mut rows = Vec::with_capacity(listed.items.len());
        for stored in std::mem::take(&mut listed.items) {
            rows.push(self.row(&reads, &stored, &grants).await?);
        }
        Ok(listed.with(rows))
    }

    /// One server, by its name or identity. CG3041.
    pub async fn show_server(&self, caller: &Caller, wanted: &str) -> Result<ServerRow, Error> {
        let (cleared, stored) = self.server_for(caller, Permission::ReadServers, wanted).await?;
        self.row(&self.reads(&cleared), &stored, &self.grant_counts(&cleared)).await
    }

    /// Asks a server itself for its tools. CG3041, CG3116; CG3120 while too many are asked.
    pub async fn server_tools(&self, caller: &Caller, wanted: &str) -> Result<Tools, Error> {
        let (cleared, stored) = self.server_for(caller, Permission::ReadServers, wanted).await?;
        let target = opened(&stored.record, cleared.caller().organisation(), &self.inner.vault)?;
        let Ok(_place) = self.inner.asking.try_acquire() else {
            let message = "too many servers are asked for their tools right now";
            return Err(Error::new(Kind::TooMany { retry_after: 5 }, "CG3120", message, "try again in a moment"));
        };
        let asked = self.inner.upstreams.tools(&target).await;
        let read = asked.and_then(|text| RawValue::from_string(text).map_err(|_| "its answer is no JSON".to_owned()));
        let tools = read.map_err(|why| {
            let why = without_credentials(&target, why);
            let message = format!("the server `{}` does not tell its tools: {why}", stored.record.name);
            let remedy = "look at its address, its credentials, and whether it runs";
            Error::new(Kind::Unavailable, "CG3116", message, remedy)
        })?;
        Ok(Tools { tools })
    }

    /// One server as answers show it.
    pub(super) async fn row(
        &self,
        reads: &Reads<'_>,
        stored: &Stored<Server>,
        grants: &HashMap<Arc<str>, usize>,
    ) -> Result<ServerRow, Error> {
        let server = &stored.record;
        let policies = policy_names(reads, &server.id).await?;
        let grants = grants.get(&*server.id).copied().unwrap_or_default();
        Ok(ServerRow::of(stored, self.endpoint(&server.name), policies, grants))
    }

    /// How many grants open each server, as published: to count them in the store would read all of them.
    pub(super) fn grant_counts(&self, cleared: &Cleared<'_>) -> HashMap<Arc<str>, usize> {
        let configuration = Arc::clone(&self.inner.published.borrow());
        let organisation = cleared.caller().organisation();
        let mut counts = HashMap::new();
        for grant in configuration.grants.iter().filter(|grant| &*grant.organisation == organisation) {
            match counts.get_mut(&grant.server) {
                Some(count) => *count += 1,
                None => drop(counts.insert(Arc::clone(&grant.server), 1)),
            }
        }
        counts
    }
}

/// What a server said, without the credentials that it may repeat: who may ask it must not read them that way.
fn without_credentials(target: &Target, mut why: String) -> String {
    for secret in target.secrets().values() {
        let whole = secret.reveal().trim();
        // Of `Bearer …` it may repeat the second word alone.
        for part in [whole, whole.rsplit(' ').next().unwrap_or(whole)] {
            if part.len() >= SHORTEST {
                why = why.replace(part, "…");
            }
        }
    }
    why
}

async fn policy_names(reads: &Reads<'_>, server: &str) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = Page { parent: Some(server.to_owned()), after, limit: CHUNK };
        let policies = reads.list::<Policy>(&page).await?;
        let Some(last) = policies.last() else { break };
        after = Some(last.record.id.clone());
        names.extend(policies.into_iter().map(|policy| policy.record.name));
    }
    names.sort_unstable();
    Ok(names)
}
