//! `callgate server`: register servers, look at them, remove them.

use super::fleet::{cell, header, operate, pair, rows};
use crate::admin::{Op, Reply};
use crate::cli::{JsonArgs, ServerCommand};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::settings::Settings;
use crate::state::Target;
use serde_json::Value;

/// Runs a `server` command.
pub(super) fn run(command: ServerCommand, environment: &Environment) -> Result<Exit, Failure> {
    let (reply, json, show): (Reply, JsonArgs, fn(&Value)) = match command {
        ServerCommand::Add { name, url, header, env, env_from, cwd, settings, data, json, command } => {
            let settings = Settings::of_options(*settings)?;
            let target = target(url, &header, &env, env_from, cwd, command)?;
            (operate(&data, environment, Op::ServerAdd { name, target, settings })?, json, added)
        }
        ServerCommand::List { data, json } => (operate(&data, environment, Op::ServerList {})?, json, list),
        ServerCommand::Show { name, data, json } => {
            (operate(&data, environment, Op::ServerShow { name })?, json, show_one)
        }
        ServerCommand::Tools { name, data, json } => {
            (operate(&data, environment, Op::ServerTools { name })?, json, tools)
        }
        ServerCommand::Remove { name, data, json } => {
            (operate(&data, environment, Op::ServerRemove { name })?, json, removed)
        }
    };
    match json.json {
        // As the server wrote it, for whoever compares.
        true => output::text(reply.value.get()),
        false => show(&reply.tree()),
    }
    Ok(Exit::Yes)
}

fn added(server: &Value) {
    output::text(&format!("registered `{}` at {}", cell(server, "name"), cell(server, "url")));
}

fn removed(answer: &Value) {
    output::text(&format!("removed `{}`, its policies and its grants", cell(answer, "removed")));
}

fn list(servers: &Value) {
    let row = |server: &Value| {
        let mut row = vec![cell(server, "name"), place(server)];
        row.extend(["policies", "grants", "url"].map(|key| cell(server, key)));
        row
    };
    let headings = ["NAME", "SERVER", "POLICIES", "GRANTS", "URL"];
    output::table(&headings, &rows(servers).iter().map(row).collect::<Vec<_>>());
}

fn show_one(server: &Value) {
    let mut lines = vec![vec!["server".to_owned(), place(server)]];
    let rest = ["url", "uuid", "policies", "grants", "declared"];
    lines.extend(rest.map(|key| vec![key.to_owned(), cell(server, key)]));
    let settings = server.get("settings").and_then(Value::as_object).into_iter().flatten();
    lines.extend(settings.filter(|(_, value)| !value.is_null()).map(|(key, value)| vec![key.clone(), text_of(value)]));
    output::table(&["NAME", &cell(server, "name")], &lines);
}

fn tools(answer: &Value) {
    let tools = answer.get("tools").map(rows).unwrap_or_default();
    let row = |tool: &Value| vec![cell(tool, "name"), first_line(&cell(tool, "description"))];
    output::table(&["TOOL", "DESCRIPTION"], &tools.iter().map(row).collect::<Vec<_>>());
}

/// The server that options name: a URL with headers, or a command with variables.
pub(crate) fn target(
    url: Option<String>,
    headers: &[String],
    env: &[String],
    env_from: Vec<String>,
    cwd: Option<std::path::PathBuf>,
    command: Vec<String>,
) -> Result<Target, Failure> {
    if let Some(url) = url {
        if let Err(why) = crate::state::check_url(&url) {
            let message = format!("`--url`: `{url}` {why}");
            return Err(Failure::cannot_run("CG3040", message, "for example `https://mcp.example.com/mcp`"));
        }
        let headers = headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
        return Ok(Target::Url { url, headers });
    }
    let mut words = command.into_iter();
    let program = words.next().unwrap_or_default();
    let env = env.iter().map(|text| pair("--env", text)).collect::<Result<_, _>>()?;
    // The gateway may run elsewhere: what was typed here is meant from here.
    let cwd = match cwd {
        None => None,
        Some(path) => Some(std::path::absolute(&path).map_err(|error| {
            let message = format!("`--cwd`: `{}`: {error}", path.display());
            Failure::cannot_run("CG3051", message, "name a directory")
        })?),
    };
    Ok(Target::Command { command: program, args: words.collect(), env, env_from, cwd })
}

fn place(server: &Value) -> String {
    let Some(target) = server.get("target").filter(|target| !target.is_null()) else {
        return "(declared in a configuration that isn't in use)".to_owned();
    };
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

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(100) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}
