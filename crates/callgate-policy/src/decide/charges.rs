//! What forwarding a call costs.

use super::entries::Entries;
use super::{Case, Denial, at, conditions, message};
use crate::decision::{Outcome, Reason, ShadowVerdict, Source};
use crate::ledger::{Charge, CounterKey};
use crate::model::{Limit, Mode, Scope};
use callgate_json::Decimal;
use std::sync::{Arc, LazyLock};

static NOBODY: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

/// The charges of every limit that applies, in the order in which they are asked. A charge that can't be made out is
/// a fault; in shadow mode it is only recorded.
pub(super) fn of(
    case: &Case<'_>,
    entries: &Entries<'_>,
    shadow: &mut Vec<ShadowVerdict>,
) -> Result<Vec<Charge>, Denial> {
    let mut charges: Vec<Charge> = Vec::with_capacity(entries.iter().map(|(_, entry)| entry.limits.len()).sum());
    for (source, entry) in entries.iter() {
        for limit in &entry.limits {
            let charge = match one(case, source, limit) {
                Ok(charge) => charge,
                Err(why) => {
                    fault(limit, source, &why, shadow)?;
                    continue;
                }
            };
            // A counter that an earlier limit charges under a bound no looser can't refuse here first.
            let is_covered =
                |known: &Charge| known.max <= charge.max && known.mode == charge.mode && known.key == charge.key;
            if !charges.iter().any(is_covered) {
                charges.push(charge);
            }
        }
    }
    Ok(charges)
}

fn fault(limit: &Limit, source: Source, why: &str, shadow: &mut Vec<ShadowVerdict>) -> Result<(), Denial> {
    let message = message::fault(limit.rule.as_str(), why).into();
    let (reason, rule) = (Reason::Fault, limit.rule.clone());
    if limit.mode == Mode::Shadow {
        shadow.push(ShadowVerdict { rule, outcome: Outcome::Deny, reason, message });
        return Ok(());
    }
    Err(Denial { reason, rule, place: Some(at(source, &limit.place)), message })
}

fn one(case: &Case<'_>, source: Source, limit: &Limit) -> Result<Charge, String> {
    let (scope, scope_id) = scope(case, limit.scope)?;
    let server = match scope {
        Scope::Identity | Scope::Organisation => None,
        Scope::Grant | Scope::Session | Scope::Server => Some(case.call.server.clone()),
    };
    Ok(Charge {
        key: CounterKey {
            organisation: case.facts.organisation.clone(),
            server,
            scope,
            scope_id,
            name: Arc::clone(&limit.counter),
            window: limit.window,
            strategy: limit.strategy,
            unit: limit.unit.clone(),
        },
        amount: amount(case, limit)?,
        max: limit.max,
        rule: limit.rule.clone(),
        place: at(source, &limit.place),
        on_deny: limit.on_deny.clone(),
        mode: limit.mode,
    })
}

fn scope(case: &Case<'_>, scope: Scope) -> Result<(Scope, Arc<str>), String> {
    let grant = || Arc::clone(case.facts.grant.id.as_arc());
    Ok(match scope {
        Scope::Grant => (scope, grant()),
        Scope::Session => match case.facts.session {
            Some(session) => (scope, session.into()),
            None => (Scope::Grant, grant()),
        },
        Scope::Identity => match case.facts.identity {
            Some(identity) => (scope, identity.subject.as_str().into()),
            None => return Err("the caller has no identity".into()),
        },
        Scope::Server | Scope::Organisation => (scope, Arc::clone(&NOBODY)),
    })
}

fn amount(case: &Case<'_>, limit: &Limit) -> Result<Decimal, String> {
    let Some(path) = &limit.increment_from else {
        return Ok(Decimal::ONE);
    };
    let steps = path.argument_steps().ok_or_else(|| format!("`{path}` is no argument"))?;
    let value = conditions::find(case.arguments, steps).filter(|value| !value.is_null());
    let value = value.ok_or_else(|| format!("`{path}`, the amount to charge, is missing"))?;
    let number = value.as_number().ok_or_else(|| format!("`{path}`, the amount to charge, is not a number"))?;
    match number.exact() {
        Ok(amount) if amount.is_negative() => Err(format!("`{path}`, the amount to charge, is negative")),
        Ok(amount) => Ok(amount),
        Err(error) => Err(format!("`{path}`, the amount to charge: {error}")),
    }
}
