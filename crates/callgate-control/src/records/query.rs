//! The text of a search: `tool:exec_command outcome:deny since:1h "not allowed"`.

use crate::error::{Error, Kind};
use crate::moment;
use callgate_store::{Column, Filter};

/// How long the text of a search is at most, in characters.
const MAX_TEXT: usize = 1_000;

/// How many conditions it has at most.
const MAX_TERMS: usize = 20;

const MOMENTS: &str = "write how long ago (`90s`, `15m`, `12h`, `7d`) or an RFC 3339 time (`2026-11-21T09:00:00Z`)";
const OUTCOMES: &[&str] = &["allow", "deny", "approve"];
/// What can have become of a call, by the words of its record.
pub const FATES: &[&str] = &[
    "result",
    "unread",
    "tool_error",
    "error",
    "input_required",
    "task",
    "accepted",
    "unreachable",
    "timeout",
    "broken",
    "cancelled",
    "not_forwarded",
];

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Decisions.
    Decisions,
    /// Changes of the configuration.
    Changes,
    /// What was refused early or withheld.
    Refusals,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term<'t> {
    /// The qualifier; none for a word that is looked for in the texts.
    pub key: Option<&'t str>,
    /// The value.
    pub value: String,
    /// Where it begins, in characters from 1; 0 for a parameter of its own.
    pub at: usize,
}

/// The conditions of a search, understood. All have to be true; of one qualifier given twice, either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Values of columns.
    pub filters: Vec<Filter>,
    /// Words in the texts.
    pub words: Vec<String>,
    /// From then on, milliseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Before then.
    pub until: Option<i64>,
}

/// Why a search can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct QueryError {
    /// Where: `` `q`, character 14 ``, or the parameter.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What would be right.
    pub remedy: String,
}

/// What a qualifier is about.
enum Means {
    Text(Column),
    Word(Column, &'static [&'static str]),
    Number(Column),
    Grant,
    Since,
    Until,
}

impl Subject {
    /// Its qualifiers, which are parameters of the API, too.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Decisions => &[
                "server", "grant", "tool", "method", "outcome", "rule", "reason", "policy", "version", "session",
                "client", "result", "status", "since", "until",
            ],
            Self::Changes => &["who", "what", "object", "since", "until"],
            Self::Refusals => &["kind", "source", "reason", "server", "grant", "since", "until"],
        }
    }

    fn means(self, key: &str) -> Option<Means> {
        if !self.keys().contains(&key) {
            return None;
        }
        Some(match key {
            "server" => Means::Text(Column::Server),
            "grant" => Means::Grant,
            "tool" => Means::Text(Column::Tool),
            "method" => Means::Text(Column::Method),
            "outcome" => Means::Word(Column::Outcome, OUTCOMES),
            "rule" => Means::Text(Column::Rule),
            "reason" => Means::Text(Column::Reason),
            "policy" => Means::Text(Column::Policy),
            "version" => Means::Number(Column::Version),
            "session" => Means::Text(Column::Session),
            "client" => Means::Text(Column::Client),
            "result" => Means::Word(Column::Fate, FATES),
            "status" => Means::Number(Column::Status),
            "who" => Means::Text(Column::Who),
            "what" => Means::Text(Column::What),
            "object" => Means::Text(Column::Object),
            "source" => Means::Text(Column::Source),
            "kind" => Means::Word(Column::Kind, &["early", "withheld"]),
            "since" => Means::Since,
            "until" => Means::Until,
            _ => return None,
        })
    }
}

/// Takes the text of a search apart.
pub fn parse(text: &str) -> Result<Vec<Term<'_>>, QueryError> {
    let length = text.chars().count();
    if length > MAX_TEXT {
        let what = format!("it has {length} characters");
        return Err(QueryError::new("`q`".to_owned(), what, format!("{MAX_TEXT} are allowed")));
    }
    let mut terms = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(terms);
        }
        let at = text.chars().count() - rest.chars().count() + 1;
        if terms.len() == MAX_TERMS {
            return Err(QueryError::at(at, "it has too many conditions", format!("{MAX_TERMS} are allowed")));
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == ':' || c == '"').unwrap_or(rest.len());
        let (head, tail) = rest.split_at(end);
        let (key, tail) = match tail.strip_prefix(':') {
            Some(tail) => (Some(head), tail),
            None if head.is_empty() => (None, tail),
            None => (None, rest),
        };
        let (value, tail) = value(tail, at)?;
        if value.is_empty() {
            let remedy = "write `tool:exec_command`, or `\"a few words\"`";
            return Err(QueryError::at(at, "a value is missing", remedy));
        }
        terms.push(Term { key, value, at });
        rest = tail;
    }
}

