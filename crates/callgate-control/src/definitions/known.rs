//! What rules see of definitions, as the catalogue classifies them and as people said.

use crate::configuration::PublishedDefinition;
use callgate_catalog::{Tool, classify};
use callgate_json::{Limits, Value, parse};
use callgate_policy::Definition;

/// What rules see of a definition that is published: what a person said of it stands before what the catalogue finds.
pub fn in_force(published: &PublishedDefinition) -> Definition {
    let found = pinned(&published.tool, &published.definition, &published.fingerprint);
    Definition {
        category: published.category.or(found.category),
        labels: published.labels.clone().unwrap_or(found.labels),
        quarantined: published.is_quarantined(),
        ..found
    }
}

/// What rules see of a definition, as the catalogue classifies it. Of one that can't be read nothing is known.
pub fn pinned(tool: &str, text: &str, fingerprint: &str) -> Definition {
    let limits = Limits { max_bytes: text.len(), max_values: usize::MAX, ..Limits::default() };
    let unknown = Definition { name: tool.to_owned(), fingerprint: fingerprint.to_owned(), ..Definition::default() };
    let Ok(value) = parse(text.as_bytes(), &limits) else { return unknown };
    let part = |key| {
        let bytes = value.get(key).map(|part: &Value<'_>| part.bytes(text.as_bytes()));
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let (input_schema, annotations) = (part("inputSchema"), part("annotations"));
    let found = Tool::from_value(&value).ok().map(|tool| classify(&tool));
    Definition {
        input_schema,
        annotations,
        category: found.as_ref().map(|found| found.category),
        labels: found.map(|found| found.labels).unwrap_or_default(),
        ..unknown
    }
}
