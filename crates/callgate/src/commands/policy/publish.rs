//! `publish`, `list`, `show`, `history`, `rollback` and `delete`: the policies of a gateway.

use super::label;
use crate::api::{Request, path};
use crate::cli::{DataArgs, FleetPolicyArgs};
use crate::commands::fleet::{Fleet, cell, rows, show, without};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

/// Publishes a policy.
pub(super) fn publish(
    file: &Path,
    expect: Option<u32>,
    policy: &FleetPolicyArgs,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let bytes = tool_list::read_file(file)?;
    let file = label(file);
    let Ok(document) = String::from_utf8(bytes) else {
        let message = format!("the policy is not published: `{file}` is no UTF-8 text");
        return Err(Failure::no("CG3045", message, "save it as UTF-8"));
    };
    let fleet = Fleet::changing(&policy.data, environment)?;
    let place = place(policy, &[]);
    let body = json!({ "document": document, "file": file });
    let publish = || Request::of(Method::PUT, place.clone(), Some(&body));
    let request = match expect {
        None => publish(),
        Some(expected) => publish().at(&revision_of(&fleet, place.clone(), expected)?),
    };
    let answer = match fleet.send(request) {
        // There is one already, and nobody asked for one of its versions: whichever it is, it is replaced.
        Err(failure) if failure.code == "CG3148" => fleet.send(publish().at("*"))?,
        sent => sent?,
    };
    published(&answer.tree(), &file, policy.json.json);
    Ok(Exit::Yes)
}

/// The revision of the policy, where this version of it is in force.
fn revision_of(fleet: &Fleet, place: String, expected: u32) -> Result<String, Failure> {
    let now = fleet.send(Request::get(place))?;
    let version = now.tree().get("version").and_then(Value::as_u64).unwrap_or_default();
    if version == u64::from(expected) {
        return Ok(now.revision.unwrap_or_else(|| "*".to_owned()));
    }
    let message = format!("the policy is not published: version {version} is in force, not {expected}");
    Err(Failure::no("CG3162", message, "look at what was published meanwhile: `callgate policy show`"))
}

/// Publishes an earlier version again.
pub(super) fn rollback(to: Option<u32>, policy: &FleetPolicyArgs, environment: &Environment) -> Result<Exit, Failure> {
    let request = Request::post(place(policy, &["rollback"]), &json!({ "to": to })).at("*");
    published(&Fleet::changing(&policy.data, environment)?.send(request)?.tree(), "", policy.json.json);
    Ok(Exit::Yes)
}

/// Prints a published document as it was published.
pub(super) fn document(
    version: Option<u32>,
    policy: &FleetPolicyArgs,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let place = match version.map(|version| version.to_string()) {
        Some(version) => place(policy, &["versions", &version]),
        None => place(policy, &[]),
    };
    let answer = Fleet::reading(&policy.data, environment)?.send(Request::get(place))?.tree();
    show(&answer, policy.json.json, &cell(&answer, "document"));
    Ok(Exit::Yes)
}

/// Deletes a policy.
pub(super) fn delete(detach: bool, policy: &FleetPolicyArgs, environment: &Environment) -> Result<Exit, Failure> {
    let mut place = place(policy, &[]);
    if detach {
        place.push_str("?detach=true");
    }
    Fleet::changing(&policy.data, environment)?.send(Request::delete(place))?;
    let done = match &policy.server {
        Some(server) => format!("the policy `{}` of `{server}` is deleted", policy.name),
        None => "the baseline is deleted: servers' policies stand alone from the next call on".to_owned(),
    };
    show(&json!({ "deleted": policy.name, "server": policy.server }), policy.json.json, &done);
    Ok(Exit::Yes)
}

/// Lists the published policies.
pub(super) fn list(
    server: Option<&str>,
    data: &DataArgs,
    json: bool,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let place = match server {
        Some(server) => path(&["servers", server, "policies"], &[]),
        None => path(&["policies"], &[]),
    };
    let list = Fleet::reading(data, environment)?.list(Request::get(place))?;
    if json {
        output::json(&list);
        return Ok(Exit::Yes);
    }
    let row = |policy: &Value| {
        let version = match cell(policy, "file").as_str() {
            "" => format!("version {}, {}", cell(policy, "version"), cell(policy, "published")),
            file => format!("file {file}"),
        };
        vec![cell(policy, "server"), cell(policy, "name"), version]
    };
    output::table(&["SERVER", "POLICY", "IN FORCE"], &list.iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Yes)
}

/// Lists the versions of a policy.
pub(super) fn history(policy: &FleetPolicyArgs, environment: &Environment) -> Result<Exit, Failure> {
    let list = Fleet::reading(&policy.data, environment)?.list(Request::get(place(policy, &["versions"])))?;
    if policy.json.json {
        output::json(&list);
        return Ok(Exit::Yes);
    }
    let row = |version: &Value| {
        let repeats = cell(version, "repeats");
        let note = if repeats.is_empty() { String::new() } else { format!("repeats version {repeats}") };
        let digest = cell(version, "digest").chars().take(12).collect();
        vec![cell(version, "version"), cell(version, "published"), cell(version, "by"), digest, note]
    };
    output::table(&["VERSION", "PUBLISHED", "BY", "DIGEST", ""], &list.iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Yes)
}

/// Where the policy is.
fn place(policy: &FleetPolicyArgs, below: &[&str]) -> String {
    let above = match &policy.server {
        Some(server) => vec!["servers", server, "policies", &policy.name],
        None => vec!["baseline"],
    };
    path(&[&above, below].concat(), &[])
}

fn published(version: &Value, file: &str, json: bool) {
    for warning in version.get("warnings").map(rows).unwrap_or_default() {
        let [line, column, message, code, hint] =
            ["line", "column", "message", "code", "hint"].map(|key| cell(warning, key));
        let hint = if hint.is_empty() { String::new() } else { format!("\n    {hint}") };
        output::note(&format!("{file}:{line}:{column}: warning: {message} [{code}]{hint}"));
    }
    let of = match cell(version, "server").as_str() {
        "" => "of the baseline".to_owned(),
        server => format!("of the policy `{}` of `{server}`", cell(version, "name")),
    };
    let done = format!("version {} {of} applies from the next call", cell(version, "version"));
    show(&without(version.clone(), &["notes", "warnings"]), json, &done);
}
