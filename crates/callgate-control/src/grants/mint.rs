//! Minting a grant.

use super::{check_expiry, check_tags, object, recorded};
use crate::caller::{Caller, Permission};
use crate::change::Step;
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::names;
use crate::policies;
use crate::secret::Secret;
use callgate_store::{Change, Grant, Origin, Policy, Server, Stored};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a new grant should be.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The name or identity of its server.
    pub server: String,
    /// Its label.
    pub label: String,
    /// The name of its policy; without one `default`, else the only one, else none.
    pub policy: Option<String>,
    /// When it ends by itself, milliseconds since the Unix epoch.
    pub expires: Option<i64>,
    /// Tags that rules can look at.
    pub tags: BTreeMap<String, String>,
}

/// A grant with its token, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MintedGrant, example = json!({
    "id": "g_0123456789abcdef", "token": "cg_…", "url": "https://gate.example.com/mcp/kernel", "revision": 17, "notes": []
}))]
pub struct Minted {
    /// The grant's identity.
    pub id: String,
    /// The token: clients send it as `Authorization: Bearer …`. It is shown this once.
    #[serde(serialize_with = "revealed")]
    #[schema(value_type = String)]
    pub token: Secret,
    /// Where clients go with it.
    pub url: String,
    /// The grant's revision.
    pub revision: i64,
    /// What its owner should know beside it.
    pub notes: Vec<String>,
}

impl Control {
    /// Mints a grant; its token is in the answer and nowhere else.
    pub async fn mint_grant(&self, caller: &Caller, wish: Wish) -> Result<Minted, Error> {
        let Wish { server, label, policy, expires, tags } = wish;
        names::label(&label)?;
        check_tags(&tags)?;
        check_expiry(expires, self.now())?;
        let (cleared, server) = self.server_for(caller, Permission::ManageGrants, &server).await?;
        let (token, hash) = names::mint_token("cg_", &self.inner.tokens)?;
        let mut editing = self.edit(&cleared).await?;
        let server = still_there(&mut editing.change, server).await?;
        let (policy, notes) = choose_policy(&mut editing.change, &server, (&label, policy)).await?;
        free_label(&mut editing.change, (&server.id, &server.name), &label).await?;
        let grant = Grant {
            id: names::new_id("g_")?,
            server: server.id.clone(),
            label,
            policy: policy.as_ref().map(|policy| policy.record.id.clone()),
            tags,
            token: hash,
            previous: None,
            origin: Origin::Manual,
            created: self.now(),
            expires,
            revoked: None,
            minted_by: Some(editing.identity()),
            rotated_by: None,
        };
        editing.change.insert(&grant).await?;
        let name = policy.as_ref().map(|policy| policy.record.name.as_str());
        let after = recorded(&grant, &server.name, name);
        let object = object(&grant, &server.name);
        editing.step(Step { what: "grant mint", object, before: Value::Null, after }).await?;
        let revision = editing.revision();
        editing.finish(self).await?;
        Ok(Minted { id: grant.id, token, url: self.endpoint(&server.name), revision, notes })
    }
}

/// Refuses a label that another live grant of the server has.
pub(super) async fn free_label(
    change: &mut Change<'_>,
    (server, server_name): (&str, &str),
    label: &str,
) -> Result<(), Error> {
    if change.named::<Grant>(Some(server), label).await?.is_none() {
        return Ok(());
    }
    let message = format!("the server `{server_name}` has a grant `{label}` already");
    Err(Error::new(Kind::Conflict, "CG3042", message, "choose another label, or revoke that grant first"))
}

async fn still_there(change: &mut Change<'_>, server: Stored<Server>) -> Result<Server, Error> {
    let there = change.get::<Server>(&server.record.id).await?;
    there.map(|server| server.record).ok_or_else(|| {
        let message = format!("the server `{}` was removed in the meantime", server.record.name);
        Error::new(Kind::NotFound, "CG3041", message, "`callgate server list` shows those that are there")
    })
}

/// The policy that was asked for; else the one that a newcomer expects.
async fn choose_policy(
    change: &mut Change<'_>,
    server: &Server,
    (label, asked): (&str, Option<String>),
) -> Result<(Option<Stored<Policy>>, Vec<String>), Error> {
    let Server { id, name, .. } = server;
    if let Some(policy) = asked {
        return Ok((Some(policies::known(change, (id, name), &policy).await?), Vec::new()));
    }
    if let Some(default) = change.named::<Policy>(Some(id), "default").await? {
        return Ok((Some(default), Vec::new()));
    }
    let mut all = policies::of_server(change, id).await?;
    match all.len() {
        0 => {
            let note = format!(
                "the server `{name}` has no policy yet, so this grant is denied everything: \
                 `callgate policy publish FILE --server {name}`, then `callgate grant attach {label} --policy default`"
            );
            Ok((None, vec![note]))
        }
        1 => Ok((all.pop(), Vec::new())),
        count => {
            let message = format!("the server `{name}` has {count} policies and none is called `default`");
            let remedy = format!("name one (`policy`, `--policy`): {}", policies::names(&all));
            Err(Error::new(Kind::Invalid, "CG3043", message, remedy))
        }
    }
}

/// The one place where a token leaves.
fn revealed<S: Serializer>(token: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.reveal())
}
