//! `callgate limits`: list, reset.

use super::fleet::{Fleet, cell, show, table};
use crate::api::{Request, path};
use crate::cli::LimitsCommand;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use serde_json::{Value, json};

const COLUMNS: [(&str, &str); 8] = [
    ("SERVER", "server"),
    ("RULE", "rule"),
    ("SCOPE", "scope"),
    ("GRANT", "whose"),
    ("USED", "used"),
    ("LIMIT", "limit"),
    ("UNIT", "unit"),
    ("RESETS", "resets_at"),
];

/// Runs a `limits` command.
pub(super) fn run(command: LimitsCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        LimitsCommand::List { server, grant, data, json } => {
            let mut query: Vec<(&str, &str)> = Vec::new();
            query.extend(server.as_deref().map(|server| ("server", server)));
            query.extend(grant.as_deref().map(|grant| ("grant", grant)));
            let list = Fleet::reading(&data, environment)?.list(Request::get(path(&["limits"], &query)))?;
            let list = if json.json { list } else { list.into_iter().map(labelled).collect() };
            table(list, json.json, &COLUMNS);
        }
        LimitsCommand::Reset { server, rule, grant, reason, data, json } => {
            let body = json!({ "server": server, "rule": rule, "grant": grant, "reason": reason });
            let request = Request::post(path(&["limits", "reset"], &[]), &body);
            let done = Fleet::changing(&data, environment)?.send(request)?.tree();
            let sentence = match cell(&done, "counters").as_str() {
                "0" => format!("`{rule}` counted nothing"),
                "1" => format!("the counter of `{rule}` is at zero"),
                count => format!("{count} counters of `{rule}` are at zero"),
            };
            show(&done, json.json, &sentence);
        }
    }
    Ok(Exit::Yes)
}

/// With the label of the grant as a column of its own.
fn labelled(mut limit: Value) -> Value {
    let label = limit.pointer("/grant/label").cloned();
    if let (Some(object), Some(label)) = (limit.as_object_mut(), label) {
        object.insert("whose".to_owned(), label);
    }
    limit
}
