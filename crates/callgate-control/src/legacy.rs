//! What a data directory knew before there was a store: `state.json` (format 1) and `policies/`, taken over once.

use crate::caller::{Caller, Permission, Scope, Who};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::settings::Settings;
use crate::target::Target;
use crate::{document, names, servers};
use callgate_store::{
    Credential, CredentialKind, Grant, Origin, Policy, PolicyVersion, PreviousToken, Role, Roles, Server,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The organisation that everything belonged to.
const ORGANISATION: &str = "default";

/// Who did what was done then.
const BY: &str = "admin";

/// The content of `state.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legacy {
    /// The format of the file: 1.
    pub format: u32,
    #[serde(rename = "generation")]
    _generation: u64,
    /// The keyed hash of the admin credential.
    admin: Option<String>,
    servers: BTreeMap<String, OldServer>,
    /// A change that is in the file and may not be in the journal.
    #[serde(default)]
    outbox: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldServer {
    uuid: String,
    /// None for a server that the configuration file declared.
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    policies: BTreeMap<String, OldPolicy>,
    #[serde(default)]
    grants: BTreeMap<String, OldGrant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldPolicy {
    versions: Vec<OldVersion>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldVersion {
    version: u32,
    at: i64,
    digest: String,
    #[serde(default)]
    repeats: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldGrant {
    label: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    token: String,
    #[serde(default)]
    previous: Option<OldToken>,
    created: i64,
    #[serde(default)]
    expires: Option<i64>,
    #[serde(default)]
    revoked: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldToken {
    token: String,
    until: i64,
}

/// Reads the document of a version, by server, policy and number; an error says why not.
pub type Documents<'d> = &'d (dyn Fn(&str, &str, u32) -> Result<String, String> + Send + Sync);

impl Control {
    /// Takes over what an earlier version knew, as one change: servers, policies with all their versions, grants with
    /// their tokens, and the admin credential. CG3012 where something of it can't be had; then nothing is taken over.
    pub async fn take_over(&self, legacy: Legacy, documents: Documents<'_>) -> Result<Vec<String>, Error> {
        let roles = Roles { organisation: Some(Role::Admin), ..Roles::default() };
        let caller = Caller::new(ORGANISATION, Who::Local, roles.clone(), true);
        let cleared = caller.clear(Permission::ManageInstance, Scope::Organisation)?;
        let mut edit = self.edit(&cleared).await?;
        if let Some(outbox) = legacy.outbox {
            edit.change.record(outbox.to_string()).await?;
        }
        if let Some(hash) = legacy.admin {
            self.old_credential(&mut edit, hash, roles).await?;
        }
        let mut notes = Vec::new();
        for (name, old) in legacy.servers {
            // All of it is one change: a start that was cut off behind it takes over nothing twice.
            if edit.change.get::<Server>(&old.uuid).await?.is_some() {
                continue;
            }
            if old.target.is_none() {
                notes.push(format!(
                    "the server `{name}` was declared in the configuration file: its policies and grants are not taken over"
                ));
                continue;
            }
            self.old_server(&mut edit, &name, old, documents).await?;
        }
        edit.finish(self).await?;
        Ok(notes)
    }

    /// The credential that scripts have goes on working, in place of the one of the first use.
    async fn old_credential(&self, edit: &mut Editing<'_>, hash: String, roles: Roles) -> Result<(), Error> {
        if let Some(first) = edit.change.named::<Credential>(None, BY).await? {
            edit.change.remove::<Credential>(&first.record.id, self.now()).await?;
        }
        let credential = Credential {
            id: names::new_id("c_")?,
            hash,
            kind: CredentialKind::Token,
            member: None,
            label: BY.to_owned(),
            roles,
            instance: true,
            csrf: String::new(),
            created: self.now(),
            expires: None,
            used: None,
        };
        Ok(edit.change.insert(&credential).await?)
    }

    async fn old_server(
        &self,
        edit: &mut Editing<'_>,
        name: &str,
        old: OldServer,
        documents: Documents<'_>,
    ) -> Result<(), Error> {
        let OldServer { uuid, target, settings, policies, grants } = old;
        let Some(target) = target else { return Ok(()) };
        let settings = serde_json::to_string(&settings).unwrap_or_else(|_| "{}".to_owned());
        let mut server = Server {
            id: uuid,
            name: names::server_name(name)?.as_str().to_owned(),
            target: String::new(),
            sealed: Vec::new(),
            key_version: 0,
            settings,
            origin: Origin::Manual,
            created: self.now(),
        };
        servers::keep(&mut server, &target, ORGANISATION, &self.inner.vault)?;
        edit.change.insert(&server).await?;
        let mut ids = BTreeMap::new();
        let counts = json!({ "policies": policies.len(), "grants": grants.len() });
        for (policy, old) in policies {
            let id = old_policy(edit, (&server, &policy), old, documents).await?;
            ids.insert(policy, id);
        }
        for (id, old) in grants {
            edit.change.insert(&old.record(id, &server.id, &ids)).await?;
        }
        let after = json!({ "uuid": server.id, "target": target.public(), "taken_over": counts });
        let object = format!("server/{name}");
        edit.step(Step { what: "server add", object, before: Value::Null, after }).await
    }
}

impl OldGrant {
    fn record(self, id: String, server: &str, policies: &BTreeMap<String, String>) -> Grant {
        Grant {
            id,
            server: server.to_owned(),
            label: self.label,
            policy: self.policy.and_then(|policy| policies.get(&policy).cloned()),
            tags: self.tags,
            token: self.token,
            previous: self.previous.map(|OldToken { token, until }| PreviousToken { token, until, holder: None }),
            origin: Origin::Manual,
            created: self.created,
            expires: self.expires,
            revoked: self.revoked,
            minted_by: None,
            rotated_by: None,
        }
    }
}

/// A policy and all of its versions; its identity.
async fn old_policy(
    edit: &mut Editing<'_>,
    (server, name): (&Server, &str),
    old: OldPolicy,
    documents: Documents<'_>,
) -> Result<String, Error> {
    let id = names::new_id("p_")?;
    let created = old.versions.first().map_or(server.created, |version| version.at);
    let current = old.versions.last().map_or(0, |version| i64::from(version.version));
    let policy = Policy {
        id: id.clone(),
        server: Some(server.id.clone()),
        name: name.to_owned(),
        current,
        origin: Origin::Manual,
        created,
    };
    edit.change.insert(&policy).await?;
    for OldVersion { version, at, digest, repeats } in old.versions {
        let text = documents(&server.name, name, version).map_err(|why| broken(&why))?;
        if document::digest(text.as_bytes()) != digest {
            let why =
                format!("version {version} of the policy `{name}` of `{}` is not what was published", server.name);
            return Err(broken(&why));
        }
        let version = PolicyVersion {
            policy: id.clone(),
            version: i64::from(version),
            document: text,
            digest,
            repeats: repeats.map(i64::from),
            by: BY.to_owned(),
            at,
        };
        edit.change.insert(&version).await?;
    }
    Ok(id)
}

fn broken(why: &str) -> Error {
    let remedy = "put it back from a backup; nothing was taken over";
    Error::new(Kind::Unavailable, "CG3012", format!("the earlier version's state can't be taken over: {why}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::trial::Trial;

    #[tokio::test]
    async fn a_start_that_was_cut_off_takes_over_nothing_twice() {
        let trial = Trial::new().await;
        let control = &trial.control;
        let credential = Secret::new("cga_of-an-earlier-version".to_owned());
        let state = json!({
            "format": 1, "generation": 3, "admin": control.inner.tokens.hash(credential.reveal()),
            "servers": { "kernel": {
                "uuid": "6f1c7f0e-1111-4222-8333-444455556666",
                "target": { "url": "https://x.example/mcp", "headers": { "X-Key": "hush" } },
                "grants": { "g_0000000000000001": { "label": "laptop", "token": "ab".repeat(32), "created": 1 } },
            } },
        });
        // Each time as far as a start gets: the second one does not know that there was a first.
        for _ in 0..2 {
            control.first_use().await.unwrap().unwrap();
            let legacy: Legacy = serde_json::from_value(state.clone()).unwrap();
            control.take_over(legacy, &|_, _, _| Err("there is none".to_owned())).await.unwrap();
        }
        let (caller, _) = control.identify(&credential).await.unwrap().unwrap();
        assert!(caller.clear(Permission::ManageInstance, Scope::Organisation).is_ok());
        let configuration = control.configuration();
        let configuration = configuration.borrow();
        assert_eq!((configuration.servers.len(), configuration.grants.len()), (1, 1));
        assert_eq!(configuration.servers[0].target.secrets()["X-Key"].reveal(), "hush");
    }
}
