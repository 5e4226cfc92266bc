//! The catalogue as answers show it.

use super::beside::AimedAt;
use super::judge::Summary;
use crate::error::{Error, Kind};
use crate::moment::rfc3339;
use callgate_catalog::{Tool, scan};
use callgate_store::{CatalogueChange, CatalogueServer, CatalogueSource, CatalogueTool};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// So much of a description stands in lists, in characters.
const SHORT: usize = 300;

/// A server of the catalogue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueServer)]
pub struct CatalogueServerRow {
    /// Its identity, safe in a URL.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its title; empty where it has none.
    pub title: String,
    /// What it is said to do.
    pub description: String,
    /// Its version; empty where that is not known.
    pub version: String,
    /// Where the entry comes from: `registry`, `import`, `scan`, `gateway`.
    pub origin: String,
    /// Whether it is of the organisation itself, and not public knowledge.
    pub own: bool,
    /// How many tools it has; null where that is not known.
    pub tools: Option<i64>,
    /// Its grade, A to F; null where its tools are not known.
    pub grade: Option<String>,
    /// The risk of its riskiest tool.
    pub risk: Option<String>,
    /// How many tools there are of each kind, and how the grade came about.
    pub summary: Summary,
    /// When it was first seen.
    pub first_seen: String,
    /// When it changed last.
    pub changed: String,
}

/// A server that something is about.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueServerRef)]
pub struct ServerRef {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its grade; null where its tools are not known.
    pub grade: Option<String>,
}

/// A tool of the catalogue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueTool)]
pub struct CatalogueToolRow {
    /// Its server.
    pub server: ServerRef,
    /// Its name.
    pub name: String,
    /// The beginning of its description.
    pub description: String,
    /// What it does.
    pub category: String,
    /// How bad a wrong call can be.
    pub risk: String,
    /// How sure that is.
    pub confidence: String,
    /// What attacks could use it for.
    pub labels: Vec<String>,
    /// How many findings its definition has.
    pub findings: i64,
    /// The fingerprint of its definition.
    pub fingerprint: String,
}

/// A server of the catalogue with all that is known about it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueServerDetails)]
pub struct ServerDetails {
    #[serde(flatten)]
    /// The server.
    pub server: CatalogueServerRow,
    /// Where the entry comes from, in full.
    pub source: String,
    /// What is said about it: packages, remotes, repository, …
    #[schema(value_type = Object)]
    pub about: Value,
    /// Its tools, as they were listed.
    #[schema(value_type = Vec<Object>)]
    pub definitions: Vec<Box<RawValue>>,
    /// Its tools, as the catalogue sees them.
    pub list: Vec<CatalogueToolRow>,
    /// What in its list aims at servers of the organisation: names that imitate theirs, texts about their tools.
    pub aims_at: Vec<AimedAt>,
}

/// A tool of the catalogue with the evidence for what it does.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueToolDetails)]
pub struct ToolDetails {
    #[serde(flatten)]
    /// The tool.
    pub tool: CatalogueToolRow,
    /// What `callgate scan --json` says about it: category, risk, evidence, findings, the rule that fits.
    #[schema(value_type = Object)]
    pub scan: Value,
    /// Its definition, as it was listed.
    #[schema(value_type = Object)]
    pub definition: Box<RawValue>,
    /// When it was first seen.
    pub first_seen: String,
    /// When its definition changed last.
    pub changed: String,
}

/// Something that was new, changed or removed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueChange)]
pub struct CatalogueChangeRow {
    /// When.
    pub at: String,
    /// What happened: `new`, `changed`, `removed`.
    pub what: String,
    /// The identity of the server.
    pub server_id: String,
    /// The name of the server.
    pub server: String,
    /// The tool; null where it is about the server itself.
    pub tool: Option<String>,
    /// Whether it is about the organisation's own part.
    pub own: bool,
    /// What else there is to say.
    #[schema(value_type = Object)]
    pub details: Value,
}

/// How far a registry was read.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueSource)]
pub struct CatalogueSourceRow {
    /// Its address.
    pub url: String,
    /// Whether it feeds public knowledge, and not the organisation's own part.
    pub public: bool,
    /// The cursor of the page that comes next; null where the last reading came to its end.
    pub page: Option<String>,
    /// What is being read, or was read last, was updated since then; null for everything.
    pub since: Option<String>,
    /// The latest update that was seen, as the registry says it.
    pub newest: Option<String>,
    /// How many entries that reading had so far.
    pub servers: i64,
    /// When the last page was read.
    pub at: String,
}

