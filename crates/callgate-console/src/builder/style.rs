//! How a text is laid out, found out from the text.

use super::json::{Style, WIDTH};
use callgate_json::{Kind, Value};

/// What a look at every list and object of a text found.
#[derive(Default)]
struct Seen {
    colon: Option<String>,
    unit: Option<String>,
    gap: Option<&'static str>,
    pad: Option<&'static str>,
    row_pad: Option<&'static str>,
    /// Lists and objects with something in them, on one line.
    flat: usize,
    /// Lists with something in them, on several lines.
    broken_lists: usize,
}

impl Style {
    /// The style of a text; what it does not show is as in a new policy.
    pub(super) fn of(text: &str, root: &Value<'_>) -> Self {
        let mut seen = Seen::default();
        look(text, root, &mut seen);
        let document = text.get(root.span.start..root.span.end).unwrap_or_default();
        let is_one_line = !document.contains('\n');
        let colon = seen.colon.unwrap_or_else(|| ": ".to_owned());
        let is_airy = colon.ends_with(' ');
        Self {
            newline: if document.contains("\r\n") { "\r\n" } else { "\n" },
            breaks: !is_one_line || is_airy && document.chars().count() <= WIDTH,
            unit: seen.unit.unwrap_or_else(|| "  ".to_owned()),
            gap: seen.gap.unwrap_or(if is_airy { " " } else { "" }),
            pad: seen.pad.unwrap_or(if is_airy { " " } else { "" }),
            row_pad: seen.row_pad.unwrap_or_default(),
            spread: seen.flat == 0 && seen.broken_lists > 0,
            colon,
        }
    }
}

fn look(text: &str, value: &Value<'_>, seen: &mut Seen) {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    match &value.kind {
        Kind::Array(items) => {
            for item in items {
                starts.push((item.span.start, item.span.end));
                look(text, item, seen);
            }
        }
        Kind::Object(members) => {
            for member in members {
                starts.push((member.key_span.start, member.value.span.end));
                let between = text.get(member.key_span.end..member.value.span.start).unwrap_or_default();
                if seen.colon.is_none() && !between.contains('\n') {
                    seen.colon = Some(between.to_owned());
                }
                look(text, &member.value, seen);
            }
        }
        _ => return,
    }
    let Some((first, _)) = starts.first().copied() else { return };
    let inner = text.get(value.span.start + 1..first).unwrap_or_default();
    let whole = text.get(value.span.start..value.span.end).unwrap_or_default();
    if whole.contains('\n') {
        seen.broken_lists += usize::from(value.as_array().is_some());
        step(text, value, inner, seen);
        return;
    }
    seen.flat += 1;
    let word = |space: &str| if space.is_empty() { "" } else { " " };
    let is_rows = value.as_array().is_some_and(|items| items.iter().any(Value::is_object));
    if value.is_object() {
        seen.pad.get_or_insert(word(inner));
    } else if is_rows {
        seen.row_pad.get_or_insert(word(inner));
    }
    if let Some(((_, end), (next, _))) = starts.first().zip(starts.get(1)) {
        let between = text.get(*end..*next).unwrap_or_default();
        seen.gap.get_or_insert(word(between.trim_start().trim_start_matches(',')));
    }
}

/// One step of indentation: how much further in the first child is than the line of its container.
fn step(text: &str, value: &Value<'_>, inner: &str, seen: &mut Seen) {
    let before = text.get(..value.span.start).unwrap_or_default();
    let outer = super::json::indent(before);
    let Some((_, own)) = inner.rsplit_once('\n') else { return };
    if let Some(unit) = own.strip_prefix(outer).filter(|unit| !unit.is_empty()) {
        seen.unit.get_or_insert_with(|| unit.to_owned());
    }
}
