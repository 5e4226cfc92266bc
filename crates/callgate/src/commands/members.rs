//! `callgate member`, `token` and `organisation`: who may do what.

use super::fleet::{Fleet, cell, show};
use crate::api::{Request, path};
use crate::cli::{MemberCommand, OrganisationCommand, RoleName, TokenCommand};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{moment, output};
use hyper::Method;
use serde_json::{Map, Value, json};

/// Runs a `member` command.
pub(super) fn member(command: MemberCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        MemberCommand::Add { login, role, server, name, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            let mut body = json!({ "login": login, "roles": roles(&fleet, Some(role), &server)? });
            if let (Some(name), Some(body)) = (name, body.as_object_mut()) {
                body.insert("name".to_owned(), name.into());
            }
            let mut member = fleet.send(Request::post(path(&["members"], &[]), &body))?.tree();
            let link = complete_link(&mut member, &fleet);
            show(&member, json.json, &invitation(&format!("`{login}` is a member"), &link));
        }
        MemberCommand::List { data, json } => {
            let list = Fleet::reading(&data, environment)?.list(Request::get(path(&["members"], &[])).privileged())?;
            if json.json {
                output::json(&list);
                return Ok(Exit::Yes);
            }
            let row = |member: &Value| {
                let mut row: Vec<String> = ["id", "login", "name"].map(|key| cell(member, key)).into();
                row.push(role_words(member));
                row.push(cell(member, "disabled"));
                row
            };
            let headings = ["ID", "LOGIN", "NAME", "ROLES", "SHUT OUT"];
            output::table(&headings, &list.iter().map(row).collect::<Vec<_>>());
        }
        MemberCommand::Role { member, role, server, none: _, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            let place = path(&["members", &member], &[]);
            let now = fleet.send(Request::get(place.clone()).privileged())?;
            let roles = changed(&now.tree(), &roles(&fleet, role, &server)?);
            let request = Request::of(Method::PATCH, place, Some(&json!({ "roles": roles })));
            let after = fleet.send(request.at(now.revision.as_deref().unwrap_or("*")))?.tree();
            show(&after, json.json, &format!("`{member}` has the roles: {}", role_words(&after)));
        }
        MemberCommand::Remove { member, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            fleet.send(Request::delete(path(&["members", &member], &[])))?;
            show(&json!({ "removed": member }), json.json, &format!("`{member}` is no member any more"));
        }
        MemberCommand::Link { member, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            let place = path(&["members", &member, "link"], &[]);
            let link = with_url(fleet.send(Request::of(Method::POST, place, None))?.tree(), &fleet);
            show(&link, json.json, &invitation(&format!("a link for `{member}`"), &link));
        }
    }
    Ok(Exit::Yes)
}

/// Runs a `token` command.
pub(super) fn token(command: TokenCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        TokenCommand::Create { label, role, server, expires, instance, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            let mut body = Map::from_iter([
                ("label".to_owned(), json!(label)),
                ("roles".to_owned(), roles(&fleet, Some(role), &server)?),
            ]);
            if let Some(text) = expires {
                let end = moment::now().saturating_add(moment::duration("--expires", &text)?);
                body.insert("expires".to_owned(), moment::rfc3339(end).into());
            }
            if instance {
                body.insert("instance".to_owned(), true.into());
            }
            let made = fleet.send(Request::post(path(&["tokens"], &[]), &Value::Object(body)))?.tree();
            let (id, token) = (cell(&made, "id"), cell(&made, "token"));
            let text =
                format!("id     {id}\ntoken  {token}\n\nThe token is shown this once. Put it into `CALLGATE_TOKEN`.");
            show(&made, json.json, &text);
        }
        TokenCommand::List { data, json } => {
            let list = Fleet::reading(&data, environment)?.list(Request::get(path(&["tokens"], &[])).privileged())?;
            if json.json {
                output::json(&list);
                return Ok(Exit::Yes);
            }
            let row = |token: &Value| {
                let mut row: Vec<String> = ["id", "label"].map(|key| cell(token, key)).into();
                row.push(role_words(token));
                row.extend(["instance", "expires", "used"].map(|key| cell(token, key)));
                row
            };
            let headings = ["ID", "LABEL", "ROLES", "INSTANCE", "UNTIL", "LAST USED"];
            output::table(&headings, &list.iter().map(row).collect::<Vec<_>>());
        }
        TokenCommand::Revoke { token, data, json } => {
            let fleet = Fleet::changing(&data, environment)?;
            fleet.send(Request::delete(path(&["tokens", &token], &[])))?;
            show(&json!({ "revoked": token }), json.json, &format!("`{token}` is revoked"));
        }
    }
    Ok(Exit::Yes)
}

