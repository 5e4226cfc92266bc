//! Organisations, and the first one: what a fresh database needs before anybody can sign in.

use crate::caller::{Caller, Permission, Scope, Who};
use crate::change::{Place, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::members::{LINK_LASTS, Link, NewMember};
use crate::precondition::Precondition;
use crate::secret::Secret;
use crate::tokens::NewToken;
use callgate_policy::Organisation;
use callgate_store::{Credential, CredentialKind, Member, OrganisationRecord, Page, Role, Roles, StoreError};
use serde_json::{Value, json};

/// The organisation of a fresh database.
const FIRST: &str = "default";

/// The login of its first admin.
const FIRST_ADMIN: &str = "admin";

/// Where the store keeps that the first use is over.
const DONE: &str = "first_use_done";

/// What the first start makes. Both secrets are shown once.
#[derive(Debug)]
pub struct FirstUse {
    /// The credential of the whole instance, for `admin.token`.
    pub credential: Secret,
    /// Signs the member `admin` in, once, within 24 hours.
    pub link: Link,
}

/// Whether somebody is at home in an organisation.
enum FirstAdmin {
    /// It has no member at all.
    Missing,
    /// Its only member has no password and no session: without a link nobody can ever sign in.
    Waiting(Member),
    /// Somebody is, and nobody else may let anybody in.
    Arrived,
}

impl Control {
    /// Makes the organisation `default`, its member `admin`, and the credential of the instance, until
    /// [`Control::first_use_done`] was told that they are in good hands; `None` afterwards.
    pub async fn first_use(&self) -> Result<Option<FirstUse>, Error> {
        if self.inner.store.meta(DONE).await?.is_some() {
            return Ok(None);
        }
        if !self.has_organisation(FIRST).await? {
            self.make_organisation(FIRST, &Who::Local).await?;
        }
        let caller = Caller::new(FIRST, Who::Local, admin(), true);
        let cleared = caller.clear(Permission::ManageInstance, Scope::Organisation)?;
        let reads = self.reads(&cleared);
        // What a start made that was cut off in the middle: nobody knows its secrets.
        let link = match reads.named::<Member>(None, FIRST_ADMIN).await? {
            Some(member) => self.link_member(&caller, &member.record.id, LINK_LASTS.1).await?,
            None => self.add_admin(&caller, FIRST_ADMIN).await?,
        };
        if reads.named::<Credential>(None, FIRST_ADMIN).await?.is_some() {
            self.remove_token(&caller, FIRST_ADMIN, Precondition::Present).await?;
        }
        let new = NewToken { label: FIRST_ADMIN.to_owned(), roles: admin(), expires: None, instance: true };
        let (_, credential) = self.add_token(&caller, new).await?;
        Ok(Some(FirstUse { credential, link }))
    }

    /// The credential of the first use is in its file: no start makes another one.
    pub async fn first_use_done(&self) -> Result<(), Error> {
        Ok(self.inner.store.put_meta(DONE, b"1").await?)
    }

    /// All organisations, by name.
    pub(crate) async fn organisations(&self, caller: &Caller) -> Result<Vec<OrganisationRecord>, Error> {
        caller.clear(Permission::ManageInstance, Scope::Organisation)?;
        let mut all = self.inner.store.organisations().await?;
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// Makes an organisation and its first admin; sent again, it gives that admin a new link as long as it never signed in.
    /// CG3102 where the name is taken.
    pub(crate) async fn add_organisation(&self, caller: &Caller, name: &str, login: &str) -> Result<Link, Error> {
        caller.clear(Permission::ManageInstance, Scope::Organisation)?;
        Organisation::parse(name).map_err(|error| {
            Error::new(Kind::Invalid, "CG3158", format!("the name of the organisation: {error}"), "choose another one")
        })?;
        let login = crate::members::folded(login);
        if !crate::members::is_login(&login) {
            let message = "`admin` is no login: letters, digits, `.`, `_`, `%`, `+`, `-` and `@`";
            return Err(Error::new(Kind::Invalid, "CG3158", message, "choose another one"));
        }
        let inside = Caller::new(name, caller.who().clone(), admin(), false);
        match self.make_organisation(name, caller.who()).await {
            Err(StoreError::Taken { .. }) => {}
            done => {
                done?;
                return self.add_admin(&inside, &login).await;
            }
        }
        match self.first_admin(name).await? {
            // It was cut off here: nobody could ever sign in, so it is finished now.
            FirstAdmin::Missing => self.add_admin(&inside, &login).await,
            // The link was lost or is over.
            FirstAdmin::Waiting(member) if member.login == login => {
                self.link_member(&inside, &member.id, LINK_LASTS.1).await
            }
            _ => Err(StoreError::Taken { what: "organisation", name: name.to_owned() }.into()),
        }
    }

    /// Makes an organisation, and leaves that for the journal: published with its first admin.
    async fn make_organisation(&self, name: &str, who: &Who) -> Result<(), StoreError> {
        let at = self.now();
        let (what, object) = ("organisation add", format!("organisation/{name}"));
        let step = Step { what, object, before: Value::Null, after: json!({ "name": name }) };
        let place = Place { organisation: name, generation: 0, position: 0 };
        self.inner.store.add_organisation(name, at, Some(step.body(&place, at, who))).await
    }

    async fn first_admin(&self, name: &str) -> Result<FirstAdmin, Error> {
        let reads = self.inner.store.reads(name);
        let mut members = reads.list::<Member>(&Page { parent: None, after: None, limit: 2 }).await?;
        let (member, None) = (members.pop(), members.pop()) else { return Ok(FirstAdmin::Arrived) };
        let Some(member) = member.map(|stored| stored.record) else { return Ok(FirstAdmin::Missing) };
        let of_member = Page { parent: Some(member.id.clone()), after: None, limit: 200 };
        let credentials = reads.list::<Credential>(&of_member).await?;
        let signed_in = credentials.iter().any(|stored| stored.record.kind == CredentialKind::Session);
        Ok(if signed_in || member.password.is_some() { FirstAdmin::Arrived } else { FirstAdmin::Waiting(member) })
    }

    async fn add_admin(&self, caller: &Caller, login: &str) -> Result<Link, Error> {
        let link = Some(LINK_LASTS.1);
        let new = NewMember { login: login.to_owned(), name: None, roles: admin(), password: None, link };
        let (_, link) = self.add_member(caller, new).await?;
        link.ok_or_else(|| Error::new(Kind::Unavailable, "CG3159", "no link was made", "try again"))
    }
}

fn admin() -> Roles {
    Roles { organisation: Some(Role::Admin), ..Roles::default() }
}

#[cfg(test)]
mod tests {
    use crate::attempts::Attempts;
    use crate::sessions::SignIn;
    use crate::trial::{NOW, Trial, root};
    use serde_json::json;

    #[tokio::test]
    async fn an_organisation_that_was_cut_off_gets_its_admin_after_all() {
        let trial = Trial::new().await;
        let control = &trial.control;
        control.inner.store.add_organisation("lab", NOW, None).await.unwrap();
        control.add_organisation(&root(), "lab", "eve").await.unwrap();
        let error = control.add_organisation(&root(), "lab", "mallory").await.unwrap_err();
        assert_eq!(error.code, "CG3102");
    }

    #[tokio::test]
    async fn a_new_organisation_is_on_record_before_all_that_is_in_it() {
        let trial = Trial::new().await;
        trial.control.add_organisation(&root(), "lab", "eve").await.unwrap();
        // Sent again, it is no new one.
        trial.control.add_organisation(&root(), "lab", "eve").await.unwrap();
        let bodies = trial.journal.bodies();
        let first = &bodies[0];
        assert_eq!((&first["what"], &first["object"]), (&json!("organisation add"), &json!("organisation/lab")));
        assert_eq!((&first["organisation"], &first["generation"]), (&json!("lab"), &json!(0)));
        assert_eq!((&first["who"], &first["after"]), (&json!("token:admin"), &json!({ "name": "lab" })));
        assert_eq!(bodies.iter().filter(|body| body["what"] == "organisation add").count(), 1);
    }

    #[tokio::test]
    async fn a_first_admin_whose_link_is_over_gets_another_until_it_has_signed_in() {
        let trial = Trial::new().await;
        let control = &trial.control;
        control.add_organisation(&root(), "lab", "eve").await.unwrap();
        let link = control.add_organisation(&root(), "lab", "eve").await.unwrap();
        control.sign_in(&Attempts::new(), [0; 16], SignIn::Link(link.secret)).await.unwrap();
        let error = control.add_organisation(&root(), "lab", "eve").await.unwrap_err();
        assert_eq!(error.code, "CG3102");
    }
}
