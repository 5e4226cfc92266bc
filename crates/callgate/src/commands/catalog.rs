//! `callgate catalog`: search servers and tools, import and synchronise them, see what changed, export all.

mod export;
mod import;
mod sync;

pub(super) use import::save;

use super::fleet::{Fleet, cell, rows};
use crate::api::{Request, path};
use crate::cli::{CatalogCommand, CatalogSearchArgs};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output;
use serde_json::Value;

/// Runs a `catalog` command.
pub(super) fn run(command: CatalogCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        CatalogCommand::Search(args) => search(&args, environment)?,
        CatalogCommand::Show { server, tool, data, json } => {
            let mut segments = vec!["catalogue", "servers", server.as_str()];
            if let Some(tool) = &tool {
                segments.extend(["tools", tool.as_str()]);
            }
            let found = Fleet::reading(&data, environment)?.send(Request::get(path(&segments, &[])))?;
            match (json.json, &tool) {
                (true, _) => output::text(found.value.get()),
                (false, None) => show_server(&found.tree()),
                (false, Some(_)) => show_tool(&found.tree()),
            }
        }
        CatalogCommand::Import { files, name, skip_bad, target } => {
            return import::run(&files, name.as_deref(), skip_bad, &target, environment);
        }
        CatalogCommand::Sync { url, full, target } => sync::run(&url, full, &target, environment)?,
        CatalogCommand::Changes { server, since, limit, data, json } => {
            let limit = limit.to_string();
            let mut query = vec![("limit", limit.as_str())];
            query.extend(server.as_deref().map(|server| ("server", server)));
            query.extend(since.as_deref().map(|since| ("since", since)));
            let found =
                Fleet::reading(&data, environment)?.send(Request::get(path(&["catalogue", "changes"], &query)))?;
            changes(&found.tree(), json.json);
        }
        CatalogCommand::Export { html, own, data, json } => {
            let fleet = Fleet::reading(&data, environment)?;
            export::run(&fleet, html.as_deref(), own, json.json)?;
        }
    }
    Ok(Exit::Yes)
}

fn search(args: &CatalogSearchArgs, environment: &Environment) -> Result<(), Failure> {
    let (words, limit) = (args.words.join(" "), args.limit.to_string());
    let mut query = vec![("limit", limit.as_str())];
    let optional = [
        ("category", args.category.as_deref()),
        ("risk", args.risk.as_deref()),
        ("label", args.label.as_deref()),
        ("grade", args.grade.as_deref()),
        ("finding", args.finding.as_deref()),
        ("server", args.server.as_deref()),
        ("q", Some(words.as_str()).filter(|words| !words.trim().is_empty())),
        ("own", args.own.then_some("true")),
    ];
    query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let what = if args.servers { "servers" } else { "tools" };
    let found = Fleet::reading(&args.data, environment)?.send(Request::get(path(&["catalogue", what], &query)))?.tree();
    if args.json.json {
        output::json(found.get("items").unwrap_or(&Value::Null));
        return Ok(());
    }
    let items = found.get("items").map(rows).unwrap_or_default();
    if args.servers {
        servers(items)
    } else {
        tools(items)
    }
    if found.get("next").is_some_and(|next| !next.is_null()) {
        output::note("there are more: say more words, or raise `--limit`");
    }
    Ok(())
}

fn servers(items: &[Value]) {
    let row = |server: &Value| {
        let mut row: Vec<String> = ["name", "grade", "risk", "tools", "origin"].map(|key| cell(server, key)).into();
        row.push(line(&cell(server, "description")));
        row
    };
    let headings = ["SERVER", "GRADE", "RISK", "TOOLS", "FROM", "DESCRIPTION"];
    output::table(&headings, &items.iter().map(row).collect::<Vec<_>>());
}

fn tools(items: &[Value]) {
    let row = |tool: &Value| {
        let mut row =
            vec![cell(tool, "name"), tool.get("server").map(|server| cell(server, "name")).unwrap_or_default()];
        row.extend(["category", "risk", "labels"].map(|key| cell(tool, key)));
        row.push(line(&cell(tool, "description")));
        row
    };
    let headings = ["TOOL", "SERVER", "CATEGORY", "RISK", "LABELS", "DESCRIPTION"];
    output::table(&headings, &items.iter().map(row).collect::<Vec<_>>());
}

fn show_server(server: &Value) {
    let about = server.get("about").unwrap_or(&Value::Null);
    let mut lines: Vec<Vec<String>> = ["id", "title", "description", "version", "grade", "risk", "origin", "source"]
        .map(|key| vec![key.to_owned(), cell(server, key)])
        .into();
    lines.extend(["repository", "website"].map(|key| vec![key.to_owned(), cell(about, key)]));
    let summary = server.get("summary").unwrap_or(&Value::Null);
    for lost in summary.get("deductions").map(rows).unwrap_or_default() {
        lines.push(vec![format!("-{} {}", cell(lost, "points"), cell(lost, "what")), cell(lost, "why")]);
    }
    lines.retain(|line| line.iter().all(|cell| !cell.is_empty()));
    output::table(&["NAME", &cell(server, "name")], &lines);
    let list = server.get("list").map(rows).unwrap_or_default();
    if !list.is_empty() {
        output::text("");
        tools(list);
    }
}

fn show_tool(tool: &Value) {
    let scan = tool.get("scan").unwrap_or(&Value::Null);
    let mut lines: Vec<Vec<String>> = ["description", "category", "risk", "confidence", "labels", "fingerprint"]
        .map(|key| vec![key.to_owned(), cell(tool, key)])
        .into();
    for sign in scan.get("evidence").map(rows).unwrap_or_default().iter().take(8) {
        lines.push(vec![
            "evidence".to_owned(),
            format!("“{}” {}: {}", cell(sign, "what"), cell(sign, "where"), cell(sign, "why")),
        ]);
    }
    for finding in scan.get("findings").map(rows).unwrap_or_default() {
        lines.push(vec![
            format!("finding {}", cell(finding, "kind")),
            format!("{}: {}", cell(finding, "where"), cell(finding, "why")),
        ]);
    }
    lines.push(vec!["rule".to_owned(), cell(scan, "rule")]);
    output::table(&["NAME", &cell(tool, "name")], &lines);
}

fn changes(found: &Value, json: bool) {
    let items = found.get("items").map(rows).unwrap_or_default();
    if json {
        return output::json(&items);
    }
    let row = |change: &Value| {
        let details = change.get("details").unwrap_or(&Value::Null);
        let now = details.get("after").unwrap_or(details);
        let said = ["category", "risk", "grade"].map(|key| cell(now, key));
        let said: Vec<String> = said.into_iter().filter(|word| !word.is_empty()).collect();
        let mut row: Vec<String> = ["at", "what", "server", "tool"].map(|key| cell(change, key)).into();
        row.push(said.join(" "));
        row
    };
    let headings = ["WHEN", "WHAT", "SERVER", "TOOL", "NOW"];
    output::table(&headings, &items.iter().map(row).collect::<Vec<_>>());
}

/// The first line of a text, cut.
fn line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}
