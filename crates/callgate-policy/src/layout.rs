//! JSON laid out for people: what fits on a line stays on it.

use callgate_json::write_string;

/// Widest line, in characters, that is not broken.
const WIDTH: usize = 100;

/// A JSON text in the making.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// Text that is JSON already, on one line.
    Raw(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in this order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A string.
    pub(crate) fn string(text: &str) -> Self {
        let mut out = String::with_capacity(text.len() + 2);
        write_string(text, &mut out);
        Self::Raw(out)
    }

    /// `true` or `false`.
    pub(crate) fn bool(value: bool) -> Self {
        Self::Raw(value.to_string())
    }

    /// The text, with a new line at its end. The outermost object is always broken.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, 0, true);
        out.push('\n');
        out
    }

    /// Length on one line, in characters; gives up beyond `WIDTH`.
    fn width(&self) -> usize {
        let sum = |widths: &mut dyn Iterator<Item = usize>| {
            let mut total: usize = 2;
            for width in widths {
                total = total.saturating_add(width).saturating_add(2);
                if total > WIDTH {
                    break;
                }
            }
            total
        };
        match self {
            Self::Raw(text) => text.chars().count(),
            Self::List(items) => sum(&mut items.iter().map(Self::width)),
            Self::Object(members) => sum(&mut members.iter().map(|(key, value)| key.len() + 4 + value.width())) + 2,
        }
    }

    fn write(&self, out: &mut String, indent: usize, before: usize, broken: bool) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::List(items) if items.is_empty() => out.push_str("[]"),
            Self::Object(members) if members.is_empty() => out.push_str("{}"),
            Self::List(items) => {
                let broken = broken || indent + before + self.width() > WIDTH;
                open(out, "[", broken, "");
                for (index, item) in items.iter().enumerate() {
                    separate(out, index, indent + 2, broken);
                    item.write(out, indent + 2, 0, false);
                }
                close(out, "]", indent, broken, "");
            }
            Self::Object(members) => {
                let broken = broken || indent + before + self.width() > WIDTH;
                open(out, "{", broken, " ");
                for (index, (key, value)) in members.iter().enumerate() {
                    separate(out, index, indent + 2, broken);
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out, indent + 2, key.len() + 4, false);
                }
                close(out, "}", indent, broken, " ");
            }
        }
    }
}

fn open(out: &mut String, bracket: &str, broken: bool, blank: &str) {
    out.push_str(bracket);
    if !broken {
        out.push_str(blank);
    }
}

fn separate(out: &mut String, index: usize, indent: usize, broken: bool) {
    if index > 0 {
        out.push_str(if broken { "," } else { ", " });
    }
    if broken {
        new_line(out, indent);
    }
}

fn close(out: &mut String, bracket: &str, indent: usize, broken: bool, blank: &str) {
    if broken {
        new_line(out, indent);
    } else {
        out.push_str(blank);
    }
    out.push_str(bracket);
}

fn new_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}
