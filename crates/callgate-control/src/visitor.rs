//! Whoever holds a token of the gateway, for looking things up: an API token, or a grant's.

use crate::caller::{Caller, Who};
use crate::control::Control;
use crate::error::Error;
use crate::secret::Secret;
use callgate_store::{Role, Roles};

impl Control {
    /// Who holds this token, none where it opens nothing: an API token is its caller; a live grant may look at its own
    /// server, and at what everybody may see.
    pub async fn visitor(&self, token: &Secret) -> Result<Option<Caller>, Error> {
        if let Some((caller, session)) = self.identify(token).await? {
            return Ok(Some(caller).filter(|_| session.is_none()));
        }
        let digest = self.inner.tokens.digest(token.reveal());
        let now = self.now();
        let configuration = std::sync::Arc::clone(&self.inner.published.borrow());
        Ok(configuration.grant_of(&digest, now).map(|grant| {
            let who = Who::Token { id: grant.id.clone(), label: grant.label.clone() };
            let servers = [(grant.server.to_string(), Role::Viewer)].into();
            Caller::new(&grant.organisation, who, Roles { organisation: None, servers }, false)
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::Precondition;
    use crate::grants::Wish;
    use crate::secret::Secret;
    use crate::trial::{Trial, later, root, server};

    #[tokio::test]
    async fn a_grant_is_found_by_the_tokens_that_work() {
        let trial = Trial::new().await;
        let control = &trial.control;
        let mut change = control.inner.store.begin("default").await.unwrap();
        change.insert(&server("kernel")).await.unwrap();
        change.commit().await.unwrap();
        control.publish().await.unwrap();
        let opens = async |token: &Secret| control.visitor(token).await.unwrap().is_some();
        let (server, label) = ("kernel".to_owned(), "laptop".to_owned());
        let wish = Wish { server, label, policy: None, expires: None, tags: Default::default() };
        let first = control.mint_grant(&root(), wish).await.unwrap();
        assert!(opens(&first.token).await && !opens(&Secret::new("cg_unknown".to_owned())).await);
        let second = control.rotate_grant(&root(), "laptop", 60, Precondition::Present).await.unwrap();
        assert!(opens(&first.token).await && opens(&second.token).await);
        later(60_000);
        assert!(!opens(&first.token).await && opens(&second.token).await);
        control.revoke_grant(&root(), "laptop", Precondition::Present).await.unwrap();
        assert!(!opens(&second.token).await);
    }
}
