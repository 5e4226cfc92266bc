//! The reader: bytes in, a [`Value`] or the first thing that is wrong with them.

use crate::value::{Kind, Member, Number, Span, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Objects with at most this many members look for duplicates by comparing each pair, larger ones by hashing.
const SMALL_OBJECT: usize = 16;

/// How much the reader takes before it refuses.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of the input, in bytes.
    pub max_bytes: usize,
    /// Nesting of arrays and objects.
    pub max_depth: usize,
    /// Values in all, scalars and containers.
    pub max_values: usize,
    /// Refuse numbers that have no exact [`Decimal`](crate::Decimal).
    pub exact_numbers: bool,
}

impl Default for Limits {
    /// 4 MiB, 64 levels, 200,000 values, any number.
    fn default() -> Self {
        Self { max_bytes: 4 << 20, max_depth: 64, max_values: 200_000, exact_numbers: false }
    }
}

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
    /// Longer than [`Limits::max_bytes`].
    TooLarge(usize),
    /// Deeper than [`Limits::max_depth`].
    TooDeep(usize),
    /// More than [`Limits::max_values`] values.
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

/// Reads one JSON value that fills the whole input, white space aside. The first problem ends it.
pub fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<Value<'a>, Error> {
    let (value, mut problems) = parse_reporting(input, limits);
    match (value, problems.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => Err(problems.swap_remove(0)),
    }
}

/// Like [`parse`], but goes on after duplicate keys and inexact numbers, so that a document's problems can be told
/// all at once. The value is `None` where the syntax is broken; a value beside problems must not be used for
/// decisions. Problems stand in document order, and there is at least one where the value is `None`.
pub fn parse_reporting<'a>(input: &'a [u8], limits: &Limits) -> (Option<Value<'a>>, Vec<Error>) {
    let mut parser = Parser { input: "", at: 0, depth: 0, values: 0, limits, problems: Vec::new() };
    let value = parser.document(input);
    let mut problems = parser.problems;
    match value {
        Ok(value) => (Some(value), problems),
        Err(error) => {
            problems.push(error);
            (None, problems)
        }
    }
}

struct Parser<'a, 'l> {
    input: &'a str,
    at: usize,
    depth: usize,
    values: usize,
    limits: &'l Limits,
    problems: Vec<Error>,
}

impl<'a> Parser<'a, '_> {
    fn document(&mut self, input: &'a [u8]) -> Result<Value<'a>, Error> {
        if input.len() > self.limits.max_bytes {
            return Err(Error { kind: ErrorKind::TooLarge(self.limits.max_bytes), offset: self.limits.max_bytes });
        }
        if input.starts_with(b"\xEF\xBB\xBF") || input.starts_with(b"\xFE\xFF") || input.starts_with(b"\xFF\xFE") {
            return Err(Error { kind: ErrorKind::ByteOrderMark, offset: 0 });
        }
        self.input =
            std::str::from_utf8(input).map_err(|e| Error { kind: ErrorKind::Utf8, offset: e.valid_up_to() })?;
        self.space();
        let value = self.value()?;
        self.space();
        if self.at < self.input.len() {
            return Err(self.error(ErrorKind::Trailing));
        }
        Ok(value)
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error { kind, offset: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.input.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expected(&self, what: &'static str) -> Error {
        self.error(if self.peek().is_none() { ErrorKind::End } else { ErrorKind::Expected(what) })
    }

    fn value(&mut self) -> Result<Value<'a>, Error> {
        self.values += 1;
        if self.values > self.limits.max_values {
            return Err(self.error(ErrorKind::TooMany(self.limits.max_values)));
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => Kind::String(self.string()?),
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            _ => return Err(self.expected("a value")),
        };
        Ok(Value { kind, span: Span { start, end: self.at } })
    }

    fn word(&mut self, word: &'static str, kind: Kind<'a>) -> Result<Kind<'a>, Error> {
        let rest = self.input.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Kind<'a>, Error>) -> Result<Kind<'a>, Error> {
        if self.depth >= self.limits.max_depth {
            return Err(self.error(ErrorKind::TooDeep(self.limits.max_depth)));
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn array(&mut self) -> Result<Kind<'a>, Error> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Kind::Array(items));
                }
                _ => return Err(self.expected("`,` or `]`")),
            }
            self.space();
        }
    }

    fn object(&mut self) -> Result<Kind<'a>, Error> {
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Object(members));
        }
        loop {
            let member = self.member()?;
            if is_duplicate(&members, &mut seen, &member.key) {
                let kind = ErrorKind::DuplicateKey(member.key.to_string());
                self.problems.push(Error { kind, offset: member.key_span.start });
            } else {
                members.push(member);
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Kind::Object(members));
                }
                _ => return Err(self.expected("`,` or `}`")),
            }
            self.space();
        }
    }

    fn member(&mut self) -> Result<Member<'a>, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let start = self.at;
        let key = self.string()?;
        let key_span = Span { start, end: self.at };
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        self.space();
        Ok(Member { key, key_span, value: self.value()? })
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut plain_from = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let plain = self.slice(plain_from, self.at);
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(plain),
                        Some(mut text) => {
                            text.push_str(plain);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(self.input.get(plain_from..self.at).unwrap_or_default());
                    let ch = self.escape()?;
                    owned.get_or_insert_default().push(ch);
                    plain_from = self.at;
                }
                Some(0x00..=0x1F) => return Err(self.error(ErrorKind::ControlCharacter)),
                Some(_) => self.at += 1,
                None => return Err(self.error(ErrorKind::End)),
            }
        }
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.input.get(start..end).unwrap_or_default()
    }

    fn escape(&mut self) -> Result<char, Error> {
        let start = self.at;
        self.at += 1;
        let ch = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            None => return Err(self.error(ErrorKind::End)),
            Some(_) => return Err(Error { kind: ErrorKind::Escape, offset: start }),
        };
        self.at += 1;
        Ok(ch)
    }

    fn unicode(&mut self, start: usize) -> Result<char, Error> {
        let lone = Error { kind: ErrorKind::LoneSurrogate, offset: start };
        let first = self.hex4(start)?;
        let code = match first {
            0xD800..=0xDBFF => {
                if !self.input.as_bytes().get(self.at..).unwrap_or_default().starts_with(b"\\u") {
                    return Err(lone);
                }
                self.at += 1;
                match self.hex4(start)? {
                    second @ 0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => return Err(lone),
                }
            }
            other => other,
        };
        char::from_u32(code).ok_or(lone)
    }

    /// Reads the four digits behind `u`, on which the reader stands.
    fn hex4(&mut self, start: usize) -> Result<u32, Error> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else {
                return Err(Error { kind: ErrorKind::Escape, offset: start });
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.error(ErrorKind::Number)) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Number<'a>, Error> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        if let Some(b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z') = self.peek() {
            return Err(self.error(ErrorKind::Number));
        }
        let number = Number { text: self.slice(start, self.at) };
        if self.limits.exact_numbers && number.exact().is_err() {
            self.problems.push(Error { kind: ErrorKind::InexactNumber, offset: start });
        }
        Ok(number)
    }
}

