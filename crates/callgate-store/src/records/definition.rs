//! What a tool of a server is pinned as.

/// What a tool of a server is pinned as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its identity: that of its server, a slash and the tool's name.
    pub id: String,
    /// The identity of its server.
    pub server: String,
    /// The tool's name, the exact code points that the server uses.
    pub tool: String,
    /// The definition, the JSON text as the server listed it.
    pub definition: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Whether it is in force.
    pub state: DefinitionState,
    /// What the server lists now, where that is something else.
    pub candidate: Option<Candidate>,
    /// When the tool was listed for the first time, milliseconds since the Unix epoch.
    pub first_seen: i64,
    /// Who approved it last, as the change record says it; nobody where the first sight pinned it.
    pub approved_by: Option<String>,
    /// The category that a person set.
    pub category: Option<String>,
    /// The labels that a person set.
    pub labels: Option<Vec<String>>,
}

/// A definition that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The JSON text as the server lists it.
    pub definition: String,
    /// Its fingerprint.
    pub fingerprint: String,
}

/// Whether a definition is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefinitionState {
    /// It is what the tool is pinned as.
    Pinned,
    /// A person has to approve it first.
    Pending,
}

impl Definition {
    /// The identity of the definition of this server's tool.
    pub fn id_of(server: &str, tool: &str) -> String {
        format!("{server}/{tool}")
    }
}
