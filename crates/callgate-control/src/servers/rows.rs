//! A server as answers and records of changes show it.

use super::credentials::public;
use crate::settings::{CompleteSettings, Settings};
use crate::target::PublicTarget;
use callgate_store::{Origin, Server, Stored};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A server, without its credentials.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Server)]
pub struct ServerRow {
    /// Its name.
    #[schema(example = "kernel")]
    pub name: String,
    /// Its identity.
    pub uuid: String,
    /// Where clients find it.
    #[schema(example = "https://gate.example.com/mcp/kernel")]
    pub url: String,
    /// Where it is; null where its record can't be read.
    pub target: Option<PublicTarget>,
    /// How it is treated.
    pub settings: CompleteSettings,
    /// The names of its policies.
    pub policies: Vec<String>,
    /// How many grants open it.
    pub grants: usize,
    /// Whether the configuration file declares it.
    pub declared: bool,
    /// Its revision.
    pub revision: i64,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Removed {
    /// Its name.
    pub removed: String,
}

impl ServerRow {
    pub(super) fn of(stored: &Stored<Server>, url: String, policies: Vec<String>, grants: usize) -> Self {
        let server = &stored.record;
        Self {
            name: server.name.clone(),
            uuid: server.id.clone(),
            url,
            target: public(server).ok(),
            settings: settings(server).complete(),
            policies,
            grants,
            declared: server.origin == Origin::File,
            revision: stored.changed,
        }
    }
}

/// The settings that were chosen.
pub(super) fn settings(server: &Server) -> Settings {
    serde_json::from_str(&server.settings).unwrap_or_default()
}

/// As records of changes show it.
pub(super) fn recorded(server: &Server) -> Value {
    json!({ "uuid": server.id, "target": public(server).ok(), "settings": settings(server) })
}
