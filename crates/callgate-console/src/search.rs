//! The text of a search as people write it: `tool:exec_command outcome:deny since:1h "not allowed"`.
//!
//! The API understands it; here it is explained, taken apart and put together again, with the API's own reader.

use crate::api::path;
use callgate_control::approvals::visible::visible;
use callgate_control::records::{Subject, Term, Terms, parse};

/// A qualifier, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Qualifier {
    pub(crate) key: &'static str,
    /// What it is about, as the beginning of a sentence: `the tool is`.
    pub(crate) says: &'static str,
    /// All its values, where they are words; else an example or two.
    pub(crate) values: &'static [&'static str],
}

/// A condition of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// As it is written.
    pub(crate) text: String,
    /// What it means.
    pub(crate) says: String,
    /// The search without it.
    pub(crate) without: String,
}

/// How the last word could go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// What it would be.
    pub(crate) text: String,
    pub(crate) says: &'static str,
    /// The search with it.
    pub(crate) search: String,
}

/// At most so many suggestions at once.
const SUGGESTIONS: usize = 8;

const WHEN: &[&str] = &["1h", "24h", "7d"];

const DECISIONS: &[Qualifier] = &[
    Qualifier { key: "server", says: "the server is", values: &[] },
    Qualifier { key: "tool", says: "the tool is", values: &[] },
    Qualifier { key: "outcome", says: "the outcome is", values: &["allow", "deny", "approve"] },
    Qualifier { key: "grant", says: "the grant (label or identity) is", values: &[] },
    Qualifier { key: "since", says: "from then on:", values: WHEN },
    Qualifier { key: "until", says: "before then:", values: WHEN },
    Qualifier { key: "rule", says: "the rule is", values: &["\"(default deny)\"", "\"(hidden)\""] },
    Qualifier { key: "reason", says: "the reason is", values: &[] },
    Qualifier { key: "result", says: "what became of the call is", values: callgate_control::records::FATES },
    Qualifier { key: "method", says: "the method is", values: &["tools/call"] },
    Qualifier { key: "policy", says: "the policy is", values: &["default"] },
    Qualifier { key: "version", says: "the version of the policy is", values: &["1"] },
    Qualifier { key: "client", says: "the client calls itself", values: &[] },
    Qualifier { key: "session", says: "the session is", values: &[] },
    Qualifier { key: "status", says: "the server's HTTP status is", values: &["200", "502"] },
];

const CHANGES: &[Qualifier] = &[
    Qualifier { key: "who", says: "it was done by", values: &["member:admin", "\"configuration file\""] },
    Qualifier {
        key: "what",
        says: "what was done is",
        values: &["\"policy publish\"", "\"policy rollback\"", "\"grant mint\"", "\"grant revoke\"", "\"server add\""],
    },
    Qualifier { key: "object", says: "it was done to", values: &["server/NAME"] },
    Qualifier { key: "since", says: "from then on:", values: WHEN },
    Qualifier { key: "until", says: "before then:", values: WHEN },
];

/// The qualifiers of a search.
pub(crate) fn qualifiers(subject: Subject) -> &'static [Qualifier] {
    match subject {
        Subject::Decisions => DECISIONS,
        Subject::Changes => CHANGES,
        Subject::Refusals => &[],
    }
}

/// What each condition means; nothing where the text can't be understood: the API says why.
pub(crate) fn explain(subject: Subject, text: &str) -> Vec<Condition> {
    let terms = understood(subject, text).unwrap_or_default();
    let condition = |(index, term): (usize, &Term<'_>)| {
        let others = terms.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, term)| written(term));
        let says = match term.key.and_then(|key| qualifiers(subject).iter().find(|known| known.key == key)) {
            Some(known) if matches!(known.key, "since" | "until") => format!("{} {}", known.says, ago(&term.value)),
            Some(known) => format!("{} `{}`", known.says, visible(&term.value)),
            None => format!("a text has `{}` in it", visible(&term.value)),
        };
        Condition { text: visible(&written(term)), says, without: others.collect::<Vec<_>>().join(" ") }
    };
    terms.iter().enumerate().map(condition).collect()
}

/// How the last word of a search could go on: as a qualifier, or as a value of one. `names` are values of a qualifier
/// that are known besides.
pub(crate) fn suggest(subject: Subject, text: &str, names: &[(&str, String)]) -> Vec<Suggestion> {
    let (before, word) =
        text.rsplit_once(char::is_whitespace).map_or(("", text), |(before, word)| (before.trim(), word));
    let with = |text: &str| if before.is_empty() { text.to_owned() } else { format!("{before} {text}") };
    let mut all = qualifiers(subject).iter();
    let found: Vec<Suggestion> = match word.split_once(':') {
        None => {
            let begun = all.filter(|known| known.key.starts_with(word));
            begun
                .map(|known| (format!("{}:", known.key), known.says))
                .map(|(text, says)| Suggestion { search: with(&text), text, says })
                .collect()
        }
        Some((key, begun)) => {
            let Some(known) = all.find(|known| known.key == key) else { return Vec::new() };
            let own = names.iter().filter(|(of, _)| *of == key).map(|(_, name)| quoted(name));
            let values = own.chain(known.values.iter().map(|value| (*value).to_owned()));
            let fitting = values.filter(|value| value.starts_with(begun) && value != begun);
            fitting
                .map(|value| format!("{key}:{value}"))
                .map(|text| Suggestion { search: with(&text), text: visible(&text), says: known.says })
                .collect()
        }
    };
    found.into_iter().take(SUGGESTIONS).collect()
}

/// A search with a qualifier of this value, in place of those of the same qualifier; without any where it is empty.
pub(crate) fn with(subject: Subject, text: &str, key: &str, value: &str) -> String {
    let terms = understood(subject, text).unwrap_or_default();
    let kept = terms.iter().filter(|term| term.key != Some(key)).map(written);
    let new = (!value.is_empty()).then(|| condition(key, value));
    kept.chain(new).collect::<Vec<_>>().join(" ")
}

/// The value of a qualifier, where there is one of it.
pub(crate) fn value_of(subject: Subject, text: &str, key: &str) -> Option<String> {
    let terms = understood(subject, text)?;
    terms.into_iter().find(|term| term.key == Some(key)).map(|term| term.value)
}

/// A condition, as it is written.
pub(crate) fn condition(key: &str, value: &str) -> String {
    format!("{key}:{}", quoted(value))
}

/// Where the decisions are that meet these conditions.
pub(crate) fn decisions(conditions: &[(&str, &str)]) -> String {
    let given = conditions.iter().filter(|(_, value)| !value.is_empty());
    let text: Vec<String> = given.map(|(key, value)| condition(key, value)).collect();
    path(&["decisions"], &[("q", &text.join(" "))])
}

fn understood(subject: Subject, text: &str) -> Option<Vec<Term<'_>>> {
    let terms = parse(text).ok()?;
    Terms::understand(subject, &terms, i64::MAX).ok()?;
    Some(terms)
}

fn written(term: &Term<'_>) -> String {
    match term.key {
        Some(key) => condition(key, &term.value),
        None => quoted(&term.value),
    }
}

/// A value as it has to be written: in quotes where it would be taken apart else.
fn quoted(value: &str) -> String {
    let is_plain = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '"'));
    if is_plain { value.to_owned() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

fn ago(value: &str) -> String {
    let is_span = value.bytes().next_back().is_some_and(|last| matches!(last, b's' | b'm' | b'h' | b'd' | b'w'));
    if is_span { format!("{value} ago") } else { visible(value) }
}

#[cfg(test)]
mod tests;
