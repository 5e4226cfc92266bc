//! `publish`, `list`, `history` and `rollback`: policies of a data directory.

use super::label;
use crate::admin::Op;
use crate::cli::DataArgs;
use crate::commands::fleet::{cell, operate, rows};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use serde_json::Value;
use std::path::Path;

/// Publishes a policy.
pub(super) fn publish(
    file: &Path,
    server: String,
    name: String,
    data: &DataArgs,
    json: bool,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let bytes = tool_list::read_file(file)?;
    let file = label(file);
    let Ok(document) = String::from_utf8(bytes) else {
        let message = format!("the policy is not published: `{file}` is no UTF-8 text");
        return Err(Failure::no("CG3045", message, "save it as UTF-8"));
    };
    let reply = operate(data, environment, Op::PolicyPublish { server, name, document, file })?;
    published(&reply.tree(), json);
    Ok(Exit::Yes)
}

/// Publishes an earlier version again.
pub(super) fn rollback(
    (server, name, to): (String, String, Option<u32>),
    data: &DataArgs,
    json: bool,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let reply = operate(data, environment, Op::PolicyRollback { server, name, to })?;
    published(&reply.tree(), json);
    Ok(Exit::Yes)
}

/// Lists the published policies.
pub(super) fn list(
    server: Option<String>,
    data: &DataArgs,
    json: bool,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let reply = operate(data, environment, Op::PolicyList { server })?;
    if json {
        output::json(&reply.value);
        return Ok(Exit::Yes);
    }
    let row = |policy: &Value| {
        let version = match cell(policy, "file").as_str() {
            "" => format!("version {}, {}", cell(policy, "version"), cell(policy, "published")),
            file => format!("file {file}"),
        };
        vec![cell(policy, "server"), cell(policy, "name"), version]
    };
    output::table(&["SERVER", "POLICY", "IN FORCE"], &rows(&reply.tree()).iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Yes)
}

/// Lists the versions of a policy.
pub(super) fn history(
    server: String,
    name: String,
    data: &DataArgs,
    json: bool,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let reply = operate(data, environment, Op::PolicyHistory { server, name })?;
    if json {
        output::json(&reply.value);
        return Ok(Exit::Yes);
    }
    let row = |version: &Value| {
        let repeats = cell(version, "repeats");
        let note = if repeats.is_empty() { String::new() } else { format!("repeats version {repeats}") };
        vec![
            cell(version, "version"),
            cell(version, "published"),
            cell(version, "digest").chars().take(12).collect(),
            note,
        ]
    };
    output::table(&["VERSION", "PUBLISHED", "DIGEST", ""], &rows(&reply.tree()).iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Yes)
}

fn published(version: &Value, json: bool) {
    if json {
        output::json(version);
        return;
    }
    output::text(&format!(
        "version {} of the policy `{}` of `{}` applies from the next call",
        cell(version, "version"),
        cell(version, "name"),
        cell(version, "server")
    ));
}
