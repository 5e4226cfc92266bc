//! Expressions that a policy brings along.

use regex::{Regex, RegexBuilder};

/// Most bytes that an expression of a policy may match at once. Without an end to it, a text could be written for which
/// each of many matches looks at all that follows.
pub const MAX_OWN_LENGTH: usize = 4096;
/// Most memory that one compiled expression may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// Why an expression can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnError {
    /// It is none, for this reason.
    Invalid(String),
    /// Compiled, it takes more than this many bytes.
    TooBig(usize),
    /// It matches the empty text.
    MatchesNothing,
    /// It can match more than [`MAX_OWN_LENGTH`] bytes.
    Unbounded,
}

/// The expression, compiled.
pub(crate) fn compile(pattern: &str) -> Result<Regex, OwnError> {
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => OwnError::TooBig(limit),
        // The crate draws a picture of the expression; its last line is the reason.
        other => OwnError::Invalid(last_line(&other.to_string())),
    })?;
    let properties = regex_syntax::parse(pattern).map_err(|error| OwnError::Invalid(last_line(&error.to_string())))?;
    let properties = properties.properties();
    if properties.minimum_len().is_none_or(|shortest| shortest == 0) {
        return Err(OwnError::MatchesNothing);
    }
    if properties.maximum_len().is_none_or(|longest| longest > MAX_OWN_LENGTH) {
        return Err(OwnError::Unbounded);
    }
    Ok(compiled)
}

fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_has_a_beginning_and_an_end() {
        assert!(compile(r"\bCUST-[0-9]{6}\b").is_ok());
        assert!(compile(r"(?i)project [a-z]{1,40}").is_ok());
        for (pattern, expected) in [
            ("a*", OwnError::MatchesNothing),
            ("", OwnError::MatchesNothing),
            ("secret .*", OwnError::Unbounded),
            ("x[a-z]{0,4096}", OwnError::Unbounded),
            ("(?:[a-z]{1000}){1000}", OwnError::TooBig(MAX_COMPILED)),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), expected, "{pattern}");
        }
        assert!(matches!(compile("(").unwrap_err(), OwnError::Invalid(why) if !why.is_empty()));
    }
}
