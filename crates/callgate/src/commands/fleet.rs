//! Where the fleet's operations happen: in the running gateway, or on the data directory when none runs.

use crate::admin::{Admin, Op, Reply};
use crate::cli::DataArgs;
use crate::data::{self, Claim, DataDir};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::gateway;
use crate::{output, socket};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a starting or ending process may hold the directory without answering.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does one operation, and tells the operator its notes.
pub(super) fn operate(args: &DataArgs, environment: &Environment, op: Op) -> Result<Reply, Failure> {
    let path = data::resolve(args.data.as_deref(), environment)?;
    let data = if op.changes() { DataDir::open(&path)? } else { DataDir::existing(&path)? };
    let reply = super::runtime()?.block_on(reach(&data, environment, op))?;
    for note in &reply.notes {
        output::note(note);
    }
    Ok(reply)
}

async fn reach(data: &DataDir, environment: &Environment, op: Op) -> Result<Reply, Failure> {
    let begin = Instant::now();
    loop {
        match data.claim()? {
            Claim::Ours(lock) => {
                let log = gateway::change_log(data)?;
                let admin = Admin::open(data.clone(), lock, environment.clone(), log, None)?;
                let credential = credential(data, environment, &op)?;
                return admin.execute(op, credential.as_deref()).await;
            }
            Claim::Theirs(owner) => {
                let credential = credential(data, environment, &op)?;
                if let Some(reply) = socket::request(data, op.clone(), credential).await? {
                    return Ok(reply);
                }
                // Starting, ending, or another command: it is about to answer or to let go.
                if begin.elapsed() > PATIENCE {
                    let pid = owner.pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                    let message = format!("{pid} holds `{}` and does not answer", data.root().display());
                    return Err(Failure::cannot_run("CG3032", message, "look at its output, or end it"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// What was set for scripts, else what the first use of the directory left.
fn credential(data: &DataDir, environment: &Environment, op: &Op) -> Result<Option<String>, Failure> {
    if !op.changes() {
        return Ok(None);
    }
    if let Some(token) = environment.text("CALLGATE_TOKEN") {
        return Ok(Some(token.to_owned()));
    }
    let path = data.admin_token();
    match std::fs::read_to_string(&path) {
        Ok(token) => {
            output::note(&admin_token_remains(&path));
            Ok(Some(token.trim().to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("can't read `{}`: {error}", path.display());
            Err(Failure::cannot_run("CG3010", message, "give this user the right to read it, or set `CALLGATE_TOKEN`"))
        }
    }
}

/// The warning that stays until the credential is out of the agents' reach.
pub(super) fn admin_token_remains(path: &std::path::Path) -> String {
    format!(
        "warning: every program of this user can read the admin credential `{}`; after set-up, keep it elsewhere and remove the file",
        path.display()
    )
}

/// A member's text, empty where it has none.
pub(super) fn cell(row: &Value, key: &str) -> String {
    match row.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            texts.collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// The rows of a list.
pub(super) fn rows(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A pair such as `K=V`.
pub(super) fn pair(option: &str, text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => {
            let message = format!("`{option}`: it should be `KEY=VALUE`");
            Err(Failure::cannot_run("CG3051", message, format!("for example `{option} MODE=quiet`")))
        }
    }
}

/// A header such as `Name: value`. The value is never repeated: it is often secret.
pub(super) fn header(text: &str) -> Result<(String, String), Failure> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => {
            let message = "`--header`: it should be `Name: value`";
            Err(Failure::cannot_run("CG3051", message, "for example `--header 'Authorization: Bearer …'`"))
        }
    }
}
