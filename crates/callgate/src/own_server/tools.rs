//! The tools of the gateway's own server.

use callgate_catalog::{Tool, attacks_with, classify, recommend, scan};
use callgate_control::catalogue::CatalogueTerms;
use callgate_control::listing::Part;
use callgate_control::{Caller, Control, Error};
use callgate_json::{Kind, Value as Given};
use serde_json::{Value, json};

/// What a call came to: JSON, or a text that says what was wrong with it.
pub(super) type Told = Result<Value, String>;

/// The most servers that a search gives.
const MOST: i64 = 50;

/// The definitions of all tools.
pub(super) fn definitions() -> Value {
    json!([search_definition(), show_definition(), check_definition(), policy_definition()])
}

fn search_definition() -> Value {
    json!({
        "name": "search_servers",
        "title": "Search servers",
        "description": "Finds MCP servers in the gateway's catalogue by words, best match first, each with its grade \
                        (A to F), its risk, and how many tools of each kind it has.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": string("Words that the server's name, description or tools have; `begin*` for beginnings."),
                "category": string("Only servers with a tool that does this: read, write, execute, destructive, financial. Several are joined by commas."),
                "risk": string("Only servers whose riskiest tool is this: low, medium, high, critical. Several are joined by commas."),
                "label": string("Only servers with a tool of this label, such as egress or reads_untrusted."),
                "grade": string("Only servers of this grade, A to F. Several are joined by commas."),
                "limit": { "type": "integer", "minimum": 1, "maximum": MOST, "description": "How many at most; 10 where nothing is said." },
            },
            "required": ["query"],
            "additionalProperties": false,
        },
        "annotations": only_reads(),
    })
}

fn show_definition() -> Value {
    json!({
        "name": "show_server",
        "title": "Show a server",
        "description": "Tells what is known about one server of the catalogue: its grade and what it lost points for, \
                        and each of its tools with category, risk and labels.",
        "inputSchema": {
            "type": "object",
            "properties": { "server": string("The server's identity or name, as search_servers gives it.") },
            "required": ["server"],
            "additionalProperties": false,
        },
        "annotations": only_reads(),
    })
}

fn check_definition() -> Value {
    json!({
        "name": "check_tool",
        "title": "Check a tool's definition",
        "description": "Classifies one tool definition as a server lists it: what the tool does, how risky it is, the \
                        evidence, findings such as hidden instructions, the attacks that it has a part in, and the rule that \
                        fits. Nothing is kept.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "definition": { "type": "object", "description": "The tool as `tools/list` has it: name, description, inputSchema, annotations." },
            },
            "required": ["definition"],
            "additionalProperties": false,
        },
        "annotations": only_reads(),
    })
}

fn policy_definition() -> Value {
    json!({
        "name": "recommend_policy",
        "title": "Recommend a policy",
        "description": "Writes the policy.json that fits a server of the catalogue, or a list of tool definitions: \
                        reading allowed, writing and running limited, destroying and paying behind approval.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "server": string("The server's identity or name, as search_servers gives it."),
                "tools": { "type": "array", "items": { "type": "object" }, "description": "In place of a server: tools as `tools/list` has them." },
            },
            "additionalProperties": false,
        },
        "annotations": only_reads(),
    })
}

