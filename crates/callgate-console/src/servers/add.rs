//! Adding a server: by its URL, by a command, or as the catalogue knows it.

use super::place::{By, NewServer};
use crate::api::{Problem, path};
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// What the catalogue knows of a server.
#[derive(Deserialize)]
struct Entry {
    name: String,
    about: Value,
}

#[derive(Deserialize)]
struct Added {
    name: String,
}

pub(super) async fn show(visit: Visit) -> Response {
    let mut typed = NewServer::by(visit.query.text("by"));
    let entry = visit.query.text("entry");
    let mut from = None;
    if !entry.is_empty() {
        let known: Entry = match visit.api.get(&path(&["catalogue", "servers", entry], &[])).await {
            Ok(known) => known,
            Err(problem) => return shell::failed(&visit, Section::Servers, problem),
        };
        typed = of_catalogue(&known.name, &known.about).unwrap_or(typed);
        from = Some(known.name);
    }
    page(&visit, StatusCode::OK, None, &typed, from.as_deref())
}

/// Registers it, and leads to its page, which asks it for its tools.
pub(super) async fn add(Posted { visit, form }: Posted) -> Response {
    let typed = NewServer::of(&form);
    let added: Result<Added, Problem> = match typed.body(&form) {
        Ok(body) => visit.api.post("/servers", &body).await,
        Err(problem) => Err(problem),
    };
    match added {
        Ok(added) => Redirect::to(&path(&["servers", &added.name], &[("done", "added")])).into_response(),
        Err(problem) => page(&visit, problem.status(), Some(problem), &typed, None),
    }
}

/// A server of the catalogue as one that can be registered: its first remote, else its first package.
pub(crate) fn of_catalogue(name: &str, about: &Value) -> Option<NewServer> {
    let list = |key: &str| about.get(key).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let short = name.rsplit('/').next().unwrap_or(name);
    let usable = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = short.chars().map(usable).take(64).collect();
    let remote = list("remotes").map(|remote| text(remote, "url"));
    if let Some(url) = remote.into_iter().find(|url| url.starts_with("https://") || url.starts_with("http://")) {
        return Some(NewServer { by: By::Url, name, url, ..NewServer::default() });
    }
    list("packages").find_map(|package| {
        let (registry, identifier, version) =
            (text(package, "registry"), text(package, "identifier"), text(package, "version"));
        if identifier.is_empty() || identifier.starts_with('-') {
            return None;
        }
        let at =
            |sign: &str| if version.is_empty() { identifier.clone() } else { format!("{identifier}{sign}{version}") };
        let (command, args) = match registry.as_str() {
            "npm" => ("npx", format!("-y\n{}", at("@"))),
            "pypi" => ("uvx", at("@")),
            "oci" if identifier.contains(':') => ("docker", format!("run\n-i\n--rm\n{identifier}")),
            "oci" => ("docker", format!("run\n-i\n--rm\n{}", at(":"))),
            _ => return None,
        };
        let name = name.clone();
        Some(NewServer { by: By::Command, name, command: command.to_owned(), args, ..NewServer::default() })
    })
}

fn page(
    visit: &Visit,
    status: StatusCode,
    problem: Option<Problem>,
    typed: &NewServer,
    from: Option<&str>,
) -> Response {
    let page = AddPage {
        shell: Shell::new(visit, Section::Servers).with(problem),
        typed,
        from,
        action: "/add/server",
        may_not: visit.me.may.not("manage_servers", None),
    };
    shell::html(status, &page)
}

#[derive(Template)]
#[template(path = "servers/add.html")]
struct AddPage<'v> {
    shell: Shell<'v>,
    typed: &'v NewServer,
    from: Option<&'v str>,
    action: &'static str,
    may_not: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn packages_and_remotes_become_what_starts_them() {
        let package = |registry: &str, identifier: &str| json!({ "packages": [{ "registry": registry, "identifier": identifier, "version": "1.2" }] });
        for (about, line) in [
            (package("npm", "@scope/x"), "npx -y @scope/x@1.2"),
            (package("pypi", "x"), "uvx x@1.2"),
            (package("oci", "ghcr.io/o/x"), "docker run -i --rm ghcr.io/o/x:1.2"),
            (package("oci", "ghcr.io/o/x:3"), "docker run -i --rm ghcr.io/o/x:3"),
            (package("mcpb", "x"), ""),
            (package("npm", "--eval"), ""),
            (json!({ "remotes": [{ "url": "javascript:x" }, { "url": "https://h/mcp" }] }), "https://h/mcp"),
        ] {
            let found = of_catalogue("io.github.o/My Server", &about).unwrap_or_default();
            let said = format!("{}{} {}", found.url, found.command, found.args.replace('\n', " "));
            assert_eq!(said.trim(), line);
            assert!(line.is_empty() || found.name == "My-Server");
        }
    }
}