/// Runs an `organisation` command.
pub(super) fn organisation(command: OrganisationCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        OrganisationCommand::Add { name, admin, data, json } => {
            let body = json!({ "name": name, "admin": admin });
            let request = Request::post(path(&["organisations"], &[]), &body);
            let fleet = Fleet::changing(&data, environment)?;
            let mut made = fleet.send(request)?.tree();
            let link = complete_link(&mut made, &fleet);
            let done = format!("the organisation `{name}`, with the admin `{admin}`");
            show(&made, json.json, &invitation(&done, &link));
        }
        OrganisationCommand::List { data, json } => {
            let request = Request::get(path(&["organisations"], &[])).privileged();
            let list = Fleet::reading(&data, environment)?.list(request)?;
            super::fleet::table(list, json.json, &[("NAME", "name"), ("CREATED", "created")]);
        }
    }
    Ok(Exit::Yes)
}

/// The roles that options name: in the organisation, or for single servers. Null takes one away.
fn roles(fleet: &Fleet, role: Option<RoleName>, servers: &[String]) -> Result<Value, Failure> {
    let role = match role {
        None => Value::Null,
        Some(RoleName::Admin) => "admin".into(),
        Some(RoleName::PolicyManager) => "policy_manager".into(),
        Some(RoleName::Viewer) => "viewer".into(),
    };
    if servers.is_empty() {
        return Ok(json!({ "organisation": role }));
    }
    let mut of = Map::new();
    for server in servers {
        let found = fleet.send(Request::get(path(&["servers", server], &[])))?.tree();
        of.insert(cell(&found, "uuid"), role.clone());
    }
    Ok(json!({ "servers": of }))
}

/// The roles after a change of some of them: the API takes them as a whole.
fn changed(member: &Value, change: &Value) -> Value {
    let roles = member.get("roles");
    let organisation = change.get("organisation").or_else(|| roles?.get("organisation")).cloned().unwrap_or_default();
    let of_servers = |value: &Value| value.get("servers").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut servers = roles.map(of_servers).unwrap_or_default();
    servers.extend(of_servers(change));
    servers.retain(|_, role| !role.is_null());
    json!({ "organisation": organisation, "servers": servers })
}

fn role_words(member: &Value) -> String {
    let roles = member.get("roles").cloned().unwrap_or_default();
    let mut words: Vec<String> =
        roles.get("organisation").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    let servers = roles.get("servers").and_then(Value::as_object).into_iter().flatten();
    words.extend(servers.map(|(server, role)| format!("{} for {server}", role.as_str().unwrap_or_default())));
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// A link with the address that it leads to.
fn with_url(mut link: Value, fleet: &Fleet) -> Value {
    let url = format!("{}{}", fleet.url(), cell(&link, "path"));
    if let Some(link) = link.as_object_mut() {
        link.insert("url".to_owned(), url.into());
    }
    link
}

/// Completes the link in an answer; the link itself.
fn complete_link(answer: &mut Value, fleet: &Fleet) -> Value {
    let link = with_url(answer.get("link").cloned().unwrap_or_default(), fleet);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("link".to_owned(), link.clone());
    }
    link
}

/// What was done, and the link that signs somebody in.
fn invitation(done: &str, link: &Value) -> String {
    let (url, until) = (cell(link, "url"), cell(link, "expires"));
    format!("{done}\nlink  {url}\n\nIt signs in once, until {until}. Send it over a way that nobody else reads.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_one_role_leaves_the_others() {
        let member = json!({ "roles": { "organisation": "viewer", "servers": { "a": "admin", "b": "viewer" } } });
        for (change, expected) in [
            (
                json!({ "organisation": "admin" }),
                json!({ "organisation": "admin", "servers": { "a": "admin", "b": "viewer" } }),
            ),
            (
                json!({ "organisation": null }),
                json!({ "organisation": null, "servers": { "a": "admin", "b": "viewer" } }),
            ),
            (
                json!({ "servers": { "a": null, "c": "viewer" } }),
                json!({ "organisation": "viewer", "servers": { "b": "viewer", "c": "viewer" } }),
            ),
        ] {
            assert_eq!(changed(&member, &change), expected, "{change}");
        }
    }
}
