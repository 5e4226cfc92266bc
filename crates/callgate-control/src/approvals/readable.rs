//! Arguments as people read them: exact, indented, with everything hidden spelled out.

use super::visible::is_hidden;
use callgate_json::{Kind, Value};
use std::fmt::Write;

/// The text of a value, over several lines.
pub fn readable(value: &Value<'_>) -> String {
    let mut text = String::new();
    write_value(value, 0, &mut text);
    text
}

fn write_value(value: &Value<'_>, depth: usize, out: &mut String) {
    match &value.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(true) => out.push_str("true"),
        Kind::Bool(false) => out.push_str("false"),
        Kind::Number(number) => out.push_str(number.text),
        Kind::String(text) => write_string(text, depth, out),
        Kind::Array(items) => {
            let write_item = |item: &Value<'_>, out: &mut String| write_value(item, depth + 1, out);
            write_all(('[', ']'), items, depth, out, write_item);
        }
        Kind::Object(members) => write_all(('{', '}'), members, depth, out, |member, out| {
            write_string(&member.key, depth + 1, out);
            out.push_str(": ");
            write_value(&member.value, depth + 1, out);
        }),
    }
}

fn write_all<T>(
    (open, close): (char, char),
    items: &[T],
    depth: usize,
    out: &mut String,
    write: impl Fn(&T, &mut String),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index > 0 { ",\n" } else { "\n" });
        indent(depth + 1, out);
        write(item, out);
    }
    if !items.is_empty() {
        out.push('\n');
        indent(depth, out);
    }
    out.push(close);
}

/// As JSON spells it; after an escaped line feed a real one, where there is something behind it.
fn write_string(text: &str, depth: usize, out: &mut String) {
    out.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\n' => {
                out.push_str("\\n");
                if characters.peek().is_some() {
                    out.push('\n');
                    indent(depth, out);
                }
            }
            // Writing to a string can't fail.
            hidden if is_hidden(hidden) => drop(write!(out, "⟨U+{:04X}⟩", u32::from(hidden))),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn indent(depth: usize, out: &mut String) {
    (0..depth).for_each(|_| out.push_str("  "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_exact_and_hide_nothing() {
        let input = r#"{"a":1.50,"b":"x\ny\n","c":[],"d":[true,{"k":null}],"e":"\u202e\u0000\\n\t\""}"#;
        let value = callgate_json::parse(input.as_bytes(), &callgate_json::Limits::default()).unwrap();
        let expected = "{\n  \"a\": 1.50,\n  \"b\": \"x\\n\n  y\\n\",\n  \"c\": [],\n  \"d\": [\n    true,\n    {\n      \
                        \"k\": null\n    }\n  ],\n  \"e\": \"⟨U+202E⟩⟨U+0000⟩\\\\n\\t\\\"\"\n}";
        assert_eq!(readable(&value), expected);
    }
}
