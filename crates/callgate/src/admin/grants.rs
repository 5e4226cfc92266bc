//! Operations on grants.

use super::{Admin, Inner, Prepared, Reply, null};
use crate::failure::Failure;
use crate::state::{self, Grant, Previous};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::MutexGuard;

/// What a new grant should be.
pub(super) struct Wish {
    pub(super) server: String,
    pub(super) label: String,
    pub(super) policy: Option<String>,
    pub(super) expires_in: Option<i64>,
    pub(super) tags: BTreeMap<String, String>,
}

/// Mints a grant; its token is in the answer and nowhere else.
pub(super) fn mint(admin: &Admin, inner: &mut MutexGuard<'_, Inner>, wish: Wish) -> Result<Reply, Failure> {
    let Wish { server, label, policy, expires_in, tags } = wish;
    check_label(&label)?;
    let mut next = inner.state_with(&server)?;
    let (policy, notes) = choose_policy(inner, &server, policy)?;
    let (token, hash) = state::mint_token("cg_", &admin.key)?;
    let id = format!("g_{}", hex::encode(crate::data::random::<8>()?));
    let created = crate::moment::now();
    let grant = Grant {
        label,
        policy,
        tags,
        token: hash,
        previous: None,
        created,
        expires: expires_in.map(|span| created.saturating_add(span)),
        revoked: None,
    };
    let after = grant.public(&id, &server);
    let entry = next.servers.get_mut(&server).ok_or_else(|| inner.unknown(&server))?;
    if entry.grants.values().any(|other| other.label == grant.label && other.revoked.is_none()) {
        let message = format!("the server `{server}` has a grant `{}` already", grant.label);
        return Err(Failure::cannot_run("CG3042", message, "choose another label, or revoke that grant first"));
    }
    entry.grants.insert(id.clone(), grant);
    let object = format!("server/{server}/grant/{id}");
    admin.apply(inner, Prepared { state: next, what: "grant mint", object, before: null(), after })?;
    Ok(Reply::with(json!({ "id": id, "token": token, "url": inner.endpoint(&server) }), notes))
}

/// Lists the grants that were minted.
pub(super) fn list(inner: &Inner, server: Option<&str>) -> Result<Reply, Failure> {
    inner.check_known(server)?;
    let wanted = |name: &str| server.is_none_or(|server| server == name);
    let mut rows = Vec::new();
    for (name, entry) in inner.state.servers.iter().filter(|(name, _)| wanted(name)) {
        rows.extend(entry.grants.iter().map(|(id, grant)| grant.public(id, name)));
    }
    rows.extend(
        inner
            .publisher
            .iter()
            .flat_map(|publisher| publisher.declared_grants())
            .filter(|row| row.get("server").and_then(Value::as_str).is_some_and(wanted)),
    );
    Ok(Reply::of(Value::Array(rows)))
}

/// Attaches another policy, or none.
pub(super) fn attach(
    admin: &Admin,
    inner: &mut MutexGuard<'_, Inner>,
    wanted: &str,
    policy: Option<String>,
) -> Result<Reply, Failure> {
    let (server, id) = inner.state.grant(wanted)?;
    if let Some(policy) = &policy {
        known_policy(inner, &server, policy)?;
    }
    change(admin, inner, "grant attach", (&server, &id), |grant| grant.policy = policy)
}

/// Gives a grant a new token.
pub(super) fn rotate(
    admin: &Admin,
    inner: &mut MutexGuard<'_, Inner>,
    wanted: &str,
    overlap: i64,
) -> Result<Reply, Failure> {
    let (server, id) = inner.state.grant(wanted)?;
    let (token, hash) = state::mint_token("cg_", &admin.key)?;
    let until = crate::moment::now().saturating_add(overlap.max(0));
    change(admin, inner, "grant rotate", (&server, &id), |grant| {
        let old = std::mem::replace(&mut grant.token, hash);
        grant.previous = (overlap > 0).then_some(Previous { token: old, until });
    })?;
    Ok(Reply::of(json!({ "id": id, "token": token, "url": inner.endpoint(&server) })))
}

