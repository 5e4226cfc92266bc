//! `callgate webhook`: who is told of what happens.

use super::fleet::{Fleet, cell, rows, show, table};
use crate::api::{Request, path};
use crate::cli::{TemplateChoice, WebhookArgs, WebhookCommand};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use hyper::Method;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

/// How many deliveries `show` shows.
const SHOWN: &str = "10";

/// Runs a `webhook` command.
pub(super) fn run(command: WebhookCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        WebhookCommand::Add { name, url, how, data, json } => {
            let body = body(url, how)?;
            add(&Fleet::changing(&data, environment)?, &name, body, json.json)?;
        }
        WebhookCommand::Edit {
            webhook,
            name,
            url,
            how,
            no_arguments,
            all_events,
            all_servers,
            disable,
            enable,
            data,
            json,
        } => {
            let mut body = body(url, how)?;
            let said = [
                name.map(|name| ("name", Value::from(name))),
                no_arguments.then_some(("include_arguments", json!(false))),
                all_events.then(|| ("events", json!([]))),
                all_servers.then(|| ("servers", json!([]))),
                disable.then_some(("enabled", json!(false))),
                enable.then_some(("enabled", json!(true))),
            ];
            body.extend(said.into_iter().flatten().map(|(member, value)| (member.to_owned(), value)));
            edit(&Fleet::changing(&data, environment)?, &webhook, body, json.json)?;
        }
        WebhookCommand::List { data, json } => list(&Fleet::reading(&data, environment)?, json.json)?,
        WebhookCommand::Show { webhook, data, json } => {
            one(&Fleet::reading(&data, environment)?, &webhook, json.json)?;
        }
        WebhookCommand::Test { webhook, data, json } => {
            return test(&Fleet::changing(&data, environment)?, &webhook, json.json);
        }
        WebhookCommand::RotateSecret { webhook, data, json } => {
            rotate_secret(&Fleet::changing(&data, environment)?, &webhook, json.json)?;
        }
        WebhookCommand::Remove { webhook, data, json } => {
            remove(&Fleet::changing(&data, environment)?, &webhook, json.json)?;
        }
    }
    Ok(Exit::Yes)
}

fn add(fleet: &Fleet, name: &str, mut body: Map<String, Value>, json: bool) -> Result<(), Failure> {
    body.insert("name".to_owned(), name.into());
    let made = fleet.send(Request::post(path(&["webhooks"], &[]), &Value::Object(body)))?.tree();
    let (origin, secret) = (cell(&made, "origin"), cell(&made, "secret"));
    let text = format!(
        "`{name}` is told, at {origin}\nsecret  {secret}\n\nThe secret is shown this once: receivers check signatures \
         with it. Try it: `callgate webhook test {name}`"
    );
    show(&made, json, &text);
    Ok(())
}

fn edit(fleet: &Fleet, webhook: &str, body: Map<String, Value>, json: bool) -> Result<(), Failure> {
    let request = Request::of(Method::PATCH, path(&["webhooks", webhook], &[]), Some(&Value::Object(body)));
    let after = fleet.send(request.at("*"))?.tree();
    show(&after, json, &described(&after));
    Ok(())
}

fn list(fleet: &Fleet, json: bool) -> Result<(), Failure> {
    let list = fleet.list(Request::get(path(&["webhooks"], &[])).privileged())?;
    let columns = [
        ("ID", "id"),
        ("NAME", "name"),
        ("ORIGIN", "origin"),
        ("TEMPLATE", "template"),
        ("EVENTS", "events"),
        ("SERVERS", "servers"),
        ("ENABLED", "enabled"),
    ];
    table(list, json, &columns);
    Ok(())
}

/// Sends a message that says nothing; a refusal is a no.
fn test(fleet: &Fleet, webhook: &str, json: bool) -> Result<Exit, Failure> {
    let request = Request::of(Method::POST, path(&["webhooks", webhook, "test"], &[]), None);
    let tested = fleet.send(request)?.tree();
    let taken = tested.get("delivered") == Some(&Value::Bool(true));
    let text = match taken {
        true => format!("`{webhook}` took it: HTTP {}", cell(&tested, "status")),
        false => format!("`{webhook}` did not take it: {}", cell(&tested, "why")),
    };
    show(&tested, json, &text);
    Ok(if taken { Exit::Yes } else { Exit::No })
}

