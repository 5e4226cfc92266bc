//! Field by field: what differs, with secrets compared and never shown.

use super::Texts;
use crate::apply::{DesiredGrant, FieldDifference};
use crate::moment;
use crate::secret::{Secret, TokenKey};
use crate::settings::Settings;
use crate::target::Target;
use callgate_store::Grant;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How two places differ. Without the one before (its secrets can't be opened) all secrets do.
pub(super) fn targets(before: Option<&Target>, after: &Target) -> Vec<FieldDifference> {
    let members = |target: &Target| match serde_json::to_value(target.public()) {
        Ok(Value::Object(mut members)) => {
            // Names of headers and variables: they are compared with their values.
            members.remove("headers");
            members.remove("env");
            members
        }
        _ => Map::new(),
    };
    let old = before.map(members).unwrap_or_default();
    let mut differences = match before {
        Some(_) => fields("target", &old, &members(after)),
        None => vec![secret("target".to_owned())],
    };
    let kind = if after.is_command() { "env" } else { "headers" };
    let same_kind = before.is_some_and(|before| before.is_command() == after.is_command());
    let none = BTreeMap::new();
    let old = before.filter(|_| same_kind).map_or(&none, Target::secrets);
    let names: BTreeSet<&String> = old.keys().chain(after.secrets().keys()).collect();
    let differing = names.into_iter().filter_map(|name| {
        let (before, after) = (old.get(name), after.secrets().get(name));
        let is_set = |value: Option<&Secret>| value.map_or(Value::Null, |_| json!("set"));
        let field = format!("target.{kind}.{name}");
        match (before, after) {
            (Some(before), Some(after)) => (before != after).then(|| secret(field)),
            // That it is there, and no more.
            _ => Some(FieldDifference { field, before: is_set(before), after: is_set(after), secret: true }),
        }
    });
    differences.extend(differing);
    differences
}

/// How two servers are treated differently.
pub(super) fn settings(before: &Settings, after: &Settings) -> Vec<FieldDifference> {
    let members = |settings: &Settings| match serde_json::to_value(settings) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    fields("settings", &members(before), &members(after))
}

/// How two grants differ. `policy` is the name of the one before's.
pub(super) fn grants(
    before: &Grant,
    policy: Option<&str>,
    after: &DesiredGrant,
    key: &TokenKey,
) -> Vec<FieldDifference> {
    let tags = |tags: &Texts| json!(tags);
    let moment = |at: Option<i64>| json!(at.map(moment::rfc3339));
    let pairs = [
        ("policy", json!(policy), json!(after.policy)),
        ("tags", tags(&before.tags), tags(&after.tags)),
        ("expires", moment(before.expires), moment(after.expires)),
    ];
    let mut differences: Vec<FieldDifference> = pairs
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(field, before, after)| FieldDifference { field: field.to_owned(), before, after, secret: false })
        .collect();
    if after.token.as_ref().is_some_and(|token| key.hash(token.reveal()) != before.token) {
        differences.push(secret("token".to_owned()));
    }
    differences
}

fn fields(prefix: &str, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldDifference> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let field = |key: &String| {
        let value = |members: &Map<String, Value>| members.get(key).cloned().unwrap_or_default();
        let (before, after) = (value(before), value(after));
        let field = format!("{prefix}.{key}");
        (before != after).then_some(FieldDifference { field, before, after, secret: false })
    };
    keys.into_iter().filter_map(field).collect()
}

fn secret(field: String) -> FieldDifference {
    FieldDifference { field, before: Value::Null, after: Value::Null, secret: true }
}
