//! The reader: bytes in, a [`Value`] or the first thing that is wrong with them.

use crate::error::{Error, ErrorKind};
use crate::value::{Kind, Member, Number, Span, Value};
use std::borrow::Cow;
use std::collections::HashSet;

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
            if is_duplicate(&members, &mut seen, &member) {
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
            self.plain_text()?;
            let plain = self.slice(plain_from, self.at);
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(match owned {
                    None => Cow::Borrowed(plain),
                    Some(mut text) => {
                        text.push_str(plain);
                        Cow::Owned(text)
                    }
                });
            }
            let ch = self.escape()?;
            let text = owned.get_or_insert_default();
            text.push_str(plain);
            text.push(ch);
            plain_from = self.at;
        }
    }

    /// Moves to the quote or the backslash that ends a run of plain characters. Long strings are most of what is read,
    /// so this looks at many bytes at a time.
    fn plain_text(&mut self) -> Result<(), Error> {
        let rest = self.input.as_bytes().get(self.at..).unwrap_or_default();
        let length = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let run = rest.get(..length).unwrap_or_default();
        if run.iter().any(|byte| *byte < 0x20) {
            self.at += run.iter().position(|byte| *byte < 0x20).unwrap_or(0);
            return Err(self.error(ErrorKind::ControlCharacter));
        }
        self.at += length;
        if length == rest.len() { Err(self.error(ErrorKind::End)) } else { Ok(()) }
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

fn is_duplicate<'a>(members: &[Member<'a>], seen: &mut HashSet<Cow<'a, str>>, member: &Member<'a>) -> bool {
    if members.len() < SMALL_OBJECT {
        return members.iter().any(|known| known.key == member.key);
    }
    if seen.is_empty() {
        seen.extend(members.iter().map(|m| m.key.clone()));
    }
    !seen.insert(member.key.clone())
}

#[cfg(test)]
mod tests;