fn rotate_secret(fleet: &Fleet, webhook: &str, json: bool) -> Result<(), Failure> {
    let request = Request::of(Method::POST, path(&["webhooks", webhook, "secret"], &[]), None);
    let made = fleet.send(request.at("*"))?.tree();
    let (secret, until) = (cell(&made, "secret"), cell(&made, "previous_until"));
    let text = format!("secret  {secret}\n\nIt is shown this once. The one before signs beside it until {until}.");
    show(&made, json, &text);
    Ok(())
}

fn remove(fleet: &Fleet, webhook: &str, json: bool) -> Result<(), Failure> {
    fleet.send(Request::delete(path(&["webhooks", webhook], &[])))?;
    show(&json!({ "removed": webhook }), json, &format!("`{webhook}` is told nothing any more"));
    Ok(())
}

/// What was said about an endpoint, as the API takes it.
fn body(url: Option<String>, how: WebhookArgs) -> Result<Map<String, Value>, Failure> {
    let WebhookArgs { url_file, template, event, server, include_arguments } = how;
    let url = match (url, url_file) {
        (Some(url), _) => Some(url),
        (None, Some(file)) => Some(read(&file)?),
        (None, None) => None,
    };
    let mut body = Map::new();
    let template = template.map(|template| match template {
        TemplateChoice::Generic => "generic",
        TemplateChoice::Slack => "slack",
        TemplateChoice::Teams => "teams",
    });
    body.extend(url.map(|url| ("url".to_owned(), url.into())));
    body.extend(template.map(|template| ("template".to_owned(), template.into())));
    for (name, list) in [("events", event), ("servers", server)] {
        if !list.is_empty() {
            body.insert(name.to_owned(), list.into());
        }
    }
    if include_arguments {
        body.insert("include_arguments".to_owned(), true.into());
    }
    Ok(body)
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(file).map(|found| text = found),
    };
    read.map_err(|error| tool_list::unreadable(file, &error))?;
    Ok(text.trim().to_owned())
}

/// One endpoint, and what it was told last.
fn one(fleet: &Fleet, webhook: &str, json: bool) -> Result<(), Failure> {
    let found = fleet.send(Request::get(path(&["webhooks", webhook], &[])).privileged())?.tree();
    let place = path(&["webhooks", webhook, "deliveries"], &[("limit", SHOWN)]);
    let told = fleet.send(Request::get(place).privileged())?.tree();
    let deliveries = told.get("items").map(rows).unwrap_or_default();
    if json {
        output::json(&json!({ "webhook": found, "deliveries": deliveries }));
        return Ok(());
    }
    output::text(&described(&found));
    if deliveries.is_empty() {
        return Ok(());
    }
    output::text("");
    let columns = [
        ("AT", "at"),
        ("EVENT", "event"),
        ("KIND", "kind"),
        ("STATE", "state"),
        ("TRIED", "attempts"),
        ("NEXT", "next"),
        ("WHY", "why"),
    ];
    table(deliveries.to_vec(), false, &columns);
    Ok(())
}

fn described(webhook: &Value) -> String {
    let or_all = |name: &str| Some(cell(webhook, name)).filter(|text| !text.is_empty()).unwrap_or("all".to_owned());
    let mut text = String::new();
    for (label, value) in [
        ("name", cell(webhook, "name")),
        ("id", cell(webhook, "id")),
        ("origin", cell(webhook, "origin")),
        ("address", format!("(sealed) digest {}", cell(webhook, "digest"))),
        ("template", cell(webhook, "template")),
        ("events", or_all("events")),
        ("servers", or_all("servers")),
        (
            "arguments",
            if webhook.get("include_arguments") == Some(&json!(true)) {
                "where the rule allows it"
            } else {
                "names only"
            }
            .to_owned(),
        ),
        ("enabled", cell(webhook, "enabled")),
    ] {
        text.push_str(&format!("{label:<10} {value}\n"));
    }
    text.trim_end().to_owned()
}
