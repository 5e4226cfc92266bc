//! Operations on published policies.

use super::{Admin, Inner, Prepared, Reply, null};
use crate::document;
use crate::failure::Failure;
use crate::state::{self, Published, State, Version};
use serde_json::{Value, json};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use tokio::sync::MutexGuard;

/// Publishes a policy whose check and tests pass, as a new version.
pub(super) fn publish(
    admin: &Admin,
    inner: &mut MutexGuard<'_, Inner>,
    server: &str,
    name: &str,
    text: &str,
    file: &str,
) -> Result<Reply, Failure> {
    writable(inner, server, name)?;
    let next = inner.state_with(server)?;
    let policy = document::usable(text.as_bytes(), file).map_err(|reason| {
        Failure::no(
            "CG3045",
            format!("the policy is not published: {reason}"),
            "what was in force before stays in force",
        )
    })?;
    let mut notes: Vec<String> = policy.warnings().iter().map(|problem| document::line(file, problem)).collect();
    let current = next.servers.get(server).and_then(|entry| entry.policies.get(name)?.current());
    if let Some(current) = current.filter(|current| current.digest == **policy.version()) {
        notes.push(format!("version {} is the same document: nothing to do", current.version));
        return Ok(Reply::with(describe(server, name, current), notes));
    }
    let reply = add_version(admin, inner, next, Step { server, name, what: "policy publish", repeats: None }, text)?;
    notes.extend(without_policy(inner, server, name));
    Ok(Reply { notes, ..reply })
}

/// Publishes an earlier version again.
pub(super) fn rollback(
    admin: &Admin,
    inner: &mut MutexGuard<'_, Inner>,
    server: &str,
    name: &str,
    to: Option<u32>,
) -> Result<Reply, Failure> {
    writable(inner, server, name)?;
    let published = find(inner, server, name)?;
    let current = published.current().map_or(0, |version| version.version);
    let wanted = to.unwrap_or_else(|| published.versions.iter().rev().nth(1).map_or(0, |version| version.version));
    if wanted == current || !published.versions.iter().any(|version| version.version == wanted) {
        let message = match to {
            None => format!("the policy `{name}` of `{server}` has no version before {current}"),
            Some(_) => {
                format!("the policy `{name}` of `{server}` has no version {wanted} to go back to (it is at {current})")
            }
        };
        return Err(Failure::cannot_run("CG3043", message, "`callgate policy history` shows the versions"));
    }
    let path = path(admin, server, name, wanted);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("can't read version {wanted}, `{}`: {error}", path.display());
        Failure::cannot_run("CG3043", message, "publish its document again from your own copy")
    })?;
    let file = path.display().to_string();
    document::usable(text.as_bytes(), &file).map_err(|reason| {
        Failure::no(
            "CG3045",
            format!("version {wanted} is not published: {reason}"),
            "what was in force before stays in force",
        )
    })?;
    let next = inner.state.clone();
    add_version(admin, inner, next, Step { server, name, what: "policy rollback", repeats: Some(wanted) }, &text)
}

/// Lists the published policies.
pub(super) fn list(inner: &Inner, server: Option<&str>) -> Result<Reply, Failure> {
    inner.check_known(server)?;
    let wanted = |name: &str| server.is_none_or(|server| server == name);
    let mut rows = Vec::new();
    for (name, entry) in inner.state.servers.iter().filter(|(name, _)| wanted(name)) {
        for (policy, published) in &entry.policies {
            rows.extend(published.current().map(|version| describe(name, policy, version)));
        }
    }
    let declared = inner.publisher.as_ref().map_or(&[][..], |publisher| publisher.declared_servers());
    for declared in declared.iter().filter(|declared| wanted(declared.name.as_str())) {
        rows.extend(
            declared
                .policy
                .as_ref()
                .map(|file| json!({ "server": declared.name.as_str(), "name": "default", "file": file })),
        );
    }
    Ok(Reply::of(Value::Array(rows)))
}

