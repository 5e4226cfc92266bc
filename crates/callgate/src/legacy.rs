//! The files of a data directory that had no database yet: `state.json` and `policies/`, read once and put aside.

use crate::data::{self, DataDir};
use crate::failure::Failure;
use callgate_control::Control;
use callgate_control::legacy::Legacy;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What this version takes over.
const FORMAT: u32 = 1;

/// What stands in place of a credential.
const WIPED: &str = "(sealed in the database)";

/// The file of an earlier version, where there is one.
pub(crate) fn find(data: &DataDir) -> Option<PathBuf> {
    Some(data.root().join("state.json")).filter(|path| path.exists())
}

/// Takes an earlier version's files over; what the operator should know.
pub(crate) async fn take_over(data: &DataDir, path: &Path, control: &Control) -> Result<Vec<String>, Failure> {
    let text = std::fs::read(path).map_err(|error| broken(path, &error.to_string()))?;
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    // The format first, so that a newer file is called newer and not broken. Without the parser's words: they can quote
    // a value, and a value can be a secret.
    let position =
        |error: serde_json::Error| broken(path, &format!("line {}, column {}", error.line(), error.column()));
    let Format { format } = serde_json::from_slice(&text).map_err(position)?;
    if format != FORMAT {
        let message = format!("`{}` has format {format}, this version takes over {FORMAT}", path.display());
        return Err(Failure::cannot_run(
            "CG3012",
            message,
            "start the version of callgate that wrote it, or a newer one",
        ));
    }
    let legacy: Legacy = serde_json::from_slice(&text).map_err(position)?;
    let policies = data.root().join("policies");
    let document = |server: &str, policy: &str, version: u32| {
        let path = policies.join(server).join(policy).join(format!("{version}.json"));
        std::fs::read_to_string(&path).map_err(|error| format!("can't read `{}`: {error}", path.display()))
    };
    Ok(control.take_over(legacy, &document).await?)
}

/// Puts the files aside, once everything in them is in the database, without the credentials that stood in them; what
/// the operator should know.
pub(crate) fn put_aside(data: &DataDir, path: &Path) -> Vec<String> {
    let policies = data.root().join("policies");
    let moved = match policies.exists() {
        true => std::fs::rename(&policies, policies.with_extension("imported")).map_err(|error| error.to_string()),
        false => Ok(()),
    };
    let mut notes = Vec::new();
    for (from, done) in [(path, bare_copy(path)), (&policies, moved)] {
        if let Err(why) = done {
            let remedy = "delete it: nothing reads it any more";
            notes.push(format!("warning: `{}` was taken over and can't be put aside: {why}; {remedy}", from.display()));
        }
    }
    notes.push(format!(
        "`{}` was taken over into the database, where its credentials are sealed; what is kept of it, as `.imported`, holds \
         none",
        path.display()
    ));
    notes
}

/// Keeps a file beside itself without its credentials, and removes it.
fn bare_copy(path: &Path) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut tree: Value = serde_json::from_slice(&text).map_err(|_| "it is no JSON".to_owned())?;
    wipe(&mut tree);
    let copy = format!("{tree:#}\n");
    data::replace(&path.with_extension("json.imported"), copy.as_bytes()).map_err(|failure| failure.message)?;
    std::fs::remove_file(path).map_err(|error| error.to_string())
}

/// Takes the values of headers and variables out of every server's target.
fn wipe(tree: &mut Value) {
    let servers = tree.get_mut("servers").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut());
    for target in servers.filter_map(|server| server.get_mut("target")) {
        for place in ["headers", "env"] {
            let values = target.get_mut(place).and_then(Value::as_object_mut);
            values.into_iter().flat_map(|all| all.values_mut()).for_each(|value| *value = WIPED.into());
        }
    }
}

fn broken(path: &Path, why: &str) -> Failure {
    let message = format!("can't read `{}`: {why}", path.display());
    Failure::cannot_run("CG3012", message, "put it back from a backup; nothing was changed")
}
