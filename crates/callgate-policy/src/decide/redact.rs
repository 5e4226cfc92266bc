//! What is taken out of a result, text by text: the strings and the keys, wherever they stand.

mod place;

use callgate_detect::{Detectors, Found, merge};
use callgate_json::{Kind, Member, Span, Value, write_string};
use place::Place;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Numbers with fewer characters are no card's or person's.
const SHORTEST_NUMBER: usize = 9;

/// One replacement in the bytes that a value was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced: a whole string or number, or a key, quotes included.
    pub span: Span,
    /// The JSON in its place.
    pub json: String,
}

/// What is replaced in a value, and how often each detector found something.
pub(super) fn edits(detectors: &[&Detectors], value: &Value<'_>) -> (Vec<Edit>, Vec<(Arc<str>, u64)>) {
    let detectors: Vec<&Detectors> = detectors.iter().copied().filter(|one| !one.is_empty()).collect();
    let mut walk = Walk { detectors: &detectors, edits: Vec::new(), found: BTreeMap::new() };
    if !detectors.is_empty() {
        walk.value(value, None, Place::Top);
    }
    let Walk { edits, found, .. } = walk;
    (edits, found.into_iter().map(|(name, count)| (name.into(), count)).collect())
}

struct Walk<'d> {
    detectors: &'d [&'d Detectors],
    edits: Vec<Edit>,
    found: BTreeMap<&'d str, u64>,
}

impl<'d> Walk<'d> {
    fn value(&mut self, value: &Value<'_>, key: Option<&str>, place: Place) {
        match &value.kind {
            Kind::Null | Kind::Bool(_) => {}
            Kind::Number(number) if number.text.len() < SHORTEST_NUMBER => {}
            Kind::Number(number) => self.text(number.text, key, value.span),
            Kind::String(text) => self.text(text, key, value.span),
            Kind::Array(items) => items.iter().for_each(|item| self.value(item, key, place)),
            Kind::Object(_) => self.object(value, place),
        }
    }

    fn object(&mut self, object: &Value<'_>, place: Place) {
        let mut names = None;
        for member in object.members() {
            if place.keeps(object, member) {
                continue;
            }
            self.key(object, member, &mut names);
            self.value(&member.value, Some(&member.key), place.within(&member.key));
        }
    }

    /// A key. Two that lose what told them apart are numbered: no object may have a key twice.
    fn key<'v>(&mut self, object: &'v Value<'_>, member: &Member<'_>, names: &mut Option<Names<'v>>) {
        let Some(kept) = self.kept(&member.key, None) else { return };
        let free = names.get_or_insert_with(|| Names::of(object)).free(kept);
        self.edits.push(Edit { span: member.key_span, json: quoted(&free) });
    }

    fn text(&mut self, text: &str, key: Option<&str>, span: Span) {
        if let Some(kept) = self.kept(text, key) {
            self.edits.push(Edit { span, json: quoted(&kept) });
        }
    }

    /// What stays of a text; `None` for all of it.
    fn kept(&mut self, text: &str, key: Option<&str>) -> Option<String> {
        let found = match self.detectors {
            [one] => find_in(one, text, key),
            many => merge(many.iter().flat_map(|one| find_in(one, text, key)).collect()),
        };
        if found.is_empty() {
            return None;
        }
        let mut kept = String::with_capacity(text.len());
        let mut at = 0;
        for Found { detector, span } in found {
            kept.push_str(text.get(at..span.start).unwrap_or_default());
            kept.push_str("[REDACTED:");
            kept.push_str(detector);
            kept.push(']');
            at = span.end;
            *self.found.entry(detector).or_default() += 1;
        }
        kept.push_str(text.get(at..).unwrap_or_default());
        Some(kept)
    }
}

/// The keys of one object, as they came and as they go on.
struct Names<'v> {
    taken: HashSet<Cow<'v, str>>,
    /// The last number that each key was given: what was taken once stays taken.
    numbers: HashMap<String, usize>,
}

impl<'v> Names<'v> {
    fn of(object: &'v Value<'_>) -> Self {
        let taken = object.members().iter().map(|member| Cow::Borrowed(&*member.key)).collect();
        Self { taken, numbers: HashMap::new() }
    }

    /// The key, numbered where there is one such already.
    fn free(&mut self, key: String) -> String {
        if self.taken.insert(Cow::Owned(key.clone())) {
            return key;
        }
        let number = self.numbers.entry(key.clone()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{key}#{number}");
            if self.taken.insert(Cow::Owned(numbered.clone())) {
                return numbered;
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    write_string(text, &mut json);
    json
}

fn find_in<'d>(detectors: &'d Detectors, text: &str, key: Option<&str>) -> Vec<Found<'d>> {
    match key {
        Some(key) => detectors.find_in_member(key, text),
        None => detectors.find(text),
    }
}