impl From<CatalogueServer> for CatalogueServerRow {
    fn from(server: CatalogueServer) -> Self {
        let about: Value = serde_json::from_str(&server.about).unwrap_or_default();
        let text = |key: &str| about.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let summary: Summary = serde_json::from_str(&server.summary).unwrap_or_default();
        let known = !server.tools_digest.is_empty();
        Self {
            title: text("title"),
            description: text("description"),
            version: text("version"),
            own: !server.organisation.is_empty(),
            tools: known.then_some(server.tools),
            grade: grade(&server),
            risk: summary.risk().map(str::to_owned),
            summary,
            first_seen: rfc3339(server.first_seen),
            changed: rfc3339(server.changed),
            id: server.id,
            name: server.name,
            origin: server.origin,
        }
    }
}

impl CatalogueToolRow {
    pub(super) fn of(server: &CatalogueServer, tool: &CatalogueTool) -> Self {
        /// The one member that is read.
        #[derive(serde::Deserialize)]
        struct Described {
            #[serde(default)]
            description: String,
        }
        let described = serde_json::from_str::<Described>(&tool.definition);
        let description = described.map(|read| read.description).unwrap_or_default();
        Self {
            server: ServerRef { id: server.id.clone(), name: server.name.clone(), grade: grade(server) },
            name: tool.name.clone(),
            description: short(&description),
            category: tool.category.clone(),
            risk: tool.risk.clone(),
            confidence: tool.confidence.clone(),
            labels: tool.labels.clone(),
            findings: tool.findings,
            fingerprint: tool.fingerprint.clone(),
        }
    }
}

impl ServerDetails {
    pub(super) fn of(server: CatalogueServer, tools: Vec<CatalogueTool>, aims_at: Vec<AimedAt>) -> Self {
        let about = serde_json::from_str(&server.about).unwrap_or_default();
        let list = tools.iter().map(|tool| CatalogueToolRow::of(&server, tool)).collect();
        let definitions = tools.into_iter().filter_map(|tool| RawValue::from_string(tool.definition).ok());
        let definitions = definitions.collect();
        Self { source: server.source.clone(), about, definitions, list, aims_at, server: server.into() }
    }
}

impl ToolDetails {
    pub(super) fn of(server: &CatalogueServer, tool: &CatalogueTool) -> Result<Self, Error> {
        let broken = |why: String| {
            let message = format!("the definition of `{}` can't be read: {why}", tool.name);
            Error::new(Kind::Unavailable, "CG3103", message, "import the server again")
        };
        let list = format!("[{}]", tool.definition);
        let read = Tool::from_list(list.as_bytes()).map_err(|error| broken(error.to_string()))?;
        let scanned = scan(&read).pop().ok_or_else(|| broken("it is empty".to_owned()))?;
        Ok(Self {
            tool: CatalogueToolRow::of(server, tool),
            scan: serde_json::to_value(&scanned).map_err(|error| broken(error.to_string()))?,
            definition: RawValue::from_string(tool.definition.clone()).map_err(|error| broken(error.to_string()))?,
            first_seen: rfc3339(tool.first_seen),
            changed: rfc3339(tool.changed),
        })
    }
}

impl From<CatalogueChange> for CatalogueChangeRow {
    fn from(change: CatalogueChange) -> Self {
        let row = change.row;
        Self {
            at: rfc3339(row.at),
            what: row.what,
            server_id: row.server_id,
            server: row.server,
            tool: Some(row.tool).filter(|tool| !tool.is_empty()),
            own: !change.organisation.is_empty(),
            details: serde_json::from_str(&row.details).unwrap_or_default(),
        }
    }
}

impl CatalogueSourceRow {
    pub(super) fn of(source: CatalogueSource, public: bool) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            url: source.url,
            public,
            page: some(source.page),
            since: some(source.since),
            newest: some(source.newest),
            servers: source.servers,
            at: rfc3339(source.at),
        }
    }
}

fn grade(server: &CatalogueServer) -> Option<String> {
    Some(server.grade.clone()).filter(|grade| !grade.is_empty())
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
