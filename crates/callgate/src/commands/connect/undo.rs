//! `callgate disconnect`: entries as they were, and the end of their grants.

use super::Gateway;
use crate::cli::DisconnectArgs;
use crate::clients::{ClientFile, Connected, Connection, Connections, source_in, through_callgate};
use crate::data::DataDir;
use crate::failure::{Exit, Failure};
use crate::output;
use callgate_control::document;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What became of one entry.
struct Row {
    file: PathBuf,
    entry: Connected,
    word: &'static str,
    why: Option<String>,
}

/// What becomes of one file, not carried out yet.
struct Undoing {
    file: ClientFile,
    rows: Vec<Row>,
    write: Write,
}

/// What is written.
enum Write {
    /// Nothing: the file is gone.
    Nothing,
    /// Nothing: an earlier run did it, and did not get to the end.
    Done,
    /// The file as it was before, byte for byte; and the backup goes.
    Restore(String),
    /// No file: there was none before.
    Delete,
    /// The file with its entries as they were; whether it is as before, so that the backup goes.
    Save(bool),
}

impl Write {
    /// Whether the file is as before, so that its backup is no longer needed.
    fn carry_out(self, mut file: ClientFile) -> Result<bool, Failure> {
        Ok(match self {
            Self::Nothing => false,
            Self::Done => true,
            Self::Restore(before) => {
                file.restore(before);
                file.save()?;
                true
            }
            Self::Delete => {
                file.delete()?;
                true
            }
            Self::Save(is_as_before) => {
                if file.edited() {
                    file.save()?;
                }
                is_as_before
            }
        })
    }
}

/// Undoes what was connected, the latest first.
pub(super) fn run(args: &DisconnectArgs, data: &DataDir, gateway: &Gateway<'_>) -> Result<Exit, Failure> {
    let mut connections = Connections::read(data)?;
    let only = match &args.path {
        None => None,
        Some(path) => Some(ClientFile::open(path, args.client)?.path().to_owned()),
    };
    let mut rows = Vec::new();
    for index in (0..connections.connections.len()).rev() {
        let Some(connection) = connections.connections.get(index) else { continue };
        let meant = connection.client == args.client && only.as_ref().is_none_or(|path| *path == connection.file);
        let asked = |entry: &Connected| args.server.is_empty() || args.server.contains(&entry.server);
        if !meant || !connection.entries.iter().any(asked) {
            continue;
        }
        let (undone, rest): (Vec<_>, Vec<_>) = connection.entries.iter().cloned().partition(asked);
        let undoing = undo(connection, &undone, rest.is_empty())?;
        if args.dry_run {
            rows.extend(undoing.rows);
            continue;
        }
        let backup = undoing.write.carry_out(undoing.file)?.then(|| connection.backup.clone()).flatten();
        for row in &undoing.rows {
            end(gateway, row)?;
        }
        rows.extend(undoing.rows);
        let connection = Connection { entries: rest, ..connection.clone() };
        if connection.entries.is_empty() {
            connections.connections.remove(index);
        } else if let Some(place) = connections.connections.get_mut(index) {
            *place = connection;
        }
        // After every file, so that a run that was interrupted goes on where it was; the backup last, because until
        // then the next run may need it.
        connections.write(data)?;
        if let Some(backup) = backup {
            remove_backup(&backup);
        }
    }
    show(args, &rows)
}

