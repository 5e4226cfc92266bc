//! `callgate catalog export`: the whole catalogue as one document, or as a directory of pages.

use super::super::fleet::{Fleet, cell, rows};
use crate::api::{Request, path};
use crate::failure::Failure;
use crate::output::{self, Progress};
use callgate_console::STYLE;
use callgate_console::catalogue::{self, File, Providers, ServerDocument};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What marks a directory as one that this command made, and may write into again.
const MARK: &str = ".callgate-catalogue";

/// How many entries are asked for at once.
const PAGE: &str = "200";

/// Exports everything, or only the organisation's own part.
pub(super) fn run(fleet: &Fleet, html: Option<&Path>, own: bool, as_json: bool) -> Result<(), Failure> {
    match html {
        Some(directory) => pages(fleet, directory, own, as_json),
        None => document(fleet, own),
    }
}

/// A document that `catalog import` reads, a server a line.
fn document(fleet: &Fleet, own: bool) -> Result<(), Failure> {
    let mut progress = Progress::of("servers");
    output::line("{\"servers\":[");
    let mut separator = "";
    each(fleet, "servers", own, |server, done| {
        let entry = entry(&whole(fleet, &cell(server, "id"))?);
        output::line(&format!("{separator}{entry}"));
        separator = ",";
        progress.at(done);
        Ok(())
    })?;
    output::line("]}");
    Ok(())
}

/// A server as a registry's list has it, with its tools.
fn entry(server: &ServerDocument) -> Value {
    let text = |key: &str| server.about.get(key).and_then(Value::as_str).unwrap_or_default();
    let list = |key: &str| server.about.get(key).cloned().unwrap_or_else(|| json!([]));
    let packages: Vec<Value> = rows(&list("packages"))
        .iter()
        .map(|package| {
            json!({
                "registryType": cell(package, "registry"), "identifier": cell(package, "identifier"),
                "version": cell(package, "version"), "transport": { "type": cell(package, "transport") },
            })
        })
        .collect();
    let mut entry = json!({
        "server": {
            "name": server.name, "title": server.title, "description": server.description, "version": server.version,
            "websiteUrl": text("website"), "repository": { "url": text("repository") }, "packages": packages,
            "remotes": list("remotes"),
        },
        "_meta": { "io.modelcontextprotocol.registry/official": {
            "status": text("status"), "updatedAt": text("updated"),
        } },
    });
    if server.tools.is_some()
        && let Some(entry) = entry.as_object_mut()
    {
        entry.insert("tools".to_owned(), json!(server.definitions));
    }
    entry
}

/// A directory of pages: everything new is written, what an export before wrote and is no more is deleted.
fn pages(fleet: &Fleet, directory: &Path, own: bool, as_json: bool) -> Result<(), Failure> {
    let before = claim(directory)?;
    let mut providers = Providers::default();
    each(fleet, "tools", own, |tool, _| {
        let server = tool.get("server").unwrap_or(&Value::Null);
        providers.add(&cell(tool, "name"), &cell(server, "id"), &cell(server, "name"));
        Ok(())
    })?;
    let mut written = BTreeSet::new();
    let mut index = Vec::new();
    let mut progress = Progress::of("servers");
    each(fleet, "servers", own, |server, done| {
        let server = whole(fleet, &cell(server, "id"))?;
        let files = catalogue::server(&server, &providers).map_err(|error| unwritten(directory, &error.to_string()))?;
        index.push(catalogue::row(&server));
        for file in files {
            put(directory, &file, &mut written)?;
        }
        progress.at(done);
        Ok(())
    })?;
    drop(progress);
    let servers = index.len();
    let files = catalogue::index(index).map_err(|error| unwritten(directory, &error.to_string()))?;
    let attacks = catalogue::attacks().map_err(|error| unwritten(directory, &error.to_string()))?;
    let style = File { path: "style.css".to_owned(), text: STYLE.to_owned() };
    for file in files.iter().chain(&attacks).chain([&style]) {
        put(directory, file, &mut written)?;
    }
    for old in before.difference(&written) {
        drop(fs::remove_file(directory.join(old)));
    }
    let list: Vec<&str> = written.iter().map(String::as_str).collect();
    write(directory, MARK, &format!("{}\n", list.join("\n")))?;
    match as_json {
        true => output::json(&json!({ "directory": directory, "servers": servers, "files": written.len() })),
        false => {
            output::text(&format!("wrote {servers} servers, {} files below {}", written.len(), directory.display()));
        }
    }
    Ok(())
}

/// Takes a directory that is empty, new, or made by this command; gives what is in it.
fn claim(directory: &Path) -> Result<BTreeSet<String>, Failure> {
    fs::create_dir_all(directory).map_err(|error| unwritten(directory, &error.to_string()))?;
    if let Ok(list) = fs::read_to_string(directory.join(MARK)) {
        // Only names that this command gives: the file may have been written by somebody else.
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        let ours = |path: &&str| path.chars().all(plain) && !path.starts_with('/') && !path.contains("..");
        return Ok(list.lines().filter(ours).map(str::to_owned).collect());
    }
    let mut entries = fs::read_dir(directory).map_err(|error| unwritten(directory, &error.to_string()))?;
    if entries.next().is_some() {
        let message = format!("`{}` has files in it that are none of an export", directory.display());
        return Err(Failure::cannot_run("CG3247", message, "name an empty directory, or one that does not exist yet"));
    }
    Ok(BTreeSet::new())
}

fn put(directory: &Path, file: &File, written: &mut BTreeSet<String>) -> Result<(), Failure> {
    write(directory, &file.path, &file.text)?;
    written.insert(file.path.clone());
    Ok(())
}

fn write(directory: &Path, path: &str, text: &str) -> Result<(), Failure> {
    let path = directory.join(path);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
    made.map_err(|error| unwritten(&path, &error.to_string()))
}

fn unwritten(place: &Path, why: &str) -> Failure {
    let message = format!("can't write `{}`: {why}", place.display());
    Failure::cannot_run("CG3247", message, "name a directory that this user can write to")
}

/// Everything of a list, part by part.
fn each(
    fleet: &Fleet,
    what: &str,
    own: bool,
    mut take: impl FnMut(&Value, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut cursor: Option<String> = None;
    let mut done = 0;
    loop {
        let mut query = vec![("limit", PAGE)];
        query.extend(own.then_some(("own", "true")));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let part = fleet.send(Request::get(path(&["catalogue", what], &query)))?.tree();
        for item in part.get("items").map(rows).unwrap_or_default() {
            done += 1;
            take(item, done)?;
        }
        cursor = part.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(());
        }
    }
}

fn whole(fleet: &Fleet, id: &str) -> Result<ServerDocument, Failure> {
    let answer: Box<RawValue> = fleet.send(Request::get(path(&["catalogue", "servers", id], &[])))?.value;
    serde_json::from_str(answer.get()).map_err(|error| {
        let message = format!("the gateway's answer about `{id}` can't be read: {error}");
        Failure::cannot_run("CG3032", message, "check that the gateway is of the same version")
    })
}
