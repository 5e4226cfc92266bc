//! `callgate connect` and `disconnect`: a client's own configuration goes through Callgate, and back.

mod gateway;
mod plan;
mod undo;

use crate::cli::{ConnectArgs, DisconnectArgs};
use crate::clients::{ClientFile, Connected, Connection, Connections, Link, Surroundings, project_of, written};
use crate::data::{self, DataDir};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output;
use callgate_control::document;
use gateway::Minted;
use plan::{Plan, Step, What};
use rustix::fs::Mode;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) use gateway::Gateway;

/// The file's servers go through Callgate.
pub(super) fn connect(args: &ConnectArgs, environment: &Environment) -> Result<Exit, Failure> {
    let data = DataDir::open(&data::resolve(args.data.data.as_deref(), environment)?)?;
    let gateway = Gateway::new(&args.data, environment);
    let mut file = ClientFile::of_client(args.client, args.path.as_deref(), environment)?;
    let connections = Connections::read(&data)?;
    let around = Surroundings { client: args.client, environment, project: project_of(file.path(), environment) };
    let plan = Plan::make(&file, &gateway, &connections, &around, &args.server)?;
    let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.changes()).collect();
    if args.dry_run || steps.is_empty() {
        return Ok(show(&file, &plan, args, None));
    }
    let mut work = Work { args, data: &data, gateway: &gateway, minted: Vec::new(), files: Vec::new() };
    let connection = match work.carry_out(&mut file, &steps, connections) {
        Ok(connection) => connection,
        Err(failure) => {
            work.undo();
            return Err(failure);
        }
    };
    Ok(show(&file, &plan, args, Some(&connection)))
}

/// The file's servers are reached as before.
pub(super) fn disconnect(args: &DisconnectArgs, environment: &Environment) -> Result<Exit, Failure> {
    let data = DataDir::existing(&data::resolve(args.data.data.as_deref(), environment)?)?;
    undo::run(args, &data, &Gateway::new(&args.data, environment))
}

/// The URLs of the gateway's own, from its servers' endpoints.
pub(super) fn base_urls(servers: &[Value]) -> Vec<String> {
    let base = |row: &Value| Some(row.get("url")?.as_str()?.rsplit_once("/mcp/")?.0.to_owned());
    let mut bases: Vec<String> = servers.iter().filter_map(base).collect();
    bases.sort_unstable();
    bases.dedup();
    bases
}

/// One run that changes something, with what has to go again where it fails.
struct Work<'w> {
    args: &'w ConnectArgs,
    data: &'w DataDir,
    gateway: &'w Gateway<'w>,
    minted: Vec<String>,
    files: Vec<PathBuf>,
}

