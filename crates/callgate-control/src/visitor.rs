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
        let is_its = |hash: &[u8; 32]| blake3::Hash::from_bytes(*hash) == blake3::Hash::from_bytes(digest);
        let found = configuration.grants.iter().find(|grant| {
            is_its(&grant.token) || grant.previous.as_ref().is_some_and(|(hash, until)| *until > now && is_its(hash))
        });
        let live = found.filter(|grant| grant.expires.is_none_or(|end| end > now));
        Ok(live.map(|grant| {
            let who = Who::Token { id: grant.id.clone(), label: grant.label.clone() };
            let servers = [(grant.server.to_string(), Role::Viewer)].into();
            Caller::new(&grant.organisation, who, Roles { organisation: None, servers }, false)
        }))
    }
}
