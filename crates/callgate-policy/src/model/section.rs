//! The sections for what is no tool: two lists of patterns each.

use crate::decision::{Place, RulePath};
use crate::glob::{Glob, GlobIndex};
use crate::reach::ReachKind;
use crate::reach::uri::{self, Readings};
use std::sync::Arc;

/// The sections of a document.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sections {
    pub(crate) resources: Option<Section>,
    pub(crate) prompts: Option<Section>,
    pub(crate) sampling: Option<Section>,
    pub(crate) elicitation: Option<Section>,
    pub(crate) roots: Option<Section>,
}

/// What may be reached of one kind.
#[derive(Debug)]
pub(crate) struct Section {
    /// The section's own name in logs, for example `/resources`.
    pub(crate) rule: RulePath,
    /// Where the section stands.
    pub(crate) place: Place,
    /// Free text for readers.
    pub(crate) description: Option<Arc<str>>,
    /// Where it is there, a subject has to match one of its patterns.
    pub(crate) allow: Option<List>,
    /// What is denied, also where it is allowed.
    pub(crate) deny: Option<List>,
}

/// A list of patterns.
#[derive(Debug)]
pub(crate) struct List {
    /// The list's own name in logs, for example `/resources/allow`.
    pub(crate) rule: RulePath,
    /// Where the list stands.
    pub(crate) place: Place,
    /// In document order.
    pub(crate) patterns: Vec<Pattern>,
    written: GlobIndex,
    /// The patterns in the normal form of URIs; equal to `written` and empty where the subjects are names.
    normal: Option<GlobIndex>,
}

/// One pattern of a list.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// As written.
    pub(crate) text: Arc<str>,
    /// The pattern's name in logs, for example `/resources/deny/file:~1~1~1etc~1*`.
    pub(crate) rule: RulePath,
    /// Where it stands.
    pub(crate) place: Place,
    /// What stands before the path and what comes then, where a star stands before the path.
    apart: Option<(Glob, Glob)>,
}

impl Sections {
    /// The section that speaks about a kind, where the document has it.
    pub(crate) fn get(&self, kind: ReachKind) -> Option<&Section> {
        match kind {
            ReachKind::Resource | ReachKind::Template => self.resources.as_ref(),
            ReachKind::Prompt => self.prompts.as_ref(),
            ReachKind::Sampling => self.sampling.as_ref(),
            ReachKind::Elicitation => self.elicitation.as_ref(),
            ReachKind::Root => self.roots.as_ref(),
        }
    }

    /// The sections that are there, with a kind of each, in the order in which they are printed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReachKind, &Section)> {
        ReachKind::SECTIONS.into_iter().filter_map(|kind| Some((kind, self.get(kind)?)))
    }
}

impl Section {
    /// Whether there could be a subject that it allows.
    pub(crate) fn allows_some(&self) -> bool {
        let allows = self.allow.as_ref().is_none_or(|list| !list.patterns.is_empty());
        let denies_all =
            self.deny.as_ref().is_some_and(|list| list.patterns.iter().any(|pattern| &*pattern.text == "*"));
        allows && !denies_all
    }

    /// Every rule with its place: the patterns that deny, and the list that allows.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&RulePath, &Place)> {
        let denied = self.deny.iter().flat_map(|list| &list.patterns).map(|pattern| (&pattern.rule, &pattern.place));
        self.allow.iter().map(|list| (&list.rule, &list.place)).chain(denied)
    }
}

impl List {
    /// An empty list; `of_uris` where its subjects are URIs.
    pub(crate) fn new(rule: RulePath, place: Place, of_uris: bool) -> Self {
        let normal = of_uris.then(GlobIndex::default);
        Self { rule, place, patterns: Vec::new(), written: GlobIndex::default(), normal }
    }

    /// Adds a pattern.
    pub(crate) fn push(&mut self, text: &str, rule: RulePath, place: Place) {
        let number = self.patterns.len();
        self.written.push(Glob::new(text), number);
        let apart = self.normal.as_mut().and_then(|index| {
            let normal = uri::normal_pattern(text);
            index.push(Glob::new(&normal), number);
            apart(&normal)
        });
        self.patterns.push(Pattern { text: text.into(), rule, place, apart });
    }

    /// The first pattern that one reading of the subject matches.
    pub(crate) fn any(&self, subject: &str, readings: &Readings) -> Option<&Pattern> {
        let written = self.written.matching(subject);
        let others = [&readings.normal, &readings.bare].into_iter().flatten();
        let others = others.flat_map(|reading| self.normal.iter().flat_map(|index| index.matching(reading)));
        let first = written.first().copied().into_iter().chain(others).min()?;
        self.patterns.get(first)
    }

    /// The first pattern that matches all that a pattern of this text matches: one whose stars take in its stars.
    pub(crate) fn matching_text(&self, pattern: &str) -> Option<&Pattern> {
        self.written.matching(pattern).first().and_then(|number| self.patterns.get(*number))
    }

    /// Whether a pattern matches the subject as written and, where it has one, in normal form. A star before the path
    /// takes no part of the path here: `https://*.example.com/*` is not `https://evil.example/.example.com/`.
    pub(crate) fn covers(&self, subject: &str, readings: &Readings) -> bool {
        let normal = self.normal.as_ref().zip(readings.normal.as_deref());
        let in_normal_form = normal.map(|(index, reading)| index.matching(reading));
        let is_apart = |pattern: &Pattern| {
            let Some((head, rest)) = &pattern.apart else { return true };
            let (before, path) = cut(readings.normal.as_deref().unwrap_or(subject));
            head.matches(before) && rest.matches(path)
        };
        self.written.matching(subject).into_iter().any(|number| {
            in_normal_form.as_ref().is_none_or(|numbers| numbers.contains(&number))
                && self.patterns.get(number).is_some_and(is_apart)
        })
    }
}

/// The two parts of a pattern with a star in its host.
fn apart(pattern: &str) -> Option<(Glob, Glob)> {
    let (head, rest) = cut(pattern);
    (head.contains('*') && !rest.is_empty()).then(|| (Glob::new(head), Glob::new(rest)))
}

/// A URI up to its path, and from there on. All of a URI without `://` is its path.
fn cut(uri: &str) -> (&str, &str) {
    let Some((scheme, after)) = uri.split_once("://") else {
        return ("", uri);
    };
    let host = after.find(['/', '?', '#']).unwrap_or(after.len());
    uri.split_at(scheme.len() + "://".len() + host)
}

impl PartialEq for Section {
    /// Equal rules, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.description == other.description && self.allow == other.allow && self.deny == other.deny
    }
}

impl PartialEq for List {
    /// Equal patterns, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.patterns.iter().map(|pattern| &pattern.text).eq(other.patterns.iter().map(|pattern| &pattern.text))
    }
}
