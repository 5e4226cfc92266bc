//! Signing in and out: who a secret stands for, and how sessions begin and end.

use crate::attempts::Attempts;
use crate::caller::{Caller, Permission, Scope, Who};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::{members, names, passwords};
use callgate_store::{Credential, CredentialKind, Member, Role, Roles};
use serde_json::Value;

/// A session that nobody uses ends after 12 hours, in milliseconds.
const IDLE: i64 = 12 * 3_600_000;

/// A session ends after 7 days, in milliseconds.
pub(crate) const LONGEST: i64 = 7 * 86_400_000;

/// How exactly the last use is kept, in milliseconds.
const USED_EVERY: i64 = 60_000;

/// The session that a request came with.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The secret itself, which the CSRF token is made of.
    pub(crate) secret: Secret,
    /// The identity of its credential.
    pub(crate) credential: String,
    /// The identity of its member.
    pub(crate) member: String,
    /// When it ends at the latest, milliseconds since the Unix epoch.
    pub(crate) expires: i64,
}

/// What lets a session begin.
enum Proof<'p> {
    /// The password was right: its hash, as it was then.
    Password(Option<String>),
    /// The hash of a one-time link.
    Link(&'p str),
}

/// What somebody signs in with.
pub(crate) enum SignIn {
    /// A password.
    Password {
        /// The organisation.
        organisation: String,
        /// The login, as typed.
        login: String,
        /// The password.
        password: Secret,
    },
    /// A one-time link.
    Link(Secret),
}

impl Control {
    /// Who a secret stands for, and the session where it is one. `None` for what is unknown, has ended, is a one-time
    /// link, or belongs to a member that is shut out.
    pub(crate) async fn identify(&self, secret: &Secret) -> Result<Option<(Caller, Option<Session>)>, Error> {
        let hash = self.inner.tokens.hash(secret.reveal());
        let Some((organisation, stored)) = self.inner.store.credential(&hash).await? else { return Ok(None) };
        let credential = stored.record;
        let now = self.now();
        if ended(&credential, now) {
            return Ok(None);
        }
        let found = match credential.kind {
            CredentialKind::Link => None,
            CredentialKind::Token => {
                let who = Who::Token { id: credential.id.clone(), label: credential.label.clone() };
                Some((Caller::new(&organisation, who, credential.roles.clone(), credential.instance), None))
            }
            CredentialKind::Session => self.session(&organisation, &credential, secret).await?,
        };
        if found.is_some() && now - credential.used.unwrap_or(0) >= USED_EVERY {
            self.inner.store.credential_used(&hash, now).await?;
        }
        Ok(found)
    }

    async fn session(
        &self,
        organisation: &str,
        credential: &Credential,
        secret: &Secret,
    ) -> Result<Option<(Caller, Option<Session>)>, Error> {
        let (Some(id), Some(expires)) = (&credential.member, credential.expires) else { return Ok(None) };
        let member = self.inner.store.reads(organisation).get::<Member>(id).await?;
        let Some(member) = member.map(|stored| stored.record).filter(|member| member.disabled.is_none()) else {
            return Ok(None);
        };
        let session =
            Session { secret: secret.clone(), credential: credential.id.clone(), member: member.id.clone(), expires };
        let who = Who::Member { id: member.id, login: member.login };
        Ok(Some((Caller::new(organisation, who, member.roles, false), Some(session))))
    }

    /// Signs somebody in. CG3151 for every reason that is not a stranger's business; CG3153 for too many attempts.
    pub(crate) async fn sign_in(
        &self,
        attempts: &Attempts,
        source: [u8; 16],
        with: SignIn,
    ) -> Result<(Caller, Session), Error> {
        match with {
            SignIn::Password { organisation, login, password } => {
                let login = members::folded(&login);
                let attempt = attempts.begin(Some(&format!("{organisation}/{login}")), source, self.now())?;
                let opened = self.with_password(&organisation, &login, password).await?;
                attempts.succeeded(&attempt, self.now());
                Ok(opened)
            }
            SignIn::Link(link) => {
                let attempt = attempts.begin(None, source, self.now())?;
                let opened = self.with_link(&link).await?;
                attempts.succeeded(&attempt, self.now());
                Ok(opened)
            }
        }
    }

    async fn with_password(
        &self,
        organisation: &str,
        login: &str,
        password: Secret,
    ) -> Result<(Caller, Session), Error> {
        let usable = callgate_policy::Organisation::parse(organisation).is_ok() && members::is_login(login);
        let member = match usable {
            true => self.inner.store.reads(organisation).named::<Member>(None, login).await?,
            false => None,
        };
        let member = member.map(|stored| stored.record);
        let hash = member.as_ref().and_then(|member| member.password.clone());
        let right = passwords::verify(hash.clone(), password).await?;
        match member {
            Some(member) if right => self.open_session(organisation, &member.id, Proof::Password(hash)).await,
            _ => Err(refused()),
        }
    }

    async fn with_link(&self, link: &Secret) -> Result<(Caller, Session), Error> {
        let hash = self.inner.tokens.hash(link.reveal());
        let Some((organisation, stored)) = self.inner.store.credential(&hash).await? else { return Err(refused()) };
        let credential = stored.record;
        match &credential.member {
            Some(member) if credential.kind == CredentialKind::Link && !ended(&credential, self.now()) => {
                self.open_session(&organisation, member, Proof::Link(&hash)).await
            }
            _ => Err(refused()),
        }
    }

