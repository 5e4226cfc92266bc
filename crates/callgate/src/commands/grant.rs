//! `callgate grant`: mint, list, edit, attach, rotate, revoke.

use super::fleet::{Fleet, cell, pair, show};
use crate::api::{Request, path};
use crate::cli::GrantCommand;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{moment, output};
use hyper::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What `mint` and `rotate` print for scripts.
const TOKEN: [&str; 3] = ["id", "token", "url"];

/// Runs a `grant` command.
pub(super) fn run(command: GrantCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        GrantCommand::Mint { server, label, policy, expires, tag, data, json } => {
            let mut body = json!({ "server": server, "label": label, "tags": tags(&tag)? });
            if let Some(policy) = policy {
                insert(&mut body, "policy", policy.into());
            }
            if let Some(text) = expires {
                insert(&mut body, "expires", from_now("--expires", &text)?.into());
            }
            let request = Request::post(path(&["grants"], &[]), &body);
            token(&Fleet::changing(&data, environment)?.send(request)?.tree(), json.json);
        }
        GrantCommand::List { server, data, json } => {
            let query: Vec<_> = server.as_deref().map(|server| ("server", server)).into_iter().collect();
            let grants = Fleet::reading(&data, environment)?.list(Request::get(path(&["grants"], &query)))?;
            list(grants, json.json);
        }
        GrantCommand::Edit { grant, label, expires, no_expiry, tag, no_tags, data, json } => {
            let changes =
                changes(label, expires.as_deref(), no_expiry, (no_tags || !tag.is_empty()).then_some(tag.as_slice()))?;
            let fleet = Fleet::changing(&data, environment)?;
            let request = Request::of(Method::PATCH, path(&["grants", &grant], &[]), Some(&Value::Object(changes)));
            show(
                &fleet.send(request.at("*"))?.tree(),
                json.json,
                &format!("`{grant}` is changed, from the next call on"),
            );
        }
        GrantCommand::Attach { grant, policy, none: _, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            let place = path(&["grants", &grant, "policy"], &[]);
            let request = match &policy {
                Some(policy) => Request::of(Method::PUT, place, Some(&json!({ "policy": policy }))).at("*"),
                None => Request::delete(place),
            };
            let answer = fleet.send(request)?.tree();
            let done = match policy {
                None => format!("`{grant}` has no policy now: every call is denied"),
                Some(policy) => format!("`{grant}` has the policy `{policy}` now"),
            };
            show(&answer, json.json, &done);
        }
        GrantCommand::Rotate { grant, overlap, data, json } => {
            let seconds = moment::duration("--overlap", &overlap)? / 1000;
            let fleet = Fleet::changing(&data, environment)?;
            let place = path(&["grants", &grant, "rotate"], &[]);
            let request = Request::post(place, &json!({ "overlap_seconds": seconds })).at("*");
            token(&fleet.send(request)?.tree(), json.json);
        }
        GrantCommand::Revoke { grant, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            let request = Request::delete(path(&["grants", &grant], &[]));
            show(&fleet.send(request)?.tree(), json.json, &format!("`{grant}` is revoked"));
        }
    }
    Ok(Exit::Yes)
}

/// What is named of a grant: its label, its end (none with `never`), all of its tags.
fn changes(
    label: Option<String>,
    expires: Option<&str>,
    never: bool,
    tag: Option<&[String]>,
) -> Result<Map<String, Value>, Failure> {
    let mut changes = Map::new();
    if let Some(label) = label {
        changes.insert("label".to_owned(), label.into());
    }
    if let Some(text) = expires {
        changes.insert("expires".to_owned(), from_now("--expires", text)?.into());
    }
    if never {
        changes.insert("expires".to_owned(), Value::Null);
    }
    if let Some(tag) = tag {
        changes.insert("tags".to_owned(), json!(tags(tag)?));
    }
    Ok(changes)
}

fn list(grants: Vec<Value>, json: bool) {
    if json {
        return output::json(&grants);
    }
    let row = |grant: &Value| {
        let mut row: Vec<String> = ["id", "server", "label", "policy"].map(|key| cell(grant, key)).into();
        row.push(status(grant));
        row.push(cell(grant, "last_used"));
        row
    };
    let headings = ["ID", "SERVER", "LABEL", "POLICY", "STATUS", "LAST USED"];
    output::table(&headings, &grants.iter().map(row).collect::<Vec<_>>());
}

fn token(grant: &Value, json: bool) {
    if json {
        let members = TOKEN.map(|key| (key.to_owned(), grant.get(key).cloned().unwrap_or_default()));
        return output::json(&Map::from_iter(members));
    }
    output::text(&format!(
        "id     {}\nurl    {}\ntoken  {}\n\nThe token is shown this once. Clients send it as `Authorization: Bearer …`.",
        cell(grant, "id"),
        cell(grant, "url"),
        cell(grant, "token")
    ));
}

fn tags(typed: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    typed.iter().map(|text| pair("--tag", text)).collect()
}

/// The moment that is so far from now, RFC 3339.
fn from_now(option: &str, text: &str) -> Result<String, Failure> {
    Ok(moment::rfc3339(moment::now().saturating_add(moment::duration(option, text)?)))
}

fn insert(body: &mut Value, key: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(key.to_owned(), value);
    }
}

fn status(grant: &Value) -> String {
    match (cell(grant, "revoked").as_str(), cell(grant, "expires").as_str()) {
        ("", "") => "live".to_owned(),
        ("", expires) => format!("until {expires}"),
        (revoked, _) => format!("revoked {revoked}"),
    }
}
