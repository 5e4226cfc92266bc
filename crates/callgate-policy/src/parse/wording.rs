//! The words of messages: suggestions, lists, kinds.

use super::field::{APPROVAL, CONDITION, DOCUMENT, FLOW, Field, Kind, LIMIT, PREDICATE, RESULT_RULES, SECTION, TOOL};
use callgate_json::Value;

/// The nearest known name, or all of them.
pub(crate) fn suggestion(written: &str, known: &[&str]) -> String {
    match nearest(written, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known here: {}", quoted(known)),
    }
}

/// The known name that is nearest to what was written, where one is near.
pub(crate) fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    if written.len() > 200 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let written = plain(written);
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &plain(name)), *name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(written.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Names in backticks, with commas.
pub(crate) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A text of the document, short enough for a message and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(64).is_some() {
        short.push('…');
    }
    short
}

/// The kind of a value, for "has to be …, not …".
pub(crate) fn kind_with_article(value: &Value<'_>) -> &'static str {
    match value.type_name() {
        "null" => "null",
        "boolean" => "a boolean",
        "number" => "a number",
        "string" => "a string",
        "array" => "a list",
        _ => "an object",
    }
}

/// How to write a field that is missing.
pub(crate) fn example(field: &Field) -> String {
    match &field.kind {
        Kind::Choice(choices) => {
            let choices: Vec<String> =
                choices.iter().map(|choice| format!("`\"{}\": \"{choice}\"`", field.name)).collect();
            format!("add {}", choices.join(" or "))
        }
        Kind::Operator => "for example `\"op\": \"eq\"`".to_owned(),
        Kind::Amount => format!("for example `\"{}\": 10`", field.name),
        _ => field.about.to_owned(),
    }
}

/// Where a field belongs that stands where it is not known.
pub(crate) fn misplaced(key: &str) -> Option<&'static str> {
    let homes = [
        (&DOCUMENT, "at the top of the document"),
        (&TOOL, "in an entry under `tools`, or in `all_tools`"),
        (&PREDICATE, "in a member of `require` or `deny_if`"),
        (&APPROVAL, "in a member of `approve_if`"),
        (&CONDITION, "in a member of `conditions`"),
        (&LIMIT, "in a member of `limits`"),
        (&SECTION, "in a section such as `resources`"),
        (&FLOW, "in a member of `flows`"),
        (&RESULT_RULES, "in `results`"),
    ];
    homes.into_iter().find(|(shape, _)| shape.field(key).is_some()).map(|(_, home)| home)
}
