//! From texts to words, and from what is looked for to an expression of the database.

use super::search::Facet;
use crate::connect::Backend;
use std::collections::BTreeSet;

/// The longest word that is kept, in characters.
pub(super) const LONGEST: usize = 40;

/// So many different words of one entry are kept.
const MOST: usize = 400;

/// So much of a text is read, in bytes.
const READ: usize = 8_000;

/// Every entry has this one.
const ANY: &str = "=any";

/// How many words a name has that is counted at all; what has more is ordered with those.
const NAME_WORDS: i64 = 15;

/// Numbers of rows stay below this; above it stands how many words the name has.
const PLACE: u32 = 40;

/// What is looked for, in words.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Words, with whether they are only beginnings.
    pub(super) words: Vec<(String, bool)>,
    /// Of each list one.
    pub(super) filters: Vec<Vec<Facet>>,
}

/// Where the words have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// All of them in the name.
    Name,
    /// Anywhere, and not all of them in the name.
    Text,
    /// There are none.
    All,
}

/// The words of an entry, separated by spaces, never none. `mark` stands before each where the entry is an
/// organisation's.
pub(super) fn of_entry(mark: &str, name: &str, text: &str, facets: &[Facet]) -> String {
    let mut all = BTreeSet::from([ANY.to_owned()]);
    all.extend(facets.iter().map(Facet::word));
    let names = name_words(name);
    all.extend(names.iter().map(|word| format!("@{word}")));
    all.extend(names);
    let mut rest = BTreeSet::new();
    text_words(cut(text), &mut rest);
    let room = MOST.saturating_sub(all.len());
    all.extend(rest.into_iter().take(room));
    let mut words = String::new();
    for word in all {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(mark);
        words.push_str(&word);
    }
    words
}

/// A number that orders a name: few words first, then what came first.
pub(super) fn place(name: &str, sequence: i64) -> i64 {
    let words = i64::try_from(parts(name).len()).unwrap_or(NAME_WORDS).clamp(1, NAME_WORDS);
    (words << PLACE) | sequence
}

/// What stands before the words of an organisation's entries: nobody else finds them by theirs.
pub(super) fn mark(organisation: &str) -> String {
    if organisation.is_empty() {
        return String::new();
    }
    let hash = blake3::hash(organisation.as_bytes()).to_hex();
    format!("o{}!", hash.get(..16).unwrap_or_default())
}

impl Wanted {
    /// Reads what somebody typed: words, `begin*` for beginnings.
    pub(super) fn read(text: &str, filters: Vec<Vec<Facet>>) -> Self {
        let mut words: Vec<(String, bool)> = Vec::new();
        for typed in text.split_whitespace().take(16) {
            let begins = typed.ends_with('*') && typed.trim_end_matches('*').chars().any(char::is_alphanumeric);
            let runs = runs(typed);
            let last = runs.len().saturating_sub(1);
            for (at, run) in runs.into_iter().enumerate() {
                let wanted = (fold(run), begins && at == last);
                if !words.contains(&wanted) {
                    words.push(wanted);
                }
            }
        }
        Self { words, filters }
    }

    /// In which order entries are looked for.
    pub(super) fn tiers(&self) -> &'static [Tier] {
        if self.words.is_empty() { &[Tier::All] } else { &[Tier::Name, Tier::Text] }
    }

    /// The expression that finds them, for entries behind any of these marks.
    pub(super) fn expression(&self, tier: Tier, marks: &[String], backend: Backend) -> String {
        let sides = marks.iter().map(|mark| format!("({})", self.side(tier, mark, backend)));
        sides.collect::<Vec<_>>().join(or(backend))
    }

    fn side(&self, tier: Tier, mark: &str, backend: Backend) -> String {
        let term = |at: &str, (word, begins): &(String, bool)| term(&format!("{mark}{at}{word}"), *begins, backend);
        let join = |at: &str| self.words.iter().map(|word| term(at, word)).collect::<Vec<_>>();
        let mut all = match tier {
            Tier::Name => join("@"),
            Tier::Text => join(""),
            Tier::All => Vec::new(),
        };
        for any in &self.filters {
            let any: Vec<String> = any.iter().map(|facet| term("", &(facet.word(), false))).collect();
            all.push(format!("({})", any.join(or(backend))));
        }
        if all.is_empty() {
            all.push(term("", &(ANY.to_owned(), false)));
        }
        let all = all.join(and(backend));
        match tier {
            Tier::Text => format!("({all}){}({})", but_not(backend), join("@").join(and(backend))),
            _ => all,
        }
    }
}

/// A word as the database's expressions have it. Words hold letters, digits and the signs before them, nothing else.
fn term(word: &str, begins: bool, backend: Backend) -> String {
    match (backend, begins) {
        (Backend::Sqlite, false) => format!("\"{word}\""),
        (Backend::Sqlite, true) => format!("\"{word}\" *"),
        (Backend::Postgres, false) => format!("'{word}'"),
        (Backend::Postgres, true) => format!("'{word}':*"),
    }
}

