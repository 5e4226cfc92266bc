//! Members: people who sign in, their roles, and the links that let them in.

use crate::caller::{Caller, Permission, Scope};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::precondition::Precondition;
use crate::secret::Secret;
use crate::{moment, names, passwords, sessions};
use callgate_store::{Credential, CredentialKind, Member, Page, Role, Roles, Server, Stored};
use serde_json::{Value, json};

/// How long a one-time link can last, in milliseconds: 15 minutes to 24 hours.
pub(crate) const LINK_LASTS: (i64, i64) = (900_000, 86_400_000);

/// How many servers one member or token can have roles for.
const MOST_SERVERS: usize = 1000;

/// A member to be.
pub(crate) struct NewMember {
    /// What it signs in with.
    pub(crate) login: String,
    /// How it is shown; the login where nothing is said.
    pub(crate) name: Option<String>,
    /// What it may do; servers by name or identity.
    pub(crate) roles: Roles,
    /// Its password; without one it needs a link.
    pub(crate) password: Option<Secret>,
    /// How long its link lasts, in milliseconds; no link for `None`.
    pub(crate) link: Option<i64>,
}

/// What changes about a member; `None` stays as it is.
#[derive(Default)]
pub(crate) struct MemberEdit {
    /// How it is shown.
    pub(crate) name: Option<String>,
    /// What it may do; servers by name or identity.
    pub(crate) roles: Option<Roles>,
    /// Whether it is shut out.
    pub(crate) disabled: Option<bool>,
    /// Its password; `Some(None)` takes it away.
    pub(crate) password: Option<Option<Secret>>,
}

/// A one-time link: its secret is shown once.
#[derive(Debug)]
pub struct Link {
    /// What signs in, once.
    pub secret: Secret,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires: i64,
}

impl Link {
    /// The page that it opens, below the root of the gateway.
    pub fn path(&self) -> Secret {
        Secret::new(format!("/sign-in?link={}", self.secret.reveal()))
    }
}

