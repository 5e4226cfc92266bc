//! `callgate server tools`, `definitions`, `definition` and `approve-definitions`: what tools are pinned as.

use super::fleet::{Fleet, cell, rows, show};
use crate::api::{Request, path};
use crate::cli::{ApproveDefinitionsArgs, DefinitionArgs};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::output;
use callgate_catalog::{Tool, fingerprint};
use callgate_json::{Limits, parse};
use hyper::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Shows what a server says about its tools, beside what they are pinned as.
pub(super) fn tools(name: &str, json: bool, fleet: &Fleet) -> Result<(), Failure> {
    let tools = fleet.send(Request::get(path(&["servers", name, "tools"], &[])))?;
    if json {
        // As the server wrote it, for whoever compares.
        output::text(tools.value.get());
        return Ok(());
    }
    let pinned = pinned(name, fleet)?;
    let answer = tools.tree();
    let listed = answer.get("tools").map(rows).unwrap_or_default();
    let mut table: Vec<Vec<String>> = listed.iter().map(|tool| row(tool, &pinned)).collect();
    let is_listed = |tool: &str| listed.iter().any(|listed| cell(listed, "name") == tool);
    for (tool, definition) in pinned.iter().filter(|(tool, _)| !is_listed(tool)) {
        table.push(vec![
            tool.clone(),
            "not listed".to_owned(),
            cell(definition, "category"),
            String::new(),
            String::new(),
        ]);
    }
    output::table(&["TOOL", "STATE", "CATEGORY", "RISK", "LABELS", "DESCRIPTION"], &table);
    Ok(())
}

