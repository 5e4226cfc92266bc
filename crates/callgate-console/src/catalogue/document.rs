//! A server of the catalogue as the API shows it, and what the classifier makes of its tools.

use callgate_catalog::{Classification, Grade, Scanned, Tool, classify, grade, recommend_classified, scan_classified};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// So many other servers a tool's page names.
const NAMED: usize = 8;

/// A server of the catalogue with its tools (`GET /api/v1/catalogue/servers/{entry}`).
#[derive(Debug, Deserialize)]
pub struct ServerDocument {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its title; empty where it has none.
    pub title: String,
    /// What it is said to do.
    pub description: String,
    /// Its version; empty where that is not known.
    pub version: String,
    /// Where the entry comes from.
    pub origin: String,
    /// Whether it is of the organisation itself, and not public knowledge.
    #[serde(default)]
    pub own: bool,
    /// How many tools it has; none where that is not known.
    pub tools: Option<i64>,
    /// Its grade; none where its tools are not known.
    pub grade: Option<String>,
    /// The risk of its riskiest tool.
    pub risk: Option<String>,
    /// Packages, remotes, repository, website.
    pub about: Value,
    /// Its tools, as they were listed.
    pub definitions: Vec<Box<RawValue>>,
    /// What in its list aims at servers of the organisation.
    #[serde(default)]
    pub aims_at: Vec<AimedAt>,
}

/// Something in a server's list that aims at a server of the organisation.
#[derive(Clone, Debug, Deserialize)]
pub struct AimedAt {
    /// The server's tool; none where its own name is meant.
    pub tool: Option<String>,
    /// The server of the organisation.
    pub at: String,
    /// The very words.
    pub what: String,
    /// What is wrong with them.
    pub why: String,
}

/// Why pages can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no pages of `{server}`: {why}; import it again")]
pub struct Unreadable {
    /// Of which server.
    pub server: String,
    /// Why.
    pub why: String,
}

/// Which servers have a tool of this name.
#[derive(Debug, Default)]
pub struct Providers {
    by_tool: HashMap<String, Vec<Provider>>,
}

/// A server that has a tool.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) name: String,
}

/// A server, with its tools read and judged.
#[derive(Debug)]
pub(super) struct Judged<'d> {
    pub(super) document: &'d ServerDocument,
    pub(super) tools: Vec<Tool>,
    pub(super) scanned: Vec<Scanned>,
    pub(super) classified: Vec<Classification>,
    pub(super) grade: Option<Grade>,
    /// The recommended policy; none where there are no tools, or too many for one.
    pub(super) policy: Option<String>,
}

impl ServerDocument {
    /// A server of which only one tool is looked at.
    pub(super) fn of_tool(id: String, name: String, definition: Box<RawValue>) -> Self {
        Self {
            id,
            name,
            title: String::new(),
            description: String::new(),
            version: String::new(),
            origin: String::new(),
            own: false,
            tools: Some(1),
            grade: None,
            risk: None,
            about: Value::Null,
            definitions: vec![definition],
            aims_at: Vec::new(),
        }
    }
}

impl Providers {
    /// Notes that a server has a tool.
    pub fn add(&mut self, tool: &str, id: &str, name: &str) {
        let known = self.by_tool.entry(tool.to_owned()).or_default();
        // One more than is shown: the server itself is among them.
        if known.len() <= NAMED {
            known.push(Provider { id: id.to_owned(), name: name.to_owned() });
        }
    }

    /// Other servers that have a tool of this name.
    pub(super) fn others(&self, tool: &str, id: &str) -> Vec<Provider> {
        let known = self.by_tool.get(tool).into_iter().flatten();
        known.filter(|provider| provider.id != id).take(NAMED).cloned().collect()
    }
}

impl<'d> Judged<'d> {
    pub(super) fn of(document: &'d ServerDocument) -> Result<Self, Unreadable> {
        let list: Vec<&str> = document.definitions.iter().map(|definition| definition.get()).collect();
        let mut tools = Vec::with_capacity(list.len());
        for definition in list {
            let read = Tool::from_list(format!("[{definition}]").as_bytes());
            tools.extend(read.map_err(|error| Unreadable { server: document.name.clone(), why: error.to_string() })?);
        }
        let classified: Vec<Classification> = tools.iter().map(classify).collect();
        let scanned = scan_classified(&tools, &classified);
        let known = document.tools.is_some();
        let grade = known.then(|| grade(&tools, &scanned));
        let policy = recommend_classified(&tools, &classified).ok().filter(|_| !tools.is_empty());
        Ok(Self { document, tools, scanned, classified, grade, policy })
    }
}
