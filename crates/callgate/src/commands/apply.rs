//! `callgate apply`: makes the gateway what a directory of files says.

use super::fleet::{Fleet, cell, rows};
use crate::api::{Request, path};
use crate::cli::ApplyArgs;
use crate::config::Directory;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{data, output};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The file for the tokens of new grants, and what is in it.
struct Tokens {
    path: PathBuf,
    kept: Vec<Value>,
}

/// Reads the directory, and sends all of it in one request.
pub(super) fn run(args: &ApplyArgs, environment: &Environment) -> Result<Exit, Failure> {
    let Directory { servers, policies, baseline, grants } = Directory::read(&args.directory, environment)?;
    // Before anything is minted: a token that can't be written would be lost.
    let tokens = args.tokens_out.as_deref().map(Tokens::open).transpose()?;
    let body = json!({
        "dry_run": args.dry_run || args.check, "prune": args.prune,
        "servers": servers, "policies": policies, "baseline": baseline, "grants": grants,
    });
    let mut request = Request::post(path(&["apply"], &[]), &body);
    if let Some(plan) = &args.if_plan {
        request = request.at(&format!("\"{plan}\""));
    }
    let mut answer = Fleet::changing(&args.data, environment)?.send(request)?.tree();
    let kept = tokens.map_or(Ok(()), |tokens| tokens.keep(&mut answer));
    if args.json.json {
        output::json(&answer);
    } else {
        show(&answer);
    }
    // What could not be written has been shown, so that it is not lost.
    kept?;
    let differs = answer.get("changed") == Some(&Value::Bool(true));
    Ok(if args.check && differs { Exit::No } else { Exit::Yes })
}

fn show(answer: &Value) {
    let plan = answer.get("plan").map(rows).unwrap_or_default();
    for row in plan.iter().filter(|row| cell(row, "action") != "unchanged") {
        output::text(&step(row));
    }
    for row in plan.iter().filter(|row| cell(row, "action") == "unchanged") {
        for note in row.get("notes").map(rows).unwrap_or_default() {
            output::note(&format!("{}: {}", cell(row, "object"), note.as_str().unwrap_or_default()));
        }
    }
    let count = |action: &str| plan.iter().filter(|row| cell(row, "action") == action).count();
    let (add, change, remove, same) = (count("add"), count("change"), count("remove"), count("unchanged"));
    let done = match (answer.get("applied"), answer.get("changed")) {
        (Some(Value::Bool(true)), _) => "applied",
        (_, Some(Value::Bool(true))) => "not applied",
        _ => "nothing to do",
    };
    output::text(&format!("{done}: {add} to add, {change} to change, {remove} to remove, {same} as they should be"));
    if done == "not applied" {
        output::text(&format!("exactly this plan: `--if-plan {}`", cell(answer, "plan_id")));
    }
    let minted = answer.get("minted").map(rows).unwrap_or_default();
    let tokens: Vec<Vec<String>> = minted
        .iter()
        .filter(|grant| grant.get("token").is_some())
        .map(|grant| ["server", "label", "url", "token"].map(|key| cell(grant, key)).to_vec())
        .collect();
    if !tokens.is_empty() {
        output::text("");
        output::table(&["SERVER", "GRANT", "URL", "TOKEN"], &tokens);
        output::text("The tokens are shown this once. Clients send them as `Authorization: Bearer …`.");
    }
}

/// One object of the plan, and what differs.
fn step(row: &Value) -> String {
    let sign = match cell(row, "action").as_str() {
        "add" => '+',
        "remove" => '-',
        _ => '~',
    };
    let mut lines = vec![format!("{sign} {}", output::plain(&cell(row, "object")))];
    for difference in row.get("differences").map(rows).unwrap_or_default() {
        let field = cell(difference, "field");
        lines.push(match difference.get("secret") {
            Some(Value::Bool(true)) => {
                let is_set = |key: &str| difference.get(key).is_some_and(|value| !value.is_null());
                let word = match (is_set("before"), is_set("after")) {
                    (true, false) => "is removed",
                    (false, true) => "is added",
                    _ => "differs",
                };
                format!("    {field}: {word} (secret)")
            }
            _ => {
                let value = |key: &str| difference.get(key).map(Value::to_string).unwrap_or_default();
                output::plain(&format!("    {field}: {} → {}", value("before"), value("after")))
            }
        });
    }
    let diff = cell(row, "diff");
    lines.extend(diff.lines().map(|line| format!("    {}", output::plain(line))));
    let notes = row.get("notes").map(rows).unwrap_or_default().iter().filter_map(Value::as_str);
    lines.extend(notes.map(|note| format!("    {}", output::plain(note))));
    lines.join("\n")
}

impl Tokens {
    /// Reads what is in the file already, and tries whether it can be written.
    fn open(file: &Path) -> Result<Self, Failure> {
        let unusable = |why: &str| {
            let message = format!("`--tokens-out`: `{}` {why}", file.display());
            Failure::cannot_run("CG3178", message, "name another file; nothing was applied")
        };
        let path = std::path::absolute(file).map_err(|error| unusable(&error.to_string()))?;
        if let Err(error) = tempfile::tempfile_in(path.parent().unwrap_or(&path)) {
            return Err(unusable(&format!("can't be written: {error}")));
        }
        let kept = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|_| unusable("is there, and is no list of tokens"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unusable(&format!("can't be read: {error}"))),
        };
        Ok(Self { path, kept })
    }

    /// Moves the tokens of an answer into the file.
    fn keep(mut self, answer: &mut Value) -> Result<(), Failure> {
        let Some(Value::Array(minted)) = answer.get_mut("minted").filter(|minted| !rows(minted).is_empty()) else {
            return Ok(());
        };
        self.kept.extend(minted.iter().cloned());
        let mut text = serde_json::to_vec_pretty(&self.kept).unwrap_or_default();
        text.push(b'\n');
        data::replace(&self.path, &text)?;
        for grant in minted.iter_mut().filter_map(Value::as_object_mut) {
            grant.remove("token");
        }
        Ok(())
    }
}
