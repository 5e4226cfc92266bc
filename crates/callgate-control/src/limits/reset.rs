//! Setting the counters of a limit to zero.

use super::ground::Ground;
use super::{Counters, organisation, unknown};
use crate::approvals::visible::is_hidden;
use crate::caller::{Caller, Cleared, Permission};
use crate::change::Step;
use crate::control::Control;
use crate::error::{Error, Kind};
use callgate_decision::ResetOrder;
use callgate_policy::{CounterKey, LimitFacts, Organisation, Scope, Unit, Window};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::ToSchema;

/// How long a reason is at most, in characters.
const REASON: usize = 500;

/// Counters that are to be set to zero.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"server": "kernel", "rule": "/tools/exec_command/limits/hourly", "reason": "agreed with ops"}))]
pub struct ResetRequest {
    /// The server under whose policy the limit stands: its name or identity.
    pub server: String,
    /// The rule.
    pub rule: String,
    /// Only the counter of this grant, its label or identity; those of all grants where it is left out.
    pub grant: Option<String>,
    /// Why. It stands in the record of the change.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Counters that were set to zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitReset {
    /// The name of the server.
    pub server: String,
    /// The rule.
    pub rule: String,
    /// The identity of the grant, where it was about one.
    #[schema(required)]
    pub grant: Option<String>,
    /// How many counters held something and are at zero now.
    pub counters: u64,
}

/// What a reset comes to.
struct Found {
    server: String,
    grant: Option<String>,
    /// The counters that hold something, each once.
    keys: Vec<CounterKey>,
    /// What those that count calls hold, by whose they are, for the record.
    held: BTreeMap<String, String>,
}

impl Control {
    /// Sets the counters of a limit to zero from now on, also for the next start. Needs the permission to edit policies:
    /// who may publish a higher limit may do this. A counter that servers share needs it for all of them. CG3041, CG3252
    /// to CG3257.
    pub async fn reset_limit(&self, caller: &Caller, request: &ResetRequest) -> Result<LimitReset, Error> {
        let (cleared, server) = self.server_for(caller, Permission::EditPolicies, &request.server).await?;
        check_reason(&request.reason)?;
        let counters = Arc::clone(self.counters()?);
        let organisation = organisation(caller)?;
        let found = self.found(&cleared, (&*counters, &organisation), &server.record.id, request)?;
        let count = u64::try_from(found.keys.len()).unwrap_or(u64::MAX);
        let done = LimitReset {
            server: found.server.clone(),
            rule: request.rule.clone(),
            grant: found.grant.clone(),
            counters: count,
        };
        if found.keys.is_empty() {
            return Ok(done);
        }
        // On record before it is done: nothing is set to zero that nobody can look up.
        let mut editing = self.edit(&cleared).await?;
        let object = format!("server/{}/limit/{}", found.server, request.rule);
        let before = json!({ "grant": found.grant, "used": found.held });
        let after = json!({ "grant": found.grant, "counters": count, "reason": request.reason });
        let who = editing.who();
        editing.step(Step { what: "limit reset", object, before, after }).await?;
        editing.finish(self).await?;
        let order = ResetOrder { organisation: &organisation, who: &who, reason: &request.reason, keys: &found.keys };
        counters.reset(order).await.map_err(|why| {
            let message = format!("the reset is on record, and was not done: {why}");
            Error::new(Kind::Unavailable, "CG3258", message, "see that the journal can be written, and do it again")
        })?;
        Ok(done)
    }

    fn found(
        &self,
        cleared: &Cleared<'_>,
        (counters, organisation): (&dyn Counters, &Organisation),
        server: &str,
        request: &ResetRequest,
    ) -> Result<Found, Error> {
        let configuration = Arc::clone(&self.inner.published.borrow());
        let ground = Ground::of(&configuration, organisation.as_str());
        let no_rule = || {
            let message = format!("no limit `{}` is in force at this server", short(&request.rule));
            Error::new(Kind::NotFound, "CG3253", message, "`callgate limits list` shows those that count something")
        };
        let server = ground.server(server).ok_or_else(no_rule)?;
        let limits = ground.ruled(server, &request.rule);
        if limits.is_empty() {
            return Err(no_rule());
        }
        limits.iter().try_for_each(|limit| check(limit, cleared, request))?;
        let grant = match &request.grant {
            None => None,
            Some(wanted) => Some(ground.grant(server, wanted).ok_or_else(|| {
                let message = format!("there is no grant `{}` for this server", short(wanted));
                Error::new(Kind::NotFound, "CG3044", message, "`callgate grant list` shows them")
            })?),
        };
        let (mut keys, mut held) = (BTreeSet::new(), BTreeMap::new());
        for standing in counters.standing(organisation).map_err(unknown)? {
            let is_bound = ground.bounds(&standing.key).iter().any(|bound| {
                bound.server.id == server.id
                    && bound.limit.rule().as_str() == request.rule
                    && grant.is_none_or(|grant| bound.grant.is_some_and(|other| other.id == grant.id))
            });
            if is_bound {
                // A sum is made of arguments' values, which no record holds.
                if standing.key.unit == Unit::Calls {
                    held.insert(whose(&standing.key), standing.held.to_string());
                }
                keys.insert(standing.key);
            }
        }
        let (server, grant) = (server.name.clone(), grant.map(|grant| grant.id.clone()));
        Ok(Found { server, grant, keys: keys.into_iter().collect(), held })
    }
}

/// Whether a limit can be reset like this.
fn check(limit: &LimitFacts<'_>, cleared: &Cleared<'_>, request: &ResetRequest) -> Result<(), Error> {
    let scope = limit.scope();
    if limit.window() == Window::Concurrent {
        let message = format!("`{}` counts calls in flight, which can't be set to zero", short(&request.rule));
        return Err(Error::new(Kind::Invalid, "CG3254", message, "it frees by itself as calls end"));
    }
    if matches!(scope, Scope::Identity | Scope::Organisation) && !cleared.sees_all() {
        let message =
            format!("the counter of `{}` is shared by servers that your role does not reach", short(&request.rule));
        return Err(Error::new(Kind::Forbidden, "CG3255", message, "ask a policy manager of the organisation"));
    }
    if request.grant.is_some() && scope != Scope::Grant {
        let message = format!("`{}` does not count by grant but by {}", short(&request.rule), scope.as_str());
        return Err(Error::new(Kind::Invalid, "CG3256", message, "leave `grant` out: all of its counters are reset"));
    }
    Ok(())
}

fn check_reason(reason: &str) -> Result<(), Error> {
    let length = reason.chars().count();
    let is_text = !reason.trim().is_empty() && !reason.chars().any(|c| c.is_control() || is_hidden(c));
    if is_text && length <= REASON {
        return Ok(());
    }
    let message = format!("`reason` is no text of 1 to {REASON} characters, without control or invisible ones");
    Err(Error::new(Kind::Invalid, "CG3257", message, "say why: it stands in the record of the change"))
}

/// Whose counter it is, for the record: never anything that a client chose freely.
fn whose(key: &CounterKey) -> String {
    match key.scope {
        Scope::Grant | Scope::Session => format!("{} {}", key.scope.as_str(), key.scope_id),
        Scope::Identity | Scope::Server | Scope::Organisation => key.scope.as_str().to_owned(),
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