/// Lists what is pinned.
pub(super) fn list(name: &str, json: bool, fleet: &Fleet) -> Result<(), Failure> {
    let definitions = fleet.list(Request::get(path(&["servers", name, "definitions"], &[])))?;
    if json {
        output::json(&definitions);
        return Ok(());
    }
    let row = |definition: &Value| {
        ["tool", "state", "category", "risk", "labels", "findings", "first_seen", "approved_by"]
            .map(|key| cell(definition, key))
            .to_vec()
    };
    let headings = ["TOOL", "STATE", "CATEGORY", "RISK", "LABELS", "FINDINGS", "FIRST SEEN", "APPROVED BY"];
    output::table(&headings, &definitions.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// Shows one, says what it does, or forgets it.
pub(super) fn definition(args: DefinitionArgs, environment: &Environment) -> Result<(), Failure> {
    let DefinitionArgs { name, tool, category, labels, catalogue, forget, data, json } = args;
    let place = path(&["servers", &name, "definitions", &tool], &[]);
    if forget {
        let fleet = Fleet::changing(&data, environment)?;
        fleet.send(Request::of(Method::DELETE, place, None).at("*"))?;
        show(
            &json!({ "forgotten": tool }),
            json.json,
            &format!("forgot `{tool}` of `{name}`: listed again, it is new"),
        );
        return Ok(());
    }
    let mut patch = Map::new();
    if catalogue {
        patch.extend([("category".to_owned(), Value::Null), ("labels".to_owned(), Value::Null)]);
    }
    patch.extend(category.map(|category| ("category".to_owned(), json!(category))));
    patch.extend(labels.map(|labels| ("labels".to_owned(), json!(labels))));
    if !patch.is_empty() {
        let fleet = Fleet::changing(&data, environment)?;
        let request = Request::of(Method::PATCH, place, Some(&Value::Object(patch)));
        let row = fleet.send(request.at("*"))?.tree();
        let (category, labels) = (cell(&row, "category"), cell(&row, "labels"));
        show(&row, json.json, &format!("`{tool}` of `{name}` is `{category}`, with the labels `{labels}`"));
        return Ok(());
    }
    let detail = Fleet::reading(&data, environment)?.send(Request::get(place))?.tree();
    if json.json {
        output::json(&detail);
    } else {
        output::text(&described(&name, &detail));
    }
    Ok(())
}

/// Shows what changed, and approves exactly that.
pub(super) fn approve(args: ApproveDefinitionsArgs, environment: &Environment) -> Result<Exit, Failure> {
    let ApproveDefinitionsArgs { name, tool: wanted, dry_run, data, json } = args;
    let fleet = if dry_run { Fleet::reading(&data, environment)? } else { Fleet::changing(&data, environment)? };
    let waits = |definition: &Value| cell(definition, "state") != "pinned";
    let pinned = pinned(&name, &fleet)?;
    let mut waiting: Vec<String> = pinned.iter().filter(|(_, one)| waits(one)).map(|(tool, _)| tool.clone()).collect();
    if !wanted.is_empty() {
        if let Some(unknown) = wanted.iter().find(|tool| !pinned.contains_key(*tool)) {
            let message = format!("nothing is known of a tool `{unknown}` of `{name}`");
            return Err(Failure::cannot_run(
                "CG3201",
                message,
                format!("`callgate server definitions {name}` shows them"),
            ));
        }
        waiting.retain(|tool| wanted.contains(tool));
    }
    let mut fingerprints = BTreeMap::new();
    let mut details = Vec::with_capacity(waiting.len());
    for tool in &waiting {
        let detail = fleet.send(Request::get(path(&["servers", &name, "definitions", tool], &[])))?.tree();
        if !json.json {
            output::text(&described(&name, &detail));
        }
        let listed = detail.get("candidate").filter(|candidate| !candidate.is_null());
        let listed = listed.or_else(|| detail.get("fingerprint")).cloned().unwrap_or_default();
        fingerprints.insert(tool.clone(), listed);
        details.push(detail);
    }
    if dry_run || waiting.is_empty() {
        let none = format!("nothing of `{name}` waits to be approved");
        let some = format!("{} to be approved; nothing is yet", counted(waiting.len()));
        let approved: [&str; 0] = [];
        let answer = json!({ "approved": approved, "waiting": details });
        show(&answer, json.json, if waiting.is_empty() { &none } else { &some });
        return Ok(Exit::Yes);
    }
    let body = json!({ "tools": fingerprints });
    let answer = fleet.send(Request::post(path(&["servers", &name, "approve-definitions"], &[]), &body))?.tree();
    let done = format!("approved {} of `{name}`, from the next call on", counted(waiting.len()));
    show(&json!({ "approved": answer.get("approved"), "waiting": details }), json.json, &done);
    Ok(Exit::Yes)
}

/// What is pinned, by the tools' names.
fn pinned(name: &str, fleet: &Fleet) -> Result<BTreeMap<String, Value>, Failure> {
    let definitions = fleet.list(Request::get(path(&["servers", name, "definitions"], &[])))?;
    Ok(definitions.into_iter().map(|definition| (cell(&definition, "tool"), definition)).collect())
}

/// A tool as the server lists it now, and how that stands to what is pinned.
fn row(tool: &Value, pinned: &BTreeMap<String, Value>) -> Vec<String> {
    let name = cell(tool, "name");
    let text = tool.to_string();
    let limits = Limits { max_bytes: text.len(), max_values: usize::MAX, ..Limits::default() };
    let read = parse(text.as_bytes(), &limits).ok();
    let now = read.as_ref().map(fingerprint).unwrap_or_default();
    let known = pinned.get(&name);
    let state = match known {
        None => "new",
        Some(known) if cell(known, "state") == "pending" => "pending",
        Some(known) if cell(known, "fingerprint") == now => "pinned",
        Some(_) => "changed",
    };
    // What nobody pinned yet is said by the same catalogue that will judge it then.
    let new = known.is_none().then(|| Tool::from_value(read.as_ref()?).ok()).flatten();
    let new = new.and_then(|tool| serde_json::to_value(callgate_catalog::scan(&[tool]).pop()).ok());
    let column = |key: &str| known.or(new.as_ref()).map(|known| cell(known, key)).unwrap_or_default();
    let description = first_line(&cell(tool, "description"));
    vec![name, state.to_owned(), column("category"), column("risk"), column("labels"), description]
}

/// A definition for people: how it stands, what to look at, what changed.
fn described(server: &str, detail: &Value) -> String {
    let mut lines = vec![format!(
        "{} of {server}: {}, {} (risk: {}; labels: {})",
        output::plain(&cell(detail, "tool")),
        cell(detail, "state"),
        cell(detail, "category"),
        cell(detail, "risk"),
        cell(detail, "labels"),
    )];
    for note in detail.get("notes").map(rows).unwrap_or_default() {
        let [severity, place, what, why] =
            ["severity", "where", "what", "why"].map(|key| output::plain(&cell(note, key)));
        lines.push(format!("  {severity}: {place}: {what}: {why}"));
    }
    // The API has escaped what can't be seen.
    lines.extend(cell(detail, "diff").lines().map(|line| format!("  {}", output::plain(line))));
    lines.join("\n")
}

fn counted(tools: usize) -> String {
    if tools == 1 { "1 definition".to_owned() } else { format!("{tools} definitions") }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(100) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}