impl Control {
    /// A part of the members.
    pub(crate) async fn members(&self, caller: &Caller, page: &Page) -> Result<Vec<Stored<Member>>, Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        Ok(self.reads(&cleared).list(page).await?)
    }

    /// A member, by identity or login. CG3155.
    pub(crate) async fn member(&self, caller: &Caller, member: &str) -> Result<Stored<Member>, Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let reads = self.reads(&cleared);
        let found = match reads.get(member).await? {
            Some(found) => Some(found),
            None => reads.named(None, &folded(member)).await?,
        };
        found.ok_or_else(missing)
    }

    /// Adds a member. CG3102 where the login is taken, CG3157 for more than the caller has, CG3158 for what can't be used.
    pub(crate) async fn add_member(
        &self,
        caller: &Caller,
        new: NewMember,
    ) -> Result<(Stored<Member>, Option<Link>), Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let login = folded(&new.login);
        if !is_login(&login) {
            let message =
                "a login has 1 to 254 letters, digits, `.`, `_`, `%`, `+`, `-` and `@`, the first a letter or digit";
            return Err(unusable(message, "choose another one: a name, or an e-mail address"));
        }
        let name = checked_name(new.name.unwrap_or_else(|| login.clone()))?;
        let lasts = new.link.map(lasting).transpose()?;
        let password = hashed(new.password).await?;
        let mut edit = self.edit(&cleared).await?;
        let roles = resolved(&mut edit, caller, new.roles).await?;
        let id = names::new_id("m_")?;
        let member = Member { id, login, name, roles, password, created: self.now(), disabled: None };
        edit.change.insert(&member).await?;
        let link = match lasts {
            Some(lasts) => Some(self.put_link(&mut edit, &member, lasts).await?),
            None => None,
        };
        let (object, after) = (object(&member), shown(&member));
        edit.step(Step { what: "member add", object, before: Value::Null, after }).await?;
        let changed = edit.revision();
        edit.finish(self).await?;
        Ok((Stored { record: member, changed, removed: None }, link))
    }

    /// Changes a member. What takes something away ends its sessions at once. CG3156 for the last admin.
    pub(crate) async fn edit_member(
        &self,
        caller: &Caller,
        member: &str,
        precondition: Precondition,
        wanted: MemberEdit,
    ) -> Result<Stored<Member>, Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let name = wanted.name.map(checked_name).transpose()?;
        let password = match wanted.password {
            None => None,
            Some(password) => Some(hashed(password).await?),
        };
        let mut edit = self.edit(&cleared).await?;
        let stored = find(&mut edit, member).await?;
        precondition.check_update("the member", stored.changed)?;
        let before = stored.record;
        let mut after = before.clone();
        after.name = name.unwrap_or(after.name);
        if let Some(roles) = wanted.roles {
            after.roles = resolved(&mut edit, caller, roles).await?;
        }
        if let Some(disabled) = wanted.disabled {
            after.disabled = disabled.then(|| after.disabled.unwrap_or_else(|| self.now()));
        }
        if let Some(password) = password {
            after.password = password;
        }
        if is_admin(&before) && !is_admin(&after) {
            keep_one_admin(&mut edit, &before.id).await?;
        }
        if after.disabled.is_some() || after.password != before.password {
            end_credentials(&mut edit, &after.id, None).await?;
        }
        edit.change.update(&after).await?;
        let step = Step { what: "member edit", object: object(&after), before: shown(&before), after: shown(&after) };
        edit.step(step).await?;
        let changed = edit.revision();
        edit.finish(self).await?;
        Ok(Stored { record: after, changed, removed: None })
    }

    /// Removes a member and ends its sessions. CG3156 for the last admin.
    pub(crate) async fn remove_member(
        &self,
        caller: &Caller,
        member: &str,
        precondition: Precondition,
    ) -> Result<(), Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let mut edit = self.edit(&cleared).await?;
        let stored = find(&mut edit, member).await?;
        precondition.check_update("the member", stored.changed)?;
        let member = stored.record;
        if is_admin(&member) {
            keep_one_admin(&mut edit, &member.id).await?;
        }
        end_credentials(&mut edit, &member.id, None).await?;
        edit.change.remove::<Member>(&member.id, self.now()).await?;
        let (object, before) = (object(&member), shown(&member));
        edit.step(Step { what: "member remove", object, before, after: Value::Null }).await?;
        edit.finish(self).await
    }

    /// A new one-time link for a member; the one before stops working.
    pub(crate) async fn link_member(&self, caller: &Caller, member: &str, lasts: i64) -> Result<Link, Error> {
        let cleared = caller.clear(Permission::ManageMembers, Scope::Organisation)?;
        let lasts = lasting(lasts)?;
        let mut edit = self.edit(&cleared).await?;
        let member = find(&mut edit, member).await?.record;
        if member.disabled.is_some() {
            let remedy = "enable it first: `disabled: false`";
            return Err(Error::new(
                Kind::Conflict,
                "CG3158",
                "the member is disabled: a link would not sign it in",
                remedy,
            ));
        }
        let link = self.put_link(&mut edit, &member, lasts).await?;
        let after = json!({ "link": "made", "expires": moment::rfc3339(link.expires) });
        edit.step(Step { what: "member link", object: object(&member), before: Value::Null, after }).await?;
        edit.finish(self).await?;
        Ok(link)
    }

    async fn put_link(&self, edit: &mut Editing<'_>, member: &Member, lasts: i64) -> Result<Link, Error> {
        for old in credentials(edit, &member.id).await? {
            if old.kind == CredentialKind::Link {
                edit.change.remove::<Credential>(&old.id, self.now()).await?;
            }
        }
        let (secret, hash) = names::mint_token("cgl_", &self.inner.tokens)?;
        let expires = self.now() + lasts;
        let credential = sessions::credential(CredentialKind::Link, hash, &member.id, self.now(), expires)?;
        edit.change.insert(&credential).await?;
        Ok(Link { secret, expires })
    }
}

/// Ends a member's sessions and links, but for one.
pub(crate) async fn end_credentials(edit: &mut Editing<'_>, member: &str, but: Option<&str>) -> Result<(), Error> {
    let at = edit.at();
    for credential in credentials(edit, member).await? {
        if Some(credential.id.as_str()) != but {
            edit.change.remove::<Credential>(&credential.id, at).await?;
        }
    }
    Ok(())
}

async fn credentials(edit: &mut Editing<'_>, member: &str) -> Result<Vec<Credential>, Error> {
    let mut all = Vec::new();
    let mut page = Page { parent: Some(member.to_owned()), after: None, limit: 200 };
    loop {
        let part = edit.change.list::<Credential>(&page).await?;
        let Some(last) = part.last() else { return Ok(all) };
        page.after = Some(last.record.id.clone());
        all.extend(part.into_iter().map(|stored| stored.record));
    }
}

/// A member as change records and answers show it: without its password.
pub(crate) fn shown(member: &Member) -> Value {
    json!({
        "id": member.id, "login": member.login, "name": member.name, "roles": member.roles,
        "password": member.password.is_some(),
        "created": moment::rfc3339(member.created), "disabled": member.disabled.map(moment::rfc3339),
    })
}

