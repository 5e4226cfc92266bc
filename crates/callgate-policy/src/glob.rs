//! Patterns for names: `*` is any run of characters, also none; everything else is itself.

mod index;

pub use index::GlobIndex;

use std::sync::Arc;

/// A compiled pattern that matches whole names, case-sensitive, by code points.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    text: Arc<str>,
    /// What stands between the stars, in order; one piece where there is no star.
    pieces: Box<[Box<str>]>,
}

impl Glob {
    /// The pattern with this text; every text is one.
    pub fn new(text: &str) -> Self {
        let mut pieces: Vec<Box<str>> = Vec::new();
        for piece in text.split('*') {
            // `**` means what `*` means.
            let inner = !pieces.is_empty() && pieces.last().is_some_and(|last| last.is_empty()) && piece.is_empty();
            if !inner || pieces.len() == 1 {
                pieces.push(piece.into());
            }
        }
        Self { text: text.into(), pieces: pieces.into() }
    }

    /// Whether `text` has a star, and so stands for more than itself.
    pub fn is_pattern(text: &str) -> bool {
        text.contains('*')
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches all of `name`. Linear in the name for each piece; a piece is looked for once.
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return name == &**first;
        };
        let Some(mut rest) = name.strip_prefix(&**first) else {
            return false;
        };
        for piece in middle {
            match rest.find(&**piece) {
                Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn stars_and_nothing_else() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("**", "", true),
            ("***", "x", true),
            ("delete_*", "delete_", true),
            ("delete_*", "delete_account", true),
            ("delete_*", "Delete_account", false),
            ("delete_*", "xdelete_account", false),
            ("*_account", "delete_account", true),
            ("*_account", "delete_accounts", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a**c", "ac", true),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("a?c", "abc", false),
            ("a[b]c", "a[b]c", true),
            ("plain", "plain", true),
            ("plain", "plain2", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern} on {name}");
        }
    }
}
