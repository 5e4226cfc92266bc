//! Canonical JSON: one text per value, for digests and comparisons.

use crate::value::{Kind, Value};

/// Appends `text` as a JSON string: the shortest escapes, everything else as it is.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// The canonical text of a value: keys sorted by code point, no white space, exact numbers in one spelling (a number
/// that can't be kept exactly stays as written).
pub fn canonical(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

fn write_value(value: &Value<'_>, out: &mut String) {
    match &value.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(true) => out.push_str("true"),
        Kind::Bool(false) => out.push_str("false"),
        Kind::Number(number) => match number.exact() {
            Ok(exact) => out.push_str(&exact.to_string()),
            Err(_) => out.push_str(number.text),
        },
        Kind::String(text) => write_string(text, out),
        Kind::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for (index, member) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(&member.key, out);
                out.push(':');
                write_value(&member.value, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Limits, canonical, parse};

    #[test]
    fn one_text_per_value() {
        let text = |bytes: &str| canonical(&parse(bytes.as_bytes(), &Limits::default()).unwrap());
        assert_eq!(
            text(r#" { "b" : 1.0, "\u0061" : [ "\u00e9\n", 1e2, null ] } "#),
            "{\"a\":[\"é\\n\",100,null],\"b\":1}"
        );
        assert_eq!(text("1e0"), text("1.000"));
    }
}
