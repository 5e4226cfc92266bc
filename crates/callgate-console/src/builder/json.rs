//! JSON to be written into a text, in the text's own style.

use super::draft::Refused;
use callgate_json::{Kind, Limits, Value, parse, write_string};

/// Widest line, in characters, that is not broken.
pub(super) const WIDTH: usize = 120;

/// A value to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// Text that is JSON already, on one line.
    Raw(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in this order.
    Object {
        /// Its members.
        members: Vec<(String, Json)>,
        /// Whether its members always have lines of their own: documents and entries.
        open: bool,
    },
}

/// How a text is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// The end of a line.
    pub(super) newline: &'static str,
    /// Whether lines may be broken: not where the text is minified.
    pub(super) breaks: bool,
    /// One step of indentation.
    pub(super) unit: String,
    /// Between key and value.
    pub(super) colon: String,
    /// Behind a comma on a line.
    pub(super) gap: &'static str,
    /// Inside the braces of an object on one line.
    pub(super) pad: &'static str,
    /// Inside the brackets of a list of objects on one line.
    pub(super) row_pad: &'static str,
    /// Whether everything has a line of its own.
    pub(super) spread: bool,
}

impl Json {
    /// A string.
    pub(super) fn string(text: &str) -> Self {
        let mut out = String::with_capacity(text.len() + 2);
        write_string(text, &mut out);
        Self::Raw(out)
    }

    /// `true` or `false`.
    pub(super) fn bool(value: bool) -> Self {
        Self::Raw(value.to_string())
    }

    /// An object on one line, where it fits.
    pub(super) fn row(members: Vec<(String, Self)>) -> Self {
        Self::Object { members, open: false }
    }

    /// An object whose members have lines of their own.
    pub(super) fn open(members: Vec<(String, Self)>) -> Self {
        Self::Object { members, open: true }
    }

    /// A value again, as it was read. `open` is what it is as an entry: only its own members, not theirs.
    pub(super) fn again(value: &Value<'_>, open: bool) -> Self {
        match &value.kind {
            Kind::Null => Self::Raw("null".to_owned()),
            Kind::Bool(value) => Self::bool(*value),
            Kind::Number(number) => Self::Raw(number.text.to_owned()),
            Kind::String(text) => Self::string(text),
            Kind::Array(items) => Self::List(items.iter().map(|item| Self::again(item, false)).collect()),
            Kind::Object(members) => {
                let members = members.iter().map(|m| (m.key.to_string(), Self::again(&m.value, false))).collect();
                Self::Object { members, open }
            }
        }
    }

    /// Any JSON that was typed.
    pub(super) fn typed(text: &str) -> Result<Self, Refused> {
        match parse(text.as_bytes(), &Limits::default()) {
            Ok(value) => Ok(Self::again(&value, false)),
            Err(error) => Err(Refused::Value(format!("`{}` is no JSON: {}", shortened(text), error.kind))),
        }
    }

    /// A number that was typed, as it was typed.
    pub(super) fn number(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        match Self::typed(text) {
            Ok(Self::Raw(number)) if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Ok(Self::Raw(number))
            }
            _ => Err(Refused::Value(format!("`{}` is no number: write digits, such as 10 or 0.5", shortened(text)))),
        }
    }

    /// The value on one line.
    pub(super) fn flat(&self, style: &Style, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::List(items) => {
                let pad = if items.iter().any(|item| matches!(item, Self::Object { .. })) { style.row_pad } else { "" };
                enclosed(out, "[]", pad, items.len(), |out, index| {
                    separate(out, index, style);
                    if let Some(item) = items.get(index) {
                        item.flat(style, out);
                    }
                });
            }
            Self::Object { members, .. } => enclosed(out, "{}", style.pad, members.len(), |out, index| {
                separate(out, index, style);
                if let Some((key, value)) = members.get(index) {
                    write_string(key, out);
                    out.push_str(&style.colon);
                    value.flat(style, out);
                }
            }),
        }
    }

    /// Writes the value behind what is in `out`: on one line where it fits, else on several, one step further in than the
    /// line that it begins on.
    pub(super) fn write(&self, style: &Style, out: &mut String) {
        let (is_empty, opens) = match self {
            Self::Raw(_) => (true, false),
            Self::List(items) => (items.is_empty(), style.spread),
            Self::Object { members, open } => (members.is_empty(), *open || style.spread),
        };
        if is_empty || !style.breaks {
            return self.flat(style, out);
        }
        let before = out.len();
        if !opens {
            let column = column(out);
            self.flat(style, out);
            let width = out.get(before..).unwrap_or_default().chars().count();
            if column + width < WIDTH {
                return;
            }
            out.truncate(before);
        }
        self.broken(style, out);
    }

    fn broken(&self, style: &Style, out: &mut String) {
        let indent = indent(out).to_owned();
        let brackets = if matches!(self, Self::List(_)) { ("[", "]") } else { ("{", "}") };
        out.push_str(brackets.0);
        let line = |out: &mut String, index: usize| {
            out.push_str(if index > 0 { "," } else { "" });
            out.push_str(style.newline);
            out.push_str(&indent);
            out.push_str(&style.unit);
        };
        match self {
            Self::Raw(_) => {}
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    line(out, index);
                    item.write(style, out);
                }
            }
            Self::Object { members, .. } => {
                for (index, (key, value)) in members.iter().enumerate() {
                    line(out, index);
                    write_string(key, out);
                    out.push_str(&style.colon);
                    value.write(style, out);
                }
            }
        }
        out.push_str(style.newline);
        out.push_str(&indent);
        out.push_str(brackets.1);
    }
}

fn enclosed(out: &mut String, brackets: &str, pad: &str, count: usize, mut item: impl FnMut(&mut String, usize)) {
    let (open, close) = brackets.split_at(1);
    let pad = if count == 0 { "" } else { pad };
    out.push_str(open);
    out.push_str(pad);
    for index in 0..count {
        item(out, index);
    }
    out.push_str(pad);
    out.push_str(close);
}

fn separate(out: &mut String, index: usize, style: &Style) {
    if index > 0 {
        out.push(',');
        out.push_str(style.gap);
    }
}

/// The text's last line.
fn last_line(out: &str) -> &str {
    out.rsplit('\n').next().unwrap_or_default()
}

/// How many characters the last line has.
pub(super) fn column(out: &str) -> usize {
    last_line(out).chars().count()
}

/// The white space that the last line begins with.
pub(super) fn indent(out: &str) -> &str {
    let line = last_line(out);
    line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
}

/// A text of the visitor's, short enough for a message and without control characters.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
