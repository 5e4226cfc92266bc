//! Values that are assigned to a secret's name: which of them are secrets.

use super::Candidate;

/// Words that stand in the place of a password in documents.
const PLACEHOLDERS: [&str; 24] = [
    "pass",
    "password",
    "passwd",
    "pwd",
    "secret",
    "user",
    "username",
    "token",
    "key",
    "apikey",
    "api_key",
    "api-key",
    "mypassword",
    "my-password",
    "mysecret",
    "yourpassword",
    "your-password",
    "your_password",
    "none",
    "null",
    "true",
    "false",
    "string",
    "undefined",
];
/// Parts of what documents show in the place of a secret.
const SHOWN: [&str; 12] = [
    "example",
    "placeholder",
    "your_",
    "your-",
    "yourtoken",
    "xxxx",
    "....",
    "****",
    "changeme",
    "redacted",
    "dummy",
    "insert",
];
/// What stands in front of `token` where it is no credential.
const PAGING: [&str; 20] = [
    "page",
    "next",
    "prev",
    "continuation",
    "sync",
    "progress",
    "max",
    "cursor",
    "cancellation",
    "cancel",
    "design",
    "start",
    "marker",
    "resume",
    "pagination",
    "idempotency",
    "syntax",
    "lexer",
    "input",
    "output",
];

/// Whether a value is none, but says that there would be one.
pub(super) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    bare.is_empty()
        || PLACEHOLDERS.contains(&bare)
        || SHOWN.iter().any(|shown| lower.contains(shown))
        || is_variable(value)
        || value.bytes().all(|byte| Some(byte) == value.bytes().next())
}

/// Whether a value looks like made by chance: letters and digits mixed, and no identifier.
pub(super) fn is_random(candidate: &Candidate<'_>) -> bool {
    let value = candidate.found();
    !is_placeholder(value) && !is_identifier(value) && !is_paging(candidate)
}

/// `$NAME`, `%NAME%`, `process.env.NAME`, `secrets.NAME`
fn is_variable(value: &str) -> bool {
    let name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    value.strip_prefix('$').is_some_and(name)
        || value.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).is_some_and(name)
        || ["process.env.", "os.environ", "secrets.", "env.", "self.", "config.", "settings.", "this."]
            .iter()
            .any(|prefix| value.starts_with(prefix))
}

/// Words and numbers with separators between them, as people write names, versions, files and dates.
fn is_identifier(value: &str) -> bool {
    let has = |is: fn(&u8) -> bool| value.as_bytes().iter().any(is);
    if !has(u8::is_ascii_digit) || !has(u8::is_ascii_alphabetic) {
        return true;
    }
    let parts = value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let is_plain = |part: &str| {
        let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = part.len() - letters.len();
        let is_word = letters.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_word && digits <= 4 && (letters.is_empty() || has_vowels(letters) || letters.len() <= 3)
    };
    parts.into_iter().all(is_plain)
}

/// Whether a text could be said.
fn has_vowels(letters: &str) -> bool {
    let vowels = letters.bytes().filter(|byte| b"aeiouyAEIOUY".contains(byte)).count();
    let changes = letters
        .as_bytes()
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    vowels * 6 >= letters.len() && changes.count() * 4 <= letters.len()
}

/// Whether the name is one of a token that opens nothing: of a page, a cursor, a limit.
fn is_paging(candidate: &Candidate<'_>) -> bool {
    let before = candidate.text.get(..candidate.span.start).unwrap_or_default();
    let matched = candidate.text.get(candidate.before..candidate.span.start).unwrap_or_default();
    if !matched.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("token")) {
        return false;
    }
    // `tokenizer`, `tokenization`
    if matched.get(5..7).is_some_and(|more| more.eq_ignore_ascii_case("iz")) {
        return true;
    }
    let in_front = before.get(..candidate.before).unwrap_or_default().as_bytes();
    let name: Vec<u8> = in_front
        .iter()
        .rev()
        .take(24)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' '))
        .map(u8::to_ascii_lowercase)
        .collect();
    let name: String = name.iter().rev().map(|byte| char::from(*byte)).collect();
    let name = name.trim_end_matches(['_', '-', ' ']);
    PAGING.iter().any(|word| name.ends_with(word))
}
