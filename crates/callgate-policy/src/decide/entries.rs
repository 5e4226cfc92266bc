//! The entries that apply to one call, in the order in which their rules run.

use crate::call::Definition;
use crate::decision::Source;
use crate::model::{Entry, Policy};

/// So many are kept without an allocation: a baseline and a policy with `all_tools`, a category and an exact entry each.
const INLINE: usize = 6;

/// The entries that apply to one call: baseline first; in each document `all_tools`, `categories`, patterns in document
/// order, the exact entry.
#[derive(Default)]
pub(super) struct Entries<'a> {
    first: [Option<(Source, &'a Entry)>; INLINE],
    count: usize,
    rest: Vec<(Source, &'a Entry)>,
}

impl<'a> Entries<'a> {
    /// Adds what applies in one document, and says whether something there lists the tool.
    pub(super) fn extend(
        &mut self,
        source: Source,
        policy: &'a Policy,
        tool: &str,
        definition: Option<&Definition>,
    ) -> bool {
        let mut is_listed = false;
        if let Some(entry) = &policy.all_tools {
            self.push(source, entry);
        }
        let category = definition.and_then(|definition| definition.category);
        for (known, entry) in &policy.categories {
            // Nobody knows what an unpinned tool does: it is listed by no category and subject to the rules of all.
            if category.is_none_or(|category| category == *known) {
                is_listed |= category.is_some();
                self.push(source, entry);
            }
        }
        for entry in policy.tools.matching_globs(tool) {
            is_listed = true;
            self.push(source, entry);
        }
        if let Some(entry) = policy.tools.exact(tool) {
            is_listed = true;
            self.push(source, entry);
        }
        is_listed
    }

    /// The entries that apply in one document.
    pub(super) fn of(
        source: Source,
        policy: &'a Policy,
        tool: &str,
        definition: Option<&Definition>,
    ) -> impl Iterator<Item = (Source, &'a Entry)> + use<'a> {
        let mut entries = Self::default();
        entries.extend(source, policy, tool, definition);
        entries.first.into_iter().flatten().chain(entries.rest)
    }

    /// The entries in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Source, &'a Entry)> {
        self.first.iter().flatten().chain(&self.rest).copied()
    }

    fn push(&mut self, source: Source, entry: &'a Entry) {
        match self.first.get_mut(self.count) {
            Some(slot) => *slot = Some((source, entry)),
            None => self.rest.push((source, entry)),
        }
        self.count += 1;
    }
}
