//! What an entry means: the server that it starts or calls, and the entry that goes through Callgate instead.

use super::{Client, Fields, Found, Link, Surroundings};
use serde_json::{Map, Value, json};
use std::path::Path;

/// What became of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    /// A server, as the API takes it, and what the operator should know.
    Server {
        /// `{"url", "headers"}` or `{"command", "args", "env", "env_from", "cwd"}`.
        target: Value,
        notes: Vec<String>,
    },
    /// It can't be registered by itself; why.
    Unusable(String),
    /// It goes through Callgate already.
    Ours,
    /// The client does not use it.
    Disabled,
}

/// The members of an entry that say where its server is. All others are the client's own, and stay.
const WHERE: &[&str] = &[
    "type",
    "transport",
    "command",
    "args",
    "env",
    "envFile",
    "env_vars",
    "cwd",
    "url",
    "serverUrl",
    "httpUrl",
    "headers",
    "http_headers",
    "env_http_headers",
    "bearer_token",
    "bearer_token_env_var",
    "auth",
    "oauth",
    "authProviderType",
    "headersHelper",
];

/// Reads an entry. `bases` are the URLs of gateways; `disabled` tells whether an entry counts that the client does not use.
pub(crate) fn read(found: &Found, around: &Surroundings<'_>, bases: &[String], disabled: bool) -> Reading {
    if through_callgate(found, bases) {
        return Reading::Ours;
    }
    let off =
        field(found, "disabled") == Some(&Value::Bool(true)) || field(found, "enabled") == Some(&Value::Bool(false));
    if off && !disabled {
        return Reading::Disabled;
    }
    let mut notes = Vec::new();
    let target = match (url(found), text(found, "command")) {
        (Some(_), Some(_)) => Err("it has both a URL and a command".to_owned()),
        (Some(url), None) => http(found, url, around, &mut notes),
        (None, Some(command)) => stdio(found, command, around, &mut notes),
        (None, None) => Err("it has neither a URL nor a command".to_owned()),
    };
    match target {
        Ok(target) => Reading::Server { target, notes },
        Err(why) => Reading::Unusable(why),
    }
}

/// Whether an entry goes through Callgate already.
pub(crate) fn through_callgate(found: &Found, bases: &[String]) -> bool {
    let program = text(found, "command").map(Path::new).and_then(Path::file_stem);
    let first = field(found, "args").and_then(Value::as_array).and_then(|args| args.first()?.as_str());
    if program.is_some_and(|program| program == "callgate") && matches!(first, Some("bridge" | "wrap")) {
        return true;
    }
    url(found).is_some_and(|url| bases.iter().any(|base| url.starts_with(&format!("{base}/mcp/"))))
        || ["headers", "http_headers"].iter().filter_map(|key| field(found, key)?.as_object()).any(|headers| {
            let is_grant = |value: &Value| value.as_str().is_some_and(|value| value.starts_with("Bearer cg_"));
            headers.values().any(is_grant)
        })
}

/// The entry that goes through Callgate; `before` is the one that it replaces.
pub(crate) fn written(client: Client, link: &Link<'_>, before: &Fields) -> Fields {
    let mut fields = client.form().entry(link);
    fields.extend(before.iter().filter(|(key, _)| !WHERE.contains(&key.as_str())).cloned());
    fields
}

/// A name that a server of the gateway can have, as close to this one as can be.
pub(crate) fn usable_name(name: &str) -> String {
    let usable = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let text: String = name.trim().chars().map(usable).collect();
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let text = text.get(..64).unwrap_or(text).trim_end_matches('-');
    match text {
        "" => "server".to_owned(),
        // The gateway's own.
        "callgate" => "callgate-server".to_owned(),
        text => text.to_owned(),
    }
}

