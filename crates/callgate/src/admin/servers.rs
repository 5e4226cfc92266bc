//! Operations on servers.

use super::{Admin, Inner, Prepared, Reply, null};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::state::{self, Server, Target};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::MutexGuard;

/// Registers a server.
pub(super) fn add(
    admin: &Admin,
    inner: &mut MutexGuard<'_, Inner>,
    name: &str,
    target: Target,
    settings: Settings,
) -> Result<Reply, Failure> {
    let name = state::server_name(name)?;
    if inner.declared(name.as_str()).is_some() {
        return Err(declared(name.as_str()));
    }
    crate::publish::upstream(&target, &admin.environment)?;
    let mut next = inner.state.clone();
    // An entry without a target is what is left of one that the configuration file no longer declares.
    let uuid = match next.servers.get(name.as_str()) {
        Some(Server { target: Some(_), .. }) => {
            let message = format!("there is a server `{name}` already");
            return Err(Failure::cannot_run(
                "CG3042",
                message,
                "choose another name, or `callgate server remove` it first",
            ));
        }
        Some(left) => left.uuid.clone(),
        None => state::new_uuid()?,
    };
    let after = json!({ "uuid": uuid, "target": target.public(), "settings": settings });
    let entry = next.servers.entry(name.as_str().to_owned()).or_insert_with(|| Server {
        uuid,
        target: None,
        settings: Settings::default(),
        policies: BTreeMap::new(),
        grants: BTreeMap::new(),
    });
    entry.target = Some(target);
    entry.settings = settings;
    let object = format!("server/{name}");
    admin.apply(inner, Prepared { state: next, what: "server add", object, before: null(), after })?;
    show(inner, name.as_str())
}

/// Removes a server, its policies and its grants.
pub(super) fn remove(admin: &Admin, inner: &mut MutexGuard<'_, Inner>, name: &str) -> Result<Reply, Failure> {
    if inner.declared(name).is_some() {
        return Err(declared(name));
    }
    if !inner.state.servers.contains_key(name) {
        return Err(inner.unknown(name));
    }
    let before = describe(inner, name);
    let mut next = inner.state.clone();
    next.servers.remove(name);
    let object = format!("server/{name}");
    admin.apply(inner, Prepared { state: next, what: "server remove", object, before, after: null() })?;
    // Nothing refers to them any more; what can't be removed is only in the way of nobody.
    drop(std::fs::remove_dir_all(admin.data.root().join("policies").join(name)));
    Ok(Reply::of(json!({ "removed": name })))
}

/// Lists the servers.
pub(super) fn list(inner: &Inner) -> Reply {
    let declared = inner.publisher.as_ref().map_or(&[][..], |publisher| publisher.declared_servers());
    let names: BTreeSet<&str> = declared
        .iter()
        .map(|server| server.name.as_str())
        .chain(inner.state.servers.keys().map(String::as_str))
        .collect();
    Reply::of(Value::Array(names.into_iter().map(|name| describe(inner, name)).collect()))
}

/// Shows one server.
pub(super) fn show(inner: &Inner, name: &str) -> Result<Reply, Failure> {
    inner.check_known(Some(name))?;
    Ok(Reply::of(describe(inner, name)))
}

/// Where a server is.
pub(super) fn target(inner: &Inner, name: &str) -> Result<Target, Failure> {
    if let Some(declared) = inner.declared(name) {
        return Ok(declared.target.clone());
    }
    let server = inner.state.servers.get(name).ok_or_else(|| inner.unknown(name))?;
    server.target.clone().ok_or_else(|| {
        let message = format!("the server `{name}` is declared in a configuration file that isn't in use now");
        Failure::cannot_run("CG3046", message, "start `callgate up` with that file first")
    })
}

fn describe(inner: &Inner, name: &str) -> Value {
    let entry = inner.state.servers.get(name);
    let declared = inner.declared(name);
    let target = declared.map(|declared| &declared.target).or_else(|| entry.and_then(|entry| entry.target.as_ref()));
    let settings = match declared {
        Some(declared) => declared.settings.public(),
        None => entry.map_or_else(|| Settings::default().public(), |entry| entry.settings.public()),
    };
    let mut policies: BTreeSet<&str> =
        entry.map(|entry| entry.policies.keys().map(String::as_str).collect()).unwrap_or_default();
    if declared.is_some_and(|declared| declared.policy.is_some()) {
        policies.insert("default");
    }
    let grants = entry.map_or(0, |entry| entry.grants.values().filter(|grant| grant.revoked.is_none()).count());
    let uuid = entry.map_or_else(|| state::declared_uuid(name), |entry| entry.uuid.clone());
    json!({
        "name": name, "uuid": uuid, "url": inner.endpoint(name), "target": target.map(Target::public),
        "settings": settings,
        "policies": policies, "grants": grants, "declared": declared.is_some(),
    })
}

fn declared(name: &str) -> Failure {
    let message = format!("the server `{name}` is declared in the configuration file");
    Failure::cannot_run("CG3046", message, "edit that file, then send SIGHUP or restart")
}
