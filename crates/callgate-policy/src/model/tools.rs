//! The tools of a document by name: those that are hidden, and those with entries.

use super::Entry;
use crate::decision::Place;
use crate::glob::{Glob, GlobIndex};
use std::collections::HashMap;
use std::sync::Arc;

/// The names and patterns under `hide`, and those of entries with `"action": "hide"`.
#[derive(Debug, Default)]
pub(crate) struct Hide {
    /// As written, in document order.
    pub(crate) patterns: Vec<(Arc<str>, Place)>,
    exact: HashMap<Arc<str>, usize>,
    globs: GlobIndex,
}

impl Hide {
    /// Adds a name or pattern; the first of equal ones stays.
    pub(crate) fn push(&mut self, pattern: Arc<str>, place: Place) {
        let index = self.patterns.len();
        if Glob::is_pattern(&pattern) {
            self.globs.push(Glob::new(&pattern), index);
        } else {
            self.exact.entry(Arc::clone(&pattern)).or_insert(index);
        }
        self.patterns.push((pattern, place));
    }

    /// Where the name is hidden: by itself, or by the first pattern that matches.
    pub(crate) fn find(&self, tool: &str) -> Option<&Place> {
        let by_glob = || self.globs.matching(tool).first().copied();
        let index = self.exact.get(tool).copied().or_else(by_glob)?;
        self.patterns.get(index).map(|(_, place)| place)
    }
}

/// The entries under `tools`.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// In document order, exact names and patterns alike.
    pub(crate) entries: Vec<Entry>,
    exact: HashMap<Arc<str>, usize>,
    globs: GlobIndex,
}

impl Tools {
    /// Adds an entry under its own pattern.
    pub(crate) fn push(&mut self, entry: Entry) {
        let index = self.entries.len();
        if Glob::is_pattern(&entry.pattern) {
            self.globs.push(Glob::new(&entry.pattern), index);
        } else {
            self.exact.insert(Arc::clone(&entry.pattern), index);
        }
        self.entries.push(entry);
    }

    /// The entry under exactly this name. A key with a star is never exact.
    pub(crate) fn exact(&self, tool: &str) -> Option<&Entry> {
        self.exact.get(tool).and_then(|index| self.entries.get(*index))
    }

    /// The pattern entries that match, in document order.
    pub(crate) fn matching_globs<'a>(&'a self, tool: &str) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.globs.matching(tool).into_iter().filter_map(|index| self.entries.get(index))
    }
}
