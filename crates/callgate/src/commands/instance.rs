//! `callgate key`, `backup` and `restore`: the whole instance.

use super::fleet::{Fleet, cell, rows, show};
use crate::api::{Request, path};
use crate::cli::{BackupArgs, KeyCommand, RestoreArgs};
use crate::config::Config;
use crate::data::{self, DataDir};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output::{self, Progress};
use crate::{backup, tool_list};
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Runs a `key` command.
pub(super) fn key(command: KeyCommand, environment: &Environment) -> Result<Exit, Failure> {
    let KeyCommand::Rotate { data, json } = command;
    let request = Request::of(Method::POST, path(&["keys", "rotate"], &[]), None);
    let answer = Fleet::changing(&data, environment)?.send(request)?.tree();
    let mut text = format!("every secret is sealed with key {} now", cell(&answer, "version"));
    let over = answer.get("no_longer_needed").map(rows).unwrap_or_default();
    if !over.is_empty() {
        let over = over.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("\nno longer needed, but for older backups: {over}"));
    }
    for server in answer.get("unreadable").map(rows).unwrap_or_default() {
        let server = server.as_str().unwrap_or_default();
        output::note(&format!(
            "warning: the credentials of `{server}` can't be opened; set them again: `callgate server credentials`"
        ));
    }
    for webhook in answer.get("unreadable_webhooks").map(rows).unwrap_or_default() {
        let webhook = webhook.as_str().unwrap_or_default();
        output::note(&format!(
            "warning: the address of the webhook `{webhook}` can't be opened; remove it and add it again: `callgate webhook`"
        ));
    }
    show(&answer, json.json, &text);
    Ok(Exit::Yes)
}

/// Saves everything that a gateway knows.
pub(super) fn backup(args: &BackupArgs, environment: &Environment) -> Result<Exit, Failure> {
    let fleet = Fleet::changing(&args.data, environment)?;
    let body = json!({ "without_keys": args.without_keys });
    let response = fleet.exchange(Request::post(path(&["backup"], &[]), &body))?;
    let unwritten = |error: &dyn std::fmt::Display| {
        let message = format!("can't write `{}`: {error}", args.file.display());
        Failure::cannot_run("CG3014", message, "name a new file in a directory with room for it")
    };
    if args.file == Path::new("-") {
        fleet.wait(copy(response.into_body(), &mut io::stdout().lock())).map_err(|error| unwritten(&error))?;
        return Ok(Exit::Yes);
    }
    let opened = File::options().write(true).create_new(true).mode(0o600).open(&args.file);
    let mut file = opened.map_err(|error| unwritten(&error))?;
    let written = fleet.wait(copy(response.into_body(), &mut file)).and_then(|bytes| file.sync_all().map(|()| bytes));
    let bytes = match written {
        Ok(bytes) => bytes,
        Err(error) => {
            // Half an archive is none, and would be in the way of the next one.
            drop(std::fs::remove_file(&args.file));
            return Err(unwritten(&error));
        }
    };
    let file = args.file.display();
    let keys = match args.without_keys {
        true => "; the keys are not in it: keep `keys/` and `journal/journal.key` elsewhere",
        false => "; the keys are in it: keep it as you keep them",
    };
    let answer = json!({ "file": args.file, "bytes": bytes, "keys": !args.without_keys });
    show(&answer, args.json.json, &format!("saved {bytes} bytes in `{file}`{keys}"));
    Ok(Exit::Yes)
}

/// Puts a backup in place.
pub(super) fn restore(args: &RestoreArgs, environment: &Environment) -> Result<Exit, Failure> {
    let config = Config::load(None, environment)?;
    let named = args.data.data.as_deref().or(config.data.as_deref());
    let data = DataDir::open(&data::resolve(named, environment)?)?;
    let archive: Box<dyn Read + Send> = match args.file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(&args.file).map_err(|error| tool_list::unreadable(&args.file, &error))?),
    };
    let mut progress = Progress::of("rows");
    let restored = super::runtime()?.block_on(backup::restore(archive, &data, &config, |rows| progress.at(rows)))?;
    drop(progress);
    let backup::Restored { created, rows, records, keys } = restored;
    if !keys {
        let place = data.root().display();
        output::note(&format!(
            "warning: the keys are not in the backup: put `{place}/keys` and `{place}/journal/journal.key` in place before the first start"
        ));
    }
    let answer = json!({ "data": data.root(), "created": created, "rows": rows, "records": records, "keys": keys });
    let text =
        format!("restored the backup of {created} in `{}`: {rows} rows, {records} records", data.root().display());
    show(&answer, args.json.json, &text);
    Ok(Exit::Yes)
}

/// Writes a body as it comes, and says how much there was.
async fn copy(mut body: Body, out: &mut impl Write) -> io::Result<u64> {
    let mut progress = Progress::of("bytes");
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(io::Error::other)?;
        let piece = frame.data_ref().map(AsRef::as_ref).unwrap_or_default();
        out.write_all(piece)?;
        bytes += piece.len() as u64;
        progress.at(bytes);
    }
    out.flush()?;
    Ok(bytes)
}
