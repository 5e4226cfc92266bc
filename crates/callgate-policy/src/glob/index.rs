//! Many patterns at once: looked up by what they begin or end with, so that a lookup costs what the name is long, not
//! how many patterns there are.

use super::Glob;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Patterns with a number each.
#[derive(Debug, Default)]
pub struct GlobIndex {
    /// By the text before the first star.
    beginnings: Side,
    /// By the text behind the last star, where that is longer.
    endings: Side,
}

#[derive(Debug, Default)]
struct Side {
    /// The lengths of the keys, in bytes.
    lengths: BTreeSet<usize>,
    patterns: HashMap<Arc<str>, Vec<(Glob, usize)>>,
}

impl Side {
    fn push(&mut self, key: &str, glob: Glob, number: usize) {
        self.lengths.insert(key.len());
        self.patterns.entry(key.into()).or_default().push((glob, number));
    }

    fn collect<'n>(&self, name: &'n str, part: impl Fn(usize) -> Option<&'n str>, found: &mut Vec<usize>) {
        for length in self.lengths.range(..=name.len()) {
            let patterns = part(*length).and_then(|key| self.patterns.get(key));
            let matching = patterns.into_iter().flatten().filter(|(glob, _)| glob.matches(name));
            found.extend(matching.map(|(_, number)| *number));
        }
    }
}

impl GlobIndex {
    /// Adds a pattern.
    pub fn push(&mut self, glob: Glob, number: usize) {
        let text = Arc::<str>::from(glob.as_str());
        let beginning = text.split('*').next().unwrap_or_default();
        let ending = text.rsplit('*').next().unwrap_or_default();
        if ending.len() > beginning.len() {
            self.endings.push(ending, glob, number);
        } else {
            self.beginnings.push(beginning, glob, number);
        }
    }

    /// The numbers of the patterns that match, in ascending order. Allocates only where one does.
    pub fn matching(&self, name: &str) -> Vec<usize> {
        let mut found = Vec::new();
        self.beginnings.collect(name, |length| name.get(..length), &mut found);
        self.endings.collect(name, |length| name.get(name.len() - length..), &mut found);
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_trying_each_finds(
            patterns in proptest::collection::vec("[abé*]{0,4}", 0..12), name in "[abé]{0,5}",
        ) {
            let mut index = GlobIndex::default();
            for (number, pattern) in patterns.iter().enumerate() {
                index.push(Glob::new(pattern), number);
            }
            let one_by_one = patterns.iter().enumerate().filter(|(_, pattern)| Glob::new(pattern).matches(&name));
            prop_assert_eq!(index.matching(&name), one_by_one.map(|(number, _)| number).collect::<Vec<_>>());
        }
    }
}
