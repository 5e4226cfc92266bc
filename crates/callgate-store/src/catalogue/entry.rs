//! What the catalogue keeps.

use super::search::Facet;

/// A server of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueServer {
    /// Its number: what it is ordered by.
    pub number: i64,
    /// Its organisation; empty for public knowledge.
    pub organisation: String,
    /// Its identity, made from its name: safe in a URL.
    pub id: String,
    /// Its name, unique in its organisation.
    pub name: String,
    /// The identity of the gateway's server that it is; empty where it is none.
    pub registered: String,
    /// Where the entry comes from: `registry`, `import`, `scan`, `gateway`.
    pub origin: String,
    /// From which file or address.
    pub source: String,
    /// What is said about it, a JSON object: title, description, version, packages, …
    pub about: String,
    /// The digest of `about`.
    pub digest: String,
    /// The digest of its tools; empty where they are not known.
    pub tools_digest: String,
    /// How many tools it has.
    pub tools: i64,
    /// Its grade, `A` to `F`; empty where its tools are not known.
    pub grade: String,
    /// How the grade came about, and how many tools there are of each kind: a JSON object.
    pub summary: String,
    /// When it was first seen, milliseconds since the Unix epoch.
    pub first_seen: i64,
    /// When it changed last.
    pub changed: i64,
}

/// A tool of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueTool {
    /// Its number: what it is ordered by.
    pub number: i64,
    /// The number of its server.
    pub server: i64,
    /// Its name.
    pub name: String,
    /// Its definition as it was listed: JSON.
    pub definition: String,
    /// The fingerprint of the definition.
    pub fingerprint: String,
    /// What it does, as a word.
    pub category: String,
    /// How bad a wrong call can be, as a word.
    pub risk: String,
    /// How sure that is, as a word.
    pub confidence: String,
    /// What attacks could use it for: words, in order.
    pub labels: Vec<String>,
    /// How many findings its definition has.
    pub findings: i64,
    /// When it was first seen, milliseconds since the Unix epoch.
    pub first_seen: i64,
    /// When its definition changed last.
    pub changed: i64,
}

/// A server as whoever changes the catalogue finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownServer {
    /// The server.
    pub server: CatalogueServer,
    /// Its tools.
    pub tools: Vec<KnownTool>,
}

/// A tool as whoever changes the catalogue finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTool {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// The fingerprint of its definition.
    pub fingerprint: String,
    /// Its category.
    pub category: String,
    /// Its risk.
    pub risk: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// When it was first seen.
    pub first_seen: i64,
    /// When its definition changed last.
    pub changed: i64,
}

/// A server that is written.
#[derive(Clone, Debug)]
pub struct ServerPut {
    /// The server; with the number 0 it is new.
    pub server: CatalogueServer,
    /// What it is found by besides its name.
    pub text: String,
    /// What it is filtered by.
    pub facets: Vec<Facet>,
    /// All of its tools, where they are written; `None` leaves them as they are.
    pub tools: Option<Vec<ToolPut>>,
}

/// A tool that is written.
#[derive(Clone, Debug)]
pub struct ToolPut {
    /// The tool; with the number 0 it is new.
    pub tool: CatalogueTool,
    /// What it is found by besides its name.
    pub text: String,
    /// What it is filtered by.
    pub facets: Vec<Facet>,
}

/// Something that was new, changed or removed, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedRow {
    /// When, milliseconds since the Unix epoch.
    pub at: i64,
    /// What happened: `new`, `changed`, `removed`.
    pub what: String,
    /// The identity of the server.
    pub server_id: String,
    /// The name of the server.
    pub server: String,
    /// The identity of the gateway's server that it is; empty where it is none.
    pub registered: String,
    /// The tool; empty where it is about the server itself.
    pub tool: String,
    /// What else there is to say: a JSON object.
    pub details: String,
}

/// Something that was new, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueChange {
    /// Its number: later ones have greater ones.
    pub number: i64,
    /// The organisation; empty for public knowledge.
    pub organisation: String,
    /// What it says.
    pub row: FeedRow,
}

/// How far a registry was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueSource {
    /// The registry's address.
    pub url: String,
    /// The cursor of the page that comes next; empty where the last reading came to its end.
    pub page: String,
    /// What is being read was updated since then, as the registry says it; empty for everything.
    pub since: String,
    /// The latest update that was seen, as the registry says it.
    pub newest: String,
    /// How many entries were read since the beginning of this reading.
    pub servers: i64,
    /// When, milliseconds since the Unix epoch.
    pub at: i64,
}
