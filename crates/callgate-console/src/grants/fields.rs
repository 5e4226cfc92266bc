//! What forms say of grants, and the token that is shown once.

use crate::api::Problem;
use crate::connecting::{Way, ways};
use crate::form::Form;
use crate::servers::pairs;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// A grant with its token.
#[derive(Debug, Deserialize)]
pub(crate) struct Minted {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// A token that is shown this once, and what to do with it.
pub(crate) struct Token {
    pub(crate) token: String,
    pub(crate) url: String,
    pub(crate) notes: Vec<String>,
    pub(crate) ways: Vec<Way>,
}

impl Token {
    /// The token of a grant of this server; the client of this word comes first.
    pub(crate) fn of(minted: Minted, server: &str, client: &str) -> Self {
        let Minted { token, url, notes, .. } = minted;
        let ways = ways(server, &url, &token, client);
        Self { token, url, notes, ways }
    }
}

/// When something ends, as it was typed: `30d`, `12h`, a day, or a moment; null for nothing.
pub(crate) fn expiry(form: &Form) -> Result<Value, Problem> {
    let Some(word) = form.word("expires") else { return Ok(Value::Null) };
    let moment = span(word).and_then(|span| Timestamp::now().checked_add(span).ok());
    let moment = moment.or_else(|| word.parse().ok()).or_else(|| format!("{word}T00:00:00Z").parse().ok());
    let unusable = || {
        let remedy = "write how long from now (`30d`, `12h`), a day (`2027-01-31`), or a moment (RFC 3339)";
        Problem::unusable(format!("the end `{word}` is no time"), remedy)
    };
    moment.map(|moment| Value::from(moment.to_string())).ok_or_else(unusable)
}

/// A length of time: digits and `m`, `h`, `d` or `w`.
fn span(word: &str) -> Option<SignedDuration> {
    let unit = word.chars().next_back()?;
    let amount: i64 = word.strip_suffix(unit)?.parse().ok().filter(|amount| *amount > 0)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    amount.checked_mul(seconds).map(SignedDuration::from_secs)
}

/// How many seconds the token before works on.
pub(crate) fn overlap(form: &Form) -> Result<Value, Problem> {
    let Some(word) = form.word("overlap") else { return Ok(Value::from(0)) };
    let unusable =
        || Problem::unusable(format!("the overlap `{word}` is no length of time"), "write `1h`, `30m` or `2d`");
    span(word).map(|span| Value::from(span.as_secs())).ok_or_else(unusable)
}

/// Tags: `name=value`, one a line.
pub(crate) fn tags(form: &Form) -> Result<Value, Problem> {
    let mut read = pairs(form.text("tags"), '=', "the tags")?;
    read.values_mut().for_each(|value| *value = Value::from(value.as_str().unwrap_or_default().trim()));
    Ok(Value::Object(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_as_people_write_them() {
        let read = |text: &str| expiry(&Form::parse(format!("expires={text}").as_bytes()));
        assert_eq!(read("").unwrap(), Value::Null);
        assert_eq!(read("2027-01-31").unwrap(), "2027-01-31T00:00:00Z");
        assert_eq!(read("2027-01-31T10:00:00Z").unwrap(), "2027-01-31T10:00:00Z");
        let in_a_day: Timestamp = read("24h").unwrap().as_str().unwrap().parse().unwrap();
        assert!(in_a_day > Timestamp::now());
        for text in ["soon", "0d", "-1d", "d", "99999999999999999999d", "9223372036854775807w", "ü"] {
            assert_eq!(read(text).unwrap_err().code, "CG3266", "{text}");
        }
    }

    #[test]
    fn overlaps_are_seconds() {
        let read = |text: &str| overlap(&Form::parse(format!("overlap={text}").as_bytes()));
        assert_eq!(read("1h").unwrap(), 3600);
        assert_eq!(read("").unwrap(), 0);
        assert!(read("1").is_err());
    }
}
