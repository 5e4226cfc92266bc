//! What is taken out of a result, text by text: the strings and the keys, wherever they stand.

use callgate_detect::{Detectors, Found, merge};
use callgate_json::{Kind, Member, Span, Value, write_string};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers with fewer characters are no card's or person's.
const SHORTEST_NUMBER: usize = 9;
/// Members of a result, of a task in it, and of a notification that belong to the protocol: without them the answer
/// could not be used, and none holds what a tool says.
const OF_PROTOCOL: [&str; 9] = [
    "requestState",
    "taskId",
    "resultType",
    "nextCursor",
    "progressToken",
    "requestId",
    "elicitationId",
    "jsonrpc",
    "method",
];

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
        walk.value(value, None, 0);
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
    fn value(&mut self, value: &Value<'_>, key: Option<&str>, depth: usize) {
        match &value.kind {
            Kind::Null | Kind::Bool(_) => {}
            Kind::Number(number) if number.text.len() < SHORTEST_NUMBER => {}
            Kind::Number(number) => self.text(number.text, key, value.span),
            Kind::String(text) => self.text(text, key, value.span),
            Kind::Array(items) => items.iter().for_each(|item| self.value(item, key, depth + 1)),
            Kind::Object(_) => self.object(value, depth),
        }
    }

    fn object(&mut self, object: &Value<'_>, depth: usize) {
        for member in object.members() {
            let is_of_protocol =
                depth <= 1 && OF_PROTOCOL.contains(&&*member.key) || member.key.starts_with("io.modelcontextprotocol/");
            if is_of_protocol || is_binary(object, &member.key) {
                continue;
            }
            self.key(object, member);
            self.value(&member.value, Some(&member.key), depth + 1);
        }
    }

    /// A key. Two that lose what told them apart are numbered: no object may have a key twice.
    fn key(&mut self, object: &Value<'_>, member: &Member<'_>) {
        let Some(kept) = self.kept(&member.key, None) else { return };
        let taken = |key: &str| {
            let is_written = |edit: &Edit| edit.span.start >= object.span.start && edit.json == quoted(key);
            object.get(key).is_some() || self.edits.iter().rev().any(is_written)
        };
        let numbered = (2..).map(|number| format!("{kept}#{number}"));
        let free = std::iter::once(kept.clone()).chain(numbered).find(|key| !taken(key));
        self.edits.push(Edit { span: member.key_span, json: quoted(&free.unwrap_or(kept)) });
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

fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    write_string(text, &mut json);
    json
}

/// The bytes of images, sounds and files, which are no text.
fn is_binary(object: &Value<'_>, key: &str) -> bool {
    match key {
        "data" => matches!(object.get("type").and_then(Value::as_str), Some("image" | "audio")),
        "blob" => object.get("uri").is_some(),
        _ => false,
    }
}

fn find_in<'d>(detectors: &'d Detectors, text: &str, key: Option<&str>) -> Vec<Found<'d>> {
    match key {
        Some(key) => detectors.find_in_member(key, text),
        None => detectors.find(text),
    }
}
