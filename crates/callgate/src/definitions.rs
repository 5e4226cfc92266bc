//! What tools are pinned as, between the control plane and the data plane: classified on one way, told on the other.

use crate::snapshots::InForce;
use callgate_control::definitions::in_force;
use callgate_control::{Control, PublishedDefinition, PublishedDefinitions};
use callgate_decision::{Later, ListOf, Listed, Pins};
use callgate_policy::Definition;
use callgate_proxy::{Definitions, Pinned};
use std::collections::HashMap;
use std::sync::Arc;

/// What the data plane is given of what is published. Tools that stay as they are stay the same allocation, and with it
/// their compiled schemas.
#[derive(Default)]
pub(crate) struct Known {
    servers: HashMap<Arc<str>, Made>,
}

struct Made {
    published: Arc<PublishedDefinitions>,
    tools: HashMap<Arc<str>, (Arc<PublishedDefinition>, Pinned)>,
    definitions: Arc<Definitions>,
}

/// Pins in the control plane of this process.
pub(crate) struct ControlPins {
    /// The services.
    pub control: Control,
    /// Tells when what they publish is in force.
    pub in_force: InForce,
}

impl Known {
    /// What is known of each server, by its identity.
    pub(crate) fn make(
        &mut self,
        published: &HashMap<Arc<str>, Arc<PublishedDefinitions>>,
    ) -> HashMap<Arc<str>, Arc<Definitions>> {
        self.servers.retain(|server, _| published.contains_key(server));
        let mut all = HashMap::with_capacity(published.len());
        for (server, published) in published {
            let before = self.servers.remove(server);
            let made = match before {
                Some(made) if Arc::ptr_eq(&made.published, published) => made,
                before => Made::new(published, before.map(|made| made.tools).unwrap_or_default()),
            };
            all.insert(Arc::clone(server), Arc::clone(&made.definitions));
            self.servers.insert(Arc::clone(server), made);
        }
        all
    }
}

impl Made {
    fn new(
        published: &Arc<PublishedDefinitions>,
        mut before: HashMap<Arc<str>, (Arc<PublishedDefinition>, Pinned)>,
    ) -> Self {
        let mut tools = HashMap::with_capacity(published.by_tool.len());
        for (tool, published) in &published.by_tool {
            let made = match before.remove(tool) {
                Some((before, pinned)) if Arc::ptr_eq(&before, published) => pinned,
                // A person's look at it changes nothing of its schema.
                Some((before, pinned)) if before.definition == published.definition => Pinned {
                    definition: Arc::new(Definition {
                        compiled: pinned.definition.compiled.clone(),
                        ..in_force(published)
                    }),
                    candidate: candidate(published),
                },
                _ => Pinned { definition: Arc::new(in_force(published)), candidate: candidate(published) },
            };
            tools.insert(Arc::clone(tool), (Arc::clone(published), made));
        }
        let definitions = tools.values().map(|(_, pinned)| pinned.clone()).collect();
        Self { published: Arc::clone(published), tools, definitions: Arc::new(definitions) }
    }
}

impl Pins for ControlPins {
    fn saw<'a>(&'a self, of: ListOf<'a>, tools: Vec<Listed>) -> Later<'a, Result<(), String>> {
        let read = |Listed { name, definition, fingerprint }| callgate_control::definitions::Listed {
            tool: name,
            definition,
            fingerprint,
        };
        let tools = tools.into_iter().map(read).collect();
        Box::pin(async move {
            let saw = self.control.saw_tools(of.organisation.as_str(), of.server, tools).await;
            saw.map_err(|error| {
                tracing::error!(server = of.name.as_str(), "{error}; {}", error.remedy);
                error.to_string()
            })?;
            self.in_force.clone().wait().await;
            Ok(())
        })
    }
}

fn candidate(published: &PublishedDefinition) -> Option<Box<str>> {
    published.candidate.as_deref().map(Box::from)
}
