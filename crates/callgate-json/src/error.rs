//! What can be wrong with JSON, and where.

use std::fmt;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The byte offset where it was noticed.
    pub offset: usize,
}

/// What can be wrong with JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input begins with a byte order mark (RFC 8259 section 8.1).
    ByteOrderMark,
    /// Not UTF-8.
    Utf8,
    /// The input ends inside a value.
    End,
    /// A byte that can't stand here; the text says what could.
    Expected(&'static str),
    /// Something follows the value.
    Trailing,
    /// The same key twice in one object, escapes resolved.
    DuplicateKey(String),
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// An unescaped control character in a string.
    ControlCharacter,
    /// An escape that JSON does not have.
    Escape,
    /// A number that JSON does not write this way.
    Number,
    /// A number that can't be kept exactly.
    InexactNumber,
    /// Longer than [`Limits::max_bytes`](crate::Limits::max_bytes).
    TooLarge(usize),
    /// Deeper than [`Limits::max_depth`](crate::Limits::max_depth).
    TooDeep(usize),
    /// More than [`Limits::max_values`](crate::Limits::max_values) values.
    TooMany(usize),
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("begins with a byte order mark"),
            Self::Utf8 => f.write_str("not valid UTF-8"),
            Self::End => f.write_str("ends in the middle of a value"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::Trailing => f.write_str("something follows the value"),
            Self::DuplicateKey(key) => write!(f, "the key `{}` stands twice in one object", shorten(key)),
            Self::LoneSurrogate => f.write_str("a lone surrogate in a string"),
            Self::ControlCharacter => f.write_str("a raw control character in a string"),
            Self::Escape => f.write_str("an unknown escape in a string"),
            Self::Number => f.write_str("not a number as JSON writes one"),
            Self::InexactNumber => {
                f.write_str("a number that can't be kept exactly (38 significant digits, exponent within ±400)")
            }
            Self::TooLarge(limit) => write!(f, "longer than {limit} bytes"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit} levels"),
            Self::TooMany(limit) => write!(f, "more than {limit} values"),
        }
    }
}

fn shorten(key: &str) -> String {
    let mut short: String = key.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if short.len() < key.len() {
        short.push('…');
    }
    short
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

impl std::error::Error for Error {}
