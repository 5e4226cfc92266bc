//! `callgate catalog import`: files into the catalogue, each whole or not at all.

use super::super::fleet::{Fleet, cell, rows};
use crate::api::{Request, path};
use crate::cli::{CatalogTargetArgs, DataArgs};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output::{self, Progress};
use crate::tool_list::read_file;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Imports files, one after the other; a bad one keeps no other from it.
pub(super) fn run(
    files: &[PathBuf],
    name: Option<&str>,
    skip_bad: bool,
    target: &CatalogTargetArgs,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let fleet = Fleet::changing(&target.data, environment)?;
    let mut progress = Progress::of("files");
    let (mut results, mut failed) = (Vec::new(), None);
    for (file, done) in files.iter().zip(1..) {
        match one(&fleet, file, name, skip_bad, target.public) {
            Ok(imported) => results.push(json!({ "file": file.display().to_string(), "imported": imported })),
            Err(failure) => {
                // A file that can't be read is named by the failure itself.
                let place = match failure.code.as_ref() {
                    "CG3050" => String::new(),
                    _ => format!("`{}`: ", file.display()),
                };
                output::note(&format!("error: {place}{failure}"));
                let error = json!({ "code": failure.code, "message": failure.message });
                results.push(json!({ "file": file.display().to_string(), "error": error }));
                failed = Some(failure.exit);
            }
        }
        progress.at(done);
    }
    drop(progress);
    report(&results, target.json.json);
    Ok(failed.map_or(Exit::Yes, |_| Exit::No))
}

fn one(fleet: &Fleet, file: &Path, name: Option<&str>, skip_bad: bool, public: bool) -> Result<Value, Failure> {
    let document = read_file(file)?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).filter(|stem| stem != "-");
    let name = name.map(str::to_owned).or(stem);
    let source = file.display().to_string();
    let mut query = vec![("source", source.as_str()), ("origin", "import")];
    query.extend(name.as_deref().map(|name| ("name", name)));
    query.extend(skip_bad.then_some(("skip_bad", "true")));
    query.extend(public.then_some(("public", "true")));
    Ok(fleet.send(Request::document(path(&["catalogue", "import"], &query), document))?.tree())
}

/// Keeps what a scan saw under a name: the list as the server gave it.
pub(in crate::commands) fn save(
    list: &[u8],
    name: &str,
    public: bool,
    data: &DataArgs,
    environment: &Environment,
) -> Result<Value, Failure> {
    let mut query = vec![("source", "scan"), ("origin", "scan"), ("name", name)];
    query.extend(public.then_some(("public", "true")));
    let request = Request::document(path(&["catalogue", "import"], &query), list.to_vec());
    Ok(Fleet::changing(data, environment)?.send(request)?.tree())
}

fn report(results: &[Value], as_json: bool) {
    if as_json {
        return output::json(&results);
    }
    let row = |result: &Value| {
        let imported = result.get("imported").unwrap_or(&Value::Null);
        let mut row = vec![cell(result, "file")];
        row.extend(["added", "changed", "unchanged", "removed", "tools"].map(|key| cell(imported, key)));
        row.push(imported.get("skipped").map(|list| rows(list).len().to_string()).unwrap_or_default());
        row
    };
    let headings = ["FILE", "NEW", "CHANGED", "SAME", "REMOVED", "TOOLS", "SKIPPED"];
    output::table(&headings, &results.iter().map(row).collect::<Vec<_>>());
    results.iter().filter_map(|result| result.get("imported")).for_each(skipped);
}

/// Tells which entries were left out, and why.
pub(super) fn skipped(imported: &Value) {
    for entry in imported.get("skipped").map(rows).unwrap_or_default() {
        let place =
            format!("`{}` (line {}, column {})", cell(entry, "pointer"), cell(entry, "line"), cell(entry, "column"));
        output::note(&format!("left out {place}: {}", cell(entry, "reason")));
    }
}