fn is_duplicate<'a>(members: &[Member<'a>], seen: &mut HashSet<Cow<'a, str>>, key: &Cow<'a, str>) -> bool {
    if members.len() < SMALL_OBJECT {
        return members.iter().any(|m| m.key == *key);
    }
    if seen.is_empty() {
        seen.extend(members.iter().map(|m| m.key.clone()));
    }
    !seen.insert(key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(input: &[u8]) -> ErrorKind {
        parse(input, &Limits { exact_numbers: true, ..Limits::default() }).unwrap_err().kind
    }

    #[test]
    fn refuses_what_other_readers_paper_over() {
        assert_eq!(kind(br#"{"name":"safe","name":"exec"}"#), ErrorKind::DuplicateKey("name".into()));
        assert_eq!(kind(br#"{"name":"safe","n\u0061me":"exec"}"#), ErrorKind::DuplicateKey("name".into()));
        assert_eq!(kind(b"\xEF\xBB\xBF{}"), ErrorKind::ByteOrderMark);
        assert_eq!(kind(b"{\x00\"\x00"), ErrorKind::Expected("a key in double quotes"));
        assert_eq!(kind(b"\"\xff\""), ErrorKind::Utf8);
        assert_eq!(kind(br#""\ud800""#), ErrorKind::LoneSurrogate);
        assert_eq!(kind(br#""\ud800\u0041""#), ErrorKind::LoneSurrogate);
        assert_eq!(kind(br#""\udc00""#), ErrorKind::LoneSurrogate);
        assert_eq!(kind(b"\"a\nb\""), ErrorKind::ControlCharacter);
        assert_eq!(kind(b"{} {}"), ErrorKind::Trailing);
        assert_eq!(kind(b"1e999999"), ErrorKind::InexactNumber);
        assert_eq!(kind(b"01"), ErrorKind::Number);
        assert_eq!(kind(b"[1,]"), ErrorKind::Expected("a value"));
        assert_eq!(kind(b"{\"a\":1"), ErrorKind::End);
        assert_eq!(kind(b""), ErrorKind::End);
        assert_eq!(kind("[".repeat(65).as_bytes()), ErrorKind::TooDeep(64));
        assert_eq!(kind(b"nul"), ErrorKind::Expected("a value"));
    }

    #[test]
    fn finds_duplicates_in_large_objects() {
        let keys: Vec<String> = (0..1000).map(|i| format!("\"k{i}\":{i}")).collect();
        assert!(parse(format!("{{{}}}", keys.join(",")).as_bytes(), &Limits::default()).is_ok());
        assert_eq!(
            kind(format!("{{{},\"k999\":0}}", keys.join(",")).as_bytes()),
            ErrorKind::DuplicateKey("k999".into())
        );
    }

    #[test]
    fn reports_every_duplicate_and_goes_on() {
        let (value, problems) = parse_reporting(br#"{"a":1,"a":2,"b":{"c":1,"c":2}}"#, &Limits::default());
        assert!(value.is_some());
        assert_eq!(problems.iter().map(|p| p.offset).collect::<Vec<_>>(), [7, 24]);
    }

    #[test]
    fn spans_are_the_bytes_as_written() {
        let input = br#" {"a" : [ 1 , "x\u0041" ] } "#;
        let value = parse(input, &Limits::default()).unwrap();
        assert_eq!(value.get("a").unwrap().bytes(input), br#"[ 1 , "x\u0041" ]"#);
        assert_eq!(value.get("a").unwrap().as_array().unwrap()[1].as_str(), Some("xA"));
        assert_eq!(value.members()[0].key_span.of(input), b"\"a\"");
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (value, problems) = parse_reporting(&input, &Limits::default());
            prop_assert!(value.is_some() || !problems.is_empty());
        }

        #[test]
        fn what_is_accepted_serde_accepts_too(input in r#"[\[\]{}",:0-9a-fnrtul.eE+\\ -]{0,40}"#) {
            if parse(input.as_bytes(), &Limits::default()).is_ok() {
                // Numbers beyond a double are the one thing that serde refuses and JSON allows.
                if let Err(error) = serde_json::from_str::<serde_json::Value>(&input) {
                    prop_assert!(error.to_string().contains("number out of range"), "{}", error);
                }
            }
        }
    }
}
