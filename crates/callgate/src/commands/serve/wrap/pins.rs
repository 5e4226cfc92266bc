//! The pins of a wrap: a file in the data directory, because there is nobody to ask.

use super::published::Published;
use crate::data::{self, DataDir};
use crate::failure::Failure;
use crate::output;
use callgate_control::definitions::pinned;
use callgate_decision::{Later, ListOf, Listed, Pins};
use callgate_policy::Definition;
use callgate_proxy::{Definitions, Pinned};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The most tools that are pinned.
const MAX_TOOLS: usize = 10_000;
/// All definitions together, in bytes.
const MAX_TOTAL: usize = 32 << 20;

/// Pins in a file: what is new is pinned at first sight, what has changed is set aside, unless it was said to accept it.
pub(super) struct FilePins(Arc<Inner>);

struct Inner {
    path: PathBuf,
    accept: bool,
    published: Arc<Published>,
    known: Mutex<Known>,
}

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// By the tools' names.
    tools: BTreeMap<String, Tool>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    /// What is pinned.
    pinned: Text,
    /// What the server lists now, where that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate: Option<Text>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    fingerprint: String,
    definition: String,
}

/// What was made of the file, tool by tool.
#[derive(Default)]
struct Known(BTreeMap<String, (Tool, Arc<Definition>)>);

impl FilePins {
    /// Reads what is pinned under this name, and publishes it. CG3204 where it can't be read: what is not known must not
    /// be taken for new.
    pub(super) fn open(data: &DataDir, name: &str, accept: bool, published: Arc<Published>) -> Result<Self, Failure> {
        let directory = data.root().join("pins");
        let path = directory.join(format!("{name}.json"));
        let unusable = |why: String| {
            let message = format!("the pinned definitions in `{}` can't be used: {why}", path.display());
            Failure::cannot_run("CG3204", message, "restore the file; or remove it, and look at what the server lists")
        };
        std::fs::create_dir_all(&directory).map_err(|error| unusable(error.to_string()))?;
        let mut kept = read(&path).map_err(unusable)?;
        if accept && kept.tools.values().any(|tool| tool.candidate.is_some()) {
            kept.tools.values_mut().for_each(Tool::accept);
            kept.write(&path).map_err(unusable)?;
        }
        let inner = Inner { path, accept, published, known: Mutex::default() };
        inner.follow(kept);
        Ok(Self(Arc::new(inner)))
    }
}

impl Inner {
    fn take(&self, tools: Vec<Listed>) -> Result<(), String> {
        let lock = File::create(self.path.with_extension("lock")).map_err(|error| error.to_string())?;
        // Another wrap of the same name may be writing.
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| error.to_string())?;
        let mut kept = read(&self.path)?;
        let mut notes = Vec::new();
        for listed in tools {
            notes.extend(kept.take(listed, self.accept));
        }
        let size: usize = kept.tools.values().map(Tool::bytes).sum();
        if kept.tools.len() > MAX_TOOLS || size > MAX_TOTAL {
            return Err(format!(
                "it has listed {} tools of {size} bytes by now, and at most {MAX_TOOLS} of {MAX_TOTAL} are pinned",
                kept.tools.len()
            ));
        }
        kept.write(&self.path)?;
        self.follow(kept);
        notes.iter().for_each(|note| output::note(note));
        Ok(())
    }

    /// Publishes what is kept. Tools that stay as they are stay the same, with their compiled schemas.
    fn follow(&self, kept: Kept) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut known.0);
        for (name, tool) in kept.tools {
            let definition = match before.remove(&name) {
                Some((before, definition)) if before == tool => definition,
                _ => Arc::new(Definition {
                    quarantined: tool.candidate.is_some(),
                    ..pinned(&name, &tool.pinned.definition, &tool.pinned.fingerprint)
                }),
            };
            known.0.insert(name, (tool, definition));
        }
        let pinned = |(tool, definition): &(Tool, Arc<Definition>)| Pinned {
            definition: Arc::clone(definition),
            candidate: tool.candidate.as_ref().map(|candidate| candidate.fingerprint.as_str().into()),
        };
        self.published.follow_definitions(known.0.values().map(pinned).collect::<Definitions>());
    }
}

impl Pins for FilePins {
    fn saw<'a>(&'a self, _: ListOf<'a>, tools: Vec<Listed>) -> Later<'a, Result<(), String>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let taken = tokio::task::spawn_blocking(move || inner.take(tools)).await;
            taken.map_err(|_| "the file was left half-way".to_owned())?
        })
    }
}

impl Kept {
    fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        data::replace(path, &text).map_err(|failure| failure.message)
    }

    /// Takes in what was listed; what to tell the operator, where something changed.
    fn take(&mut self, Listed { name, definition, fingerprint }: Listed, accept: bool) -> Option<String> {
        let now = Text { fingerprint, definition };
        let Some(known) = self.tools.get_mut(&name) else {
            self.tools.insert(name, Tool { pinned: now, candidate: None });
            return None;
        };
        let shown = output::plain(&name);
        if known.pinned.fingerprint == now.fingerprint {
            let was_set_aside = known.candidate.take().is_some();
            return was_set_aside.then(|| format!("`{shown}` is what it is pinned as again"));
        }
        known.candidate = Some(now);
        if accept {
            known.accept();
            return Some(format!("the new definition of `{shown}` is accepted"));
        }
        Some(format!(
            "warning: the definition of `{shown}` has changed, so it is hidden and not called; `callgate wrap \
             --accept-definitions` accepts it [CG2101]"
        ))
    }
}

impl Tool {
    fn accept(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            self.pinned = candidate;
        }
    }

    fn bytes(&self) -> usize {
        self.pinned.definition.len() + self.candidate.as_ref().map_or(0, |candidate| candidate.definition.len())
    }
}

fn read(path: &Path) -> Result<Kept, String> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => Err(error.to_string()),
    }
}
