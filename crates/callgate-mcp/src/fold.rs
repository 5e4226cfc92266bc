//! Names that a careless reader takes for another name.

/// Whether `text` is not `name`, but equal to it for a reader that ignores case. Go's `encoding/json` is one, and it
/// also takes `ſ` for `s` and the Kelvin sign for `k`. `name` must be lower-case ASCII, `_` allowed.
pub(crate) fn is_case_twin(text: &str, name: &str) -> bool {
    text != name && folds_to(text, name)
}

/// Whether `text` is `name`, which is in lower case, for a reader that ignores case.
pub(crate) fn folds_to(text: &str, name: &str) -> bool {
    text.chars().map(fold).eq(name.chars())
}

/// The same for a `name` that may have capitals.
pub(crate) fn folds_to_camel(text: &str, name: &str) -> bool {
    text.chars().map(fold).eq(name.chars().map(|ch| ch.to_ascii_lowercase()))
}

fn fold(ch: char) -> char {
    match ch {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// The letters and digits of `text` in lower case: what is left when a reader trims, splits or ignores case.
pub(crate) fn skeleton(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(fold).filter(char::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_other_spellings_only() {
        for twin in ["Method", "METHOD", "mEthod"] {
            assert!(is_case_twin(twin, "method"), "{twin}");
        }
        assert!(is_case_twin("param\u{17f}", "params"));
        for other in ["method", "methods", "me", ""] {
            assert!(!is_case_twin(other, "method"), "{other}");
        }
    }
}
