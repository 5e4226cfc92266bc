//! Reading policies: lists, what is in force, its history.

use super::{Place, PolicyAt, PolicyListed, PolicyRow, PolicyShown, VersionRow, VersionShown};
use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::document;
use crate::error::{Error, Kind};
use crate::listing::{Listed, Parents, Part, ServerNames};
use callgate_policy::{Policy as Compiled, Problems};
use callgate_store::{Change, Page, Policy, PolicyVersion, Reads, Stored};
use std::collections::HashMap;
use std::sync::Arc;

/// So many are looked through at once.
const CHUNK: u32 = 200;

impl Control {
    /// The policies of one server, or of all servers that the caller may see.
    pub async fn list_policies(
        &self,
        caller: &Caller,
        server: Option<&str>,
        part: &Part,
    ) -> Result<Listed<PolicyListed>, Error> {
        let cleared = caller.clear(Permission::ReadPolicies, Scope::Visible)?;
        let parents = match server {
            Some(server) => {
                let (_, server) = self.server_for(caller, Permission::ReadPolicies, server).await?;
                Parents::Of(vec![server.record.id])
            }
            None => Parents::visible(&cleared),
        };
        let reads = self.reads(&cleared);
        // The baseline has its own place.
        let of_servers = |policy: &Stored<Policy>| policy.record.server.is_some();
        let mut listed = part.read(&reads, parents, of_servers, |policy: &Policy| policy.id.clone()).await?;
        let grants = self.carriers(&cleared);
        let mut names = ServerNames::new(self.reads(&cleared));
        let mut rows = Vec::new();
        for policy in std::mem::take(&mut listed.items) {
            let server = match &policy.record.server {
                Some(server) => Some(names.of(server).await?),
                None => None,
            };
            let version = in_force(&reads, &policy.record).await?;
            let carried = |server: &str| grants.get(&(server.into(), policy.record.name.as_str().into())).copied();
            let grants = policy.record.server.as_deref().and_then(carried).unwrap_or_default();
            rows.push(PolicyListed { policy: PolicyRow::of(server.as_deref(), &policy, version.as_ref()), grants });
        }
        Ok(listed.with(rows))
    }

    /// How many grants carry each policy, by server and name, as published: to count them in the store would read all of
    /// them.
    fn carriers(&self, cleared: &Cleared<'_>) -> HashMap<(Arc<str>, Arc<str>), usize> {
        let configuration = Arc::clone(&self.inner.published.borrow());
        let organisation = cleared.caller().organisation();
        let mut counts = HashMap::new();
        for grant in configuration.grants.iter().filter(|grant| &*grant.organisation == organisation) {
            let Some(policy) = &grant.policy else { continue };
            *counts.entry((Arc::clone(&grant.server), Arc::clone(&policy.name))).or_default() += 1;
        }
        counts
    }

    /// The policy as it is in force, with its document.
    pub async fn show_policy(&self, caller: &Caller, at: PolicyAt<'_>) -> Result<PolicyShown, Error> {
        let (cleared, place) = self.place(caller, Permission::ReadPolicies, at).await?;
        let reads = self.reads(&cleared);
        let policy = find(&reads, &place).await?;
        let version = in_force(&reads, &policy.record).await?;
        let row = PolicyRow::of(place.server_name(), &policy, version.as_ref());
        let document = version.map(|version| version.document);
        let warnings = document.as_deref().map(remarks).unwrap_or_default();
        Ok(PolicyShown { policy: row, document, warnings })
    }

    /// The versions, newest first.
    pub async fn policy_versions(
        &self,
        caller: &Caller,
        at: PolicyAt<'_>,
        part: &Part,
    ) -> Result<Listed<VersionRow>, Error> {
        let (cleared, place) = self.place(caller, Permission::ReadPolicies, at).await?;
        let reads = self.reads(&cleared);
        let policy = find(&reads, &place).await?;
        let parents = Parents::Of(vec![policy.record.id]);
        let listed =
            part.read(&reads, parents, |_| true, |version: &PolicyVersion| version.version.to_string()).await?;
        let rows = listed.items.iter().map(|version| place.row(&version.record)).collect();
        Ok(listed.with(rows))
    }

