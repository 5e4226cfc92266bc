//! The arguments that an upstream's tools want repeated in `Mcp-Param-*` headers, as its lists say.

use callgate_mcp::{HeaderParams, InvalidAnnotation, ListEntry};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Tools whose annotations are remembered; a list of more makes the gateway forget the ones before.
const MAX_TOOLS: usize = 20_000;
/// Before a list that did not name a tool is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// What is known of the tools of one upstream.
#[derive(Debug, Default)]
pub(crate) struct HeaderTable {
    by_tool: RwLock<HashMap<Box<str>, Option<Arc<HeaderParams>>>>,
    /// When the whole list was seen last.
    seen: Mutex<Option<Instant>>,
    /// Held while somebody asks for the list, so that nobody else asks the same.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

/// What is known of one tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// Its list is not known: it has to be asked for.
    Nothing,
    /// It repeats no argument, has annotations that can't be used, or is in no list.
    Plain,
    /// It repeats these.
    Params(Arc<HeaderParams>),
}

impl HeaderTable {
    /// Learns from an entry of `tools/list`. Fails where its annotations break the rules.
    pub(crate) fn learn(&self, tool: &ListEntry<'_>) -> Result<(), InvalidAnnotation> {
        let read = match tool.definition().get("inputSchema") {
            Some(schema) => HeaderParams::from_schema(schema),
            None => Ok(HeaderParams::default()),
        };
        let params = read.as_ref().ok().filter(|params| !params.is_empty());
        let mut by_tool = self.by_tool.write().unwrap_or_else(PoisonError::into_inner);
        if by_tool.len() >= MAX_TOOLS && !by_tool.contains_key(tool.name()) {
            by_tool.clear();
        }
        by_tool.insert(tool.name().into(), params.cloned().map(Arc::new));
        read.map(drop)
    }

    /// What is known of this tool.
    pub(crate) fn of(&self, tool: &str) -> Known {
        let by_tool = self.by_tool.read().unwrap_or_else(PoisonError::into_inner);
        match by_tool.get(tool) {
            Some(Some(params)) => Known::Params(Arc::clone(params)),
            Some(None) => Known::Plain,
            None => {
                drop(by_tool);
                let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                // A tool that is in no list has no annotations that anybody could follow.
                if seen.is_some_and(|seen| seen.elapsed() < ASK_AGAIN) { Known::Plain } else { Known::Nothing }
            }
        }
    }

    /// Notes that the whole list has been seen.
    pub(crate) fn seen_all(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Forgets everything: the list has changed.
    pub(crate) fn forget(&self) {
        self.by_tool.write().unwrap_or_else(PoisonError::into_inner).clear();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
