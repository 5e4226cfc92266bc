//! The files of a data directory that had no database yet: `state.json` and `policies/`, read once and put aside.

use crate::data::DataDir;
use crate::failure::Failure;
use callgate_control::Control;
use callgate_control::legacy::Legacy;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What this version takes over.
const FORMAT: u32 = 1;

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

/// Puts the files aside, once everything in them is in the database; what the operator should know.
pub(crate) fn put_aside(data: &DataDir, path: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    let policies = data.root().join("policies");
    for from in [path, &policies] {
        let to = from.with_extension(if from == path { "json.imported" } else { "imported" });
        if from.exists()
            && let Err(error) = std::fs::rename(from, &to)
        {
            notes.push(format!("warning: `{}` was taken over and can't be put aside: {error}", from.display()));
        }
    }
    notes.push(format!(
        "`{}` was taken over into the database, and put aside as `.imported`: delete it, it holds credentials in the clear",
        path.display()
    ));
    notes
}

fn broken(path: &Path, why: &str) -> Failure {
    let message = format!("can't read `{}`: {why}", path.display());
    Failure::cannot_run("CG3012", message, "put it back from a backup; nothing was changed")
}