/// What change records call a member.
pub(crate) fn object(member: &Member) -> String {
    format!("member/{}", member.login)
}

/// A login as it is kept: without the case that people type it in.
pub(crate) fn folded(login: &str) -> String {
    login.trim().to_ascii_lowercase()
}

/// Whether a folded login can be one. It can't look like an identity, which would shadow it.
pub(crate) fn is_login(login: &str) -> bool {
    let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._%+-@".contains(&byte);
    let identity = login
        .strip_prefix("m_")
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (1..=254).contains(&login.len())
        && login.bytes().all(usable)
        && login.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && !identity
}

/// Roles with servers by their identity, unless they are more than the caller has. CG3157, CG3158.
pub(crate) async fn resolved(edit: &mut Editing<'_>, caller: &Caller, roles: Roles) -> Result<Roles, Error> {
    if roles.servers.len() > MOST_SERVERS {
        return Err(unusable(format!("roles for more than {MOST_SERVERS} servers"), "give a role in the organisation"));
    }
    let mut servers = std::collections::BTreeMap::new();
    for (server, role) in roles.servers {
        let found = match edit.change.get::<Server>(&server).await? {
            Some(found) => Some(found),
            None => edit.change.named::<Server>(None, &server).await?,
        };
        let remedy = "`GET /api/v1/servers` shows them";
        let found = found.ok_or_else(|| unusable("`roles.servers` names a server that is not there", remedy))?;
        servers.insert(found.record.id, role);
    }
    let roles = Roles { organisation: roles.organisation, servers };
    let own = caller.roles();
    let within = |wanted: Role, server: Option<&String>| {
        own.organisation.max(server.and_then(|server| own.servers.get(server).copied())) >= Some(wanted)
    };
    let organisation = roles.organisation.is_none_or(|role| within(role, None));
    if organisation && roles.servers.iter().all(|(server, role)| within(*role, Some(server))) {
        return Ok(roles);
    }
    let message = "these roles are more than your own";
    Err(Error::new(Kind::Forbidden, "CG3157", message, "give less, or ask somebody who has them"))
}

async fn find(edit: &mut Editing<'_>, member: &str) -> Result<Stored<Member>, Error> {
    let found = match edit.change.get::<Member>(member).await? {
        Some(found) => Some(found),
        None => edit.change.named::<Member>(None, &folded(member)).await?,
    };
    found.ok_or_else(missing)
}

fn is_admin(member: &Member) -> bool {
    member.disabled.is_none() && member.roles.organisation == Some(Role::Admin)
}

/// Refuses to go on unless another admin of the organisation can sign in.
async fn keep_one_admin(edit: &mut Editing<'_>, but: &str) -> Result<(), Error> {
    let mut page = Page { parent: None, after: None, limit: 200 };
    loop {
        let part = edit.change.list::<Member>(&page).await?;
        if part.iter().any(|stored| stored.record.id != but && is_admin(&stored.record)) {
            return Ok(());
        }
        let Some(last) = part.last() else { break };
        page.after = Some(last.record.id.clone());
    }
    let message = "this is the last admin of the organisation";
    Err(Error::new(Kind::Conflict, "CG3156", message, "make somebody else an admin first"))
}

fn checked_name(name: String) -> Result<String, Error> {
    let good = (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    good.then_some(name)
        .ok_or_else(|| unusable("a name has 1 to 100 characters and no control characters", "choose another one"))
}

fn lasting(milliseconds: i64) -> Result<i64, Error> {
    let (least, most) = LINK_LASTS;
    let good = (least..=most).contains(&milliseconds);
    good.then_some(milliseconds)
        .ok_or_else(|| unusable("a one-time link lasts from 15 minutes to 24 hours", "choose a time in between"))
}

async fn hashed(password: Option<Secret>) -> Result<Option<String>, Error> {
    match password {
        Some(password) => passwords::hash(password).await.map(Some),
        None => Ok(None),
    }
}

fn missing() -> Error {
    Error::new(Kind::NotFound, "CG3155", "there is no such member", "`GET /api/v1/members` shows them")
}

fn unusable(message: impl Into<String>, remedy: &str) -> Error {
    Error::new(Kind::Invalid, "CG3158", message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        for (typed, good) in [
            ("ada", true),
            (" Ada@Example.COM ", true),
            ("m_ada", true),
            ("", false),
            ("-x", false),
            ("a b", false),
            ("a/b", false),
            ("ädä", false),
            ("m_0123456789abcdef", false),
            (&"a".repeat(255), false),
        ] {
            assert_eq!(is_login(&folded(typed)), good, "{typed}");
        }
    }
}
