//! Roles, as forms say and show them: one in the organisation, others for single servers.

use crate::form::Form;
use crate::visit::Visit;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The roles, with what each may do.
const ROLES: [(&str, &str); 3] = [
    ("viewer", "viewer: sees everything but secrets"),
    ("policy_manager", "policy manager: also changes policies, and answers what waits"),
    ("admin", "admin: also servers, grants and members"),
];

/// So many servers can be chosen from.
const MOST_SERVERS: usize = 5_000;

/// What somebody may do.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Roles {
    #[serde(default)]
    organisation: Option<String>,
    /// By identity; by name, where they were typed.
    #[serde(default)]
    servers: BTreeMap<String, String>,
}

/// The names of servers by their identity.
pub(super) struct Servers(Vec<Named>);

#[derive(Deserialize)]
struct Named {
    name: String,
    uuid: String,
}

/// The fields of a form.
pub(super) struct RolesForm {
    pub(super) organisation: String,
    /// Server and role; the last row is empty, to add another.
    pub(super) rows: Vec<(String, String)>,
    pub(super) servers: Vec<String>,
    pub(super) choices: [(&'static str, &'static str); 3],
}

impl Servers {
    /// Those that the visitor may see; without them identities are shown.
    pub(super) async fn read(visit: &Visit) -> Self {
        Self(visit.api.all("/servers", MOST_SERVERS).await.unwrap_or_default())
    }

    fn name<'s>(&'s self, identity: &'s str) -> &'s str {
        self.0.iter().find(|server| server.uuid == identity).map_or(identity, |server| &server.name)
    }
}

impl Roles {
    /// What a new member gets where nothing else is chosen.
    pub(super) fn viewer() -> Self {
        Self { organisation: Some("viewer".to_owned()), servers: BTreeMap::new() }
    }

    /// As a form says them.
    pub(super) fn typed(form: &Form) -> Self {
        Self {
            organisation: form.word("organisation").map(str::to_owned),
            servers: rows(form).map(|(server, role)| (server.to_owned(), role.to_owned())).collect(),
        }
    }

    /// In one line.
    pub(super) fn words(&self, servers: &Servers) -> String {
        let plain = |role: &String| role.replace('_', " ");
        let single = self.servers.iter().map(|(server, role)| format!("{} of {}", plain(role), servers.name(server)));
        let words: Vec<String> = self.organisation.iter().map(plain).chain(single).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}

impl RolesForm {
    pub(super) fn of(roles: &Roles, servers: Servers) -> Self {
        let named = roles.servers.iter().map(|(server, role)| (servers.name(server).to_owned(), role.clone()));
        Self {
            organisation: roles.organisation.clone().unwrap_or_default(),
            rows: named.chain([(String::new(), String::new())]).collect(),
            servers: servers.0.into_iter().map(|server| server.name).collect(),
            choices: ROLES,
        }
    }
}

/// What the API takes.
pub(super) fn of(form: &Form) -> Value {
    let servers: Map<String, Value> = rows(form).map(|(server, role)| (server.to_owned(), json!(role))).collect();
    json!({ "organisation": form.word("organisation"), "servers": servers })
}

/// The rows that say something. A row without a role takes it away.
fn rows(form: &Form) -> impl Iterator<Item = (&str, &str)> {
    let pairs = form.values("role_server").zip(form.values("role_role"));
    pairs
        .map(|(server, role)| (server.trim(), role.trim()))
        .filter(|(server, role)| !server.is_empty() && !role.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_say_roles() {
        for (form, expected) in [
            ("organisation=viewer", json!({ "organisation": "viewer", "servers": {} })),
            (
                "organisation=&role_server=files&role_role=admin&role_server=web&role_role=&role_server=&role_role=viewer",
                json!({ "organisation": null, "servers": { "files": "admin" } }),
            ),
        ] {
            assert_eq!(of(&Form::parse(form.as_bytes())), expected);
        }
    }
}
