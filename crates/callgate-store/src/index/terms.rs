//! What searches are made of: columns, places, patterns.

use super::sql::Sql;
use crate::error::StoreError;
use std::fmt;
use std::str::FromStr;

/// What is searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// A decision's MCP session.
    Session,
    /// The rule that decided.
    Rule,
    /// The grant, by identity.
    Grant,
    /// The grant, by its label then.
    Label,
    /// The tool.
    Tool,
    /// The server, by its name then.
    Server,
    /// The outcome of a decision.
    Outcome,
    /// The method.
    Method,
    /// The policy's name.
    Policy,
    /// The policy's version, a number.
    Version,
    /// What the client calls itself.
    Client,
    /// Why something was refused.
    Reason,
    /// What became of a call.
    Fate,
    /// The upstream's HTTP status, a number.
    Status,
    /// Who changed something.
    Who,
    /// What was changed, as a word.
    What,
    /// What was changed: the object.
    Object,
    /// Where something refused came from.
    Source,
    /// The kind of a refusal.
    Kind,
}

/// A place in a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of a record of a chain: time, chain, number.
    Record(i64, i64, i64),
    /// Of a refusal: time and identity.
    Refusal(i64, String),
}

impl Column {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Rule => "rule",
            Self::Grant => "grant_id",
            Self::Label => "grant_label",
            Self::Tool => "tool",
            Self::Server => "server",
            Self::Outcome => "outcome",
            Self::Method => "method",
            Self::Policy => "policy",
            Self::Version => "policy_version",
            Self::Client => "client",
            Self::Reason => "reason",
            Self::Fate => "result",
            Self::Status => "upstream_status",
            Self::Who => "who",
            Self::What => "what",
            Self::Object => "object",
            Self::Source => "source",
            Self::Kind => "kind",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Version | Self::Status)
    }
}

impl Place {
    /// What refusals are ordered by.
    pub(super) fn order(&self) -> (i64, &str) {
        match self {
            Self::Record(ts, ..) => (*ts, ""),
            Self::Refusal(ts, id) => (*ts, id),
        }
    }

    /// Adds it as a row value.
    pub(super) fn push(&self, sql: &mut Sql) {
        sql.push("(");
        match self {
            Self::Record(ts, chain, seq) => {
                sql.bind(*ts).push(", ").bind(*chain).push(", ").bind(*seq);
            }
            Self::Refusal(ts, id) => {
                sql.bind(*ts).push(", ").bind(id.clone());
            }
        }
        sql.push(")");
    }
}

/// As a cursor holds it: `TIME.CHAIN.NUMBER`, or `TIME!IDENTITY`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(ts, chain, seq) => write!(f, "{ts}.{chain}.{seq}"),
            Self::Refusal(ts, id) => write!(f, "{ts}!{id}"),
        }
    }
}

impl FromStr for Place {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let wrong = || StoreError::Broken { table: "the index", why: "a place in it can't be understood".to_owned() };
        if let Some((ts, id)) = text.split_once('!') {
            return Ok(Self::Refusal(ts.parse().map_err(|_| wrong())?, id.to_owned()));
        }
        let numbers: Vec<i64> = text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        match numbers.as_slice() {
            [ts, chain, seq] => Ok(Self::Record(*ts, *chain, *seq)),
            _ => Err(wrong()),
        }
    }
}

/// A pattern for `LIKE … ESCAPE '!'`: the word anywhere.
pub(super) fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