/// Lists the versions of a policy, newest first.
pub(super) fn history(inner: &Inner, server: &str, name: &str) -> Result<Reply, Failure> {
    let published = find(inner, server, name)?;
    Ok(Reply::of(published.versions.iter().rev().map(|version| describe(server, name, version)).collect()))
}

/// What a new version is made for.
struct Step<'a> {
    server: &'a str,
    name: &'a str,
    what: &'static str,
    repeats: Option<u32>,
}

fn add_version(
    admin: &Admin,
    inner: &mut MutexGuard<'_, Inner>,
    mut next: State,
    step: Step<'_>,
    text: &str,
) -> Result<Reply, Failure> {
    let Step { server, name, what, repeats } = step;
    let entry = next.servers.get_mut(server).ok_or_else(|| inner.unknown(server))?;
    let published = entry.policies.entry(name.to_owned()).or_insert_with(Published::default);
    let before = published.current().map_or_else(null, |version| describe(server, name, version));
    let version = Version {
        version: published.current().map_or(1, |version| version.version.saturating_add(1)),
        at: crate::moment::now(),
        digest: document::digest(text.as_bytes()),
        repeats,
    };
    let after = describe(server, name, &version);
    // The document first: a version that the state names is always there.
    let path = path(admin, server, name, version.version);
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
            let message = format!("can't create `{}`: {error}", directory.display());
            Failure::cannot_run(
                "CG3014",
                message,
                "nothing was changed; make room or give this user the right to write there",
            )
        })?;
    }
    crate::data::replace(&path, text.as_bytes())?;
    published.versions.push(version);
    let object = format!("server/{server}/policy/{name}");
    admin.apply(inner, Prepared { state: next, what, object, before, after: after.clone() })?;
    Ok(Reply::of(after))
}

/// A policy that the configuration file names is edited there.
fn writable(inner: &Inner, server: &str, name: &str) -> Result<(), Failure> {
    state::policy_name(name)?;
    let file = inner.declared(server).and_then(|declared| declared.policy.as_ref());
    match file.filter(|_| name == "default") {
        None => Ok(()),
        Some(file) => {
            let message = format!("the policy `default` of `{server}` is the file `{}`", file.display());
            Err(Failure::cannot_run(
                "CG3046",
                message,
                "edit that file: it applies at once; or publish under another `--name`",
            ))
        }
    }
}

fn find<'a>(inner: &'a Inner, server: &str, name: &str) -> Result<&'a Published, Failure> {
    let none = || {
        let message = format!("the server `{server}` has no published policy `{name}`");
        Failure::cannot_run("CG3043", message, "`callgate policy list` shows them")
    };
    match inner.state.servers.get(server) {
        Some(entry) => entry.policies.get(name).ok_or_else(none),
        None if inner.declared(server).is_some() => Err(none()),
        None => Err(inner.unknown(server)),
    }
}

/// Who publishes a server's policy after minting its grants should know that they are still without one.
fn without_policy(inner: &Inner, server: &str, name: &str) -> Option<String> {
    let entry = inner.state.servers.get(server)?;
    let labels: Vec<&str> = entry
        .grants
        .values()
        .filter(|grant| grant.policy.is_none() && grant.revoked.is_none())
        .map(|grant| grant.label.as_str())
        .collect();
    let first = labels.first()?;
    Some(format!(
        "{} of `{server}` without a policy, denied everything ({}): `callgate grant attach {first} --policy {name}`",
        if labels.len() == 1 { "there is 1 grant".to_owned() } else { format!("there are {} grants", labels.len()) },
        labels.join(", ")
    ))
}

fn path(admin: &Admin, server: &str, name: &str, version: u32) -> PathBuf {
    state::policy_path(&admin.data, server, name, version)
}

fn describe(server: &str, name: &str, version: &Version) -> Value {
    json!({
        "server": server, "name": name, "version": version.version, "digest": version.digest,
        "published": crate::moment::rfc3339(version.at), "repeats": version.repeats,
    })
}
