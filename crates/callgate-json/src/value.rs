//! The tree that [`parse`](crate::parse) gives: borrowed from the input, with the span of every part.

use crate::decimal::{Decimal, DecimalError};
use std::borrow::Cow;

/// A half-open range of byte offsets into the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes of `input` that the span covers; empty where the span is not of this input.
    pub fn of<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        input.get(self.start..self.end).unwrap_or_default()
    }
}

/// One JSON value and the place where it stands.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Where it stands, without surrounding white space.
    pub span: Span,
}

/// The six kinds of JSON value.
#[derive(Clone, Debug)]
pub enum Kind<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, kept as written.
    Number(Number<'a>),
    /// A string with its escapes resolved.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object in document order; keys are unique.
    Object(Vec<Member<'a>>),
}

/// One member of an object.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The key with its escapes resolved.
    pub key: Cow<'a, str>,
    /// Where the key stands, quotes included.
    pub key_span: Span,
    /// The value.
    pub value: Value<'a>,
}

/// A number as it was written. [`Number::exact`] gives its value.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a> {
    /// The characters of the number, valid by RFC 8259 section 6.
    pub text: &'a str,
}

impl Number<'_> {
    /// The exact value; an error where 38 significant digits and an exponent within ±400 can't hold it.
    pub fn exact(&self) -> Result<Decimal, DecimalError> {
        self.text.parse()
    }
}

impl<'a> Value<'a> {
    /// The member `key` of an object; `None` for another kind or a missing key.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.members().iter().find(|m| m.key == key).map(|m| &m.value)
    }

    /// The members of an object; empty for another kind.
    pub fn members(&self) -> &[Member<'a>] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of an array, or `None`.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match &self.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a string, or `None`.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value of a boolean, or `None`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The number as written, or `None`.
    pub fn as_number(&self) -> Option<Number<'a>> {
        match self.kind {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// The kind's name, for messages: `null`, `boolean`, `number`, `string`, `array` or `object`.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "boolean",
            Kind::Number(_) => "number",
            Kind::String(_) => "string",
            Kind::Array(_) => "array",
            Kind::Object(_) => "object",
        }
    }

    /// The bytes of this value in the input that it was parsed from.
    pub fn bytes<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        self.span.of(input)
    }
}