    /// Begins a session, unless the member was shut out or got another password in this moment, or somebody else had the
    /// link first. The link goes with the session: where there is none, it can be used again.
    async fn open_session(
        &self,
        organisation: &str,
        member: &str,
        proof: Proof<'_>,
    ) -> Result<(Caller, Session), Error> {
        let Some(stored) = self.inner.store.reads(organisation).get::<Member>(member).await? else {
            return Err(refused());
        };
        let who = Who::Member { id: stored.record.id, login: stored.record.login };
        let mut edit = self.edit_own(organisation, who.clone()).await?;
        let member = edit.change.get::<Member>(member).await?.map(|stored| stored.record);
        let Some(member) = member.filter(|member| member.disabled.is_none()) else { return Err(refused()) };
        let (by, is_good) = match proof {
            Proof::Password(hash) => ("password", hash == member.password),
            Proof::Link(hash) => ("link", edit.change.take_link(hash).await?),
        };
        if !is_good {
            return Err(refused());
        }
        let (secret, hash) = names::mint_token("cgs_", &self.inner.tokens)?;
        let now = self.now();
        let credential = credential(CredentialKind::Session, hash, &member.id, now, now + LONGEST)?;
        edit.change.insert(&credential).await?;
        let after = serde_json::json!({ "session": credential.id, "by": by });
        edit.step(Step { what: "session start", object: members::object(&member), before: Value::Null, after }).await?;
        edit.finish(self).await?;
        let session = Session { secret, credential: credential.id, member: member.id, expires: now + LONGEST };
        Ok((Caller::new(organisation, who, member.roles, false), session))
    }

    /// Ends a session, or all of its member's.
    pub(crate) async fn sign_out(&self, caller: &Caller, session: &Session, everywhere: bool) -> Result<(), Error> {
        let mut edit = self.edit_own(caller.organisation(), caller.who().clone()).await?;
        if everywhere {
            members::end_credentials(&mut edit, &session.member, None).await?;
        } else {
            edit.change.remove::<Credential>(&session.credential, self.now()).await?;
        }
        let before = serde_json::json!({ "session": if everywhere { "all" } else { session.credential.as_str() } });
        let object = caller.who().word().replacen(':', "/", 1);
        edit.step(Step { what: "session end", object, before, after: Value::Null }).await?;
        edit.finish(self).await
    }

    /// Gives the member of a session another password, and ends its other sessions and its links. `old` is needed where
    /// there is one.
    pub(crate) async fn change_password(
        &self,
        attempts: &Attempts,
        source: [u8; 16],
        (caller, session): (&Caller, &Session),
        (old, new): (Option<Secret>, Secret),
    ) -> Result<(), Error> {
        let there = self.inner.store.reads(caller.organisation()).get::<Member>(&session.member).await?;
        let Some(there) = there.map(|stored| stored.record) else { return Err(refused()) };
        if there.password.is_some() {
            let old = old.ok_or_else(|| {
                let remedy = "send it as `old`; who forgot it asks an admin to take it away, and for a one-time link";
                Error::new(Kind::Invalid, "CG3158", "the password that there is was not given", remedy)
            })?;
            let login = format!("{}/{}", caller.organisation(), there.login);
            let attempt = attempts.begin(Some(&login), source, self.now())?;
            if !passwords::verify(there.password.clone(), old).await? {
                return Err(Error::new(Kind::Forbidden, "CG3151", "the old password is another one", "try again"));
            }
            attempts.succeeded(&attempt, self.now());
        }
        let hash = passwords::hash(new).await?;
        let mut edit = self.edit_own(caller.organisation(), caller.who().clone()).await?;
        let member = edit.change.get::<Member>(&session.member).await?.map(|stored| stored.record);
        let Some(mut member) = member.filter(|member| member.password == there.password) else { return Err(refused()) };
        let before = members::shown(&member);
        member.password = Some(hash);
        edit.change.update(&member).await?;
        members::end_credentials(&mut edit, &member.id, Some(&session.credential)).await?;
        let (object, after) = (members::object(&member), members::shown(&member));
        edit.step(Step { what: "member password", object, before, after }).await?;
        edit.finish(self).await
    }

    /// A change of somebody's own credentials, which needs no role.
    async fn edit_own(&self, organisation: &str, who: Who) -> Result<Editing<'_>, Error> {
        let roles = Roles { organisation: Some(Role::Admin), ..Roles::default() };
        let own = Caller::new(organisation, who, roles, false);
        let cleared = own.clear(Permission::ManageMembers, Scope::Organisation)?;
        self.edit(&cleared).await
    }

    /// Whether there is an organisation of this name.
    pub(crate) async fn has_organisation(&self, name: &str) -> Result<bool, Error> {
        Ok(self.inner.store.organisations().await?.iter().any(|organisation| organisation.name == name))
    }
}

/// A credential of a member.
pub(crate) fn credential(
    kind: CredentialKind,
    hash: String,
    member: &str,
    now: i64,
    expires: i64,
) -> Result<Credential, Error> {
    Ok(Credential {
        id: names::new_id("c_")?,
        hash,
        kind,
        member: Some(member.to_owned()),
        label: String::new(),
        roles: Roles::default(),
        instance: false,
        csrf: String::new(),
        created: now,
        expires: Some(expires),
        used: None,
    })
}

fn refused() -> Error {
    let message = "the login or the password is wrong, or the link was used or has ended";
    Error::new(Kind::Unauthenticated, "CG3151", message, "try again, or ask an admin for a one-time link")
}

/// Whether a credential is good for nothing any more.
fn ended(credential: &Credential, now: i64) -> bool {
    let idle = credential.kind == CredentialKind::Session
        && now - credential.used.unwrap_or(credential.created).max(credential.created) >= IDLE;
    idle || credential.expires.is_some_and(|expires| expires <= now)
}
