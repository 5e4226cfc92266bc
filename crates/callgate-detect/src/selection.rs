//! Some of the detectors together, and what they find.

use crate::detector::{Detector, Group, catalogue};
use crate::own::{self, OwnError};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use regex::Regex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Members of an object whose value is longer are not looked at together with their key, in bytes.
const MAX_TOGETHER: usize = 8 << 10;
/// Nothing that is looked for is shorter, in bytes.
const SHORTEST: usize = 6;

/// Some of the detectors, ready to look for things. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Detectors {
    selected: Arc<Selected>,
    own: Vec<Own>,
}

#[derive(Debug)]
struct Selected {
    detectors: Vec<&'static Detector>,
    /// The keywords of all of them; none where no detector has one.
    keywords: Option<AhoCorasick>,
    /// By keyword, the place of its detector in `detectors`.
    owners: Vec<usize>,
}

/// An expression that a policy brings along.
#[derive(Clone, Debug)]
struct Own {
    name: Arc<str>,
    regex: Regex,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'d> {
    /// The name of the detector; where several found it, of the first one.
    pub detector: &'d str,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
}

/// A name that is neither a detector's nor a group's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The name.
    pub name: String,
}

impl Detectors {
    /// The detectors with these names, and all of the groups that are named.
    ///
    /// # Errors
    /// The first name that is unknown.
    pub fn select<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, Unknown> {
        let mut wanted = vec![false; catalogue().len()];
        for name in names {
            let group = Group::parse(name);
            let mut is_known = false;
            for (detector, wanted) in catalogue().iter().zip(&mut wanted) {
                if detector.name() == name || Some(detector.group()) == group {
                    (*wanted, is_known) = (true, true);
                }
            }
            if !is_known {
                return Err(Unknown { name: name.chars().take(80).collect() });
            }
        }
        Ok(Self { selected: Selected::shared(wanted), own: Vec::new() })
    }

    /// The same with an expression of its own, preferred to all others.
    ///
    /// # Errors
    /// Where the expression can't be used.
    pub fn with_own(mut self, name: &str, pattern: &str) -> Result<Self, OwnError> {
        self.own.push(Own { name: name.into(), regex: own::compile(pattern)? });
        Ok(self)
    }

    /// Whether whatever the others find is found by these too, under the same name.
    pub fn covers(&self, others: &Self) -> bool {
        let has = |one: &Detector| self.selected.detectors.iter().any(|known| std::ptr::eq(*known, one));
        let has_own = |one: &Own| {
            self.own.iter().any(|known| known.name == one.name && known.regex.as_str() == one.regex.as_str())
        };
        others.selected.detectors.iter().all(|one| has(one)) && others.own.iter().all(has_own)
    }

    /// Whether one of them has this name.
    pub fn has(&self, name: &str) -> bool {
        self.selected.detectors.iter().any(|one| one.name() == name) || self.own.iter().any(|one| *one.name == *name)
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.selected.detectors.is_empty() && self.own.is_empty()
    }

    /// What is found in a text, in order and without overlaps.
    pub fn find(&self, text: &str) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        for own in &self.own {
            found.extend(own.regex.find_iter(text).map(|one| Found { detector: &own.name, span: one.range() }));
        }
        if text.len() >= SHORTEST {
            self.selected.find(text, &mut found);
        }
        merge(found)
    }

    /// What is found in the value of an object's member: by itself, and together with its key, as in
    /// `"password": "…"`.
    pub fn find_in_member(&self, key: &str, value: &str) -> Vec<Found<'_>> {
        let found = self.find(value);
        let is_telling = (SHORTEST..=MAX_TOGETHER).contains(&value.len())
            && self.selected.keywords.as_ref().is_some_and(|keywords| keywords.is_match(key));
        if !is_telling {
            return found;
        }
        let start = key.len() + 1;
        let mut all = found;
        let mut together = Vec::new();
        self.selected.find(&format!("{key}={value}"), &mut together);
        all.extend(
            together
                .into_iter()
                .filter(|one| one.span.start >= start)
                .map(|one| Found { detector: one.detector, span: one.span.start - start..one.span.end - start }),
        );
        merge(all)
    }
}

impl Selected {
    /// Those of the catalogue that are wanted. Policies name the same few selections in hundreds of rules, and an index of
    /// keywords takes longer to build than a rule to read: while somebody has a selection, it is there once.
    fn shared(wanted: Vec<bool>) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<Vec<bool>, Weak<Selected>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(selected) = known.get(&wanted).and_then(Weak::upgrade) {
            return selected;
        }
        known.retain(|_, selected| selected.strong_count() > 0);
        let detectors = catalogue().iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(detector, _)| detector);
        let selected = Arc::new(Self::new(detectors.collect()));
        known.insert(wanted, Arc::downgrade(&selected));
        selected
    }

    fn new(detectors: Vec<&'static Detector>) -> Self {
        let words =
            || detectors.iter().enumerate().flat_map(|(at, one)| one.keywords().iter().map(move |word| (at, word)));
        let owners: Vec<usize> = words().map(|(at, _)| at).collect();
        let keywords = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(words().map(|(_, word)| word))
            .ok()
            .filter(|_| !owners.is_empty());
        Self { detectors, keywords, owners }
    }

    fn find<'d>(&'d self, text: &str, found: &mut Vec<Found<'d>>) {
        // Without the index of keywords (it can only fail by its size) all are tried.
        let all = self.keywords.is_none();
        let mut tried: Vec<bool> = self.detectors.iter().map(|one| all || one.keywords().is_empty()).collect();
        if let Some(keywords) = &self.keywords {
            for hit in keywords.find_overlapping_iter(text) {
                let owner = self.owners.get(hit.pattern().as_usize()).copied().unwrap_or_default();
                if let Some(tried) = tried.get_mut(owner) {
                    *tried = true;
                }
            }
        }
        for (detector, _) in self.detectors.iter().zip(tried).filter(|(_, tried)| *tried) {
            detector.each(text, |span| found.push(Found { detector: detector.name(), span }));
        }
    }
}

/// What was found by several, in order, and what overlaps as one.
pub fn merge(mut found: Vec<Found<'_>>) -> Vec<Found<'_>> {
    // Stable: of two that begin alike the preferred one comes first.
    found.sort_by_key(|one| one.span.start);
    let mut all: Vec<Found<'_>> = Vec::with_capacity(found.len());
    for one in found {
        match all.last_mut() {
            Some(last) if one.span.start < last.span.end => last.span.end = last.span.end.max(one.span.end),
            _ => all.push(one),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_selection_is_there_once_however_often_it_is_named() {
        let one = Detectors::select(["secrets"]).unwrap();
        let same = Detectors::select(["secrets"]).unwrap().with_own("ticket", "T-[0-9]{6}").unwrap();
        let other = Detectors::select(["secrets", "email"]).unwrap();
        assert!(Arc::ptr_eq(&one.selected, &same.selected));
        assert!(!Arc::ptr_eq(&one.selected, &other.selected) && other.has("email") && !same.has("email"));
    }
}
