//! Documents that the catalogue is fed with: lists of an MCP registry, `server.json`, lists of tools.

use callgate_catalog::Tool;
use callgate_json::{Limits, Pointer, Value, line_column, parse};
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// The longest name of a server, in characters.
const NAME: usize = 200;

/// The longest text that is kept of what is said about a server, in characters.
const TEXT: usize = 4_000;

/// The longest definition of a tool, in bytes.
const DEFINITION: usize = 256 << 10;

/// So many tools one server has at most.
const TOOLS: usize = 5_000;

/// Where a registry of MCP keeps its own words about an entry.
const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";

/// One server of a document.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// What is said about it, as JSON; none where the document only lists its tools.
    pub(super) about: Option<String>,
    /// When it was last updated, as the registry says it; empty where it doesn't.
    pub(super) updated: String,
    /// The registry took it away.
    pub(super) deleted: bool,
    /// Which version of the server it is; empty where it says nothing.
    pub(super) version: String,
    /// Whether the registry knows no later version; none where it doesn't say.
    pub(super) latest: Option<bool>,
    /// Its tools; none where the document does not list them.
    pub(super) tools: Option<Vec<Listed>>,
}

/// A tool of a document.
#[derive(Debug)]
pub(super) struct Listed {
    /// Its definition as it stands there.
    pub(super) definition: String,
    /// What the classifier reads.
    pub(super) tool: Tool,
}

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// Where: an RFC 6901 pointer.
    pub(super) place: String,
    /// Line and column of it, from 1.
    pub(super) line: (u32, u32),
    /// What is wrong.
    pub(super) why: String,
}

/// What a document says.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Its good entries.
    pub(super) entries: Vec<Entry>,
    /// What is wrong with the others.
    pub(super) flaws: Vec<Flaw>,
    /// The registry's cursor of the next page; empty at the end.
    pub(super) next: String,
}

/// A flaw and the value that has it.
type Wrong<'v, 'd> = (Pointer, &'v Value<'d>, String);

/// Reads a document; `name` is the server of a list of tools that names none. An error says that it is no such document
/// at all.
pub(super) fn read(bytes: &[u8], name: Option<&str>) -> Result<Read, Flaw> {
    let limits = Limits { max_bytes: bytes.len(), max_values: 10_000_000, ..Limits::default() };
    let document = parse(bytes, &limits).map_err(|error| Flaw {
        place: String::new(),
        line: line_column(bytes, error.offset),
        why: format!("it is no JSON as it has to be: {}", error.kind),
    })?;
    let root = Pointer::root();
    let mut found: Vec<(Pointer, Result<Entry, Wrong<'_, '_>>)> = Vec::new();
    let mut next = String::new();
    if let Some(servers) = document.get("servers").and_then(Value::as_array) {
        let metadata = document.get("metadata");
        let cursor = ["nextCursor", "next_cursor"].iter().find_map(|key| metadata?.get(key)?.as_str());
        next = cursor.unwrap_or_default().to_owned();
        let below = root.key("servers");
        found.extend(servers.iter().enumerate().map(|(at, entry)| {
            let place = below.index(at);
            (place.clone(), server(bytes, entry, &place))
        }));
    } else if let Some((place, tools)) = tool_list(&document, &root) {
        found.push((root.clone(), bare_list(bytes, &document, name, tools, &place)));
    } else if document.is_object() && (document.get("name").is_some() || document.get("server").is_some()) {
        found.push((root.clone(), server(bytes, &document, &root)));
    } else if let Some(list) = document.as_array().filter(|list| list.iter().all(Value::is_object)) {
        found.extend(list.iter().enumerate().map(|(at, entry)| {
            let place = root.index(at);
            (place.clone(), server(bytes, entry, &place))
        }));
    } else {
        let why = "it is neither a registry's list (`{\"servers\": […]}`), a `server.json`, nor a list of tools";
        return Err(flaw(bytes, &(root, &document, why.to_owned())));
    }
    Ok(sorted(bytes, found, next))
}

fn flaw(bytes: &[u8], (place, value, why): &Wrong<'_, '_>) -> Flaw {
    Flaw { place: place.as_str().to_owned(), line: line_column(bytes, value.span.start), why: why.clone() }
}

