//! Operators: how a condition judges the value that its path finds.

mod compile;
mod expression;
mod files;
mod hosts;
mod judge;
mod networks;
mod operand;
mod schema;

pub(crate) use expression::{Expression, value as cel_value};
pub(crate) use judge::Verdict;
pub use schema::CompiledSchema;
pub(crate) use schema::Mismatch;

use crate::glob::Glob;
use callgate_json::{Decimal, Value};
use operand::Operand;
use std::cmp::Ordering;
use std::sync::Arc;

/// An operator with its operand, compiled.
#[derive(Clone, Debug)]
pub struct Operator {
    info: &'static OperatorInfo,
    operand: Option<Arc<str>>,
    test: Test,
}

/// What an operator does with a value.
#[derive(Clone, Debug)]
enum Test {
    /// Equal to one of these, or, with `negated`, to none.
    OneOf {
        /// The values, at least one.
        operands: Arc<[Operand]>,
        /// `neq` and `not_in`.
        negated: bool,
    },
    /// A number on this side of the bound, or, with `or_equal`, the bound itself.
    Compare {
        /// `Less` or `Greater`.
        side: Ordering,
        /// Whether the bound itself passes.
        or_equal: bool,
        /// The bound.
        bound: Decimal,
    },
    /// A string that the expression finds a match in.
    Regex(regex::Regex),
    /// A string with this substring, or an array with an equal element.
    Contains(Arc<Operand>),
    /// Present, or, with `false`, absent.
    Exists(bool),
    /// A string with this beginning.
    StartsWith(Box<str>),
    /// A string with this end.
    EndsWith(Box<str>),
    /// A string that matches as a whole.
    Glob(Glob),
    /// So many characters or elements, or fewer.
    LengthAtMost(u64),
    /// So many characters or elements, or more.
    LengthAtLeast(u64),
    /// An absolute path in one of these directories.
    PathWithin(Arc<[files::Directory]>),
    /// A URL whose host is one of these.
    HostIn(Arc<[hosts::HostPattern]>),
    /// An address in one of these networks.
    Cidr(Arc<[networks::Network]>),
    /// A value that this schema accepts.
    JsonSchema(CompiledSchema),
    /// An expression over the whole call.
    Cel(Arc<Expression>),
}

/// What there is to know about an operator without an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorInfo {
    /// As policies write it.
    pub name: &'static str,
    /// Whether the published policy.json v1 has it.
    pub v1: bool,
    /// What its `value` may be.
    pub operand: OperandKind,
    /// What it can judge; anything else is a type error.
    pub reads: Reads,
}

/// What an operator's `value` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandKind {
    /// Any JSON value.
    Any,
    /// A number.
    Number,
    /// A list with at least one value.
    List,
    /// A string.
    String,
    /// A string that is a regular expression (dialect of Rust's `regex`).
    Regex,
    /// `true`, `false` or nothing.
    OptionalBool,
    /// A whole number from 0.
    Length,
    /// A string or a list with at least one string.
    StringOrStrings,
    /// A list with at least one string.
    Strings,
    /// A JSON Schema (2020-12): an object or a boolean.
    Schema,
    /// A string that is a CEL expression.
    Expression,
}

/// What an operator can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Every JSON value.
    Anything,
    /// Numbers.
    Numbers,
    /// Strings.
    Strings,
    /// Strings and arrays.
    StringsAndArrays,
    /// Nothing at the path: the expression reads the call by itself, and the condition needs no path.
    Call,
}

const fn operator(name: &'static str, v1: bool, operand: OperandKind, reads: Reads) -> OperatorInfo {
    OperatorInfo { name, v1, operand, reads }
}

