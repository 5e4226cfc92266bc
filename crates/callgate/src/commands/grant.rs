//! `callgate grant`: mint, list, attach, rotate, revoke.

use super::fleet::{cell, operate, pair, rows};
use crate::admin::{Op, Reply};
use crate::cli::GrantCommand;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{moment, output};
use serde_json::Value;

/// Runs a `grant` command.
pub(super) fn run(command: GrantCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        GrantCommand::Mint { server, label, policy, expires, tag, data, json } => {
            let expires_in = expires.map(|text| moment::duration("--expires", &text)).transpose()?;
            let tags = tag.iter().map(|text| pair("--tag", text)).collect::<Result<_, _>>()?;
            let reply = operate(&data, environment, Op::GrantMint { server, label, policy, expires_in, tags })?;
            token(&reply, json.json);
        }
        GrantCommand::List { server, data, json } => {
            let reply = operate(&data, environment, Op::GrantList { server })?;
            if json.json {
                output::json(&reply.value);
            } else {
                let list = reply.tree();
                let row = |grant: &Value| {
                    let mut row: Vec<String> = ["id", "server", "label", "policy"].map(|key| cell(grant, key)).into();
                    row.push(status(grant));
                    row
                };
                output::table(
                    &["ID", "SERVER", "LABEL", "POLICY", "STATUS"],
                    &rows(&list).iter().map(row).collect::<Vec<_>>(),
                );
            }
        }
        GrantCommand::Attach { grant, policy, none: _, data, json } => {
            let reply = operate(&data, environment, Op::GrantAttach { grant: grant.clone(), policy })?;
            let done = match cell(&reply.tree(), "policy").as_str() {
                "" => format!("`{grant}` has no policy now: every call is denied"),
                policy => format!("`{grant}` has the policy `{policy}` now"),
            };
            changed(&reply, json.json, &done);
        }
        GrantCommand::Rotate { grant, overlap, data, json } => {
            let overlap = moment::duration("--overlap", &overlap)?;
            let reply = operate(&data, environment, Op::GrantRotate { grant, overlap })?;
            token(&reply, json.json);
        }
        GrantCommand::Revoke { grant, data, json } => {
            let reply = operate(&data, environment, Op::GrantRevoke { grant: grant.clone() })?;
            changed(&reply, json.json, &format!("`{grant}` is revoked"));
        }
    }
    Ok(Exit::Yes)
}

fn token(reply: &Reply, json: bool) {
    if json {
        output::json(&reply.value);
        return;
    }
    let grant = reply.tree();
    output::text(&format!(
        "id     {}\nurl    {}\ntoken  {}\n\nThe token is shown this once. Clients send it as `Authorization: Bearer …`.",
        cell(&grant, "id"),
        cell(&grant, "url"),
        cell(&grant, "token")
    ));
}

fn changed(reply: &Reply, json: bool, done: &str) {
    if json {
        output::json(&reply.value);
    } else {
        output::text(done);
    }
}

fn status(grant: &Value) -> String {
    match (cell(grant, "revoked").as_str(), cell(grant, "expires").as_str()) {
        ("", "") => "live".to_owned(),
        ("", expires) => format!("until {expires}"),
        (revoked, _) => format!("revoked {revoked}"),
    }
}