    /// One version, with its document.
    pub async fn policy_version(&self, caller: &Caller, at: PolicyAt<'_>, version: i64) -> Result<VersionShown, Error> {
        let (cleared, place) = self.place(caller, Permission::ReadPolicies, at).await?;
        let reads = self.reads(&cleared);
        let policy = find(&reads, &place).await?;
        let version = numbered(&reads, &place, &policy.record, version).await?;
        let warnings = remarks(&version.document);
        Ok(VersionShown { version: place.row(&version), document: version.document, warnings })
    }
}

/// The names of a server's policies.
pub(crate) async fn of_server(change: &mut Change<'_>, server: &str) -> Result<Vec<Stored<Policy>>, Error> {
    let mut policies = Vec::new();
    let mut after = None;
    loop {
        let page = Page { parent: Some(server.to_owned()), after: after.take(), limit: CHUNK };
        let rows = change.list::<Policy>(&page).await?;
        let full = rows.len() >= usize::try_from(CHUNK).unwrap_or(usize::MAX);
        after = rows.last().map(|row| row.record.id.clone());
        policies.extend(rows);
        if !full {
            return Ok(policies);
        }
    }
}

/// The policy of a server that a grant is to carry; else an error that names those that are known.
pub(crate) async fn known(
    change: &mut Change<'_>,
    (server, server_name): (&str, &str),
    policy: &str,
) -> Result<Stored<Policy>, Error> {
    if let Some(policy) = change.named::<Policy>(Some(server), policy).await? {
        return Ok(policy);
    }
    let policy: String = policy.chars().take(80).collect();
    let known = of_server(change, server).await?;
    let remedy = match known.as_slice() {
        [] => format!("publish it first: `callgate policy publish FILE --server {server_name} --name {policy}`"),
        known => format!("known are: {}", names(known)),
    };
    let message = format!("the server `{server_name}` has no policy `{policy}`");
    Err(Error::new(Kind::Invalid, "CG3043", message, remedy))
}

/// The names of policies, for messages.
pub(crate) fn names(policies: &[Stored<Policy>]) -> String {
    let mut names: Vec<&str> = policies.iter().map(|policy| policy.record.name.as_str()).collect();
    names.sort_unstable();
    names.join(", ")
}

pub(super) async fn find(reads: &Reads<'_>, place: &Place) -> Result<Stored<Policy>, Error> {
    let policy = reads.named::<Policy>(place.parent(), &place.name).await?;
    policy.ok_or_else(|| place.unknown())
}

/// The version in force, where there is one.
pub(super) async fn in_force(reads: &Reads<'_>, policy: &Policy) -> Result<Option<PolicyVersion>, Error> {
    if policy.current == 0 {
        return Ok(None);
    }
    let version = reads.named::<PolicyVersion>(Some(&policy.id), &policy.current.to_string()).await?;
    Ok(version.map(|version| version.record))
}

/// The version of this number.
pub(super) async fn numbered(
    reads: &Reads<'_>,
    place: &Place,
    policy: &Policy,
    version: i64,
) -> Result<PolicyVersion, Error> {
    let found = reads.named::<PolicyVersion>(Some(&policy.id), &version.to_string()).await?;
    found.map(|version| version.record).ok_or_else(|| {
        let message = format!("{} has no version {version}", place.words());
        Error::new(Kind::NotFound, "CG3043", message, "`callgate policy history` shows the versions")
    })
}

/// What this version of the gateway has to say about a document that was published once.
fn remarks(text: &str) -> Vec<document::ProblemRow> {
    match Compiled::parse(text.as_bytes()) {
        Ok(policy) => document::rows(policy.warnings()),
        Err(Problems(problems)) => document::rows(&problems),
    }
}