/// Every operator, v1's first.
pub const OPERATORS: &[OperatorInfo] = &[
    operator("eq", true, OperandKind::Any, Reads::Anything),
    operator("neq", true, OperandKind::Any, Reads::Anything),
    operator("in", true, OperandKind::List, Reads::Anything),
    operator("not_in", true, OperandKind::List, Reads::Anything),
    operator("lt", true, OperandKind::Number, Reads::Numbers),
    operator("lte", true, OperandKind::Number, Reads::Numbers),
    operator("gt", true, OperandKind::Number, Reads::Numbers),
    operator("gte", true, OperandKind::Number, Reads::Numbers),
    operator("regex", true, OperandKind::Regex, Reads::Strings),
    operator("contains", true, OperandKind::Any, Reads::StringsAndArrays),
    operator("exists", true, OperandKind::OptionalBool, Reads::Anything),
    operator("starts_with", false, OperandKind::String, Reads::Strings),
    operator("ends_with", false, OperandKind::String, Reads::Strings),
    operator("glob", false, OperandKind::String, Reads::Strings),
    operator("length_lte", false, OperandKind::Length, Reads::StringsAndArrays),
    operator("length_gte", false, OperandKind::Length, Reads::StringsAndArrays),
    operator("path_within", false, OperandKind::StringOrStrings, Reads::Strings),
    operator("host_in", false, OperandKind::Strings, Reads::Strings),
    operator("cidr", false, OperandKind::StringOrStrings, Reads::Strings),
    operator("json_schema", false, OperandKind::Schema, Reads::Anything),
    operator("cel", false, OperandKind::Expression, Reads::Call),
];

/// Why an operator can't be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperandError {
    /// There is no such operator.
    #[error("there is no operator `{0}`")]
    Unknown(String),
    /// The operator needs a value.
    #[error("`{name}` needs a `value`: {expected}")]
    Missing {
        /// The operator.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// The value is of the wrong kind.
    #[error("the `value` of `{name}` has to be {expected}, not {found}")]
    Kind {
        /// The operator.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The value is of the right kind, but can't be used.
    #[error("the `value` of `{name}` can't be used: {why}")]
    Unusable {
        /// The operator.
        name: &'static str,
        /// The reason.
        why: String,
        /// What to write instead; may be empty.
        hint: String,
    },
}

impl OperandError {
    /// What to write instead; empty where the message says it all.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(name) => match nearest(name) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    let names: Vec<_> = OPERATORS.iter().map(|info| format!("`{}`", info.name)).collect();
                    format!("operators are {}", names.join(", "))
                }
            },
            Self::Missing { expected, .. } | Self::Kind { expected, .. } => format!("write {expected}"),
            Self::Unusable { hint, .. } => hint.clone(),
        }
    }
}

impl OperandKind {
    /// What it is, for messages: `a number`, `a list with at least one value`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any JSON value",
            Self::Number => "a number",
            Self::List => "a list with at least one value",
            Self::String => "a string",
            Self::Regex => "a regular expression in a string",
            Self::OptionalBool => "`true` or `false`",
            Self::Length => "a whole number from 0",
            Self::StringOrStrings => "a string or a list with at least one string",
            Self::Strings => "a list with at least one string",
            Self::Schema => "a JSON Schema: an object, `true` or `false`",
            Self::Expression => "a CEL expression in a string",
        }
    }
}

impl Operator {
    /// The operator `name` with its operand (the condition's `value`).
    pub fn compile(name: &str, operand: Option<&Value<'_>>) -> Result<Self, OperandError> {
        let info = OPERATORS
            .iter()
            .find(|info| info.name == name)
            .ok_or_else(|| OperandError::Unknown(name.chars().take(80).collect()))?;
        let test = compile::test(info, operand)?;
        Ok(Self { info, operand: operand.map(|value| callgate_json::canonical(value).into()), test })
    }

    /// The operator's name.
    pub fn name(&self) -> &'static str {
        self.info.name
    }

    /// What there is to know about it.
    pub fn info(&self) -> &'static OperatorInfo {
        self.info
    }

    /// The operand as canonical JSON text; `None` where it was left out.
    pub fn operand(&self) -> Option<&str> {
        self.operand.as_deref()
    }

    /// The expression of `cel`, which looks at the whole call instead of at one value.
    pub(crate) fn expression(&self) -> Option<&Expression> {
        match &self.test {
            Test::Cel(expression) => Some(expression),
            _ => None,
        }
    }
}

/// The known operator that is most like a mistyped one.
fn nearest(name: &str) -> Option<&'static str> {
    let alike = OPERATORS.iter().map(|info| (strsim::damerau_levenshtein(&name.to_lowercase(), info.name), info.name));
    alike.filter(|(distance, known)| *distance <= 2 && *distance < known.len()).min().map(|(_, known)| known)
}
