//! What the references of a schema lead to: parts of the same text, or a published meta-schema. Nothing is fetched.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// Where the published meta-schemas are; they are built in.
const PUBLISHED: [&str; 2] = ["http://json-schema.org/draft-", "https://json-schema.org/draft/"];

/// The named places of a schema.
#[derive(Debug)]
pub(super) struct References<'s> {
    root: &'s Value,
    /// The innermost resource (a part with an `$id`) around each part.
    resources: HashMap<usize, &'s Value>,
    /// The resources, by their `$id`s as written.
    ids: Vec<(&'s str, &'s Value)>,
    /// The parts with an anchor, and whether it is a dynamic one.
    anchors: HashMap<&'s str, Vec<(bool, &'s Value)>>,
}

/// What the references of one part lead to.
#[derive(Debug, Default)]
pub(super) struct Found<'s> {
    /// Of each reference, the parts that it may lead to.
    pub(super) targets: Vec<Vec<&'s Value>>,
    /// How many lead to a published meta-schema.
    pub(super) published: u64,
}

impl<'s> References<'s> {
    /// Finds the named places.
    pub(super) fn of(root: &'s Value) -> Self {
        let mut references = Self { root, resources: HashMap::new(), ids: Vec::new(), anchors: HashMap::new() };
        let mut waiting = vec![(root, root)];
        while let Some((value, around)) = waiting.pop() {
            let members = match value {
                Value::Object(members) => members,
                Value::Array(items) => {
                    waiting.extend(items.iter().map(|item| (item, around)));
                    continue;
                }
                _ => continue,
            };
            let id = members.get("$id").and_then(Value::as_str).filter(|id| !id.starts_with('#'));
            let resource = if id.is_some() { value } else { around };
            references.ids.extend(id.map(|id| (id, value)));
            for (key, is_dynamic) in [("$anchor", false), ("$dynamicAnchor", true)] {
                if let Some(anchor) = members.get(key).and_then(Value::as_str) {
                    references.anchors.entry(anchor).or_default().push((is_dynamic, value));
                }
            }
            references.resources.insert(place(value), resource);
            waiting.extend(members.values().map(|value| (value, resource)));
        }
        references
    }

    /// What the references of this part lead to. The error says which one leads elsewhere.
    pub(super) fn of_part(&self, schema: &'s Value, members: &'s Map<String, Value>) -> Result<Found<'s>, String> {
        let mut found = Found::default();
        for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(reference) = members.get(key).and_then(Value::as_str) else { continue };
            if PUBLISHED.iter().any(|published| reference.starts_with(published)) {
                found.published += 1;
                continue;
            }
            let mut targets = self.targets(schema, reference)?;
            if key == "$recursiveRef" {
                targets.extend(self.ids.iter().map(|(_, resource)| *resource));
            }
            if key == "$dynamicRef" {
                let anchor = reference.rsplit_once('#').map_or("", |(_, anchor)| anchor);
                let dynamic = self.anchors.get(anchor).into_iter().flatten();
                targets.extend(dynamic.filter(|(is_dynamic, _)| *is_dynamic).map(|(_, value)| *value));
            }
            found.targets.push(targets);
        }
        Ok(found)
    }

    fn targets(&self, schema: &'s Value, reference: &str) -> Result<Vec<&'s Value>, String> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resources: Vec<&Value> = match document {
            "" => vec![self.resources.get(&place(schema)).copied().unwrap_or(self.root)],
            _ => self.ids.iter().filter(|(id, _)| is_same(id, document)).map(|(_, resource)| *resource).collect(),
        };
        let shown: String = reference.chars().take(100).collect();
        if resources.is_empty() {
            return Err(format!("`{shown}` refers to another document, and none is fetched"));
        }
        let fragment = decoded(fragment).ok_or_else(|| format!("`{shown}` is no reference"))?;
        let within = |resource: &'s Value| -> Vec<&'s Value> {
            if fragment.is_empty() || fragment.starts_with('/') {
                return resource.pointer(&fragment).into_iter().collect();
            }
            let named = self.anchors.get(fragment.as_str()).into_iter().flatten().map(|(_, value)| *value);
            let is_in = |value: &&'s Value| {
                self.resources.get(&place(value)).is_some_and(|around| std::ptr::eq(*around, resource))
            };
            named.filter(is_in).collect()
        };
        let targets: Vec<&Value> = resources.into_iter().flat_map(within).collect();
        if targets.is_empty() { Err(format!("`{shown}` refers to nothing")) } else { Ok(targets) }
    }
}

/// Whether a reference may mean the resource with this `$id`: what either is relative to is left aside, so that more is
/// taken for possible than is.
fn is_same(id: &str, document: &str) -> bool {
    let last = |uri: &str| uri.trim_end_matches('#').rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    last(id) == last(document)
}

fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn place(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}