/// A word, or text in quotes (in which `\"` and `\\` stand for themselves), and what follows.
fn value(text: &str, at: usize) -> Result<(String, &str), QueryError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return Ok((word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, quoted.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    Err(QueryError::at(at, "its quotes don't end", "end it with `\"`; within quotes write `\\\"` for one"))
}

impl Terms {
    /// Understands conditions. `now` is what `since:1h` is counted back from.
    pub fn understand(subject: Subject, terms: &[Term<'_>], now: i64) -> Result<Self, QueryError> {
        let mut understood = Self::default();
        for term in terms {
            understood.add(subject, term, now)?;
        }
        Ok(understood)
    }

    fn add(&mut self, subject: Subject, term: &Term<'_>, now: i64) -> Result<(), QueryError> {
        let Some(key) = term.key else {
            self.words.push(term.value.clone());
            return Ok(());
        };
        let wrong = |what: String, remedy: String| match term.at {
            0 => QueryError::new(format!("`{key}`"), what, remedy),
            at => QueryError::at(at, what, remedy),
        };
        let value = short(&term.value);
        let Some(means) = subject.means(key) else {
            let what = format!("there is no qualifier `{}`", short(key));
            let remedy = format!("there are {}; put text with a colon in quotes", subject.keys().join(", "));
            return Err(wrong(what, remedy));
        };
        match means {
            Means::Text(column) => self.filter(column, term.value.clone()),
            Means::Grant if is_identity(&term.value) => self.filter(Column::Grant, term.value.clone()),
            Means::Grant => self.filter(Column::Label, term.value.clone()),
            Means::Word(column, words) if words.contains(&term.value.as_str()) => {
                self.filter(column, term.value.clone());
            }
            Means::Word(_, words) => {
                return Err(wrong(
                    format!("`{value}` is no value of `{key}`"),
                    format!("it is one of {}", words.join(", ")),
                ));
            }
            Means::Number(column) => match term.value.parse::<u32>() {
                Ok(number) => self.filter(column, number.to_string()),
                Err(_) => return Err(wrong(format!("`{value}` is no number"), format!("for example `{key}:3`"))),
            },
            Means::Since | Means::Until => {
                let wrong = || wrong(format!("`{value}` is no time"), MOMENTS.to_owned());
                let moment = ago(&term.value, now).ok_or_else(wrong)?;
                match means {
                    Means::Since => self.since = self.since.max(Some(moment)),
                    _ => self.until = Some(self.until.map_or(moment, |until| until.min(moment))),
                }
            }
        }
        Ok(())
    }

    fn filter(&mut self, column: Column, value: String) {
        match self.filters.iter_mut().find(|filter| filter.column == column) {
            Some(filter) if filter.values.contains(&value) => {}
            Some(filter) => filter.values.push(value),
            None => self.filters.push(Filter { column, values: vec![value] }),
        }
    }
}

impl QueryError {
    fn new(place: String, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place, what: what.into(), remedy: remedy.into() }
    }

    fn at(at: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(format!("`q`, character {at}"), what, remedy)
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        Self::new(Kind::Malformed, "CG3190", error.to_string(), error.remedy)
    }
}

/// A moment, or how long ago it is, in milliseconds since the Unix epoch.
pub(crate) fn ago(text: &str, now: i64) -> Option<i64> {
    moment::milliseconds(text).map(|ago| now.saturating_sub(ago)).or_else(|| moment::parse(text))
}

/// A moment in a parameter.
pub(crate) fn moment_of(name: &str, text: &str, now: i64) -> Result<i64, QueryError> {
    ago(text, now).ok_or_else(|| QueryError::new(format!("`{name}`"), format!("`{}` is no time", short(text)), MOMENTS))
}

/// Whether it is a grant's identity, and no label: `g_` and 16 digits.
fn is_identity(text: &str) -> bool {
    text.strip_prefix("g_").is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
