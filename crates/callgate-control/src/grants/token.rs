//! A grant's new token.

use super::mint::Minted;
use crate::caller::{Caller, Permission};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::names;
use crate::precondition::Precondition;
use callgate_store::PreviousToken;

/// How long two tokens of one grant work beside each other at most: a year, in seconds.
const OVERLAP: u64 = 366 * 86_400;

impl Control {
    /// Gives a grant a new token, which is in the answer and nowhere else; the one before works on for so many seconds.
    pub async fn rotate_grant(
        &self,
        caller: &Caller,
        wanted: &str,
        overlap_seconds: u64,
        precondition: Precondition,
    ) -> Result<Minted, Error> {
        let overlap = i64::try_from(overlap_seconds).ok().filter(|_| overlap_seconds <= OVERLAP).ok_or_else(|| {
            let message = format!("`overlap_seconds`: {overlap_seconds} is more than a year ({OVERLAP})");
            Error::new(Kind::Invalid, "CG3131", message, "choose a shorter overlap")
        })?;
        let (token, hash) = names::mint_token("cg_", &self.inner.tokens)?;
        let mut open = self.open_grant(caller, Permission::ManageGrants, wanted, precondition).await?;
        let before = open.grant.record.clone();
        let grant = &mut open.grant.record;
        let token_before = std::mem::replace(&mut grant.token, hash);
        // Whoever gets a token is who may ask with it, as long as it works.
        let holder = before.holder().map(str::to_owned);
        grant.rotated_by = Some(open.editing.identity());
        let until = self.now().saturating_add(overlap.saturating_mul(1_000));
        grant.previous = (overlap > 0).then_some(PreviousToken { token: token_before, until, holder });
        let policy = open.policy.clone();
        let row = self.close_grant(open, "grant rotate", &before, policy).await?;
        Ok(Minted { url: self.endpoint(&row.server), id: row.id, token, revision: row.revision, notes: Vec::new() })
    }
}
