//! A server's settings: where it is, how it is treated, its credentials, and removing it.

use super::place::{By, NewServer, headers, pairs};
use super::wire::{Server, Settings, Target};
use crate::api::{Problem, Revised, path};
use crate::form::Form;
use crate::shell::{self, Section, Shell};
use crate::visit::{Posted, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

pub(super) async fn show(visit: Visit, Path(server): Path<String>) -> Response {
    page(&visit, &server, None, None).await
}

/// Saves where it is and how it is treated.
pub(super) async fn save(Path(server): Path<String>, Posted { visit, form }: Posted) -> Response {
    let changed: Result<Server, Problem> = match patch(&form) {
        Ok(body) => {
            let revision = Some(form.text("revision"));
            visit.api.change(Method::PATCH, &path(&["servers", &server], &[]), revision, Some(&body)).await
        }
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(_) => Redirect::to(&path(&["servers", &server], &[("done", "saved")])).into_response(),
        Err(problem) => {
            // Beside what somebody else has set meanwhile, what was typed would undo it unseen.
            let typed = (!problem.is_stale()).then_some(&form);
            page(&visit, &server, Some(problem), typed).await
        }
    }
}

/// Sets all credentials, in place of those before.
pub(super) async fn credentials(Path(server): Path<String>, Posted { visit, form }: Posted) -> Response {
    let changed: Result<Server, Problem> = match secrets(&form) {
        Ok(body) => {
            let revision = Some(form.text("revision"));
            let wanted = path(&["servers", &server, "credentials"], &[]);
            visit.api.change(Method::PUT, &wanted, revision, Some(&body)).await
        }
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(_) => Redirect::to(&path(&["servers", &server], &[("done", "saved")])).into_response(),
        Err(problem) => page(&visit, &server, Some(problem), None).await,
    }
}

/// Asks whether it is meant.
pub(super) async fn confirm(visit: Visit, Path(server): Path<String>) -> Response {
    confirmation(&visit, &server, None).await
}

/// Removes it, where its name was typed.
pub(super) async fn remove(Path(server): Path<String>, Posted { visit, form }: Posted) -> Response {
    if form.text("name").trim() != server {
        let problem =
            Problem::unusable("what was typed is not the server's name".to_owned(), "type the name as it stands above");
        return confirmation(&visit, &server, Some(problem)).await;
    }
    let wanted = path(&["servers", &server], &[]);
    let revision = Some(form.text("revision"));
    let removed: Result<Value, Problem> = visit.api.change(Method::DELETE, &wanted, revision, None).await;
    match removed {
        Ok(_) => Redirect::to(&path(&["servers"], &[("done", "removed")])).into_response(),
        Err(problem) => confirmation(&visit, &server, Some(problem)).await,
    }
}

/// What changes about it. A limit that is no number goes as it was typed, so that the API says what is wrong with it.
fn patch(form: &Form) -> Result<Value, Problem> {
    let mut settings = Map::new();
    for name in ["era", "share", "pinning", "quarantine", "idle", "connect_timeout", "silence_timeout"] {
        if let Some(word) = form.word(name) {
            settings.insert(name.to_owned(), json!(word));
        }
    }
    settings.insert("call_timeout".to_owned(), form.word("call_timeout").map_or(Value::Null, Value::from));
    for (name, title) in [("max_in_flight", "requests at once"), ("max_processes", "processes at once")] {
        if let Some(word) = form.word(name) {
            let number: u64 = word
                .parse()
                .map_err(|_| Problem::unusable(format!("`{title}` is no whole number"), "write digits only"))?;
            settings.insert(name.to_owned(), json!(number));
        }
    }
    let mut patch = Map::from_iter([("settings".to_owned(), Value::Object(settings))]);
    if form.has("by") {
        patch.insert("target".to_owned(), NewServer::of(form).place());
    }
    Ok(Value::Object(patch))
}

fn secrets(form: &Form) -> Result<Value, Problem> {
    Ok(match form.text("by") {
        "command" => json!({ "env": pairs(form.text("secrets"), '=', "the variables")? }),
        _ => json!({ "headers": headers(form.text("secrets"))? }),
    })
}

async fn page(visit: &Visit, server: &str, problem: Option<Problem>, typed: Option<&Form>) -> Response {
    let read: Result<Revised<Server>, Problem> = visit.api.read(&path(&["servers", server], &[])).await;
    let Revised { value: server, revision } = match read {
        Ok(read) => read,
        Err(problem) => return shell::failed(visit, Section::Servers, problem),
    };
    let place =
        typed.filter(|form| form.has("by")).map(NewServer::of).or_else(|| server.target.as_ref().and_then(typed_of));
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = SettingsPage {
        back: path(&["servers", &server.name], &[]),
        action: path(&["servers", &server.name, "settings"], &[]),
        credentials: path(&["servers", &server.name, "credentials"], &[]),
        remove: path(&["servers", &server.name, "remove"], &[]),
        why_not: visit.me.may.not("manage_servers", Some(&server.uuid)),
        shell: Shell::new(visit, Section::Servers).with(problem),
        settings: typed.map_or_else(|| server.settings.clone(), |form| server.settings.typed(form)),
        server: &server,
        place,
        revision,
    };
    shell::html(status, &page)
}

async fn confirmation(visit: &Visit, server: &str, problem: Option<Problem>) -> Response {
    let read: Result<Revised<Server>, Problem> = visit.api.read(&path(&["servers", server], &[])).await;
    let Revised { value: server, revision } = match read {
        Ok(read) => read,
        Err(problem) => return shell::failed(visit, Section::Servers, problem),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page = RemovePage {
        shell: Shell::new(visit, Section::Servers).with(problem),
        back: path(&["servers", &server.name], &[]),
        action: path(&["servers", &server.name, "remove"], &[]),
        why_not: visit.me.may.not("manage_servers", Some(&server.uuid)),
        server: &server,
        revision,
    };
    shell::html(status, &page)
}

/// Where a server is, as its form has it; none for arguments that a form with one a line would change.
fn typed_of(target: &Target) -> Option<NewServer> {
    Some(match target {
        Target::Url { url, headers } => {
            NewServer { url: url.clone(), asked_for: headers.clone(), ..NewServer::default() }
        }
        Target::Command { args, .. }
            if args.iter().any(|arg| arg.contains(['\n', '\r'])) || args.last().is_some_and(String::is_empty) =>
        {
            return None;
        }
        Target::Command { command, args, env, env_from, cwd } => NewServer {
            by: By::Command,
            command: command.clone(),
            args: args.join("\n"),
            env_from: env_from.join(" "),
            cwd: cwd.clone().unwrap_or_default(),
            asked_for: env.clone(),
            ..NewServer::default()
        },
    })
}

impl Settings {
    /// The same as it was typed.
    fn typed(&self, form: &Form) -> Self {
        let text = |name: &str, before: &str| form.word(name).unwrap_or(before).to_owned();
        let number = |name: &str, before: u64| form.word(name).and_then(|word| word.parse().ok()).unwrap_or(before);
        Self {
            era: text("era", &self.era),
            share: text("share", &self.share),
            pinning: text("pinning", &self.pinning),
            quarantine: text("quarantine", &self.quarantine),
            idle: text("idle", &self.idle),
            connect_timeout: text("connect_timeout", &self.connect_timeout),
            silence_timeout: text("silence_timeout", &self.silence_timeout),
            call_timeout: form.word("call_timeout").map(str::to_owned),
            max_in_flight: number("max_in_flight", self.max_in_flight),
            max_processes: number("max_processes", self.max_processes),
        }
    }
}

#[derive(Template)]
#[template(path = "servers/settings.html")]
struct SettingsPage<'v> {
    shell: Shell<'v>,
    server: &'v Server,
    settings: Settings,
    place: Option<NewServer>,
    revision: String,
    back: String,
    action: String,
    credentials: String,
    remove: String,
    why_not: Option<String>,
}

#[derive(Template)]
#[template(path = "servers/remove.html")]
struct RemovePage<'v> {
    shell: Shell<'v>,
    server: &'v Server,
    revision: String,
    back: String,
    action: String,
    why_not: Option<String>,
}