/// Revokes a grant for good.
pub(super) fn revoke(admin: &Admin, inner: &mut MutexGuard<'_, Inner>, wanted: &str) -> Result<Reply, Failure> {
    let (server, id) = inner.state.grant(wanted)?;
    change(admin, inner, "grant revoke", (&server, &id), |grant| {
        grant.revoked = Some(crate::moment::now());
        grant.previous = None;
    })
}

fn change(
    admin: &Admin,
    inner: &mut MutexGuard<'_, Inner>,
    what: &'static str,
    (server, id): (&str, &str),
    edit: impl FnOnce(&mut Grant),
) -> Result<Reply, Failure> {
    let mut next = inner.state.clone();
    let grant = next.servers.get_mut(server).and_then(|entry| entry.grants.get_mut(id));
    let grant = grant.ok_or_else(|| inner.unknown(server))?;
    if grant.revoked.is_some() {
        let message = format!("the grant `{id}` ({}) is revoked", grant.label);
        return Err(Failure::cannot_run("CG3044", message, "mint another with `callgate grant mint`"));
    }
    let before = grant.public(id, server);
    edit(grant);
    let after = grant.public(id, server);
    let object = format!("server/{server}/grant/{id}");
    admin.apply(inner, Prepared { state: next, what, object, before, after: after.clone() })?;
    Ok(Reply::of(after))
}

/// The policy that was asked for; else the one that a newcomer expects.
fn choose_policy(inner: &Inner, server: &str, asked: Option<String>) -> Result<(Option<String>, Vec<String>), Failure> {
    if let Some(policy) = asked {
        known_policy(inner, server, &policy)?;
        return Ok((Some(policy), Vec::new()));
    }
    let known = policies(inner, server);
    match known.as_slice() {
        known if known.iter().any(|name| name == "default") => Ok((Some("default".to_owned()), Vec::new())),
        [only] => Ok((Some(only.clone()), Vec::new())),
        [] => {
            let note = format!(
                "the server `{server}` has no policy yet, so this grant is denied everything: \
                 `callgate policy publish FILE --server {server}`, then `callgate grant attach`"
            );
            Ok((None, vec![note]))
        }
        several => {
            let message = format!("the server `{server}` has {} policies and none is called `default`", several.len());
            Err(Failure::cannot_run("CG3043", message, format!("name one with `--policy`: {}", several.join(", "))))
        }
    }
}

fn known_policy(inner: &Inner, server: &str, policy: &str) -> Result<(), Failure> {
    let known = policies(inner, server);
    if known.iter().any(|name| name == policy) {
        return Ok(());
    }
    let remedy = match known.as_slice() {
        [] => format!("publish it first: `callgate policy publish FILE --server {server} --name {policy}`"),
        known => format!("known are: {}", known.join(", ")),
    };
    Err(Failure::cannot_run("CG3043", format!("the server `{server}` has no policy `{policy}`"), remedy))
}

fn policies(inner: &Inner, server: &str) -> Vec<String> {
    let entry = inner.state.servers.get(server);
    let mut known: Vec<String> = entry.map(|entry| entry.policies.keys().cloned().collect()).unwrap_or_default();
    let file = inner.declared(server).is_some_and(|declared| declared.policy.is_some());
    if file && !known.iter().any(|name| name == "default") {
        known.push("default".to_owned());
    }
    known
}

fn check_label(label: &str) -> Result<(), Failure> {
    let usable = (1..=100).contains(&label.chars().count()) && !label.chars().any(char::is_control);
    if usable {
        return Ok(());
    }
    let message = "`--label`: a label has 1 to 100 characters and no control characters";
    Err(Failure::cannot_run("CG3040", message, "choose another label"))
}