fn and(backend: Backend) -> &'static str {
    if backend == Backend::Sqlite { " AND " } else { " & " }
}

fn or(backend: Backend) -> &'static str {
    if backend == Backend::Sqlite { " OR " } else { " | " }
}

fn but_not(backend: Backend) -> &'static str {
    if backend == Backend::Sqlite { " NOT " } else { " & !" }
}

/// The words of a name: each run of letters and digits, its parts (`readFile`), and all of it as one (`readfile`).
fn name_words(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    text_words(name, &mut words);
    let all: String = runs(name).concat();
    if !all.is_empty() {
        words.insert(fold(&all));
    }
    words
}

fn text_words(text: &str, words: &mut BTreeSet<String>) {
    for run in runs(text) {
        for part in humps(run) {
            words.insert(fold(part));
        }
        words.insert(fold(run));
    }
}

/// The parts of a name, as a person counts them.
fn parts(name: &str) -> Vec<&str> {
    runs(name).into_iter().flat_map(humps).collect()
}

/// Runs of letters and digits; an ideograph stands alone, for its script has no spaces.
fn runs(text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let mut begin = 0;
        for (at, c) in run.char_indices().filter(|(_, c)| is_ideograph(*c)) {
            runs.extend(run.get(begin..at));
            begin = at + c.len_utf8();
            runs.extend(run.get(at..begin));
        }
        runs.extend(run.get(begin..));
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// `readFile` → `read`, `File`.
fn humps(run: &str) -> Vec<&str> {
    let mut humps = Vec::new();
    let (mut begin, mut small) = (0, false);
    for (at, c) in run.char_indices() {
        if c.is_uppercase() && small {
            humps.extend(run.get(begin..at));
            begin = at;
        }
        small = c.is_lowercase() || c.is_numeric();
    }
    humps.extend(run.get(begin..));
    humps
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// In small letters, without the `s` of a plural, and not too long.
fn fold(word: &str) -> String {
    let lower = word.to_lowercase();
    let mut folded: String = lower.chars().filter(|c| c.is_alphanumeric()).take(LONGEST).collect();
    let plural = folded.len() > 3 && folded.is_ascii() && folded.ends_with('s');
    if plural && !["ss", "us", "is"].iter().any(|end| folded.ends_with(end)) {
        folded.pop();
    }
    folded
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(READ);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_the_words_that_people_type() {
        for (name, text, typed, name_fits, text_fits) in [
            ("read_file", "", "read file", true, true),
            ("readFile", "", "read_file", true, true),
            ("readFile", "", "readfile", true, true),
            ("read_files", "", "file", true, true),
            ("search", "Searches GitHub issues", "github", false, true),
            ("search", "Searches GitHub issues", "hub issue", false, true),
            ("search", "", "sea*", true, true),
            ("search", "", "sea", false, false),
            ("search", "", "SEARCH'\"; DROP", false, false),
            ("天気", "東京の天気", "天気", true, true),
            ("weather", "東京の天気", "東", false, true),
            ("status", "", "status", true, true),
            ("x", "o'clock", "o'clock", false, true),
        ] {
            let words = of_entry("", name, text, &[]);
            let words: Vec<&str> = words.split(' ').collect();
            let wanted = Wanted::read(typed, Vec::new());
            assert!(!wanted.words.is_empty());
            let fits = |at: &str| {
                wanted.words.iter().all(|(word, begins)| {
                    let word = format!("{at}{word}");
                    words.iter().any(|has| if *begins { has.starts_with(&word) } else { *has == word })
                })
            };
            assert_eq!((fits("@"), fits("")), (name_fits, text_fits), "{name} {text} {typed}");
        }
    }

    #[test]
    fn expressions_hold_nothing_but_words() {
        let wanted = Wanted::read("a'b\"c\\ *:&|!() \u{0}", vec![vec![Facet::Category("x' OR 1".to_owned())]]);
        for backend in [Backend::Sqlite, Backend::Postgres] {
            for tier in [Tier::Name, Tier::Text] {
                let text = wanted.expression(tier, &[String::new(), mark("acme")], backend);
                let quote = if backend == Backend::Sqlite { '"' } else { '\'' };
                let inside: Vec<&str> = text.split(quote).skip(1).step_by(2).collect();
                let plain = |c: char| c.is_alphanumeric() || "@=!".contains(c);
                assert!(inside.iter().all(|word| !word.is_empty() && word.chars().all(plain)), "{text}");
            }
        }
        assert!(Wanted::read("", Vec::new()).expression(Tier::All, &[String::new()], Backend::Sqlite).contains(ANY));
    }

    #[test]
    fn names_with_few_words_come_first() {
        assert!(place("read_file", 900) < place("read_text_file", 1));
        assert!(place("readFile", 1) < place("read_file", 2));
        assert!(place("", 1) > 0 && place("日本", 1) > place("日", 1));
    }
}