/// One entry per name: a registry lists every version of a server.
fn sorted(bytes: &[u8], found: Vec<(Pointer, Result<Entry, Wrong<'_, '_>>)>, next: String) -> Read {
    let mut read = Read { next, ..Read::default() };
    let mut places: HashMap<String, usize> = HashMap::new();
    for (_, result) in found {
        match result {
            Err(wrong) => read.flaws.push(flaw(bytes, &wrong)),
            Ok(entry) => match places.get(&entry.name).and_then(|at| read.entries.get_mut(*at)) {
                Some(before) if entry.outranks(before) => *before = entry,
                Some(_) => {}
                None => {
                    places.insert(entry.name.clone(), read.entries.len());
                    read.entries.push(entry);
                }
            },
        }
    }
    read
}

impl Entry {
    /// A server of which only its tools are known.
    fn listing(name: &str, tools: Option<Vec<Listed>>) -> Self {
        let (about, updated, version) = (None, String::new(), String::new());
        Self { name: name.to_owned(), about, updated, deleted: false, version, latest: None, tools }
    }

    /// Whether of two versions of a server this one counts: the one that the registry calls the latest; where it calls
    /// both alike, one that is not taken away, then the one that it updated last.
    fn outranks(&self, other: &Self) -> bool {
        let rank = |entry: &Self| entry.latest.map_or(1, |latest| if latest { 2 } else { 0 });
        if rank(self) != rank(other) {
            return rank(self) > rank(other);
        }
        if self.version != other.version && self.deleted != other.deleted {
            return other.deleted;
        }
        self.updated >= other.updated
    }
}

/// The tools of a `tools/list` answer: an object with `tools`, a JSON-RPC response around it, or a bare array of tools.
fn tool_list<'v, 'd>(document: &'v Value<'d>, root: &Pointer) -> Option<(Pointer, &'v [Value<'d>])> {
    if document.get("server").is_some() || document.get("name").is_some() {
        return None;
    }
    if let Some(tools) = document.get("tools").and_then(Value::as_array) {
        return Some((root.key("tools"), tools));
    }
    if let Some(tools) = document.get("result").and_then(|result| result.get("tools")?.as_array()) {
        return Some((root.key("result").key("tools"), tools));
    }
    let is_tool = |entry: &Value<'_>| entry.get("inputSchema").or_else(|| entry.get("input_schema")).is_some();
    let list = document.as_array().filter(|list| list.is_empty() || list.iter().any(is_tool))?;
    Some((root.clone(), list))
}

fn bare_list<'v, 'd>(
    bytes: &[u8],
    document: &'v Value<'d>,
    name: Option<&str>,
    tools: &'v [Value<'d>],
    place: &Pointer,
) -> Result<Entry, Wrong<'v, 'd>> {
    let Some(name) = name else {
        let why = "a list of tools does not say whose they are; give the server's name";
        return Err((Pointer::root(), document, why.to_owned()));
    };
    check_name(name).map_err(|why| (Pointer::root(), document, why))?;
    let tools = Some(listed(bytes, tools, place)?);
    Ok(Entry::listing(name, tools))
}

/// `{"server": {…}, "_meta": {…}, "tools": […]}`, or the `server.json` itself.
fn server<'v, 'd>(bytes: &[u8], entry: &'v Value<'d>, place: &Pointer) -> Result<Entry, Wrong<'v, 'd>> {
    let (inner, at) = match entry.get("server") {
        Some(server) => (server, place.key("server")),
        None => (entry, place.clone()),
    };
    if !inner.is_object() {
        return Err((at, inner, format!("a server is an object, found {}", inner.type_name())));
    }
    let name = match inner.get("name").map(|name| (name, name.as_str())) {
        Some((value, Some(name))) => check_name(name).map(|()| name).map_err(|why| (at.key("name"), value, why))?,
        Some((value, None)) => {
            return Err((at.key("name"), value, format!("a name is a string, found {}", value.type_name())));
        }
        None => return Err((at, inner, "it has no `name`".to_owned())),
    };
    let tools = match entry.get("tools").or_else(|| inner.get("tools")) {
        None => None,
        Some(tools) => {
            let place = if entry.get("tools").is_some() { place.key("tools") } else { at.key("tools") };
            let list = tools.as_array().ok_or_else(|| (place.clone(), tools, "`tools` is no list".to_owned()))?;
            Some(listed(bytes, list, &place)?)
        }
    };
    let official = [entry, inner].into_iter().find_map(|value| value.get("_meta")?.get(OFFICIAL));
    let word = |key: &str| official.and_then(|meta| meta.get(key)?.as_str()).unwrap_or_default();
    let status = if word("status").is_empty() { text(inner, "status") } else { word("status").to_owned() };
    let about = about(inner, &at, &status, word("updatedAt"))?;
    Ok(Entry {
        name: name.to_owned(),
        about: Some(about),
        updated: word("updatedAt").to_owned(),
        deleted: status == "deleted",
        version: text(inner, "version"),
        latest: official.and_then(|meta| meta.get("isLatest")?.as_bool()),
        tools,
    })
}

