//! `callgate server`: register servers, look at them, change and remove them.

use super::fleet::{Fleet, cell, rows, show, without};
use crate::api::{Request, path};
use crate::cli::{ServerCommand, ServerEditArgs};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::target::{self, Typed};
use callgate_control::settings::Settings;
use hyper::Method;
use serde_json::{Map, Value, json};

/// Runs a `server` command.
pub(super) fn run(command: ServerCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        ServerCommand::Add { name, url, header, env, env_from, cwd, settings, data, json, command } => {
            let settings = settings.read()?;
            let target = Typed { url, headers: header, env, env_from, cwd, command }.target()?;
            let body = json!({ "name": name, "target": target::body(&target), "settings": settings });
            let server = Fleet::changing(&data, environment)?.send(Request::post(path(&["servers"], &[]), &body))?;
            let server = server.tree();
            let done = format!("registered `{}` at {}", cell(&server, "name"), cell(&server, "url"));
            show(&server, json.json, &done);
        }
        ServerCommand::Edit(args) => edit(*args, environment)?,
        ServerCommand::Credentials { name, header, env, none: _, data, json } => {
            let body = if env.is_empty() {
                json!({ "headers": target::revealed(&target::headers(&header)?) })
            } else {
                json!({ "env": target::revealed(&target::variables(&env)?) })
            };
            let request = Request::of(Method::PUT, path(&["servers", &name, "credentials"], &[]), Some(&body)).at("*");
            let server = Fleet::changing(&data, environment)?.send(request)?.tree();
            show(&server, json.json, &format!("`{name}` gets the new credentials from the next call"));
        }
        ServerCommand::List { data, json } => {
            let servers = Fleet::reading(&data, environment)?.list(Request::get(path(&["servers"], &[])))?;
            list(servers, json.json);
        }
        ServerCommand::Import(args) => return super::import::run(args, environment),
        ServerCommand::Show { name, data, json } => {
            let request = Request::get(path(&["servers", &name], &[]));
            let server = Fleet::reading(&data, environment)?.send(request)?.tree();
            if json.json { output::json(&server) } else { show_one(&server) }
        }
        ServerCommand::Tools { name, data, json } => {
            super::definitions::tools(&name, json.json, &Fleet::reading(&data, environment)?)?;
        }
        ServerCommand::Definitions { name, data, json } => {
            super::definitions::list(&name, json.json, &Fleet::reading(&data, environment)?)?;
        }
        ServerCommand::Definition(args) => super::definitions::definition(args, environment)?,
        ServerCommand::ApproveDefinitions(args) => return super::definitions::approve(args, environment),
        ServerCommand::Remove { name, data, json } => {
            Fleet::changing(&data, environment)?.send(Request::delete(path(&["servers", &name], &[])))?;
            show(&json!({ "removed": name }), json.json, &format!("removed `{name}`, its policies and its grants"));
        }
    }
    Ok(Exit::Yes)
}

fn edit(args: ServerEditArgs, environment: &Environment) -> Result<(), Failure> {
    let ServerEditArgs { name, url, env_from, cwd, settings, data, json, command } = args;
    let mut changes = Map::new();
    if url.is_some() || !command.is_empty() {
        let target = Typed { url, env_from, cwd, command, ..Typed::default() }.target()?;
        changes.insert("target".to_owned(), without(target::body(&target), &["headers", "env"]));
    }
    let settings = settings.read()?;
    let fleet = Fleet::changing(&data, environment)?;
    let place = path(&["servers", &name], &[]);
    let before = fleet.send(Request::get(place.clone()))?;
    if settings != Settings::default() {
        changes.insert("settings".to_owned(), chosen(&before.tree(), &settings));
    }
    if changes.is_empty() {
        let message = "there is nothing to change";
        return Err(Failure::cannot_run("CG3051", message, "name what: `callgate server edit --help`"));
    }
    // Only if it is still what the settings were taken from.
    let request = Request::of(Method::PATCH, place, Some(&Value::Object(changes)));
    let server = fleet.send(request.at(before.revision.as_deref().unwrap_or("*")))?.tree();
    show(&server, json.json, &format!("`{}` is changed, from the next call on", cell(&server, "name")));
    Ok(())
}

/// What was chosen for a server before, and what is chosen now: the API takes settings as a whole, and shows those that
/// nobody chose, too.
fn chosen(server: &Value, now: &Settings) -> Value {
    let defaults = json!(Settings::default().complete());
    let before = server.get("settings").and_then(Value::as_object).into_iter().flatten();
    let mut all: Map<String, Value> = before
        .filter(|(key, value)| defaults.get(key.as_str()) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Value::Object(now) = json!(now) {
        all.extend(now);
    }
    Value::Object(all)
}

fn list(servers: Vec<Value>, json: bool) {
    if json {
        return output::json(&servers);
    }
    let row = |server: &Value| {
        let mut row = vec![cell(server, "name"), place(server)];
        row.extend(["policies", "grants", "url"].map(|key| cell(server, key)));
        row
    };
    let headings = ["NAME", "SERVER", "POLICIES", "GRANTS", "URL"];
    output::table(&headings, &servers.iter().map(row).collect::<Vec<_>>());
}

fn show_one(server: &Value) {
    let mut lines = vec![vec!["server".to_owned(), place(server)]];
    let rest = ["url", "uuid", "policies", "grants", "declared"];
    lines.extend(rest.map(|key| vec![key.to_owned(), cell(server, key)]));
    let settings = server.get("settings").and_then(Value::as_object).into_iter().flatten();
    lines.extend(settings.filter(|(_, value)| !value.is_null()).map(|(key, value)| vec![key.clone(), text_of(value)]));
    output::table(&["NAME", &cell(server, "name")], &lines);
}

fn place(server: &Value) -> String {
    let Some(target) = server.get("target").filter(|target| !target.is_null()) else { return String::new() };
    match target.get("url") {
        Some(_) => cell(target, "url"),
        None => {
            let args = target.get("args").map(rows).unwrap_or_default();
            let words = args.iter().filter_map(Value::as_str);
            std::iter::once(cell(target, "command").as_str()).chain(words).collect::<Vec<_>>().join(" ")
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_keeps_what_was_chosen_and_chooses_nothing_else() {
        let settings = |value: Value| serde_json::from_value::<Settings>(value).unwrap();
        let before = settings(json!({ "idle": "2m", "share": "grant", "era": "auto" })).complete();
        let now = settings(json!({ "idle": "3m", "call_timeout": "1h" }));
        let expected = json!({ "idle": "3m", "share": "grant", "call_timeout": "1h" });
        assert_eq!(chosen(&json!({ "settings": before }), &now), expected);
    }
}