impl Work<'_> {
    /// Mints, edits, backs up, notes, and last of all writes the file.
    fn carry_out(
        &mut self,
        file: &mut ClientFile,
        steps: &[&Step],
        mut connections: Connections,
    ) -> Result<Connection, Failure> {
        let mut entries = Vec::new();
        for step in steps {
            entries.push(self.carry_out_one(file, step)?);
        }
        let before = connections.clone();
        // A grant that ended is replaced where the entry stands in the books; the text before it stays the one to go
        // back to.
        let (again, new): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| connections.entry(file.path(), &entry.place, &entry.name).is_some());
        let after = document::digest(file.text().as_bytes());
        connections.renew(file.path(), again.clone(), &after);
        let backup = if new.is_empty() { None } else { file.back_up()? };
        self.files.extend(backup.clone());
        let connection = Connection {
            client: self.args.client,
            file: file.path().to_owned(),
            backup,
            before: document::digest(file.before().as_bytes()),
            after,
            entries: new,
        };
        if !connection.entries.is_empty() {
            connections.connections.push(connection.clone());
        }
        connections.write(self.data)?;
        if let Err(failure) = file.save() {
            before.write(self.data)?;
            return Err(failure);
        }
        Ok(Connection { entries: again.into_iter().chain(connection.entries).collect(), ..connection })
    }

    fn carry_out_one(&mut self, file: &mut ClientFile, step: &Step) -> Result<Connected, Failure> {
        let label = free_label(self.args.client.word(), &self.gateway.grants(&step.server)?);
        let minted = self.gateway.mint(&step.server, &label, self.args.policy.as_deref())?;
        self.minted.push(minted.id.clone());
        let token_file = match bridged(self.args) {
            true => Some(self.token_file(&minted)?),
            false => None,
        };
        let program = program()?.display().to_string();
        let shown = token_file.as_ref().map(|path| path.display().to_string());
        let link = match &shown {
            Some(token_file) => Link::Bridge { url: &step.url, program: &program, token_file },
            None => Link::Http { url: &step.url, token: &minted.token },
        };
        let fields = written(self.args.client, &link, &step.before);
        let place = match step.what {
            What::Add => file.add(&step.name, &fields)?,
            _ => {
                file.replace(&step.place, &step.name, &fields)?;
                step.place.clone()
            }
        };
        Ok(Connected {
            place,
            name: step.name.clone(),
            added: matches!(step.what, What::Add),
            server: step.server.clone(),
            url: step.url.clone(),
            grant: minted.id,
            token_file,
        })
    }

    fn token_file(&mut self, minted: &Minted) -> Result<PathBuf, Failure> {
        let directory = self.data.root().join("tokens");
        match rustix::fs::mkdir(&directory, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => {
                let message = format!("can't make `{}`: {error}", directory.display());
                return Err(Failure::cannot_run("CG3014", message, "give this user the right to write there"));
            }
        }
        let path = directory.join(format!("{}-{}.token", self.args.client.word(), minted.id));
        data::replace(&path, format!("{}\n", minted.token).as_bytes())?;
        self.files.push(path.clone());
        Ok(path)
    }

    /// Nothing of a run that failed may stay: no grant that nobody has, no file that nobody reads.
    fn undo(&self) {
        for path in &self.files {
            if let Err(error) = std::fs::remove_file(path) {
                output::note(&format!("can't remove `{}`: {error}", path.display()));
            }
        }
        for grant in &self.minted {
            if let Err(failure) = self.gateway.revoke(grant) {
                output::note(&format!("can't revoke the grant `{grant}`: {failure}"));
            }
        }
    }
}

/// Whether the client starts a bridge, and the token stands in a file of its own.
fn bridged(args: &ConnectArgs) -> bool {
    args.bridge || !args.client.speaks_http()
}

/// This program, as a client that was started elsewhere finds it.
fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        let message = format!("can't tell where this program is: {error}");
        Failure::cannot_run("CG3010", message, "start it by its full path")
    })
}

/// The client's word, with a number where a live grant of the server has it.
fn free_label(word: &str, grants: &[Value]) -> String {
    let taken = |label: &str| grants.iter().any(|grant| grant.get("label").and_then(Value::as_str) == Some(label));
    let numbered = (2..).map(|number| format!("{word}-{number}"));
    std::iter::once(word.to_owned()).chain(numbered).find(|label| !taken(label)).unwrap_or_default()
}

fn show(file: &ClientFile, plan: &Plan, args: &ConnectArgs, done: Option<&Connection>) -> Exit {
    let entry = |step: &Step| done.and_then(|done| done.entries.iter().find(|entry| entry.name == step.name));
    if args.json.json {
        let row = |step: &Step| {
            json!({
                "entry": step.name, "server": step.server, "url": step.url, "action": step.word(args.dry_run),
                "why": step.why(), "grant": entry(step).map(|entry| &entry.grant),
            })
        };
        let rows: Vec<Value> = plan.steps.iter().map(row).collect();
        let backup = done.and_then(|done| done.backup.as_deref());
        output::json(&json!({ "client": args.client, "file": file.path(), "backup": backup, "entries": rows }));
    } else {
        let missing = if file.exists() || done.is_some() { "" } else { " (does not exist)" };
        output::text(&format!("{}{missing}", file.path().display()));
        plan.steps.iter().for_each(|step| output::text(&step.text(args, entry(step))));
        if let Some(backup) = done.and_then(|done| done.backup.as_deref()) {
            output::text(&format!("the file as it was is kept in {}", backup.display()));
        }
    }
    if done.is_some() && !bridged(args) {
        warn(file);
    }
    if plan.steps.iter().any(|step| !step.failed()) { Exit::Yes } else { Exit::No }
}

/// A token in a file that others read is theirs too.
fn warn(file: &ClientFile) {
    let path = file.path().display();
    let in_project = |path: &Path| path.ancestors().skip(1).any(|directory| directory.join(".git").exists());
    if in_project(file.path()) {
        output::note(&format!("warning: `{path}` has a token now: keep it out of version control, or use `--bridge`"));
    } else if file.open_to_others() {
        output::note(&format!("warning: `{path}` has a token now, and other users can read it: `chmod 600`"));
    }
}
