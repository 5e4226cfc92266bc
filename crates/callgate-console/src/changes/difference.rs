//! How two objects differ, field by field.

use callgate_control::approvals::visible::visible;
use serde_json::Value;
use std::collections::BTreeMap;

/// So many characters of a value are shown.
const LONGEST: usize = 300;

/// A field that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Where it is: `settings.era`.
    pub(super) name: String,
    /// What it was; none where it was not there.
    pub(super) before: Option<String>,
    /// What it is; none where it is not there.
    pub(super) after: Option<String>,
}

/// The fields that differ, in order; what is nothing on both sides is left out.
pub(super) fn fields(before: &Value, after: &Value) -> Vec<Field> {
    let mut found: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    flatten(before, String::new(), &mut |name, text| found.entry(name).or_default().0 = Some(text));
    flatten(after, String::new(), &mut |name, text| found.entry(name).or_default().1 = Some(text));
    let differing = found.into_iter().filter(|(_, (before, after))| before != after);
    differing.map(|(name, (before, after))| Field { name, before, after }).collect()
}

fn flatten(value: &Value, name: String, add: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let key = visible(key);
                flatten(value, if name.is_empty() { key } else { format!("{name}.{key}") }, add);
            }
        }
        Value::Null => {}
        // A list is one value: an entry has no name by which it could be found again.
        Value::Array(items) if items.is_empty() => {}
        Value::String(text) => add(name, shown(text)),
        other => add(name, shown(&other.to_string())),
    }
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST).collect();
    let rest = text.chars().count().saturating_sub(LONGEST);
    let cut = visible(&cut);
    if rest == 0 { cut } else { format!("{cut} … {rest} more characters") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_named() {
        let before = json!({ "era": "auto", "target": { "url": "http://a", "headers": [] }, "same": 1, "gone": true });
        let after =
            json!({ "era": "auto", "target": { "url": "http://b", "args": ["x"] }, "same": 1, "new": "\u{202e}" });
        let found: Vec<(String, Option<String>, Option<String>)> =
            fields(&before, &after).into_iter().map(|field| (field.name, field.before, field.after)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("gone".to_owned(), some("true"), None),
                ("new".to_owned(), None, some("⟨U+202E⟩")),
                ("target.args".to_owned(), None, some("[\"x\"]")),
                ("target.url".to_owned(), some("http://a"), some("http://b")),
            ]
        );
        assert_eq!(fields(&Value::Null, &json!({ "a": null })), []);
        let long = fields(&Value::Null, &json!({ "a": "x".repeat(310) }));
        assert!(long[0].after.as_deref().unwrap().ends_with("x … 10 more characters"));
    }
}