/// What all of these tools say of themselves.
fn only_reads() -> Value {
    json!({ "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false })
}

/// The schema of an argument that is a string.
fn string(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// Calls a tool; none where there is no such tool.
pub(super) async fn call(
    control: &Control,
    caller: &Caller,
    name: &str,
    arguments: Option<&Given<'_>>,
) -> Option<Told> {
    let told = match name {
        "search_servers" => search(control, caller, arguments).await,
        "show_server" => show(control, caller, arguments).await,
        "check_tool" => check(arguments),
        "recommend_policy" => policy(control, caller, arguments).await,
        _ => return None,
    };
    Some(told)
}

async fn search(control: &Control, caller: &Caller, arguments: Option<&Given<'_>>) -> Told {
    known(arguments, &["query", "category", "risk", "label", "grade", "limit"])?;
    let limit = match arguments.and_then(|given| given.get("limit")) {
        None => 10,
        Some(value) => value
            .as_number()
            .and_then(|number| number.exact().ok()?.as_i64())
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| format!("`limit` is a whole number from 1 to {MOST}"))?,
    };
    let terms = CatalogueTerms {
        words: text(arguments, "query")?.ok_or("`query` is missing: say what the server should do")?,
        category: text(arguments, "category")?,
        risk: text(arguments, "risk")?,
        label: text(arguments, "label")?,
        grade: text(arguments, "grade")?,
        ..CatalogueTerms::default()
    };
    let part = Part { limit: u32::try_from(limit).unwrap_or(10), after: None };
    let listed = control.search_servers(caller, &terms, &part).await.map_err(said)?;
    Ok(json!({ "servers": listed.items, "more": listed.next.is_some() }))
}

async fn show(control: &Control, caller: &Caller, arguments: Option<&Given<'_>>) -> Told {
    known(arguments, &["server"])?;
    let wanted = text(arguments, "server")?.ok_or("`server` is missing: give its identity or name")?;
    let found = control.show_catalogue_server(caller, &wanted).await.map_err(said)?;
    Ok(json!({ "server": found.server, "about": found.about, "tools": found.list, "aims_at": found.aims_at }))
}

fn check(arguments: Option<&Given<'_>>) -> Told {
    known(arguments, &["definition"])?;
    let definition = arguments.and_then(|given| given.get("definition"));
    let definition = definition.ok_or("`definition` is missing: give the tool as `tools/list` has it")?;
    let tool = Tool::from_value(definition).map_err(|why| format!("`definition` is no tool: {why}"))?;
    let scanned = scan(std::slice::from_ref(&tool)).pop();
    let attack = |attack: &callgate_catalog::Attack| json!({ "id": attack.id, "title": attack.title, "how": attack.how, "stops": attack.stops });
    let attacks: Vec<Value> = attacks_with(&classify(&tool)).into_iter().map(attack).collect();
    Ok(json!({ "tool": scanned, "attacks": attacks }))
}

async fn policy(control: &Control, caller: &Caller, arguments: Option<&Given<'_>>) -> Told {
    known(arguments, &["server", "tools"])?;
    let given = arguments.and_then(|given| given.get("tools"));
    let tools = match (text(arguments, "server")?, given) {
        (Some(wanted), None) => {
            let found = control.show_catalogue_server(caller, &wanted).await.map_err(said)?;
            let list: Vec<&str> = found.definitions.iter().map(|definition| definition.get()).collect();
            if list.is_empty() {
                return Err(format!("the catalogue does not know the tools of `{wanted}`; give them as `tools`"));
            }
            Tool::from_list(format!("[{}]", list.join(",")).as_bytes()).map_err(|error| error.to_string())?
        }
        (None, Some(Given { kind: Kind::Array(list), .. })) => {
            let read = |(at, tool)| Tool::from_value(tool).map_err(|why| format!("`tools[{at}]` is no tool: {why}"));
            list.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?
        }
        (None, Some(_)) => return Err("`tools` is a list of tool definitions".to_owned()),
        _ => return Err("give either `server` or `tools`".to_owned()),
    };
    let policy = recommend(&tools).map_err(|error| error.to_string())?;
    Ok(json!({ "policy": policy }))
}

fn known(arguments: Option<&Given<'_>>, names: &[&str]) -> Result<(), String> {
    let members = arguments.map(Given::members).unwrap_or_default();
    match members.iter().find(|member| !names.contains(&&*member.key)) {
        Some(member) => Err(format!("there is no argument `{}`; there are: {}", member.key, names.join(", "))),
        None => Ok(()),
    }
}

fn text(arguments: Option<&Given<'_>>, name: &str) -> Result<Option<String>, String> {
    let Some(value) = arguments.and_then(|given| given.get(name)) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| format!("`{name}` is a string, found {}", value.type_name()))?;
    if text.contains('\0') || text.chars().count() > 400 {
        return Err(format!("`{name}` is too long, or has the character U+0000"));
    }
    Ok(Some(text.to_owned()))
}

fn said(error: Error) -> String {
    let Error { code, message, remedy, .. } = error;
    if remedy.is_empty() { format!("{message} [{code}]") } else { format!("{message} [{code}]; {remedy}") }
}
