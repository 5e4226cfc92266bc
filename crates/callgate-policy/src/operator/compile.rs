//! Reading an operand: what each operator takes, and what is wrong with what it was given.

use super::operand::Operand;
use super::{CompiledSchema, Expression, OperandError, OperandKind, OperatorInfo, Test, files, hosts, networks};
use crate::glob::Glob;
use callgate_json::{Decimal, Kind, Value};
use std::cmp::Ordering;
use std::sync::Arc;

/// Most memory that one compiled regular expression may take, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// The test of the operator with this operand.
pub(super) fn test(info: &'static OperatorInfo, operand: Option<&Value<'_>>) -> Result<Test, OperandError> {
    let Some(value) = operand else {
        return match info.operand {
            OperandKind::OptionalBool => Ok(Test::Exists(true)),
            kind => Err(OperandError::Missing { name: info.name, expected: kind.as_str() }),
        };
    };
    let given = Given { info, value };
    match info.name {
        "eq" => given.one_of(false),
        "neq" => given.one_of(true),
        "in" => given.any_of(false),
        "not_in" => given.any_of(true),
        "lt" => given.compare(Ordering::Less, false),
        "lte" => given.compare(Ordering::Less, true),
        "gt" => given.compare(Ordering::Greater, false),
        "gte" => given.compare(Ordering::Greater, true),
        "regex" => given.regex(),
        "contains" => Ok(Test::Contains(Arc::new(given.operand()?))),
        "exists" => value.as_bool().map(Test::Exists).ok_or_else(|| given.kind()),
        "starts_with" => Ok(Test::StartsWith(given.string()?.into())),
        "ends_with" => Ok(Test::EndsWith(given.string()?.into())),
        "glob" => Ok(Test::Glob(Glob::new(given.string()?))),
        "length_lte" => Ok(Test::LengthAtMost(given.length()?)),
        "length_gte" => Ok(Test::LengthAtLeast(given.length()?)),
        "path_within" => Ok(Test::PathWithin(given.each(files::Directory::read)?)),
        "host_in" => Ok(Test::HostIn(given.each(hosts::HostPattern::read)?)),
        "cidr" => Ok(Test::Cidr(given.each(networks::Network::read)?)),
        "json_schema" => given.schema(),
        "cel" => given.expression(),
        // Every name in the table stands above; a test walks it.
        other => Err(OperandError::Unknown(other.to_owned())),
    }
}

/// Why an operand of the right kind can't be used, and what to write instead.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) why: String,
    pub(super) hint: String,
}

impl Unusable {
    pub(super) fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hint: hint.into() }
    }
}

/// An operand as the document gives it.
struct Given<'a> {
    info: &'static OperatorInfo,
    value: &'a Value<'a>,
}

impl Given<'_> {
    fn kind(&self) -> OperandError {
        let found = match &self.value.kind {
            Kind::Array(items) if items.is_empty() => "an empty list".to_owned(),
            Kind::Array(_) => "this list".to_owned(),
            Kind::Number(number) => format!("`{}`", number.text.chars().take(40).collect::<String>()),
            _ => format!("{} {}", if self.value.type_name() == "object" { "an" } else { "a" }, self.value.type_name()),
        };
        OperandError::Kind { name: self.info.name, expected: self.info.operand.as_str(), found }
    }

    fn unusable(&self, problem: Unusable) -> OperandError {
        OperandError::Unusable { name: self.info.name, why: problem.why, hint: problem.hint }
    }

    fn operand(&self) -> Result<Operand, OperandError> {
        Operand::read(self.value).map_err(|error| self.unusable(Unusable::new(error.to_string(), "")))
    }

    fn string(&self) -> Result<&str, OperandError> {
        self.value.as_str().ok_or_else(|| self.kind())
    }

    fn one_of(&self, negated: bool) -> Result<Test, OperandError> {
        Ok(Test::OneOf { operands: Arc::new([self.operand()?]), negated })
    }

    fn any_of(&self, negated: bool) -> Result<Test, OperandError> {
        match self.operand()? {
            Operand::Array(operands) if !operands.is_empty() => Ok(Test::OneOf { operands: operands.into(), negated }),
            _ => Err(self.kind()),
        }
    }

    fn compare(&self, side: Ordering, or_equal: bool) -> Result<Test, OperandError> {
        match self.operand()? {
            Operand::Number(bound) => Ok(Test::Compare { side, or_equal, bound }),
            _ => Err(self.kind()),
        }
    }

    fn regex(&self) -> Result<Test, OperandError> {
        let compiled = regex::RegexBuilder::new(self.string()?).size_limit(MAX_REGEX_BYTES).build();
        compiled.map(Test::Regex).map_err(|error| {
            self.unusable(match error {
                regex::Error::CompiledTooBig(limit) => Unusable::new(
                    format!("the regular expression takes more than {limit} bytes when compiled"),
                    "shorten it or lower its repetitions",
                ),
                other => Unusable::new(
                    format!("not a regular expression: {}", last_line(&other.to_string())),
                    "the dialect is that of Rust's `regex` crate: no look-around, no back-references",
                ),
            })
        })
    }

    fn length(&self) -> Result<u64, OperandError> {
        let number = self.value.as_number().and_then(|number| number.exact().ok());
        number.and_then(|n: Decimal| n.as_i64()).and_then(|n| u64::try_from(n).ok()).ok_or_else(|| self.kind())
    }

    /// Reads each string of the operand.
    fn each<T>(&self, read: fn(&str) -> Result<T, Unusable>) -> Result<Arc<[T]>, OperandError> {
        let alone = std::slice::from_ref(self.value);
        let items = match (&self.value.kind, self.info.operand) {
            (Kind::Array(items), _) if !items.is_empty() => items.as_slice(),
            (Kind::String(_), OperandKind::StringOrStrings) => alone,
            _ => return Err(self.kind()),
        };
        let read_one = |item: &Value<'_>| match item.as_str() {
            Some(text) => read(text).map_err(|problem| self.unusable(problem)),
            None => Err(self.kind()),
        };
        items.iter().map(read_one).collect()
    }

    fn schema(&self) -> Result<Test, OperandError> {
        if !self.value.is_object() && self.value.as_bool().is_none() {
            return Err(self.kind());
        }
        let text = callgate_json::canonical(self.value);
        let schema = CompiledSchema::default();
        match schema.compile(&text) {
            Ok(()) => Ok(Test::JsonSchema(schema)),
            Err(why) => Err(self.unusable(Unusable::new(
                format!("not a JSON Schema: {why}"),
                "JSON Schema 2020-12, without references to other documents",
            ))),
        }
    }

    fn expression(&self) -> Result<Test, OperandError> {
        match Expression::compile(self.string()?) {
            Ok(expression) => Ok(Test::Cel(Arc::new(expression))),
            Err(problem) => Err(self.unusable(problem)),
        }
    }
}

/// The regex crate draws a picture of the expression; its last line is the reason.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).chars().take(200).collect()
}
