//! The fingerprint of a tool's definition: what is pinned, and what a rug pull changes.

use callgate_json::{Value, canonical, write_string};
use sha2::{Digest, Sha256};

/// The parts of a definition that may change freely: what neither a model nor a client acts on. Everything else counts,
/// also what no revision knows: a client may read `Description` as `description`.
const FREE: [&str; 2] = ["_meta", "icons"];

/// The SHA-256 of the definition's canonical text without `_meta` and `icons`, in hexadecimal with the prefix `sha256:`.
/// The order of keys, white space and the spelling of numbers and escapes don't change it; texts count code point by
/// code point; a part that is missing and one that is `null` differ.
pub fn fingerprint(definition: &Value<'_>) -> String {
    let mut members: Vec<_> =
        definition.members().iter().filter(|member| !FREE.contains(&member.key.as_ref())).collect();
    members.sort_by(|a, b| a.key.cmp(&b.key));
    let mut text = String::from("{");
    for member in members {
        write_string(&member.key, &mut text);
        text.push(':');
        text.push_str(&canonical(&member.value));
        text.push(',');
    }
    text.push('}');
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use callgate_json::{Limits, parse};

    #[test]
    fn only_what_a_model_acts_on_counts() {
        let of = |text: &str| fingerprint(&parse(text.as_bytes(), &Limits::default()).unwrap());
        let plain = of(r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1}}"#);
        let same = [
            r#" {"inputSchema": {"minProperties": 1.0, "type": "object"}, "description":"\u0062", "name":"a"} "#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1},"_meta":{"x":1},"icons":[]}"#,
        ];
        let other = [
            r#"{"name":"a","description":"b ","inputSchema":{"type":"object","minProperties":1}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":2}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1},"outputSchema":{}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1},"annotations":null}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1},"title":"a"}"#,
            r#"{"name":"a","description":"b","Description":"c","inputSchema":{"type":"object","minProperties":1}}"#,
            r#"{"name":"\u0430","description":"b","inputSchema":{"type":"object","minProperties":1}}"#,
            r#"{"name":"a","description":"b\u200b","inputSchema":{"type":"object","minProperties":1}}"#,
        ];
        for text in same {
            assert_eq!(of(text), plain, "{text}");
        }
        for text in other {
            assert_ne!(of(text), plain, "{text}");
        }
    }
}