fn http(found: &Found, url: &str, around: &Surroundings<'_>, notes: &mut Vec<String>) -> Result<Value, String> {
    let mut headers = Map::new();
    let mut add = |name: &str, value: Result<String, String>| {
        let value = value.map_err(|why| format!("the header `{name}` needs {why}"))?;
        headers.insert(name.to_owned(), Value::String(value));
        Ok::<(), String>(())
    };
    for (name, value) in texts(found, "headers")?.into_iter().chain(texts(found, "http_headers")?) {
        add(name, around.secret(value))?;
        if around.secret(value).is_ok_and(|resolved| resolved != value) {
            notes.push(format!("the header `{name}` has the value that its variable has now"));
        }
    }
    let of_variable = |name: &str| {
        let value = around.environment.text(name).map(str::to_owned);
        value.ok_or_else(|| format!("the variable `{name}`, which is not set here"))
    };
    for (name, variable) in texts(found, "env_http_headers")? {
        add(name, of_variable(variable))?;
        notes.push(format!("the header `{name}` has the value that `{variable}` has now"));
    }
    if let Some(variable) = text(found, "bearer_token_env_var") {
        add("Authorization", of_variable(variable).map(|token| format!("Bearer {token}")))?;
        notes.push(format!("the header `Authorization` has the value that `{variable}` has now"));
    }
    if let Some(token) = text(found, "bearer_token") {
        add("Authorization", Ok(format!("Bearer {token}")))?;
    }
    if field(found, "headersHelper").is_some() {
        return Err("its headers come from a command".to_owned());
    }
    if ["oauth", "auth", "authProviderType"].iter().any(|key| field(found, key).is_some()) {
        notes.push("it signs in by OAuth, which the client did: give the server a header with a token".to_owned());
    }
    let url = around.shown(url).map_err(|why| format!("its URL needs {why}"))?;
    callgate_control::names::check_url(&url).map_err(|why| format!("its URL {why}"))?;
    Ok(json!({ "url": url, "headers": headers }))
}

fn stdio(found: &Found, command: &str, around: &Surroundings<'_>, notes: &mut Vec<String>) -> Result<Value, String> {
    if field(found, "envFile").is_some_and(|file| !file.is_null()) {
        return Err("its variables are in an `envFile`".to_owned());
    }
    let shown = |what: &str, text: &str| around.shown(text).map_err(|why| format!("{what} needs {why}"));
    let mut args = Vec::new();
    for (index, arg) in list(found, "args")?.iter().enumerate() {
        let arg = arg.as_str().ok_or_else(|| format!("argument {} is no string", index + 1))?;
        args.push(shown(&format!("argument {}", index + 1), arg)?);
    }
    let (mut env, mut env_from) = (Map::new(), variables(found)?);
    for (name, value) in texts(found, "env")? {
        if around.variable(value) == Some(name) {
            env_from.push(name.to_owned());
            continue;
        }
        let resolved = around.secret(value).map_err(|why| format!("`env.{name}` needs {why}"))?;
        if resolved != value {
            notes.push(format!("`env.{name}` has the value that its variable has now"));
        }
        env.insert(name.to_owned(), Value::String(resolved));
    }
    if !env_from.is_empty() {
        notes.push(format!("the gateway has to have {} in its own environment", quoted(&env_from)));
    }
    let cwd = match text(found, "cwd") {
        None => None,
        Some(cwd) => {
            let cwd = shown("`cwd`", cwd)?;
            let cwd = match (Path::new(&cwd).is_absolute(), &around.project) {
                (true, _) => cwd,
                (false, Some(project)) => project.join(&cwd).display().to_string(),
                (false, None) => return Err("`cwd` is relative, and the file is of no project".to_owned()),
            };
            Some(cwd)
        }
    };
    if command.is_empty() {
        return Err("its command is empty".to_owned());
    }
    let command = shown("its command", command)?;
    Ok(json!({ "command": command, "args": args, "env": env, "env_from": env_from, "cwd": cwd }))
}

/// `env_vars` of Codex: names, or objects with a name and where it comes from.
fn variables(found: &Found) -> Result<Vec<String>, String> {
    let name = |item: &Value| match item {
        Value::String(name) => Ok(name.clone()),
        Value::Object(object) if object.get("source").is_none_or(|source| source == "local") => {
            object.get("name").and_then(Value::as_str).map(str::to_owned).ok_or("`env_vars` has no name".to_owned())
        }
        _ => Err("`env_vars` comes from another machine".to_owned()),
    };
    list(found, "env_vars")?.iter().map(name).collect()
}

fn field<'f>(found: &'f Found, key: &str) -> Option<&'f Value> {
    found.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn text<'f>(found: &'f Found, key: &str) -> Option<&'f str> {
    field(found, key)?.as_str()
}

fn url(found: &Found) -> Option<&str> {
    ["url", "serverUrl", "httpUrl"].iter().find_map(|key| text(found, key))
}

fn list<'f>(found: &'f Found, key: &str) -> Result<&'f [Value], String> {
    match field(found, key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("`{key}` is no list")),
    }
}

/// The members of an object of texts. Null is no value.
fn texts<'f>(found: &'f Found, key: &str) -> Result<Vec<(&'f str, &'f str)>, String> {
    let members = match field(found, key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(format!("`{key}` is no object")),
    };
    let member = |(name, value): (&'f String, &'f Value)| match value {
        Value::String(value) => Some(Ok((name.as_str(), value.as_str()))),
        Value::Null => None,
        _ => Some(Err(format!("`{key}.{name}` is no string"))),
    };
    members.iter().filter_map(member).collect()
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
