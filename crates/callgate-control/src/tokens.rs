//! API tokens: credentials for automation, with roles of their own and an end.

use crate::caller::{Caller, Permission, Scope};
use crate::change::Step;
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::precondition::Precondition;
use crate::secret::Secret;
use crate::{members, moment, names};
use callgate_store::{Credential, CredentialKind, Page, Roles, Stored};
use serde_json::{Value, json};

/// A token to be.
pub(crate) struct NewToken {
    /// What it is called; unique among the organisation's tokens.
    pub(crate) label: String,
    /// What it may do; servers by name or identity.
    pub(crate) roles: Roles,
    /// When it ends, milliseconds since the Unix epoch; `None` for when it is revoked.
    pub(crate) expires: Option<i64>,
    /// Whether it may handle the whole instance.
    pub(crate) instance: bool,
}

impl Control {
    /// A part of the API tokens, without themselves.
    pub(crate) async fn tokens(&self, caller: &Caller, page: &Page) -> Result<Vec<Stored<Credential>>, Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let reads = self.reads(&cleared);
        let wanted = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let mut tokens = Vec::new();
        let mut page = page.clone();
        // Sessions and links stand in between.
        while tokens.len() < wanted {
            let part = reads.list::<Credential>(&page).await?;
            let Some(last) = part.last() else { break };
            page.after = Some(last.record.id.clone());
            tokens.extend(part.into_iter().filter(|stored| stored.record.kind == CredentialKind::Token));
        }
        tokens.truncate(wanted);
        Ok(tokens)
    }

    /// Makes a token: its secret is shown once. CG3102 where the label is taken, CG3157 for more than the caller has.
    pub(crate) async fn add_token(
        &self,
        caller: &Caller,
        new: NewToken,
    ) -> Result<(Stored<Credential>, Secret), Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        names::label(&new.label)?;
        if new.expires.is_some_and(|expires| expires <= self.now()) {
            let message = "`expires` is over already";
            return Err(Error::new(Kind::Invalid, "CG3158", message, "leave it out for a token without an end"));
        }
        if new.instance {
            whole_instance(caller)?;
        }
        let mut edit = self.edit(&cleared).await?;
        let taken = edit.change.named::<Credential>(None, &new.label).await?;
        if taken.is_some_and(|taken| taken.record.kind == CredentialKind::Token) {
            let message = format!("token `{}` is there already", new.label);
            return Err(Error::new(Kind::Conflict, "CG3102", message, "choose another label, or revoke that one"));
        }
        let roles = members::resolved(&mut edit, caller, new.roles).await?;
        let (secret, hash) = names::mint_token("cga_", &self.inner.tokens)?;
        let token = Credential {
            id: names::new_id("c_")?,
            hash,
            kind: CredentialKind::Token,
            member: None,
            label: new.label,
            roles,
            instance: new.instance,
            csrf: String::new(),
            created: self.now(),
            expires: new.expires,
            used: None,
        };
        edit.change.insert(&token).await?;
        let (object, after) = (object(&token), shown(&token));
        edit.step(Step { what: "token create", object, before: Value::Null, after }).await?;
        let changed = edit.revision();
        edit.finish(self).await?;
        Ok((Stored { record: token, changed, removed: None }, secret))
    }

    /// Revokes a token, by identity or label: the next request with it is refused. CG3155.
    pub(crate) async fn remove_token(
        &self,
        caller: &Caller,
        token: &str,
        precondition: Precondition,
    ) -> Result<(), Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let mut edit = self.edit(&cleared).await?;
        let found = match edit.change.get::<Credential>(token).await? {
            Some(found) => Some(found),
            None => edit.change.named::<Credential>(None, token).await?,
        };
        let found = found.filter(|found| found.record.kind == CredentialKind::Token).ok_or_else(|| {
            Error::new(Kind::NotFound, "CG3155", "there is no such token", "`GET /api/v1/tokens` shows them")
        })?;
        precondition.check_update("the token", found.changed)?;
        let token = found.record;
        if token.instance {
            whole_instance(caller)?;
        }
        edit.change.remove::<Credential>(&token.id, self.now()).await?;
        let (object, before) = (object(&token), shown(&token));
        edit.step(Step { what: "token revoke", object, before, after: Value::Null }).await?;
        edit.finish(self).await
    }
}

/// A token as change records and answers show it: without itself.
pub(crate) fn shown(token: &Credential) -> Value {
    json!({
        "id": token.id, "label": token.label, "roles": token.roles, "instance": token.instance,
        "created": moment::rfc3339(token.created), "expires": token.expires.map(moment::rfc3339),
        "used": token.used.map(moment::rfc3339),
    })
}

fn object(token: &Credential) -> String {
    format!("token/{}", token.id)
}

/// Only who handles the whole instance hands that out or takes it away.
fn whole_instance(caller: &Caller) -> Result<(), Error> {
    caller.clear(Permission::ManageInstance, Scope::Organisation).map(drop).map_err(|_| {
        let message = "a token for the whole instance is more than you have";
        Error::new(Kind::Forbidden, "CG3157", message, "use the credential of the instance (`admin.token`)")
    })
}