/// Puts the file back, as far as it is not written yet.
fn undo(connection: &Connection, undone: &[Connected], all: bool) -> Result<Undoing, Failure> {
    let mut file = ClientFile::open(&connection.file, connection.client)?;
    let row = |entry: &Connected, word, why: Option<&str>| Row {
        file: connection.file.clone(),
        entry: entry.clone(),
        word,
        why: why.map(str::to_owned),
    };
    if !file.exists() {
        let why = Some("the file is gone");
        let rows = undone.iter().map(|entry| row(entry, "forgotten", why)).collect();
        return Ok(Undoing { file, rows, write: Write::Nothing });
    }
    if document::digest(file.text().as_bytes()) == connection.before {
        let rows = undone.iter().map(|entry| row(entry, word(entry), None)).collect();
        return Ok(Undoing { file, rows, write: if all { Write::Done } else { Write::Nothing } });
    }
    let before = backup(connection)?;
    if all && document::digest(file.text().as_bytes()) == connection.after {
        // Nobody edited it since: every byte is as it was.
        let rows = undone.iter().map(|entry| row(entry, word(entry), None)).collect();
        let write = if connection.backup.is_some() { Write::Restore(before) } else { Write::Delete };
        return Ok(Undoing { file, rows, write });
    }
    let source = |text: &str, entry: &Connected| source_in(connection.client, text, &entry.place, &entry.name);
    let mut rows = Vec::new();
    for entry in undone {
        let entries = file.entries()?;
        let found = entries.iter().find(|found| found.place == entry.place && found.name == entry.name);
        let base = entry.url.rsplit_once("/mcp/").map(|(base, _)| base.to_owned());
        let ours = found.is_some_and(|found| through_callgate(found, base.as_slice()));
        if !ours {
            let is_back = match entry.added {
                true => found.is_none(),
                false => source(file.text(), entry).is_some_and(|there| Some(there) == source(&before, entry)),
            };
            let edited = "it was edited since it was connected";
            rows.push(if is_back { row(entry, word(entry), None) } else { row(entry, "left", Some(edited)) });
            continue;
        }
        if entry.added {
            file.remove(&entry.place, &entry.name, &before)?;
        } else {
            let source = source(&before, entry).ok_or_else(|| lost(connection))?;
            file.put_back(&entry.place, &entry.name, &source)?;
        }
        rows.push(row(entry, word(entry), None));
    }
    let is_as_before = all && file.text() == before;
    Ok(Undoing { file, rows, write: Write::Save(is_as_before) })
}

fn word(entry: &Connected) -> &'static str {
    if entry.added { "removed" } else { "put back" }
}

/// The file as it was before, which has to be exactly that.
fn backup(connection: &Connection) -> Result<String, Failure> {
    let Some(path) = &connection.backup else { return Ok(String::new()) };
    let text = std::fs::read_to_string(path).ok();
    text.filter(|text| document::digest(text.as_bytes()) == connection.before).ok_or_else(|| lost(connection))
}

fn lost(connection: &Connection) -> Failure {
    let backup = connection.backup.as_deref().unwrap_or(&connection.file).display().to_string();
    let message = format!("`{backup}`, the file as it was before it was connected, is gone or was edited");
    let remedy = format!(
        "nothing was changed; edit `{}` by hand, and revoke its grants with `callgate grant revoke`",
        connection.file.display()
    );
    Failure::no("CG3174", message, remedy)
}

/// The file has it all again; what stays would only be one more place for secrets.
fn remove_backup(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        output::note(&format!("can't remove `{}`: {error}", path.display()));
    }
}

/// Ends the grant of an entry, and its token's file.
fn end(gateway: &Gateway<'_>, row: &Row) -> Result<(), Failure> {
    if let Some(path) = &row.entry.token_file {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                output::note(&format!("can't remove `{}`: {error}", path.display()));
            }
            _ => {}
        }
    }
    let is_it = |grant: &Value| grant.get("id").and_then(Value::as_str) == Some(&row.entry.grant);
    match gateway.grants(&row.entry.server) {
        Ok(grants) if grants.iter().any(is_it) => gateway.revoke(&row.entry.grant),
        Ok(_) => Ok(()),
        // A server that is gone has no grants.
        Err(failure) if failure.code == "CG3041" => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn show(args: &DisconnectArgs, rows: &[Row]) -> Result<Exit, Failure> {
    if rows.is_empty() {
        let message = format!("nothing of `{}` is connected here", args.client.word());
        return Err(Failure::no("CG3175", message, "`callgate connect` connects it"));
    }
    if args.json.json {
        let row = |row: &Row| {
            let Connected { name, server, grant, .. } = &row.entry;
            json!({ "file": row.file, "entry": name, "server": server, "action": row.word, "why": row.why, "revoked": grant })
        };
        let entries = rows.iter().map(row).collect::<Vec<_>>();
        output::json(&json!({ "client": args.client, "dry_run": args.dry_run, "entries": entries }));
        return Ok(Exit::Yes);
    }
    let (put, revoked) = if args.dry_run { ("would be ", "would be revoked") } else { ("", "is revoked") };
    for Row { file, entry, word, why } in rows {
        let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let Connected { name, grant, .. } = entry;
        output::text(&format!("{}: {name} {put}{word}{why}; the grant {grant} {revoked}", file.display()));
    }
    Ok(Exit::Yes)
}
