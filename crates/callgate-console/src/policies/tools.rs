//! The tools of a server as the builder needs them: what is pinned, else what the server itself says.

use crate::api::{Problem, path};
use crate::builder::ToolFacts;
use crate::visit::Visit;
use callgate_policy::{Category, Label};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many tools are read at most.
const MOST: usize = 10_000;

/// How long what was read is good: a draft is read again with every few keys, and its tools need not be.
const FRESH: Duration = Duration::from_secs(15);

/// Of so many servers it is kept.
const KEPT: usize = 32;

/// By organisation and identity of the server: when it was read, and what.
type Read = HashMap<(String, String), (Instant, Arc<Tools>)>;

/// What servers told of their tools a moment ago. Whoever reads it was let see the server just before.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Read>>);

/// The tools of a server.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// The tools, in order of their names.
    pub(crate) facts: Vec<ToolFacts>,
    /// Where they are from.
    pub(crate) origin: Origin,
    /// The names of those whose definition has to be looked at before they are called.
    pub(crate) set_aside: HashSet<String>,
}

/// Where a list of tools is from.
#[derive(Debug, Default)]
pub(crate) enum Origin {
    /// There is no server to have tools.
    #[default]
    Nobody,
    /// Pinned definitions.
    Pinned,
    /// The server was asked: nothing is pinned yet.
    Asked,
    /// It could not be read, and why.
    Unknown(String),
}

#[derive(Deserialize)]
struct Server {
    uuid: String,
}

/// A definition as the API lists it.
#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    tool: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    definition: Option<String>,
}

#[derive(Deserialize)]
struct Asked {
    tools: Vec<Box<RawValue>>,
}

impl Told {
    /// The tools of a server. Only that the server can't be seen is an error; what can't be read of its tools is said in
    /// their place.
    pub(crate) async fn of(&self, visit: &Visit, server: &str) -> Result<Arc<Tools>, Problem> {
        let Server { uuid } = visit.api.get(&path(&["servers", server], &[])).await?;
        let key = (visit.me.organisation.clone(), uuid);
        if let Some(tools) = self.fresh(&key) {
            return Ok(tools);
        }
        let tools = Arc::new(read(visit, server).await);
        self.keep(key, &tools);
        Ok(tools)
    }

    fn fresh(&self, key: &(String, String)) -> Option<Arc<Tools>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, tools) = known.get(key)?;
        (at.elapsed() < FRESH).then(|| Arc::clone(tools))
    }

    fn keep(&self, key: (String, String), tools: &Arc<Tools>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        if known.len() < KEPT {
            known.insert(key, (Instant::now(), Arc::clone(tools)));
        }
    }
}

async fn read(visit: &Visit, server: &str) -> Tools {
    let listed: Result<Vec<Listed>, Problem> =
        visit.api.all(&path(&["servers", server, "definitions"], &[("definitions", "true")]), MOST).await;
    match listed {
        Err(problem) => Tools { origin: Origin::Unknown(crate::seen(problem.detail)), ..Tools::default() },
        Ok(listed) if listed.is_empty() => ask(visit, server).await,
        Ok(listed) => {
            let mut facts: Vec<ToolFacts> = listed.iter().filter_map(pinned).collect();
            facts.sort_by(|one, other| one.name.cmp(&other.name));
            let is_set_aside = |one: &&Listed| !matches!(one.state.as_str(), "" | "pinned");
            let set_aside = listed.iter().filter(is_set_aside).map(|one| one.tool.clone()).collect();
            Tools { facts, origin: Origin::Pinned, set_aside }
        }
    }
}

/// Nothing is pinned yet: what the server itself says.
async fn ask(visit: &Visit, server: &str) -> Tools {
    match visit.api.get::<Asked>(&path(&["servers", server, "tools"], &[])).await {
        Err(problem) => Tools { origin: Origin::Unknown(crate::seen(problem.detail)), ..Tools::default() },
        Ok(asked) => {
            let read = asked.tools.iter().take(MOST).filter_map(|tool| ToolFacts::read(tool.get()).ok());
            let mut facts: Vec<ToolFacts> = read.collect();
            facts.sort_by(|one, other| one.name.cmp(&other.name));
            Tools { facts, origin: Origin::Asked, ..Tools::default() }
        }
    }
}

/// A pinned tool; what a person set goes before what the catalogue finds.
fn pinned(listed: &Listed) -> Option<ToolFacts> {
    let mut facts = ToolFacts::read(listed.definition.as_deref()?).ok()?;
    if let Some(category) = listed.category.as_deref().and_then(Category::parse) {
        facts.category = category;
    }
    facts.labels = listed.labels.iter().filter_map(|label| Label::parse(label)).collect();
    Some(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_set_goes_before_what_the_catalogue_finds() {
        let listed: Listed = serde_json::from_value(serde_json::json!({
            "tool": "delete_all", "category": "read", "labels": ["egress"],
            "definition": r#"{"name":"delete_all","description":"Deletes everything.","inputSchema":{"type":"object"}}"#,
        }))
        .unwrap();
        let facts = pinned(&listed).unwrap();
        assert_eq!((facts.category, facts.labels.len()), (Category::Read, 1));
        assert_eq!(facts.definition().category, Some(Category::Read));
        let unknown: Listed = serde_json::from_str("{}").unwrap();
        assert!(pinned(&unknown).is_none());
    }
}
