//! JSON Schema: 2020-12 unless the schema names another draft, no references to other documents, linear-time patterns, and
//! no more work than is known to be bounded.

mod bounds;
mod graph;
mod references;

use bounds::Bounds;
use callgate_json::{Decimal, Kind, Number, Value};
use jsonschema::{PatternOptions, Validator};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A JSON Schema that is compiled when it is first needed, once. Clones share the result.
#[derive(Clone, Default)]
pub struct CompiledSchema(Arc<OnceLock<Result<Compiled, String>>>);

struct Compiled {
    validator: Validator,
    bounds: Bounds,
    /// How many bytes of text may be put to its patterns.
    max_text: u64,
}

/// What the patterns of a schema may take when compiled, in bytes, and how many bytes of text may be put to them then:
/// the work is at most the product.
const PATTERNS: [(usize, u64); 3] = [(4 << 10, u64::MAX), (64 << 10, 512 << 10), (1 << 20, 32 << 10)];
/// So many places that are wrong are named.
const NAMED: usize = 3;

/// Why a value is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The schema says no; the text says where and why, and names no value.
    Invalid(String),
    /// The schema can't be used, or the value can't be put to it exactly.
    Fault(String),
}

impl CompiledSchema {
    /// Compiles the schema, where that has not been done; an error says what is wrong with it.
    pub(crate) fn compile(&self, schema: &str) -> Result<(), String> {
        match self.0.get_or_init(|| build(schema)) {
            Ok(_) => Ok(()),
            Err(why) => Err(why.clone()),
        }
    }

    /// Whether the compiled schema accepts the value.
    pub(crate) fn check(&self, value: &Value<'_>) -> Result<(), Mismatch> {
        let Compiled { validator, bounds, max_text } = match self.0.get() {
            Some(Ok(compiled)) => compiled,
            Some(Err(why)) => return Err(Mismatch::Fault(why.clone())),
            None => return Err(Mismatch::Fault("the schema is not compiled".into())),
        };
        let instance = instance(value).map_err(Mismatch::Fault)?;
        bounds.check(&instance, *max_text).map_err(Mismatch::Fault)?;
        if validator.is_valid(&instance) {
            return Ok(());
        }
        let named = validator.iter_errors(&instance).take(NAMED).map(|error| {
            let at = error.instance_path().as_str();
            let place = if at.is_empty() { "the value itself".to_owned() } else { format!("`{at}`") };
            format!("{place} {}", shorten(&error.masked_with("the value").to_string()))
        });
        Err(Mismatch::Invalid(named.collect::<Vec<_>>().join("; ")))
    }
}

impl fmt::Debug for CompiledSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompiledSchema")
    }
}

fn build(schema: &str) -> Result<Compiled, String> {
    let schema: serde_json::Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    let bounds = Bounds::of(&schema)?;
    let mut failure = String::new();
    for (size, max_text) in PATTERNS {
        let patterns = PatternOptions::regex().size_limit(size);
        let options = jsonschema::options().with_pattern_options(patterns).should_validate_formats(false).offline();
        match options.build(&schema) {
            Ok(validator) => return Ok(Compiled { validator, bounds, max_text }),
            Err(error) => failure = shorten(&error.to_string()),
        }
        if !bounds.has_patterns() {
            break;
        }
    }
    Err(failure)
}

fn shorten(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The value as the validator takes it.
fn instance(value: &Value<'_>) -> Result<serde_json::Value, String> {
    Ok(match &value.kind {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(truth) => (*truth).into(),
        Kind::Number(number) => serde_json::Value::Number(exact(number)?),
        Kind::String(text) => text.as_ref().into(),
        Kind::Array(items) => serde_json::Value::Array(items.iter().map(instance).collect::<Result<_, _>>()?),
        Kind::Object(members) => {
            let read = |member: &callgate_json::Member<'_>| Ok((member.key.to_string(), instance(&member.value)?));
            serde_json::Value::Object(members.iter().map(read).collect::<Result<_, String>>()?)
        }
    })
}

/// The number as an integer, or as a double that reads back as the same decimal: no bound is compared with a neighbour.
fn exact(number: &Number<'_>) -> Result<serde_json::Number, String> {
    let inexact = || "a number is too long for a schema to judge exactly".to_owned();
    let value = number.exact().map_err(|error| error.to_string())?;
    if let Some(integer) = value.as_i64() {
        return Ok(integer.into());
    }
    if let Ok(integer) = value.to_string().parse::<u64>() {
        return Ok(integer.into());
    }
    let double = double(value).ok_or_else(inexact)?;
    serde_json::Number::from_f64(double).ok_or_else(inexact)
}

/// The double that is written like the number; `None` where no double is.
pub(super) fn double(value: Decimal) -> Option<f64> {
    let double = value.to_f64();
    let reads_back = double.is_finite() && format!("{double:e}").parse::<Decimal>().is_ok_and(|back| back == value);
    reads_back.then_some(double)
}

#[cfg(test)]
mod tests;
