//! Operands as the engine keeps them: owned, numbers exact, keys sorted.

use callgate_json::{Decimal, DecimalError, Kind, Value};

/// An owned JSON value to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Null,
    Bool(bool),
    Number(Decimal),
    String(Box<str>),
    Array(Box<[Operand]>),
    /// Sorted by key.
    Object(Box<[(Box<str>, Operand)]>),
}

impl Operand {
    /// The operand that a document writes; an error where one of its numbers can't be kept exactly.
    pub(super) fn read(value: &Value<'_>) -> Result<Self, DecimalError> {
        Ok(match &value.kind {
            Kind::Null => Self::Null,
            Kind::Bool(truth) => Self::Bool(*truth),
            Kind::Number(number) => Self::Number(number.exact()?),
            Kind::String(text) => Self::String(text.as_ref().into()),
            Kind::Array(items) => Self::Array(items.iter().map(Self::read).collect::<Result<_, _>>()?),
            Kind::Object(members) => {
                let mut read = Vec::with_capacity(members.len());
                for member in members {
                    read.push((member.key.as_ref().into(), Self::read(&member.value)?));
                }
                read.sort_by(|(a, _): &(Box<str>, Self), (b, _)| a.cmp(b));
                Self::Object(read.into())
            }
        })
    }

    /// The text of a string, or `None`.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the value is this one: types don't mix, numbers are equal by value, the order of keys is free.
    pub(super) fn equals(&self, value: &Value<'_>) -> bool {
        match (self, &value.kind) {
            (Self::Null, Kind::Null) => true,
            (Self::Bool(a), Kind::Bool(b)) => a == b,
            (Self::Number(a), Kind::Number(b)) => b.exact().is_ok_and(|b| *a == b),
            (Self::String(a), Kind::String(b)) => **a == **b,
            (Self::Array(a), Kind::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
            // Keys are unique on both sides, so equal counts and every key found is equality.
            (Self::Object(a), Kind::Object(b)) => {
                let find =
                    |key: &str| a.binary_search_by(|(known, _)| (**known).cmp(key)).ok().and_then(|at| a.get(at));
                a.len() == b.len() && b.iter().all(|m| find(&m.key).is_some_and(|(_, known)| known.equals(&m.value)))
            }
            _ => false,
        }
    }
}
