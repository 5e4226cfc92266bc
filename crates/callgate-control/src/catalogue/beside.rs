//! What only shows beside the organisation's own servers: who passes itself off as one of them, and who speaks of their
//! tools.

use super::search::sees;
use crate::caller::Cleared;
use crate::control::Control;
use crate::error::Error;
use callgate_catalog::{Aimed, FindingKind, FindingSeverity, Listed, Tool, findings_across};
use callgate_store::{CatalogueSearch, CatalogueServer, CatalogueTool};
use serde::Serialize;
use utoipa::ToSchema;

/// So many of the organisation's own servers are looked at.
const SERVERS: u32 = 50;
/// So many of their tools are.
const TOOLS: usize = 2_000;
/// So much is told.
const TOLD: usize = 50;

/// Something in a server's list that aims at a server of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CatalogueAimed)]
pub struct AimedAt {
    /// The server's tool; null where its own name is meant.
    pub tool: Option<String>,
    /// The server of the organisation.
    pub at: String,
    /// That server's tool; null where its own name is meant.
    pub at_tool: Option<String>,
    /// What it is: `look_alike`, `cross_tool_reference`.
    #[schema(value_type = String)]
    pub kind: FindingKind,
    /// How bad it is: `low`, `medium`, `high`.
    #[schema(value_type = String)]
    pub severity: FindingSeverity,
    /// The very words.
    pub what: String,
    /// What is wrong with them.
    pub why: String,
}

/// A server, and its tools as they were listed.
type Own = (String, Vec<String>);

impl Control {
    /// What in the list of this server aims at others of the organisation, among those that the caller sees. Of two that
    /// are alike the one that was there first is imitated.
    pub(super) async fn aimed_at_own(
        &self,
        cleared: &Cleared<'_>,
        server: &CatalogueServer,
        tools: &[CatalogueTool],
    ) -> Result<Vec<AimedAt>, Error> {
        let reads = self.reads(cleared);
        let search =
            CatalogueSearch { words: String::new(), filters: Vec::new(), own: true, after: None, limit: SERVERS };
        let mut others: Vec<Own> = Vec::new();
        let mut room = TOOLS;
        for other in reads.catalogue_servers(&search).await?.rows {
            let is_older = server.organisation.is_empty() || other.first_seen < server.first_seen;
            if other.name == server.name || !is_older || !sees(cleared, &other) {
                continue;
            }
            if room == 0 {
                break;
            }
            let listed = reads.catalogue_tools_of(&other).await?.into_iter().map(|tool| tool.definition);
            let listed: Vec<String> = listed.take(room).collect();
            room -= listed.len();
            others.push((other.name, listed));
        }
        if others.is_empty() {
            return Ok(Vec::new());
        }
        others.push((server.name.clone(), tools.iter().take(TOOLS).map(|tool| tool.definition.clone()).collect()));
        // Some thousand names take some ten milliseconds.
        let found = tokio::task::spawn_blocking(move || aimed(&others));
        Ok(found.await.unwrap_or_default())
    }
}

/// What the last of these servers aims at the others.
fn aimed(servers: &[Own]) -> Vec<AimedAt> {
    let read = |definition: &String| Tool::from_list(format!("[{definition}]").as_bytes()).unwrap_or_default();
    let tools: Vec<(&str, Vec<Tool>)> =
        servers.iter().map(|(name, list)| (name.as_str(), list.iter().flat_map(read).collect())).collect();
    let listed: Vec<Listed<'_>> = tools.iter().map(|(server, tools)| Listed { server, tools }).collect();
    let last = listed.last().map(|last| last.server);
    let found = findings_across(&listed).into_iter().filter(|aimed| Some(aimed.server) == last);
    found.take(TOLD).map(AimedAt::from).collect()
}

impl From<Aimed<'_>> for AimedAt {
    fn from(aimed: Aimed<'_>) -> Self {
        Self {
            tool: aimed.tool.map(str::to_owned),
            at: aimed.at.to_owned(),
            at_tool: aimed.at_tool.map(str::to_owned),
            kind: aimed.finding.kind,
            severity: aimed.finding.severity,
            what: aimed.finding.what,
            why: aimed.finding.why,
        }
    }
}
