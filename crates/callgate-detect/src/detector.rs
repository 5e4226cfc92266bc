//! The detectors of `data/detectors.toml`, ready to look for things.

use crate::checks::Check;
use regex::Regex;
use serde::Deserialize;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

/// What a set of detectors looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Credentials.
    Secrets,
    /// What belongs to persons.
    PersonalData,
}

/// One thing that is looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    name: String,
    group: Group,
    about: String,
    source: String,
    keywords: Vec<String>,
    regex: String,
    #[serde(default)]
    check: Check,
    #[serde(default)]
    entropy: f64,
    #[serde(skip)]
    compiled: OnceLock<Regex>,
}

/// Every group with its name.
pub const GROUPS: [(Group, &str); 2] = [(Group::Secrets, "secrets"), (Group::PersonalData, "personal_data")];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    detector: Vec<Detector>,
}

static CATALOGUE: LazyLock<Vec<Detector>> = LazyLock::new(read);

#[expect(clippy::expect_used, reason = "the file is part of the program, and a test reads all of it")]
fn read() -> Vec<Detector> {
    let file: File = toml::from_str(include_str!("../data/detectors.toml")).expect("data/detectors.toml");
    file.detector
}

/// Every detector, in the order in which they are preferred where two find the same.
pub fn catalogue() -> &'static [Detector] {
    &CATALOGUE
}

impl Group {
    /// The group with this name.
    pub fn parse(name: &str) -> Option<Self> {
        GROUPS.iter().find(|(_, known)| *known == name).map(|(group, _)| *group)
    }

    /// The group's name.
    pub fn as_str(self) -> &'static str {
        GROUPS.iter().find(|(group, _)| *group == self).map_or("", |(_, name)| name)
    }
}

impl Detector {
    /// Its name, as policies write it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it belongs to.
    pub fn group(&self) -> Group {
        self.group
    }

    /// What it finds, in one sentence.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Where its expression comes from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Words one of which has to be in the text, in lower case; none where every text is looked at.
    pub fn keywords(&self) -> &[String] {
        &self.keywords
    }

    /// What has to hold beyond the expression, in words; empty where nothing has to.
    pub fn verified_by(&self) -> String {
        let check = self.check.about();
        match (check.is_empty(), self.entropy > 0.0) {
            (true, false) => String::new(),
            (true, true) => format!("entropy ≥ {}", self.entropy),
            (false, false) => check.to_owned(),
            (false, true) => format!("{check}; entropy ≥ {}", self.entropy),
        }
    }

    #[expect(clippy::expect_used, reason = "the expressions are part of the program, and a test compiles all of them")]
    pub(crate) fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| {
            // A Unicode word boundary would make every text that is not ASCII slow.
            let pattern = self.regex.replace(r"\b", r"(?-u:\b)");
            Regex::new(&pattern).expect("data/detectors.toml")
        })
    }

    /// Hands every place in the text to `found`.
    pub(crate) fn each(&self, text: &str, mut found: impl FnMut(Range<usize>)) {
        let regex = self.regex();
        let mut at = 0;
        while let Some(captures) = regex.captures_at(text, at) {
            let Some(whole) = captures.get(0) else { return };
            let span = captures.iter().skip(1).flatten().next().map_or(whole.range(), |group| group.range());
            let candidate = crate::checks::Candidate { text, before: whole.start(), span: span.clone() };
            let verified = self.check.verify(&candidate).filter(|_| self.entropy <= candidate.entropy());
            // What stands behind a secret may be what stands in front of the next one.
            let next = verified.as_ref().map_or(span.end, |verified| verified.end.max(span.end));
            if let Some(verified) = verified {
                found(verified);
            }
            at = if next > at { next } else { next_char(text, at) };
        }
    }
}

fn next_char(text: &str, at: usize) -> usize {
    at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_expression_compiles_and_ends() {
        let mut names = HashSet::new();
        for detector in catalogue() {
            assert!(names.insert(detector.name()), "{} stands twice", detector.name());
            assert!(Group::parse(detector.name()).is_none(), "{} is a group", detector.name());
            assert!(detector.keywords().iter().all(|word| *word == word.to_ascii_lowercase()), "{}", detector.name());
            detector.regex();
            let hir = regex_syntax::parse(&detector.regex).unwrap();
            let longest = hir.properties().maximum_len();
            assert!(longest.is_some_and(|longest| longest < 40_000), "{}: {longest:?}", detector.name());
            assert!(hir.properties().minimum_len().is_some_and(|shortest| shortest > 4), "{}", detector.name());
        }
    }
}
