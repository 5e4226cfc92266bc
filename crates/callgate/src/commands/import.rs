//! `callgate server import`: registers the servers of a client's configuration.

use super::connect::{Gateway, base_urls};
use crate::cli::ImportArgs;
use crate::clients::{Client, ClientFile, Found, Reading, Surroundings, project_of, read, usable_name};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output;
use serde_json::{Value, json};
use std::path::Path;

/// One entry of the file, and what became of it.
struct Row {
    entry: String,
    server: String,
    outcome: Outcome,
    notes: Vec<String>,
}

enum Outcome {
    /// It is registered now, or would be.
    Registered,
    /// It was registered already.
    Present,
    /// It goes through Callgate, or the client does not use it.
    Passed(&'static str),
    /// It was not registered; why.
    Skipped(String),
}

/// Registers what a client's file has.
pub(super) fn run(args: ImportArgs, environment: &Environment) -> Result<Exit, Failure> {
    let file = match Client::of_word(&args.from) {
        Some(client) => ClientFile::of_client(client, None, environment)?,
        None => ClientFile::recognise(Path::new(&args.from))?,
    };
    if !file.exists() {
        let message = format!("there is no file `{}`", file.path().display());
        let remedy = "name a client or a file: `callgate server import --help`";
        return Err(Failure::cannot_run("CG3170", message, remedy));
    }
    let entries = file.entries()?;
    check_names(&args.server, &entries)?;
    let gateway = Gateway::new(&args.data, environment);
    let mut servers = gateway.servers()?;
    let bases = base_urls(&servers);
    let project = project_of(file.path(), environment);
    let around = Surroundings { client: file.client(), environment, project };
    let mut rows = Vec::new();
    for found in entries {
        let named = args.server.contains(&found.name);
        if !args.server.is_empty() && !named {
            continue;
        }
        let mut row = judge(&found, read(&found, &around, &bases, named), &servers);
        if let (Outcome::Registered, Some(target)) = (&row.outcome, target(&found, &around, &bases)) {
            servers.push(json!({ "name": row.server, "target": target }));
            if !args.dry_run
                && let Err(failure) = gateway.add(&row.server, &target)
            {
                row.outcome = Outcome::Skipped(format!("{} [{}]", failure.message, failure.code));
            }
        }
        rows.push(row);
    }
    Ok(show(&file, &rows, &args))
}

fn judge(found: &Found, reading: Reading, servers: &[Value]) -> Row {
    let server = usable_name(&found.name);
    let there = servers.iter().find(|row| row["name"] == server.as_str());
    let (outcome, notes) = match reading {
        Reading::Ours => (Outcome::Passed("goes through Callgate already"), Vec::new()),
        Reading::Disabled => (Outcome::Passed("is disabled in the client"), Vec::new()),
        Reading::Unusable(why) => (Outcome::Skipped(why), Vec::new()),
        Reading::Server { target, notes } => match there {
            None => (Outcome::Registered, notes),
            Some(row) if same_place(&row["target"], &target) => (Outcome::Present, Vec::new()),
            Some(_) => {
                let why = format!("a server `{server}` is registered already, and it is another one");
                (Outcome::Skipped(why), Vec::new())
            }
        },
    };
    Row { entry: found.name.clone(), server, outcome, notes }
}

fn target(found: &Found, around: &Surroundings<'_>, bases: &[String]) -> Option<Value> {
    match read(found, around, bases, true) {
        Reading::Server { target, .. } => Some(target),
        _ => None,
    }
}

/// Whether a registered server, as lists show it, is where this target is.
pub(super) fn same_place(shown: &Value, target: &Value) -> bool {
    let same =
        |key: &str| shown.get(key).filter(|value| !value.is_null()) == target.get(key).filter(|value| !value.is_null());
    match target.get("url") {
        Some(_) => same("url"),
        None => shown.get("command").is_some() && same("command") && same("args"),
    }
}

fn check_names(wanted: &[String], entries: &[Found]) -> Result<(), Failure> {
    match wanted.iter().find(|name| !entries.iter().any(|found| found.name == **name)) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<&str> = entries.iter().map(|found| found.name.as_str()).collect();
            let message = format!("the file has no server `{name}`");
            Err(Failure::cannot_run("CG3175", message, format!("it has: {}", names.join(", "))))
        }
    }
}

fn show(file: &ClientFile, rows: &[Row], args: &ImportArgs) -> Exit {
    let word = |row: &Row| match &row.outcome {
        Outcome::Registered if args.dry_run => ("would register", None),
        Outcome::Registered => ("registered", None),
        Outcome::Present => ("present", None),
        Outcome::Passed(why) => ("passed", Some((*why).to_owned())),
        Outcome::Skipped(why) => ("skipped", Some(why.clone())),
    };
    if args.json.json {
        let row = |row: &Row| {
            let (outcome, why) = word(row);
            json!({ "entry": row.entry, "server": row.server, "outcome": outcome, "why": why, "notes": row.notes })
        };
        let rows: Vec<Value> = rows.iter().map(row).collect();
        output::json(&json!({ "client": file.client(), "file": file.path(), "servers": rows }));
    } else {
        output::text(&file.path().display().to_string());
        let row = |row: &Row| {
            let (outcome, why) = word(row);
            let notes = why.into_iter().chain(row.notes.iter().cloned()).collect::<Vec<_>>().join("; ");
            vec![row.entry.clone(), row.server.clone(), outcome.to_owned(), notes]
        };
        output::table(&["ENTRY", "SERVER", "", "NOTES"], &rows.iter().map(row).collect::<Vec<_>>());
    }
    let skipped = rows.iter().filter(|row| matches!(row.outcome, Outcome::Skipped(_))).count();
    let usable = rows.iter().any(|row| !matches!(row.outcome, Outcome::Skipped(_)));
    // Whoever names servers wants each of them.
    if skipped > 0 && (!usable || !args.server.is_empty()) { Exit::No } else { Exit::Yes }
}
