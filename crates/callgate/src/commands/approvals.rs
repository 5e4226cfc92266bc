//! `callgate approvals`: list, show, approve, deny, revoke, watch.

mod watch;

use super::fleet::{Fleet, cell, show, table};
use crate::api::{Reply, Request, path};
use crate::cli::{ApprovalsCommand, JsonArgs};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{moment, output};
use callgate_control::approvals::visible::visible;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("STATE", "state"),
    ("SERVER", "server"),
    ("TOOL", "tool"),
    ("GRANT", "grant_label"),
    ("EXPIRES", "expires"),
    ("BY", "answered_by"),
];

/// What of a question is shown, line by line.
const LINES: [(&str, &str); 14] = [
    ("id", "id"),
    ("state", "state"),
    ("server", "server"),
    ("tool", "tool"),
    ("grant", "grant_label"),
    ("in the name of", "identity"),
    ("client", "client"),
    ("rule", "rule"),
    ("asked", "asked"),
    ("over", "expires"),
    ("answered by", "answered_by"),
    ("reason", "reason"),
    ("page", "url"),
    ("message", "message"),
];

/// The arguments of a question, as they came.
#[derive(Deserialize)]
struct Exact {
    arguments: Option<BTreeMap<String, Box<RawValue>>>,
    argument_keys: Vec<String>,
    state: String,
}

/// Runs an `approvals` command.
pub(super) fn run(command: ApprovalsCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        ApprovalsCommand::List { state, server, data, json } => {
            let mut query: Vec<(&str, &str)> = Vec::new();
            query.extend(state.map(|state| ("state", state.word())));
            query.extend(server.as_deref().map(|server| ("server", server)));
            let list = Fleet::reading(&data, environment)?.list(Request::get(path(&["approvals"], &query)))?;
            table(list, json.json, &COLUMNS);
        }
        ApprovalsCommand::Show { approval, data, json } => {
            let reply = one(&Fleet::reading(&data, environment)?, &approval)?;
            print(&reply, json)?;
        }
        ApprovalsCommand::Approve { approval, reason, remember, same, data, json } => {
            let mut body = json!({ "reason": reason.unwrap_or_default() });
            if let Some(lasts) = remember {
                moment::duration("--remember", &lasts)?;
                let arguments = (!same.is_empty()).then_some(same);
                let remember = json!({ "for": lasts, "arguments": arguments });
                body.as_object_mut().map(|body| body.insert("remember".to_owned(), remember));
            }
            let answer = answer(&Fleet::changing(&data, environment)?, &approval, "approve", &body)?;
            show(&answer, json.json, &approved(&answer));
        }
        ApprovalsCommand::Deny { approval, reason, data, json } => {
            let body = json!({ "reason": reason.unwrap_or_default() });
            let answer = answer(&Fleet::changing(&data, environment)?, &approval, "deny", &body)?;
            show(&answer, json.json, &denied(&answer));
        }
        ApprovalsCommand::Revoke { approval, data, json } => {
            let place = path(&["approvals", &approval, "revoke"], &[]);
            let answer =
                Fleet::changing(&data, environment)?.send(Request::of(hyper::Method::POST, place, None))?.tree();
            show(&answer, json.json, &format!("`{approval}` is good for nothing any more"));
        }
        ApprovalsCommand::Watch { data, json } => {
            return watch::run(&Fleet::reading(&data, environment)?, json.json);
        }
    }
    Ok(Exit::Yes)
}

/// One question: with its arguments where there is a credential that may see them.
fn one(fleet: &Fleet, approval: &str) -> Result<Reply, Failure> {
    let request = || Request::get(path(&["approvals", approval], &[]));
    match fleet.send(request().privileged()) {
        // Without any, its names can be read on the local socket.
        Err(failure) if failure.code == "CG3030" => fleet.send(request()),
        done => done,
    }
}

fn answer(fleet: &Fleet, approval: &str, word: &str, body: &Value) -> Result<Value, Failure> {
    Ok(fleet.send(Request::post(path(&["approvals", approval, word], &[]), body))?.tree())
}

fn approved(answer: &Value) -> String {
    let (id, until) = (cell(answer, "id"), cell(answer, "expires"));
    match answer.get("remembered").filter(|remembered| remembered.is_array()) {
        Some(_) => {
            let same = cell(answer, "remembered");
            format!("`{id}` is approved: until {until} for all calls with equal arguments ({same})")
        }
        None => format!("`{id}` is approved: this call may be made once, until {until}"),
    }
}

fn denied(answer: &Value) -> String {
    format!("`{}` is refused, and so are identical calls until {}", cell(answer, "id"), cell(answer, "expires"))
}

fn print(reply: &Reply, json: JsonArgs) -> Result<(), Failure> {
    if json.json {
        output::json(&reply.tree());
        return Ok(());
    }
    output::text(&text(reply)?);
    Ok(())
}

/// A question for people to read: nothing in it can hide.
fn text(reply: &Reply) -> Result<String, Failure> {
    let tree = reply.tree();
    let mut lines: Vec<String> = LINES
        .iter()
        .map(|(name, key)| (name, cell(&tree, key)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<15} {}", visible(&value)))
        .collect();
    let exact: Exact = serde_json::from_str(reply.value.get()).map_err(|error| {
        let remedy = "look at the gateway's own output; restart it if it is of another version";
        Failure::cannot_run("CG3032", format!("the gateway gave no usable answer: {error}"), remedy)
    })?;
    match exact.arguments {
        Some(arguments) => {
            lines.push("arguments".to_owned());
            let each = arguments.iter();
            lines.extend(each.map(|(name, value)| format!("  {}: {}", visible(name), visible(value.get()))));
        }
        None => {
            let names: Vec<String> = exact.argument_keys.iter().map(|name| visible(name)).collect();
            lines.push(format!("{:<15} {}", "arguments", names.join(", ")));
            if exact.state == "pending" {
                lines.push("                (their values are shown to who may answer: `callgate login`)".to_owned());
            }
        }
    }
    Ok(lines.join("\n"))
}