/// What is kept of a `server.json`, as JSON.
fn about<'v, 'd>(server: &'v Value<'d>, at: &Pointer, status: &str, updated: &str) -> Result<String, Wrong<'v, 'd>> {
    for key in ["title", "description", "version", "websiteUrl"] {
        match server.get(key) {
            None => {}
            Some(value) if value.is_null() => {}
            Some(value) => match value.as_str() {
                None => return Err((at.key(key), value, format!("`{key}` is a string, found {}", value.type_name()))),
                Some(text) if text.contains('\0') => {
                    return Err((at.key(key), value, "the character U+0000 can't be kept".to_owned()));
                }
                Some(text) if text.chars().count() > TEXT => {
                    return Err((at.key(key), value, format!("`{key}` is longer than {TEXT} characters")));
                }
                Some(_) => {}
            },
        }
    }
    let packages = list(server, "packages").iter().map(|package| {
        let transport = package.get("transport");
        json!({
            "registry": first(package, &["registryType", "registry_type"]),
            "identifier": first(package, &["identifier", "name"]),
            "version": text(package, "version"),
            "transport": transport.map(|transport| text(transport, "type")).unwrap_or_default(),
        })
    });
    let remotes = list(server, "remotes")
        .iter()
        .map(|remote| json!({ "type": first(remote, &["type", "transport_type"]), "url": text(remote, "url") }));
    let repository = server.get("repository").map(|repository| text(repository, "url")).unwrap_or_default();
    let about = json!({
        "title": text(server, "title"),
        "description": text(server, "description"),
        "version": text(server, "version"),
        "website": text(server, "websiteUrl"),
        "repository": repository,
        "status": status,
        "updated": updated,
        "packages": packages.collect::<Vec<_>>(),
        "remotes": remotes.collect::<Vec<_>>(),
    });
    Ok(about.to_string())
}

fn listed<'v, 'd>(bytes: &[u8], list: &'v [Value<'d>], place: &Pointer) -> Result<Vec<Listed>, Wrong<'v, 'd>> {
    let mut seen = HashSet::new();
    let mut tools = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let wrong = |why: String| (place.index(at), value, why);
        if at >= TOOLS {
            return Err(wrong(format!("a server has at most {TOOLS} tools here")));
        }
        let tool = Tool::from_value(value).map_err(|why| wrong(format!("it is no tool: {why}")))?;
        check_text(&tool.name, "the tool's name").map_err(wrong)?;
        if !seen.insert(tool.name.clone()) {
            return Err(wrong(format!("`{}` is listed a second time", tool.name)));
        }
        let definition = String::from_utf8_lossy(value.bytes(bytes)).into_owned();
        if definition.len() > DEFINITION {
            return Err(wrong(format!("its definition is longer than {DEFINITION} bytes")));
        }
        tools.push(Listed { definition, tool });
    }
    Ok(tools)
}

fn check_name(name: &str) -> Result<(), String> {
    check_text(name, "the name")?;
    if name.is_empty() || name.trim() != name {
        return Err("the name is empty, or has spaces around it".to_owned());
    }
    Ok(())
}

fn check_text(text: &str, what: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{what} has a control character"));
    }
    if text.chars().count() > NAME {
        return Err(format!("{what} is longer than {NAME} characters"));
    }
    Ok(())
}

fn list<'v, 'd>(value: &'v Value<'d>, key: &str) -> &'v [Value<'d>] {
    let list = value.get(key).and_then(Value::as_array).unwrap_or_default();
    list.get(..20).unwrap_or(list)
}

fn first(value: &Value<'_>, keys: &[&str]) -> String {
    keys.iter().map(|key| text(value, key)).find(|text| !text.is_empty()).unwrap_or_default()
}

fn text(value: &Value<'_>, key: &str) -> String {
    let text = value.get(key).and_then(Value::as_str).unwrap_or_default();
    text.chars().filter(|c| *c != '\0').take(TEXT).collect()
}

#[cfg(test)]
mod tests;
