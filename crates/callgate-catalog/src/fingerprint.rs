//! The fingerprint of a tool's definition: what is pinned, and what a rug pull changes.

use callgate_json::{Value, canonical, write_string};
use sha2::{Digest, Sha256};

/// The parts of a definition that a client or a model acts on. Others (`_meta`, `icons`) may change freely.
const PARTS: [&str; 5] = ["name", "description", "inputSchema", "outputSchema", "annotations"];

/// The SHA-256 of the definition's canonical name, description, `inputSchema`, `outputSchema` and `annotations`, in
/// hexadecimal with the prefix `sha256:`. The order of keys, white space and the spelling of numbers and escapes don't
/// change it; a part that is missing and one that is `null` differ.
pub fn fingerprint(definition: &Value<'_>) -> String {
    let mut text = String::from("{");
    for part in PARTS {
        if let Some(value) = definition.get(part) {
            write_string(part, &mut text);
            text.push(':');
            text.push_str(&canonical(value));
            text.push(',');
        }
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
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1},"_meta":{"x":1}}"#,
        ];
        let other = [
            r#"{"name":"a","description":"b ","inputSchema":{"type":"object","minProperties":1}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":2}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1},"outputSchema":{}}"#,
            r#"{"name":"a","description":"b","inputSchema":{"type":"object","minProperties":1},"annotations":null}"#,
        ];
        for text in same {
            assert_eq!(of(text), plain, "{text}");
        }
        for text in other {
            assert_ne!(of(text), plain, "{text}");
        }
    }
}
